//! The accurate integer inverse DCT of libjpeg: Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms
//! with 11 multiplications" (ICASSP 1989), with 13-bit constants and 2 more bits between the passes.
//!
//! Written as sums of products of pairs, which is what vector instructions multiply; in wrapping arithmetic that is
//! equal to the factored form. Dequantised coefficients wrap and the first pass saturates at 16 bits, which only
//! damaged data meets.

use super::{Transform, sample, store};
use crate::common::simd::Simd;

/// Fraction bits of the constants.
const CONST_BITS: i32 = 13;
/// Extra bits of the first pass's results.
const PASS_BITS: i32 = 2;
/// What the passes shift out; the second also divides by 8.
pub(super) const FIRST_SHIFT: i32 = CONST_BITS - PASS_BITS;
pub(super) const SECOND_SHIFT: i32 = CONST_BITS + PASS_BITS + 3;

/// Factors of inputs (0, 4) and (2, 6) in the even part's four sums.
pub(super) const EVEN: [[i16; 2]; 4] = [[8192, 8192], [8192, -8192], [10703, 4433], [4433, -10704]];
/// Factors of inputs (1, 3) and (5, 7) in the odd part's four sums, for outputs (0, 7), (1, 6), (2, 5) and (3, 4).
pub(super) const ODD: [[[i16; 2]; 2]; 4] = [
    [[11363, 9633], [6437, 2260]],
    [[9633, -2259], [-11362, -6436]],
    [[6437, -11362], [2261, 9633]],
    [[2260, -6436], [9633, -11363]],
];

/// Every sample of a block of DC only.
#[inline]
fn mean(dc: i16, step: i16) -> u8 {
    let first = (i32::from(dc.wrapping_mul(step)) << PASS_BITS).clamp(i16::MIN.into(), i16::MAX.into());
    sample(((first << CONST_BITS) + (1 << (SECOND_SHIFT - 1))) >> SECOND_SHIFT)
}

/// Sums of interleaved inputs times their factors.
#[inline(always)]
fn products<S: Simd>(simd: S, inputs: S::Ints, [a, b]: [i16; 2]) -> S::Ints {
    simd.mul_add16(inputs, simd.splat32(i32::from(a.cast_unsigned()) | i32::from(b) << 16))
}

/// Two rows' lower or upper four numbers, interleaved.
#[inline(always)]
fn interleave<S: Simd, const HIGH: bool>(simd: S, a: S::Ints, b: S::Ints) -> S::Ints {
    if HIGH { simd.high16(a, b) } else { simd.low16(a, b) }
}

/// Four columns in one dimension, as 32-bit sums shifted; `HIGH` takes the upper four. `FEW`: inputs 4 to 7 are zero.
#[inline(always)]
fn half<S: Simd, const SHIFT: i32, const HIGH: bool, const FEW: bool>(
    simd: S,
    v: &[S::Ints; 8],
) -> [S::Ints; 8] {
    let (edge, middle) = (interleave::<S, HIGH>(simd, v[0], v[4]), interleave::<S, HIGH>(simd, v[2], v[6]));
    let round = simd.splat32(1 << (SHIFT - 1));
    let sum = simd.add32(products(simd, edge, EVEN[0]), round);
    let difference = if FEW { sum } else { simd.add32(products(simd, edge, EVEN[1]), round) };
    let (outer, inner) = (products(simd, middle, EVEN[2]), products(simd, middle, EVEN[3]));
    let even = [
        simd.add32(sum, outer),
        simd.add32(difference, inner),
        simd.sub32(difference, inner),
        simd.sub32(sum, outer),
    ];
    let (near, far) = (interleave::<S, HIGH>(simd, v[1], v[3]), interleave::<S, HIGH>(simd, v[5], v[7]));
    let mut out = [round; 8];
    for (k, [low, high]) in ODD.into_iter().enumerate() {
        let odd = products(simd, near, low);
        let odd = if FEW { odd } else { simd.add32(odd, products(simd, far, high)) };
        out[k] = simd.sar32::<SHIFT>(simd.add32(even[k], odd));
        out[7 - k] = simd.sar32::<SHIFT>(simd.sub32(even[k], odd));
    }
    out
}

/// One dimension.
#[inline(always)]
fn line<S: Simd, const SHIFT: i32, const FEW: bool>(simd: S, v: &[S::Ints; 8]) -> [S::Ints; 8] {
    let mut out = half::<S, SHIFT, false, FEW>(simd, v);
    for (low, high) in out.iter_mut().zip(half::<S, SHIFT, true, FEW>(simd, v)) {
        *low = simd.pack32(*low, high);
    }
    out
}

/// Whether inputs 4 to 7 are zero.
#[inline(always)]
fn is_few<S: Simd>(simd: S, v: &[S::Ints; 8]) -> bool {
    simd.is_zero(simd.or(simd.or(v[4], v[5]), simd.or(v[6], v[7])))
}

/// Whether there is nothing but DC, where rows 4 to 7 are zero.
#[inline(always)]
fn is_mean<S: Simd>(simd: S, v: &[S::Ints; 8]) -> bool {
    let ac = simd.load(&AC, &AC);
    simd.is_zero(simd.or(simd.or(v[1], v[2]), simd.or(v[3], simd.and(v[0], ac))))
}

/// All ones but for DC.
const AC: [i16; 8] = [0, -1, -1, -1, -1, -1, -1, -1];

/// Transforms a block a lane.
#[inline(always)]
pub(super) fn blocks<S: Simd>(simd: S, job: Transform<'_, 64>) {
    let Transform { coefficients, tables, out } = job;
    let mut input = [simd.zero(); 8];
    for (y, row) in input.iter_mut().enumerate() {
        let [a, b] = coefficients.map(|values| &values.as_chunks::<8>().0[y]);
        let [c, d] = tables.map(|table| &table.steps.as_chunks::<8>().0[y]);
        *row = simd.mul_low16(simd.load(a, b), simd.load(c, d));
    }
    let middle = if is_few(simd, &input) {
        // A block of its mean only is common in skies and walls.
        if is_mean(simd, &input) {
            for (block, (values, table)) in out.iter_mut().zip(coefficients.iter().zip(tables)) {
                block.fill(mean(values[0], table.steps[0]));
            }
            return;
        }
        line::<S, FIRST_SHIFT, true>(simd, &input)
    } else {
        line::<S, FIRST_SHIFT, false>(simd, &input)
    };
    let columns = simd.transpose16(middle);
    let x = if is_few(simd, &columns) {
        line::<S, SECOND_SHIFT, true>(simd, &columns)
    } else {
        line::<S, SECOND_SHIFT, false>(simd, &columns)
    };
    // Columns of eight bytes, (0, 2), (1, 3), (4, 6) and (5, 7); then rows of them.
    let p =
        [simd.pack16(x[0], x[2]), simd.pack16(x[1], x[3]), simd.pack16(x[4], x[6]), simd.pack16(x[5], x[7])];
    let left = [simd.low8(p[0], p[1]), simd.high8(p[0], p[1])];
    let right = [simd.low8(p[2], p[3]), simd.high8(p[2], p[3])];
    let left = [simd.low16(left[0], left[1]), simd.high16(left[0], left[1])];
    let right = [simd.low16(right[0], right[1]), simd.high16(right[0], right[1])];
    let gray = simd.splat8(128);
    for (k, (left, right)) in left.into_iter().zip(right).enumerate() {
        store(simd, simd.xor(simd.low32(left, right), gray), out, 2 * k);
        store(simd, simd.xor(simd.high32(left, right), gray), out, 2 * k + 1);
    }
}
