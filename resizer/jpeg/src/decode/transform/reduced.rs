//! Truncated blocks in `f32`: 4×4 and 2×2 in vectors, any of 1, 2, 4 and 8 samples in each direction one by one.

use super::{Table, Transform, store};
use crate::common::simd::Simd;
use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};
use std::sync::LazyLock;

/// Added and taken away again, it rounds to the nearest integer, ties to even, whatever the processor.
const ROUNDING: f32 = 12_582_912.0;
/// tan(π/8): the one factor of the 4-point transform that no table takes up.
const TANGENT: f32 = 0.414_213_56;
const SQRT: f32 = std::f32::consts::SQRT_2;

/// The factor of frequency `u` in a direction of `size` samples: the DCT's own normalisation, the box's weight,
/// and whatever the transform below leaves to the table.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "u is below 8; f32 is the aim"
)]
fn factor(size: usize, u: usize) -> f32 {
    let angle = u as f64 * PI / 16.0;
    // A.3.3: C(u) / 2.
    let own = if u == 0 { FRAC_1_SQRT_2 / 2.0 } else { 0.5 };
    let value = match (size, u) {
        (_, 0) => own,
        // The scaling of Arai, Agui and Nakajima, over what A.3.3 has.
        (8, 4) => 1.0 / (2.0 * SQRT_2),
        (8, _) => angle.cos() * SQRT_2 / (2.0 * SQRT_2),
        (4, 2) => own * angle.cos() * FRAC_1_SQRT_2,
        (4, _) => own * angle.cos() * (PI / 8.0).cos(),
        (2, _) => own * angle.cos() * (2.0 * angle).cos() * FRAC_1_SQRT_2,
        _ => 0.0,
    };
    value as f32
}

/// Factors of every frequency in a direction of 1, 2, 4 and 8 samples: cosines cost more than a small picture.
static FACTORS: LazyLock<[[f32; 8]; 4]> =
    LazyLock::new(|| [1, 2, 4, 8].map(|size| std::array::from_fn(|u| factor(size, u))));

/// The factors of a direction of `size` samples.
pub(super) fn factors(size: usize) -> &'static [f32; 8] {
    &FACTORS[size.trailing_zeros().min(3) as usize]
}

/// One dimension in place.
#[inline(always)]
fn line<const N: usize>(v: &mut [f32; N]) {
    match N {
        2 => {
            let (a, b) = (v[0], v[1]);
            v[0] = a + b;
            v[1] = a - b;
        }
        4 => {
            let (sum, difference) = (v[0] + v[2], v[0] - v[2]);
            let outer = v[1] + TANGENT * v[3];
            let inner = TANGENT * v[1] - v[3];
            v[0] = sum + outer;
            v[1] = difference + inner;
            v[2] = difference - inner;
            v[3] = sum - outer;
        }
        8 => eight(v),
        _ => {}
    }
}

/// Arai, Agui and Nakajima's 8-point transform.
#[inline(always)]
fn eight<const N: usize>(v: &mut [f32; N]) {
    let (t10, t11, t13) = (v[0] + v[4], v[0] - v[4], v[2] + v[6]);
    let t12 = (v[2] - v[6]) * SQRT - t13;
    let (e0, e3, e1, e2) = (t10 + t13, t10 - t13, t11 + t12, t11 - t12);
    let (z13, z10, z11, z12) = (v[5] + v[3], v[5] - v[3], v[1] + v[7], v[1] - v[7]);
    let o7 = z11 + z13;
    let o11 = (z11 - z13) * SQRT;
    let z5 = (z10 + z12) * 1.847_759_1;
    let o6 = (z5 - z10 * 2.613_126) - o7;
    let o5 = o11 - o6;
    let o4 = (z5 - z12 * 1.082_392_2) - o5;
    v[0] = e0 + o7;
    v[7] = e0 - o7;
    v[1] = e1 + o6;
    v[6] = e1 - o6;
    v[2] = e2 + o5;
    v[5] = e2 - o5;
    v[3] = e3 + o4;
    v[4] = e3 - o4;
}

/// The sample of a value around zero.
#[inline(always)]
fn sample(value: f32) -> u8 {
    let bits = ((value + 128.0).clamp(0.0, 255.0) + ROUNDING).to_bits();
    bits.to_le_bytes()[0]
}

/// Transforms a block of `W` by `H` coefficients.
#[inline(always)]
pub(super) fn fixed<const W: usize, const H: usize>(
    coefficients: &[i16],
    table: &Table,
    out: &mut [u8],
    stride: usize,
) {
    let mut rows = [[0.0_f32; W]; H];
    for ((row, line), factors) in
        rows.iter_mut().zip(coefficients.chunks_exact(W)).zip(table.factors.chunks_exact(W))
    {
        for ((value, coefficient), factor) in row.iter_mut().zip(line).zip(factors) {
            *value = f32::from(*coefficient) * factor;
        }
    }
    for x in 0..W {
        let mut column: [f32; H] = std::array::from_fn(|y| rows[y][x]);
        line(&mut column);
        for (row, value) in rows.iter_mut().zip(column) {
            row[x] = value;
        }
    }
    for (y, row) in rows.iter_mut().enumerate() {
        line(row);
        for (byte, value) in out[y * stride..y * stride + W].iter_mut().zip(row) {
            *byte = sample(*value);
        }
    }
}

