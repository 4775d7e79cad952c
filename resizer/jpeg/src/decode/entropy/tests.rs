//! Attacks on the unchecked steps: any tables that a file can hold, any bits, buffers without a byte to spare.

#![expect(clippy::cast_possible_truncation, reason = "bytes from small numbers")]

use super::*;
use crate::decode::numbers::Numbers;

fn machine(numbers: &mut Numbers) -> Machine {
    let (tables, blocks) = (numbers.tables(), numbers.blocks());
    Machine::new(&tables, &blocks, numbers.below(2) << 20)
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
        let machine = machine(&mut numbers);
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
    let machine = machine(&mut Numbers(7));
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
