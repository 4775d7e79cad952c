//! PNG's filters (W3C PNG, third edition, section 9): what is compressed in place of pixels.

use super::reduce::Reduced;
use crate::{cancel::Cancel, error::ImageError};

/// Bytes that are filtered between two looks at `cancel`.
const BAND: usize = 256 << 10;

/// How the filter of a row is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    /// None: for palettes and drawings, whose rows repeat.
    Plain,
    /// The same for each row.
    Always(Filter),
    /// The one with the smallest sum of absolute differences: for photographs.
    Sum,
    /// The one with the smallest entropy: a little smaller and slower.
    Entropy,
}

/// A filter; the number is the one in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    None = 0,
    Sub = 1,
    Up = 2,
    Average = 3,
    Paeth = 4,
}

use Filter::{Average, None as Unfiltered, Paeth, Sub, Up};

/// Filters rows of a picture from top to bottom.
pub(super) struct Rows<'r> {
    picture: &'r Reduced<'r>,
    strategy: Strategy,
    above: Vec<u8>,
    current: Vec<u8>,
    /// A row by each filter but the first.
    filtered: [Vec<u8>; 4],
}

impl<'r> Rows<'r> {
    pub(super) fn new(picture: &'r Reduced<'r>, strategy: Strategy) -> Self {
        let line = || vec![0; picture.line()];
        let choices = matches!(strategy, Strategy::Sum | Strategy::Entropy);
        let filtered = std::array::from_fn(|_| if choices { line() } else { Vec::new() });
        Self { picture, strategy, above: line(), current: line(), filtered }
    }

    /// Appends rows, each behind the number of its filter, to `target`.
    pub(super) fn append(
        &mut self,
        rows: std::ops::Range<usize>,
        cancel: &Cancel,
        target: &mut Vec<u8>,
    ) -> Result<(), ImageError> {
        match rows.start.checked_sub(1) {
            Some(above) => self.picture.row(above, &mut self.current),
            None => self.current.fill(0),
        }
        let step = self.picture.step();
        let mut done = BAND;
        for row in rows {
            if done >= BAND {
                cancel.check()?;
                done = 0;
            }
            done += self.current.len();
            std::mem::swap(&mut self.above, &mut self.current);
            self.picture.row(row, &mut self.current);
            match self.strategy {
                Strategy::Plain => {
                    target.push(0);
                    target.extend_from_slice(&self.current);
                }
                Strategy::Always(filter) => {
                    target.push(filter as u8);
                    let start = target.len();
                    target.resize(start + self.current.len(), 0);
                    let to = target.get_mut(start..).unwrap_or_default();
                    apply(filter, step, &self.above, &self.current, to);
                }
                Strategy::Sum => self.choose(step, sum, target),
                Strategy::Entropy => self.choose(step, entropy, target),
            }
        }
        Ok(())
    }

    /// Appends the row by the filter of which `cost` is least; of equals the first.
    fn choose(&mut self, step: usize, cost: fn(&[u8]) -> u64, target: &mut Vec<u8>) {
        let (mut best, mut least) = (Unfiltered, cost(&self.current));
        for (filter, row) in [Sub, Up, Average, Paeth].into_iter().zip(&mut self.filtered) {
            apply(filter, step, &self.above, &self.current, row);
            let found = cost(row);
            if found < least {
                (best, least) = (filter, found);
            }
        }
        target.push(best as u8);
        let [sub, up, average, paeth] = &self.filtered;
        target.extend_from_slice(match best {
            Unfiltered => &self.current,
            Sub => sub,
            Up => up,
            Average => average,
            Paeth => paeth,
        });
    }
}

