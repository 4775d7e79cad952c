//! Which implementation runs: chosen once a decode, the same bytes from each.
#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "functions with target features are called after detection, see Kernels::Avx2"
    )
)]

use super::options::Path;
use super::transform::Table;
use super::upsample::{QUARTERS, SAMPLES};
use super::{colour, upsample};

/// The chosen implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernels {
    /// Any processor.
    Portable,
    /// Made by [`Kernels::choose`] alone, and only where the processor has AVX2: that is what the calls below
    /// rely on.
    #[cfg(target_arch = "x86_64")]
    Avx2(Detected),
}

/// Proof of detection: nothing outside this module can make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Detected(());

/// A block to transform: coefficients, dequantisation, where its samples go.
pub(crate) struct Job<'j> {
    pub(crate) coefficients: &'j [i16],
    pub(crate) table: &'j Table,
}

impl Kernels {
    pub(crate) fn choose(path: Path) -> Self {
        #[cfg(target_arch = "x86_64")]
        if path == Path::Auto && is_x86_feature_detected!("avx2") {
            return Self::Avx2(Detected(()));
        }
        let _ = path;
        Self::Portable
    }

    /// Whether two blocks of this size are faster together.
    pub(crate) fn pairs(self, table: &Table) -> bool {
        self != Self::Portable && matches!((table.width, table.height), (8, 8) | (4, 4) | (2, 2))
    }

    /// Transforms two blocks of one size, for which [`Kernels::pairs`] holds, into samples without gaps.
    pub(crate) fn pair(self, a: &Job<'_>, b: &Job<'_>, out: &mut [[u8; 64]; 2]) {
        #[cfg(target_arch = "x86_64")]
        if let Self::Avx2(_) = self {
            use super::transform::avx2;
            let tables = [a.table, b.table];
            let (left, right) = (a.coefficients, b.coefficients);
            match a.table.width {
                8 => {
                    if let (Some(left), Some(right)) = (left.first_chunk(), right.first_chunk()) {
                        // SAFETY: the processor has AVX2, see `Avx2`.
                        unsafe { avx2::eight(left, right, tables, out) }
                    }
                }
                4 => {
                    if let (Some(left), Some(right)) = (left.first_chunk(), right.first_chunk()) {
                        // SAFETY: the processor has AVX2, see `Avx2`.
                        unsafe { avx2::four(left, right, tables, out) }
                    }
                }
                _ => {
                    if let (Some(left), Some(right)) = (left.first_chunk(), right.first_chunk()) {
                        // SAFETY: the processor has AVX2, see `Avx2`.
                        unsafe { avx2::two(left, right, tables, out) }
                    }
                }
            }
            return;
        }
        for (job, out) in [a, b].into_iter().zip(out) {
            job.table.portable(job.coefficients, out, job.table.width);
        }
    }

    /// Transforms one block into rows of `stride` samples.
    pub(crate) fn block(self, job: &Job<'_>, out: &mut [u8], stride: usize) {
        if self.pairs(job.table) {
            let mut samples = [[0; 64]; 2];
            self.pair(job, job, &mut samples);
            place(&samples[0], job.table, out, stride);
        } else {
            job.table.portable(job.coefficients, out, stride);
        }
    }

    /// YCbCr to RGB.
    pub(crate) fn ycc_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        let mut done = 0;
        #[cfg(target_arch = "x86_64")]
        if let Self::Avx2(_) = self {
            // SAFETY: the processor has AVX2, see `Avx2`.
            done = unsafe { colour::avx2::ycc_to_rgb(y, cb, cr, out) };
        }
        colour::ycc_to_rgb(&y[done..], &cb[done..], &cr[done..], &mut out[3 * done..]);
    }

    fn widen_sums(self, sums: &[u16], (bias, shift): ([u16; 2], u32), out: &mut [u8]) {
        let mut done = 0;
        #[cfg(target_arch = "x86_64")]
        if let Self::Avx2(_) = self {
            // SAFETY: the processor has AVX2, see `Avx2`.
            done = unsafe { upsample::avx2::widen_sums(sums, bias, shift, out) };
        }
        upsample::widen_sums(&sums[done..], bias, shift, &mut out[2 * done..]);
    }

    /// The triangle filter across; `sums` is scratch with two places more than `row`.
    pub(crate) fn widen(self, row: &[u8], sums: &mut [u16], out: &mut [u8]) {
        for (sum, byte) in sums[1..].iter_mut().zip(row) {
            *sum = u16::from(*byte);
        }
        self.widen_sums(edges(sums, row.len()), SAMPLES, out);
    }

    /// The triangle filter in both directions; `sums` is scratch with two places more than `near`.
    pub(crate) fn widen_both(self, near: &[u8], far: &[u8], sums: &mut [u16], out: &mut [u8]) {
        let mut done = 0;
        #[cfg(target_arch = "x86_64")]
        if let Self::Avx2(_) = self {
            // SAFETY: the processor has AVX2, see `Avx2`.
            done = unsafe { upsample::avx2::blend(near, far, &mut sums[1..]) };
        }
        upsample::blend(&near[done..], &far[done..], &mut sums[1 + done..]);
        self.widen_sums(edges(sums, near.len()), QUARTERS, out);
    }
}

/// Repeats the first and the last of `count` sums.
fn edges(sums: &mut [u16], count: usize) -> &[u16] {
    sums[0] = sums[1];
    sums[count + 1] = sums[count];
    &sums[..count + 2]
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
        out[y * stride..y * stride + N].copy_from_slice(row);
    }
}