/// Values around zero as clamped integers.
#[inline(always)]
fn samples<S: Simd>(simd: S, value: S::Floats) -> S::Ints {
    let shifted = simd.add_float(value, simd.splat_float(128.0));
    simd.round(simd.min_float(simd.max_float(shifted, simd.splat_float(0.0)), simd.splat_float(255.0)))
}

/// [`line`] of four, of each column.
#[inline(always)]
fn four_line<S: Simd>(simd: S, [a, b, c, d]: [S::Floats; 4]) -> [S::Floats; 4] {
    let tangent = simd.splat_float(TANGENT);
    let (sum, difference) = (simd.add_float(a, c), simd.sub_float(a, c));
    let outer = simd.add_float(b, simd.mul_float(tangent, d));
    let inner = simd.sub_float(simd.mul_float(tangent, b), d);
    [
        simd.add_float(sum, outer),
        simd.add_float(difference, inner),
        simd.sub_float(difference, inner),
        simd.sub_float(sum, outer),
    ]
}

/// Four coefficients as numbers, dequantised by row `y` of the factors.
#[inline(always)]
fn dequantised<S: Simd>(simd: S, words: S::Ints, tables: [&Table; 2], y: usize) -> S::Floats {
    let [a, b] = tables.map(|table| &table.factors.as_chunks::<4>().0[y]);
    simd.mul_float(simd.to_floats(simd.sar32::<16>(words)), simd.as_floats(simd.load(a, b)))
}

/// Blocks of 4×4, one a lane.
#[inline(always)]
pub(super) fn four<S: Simd>(simd: S, job: Transform<'_, 16>) {
    let Transform { coefficients, tables, out } = job;
    let [a, b] = coefficients.map(|values| values.as_chunks::<8>().0);
    let (upper, lower) = (simd.load(&a[0], &b[0]), simd.load(&a[1], &b[1]));
    let [r0, r1, r2, r3] = four_line(
        simd,
        [
            dequantised(simd, simd.low16(upper, upper), tables, 0),
            dequantised(simd, simd.high16(upper, upper), tables, 1),
            dequantised(simd, simd.low16(lower, lower), tables, 2),
            dequantised(simd, simd.high16(lower, lower), tables, 3),
        ],
    );
    let (r0, r1, r2, r3) = (simd.as_ints(r0), simd.as_ints(r1), simd.as_ints(r2), simd.as_ints(r3));
    let (t0, t1) = (simd.low32(r0, r1), simd.high32(r0, r1));
    let (t2, t3) = (simd.low32(r2, r3), simd.high32(r2, r3));
    let x = four_line(
        simd,
        [
            simd.as_floats(simd.low64(t0, t2)),
            simd.as_floats(simd.high64(t0, t2)),
            simd.as_floats(simd.low64(t1, t3)),
            simd.as_floats(simd.high64(t1, t3)),
        ],
    );
    // Columns 0 and 2, 1 and 3; interleaved twice they are rows.
    let even = simd.pack32(samples(simd, x[0]), samples(simd, x[2]));
    let odd = simd.pack32(samples(simd, x[1]), samples(simd, x[3]));
    let (left, right) = (simd.low16(even, odd), simd.high16(even, odd));
    store(simd, simd.pack_unsigned16(simd.low32(left, right), simd.high32(left, right)), out, 0);
}

/// `a + b` as floating-point numbers, `b` negated where the sign is.
#[inline(always)]
fn add_signed<S: Simd>(simd: S, a: S::Ints, b: S::Ints, signs: [f32; 4]) -> S::Floats {
    simd.add_float(simd.as_floats(a), simd.as_floats(simd.xor(b, simd.load(&signs, &signs))))
}

/// Blocks of 2×2, one a lane.
#[inline(always)]
pub(super) fn two<S: Simd>(simd: S, job: Transform<'_, 4>) {
    let Transform { coefficients, tables, out } = job;
    let [a, b] = coefficients.map(|v| [v[0], v[1], v[2], v[3], 0, 0, 0, 0]);
    let words = simd.load(&a, &b);
    let v = simd.as_ints(dequantised(simd, simd.low16(words, words), tables, 0));
    // Sums of the rows, then their differences; sums of the columns beside their differences.
    let turned = simd.low64(simd.high64(v, v), v);
    let v = simd.as_ints(add_signed(simd, turned, v, [0.0, 0.0, -0.0, -0.0]));
    let (sums, differences) = (simd.low32(v, v), simd.high32(v, v));
    let (left, right) = (simd.low64(sums, differences), simd.high64(sums, differences));
    let v = add_signed(simd, left, right, [0.0, -0.0, 0.0, -0.0]);
    let words = simd.pack32(samples(simd, v), simd.zero());
    store(simd, simd.pack_unsigned16(words, words), out, 0);
}

/// Transforms one block into rows of `stride` samples.
pub(super) fn block(coefficients: &[i16], table: &Table, out: &mut [u8], stride: usize) {
    let run = match (table.width, table.height) {
        (8, 4) => fixed::<8, 4>,
        (4, 8) => fixed::<4, 8>,
        (4, 2) => fixed::<4, 2>,
        (2, 4) => fixed::<2, 4>,
        (2, 1) => fixed::<2, 1>,
        (1, 2) => fixed::<1, 2>,
        (8, 2) => fixed::<8, 2>,
        (2, 8) => fixed::<2, 8>,
        (4, 1) => fixed::<4, 1>,
        (1, 4) => fixed::<1, 4>,
        (8, 1) => fixed::<8, 1>,
        _ => fixed::<1, 8>,
    };
    run(coefficients, table, out, stride);
}
