//! Decoding steps of sequential scans: the same few instructions for everything, see [`super::tables`].

use super::tables::{Machine, is_dead};

/// Steps between two loads of the bit window: 5 × 11 bits leave 2 of the 57 that a load always has.
pub(crate) const STEPS: usize = 5;
/// The most bits that many steps consume.
pub(crate) const ROUND_BITS: usize = STEPS * super::tables::WINDOW as usize;
/// Bytes that must be readable behind the last bit: a load takes eight.
pub(crate) const PADDING: usize = 16;

/// A place in the stream: where, in which state, and where its coefficients go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lane {
    /// The next bit.
    pub(crate) at: usize,
    /// What is to be read next.
    pub(crate) state: u64,
    /// The current block's place among the coefficients.
    pub(crate) out: usize,
}

/// The bits from `at` on in the high end, and a 1 in the lowest place: once shifted, it tells by how much.
#[inline(always)]
fn load(data: &[u8], at: usize) -> u64 {
    let byte = at >> 3;
    let mut word = [0; 8];
    word.copy_from_slice(&data[byte..byte + 8]);
    (u64::from_be_bytes(word) << (at & 7)) | 1
}

/// One step: two look-ups and an addition.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "bit fields, see `tables`")]
fn step(symbols: &[u32], states: &[u64], coefficients: &mut [i16], window: &mut u64, lane: &mut Lane) {
    let symbol = symbols[(lane.state >> 32) as usize + (*window >> (64 - super::tables::WINDOW)) as usize];
    *window <<= symbol & 63;
    let next = states[usize::from((lane.state >> 16) as u16) + ((symbol >> 6) & 0x3FFF) as usize];
    let coefficient = &mut coefficients[lane.out + usize::from(next as u8)];
    *coefficient = coefficient.wrapping_add((symbol.cast_signed() >> 20) as i16);
    lane.out += usize::from((next >> 8) as u8);
    lane.state = next;
}

/// Runs `N` lanes in lockstep. Each must have `rounds` × [`ROUND_BITS`] bits before it and room for `rounds` ×
/// [`STEPS`] blocks.
#[inline(never)]
pub(crate) fn run<const N: usize>(
    machine: &Machine,
    data: &[u8],
    coefficients: &mut [i16],
    lanes: &mut [Lane; N],
    rounds: usize,
) {
    let (symbols, states) = (&machine.symbols[..], &machine.states[..]);
    let mut now = *lanes;
    for _ in 0..rounds {
        let mut windows = now.map(|lane| load(data, lane.at));
        for _ in 0..STEPS {
            for (window, lane) in windows.iter_mut().zip(&mut now) {
                step(symbols, states, coefficients, window, lane);
            }
        }
        for (window, lane) in windows.iter().zip(&mut now) {
            lane.at += window.trailing_zeros() as usize;
        }
    }
    *lanes = now;
}

/// As [`run`], but tells `log` of every MCU start that a lane comes to: lane, bit, place of the coefficients.
pub(crate) fn run_logged<const N: usize>(
    machine: &Machine,
    data: &[u8],
    coefficients: &mut [i16],
    lanes: &mut [Lane; N],
    rounds: usize,
    mut log: impl FnMut(usize, usize),
) {
    let (symbols, states) = (&machine.symbols[..], &machine.states[..]);
    for _ in 0..rounds {
        let mut windows = lanes.map(|lane| load(data, lane.at));
        for _ in 0..STEPS {
            for (i, (window, lane)) in windows.iter_mut().zip(lanes.iter_mut()).enumerate() {
                step(symbols, states, coefficients, window, lane);
                if machine.is_start(lane.state) {
                    log(i, lane.at + window.trailing_zeros() as usize);
                }
            }
        }
        for (window, lane) in windows.iter().zip(lanes.iter_mut()) {
            lane.at += window.trailing_zeros() as usize;
        }
    }
}

/// How a walk to the next MCU start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// The lane stands at an MCU start.
    Mcu,
    /// No code starts with the bits where the lane stands.
    Dead,
    /// The data ended before.
    Short,
}

/// Steps one lane to the end of the MCU it is in (a whole one if it stands at a start).
pub(crate) fn walk(
    machine: &Machine,
    data: &[u8],
    end: usize,
    coefficients: &mut [i16],
    lane: &mut Lane,
) -> Walk {
    loop {
        if is_dead(lane.state) {
            return Walk::Dead;
        }
        if lane.at >= end {
            return Walk::Short;
        }
        let mut window = load(data, lane.at);
        step(&machine.symbols, &machine.states, coefficients, &mut window, lane);
        lane.at += window.trailing_zeros() as usize;
        if machine.is_start(lane.state) {
            return if lane.at > end { Walk::Short } else { Walk::Mcu };
        }
    }
}
