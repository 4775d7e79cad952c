//! The four kinds of progressive scan, block by block (G.1.2). Each tells whether its codes were ones.

use super::bits::{Lookup, Reader};
use crate::common::zigzag::NATURAL;

/// What goes from block to block of an interval.
#[derive(Debug, Default)]
pub(super) struct State {
    /// DC predictions, by component of the frame.
    pub(super) predictions: [i32; 4],
    /// Blocks still to come in the current run without new coefficients.
    run: u32,
}

#[expect(clippy::cast_possible_truncation, reason = "wraps in damaged data only")]
const fn short(value: i32) -> i16 {
    value as i16
}

/// Where the `k`-th coefficient is; in stores of DC only nothing but DC is asked for.
#[inline(always)]
fn at(k: usize) -> usize {
    usize::from(NATURAL[k & 63])
}

/// The high bits of a DC coefficient.
pub(super) fn dc_first(
    reader: &mut Reader<'_>,
    table: &Lookup,
    prediction: &mut i32,
    low: u8,
    block: &mut [i16],
) -> bool {
    let Some(found) = table.read(reader) else { return false };
    if found.symbol > 15 {
        return false;
    }
    *prediction = prediction.wrapping_add(found.level);
    block[0] = short(prediction.wrapping_shl(low.into()));
    true
}

/// One more bit of a DC coefficient.
pub(super) fn dc_refine(reader: &mut Reader<'_>, low: u8, block: &mut [i16]) -> bool {
    if reader.bit() {
        block[0] |= 1 << low;
    }
    true
}

/// The length of a run of blocks (G.1.2.2), from its symbol's upper half.
fn run_length(reader: &mut Reader<'_>, exponent: u32) -> u32 {
    (1 << exponent) + reader.bits(exponent)
}

/// The high bits of a band.
#[inline]
pub(super) fn ac_first(
    reader: &mut Reader<'_>,
    table: &Lookup,
    state: &mut State,
    (first, last): (usize, usize),
    low: u8,
    block: &mut [i16],
) -> bool {
    if state.run > 0 {
        state.run -= 1;
        return true;
    }
    let mut k = first;
    while k <= last {
        let Some(found) = table.read(reader) else { return false };
        let run = usize::from(found.symbol >> 4);
        if found.symbol & 15 != 0 {
            k += run;
            // A run past the band falls on the last coefficient there is, as in libjpeg.
            block[at(k.min(63))] = short(found.level.wrapping_shl(low.into()));
            k += 1;
        } else if run == 15 {
            k += 16;
        } else {
            state.run = run_length(reader, u32::from(found.symbol >> 4)) - 1;
            break;
        }
    }
    true
}

/// One more bit of each coefficient of a band, and those that become nonzero with it (figure G.7).
#[inline]
pub(super) fn ac_refine(
    reader: &mut Reader<'_>,
    table: &Lookup,
    state: &mut State,
    (first, last): (usize, usize),
    low: u8,
    block: &mut [i16],
) -> bool {
    let bit = 1_i16 << low;
    let mut k = first;
    if state.run == 0 {
        while k <= last {
            let Some(symbol) = table.symbol(reader) else { return false };
            let mut run = u32::from(symbol >> 4);
            let mut level = 0;
            if symbol & 15 == 0 {
                if run < 15 {
                    state.run = run_length(reader, run);
                    break;
                }
            } else {
                level = if reader.bit() { bit } else { -bit };
            }
            // Over `run` coefficients that are still zero, refining the others.
            while k <= last {
                let value = &mut block[at(k)];
                if *value != 0 {
                    refine(reader, value, bit);
                } else if run == 0 {
                    *value = level;
                    k += 1;
                    break;
                } else {
                    run -= 1;
                }
                k += 1;
            }
        }
    }
    if state.run > 0 {
        while k <= last {
            let value = &mut block[at(k)];
            if *value != 0 {
                refine(reader, value, bit);
            }
            k += 1;
        }
        state.run -= 1;
    }
    true
}

/// The next bit of a coefficient that is not zero.
#[inline(always)]
fn refine(reader: &mut Reader<'_>, value: &mut i16, bit: i16) {
    if reader.bit() && *value & bit == 0 {
        *value = value.wrapping_add(if *value >= 0 { bit } else { -bit });
    }
}
