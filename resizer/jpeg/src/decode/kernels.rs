//! Which instructions the arithmetic runs with: chosen once a decode, the same bytes from each.

use super::colour::YccToRgb;
use super::options::Path;
use super::transform::{Table, Transform};
use super::upsample::{Blend, QUARTERS, SAMPLES, WidenSums};
use crate::common::simd::{self, Processor};

/// The arithmetic with the chosen instructions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels(Processor);

/// A block to transform.
pub(crate) struct Job<'j> {
    pub(crate) coefficients: &'j [i16],
    pub(crate) table: &'j Table,
}

impl Kernels {
    pub(crate) fn choose(path: Path) -> Self {
        Self(match path {
            Path::Auto => Processor::detect(),
            Path::Portable => Processor::Base,
        })
    }

    /// Runs a job that is compiled for each set of instructions.
    #[inline]
    pub(crate) fn run<J: simd::Job>(self, job: J) -> J::Output {
        self.0.run(job)
    }

    /// Whether two blocks of this size are transformed together.
    pub(crate) fn pairs(self, table: &Table) -> bool {
        self.0.lanes() == 2 && table.is_vector()
    }

    /// Transforms two blocks of one size, for which [`Kernels::pairs`] holds, into samples without gaps.
    #[inline]
    pub(crate) fn pair(self, a: &Job<'_>, b: &Job<'_>, out: &mut [[u8; 64]; 2]) {
        let coefficients = [a.coefficients, b.coefficients];
        let tables = [a.table, b.table];
        match a.table.width {
            8 => self.transform(Transform::<64>::new(coefficients, tables, out)),
            4 => self.transform(Transform::<16>::new(coefficients, tables, out)),
            _ => self.transform(Transform::<4>::new(coefficients, tables, out)),
        }
    }

    #[inline]
    fn transform<J: simd::Job<Output = ()>>(self, job: Option<J>) {
        if let Some(job) = job {
            self.0.run(job);
        }
    }

    /// Transforms one block into rows of `stride` samples.
    pub(crate) fn block(self, job: &Job<'_>, out: &mut [u8], stride: usize) {
        if job.table.is_vector() {
            let mut samples = [[0; 64]; 2];
            self.pair(job, job, &mut samples);
            place(&samples[0], job.table, out, stride);
        } else {
            job.table.odd(job.coefficients, out, stride);
        }
    }

    /// Transforms the lowest frequencies of one block of 64 coefficients into rows of `stride` samples.
    pub(crate) fn lowest(self, job: &Job<'_>, out: &mut [u8], stride: usize) {
        let (width, height) = (job.table.width, job.table.height);
        if (width, height) == (8, 8) {
            return self.block(job, out, stride);
        }
        let mut kept = [0; 64];
        let lines = kept.chunks_exact_mut(width).zip(job.coefficients.chunks_exact(8));
        for (line, from) in lines.take(height) {
            line.copy_from_slice(&from[..width]);
        }
        let job = Job { coefficients: &kept[..width * height], table: job.table };
        self.block(&job, out, stride);
    }

    /// Transforms one block of 64 coefficients that the picture's edge cuts: the means of boxes of the full transform, of
    /// the samples `inside` (at least one in each direction) alone.
    pub(crate) fn cut(self, job: &Job<'_>, inside: (usize, usize), out: &mut [u8], stride: usize) {
        let mut samples = [[0; 64]; 2];
        let coefficients = [job.coefficients, job.coefficients];
        self.transform(Transform::<64>::new(coefficients, [job.table, job.table], &mut samples));
        let full = samples[0].as_chunks::<8>().0;
        let (width, height) = (job.table.width, job.table.height);
        // Boxes beyond the edge, at which nobody looks, are given its last sample.
        let extent = |number: usize, size: usize, inside: usize| {
            (number * size).min(inside - 1)..((number + 1) * size).min(inside)
        };
        for y in 0..height {
            for x in 0..width {
                let (columns, rows) = (extent(x, 8 / width, inside.0), extent(y, 8 / height, inside.1));
                let count = columns.len() * rows.len();
                let sum: usize =
                    full[rows].iter().flat_map(|row| &row[columns.clone()]).map(|s| usize::from(*s)).sum();
                out[y * stride + x] = ((sum + count / 2) / count).to_le_bytes()[0];
            }
        }
    }

    /// YCbCr to RGB.
    pub(crate) fn ycc_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        self.0.run(YccToRgb { planes: [y, cb, cr], out });
    }

    /// The triangle filter across; `sums` is scratch with two places more than `row`.
    pub(crate) fn widen(self, row: &[u8], sums: &mut [u16], out: &mut [u8]) {
        for (sum, byte) in sums[1..].iter_mut().zip(row) {
            *sum = u16::from(*byte);
        }
        self.widen_sums::<SAMPLES>(sums, row.len(), out);
    }

    /// The triangle filter in both directions; `sums` is scratch with two places more than `near`.
    pub(crate) fn widen_both(self, near: &[u8], far: &[u8], sums: &mut [u16], out: &mut [u8]) {
        self.0.run(Blend { near, far, out: &mut sums[1..] });
        self.widen_sums::<QUARTERS>(sums, near.len(), out);
    }

    /// Repeats the first and the last of `count` sums and filters across.
    fn widen_sums<const SHIFT: i32>(self, sums: &mut [u16], count: usize, out: &mut [u8]) {
        sums[0] = sums[1];
        sums[count + 1] = sums[count];
        self.0.run(WidenSums::<SHIFT> { sums: &sums[..count + 2], out });
    }
}

/// Puts samples without gaps into rows of `stride`.
#[inline]
pub(crate) fn place(samples: &[u8; 64], table: &Table, out: &mut [u8], stride: usize) {
    match table.width {
        8 => rows::<8>(samples, out, stride),
        4 => rows::<4>(samples, out, stride),
        _ => rows::<2>(samples, out, stride),
    }
}

#[inline]
fn rows<const N: usize>(samples: &[u8; 64], out: &mut [u8], stride: usize) {
    let out = &mut out[..(N - 1) * stride + N];
    for (y, row) in samples.as_chunks::<N>().0[..N].iter().enumerate() {
        // As one number: copies of bytes end up as calls for any number of them.
        if let Some(place) = out[y * stride..].first_chunk_mut::<N>() {
            *place = *row;
        }
    }
}
