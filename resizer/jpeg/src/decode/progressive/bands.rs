//! The four kinds of progressive scan, block by block (G.1.2). Each tells whether its codes were ones.

use crate::decode::codes::{Bits, Code, Lookup};

/// What goes from block to block of an interval.
#[derive(Debug, Default)]
pub(super) struct State {
    /// DC predictions, by component of the frame.
    pub(super) predictions: [i32; 4],
    /// Blocks still to come in the current run without new coefficients.
    run: u32,
}

impl State {
    /// How many of the next `most` blocks the current run covers; they are behind.
    #[inline(always)]
    pub(super) fn pass(&mut self, most: usize) -> usize {
        let passed = (self.run as usize).min(most);
        #[expect(clippy::cast_possible_truncation, reason = "at most the run")]
        let fewer = passed as u32;
        self.run -= fewer;
        passed
    }
}

#[expect(clippy::cast_possible_truncation, reason = "wraps in damaged data only")]
const fn short(value: i32) -> i16 {
    value as i16
}

/// A block's AC coefficients.
pub(super) struct Block<'b> {
    /// Those that are kept, and perhaps a place that swallows the others.
    pub(super) values: &'b mut [i16],
    /// Those that are not zero, as a set of zigzag numbers.
    pub(super) set: &'b mut u64,
    /// Where each of the stream goes.
    pub(super) places: &'static [u8; 64 + 16],
}

impl Block<'_> {
    /// The place of the `k`-th coefficient; there always is one.
    #[inline(always)]
    fn at(&mut self, k: usize) -> Option<&mut i16> {
        self.values.get_mut(usize::from(self.places[k & 63]))
    }

    /// Sets a coefficient that was zero.
    #[inline(always)]
    fn put(&mut self, k: usize, value: i16) {
        if let Some(place) = self.at(k) {
            *place = value;
        }
        *self.set |= 1 << (k & 63);
    }

    /// The next bit of a coefficient that is not zero.
    #[inline(always)]
    fn refine(&mut self, k: usize, bits: &mut Bits<'_>, bit: i16) {
        let one = bits.bit();
        if let Some(value) = self.at(k) {
            let sign = *value >> 15;
            let add = bit & -i16::from(one) & -i16::from(*value & bit == 0);
            *value = value.wrapping_add((add ^ sign) - sign);
        }
    }
}

/// The high bits of a DC coefficient.
#[inline(always)]
pub(super) fn dc_first(
    bits: &mut Bits<'_>,
    table: &Lookup,
    prediction: &mut i32,
    low: u8,
    value: &mut i16,
) -> bool {
    bits.refill();
    let Some(code) = table.find(bits) else { return false };
    *prediction = prediction.wrapping_add(code.take(bits).into());
    *value = short(prediction.wrapping_shl(low.into()));
    true
}

/// One more bit of a DC coefficient.
#[inline(always)]
pub(super) fn dc_refine(bits: &mut Bits<'_>, low: u8, value: &mut i16) {
    *value |= i16::from(bits.bit()) << low;
}

/// The length of a run of blocks (G.1.2.2).
#[inline(always)]
fn run_length(bits: &mut Bits<'_>, code: Code) -> u32 {
    bits.skip(code.bits());
    #[expect(clippy::cast_possible_truncation, reason = "at most 14")]
    let exponent = code.run() as u32;
    (1 << exponent) + bits.bits(exponent)
}

/// The high bits of a band, of a block that no run covers.
#[inline(always)]
pub(super) fn ac_first(
    bits: &mut Bits<'_>,
    table: &Lookup,
    state: &mut State,
    (first, last): (usize, usize),
    low: u8,
    mut block: Block<'_>,
) -> bool {
    let mut k = first;
    while k <= last {
        bits.refill();
        let Some(code) = table.find(bits) else { return false };
        if code.size() != 0 {
            // A run past the band falls on the last coefficient there is, as in libjpeg.
            k = (k + code.run()).min(63);
            block.put(k, code.take(bits).wrapping_shl(low.into()));
            k += 1;
        } else if code.ends() {
            state.run = run_length(bits, code) - 1;
            break;
        } else {
            bits.skip(code.bits());
            k += 16;
        }
    }
    true
}

/// One more bit of each coefficient of a band, and those that become nonzero with it (figure G.7).
#[inline(always)]
pub(super) fn ac_refine(
    bits: &mut Bits<'_>,
    table: &Lookup,
    state: &mut State,
    (first, last): (usize, usize),
    low: u8,
    mut block: Block<'_>,
) -> bool {
    let bit = 1_i16 << low;
    let mut k = first;
    // Coefficients from `k` on that the scan finds nonzero.
    let band = (u64::MAX >> (63 - last)) & (u64::MAX << first);
    let mut known = *block.set & band;
    if state.run == 0 {
        'block: while k <= last {
            bits.refill();
            let Some(code) = table.find(bits) else { return false };
            if code.ends() {
                state.run = run_length(bits, code);
                break;
            }
            bits.skip(code.bits() - code.size());
            let mut run = code.run();
            let level = match code.size() {
                0 => 0,
                _ if bits.bit() => bit,
                _ => -bit,
            };
            // Over `run` coefficients that are still zero, refining the others.
            loop {
                let next = if known == 0 { last + 1 } else { known.trailing_zeros() as usize };
                if run < next - k {
                    k += run;
                    break;
                }
                run -= next - k;
                if next > last {
                    // The band ends before the run does.
                    break 'block;
                }
                block.refine(next, bits, bit);
                known &= known - 1;
                k = next + 1;
            }
            if level != 0 {
                block.put(k, level);
            }
            k += 1;
        }
    }
    if state.run > 0 {
        while known != 0 {
            block.refine(known.trailing_zeros() as usize, bits, bit);
            known &= known - 1;
        }
        state.run -= 1;
    }
    true
}
