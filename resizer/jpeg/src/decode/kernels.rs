//! Which implementation runs: chosen once a decode, the same bytes from each.

use super::options::Path;
use super::transform::Table;
use super::{colour, upsample};

/// The chosen implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernels {
    /// Any processor.
    Portable,
}

impl Kernels {
    pub(crate) fn choose(_path: Path) -> Self {
        Self::Portable
    }

    /// Transforms one block into rows of `stride` samples.
    pub(crate) fn block(self, coefficients: &[i16], table: &Table, out: &mut [u8], stride: usize) {
        table.portable(coefficients, out, stride);
    }

    /// YCbCr to RGB.
    pub(crate) fn ycc_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        colour::ycc_to_rgb(y, cb, cr, out);
    }

    /// The triangle filter across.
    pub(crate) fn widen(self, row: &[u8], out: &mut [u8]) {
        upsample::widen(row, out);
    }

    /// The triangle filter in both directions; `sums` is scratch.
    pub(crate) fn widen_both(self, near: &[u8], far: &[u8], sums: &mut [u16], out: &mut [u8]) {
        upsample::blend(near, far, sums);
        upsample::widen_sums(&sums[..near.len()], out);
    }
}
