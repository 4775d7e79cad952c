//! Two blocks side by side to levels in zigzag order.

use super::super::quantisation::{Quantiser, ZIGZAG_TRANSPOSED};
use super::{Block, Mask, WIDE, dct};
use crate::common::simd::Simd;

#[cfg(test)]
/// Forward DCT alone, in the transform's own order, times [`super::super::quantisation::TRANSFORM_GAIN`], of the two
/// blocks whose first sample is `plane[0]`.
#[inline(always)]
pub(in super::super) fn coefficients<S: Simd>(simd: S, plane: &[u8], stride: usize, out: &mut [Block; 2]) {
    for i in (0..2).step_by(S::LANES) {
        let columns = dct::forward(simd, &plane[8 * i..], stride);
        store(simd, columns, &mut out[i..i + S::LANES]);
    }
}

/// Forward DCT and quantisation of the two blocks whose first sample is `plane[0]`, in the transform's order.
#[inline(always)]
pub(in super::super) fn levels<S: Simd>(
    simd: S,
    plane: &[u8],
    stride: usize,
    quantiser: &Quantiser,
    out: &mut [Block; 2],
) -> [Mask; 2] {
    let mut masks = [0; 2];
    for i in (0..2).step_by(S::LANES) {
        let columns = dct::forward(simd, &plane[8 * i..], stride);
        quantise(simd, columns, quantiser, &mut out[i..i + S::LANES], &mut masks[i..i + S::LANES]);
    }
    masks
}

/// [`levels`], and the coefficients themselves, times [`super::super::quantisation::TRANSFORM_GAIN`].
#[inline(always)]
pub(in super::super) fn levels_and_raw<S: Simd>(
    simd: S,
    plane: &[u8],
    stride: usize,
    quantiser: &Quantiser,
    out: &mut [Block; 2],
    raw: &mut [Block; 2],
) -> [Mask; 2] {
    let mut masks = [0; 2];
    for i in (0..2).step_by(S::LANES) {
        let columns = dct::forward(simd, &plane[8 * i..], stride);
        store(simd, columns, &mut raw[i..i + S::LANES]);
        quantise(simd, columns, quantiser, &mut out[i..i + S::LANES], &mut masks[i..i + S::LANES]);
    }
    masks
}

/// A block a lane in the transform's order.
#[inline(always)]
fn store<S: Simd>(simd: S, columns: [S::Ints; 8], out: &mut [Block]) {
    for (u, column) in columns.into_iter().enumerate() {
        let lanes = simd.lanes(column);
        for (block, lane) in out.iter_mut().zip(lanes) {
            block.as_chunks_mut().0[u] = lane;
        }
    }
}

/// All ones but for DC.
const AC: [i16; 8] = [0, -1, -1, -1, -1, -1, -1, -1];

/// As many blocks as there are lanes.
#[inline(always)]
fn quantise<S: Simd>(
    simd: S,
    mut columns: [S::Ints; 8],
    quantiser: &Quantiser,
    out: &mut [Block],
    masks: &mut [Mask],
) {
    let (half, reciprocal, scale) = (
        quantiser.half.as_chunks::<8>().0,
        quantiser.reciprocal.as_chunks::<8>().0,
        quantiser.scale.as_chunks::<8>().0,
    );
    let mut large = simd.zero();
    for (u, column) in columns.iter_mut().enumerate() {
        let biased = simd.add16(simd.abs16(*column), simd.load(&half[u], &half[u]));
        let product = simd.mul_high_unsigned16(biased, simd.load(&reciprocal[u], &reciprocal[u]));
        let magnitude = simd.mul_high_unsigned16(product, simd.load(&scale[u], &scale[u]));
        let ac = if u == 0 { simd.and(magnitude, simd.load(&AC, &AC)) } else { magnitude };
        large = simd.or(large, ac);
        *column = simd.with_sign16(magnitude, *column);
    }
    store(simd, columns, out);
    // Two columns of each block in a register of bytes, saturated; a bit for each byte.
    for (pair, spread) in SPREAD.as_chunks::<2>().0.iter().enumerate() {
        let bytes = simd.pack16(columns[2 * pair], columns[2 * pair + 1]);
        let zeros = simd.top_bits(simd.equal8(bytes, simd.zero()));
        for (lane, mask) in masks.iter_mut().enumerate() {
            let zeros = zeros >> (16 * lane);
            *mask |= spread[0][(zeros & 0xFF) as usize] | spread[1][(zeros >> 8 & 0xFF) as usize];
        }
    }
    let large = simd.and(large, simd.splat16(!0x7F));
    if !simd.is_zero(large) {
        mark_wide(simd.lanes(large), masks);
    }
}

/// The rare case: some AC level does not fit a byte.
#[cold]
fn mark_wide(large: [[i16; 8]; 2], masks: &mut [Mask]) {
    for (mask, large) in masks.iter_mut().zip(large) {
        if large != [0; 8] {
            *mask |= WIDE;
        }
    }
}

/// For each column and each set of its places: those not in it in zigzag order, but for DC.
static SPREAD: [[Mask; 256]; 8] = {
    let mut spread = [[0; 256]; 8];
    let mut k = 1;
    while k < 64 {
        let at = ZIGZAG_TRANSPOSED[k] as usize;
        let mut set = 0;
        while set < 256 {
            if set >> (at % 8) & 1 == 0 {
                spread[at / 8][set] |= 1 << k;
            }
            set += 1;
        }
        k += 1;
    }
    spread
};

/// The order that the levels of a block stand in.
pub(in super::super) trait Order {
    /// The place of zigzag index `k`.
    fn place(k: u32) -> usize;
}

/// Zigzag order.
#[derive(Debug)]
pub(in super::super) struct Zigzag;

impl Order for Zigzag {
    #[inline(always)]
    fn place(k: u32) -> usize {
        k as usize & 63
    }
}

/// As the transform leaves them.
#[derive(Debug)]
pub(in super::super) struct Transposed;

impl Order for Transposed {
    #[inline(always)]
    fn place(k: u32) -> usize {
        usize::from(ZIGZAG_TRANSPOSED[k as usize & 63] & 63)
    }
}

/// Levels from the transform's order to zigzag order.
pub(in super::super) fn sort(block: &mut Block) {
    let unsorted = *block;
    for (level, &at) in block.iter_mut().zip(&ZIGZAG_TRANSPOSED) {
        *level = unsorted[usize::from(at & 63)];
    }
}
