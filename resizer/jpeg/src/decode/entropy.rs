//! Decoding steps of sequential scans: the same few instructions for everything, see [`super::tables`].
//!
//! # What unchecked accesses buy
//! With indexed accesses in their place a whole decode takes so many more user cycles (medians of three, one thread of a
//! processor with AVX2, the two in turn):
//!
//! | | 1/1 | 1/2 | 1/4 | 1/8 |
//! |---|---|---|---|---|
//! | mosaic-4000x3000-q92 | 4 % | 7 % | 9 % | 11 % |
//! | photo-2725x2225 | 6 % | 10 % | 11 % | 12 % |
#![expect(
    unsafe_code,
    reason = "a step has four accesses, and a check in each costs a tenth of a scaled decode"
)]

#[cfg(test)]
mod tests;

use super::symbols::{WINDOW, addend, bits, step as moved};
use super::tables::{Machine, PARKED, advance, is_dead, number, place, table};

/// Steps between two loads of the bit window: 5 × 11 bits leave 2 of the 57 that a load always has.
pub(crate) const STEPS: usize = 5;
/// The most bits that many steps consume.
pub(crate) const ROUND_BITS: usize = STEPS * WINDOW as usize;
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

impl Lane {
    /// A lane that waits: its steps change nothing.
    pub(crate) const PARKED: Self = Self { at: 0, state: PARKED, out: 0 };
}

/// What all lanes share. Made by [`Bare::new`], whose checks are what every access relies on.
struct Bare {
    data: *const u8,
    symbols: *const u32,
    states: *const u64,
    coefficients: *mut i16,
}

impl Bare {
    /// Checks that `lanes` can take `count` steps, with a load before every [`STEPS`] of them:
    ///
    /// * data: a step consumes at most [`WINDOW`] bits (`Set::new` has checked every symbol), so that no load
    ///   starts further than as many windows behind the lane, and there eight bytes are left;
    /// * tables: the state is one that the machine admits, and each look-up leads to such a one
    ///   ([`Machine::admits`]);
    /// * coefficients: a step writes at most `widest` places behind the block, and moves it as far, so that the last
    ///   one writes at most `count` times as far behind the first block. There is still a place.
    fn new(machine: &Machine, data: &[u8], coefficients: &mut [i16], lanes: &[Lane], count: usize) -> Self {
        let (bits, places) = (count.saturating_mul(WINDOW as usize), count.saturating_mul(machine.widest));
        for lane in lanes {
            assert!(lane.at.saturating_add(bits) / 8 + 8 <= data.len(), "a lane would leave the data");
            assert!(machine.admits(lane.state), "a lane is in no state");
            assert!(lane.out.saturating_add(places) < coefficients.len(), "a lane would leave its room");
        }
        Self {
            data: data.as_ptr(),
            symbols: machine.symbols().as_ptr(),
            states: machine.states().as_ptr(),
            coefficients: coefficients.as_mut_ptr(),
        }
    }

    /// A lane with the bits from its place on in the high end, and a 1 in the lowest place: once shifted, it tells by
    /// how much.
    ///
    /// # Safety
    /// The lane is one of those checked, within their steps.
    #[inline(always)]
    unsafe fn load(&self, lane: &Lane) -> Cursor {
        // SAFETY: eight bytes are left here and the block is within the coefficients, see `new`.
        let (word, out) = unsafe {
            (self.data.add(lane.at >> 3).cast::<u64>().read_unaligned(), self.coefficients.add(lane.out))
        };
        Cursor { window: (u64::from_be(word) << (lane.at & 7)) | 1, state: lane.state, out }
    }

    /// One step: two look-ups and an addition.
    ///
    /// # Safety
    /// The cursor is from [`Bare::load`], with at most [`STEPS`] steps since.
    #[inline(always)]
    unsafe fn step(&self, lane: &mut Cursor) {
        // SAFETY: the machine admits the state, and the next one; the coefficient's place exists, see `new`.
        unsafe {
            let window = (lane.window >> (64 - WINDOW)) as usize;
            let symbol = *self.symbols.add(table(lane.state) + window);
            lane.window <<= bits(symbol);
            let next = *self.states.add(number(lane.state) + moved(symbol));
            let coefficient = lane.out.add(place(next));
            *coefficient = (*coefficient).wrapping_add(addend(symbol));
            lane.out = lane.out.add(advance(next));
            lane.state = next;
        }
    }

    /// The lane where the cursor has come to.
    ///
    /// # Safety
    /// The cursor is from a [`Bare::load`] of this lane.
    #[inline(always)]
    unsafe fn store(&self, cursor: &Cursor, lane: &mut Lane) {
        lane.at += cursor.window.trailing_zeros() as usize;
        lane.state = cursor.state;
        // SAFETY: both point into the coefficients.
        lane.out = unsafe { cursor.out.offset_from(self.coefficients) }.cast_unsigned();
    }
}

/// A lane between two loads.
#[derive(Clone, Copy)]
struct Cursor {
    window: u64,
    state: u64,
    out: *mut i16,
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
    let bare = Bare::new(machine, data, coefficients, lanes, rounds.saturating_mul(STEPS));
    let mut now = *lanes;
    for _ in 0..rounds {
        // SAFETY: as many steps as were checked, with a load before every `STEPS` of them.
        unsafe {
            let mut cursors = now.map(|lane| bare.load(&lane));
            for _ in 0..STEPS {
                for cursor in &mut cursors {
                    bare.step(cursor);
                }
            }
            for (cursor, lane) in cursors.iter().zip(&mut now) {
                bare.store(cursor, lane);
            }
        }
    }
    *lanes = now;
}

/// Steps one lane, [`STEPS`] times or until `stop` holds for its bit and state; whether it did.
fn step_until(
    machine: &Machine,
    data: &[u8],
    coefficients: &mut [i16],
    lane: &mut Lane,
    stop: impl Fn(usize, u64) -> bool,
) -> bool {
    let bare = Bare::new(machine, data, coefficients, std::slice::from_ref(lane), STEPS);
    let mut stopped = false;
    // SAFETY: as many steps behind the load as were checked, at most.
    unsafe {
        let mut cursor = bare.load(lane);
        for _ in 0..STEPS {
            bare.step(&mut cursor);
            stopped = stop(lane.at + cursor.window.trailing_zeros() as usize, cursor.state);
            if stopped {
                break;
            }
        }
        bare.store(&cursor, lane);
    }
    stopped
}

/// Steps one lane to the first place at or behind bit `at`, or where no code fits.
pub(crate) fn reach(machine: &Machine, data: &[u8], at: usize, coefficients: &mut [i16], lane: &mut Lane) {
    while lane.at < at && !is_dead(lane.state) {
        step_until(machine, data, coefficients, lane, |bit, _| bit >= at);
    }
}

/// How a walk to the next MCU start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// The lane stands at an MCU start.
    Mcu,
    /// No code starts with the bits where the lane stands, or with those before them that were taken for a long one.
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
        if lane.at >= end {
            return Walk::Short;
        }
        if is_dead(lane.state) {
            return Walk::Dead;
        }
        if step_until(machine, data, coefficients, lane, |_, state| machine.is_start(state)) {
            return if lane.at > end { Walk::Short } else { Walk::Mcu };
        }
    }
}