/// Filters a row. All slices have one length. Loops run over equal slices without branches, so that they become vector code.
fn apply(filter: Filter, step: usize, above: &[u8], row: &[u8], target: &mut [u8]) {
    let split = |bytes| <[u8]>::split_at_checked(bytes, step).unwrap_or((bytes, &[]));
    // The first pixel has nothing to its left, and the others have the pixels before them.
    let ((first, rest), (first_above, rest_above)) = (split(row), split(above));
    let Some((to_first, to_rest)) = target.split_at_mut_checked(first.len()) else { return };
    let pixels = rest.iter().zip(row).zip(rest_above).zip(above).zip(to_rest);
    let firsts = first.iter().zip(first_above).zip(to_first);
    match filter {
        Unfiltered => {
            firsts.for_each(|((x, _), to)| *to = *x);
            pixels.for_each(|((((x, _), _), _), to)| *to = *x);
        }
        Sub => {
            firsts.for_each(|((x, _), to)| *to = *x);
            pixels.for_each(|((((x, a), _), _), to)| *to = x.wrapping_sub(*a));
        }
        Up => {
            firsts.for_each(|((x, b), to)| *to = x.wrapping_sub(*b));
            pixels.for_each(|((((x, _), b), _), to)| *to = x.wrapping_sub(*b));
        }
        Average => {
            firsts.for_each(|((x, b), to)| *to = x.wrapping_sub(b >> 1));
            // The mean rounded down, in 8 bits.
            pixels.for_each(|((((x, a), b), _), to)| *to = x.wrapping_sub((a & b) + ((a ^ b) >> 1)));
        }
        Paeth => {
            firsts.for_each(|((x, b), to)| *to = x.wrapping_sub(*b));
            pixels.for_each(|((((x, a), b), c), to)| *to = x.wrapping_sub(paeth(*a, *b, *c)));
        }
    }
}

/// The neighbor that is nearest to left + above - left above; of equals in this order.
#[inline]
fn paeth(a: u8, b: u8, c: u8) -> u8 {
    let (wide_a, wide_b, wide_c) = (i16::from(a), i16::from(b), i16::from(c));
    let (by_a, by_b) = (wide_b - wide_c, wide_a - wide_c);
    let by_c = (by_a + by_b).abs();
    let (by_a, by_b) = (by_a.abs(), by_b.abs());
    let other = if by_b <= by_c { b } else { c };
    if by_a <= by_b && by_a <= by_c { a } else { other }
}

/// The sum of bytes taken as signed differences.
fn sum(row: &[u8]) -> u64 {
    let mut total = 0_u64;
    // Small parts, so that sums of vector code have 32 bits.
    for part in row.chunks(1 << 16) {
        let sum: u32 = part.iter().map(|x| u32::from((*x).min(x.wrapping_neg()))).sum();
        total += u64::from(sum);
    }
    total
}

/// The entropy of a row's bytes: their number times their mean of bits, in 256ths.
fn entropy(row: &[u8]) -> u64 {
    let mut counts = [[0_u32; 256]; 2];
    let [even, odd] = &mut counts;
    // Two tables: equal neighbors do not wait for each other.
    for pair in row.chunks(2) {
        for (x, counts) in pair.iter().zip([&mut *even, &mut *odd]) {
            if let Some(count) = counts.get_mut(usize::from(*x)) {
                *count += 1;
            }
        }
    }
    let all = u32::try_from(row.len()).unwrap_or(u32::MAX);
    let [even, odd] = counts;
    let used: u64 = even.iter().zip(odd).map(|(a, b)| times_log2(a + b)).sum();
    times_log2(all).saturating_sub(used)
}

/// n log2(n), in 256ths. The logarithm is a straight line between powers of two, in integers: the same on every machine.
fn times_log2(n: u32) -> u64 {
    let Some(whole) = n.checked_ilog2() else { return 0 };
    let fraction = (u64::from(n) << 8 >> whole) - 256;
    u64::from(n) * (u64::from(whole) * 256 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_the_standard_s() {
        let (above, row) = ([10, 20, 250, 40], [13, 5, 255, 90]);
        let filtered = |filter| {
            let mut target = [0; 4];
            apply(filter, 1, &above, &row, &mut target);
            target.map(u8::cast_signed)
        };
        assert_eq!(filtered(Unfiltered), [13, 5, -1, 90]);
        assert_eq!(filtered(Sub), [13, -8, -6, 91]);
        assert_eq!(filtered(Up), [3, -15, 5, 50]);
        // Means: 5, 16, 127, 147.
        assert_eq!(filtered(Average), [8, -11, -128, -57]);
        // Predictors: 10; 13 + 20 - 10 = 23 -> 20; 5 + 250 - 20 = 235 -> 250; 255 + 40 - 250 = 45 -> 40.
        assert_eq!(filtered(Paeth), [3, -15, 5, 50]);
        assert_eq!(sum(&[0, 1, 255, 128]), 130);
        assert_eq!(entropy(&[7; 100]), 0);
        assert_eq!(entropy(&[0, 1, 2, 3]), 4 * 2 * 256);
    }
}
