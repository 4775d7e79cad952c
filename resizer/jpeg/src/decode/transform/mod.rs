//! Inverse DCT of whole and of truncated blocks.
//!
//! * 8×8: the accurate integer transform of libjpeg (`jidctint.c`, "islow"), bit for bit.
//! * 4, 2 and 1 samples in a direction: the mean of 2, 4 or 8 neighbours of the full transform. For frequency
//!   `u` the mean of two neighbours is `cos(uπ/16)` times the 4-point basis function, that of four
//!   `cos(uπ/16)·cos(uπ/8)` times the 2-point one: with these weights inside the dequantisation table a small
//!   inverse DCT of the lowest frequencies is the box average, but for what higher ones alias into it.
//!   In `f32`, in one order of operations everywhere, so that every path gives the same bytes.

mod islow;
mod reduced;
#[cfg(test)]
mod tests;

use super::segments::Quantisation;
use crate::common::simd::{Job, Simd};

/// A block's samples, rows one behind the other: 64, 16 or 4 of them.
pub(crate) type Samples = [u8; 64];

/// A component's dequantisation for its block size.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Output samples of a block.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Steps for the 8×8 transform, row by row.
    pub(crate) steps: [i16; 64],
    /// Steps with every constant factor, for the others; `width` by `height` of them.
    pub(crate) factors: [f32; 64],
}

impl Table {
    pub(crate) fn new(quantisation: &Quantisation, width: usize, height: usize) -> Self {
        let steps = quantisation.map(u16::cast_signed);
        let mut factors = [0.0; 64];
        let (across, down) = (reduced::factors(width), reduced::factors(height));
        for y in 0..height {
            for x in 0..width {
                let step = f32::from(quantisation[y * 8 + x]);
                factors[y * width + x] = step * (across[x] * down[y]);
            }
        }
        Self { width, height, steps, factors }
    }

    /// Whether [`Transform`] has blocks of this size.
    pub(crate) const fn is_vector(&self) -> bool {
        matches!((self.width, self.height), (8, 8) | (4, 4) | (2, 2))
    }

    /// Transforms one block of another size into rows of `stride` samples.
    pub(crate) fn odd(&self, coefficients: &[i16], out: &mut [u8], stride: usize) {
        if (self.width, self.height) == (1, 1) {
            out[0] = self.mean(coefficients[0]);
        } else {
            reduced::block(coefficients, self, out, stride);
        }
    }

    /// The mean of a block, from its DC coefficient, as libjpeg rounds it.
    pub(crate) fn mean(&self, dc: i16) -> u8 {
        let value = (i32::from(dc) * i32::from(self.steps[0].cast_unsigned())).wrapping_add(4) >> 3;
        sample(value)
    }
}

/// Two blocks of one size, `N` coefficients each, to be transformed into samples without gaps; only the first where
/// registers have one lane. A job for each `N`: together, small blocks would pay for the large one's registers.
pub(crate) struct Transform<'t, const N: usize> {
    coefficients: [&'t [i16; N]; 2],
    tables: [&'t Table; 2],
    out: &'t mut [Samples; 2],
}

impl<'t, const N: usize> Transform<'t, N> {
    /// `None` if a block has fewer coefficients.
    #[inline]
    pub(crate) fn new(
        [a, b]: [&'t [i16]; 2],
        tables: [&'t Table; 2],
        out: &'t mut [Samples; 2],
    ) -> Option<Self> {
        Some(Self { coefficients: [a.first_chunk()?, b.first_chunk()?], tables, out })
    }
}

impl Job for Transform<'_, 64> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        islow::blocks(simd, self);
    }
}

impl Job for Transform<'_, 16> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        reduced::four(simd, self);
    }
}

impl Job for Transform<'_, 4> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        reduced::two(simd, self);
    }
}

/// Puts 16 samples of each block in their places.
#[inline(always)]
fn store<S: Simd>(simd: S, v: S::Ints, [a, b]: &mut [Samples; 2], part: usize) {
    let [first, second] = simd.lanes(v);
    a.as_chunks_mut::<16>().0[part] = first;
    b.as_chunks_mut::<16>().0[part] = second;
}

/// A sample from its distance to mid-gray.
#[inline]
pub(crate) fn sample(value: i32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let byte = (value.clamp(-128, 127) + 128) as u8;
    byte
}
