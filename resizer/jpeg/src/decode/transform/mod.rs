//! Inverse DCT of whole and of truncated blocks.
//!
//! * 8×8: the accurate integer transform of libjpeg (`jidctint.c`, "islow"), bit for bit.
//! * 4, 2 and 1 samples in a direction: the mean of 2, 4 or 8 neighbours of the full transform. For frequency
//!   `u` the mean of two neighbours is `cos(uπ/16)` times the 4-point basis function, that of four
//!   `cos(uπ/16)·cos(uπ/8)` times the 2-point one: with these weights inside the dequantisation table a small
//!   inverse DCT of the lowest frequencies is the box average, but for what higher ones alias into it.
//!   In `f32`, in one order of operations everywhere, so that every path gives the same bytes.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
pub(crate) mod islow;
pub(crate) mod reduced;

use super::segments::Quantisation;

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
        for y in 0..height {
            for x in 0..width {
                let step = f32::from(quantisation[y * 8 + x]);
                factors[y * width + x] = step * (reduced::factor(width, x) * reduced::factor(height, y));
            }
        }
        Self { width, height, steps, factors }
    }

    /// Transforms one block into rows of `stride` samples.
    pub(crate) fn portable(&self, coefficients: &[i16], out: &mut [u8], stride: usize) {
        match (self.width, self.height) {
            (8, 8) => {
                if let Some(block) = coefficients.first_chunk() {
                    islow::block(block, &self.steps, out, stride);
                }
            }
            (1, 1) => out[0] = self.mean(coefficients[0]),
            _ => reduced::block(coefficients, self, out, stride),
        }
    }

    /// The mean of a block, from its DC coefficient, as libjpeg rounds it.
    pub(crate) fn mean(&self, dc: i16) -> u8 {
        let value = (i32::from(dc) * i32::from(self.steps[0].cast_unsigned())).wrapping_add(4) >> 3;
        sample(value)
    }
}

/// A sample from its distance to mid-gray.
#[inline]
pub(crate) fn sample(value: i32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let byte = (value.clamp(-128, 127) + 128) as u8;
    byte
}
