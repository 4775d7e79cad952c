//! The pixel arithmetic, once in portable Rust and once with AVX2. Both give the same bits.
//!
//! Samples are kept in planes as bytes with the top bit flipped, that is as i8 with the level shift of
//! ITU-T T.81, A.3.1 applied.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;

#[cfg(target_arch = "x86_64")]
use avx2::Avx2;
use portable::Portable;

use super::quantisation::Quantiser;
use super::settings::Instructions;

/// Pixels that a colour kernel converts at a time: rows are padded to a multiple.
pub(super) const CHUNK: usize = 32;

/// Coefficients of one block: quantised in zigzag order, or raw in the transform's own order.
pub(super) type Block = [i16; 64];

/// Which coefficients of a quantised block are not zero: bit k for zigzag index k ≥ 1. Bit 0, which DC does not
/// need, says that some AC level lies outside −127…127.
pub(super) type Mask = u64;

/// Bit 0 of a [`Mask`].
pub(super) const WIDE: Mask = 1;

/// Colour conversion and the transform. Every row holds a multiple of [`CHUNK`] pixels of `B` bytes.
pub(super) trait Kernel: Copy {
    /// Gray rows: the level shift alone.
    fn gray(self, row: &[u8], y: &mut [u8]);
    /// 4:4:4: one row into three of the same width.
    fn full<const B: usize>(self, row: &[u8], y: &mut [u8], c: [&mut [u8]; 2]);
    /// 4:2:2: chroma is the mean of two pixels.
    fn half<const B: usize>(self, row: &[u8], y: &mut [u8], c: [&mut [u8]; 2]);
    /// 4:2:0: chroma is the mean of two pixels in each of two rows.
    fn quarter<const B: usize>(self, rows: [&[u8]; 2], y: [&mut [u8]; 2], c: [&mut [u8]; 2]);
    /// Forward DCT and quantisation of two blocks side by side, whose first sample is `plane[0]`.
    fn levels(self, plane: &[u8], stride: usize, quantiser: &Quantiser, out: &mut [Block; 2]) -> [Mask; 2];
    /// Forward DCT alone, in the transform's own order, times [`super::quantisation::TRANSFORM_GAIN`].
    fn coefficients(self, plane: &[u8], stride: usize, out: &mut [Block; 2]);
}

/// Work that is compiled once for each kernel. `run` must be `#[inline(always)]`, and so must what it calls and
/// wants compiled with the kernel's instructions.
pub(super) trait Job {
    /// What it gives.
    type Output;
    /// Does the work.
    fn run<K: Kernel>(self, kernel: K) -> Self::Output;
}

/// The kernel that this processor runs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Machine {
    /// Any processor.
    Portable,
    /// x86-64 with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

impl Machine {
    /// The best kernel for this processor, or the portable one.
    pub(super) fn new(instructions: Instructions) -> Self {
        #[cfg(target_arch = "x86_64")]
        if instructions == Instructions::Detect
            && let Some(kernel) = Avx2::detect()
        {
            return Self::Avx2(kernel);
        }
        let _ = instructions;
        Self::Portable
    }

    /// Does a job with the kernel.
    #[inline]
    pub(super) fn run<J: Job>(self, job: J) -> J::Output {
        match self {
            Self::Portable => job.run(Portable),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(kernel) => avx2::run(kernel, job),
        }
    }
}

/// BT.601 luma weights (JFIF 1.02) times 2¹⁶; they sum to 2¹⁶.
const LUMA_R: u16 = 19595;
const LUMA_G: u16 = 38470;
const LUMA_B: u16 = 7471;
/// A half in units of 2⁻⁸, and 1 for what truncating three products loses on average.
const LUMA_ROUND: u16 = 129;
/// Weights of red and green in Cb, and of green and blue in Cr, times 2¹⁶, to be subtracted; each pair sums to a
/// half, the weight of the third colour.
const CB_R: u16 = 11059;
const CB_G: u16 = 21709;
const CR_G: u16 = 27439;
const CR_B: u16 = 5329;
/// 128.5 in units of 2⁻⁸, less 1 for what truncating two subtracted products adds on average; so pure blue and
/// pure red reach exactly 65,535.
const CHROMA_OFFSET: u16 = 0x8000 + 127;

/// Constants of the transform as [`mulhrs`](https://www.felixcloutier.com/x86/pmulhrsw) takes them: times 2¹⁵.
///
/// Samples enter the first pass times 16 and the second, which makes numbers eight times larger, times 4: in both
/// the largest numbers just fit 16 bits, and the first pass's rounding, which the second amplifies, stays small.
/// The result's error is 0.033 (root mean square on noise, units of the orthonormal DCT; libjpeg's accurate integer
/// transform has 0.042).
///
/// The factorisation is that of Loeffler, Ligtenberg and Moschytz (1989); factors above 1 are added as x + (c−1)x.
mod dct {
    /// cos(π/16)
    pub(super) const C1: i16 = 32138;
    /// sin(π/16)
    pub(super) const S1: i16 = 6393;
    /// cos(3π/16)
    pub(super) const C3: i16 = 27246;
    /// sin(3π/16)
    pub(super) const S3: i16 = 18205;
    /// √2·cos(3π/8)
    pub(super) const R6_COS: i16 = 17734;
    /// √2·sin(3π/8) − 1
    pub(super) const R6_SIN_LESS_1: i16 = 10045;
    /// ¼: from the first pass to the second.
    pub(super) const QUARTER: i16 = 8192;
    /// √2 − 1
    pub(super) const SQRT2_LESS_1: i16 = 13573;
}

#[cfg(test)]
mod tests;
