//! The loops over samples: the same integers from each of them, whatever the processor.
//!
//! Rows are planes side by side, each of whole [`Chunk`]s. A plane's samples are followed by at least [`GROUP`] zeros, so that a
//! group of weights may reach over its end.

use super::weights::{GROUP, Weights};
use crate::light::{BITS, Parabolas};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "test numbers of known ranges"
)]
mod tests;

/// Samples that are worked on at once.
pub(crate) type Chunk = [i16; 32];

/// Half of what a sum is divided by.
const ROUND: i32 = 1 << (BITS - 1);

/// Chunks of a plane of this width.
pub(crate) const fn chunks(width: usize) -> usize {
    (width + GROUP).div_ceil(32)
}

/// The weighted sum of rows of one length.
pub(super) fn vertical(rows: &[&[Chunk]], weights: &[[i16; GROUP]], out: &mut [Chunk]) {
    #[cfg(target_arch = "x86_64")]
    if avx2::vertical(rows, weights, out) {
        return;
    }
    portable::vertical(rows, weights, out);
}

/// The weighted sums of windows of a plane: `out[i]` of the window `i` of `weights`.
pub(super) fn horizontal(plane: &[Chunk], weights: &Weights, out: &mut [i16]) {
    #[cfg(target_arch = "x86_64")]
    if avx2::horizontal(plane, weights, out) {
        return;
    }
    portable::horizontal(plane, weights, out);
}

/// The means of 2 × 2 samples of two rows of a plane: `out[i]` of the samples 2i and 2i + 1.
pub(super) fn halve(upper: &[Chunk], lower: &[Chunk], out: &mut [Chunk]) {
    #[cfg(target_arch = "x86_64")]
    if avx2::halve(upper, lower, out) {
        return;
    }
    portable::halve(upper, lower, out);
}

/// The light of the first pixels of a row of bytes, of `N` samples each, in planes: of as many pixels as this returns, which may
/// be none.
pub(crate) fn light<const N: usize>(row: &[u8], planes: [&mut [Chunk]; N], curve: &Parabolas) -> usize {
    #[cfg(target_arch = "x86_64")]
    return avx2::light(row, planes, curve);
    #[cfg(not(target_arch = "x86_64"))]
    0
}

/// For any processor.
mod portable {
    use super::{BITS, Chunk, GROUP, ROUND, Weights};

    pub(super) fn vertical(rows: &[&[Chunk]], weights: &[[i16; GROUP]], out: &mut [Chunk]) {
        let weights = weights.as_flattened();
        for (at, target) in out.iter_mut().enumerate() {
            let mut sums = [ROUND; 32];
            for (row, weight) in rows.iter().zip(weights) {
                let Some(chunk) = row.get(at) else { continue };
                for (sum, sample) in sums.iter_mut().zip(chunk) {
                    *sum += i32::from(*sample) * i32::from(*weight);
                }
            }
            *target = sums.map(|sum| saturated(sum >> BITS));
        }
    }

    pub(super) fn horizontal(plane: &[Chunk], weights: &Weights, out: &mut [i16]) {
        let samples = plane.as_flattened();
        let all = weights.groups().chunks_exact(weights.each());
        for ((window, weights), target) in weights.windows().iter().zip(all).zip(out) {
            let groups = samples.get(window.first..).unwrap_or_default().as_chunks::<GROUP>().0;
            let mut sums = [0; GROUP];
            for (samples, weights) in groups.iter().zip(weights) {
                for ((sum, sample), weight) in sums.iter_mut().zip(samples).zip(weights) {
                    *sum += i32::from(*sample) * i32::from(*weight);
                }
            }
            *target = saturated((sums.iter().sum::<i32>() + ROUND) >> BITS);
        }
    }

    pub(super) fn halve(upper: &[Chunk], lower: &[Chunk], out: &mut [Chunk]) {
        let upper = upper.as_flattened().as_chunks::<2>().0;
        let lower = lower.as_flattened().as_chunks::<2>().0;
        for ((target, upper), lower) in out.as_flattened_mut().iter_mut().zip(upper).zip(lower) {
            let sum: i32 = upper.iter().chain(lower).map(|sample| i32::from(*sample)).sum();
            *target = saturated((sum + 2) >> 2);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "clamped")]
    fn saturated(value: i32) -> i16 {
        value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
    }
}
