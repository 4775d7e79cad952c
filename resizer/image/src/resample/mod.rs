//! Resizing, row by row: a separable filter with weights of 14 bits, rows first and then columns.
//!
//! # Layout
//! - `weights`: what each output sample is made of
//! - `kernels`: the loops over samples
//! - `ring`: the rows that are kept, and the picture made smaller by halves

pub(crate) mod kernels;
pub(crate) mod ring;
pub(crate) mod weights;

use self::{
    kernels::{Chunk, chunks},
    ring::Ring,
    weights::{Axis, Weights},
};
use crate::{error::ImageError, options::Kernel};

/// Makes one output's rows from those of a [`Ring`].
pub(crate) struct Resampler {
    columns: Weights,
    rows: Weights,
    /// The next output row.
    next: usize,
    planes: usize,
    /// Chunks of a plane of the source.
    plane: usize,
    /// A row of the output's height and the source's width.
    between: Vec<Chunk>,
    /// A finished row: planes side by side.
    row: Vec<i16>,
}

impl Resampler {
    /// Prepares for a source of `planes` planes.
    pub(crate) fn new(kernel: Kernel, columns: &Axis, rows: &Axis, planes: usize) -> Self {
        let plane = chunks(columns.length as usize);
        Self {
            columns: Weights::new(kernel, columns),
            rows: Weights::new(kernel, rows),
            next: 0,
            planes,
            plane,
            between: vec![[0; 32]; plane * planes],
            row: vec![0; columns.count as usize * planes],
        }
    }

    /// Bytes of [`new`](Self::new).
    pub(crate) fn memory(kernel: Kernel, columns: &Axis, rows: &Axis, planes: u64) -> u64 {
        let samples = u64::from(columns.length) + 64 + u64::from(columns.count);
        Weights::memory(kernel, columns) + Weights::memory(kernel, rows) + samples * planes * 2
    }

    /// Rows that the ring must keep.
    pub(crate) fn rows_needed(&self) -> usize {
        self.rows.longest()
    }

    /// Makes every row that can be made of the rows that there have been, and gives it to `each`: planes side by side, each
    /// as wide as the output.
    pub(crate) fn run(
        &mut self,
        source: &Ring,
        mut each: impl FnMut(&[i16]) -> Result<(), ImageError>,
    ) -> Result<(), ImageError> {
        while let Some(window) = self.rows.window(self.next)
            && window.end() <= source.count()
        {
            let rows: Vec<&[Chunk]> =
                (window.first..window.end()).filter_map(|row| source.row(row)).collect();
            if rows.len() != window.length {
                return Err(ImageError::Internal("rows of the resampler"));
            }
            kernels::vertical(&rows, self.rows.of(self.next), &mut self.between);
            let width = self.columns.windows().len().max(1);
            let planes = self.between.chunks_exact(self.plane).zip(self.row.chunks_exact_mut(width));
            for (plane, out) in planes.take(self.planes) {
                kernels::horizontal(plane, &self.columns, out);
            }
            each(&self.row)?;
            self.next += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "test pictures of known sizes")]
mod tests;
