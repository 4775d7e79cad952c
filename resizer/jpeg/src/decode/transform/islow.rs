//! The accurate integer inverse DCT of libjpeg: Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms
//! with 11 multiplications" (ICASSP 1989), with 13-bit constants and 2 more bits between the passes.
//!
//! Written as sums of products of pairs, which is what AVX2 multiplies; in wrapping arithmetic that is equal to the
//! factored form. Dequantised coefficients wrap and the first pass saturates at 16 bits, which only damaged data
//! meets.

use super::sample;

/// Fraction bits of the constants.
const CONST_BITS: u32 = 13;
/// Extra bits of the first pass's results.
const PASS_BITS: u32 = 2;
/// What the passes shift out; the second also divides by 8.
pub(crate) const FIRST_SHIFT: u32 = CONST_BITS - PASS_BITS;
pub(crate) const SECOND_SHIFT: u32 = CONST_BITS + PASS_BITS + 3;

/// Factors of inputs (0, 4) and (2, 6) in the even part's four sums.
pub(crate) const EVEN: [[i16; 2]; 4] = [[8192, 8192], [8192, -8192], [10703, 4433], [4433, -10704]];
/// Factors of inputs (1, 3) and (5, 7) in the odd part's four sums, for outputs (0, 7), (1, 6), (2, 5) and (3, 4).
pub(crate) const ODD: [[[i16; 2]; 2]; 4] = [
    [[11363, 9633], [6437, 2260]],
    [[9633, -2259], [-11362, -6436]],
    [[6437, -11362], [2261, 9633]],
    [[2260, -6436], [9633, -11363]],
];

#[inline]
fn pair(a: i32, b: i32, factors: [i16; 2]) -> i32 {
    (a.wrapping_mul(factors[0].into())).wrapping_add(b.wrapping_mul(factors[1].into()))
}

/// One dimension; `round` is added to every result.
#[inline]
fn line(input: [i32; 8], round: i32) -> [i32; 8] {
    let [i0, i1, i2, i3, i4, i5, i6, i7] = input;
    let sum = pair(i0, i4, EVEN[0]).wrapping_add(round);
    let difference = pair(i0, i4, EVEN[1]).wrapping_add(round);
    let (outer, inner) = (pair(i2, i6, EVEN[2]), pair(i2, i6, EVEN[3]));
    let even = [
        sum.wrapping_add(outer),
        difference.wrapping_add(inner),
        difference.wrapping_sub(inner),
        sum.wrapping_sub(outer),
    ];
    let odd = ODD.map(|[low, high]| pair(i1, i3, low).wrapping_add(pair(i5, i7, high)));
    let add = |k: usize| even[k].wrapping_add(odd[k]);
    let sub = |k: usize| even[k].wrapping_sub(odd[k]);
    [add(0), add(1), add(2), add(3), sub(3), sub(2), sub(1), sub(0)]
}

/// Every sample of a block of DC only.
#[inline]
pub(crate) fn mean(dc: i16, step: i16) -> u8 {
    let first = saturate(i32::from(dc.wrapping_mul(step)) << PASS_BITS);
    sample((first * 8192 + (1 << (SECOND_SHIFT - 1))) >> SECOND_SHIFT)
}

/// Transforms one block into rows of `stride` samples.
pub(crate) fn block(coefficients: &[i16; 64], steps: &[i16; 64], out: &mut [u8], stride: usize) {
    // A block of its mean only is common in skies and walls.
    if coefficients[1..].iter().all(|c| *c == 0) {
        let value = mean(coefficients[0], steps[0]);
        for y in 0..8 {
            out[y * stride..y * stride + 8].fill(value);
        }
        return;
    }
    let mut middle = [[0_i32; 8]; 8];
    for x in 0..8 {
        let column: [i32; 8] =
            std::array::from_fn(|y| i32::from(coefficients[y * 8 + x].wrapping_mul(steps[y * 8 + x])));
        let values = if column[1..].iter().all(|c| *c == 0) {
            [saturate(column[0] << PASS_BITS); 8]
        } else {
            line(column, 1 << (FIRST_SHIFT - 1)).map(|v| saturate(v >> FIRST_SHIFT))
        };
        for (row, value) in middle.iter_mut().zip(values) {
            row[x] = value;
        }
    }
    for (y, row) in middle.into_iter().enumerate() {
        let values = line(row, 1 << (SECOND_SHIFT - 1));
        for (byte, value) in out[y * stride..y * stride + 8].iter_mut().zip(values) {
            *byte = sample(value >> SECOND_SHIFT);
        }
    }
}

#[inline]
fn saturate(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}
