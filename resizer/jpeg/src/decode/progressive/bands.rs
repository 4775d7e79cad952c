//! The four kinds of progressive scan, block by block (G.1.2). Each tells whether its codes were ones.

use crate::decode::codes::{Bits, Code, Lookup};

/// What goes from block to block of an interval.
#[derive(Debug, Clone, Copy, Default)]
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
    /// Those that are kept.
    pub(super) kept: u64,
}

/// What a scan of AC coefficients is.
#[derive(Clone, Copy)]
pub(super) struct Band {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) low: u8,
}

impl Block<'_> {
    /// The place of the `k`-th coefficient; there always is one.
    #[inline(always)]
    fn at(&mut self, k: usize) -> Option<&mut i16> {
        self.values.get_mut(usize::from(self.places[k & 63]))
    }

    /// Sets a coefficient.
    #[inline(always)]
    fn put(&mut self, k: usize, value: i16) {
        if let Some(place) = self.at(k) {
            *place = value;
        }
    }

    /// Adds a bit to a coefficient that is not zero.
    #[inline(always)]
    fn add(&mut self, k: usize, one: bool, bit: i16) {
        if let Some(value) = self.at(k) {
            let sign = *value >> 15;
            let add = bit & -i16::from(one) & -i16::from(*value & bit == 0);
            *value = value.wrapping_add((add ^ sign) - sign);
        }
    }

    /// The next bit of each of these coefficients, which are not zero.
    #[inline(always)]
    fn refine(&mut self, mut these: u64, bits: &mut Bits<'_>, bit: i16) {
        if these == 0 {
            return;
        }
        bits.refill();
        let mut count = these.count_ones();
        while count > 56 {
            // More than are there.
            self.add(these.trailing_zeros() as usize, bits.bit(), bit);
            these &= these - 1;
            count -= 1;
            bits.refill();
        }
        let mut ahead = bits.ahead();
        bits.skip(count);
        let mut kept = these & self.kept;
        if kept == these {
            while kept != 0 {
                self.add(kept.trailing_zeros() as usize, ahead >> 63 != 0, bit);
                ahead <<= 1;
                kept &= kept - 1;
            }
        } else {
            while kept != 0 {
                let before = these & (kept - 1) & !kept;
                self.add(kept.trailing_zeros() as usize, ahead << before.count_ones() >> 63 != 0, bit);
                kept &= kept - 1;
            }
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
    band: Band,
    mut block: Block<'_>,
) -> bool {
    let mut k = band.first;
    let mut set = *block.set;
    let mut fine = true;
    while k <= band.last {
        bits.refill();
        let Some(code) = table.find(bits) else {
            fine = false;
            break;
        };
        if code.size() != 0 {
            // A run past the band falls on the last coefficient there is, as in libjpeg.
            k = (k + code.run()).min(63);
            block.put(k, code.take(bits).wrapping_shl(band.low.into()));
            set |= 1 << k;
            k += 1;
        } else if code.ends() {
            state.run = run_length(bits, code) - 1;
            break;
        } else {
            bits.skip(code.bits());
            k += 16;
        }
    }
    *block.set = set;
    fine
}

/// One more bit of each coefficient of a band, and those that become nonzero with it (figure G.7).
#[inline(always)]
pub(super) fn ac_refine(
    bits: &mut Bits<'_>,
    table: &Lookup,
    state: &mut State,
    band: Band,
    mut block: Block<'_>,
) -> bool {
    let bit = 1_i16 << band.low;
    let all = (u64::MAX >> (63 - band.last)) & (u64::MAX << band.first);
    // Coefficients still to come that the scan finds nonzero, and those that it finds zero.
    let mut known = *block.set & all;
    let mut zeros = !*block.set & all;
    let mut set = *block.set;
    if state.run == 0 {
        while known | zeros != 0 {
            bits.refill();
            let Some(code) = table.find(bits) else {
                *block.set = set;
                return false;
            };
            if code.ends() {
                state.run = run_length(bits, code);
                break;
            }
            bits.skip(code.bits() - code.size());
            let level = match code.size() {
                0 => 0,
                _ if bits.bit() => bit,
                _ => -bit,
            };
            // Over a run of coefficients that are still zero, refining the others.
            for _ in 0..code.run() {
                zeros &= zeros.wrapping_sub(1);
            }
            let here = zeros & zeros.wrapping_neg();
            // Without a zero more the band ends before the run does: everything is before it.
            let before = here.wrapping_sub(1);
            block.refine(known & before, bits, bit);
            known &= !before;
            zeros &= zeros.wrapping_sub(1);
            if level != 0 && here != 0 {
                block.put(here.trailing_zeros() as usize, level);
                set |= here;
            }
        }
    }
    *block.set = set;
    if state.run > 0 {
        block.refine(known, bits, bit);
        state.run -= 1;
    }
    true
}
