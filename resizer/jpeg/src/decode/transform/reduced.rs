//! Truncated blocks in `f32`, any of 1, 2, 4 and 8 samples in each direction.

use super::Table;
use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

/// Added and taken away again, it rounds to the nearest integer, ties to even, whatever the processor.
const ROUNDING: f32 = 12_582_912.0;
/// tan(π/8): the one factor of the 4-point transform that no table takes up.
pub(crate) const TANGENT: f32 = 0.414_213_56;
const SQRT: f32 = std::f32::consts::SQRT_2;

/// The factor of frequency `u` in a direction of `size` samples: the DCT's own normalisation, the box's weight,
/// and whatever the transform below leaves to the table.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "u is below 8; f32 is the aim"
)]
pub(crate) fn factor(size: usize, u: usize) -> f32 {
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
fn fixed<const W: usize, const H: usize>(coefficients: &[i16], table: &Table, out: &mut [u8], stride: usize) {
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

/// Transforms one block into rows of `stride` samples.
pub(crate) fn block(coefficients: &[i16], table: &Table, out: &mut [u8], stride: usize) {
    let run = match (table.width, table.height) {
        (4, 4) => fixed::<4, 4>,
        (2, 2) => fixed::<2, 2>,
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
