//! A scan gives the same by codes, by one lane and by four: coefficients, damage and where it ends. Every other test and fuzz target
//! leaves the choice to the scan's size.

#![expect(clippy::cast_possible_truncation, reason = "bytes from small numbers")]

use super::*;
use crate::decode::layout::whole_blocks;
use crate::decode::numbers::Numbers;
use crate::decode::options::{Damage, Lanes};
use crate::decode::scan::{Noted, Scan, decode as scan};
use crate::decode::tables::Machine;
use crate::decode::{Error, lanes};

/// What a scan gave, in order.
#[derive(Debug, PartialEq)]
enum Given {
    Restart,
    /// The kept coefficients of an MCU.
    Mcu(Vec<i16>),
    /// All of them.
    Whole(Vec<i16>),
    Missing(usize),
}

struct Collected<'b> {
    blocks: &'b [Block],
    given: Vec<Given>,
    /// MCUs so far, and those of a row, of which the last is wanted whole.
    count: usize,
    row: Option<usize>,
}

/// The kept coefficients of MCUs of these blocks.
fn kept(blocks: &[Block], coefficients: &[i16]) -> Vec<Vec<i16>> {
    let places = blocks.iter().map(|block| block.stride).sum();
    assert_eq!(coefficients.len() % places, 0);
    let each = coefficients.chunks(places).map(|mut mcu| {
        let mut kept = Vec::new();
        for block in blocks {
            let (own, rest) = mcu.split_at(block.stride);
            kept.extend_from_slice(&own[..block.keep_width * block.keep_height]);
            mcu = rest;
        }
        kept
    });
    each.collect()
}

impl Mcus for Collected<'_> {
    fn restart(&mut self) {
        self.given.push(Given::Restart);
    }

    fn take(&mut self, coefficients: &mut [i16]) -> Result<(), Error> {
        for mcu in kept(self.blocks, coefficients) {
            assert!(!self.ahead().1, "wanted whole");
            self.given.push(Given::Mcu(mcu));
            self.count += 1;
        }
        Ok(())
    }

    fn ahead(&self) -> (usize, bool) {
        match self.row.map(|row| row - self.count % row) {
            None => (usize::MAX, false),
            Some(1) => (1, true),
            Some(left) => (left - 1, false),
        }
    }

    fn take_whole(&mut self, coefficients: &mut [i16]) -> Result<(), Error> {
        for mcu in kept(&whole_blocks(self.blocks), coefficients) {
            assert!(self.ahead().1, "not wanted whole");
            self.given.push(Given::Whole(mcu));
            self.count += 1;
        }
        Ok(())
    }

    fn missing(&mut self, count: usize) -> Result<(), Error> {
        self.given.push(Given::Missing(count));
        self.count += count;
        Ok(())
    }
}

/// Bytes without markers but restart markers, mostly those that are due.
fn data(numbers: &mut Numbers) -> Vec<u8> {
    let length = 1 << numbers.below(16);
    let interval = 1 + numbers.below(2 * length);
    let few = numbers.below(3) == 0;
    let mut data = Vec::with_capacity(length + 16);
    let mut marker = 0;
    while data.len() < length {
        match numbers.below(256) as u8 {
            _ if numbers.below(interval) == 0 => {
                data.extend([0xFF, 0xD0 | marker]);
                marker = (marker + 1 + u8::from(numbers.below(8) == 0)) & 7;
            }
            0xFF => data.extend([0xFF, 0]),
            // Fewer ones, fewer long codes.
            byte => data.push(if few { byte & numbers.below(256) as u8 } else { byte }),
        }
    }
    data
}

#[test]
fn codes_one_lane_and_four_give_the_same() {
    let mut numbers = Numbers(3);
    let (mut damaged, mut whole) = (0, 0);
    for case in 0..if cfg!(miri) { 3 } else { 600 } {
        let (mut tables, blocks) = (numbers.tables(), numbers.blocks());
        if numbers.below(2) == 0 {
            tables = Tables::default();
            tables.or_standard();
            (2..4).for_each(|i| (tables.dc[i], tables.ac[i]) = (tables.dc[i - 2], tables.ac[i - 2]));
        }
        let file = data(&mut numbers);
        let magnitude = numbers.below(14);
        let mcus = 1 + numbers.below(1 << magnitude);
        let interval = [0, 1 + numbers.below(mcus)][numbers.below(2)];
        let row = (numbers.below(2) == 0).then(|| 1 + numbers.below(200));
        let edge = || row.map(|_| Decoder::new(&tables, &whole_blocks(&blocks), mcus));
        let run = |mut entropy: Entropy| {
            let mut collected = Collected { blocks: &blocks, given: Vec::new(), count: 0, row };
            let mut noted: Noted = None;
            let described = Scan { file: &file, at: 0, mcus, interval, damage: Damage::Fill };
            let end = scan(&described, &mut entropy, &mut noted, &mut collected);
            (collected.given, noted, end)
        };
        let by_states = |lanes| {
            let machine = Machine::new(&tables, &blocks, file.len());
            run(Entropy::Lanes(Box::new(lanes::Decoder::new(machine, lanes, mcus, file.len(), edge()))))
        };
        let [one, four] = [Lanes::One, Lanes::Four].map(by_states);
        let plain = run(Entropy::Plain(Decoder::new(&tables, &blocks, mcus), edge()));
        assert_eq!((&one.1, &one.2), (&four.1, &four.2), "case {case}: one lane and four");
        assert!(one.0 == four.0, "case {case}: one lane and four");
        assert_eq!((&plain.1, &plain.2), (&one.1, &one.2), "case {case}: codes and lanes");
        assert!(plain.0 == one.0, "case {case}: codes and lanes");
        *if plain.1.is_some() { &mut damaged } else { &mut whole } += 1;
    }
    assert!(cfg!(miri) || damaged > 50 && whole > 50, "{damaged} damaged, {whole} whole");
}
