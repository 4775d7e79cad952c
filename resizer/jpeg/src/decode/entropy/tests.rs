//! Attacks on the unchecked steps: any tables that a file can hold, any bits, buffers without a byte to spare.

#![expect(clippy::cast_possible_truncation, reason = "bytes from small numbers")]

use super::super::layout::Block;
use super::super::segments::{HuffmanSpec, STANDARD, Tables};
use super::*;

/// A generator of numbers that are nobody's choice.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// Any code that fits in 16 bits, full or not, with any symbols.
    fn spec(&mut self) -> HuffmanSpec {
        let mut counts = [0_u8; 16];
        let (mut room, mut total) = (1, 0);
        for count in &mut counts {
            room *= 2;
            let most = if self.below(3) == 0 { room } else { room / 2 };
            let taken = self.below(most + 1).min(256 - total).min(255);
            *count = taken as u8;
            room -= taken;
            total += taken;
        }
        let symbols: Vec<u8> = (0..total).map(|_| self.below(256) as u8).collect();
        HuffmanSpec::new(counts, &symbols)
    }

    fn machine(&mut self) -> Machine {
        let mut tables = Tables::default();
        for i in 0..4 {
            let known = self.below(4) == 0;
            tables.dc[i] = Some(if known { STANDARD[i & 1] } else { self.spec() });
            tables.ac[i] = Some(if known { STANDARD[2 + (i & 1)] } else { self.spec() });
        }
        let blocks: Vec<Block> = (0..1 + self.below(10))
            .map(|component| {
                let (keep_width, keep_height) = ([0, 1, 2, 4, 8][self.below(5)], [1, 2, 4, 8][self.below(4)]);
                let kept = keep_width * keep_height;
                let (dc, ac) = (self.below(4), self.below(4));
                let stride = if kept == 64 { 64 } else { kept + 1 };
                Block { component, x: 0, y: 0, dc, ac, keep_width, keep_height, stride }
            })
            .collect();
        Machine::new(&tables, &blocks, self.below(2) << 20)
    }
}

/// [`run`] with a check in every access.
fn checked(machine: &Machine, data: &[u8], coefficients: &mut [i16], lane: &mut Lane, steps: usize) {
    for _ in 0..steps {
        let byte = lane.at / 8;
        let mut word = [0; 8];
        word.copy_from_slice(&data[byte..byte + 8]);
        let window = (u64::from_be_bytes(word) << (lane.at % 8)) >> (64 - WINDOW);
        let symbol = machine.symbols()[table(lane.state) + window as usize];
        lane.at += bits(symbol) as usize;
        lane.state = machine.states()[number(lane.state) + moved(symbol)];
        let own = &mut coefficients[lane.out + place(lane.state)];
        *own = own.wrapping_add(addend(symbol));
        lane.out += advance(lane.state);
    }
}

#[test]
fn every_access_is_one_that_a_check_lets_pass() {
    let mut numbers = Numbers(1);
    for _ in 0..if cfg!(miri) { 3 } else { 300 } {
        let machine = numbers.machine();
        let rounds = 1 + numbers.below(20);
        let bits = rounds * ROUND_BITS;
        let starts: [usize; 4] = std::array::from_fn(|_| numbers.below(64));
        let last = starts.iter().max().unwrap();
        let data: Vec<u8> = (0..(last + bits) / 8 + 8).map(|_| numbers.below(256) as u8).collect();
        // Each lane writes where the next one does: only sums can tell, and they are the same in any order.
        let mut own = vec![0; rounds * STEPS * machine.widest + 1];
        let mut other = own.clone();
        let begin = starts.map(|at| Lane { at, state: machine.start, out: 0 });
        let mut lanes = begin;
        run(&machine, &data, &mut own, &mut lanes, rounds);
        for (mut lane, ran) in begin.into_iter().zip(lanes) {
            checked(&machine, &data, &mut other, &mut lane, rounds * STEPS);
            assert_eq!((lane.at, lane.state, lane.out), (ran.at, ran.state, ran.out));
        }
        assert_eq!(own, other);
    }
}

fn refused(change: impl Fn(&mut Lane, &mut Vec<u8>, &mut Vec<i16>)) {
    let machine = Numbers(7).machine();
    let mut data = vec![0x55; ROUND_BITS / 8 + 8];
    let mut room = vec![0; STEPS * machine.widest + 1];
    let mut lane = Lane { at: 0, state: machine.start, out: 0 };
    run(&machine, &data, &mut room, &mut [lane], 1);
    change(&mut lane, &mut data, &mut room);
    run(&machine, &data, &mut room, &mut [lane], 1);
}

#[test]
#[should_panic(expected = "leave the data")]
fn data_that_ends_too_early_is_refused() {
    refused(|_, data, _| data.truncate(ROUND_BITS / 8 + 7));
}

#[test]
#[should_panic(expected = "leave the data")]
fn a_lane_behind_the_data_is_refused() {
    refused(|lane, _, _| lane.at = usize::MAX - 3);
}

#[test]
#[should_panic(expected = "leave its room")]
fn room_that_ends_too_early_is_refused() {
    refused(|_, _, room| room.truncate(room.len() - 1));
}

#[test]
#[should_panic(expected = "in no state")]
fn a_state_of_no_machine_is_refused() {
    refused(|lane, _, _| lane.state |= 0xFFFF << 16);
}

#[test]
#[should_panic(expected = "in no state")]
fn a_table_of_no_machine_is_refused() {
    refused(|lane, _, _| lane.state |= 0x7FFF_FFFF << 32);
}
