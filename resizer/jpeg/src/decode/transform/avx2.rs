//! The transforms two blocks at a time, one in each half of the registers, with the bytes of the portable ones.

use super::Table;
use super::islow::{EVEN, FIRST_SHIFT, ODD, SECOND_SHIFT, mean};
use super::reduced::TANGENT;
use crate::decode::simd::{load_factors, load_row, store_bytes};
use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_set_epi64x, _mm_unpackhi_epi64, _mm_unpacklo_epi64, _mm256_add_epi8,
    _mm256_add_epi32, _mm256_add_ps, _mm256_castsi256_si128, _mm256_cvtepi16_epi32, _mm256_cvtepi32_ps,
    _mm256_cvtps_epi32, _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_max_ps, _mm256_min_ps,
    _mm256_mul_ps, _mm256_mullo_epi16, _mm256_or_si256, _mm256_packs_epi16, _mm256_packs_epi32,
    _mm256_packus_epi16, _mm256_permute_ps, _mm256_set_epi64x, _mm256_set_m128, _mm256_set_m128i,
    _mm256_set1_epi8, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi8, _mm256_setr_ps, _mm256_setzero_ps,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_shuffle_ps, _mm256_srai_epi32, _mm256_sub_epi32,
    _mm256_sub_ps, _mm256_testz_si256, _mm256_unpackhi_epi8, _mm256_unpackhi_epi16, _mm256_unpackhi_epi32,
    _mm256_unpackhi_epi64, _mm256_unpackhi_ps, _mm256_unpacklo_epi8, _mm256_unpacklo_epi16,
    _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm256_unpacklo_ps, _mm256_xor_ps,
};

/// A block's samples, rows one behind the other: 64, 16 or 4 of them.
pub(crate) type Samples = [u8; 64];

/// A pair of factors beside each other, for multiplication of interleaved inputs.
#[target_feature(enable = "avx2")]
#[inline]
fn pair([a, b]: [i16; 2]) -> __m256i {
    _mm256_set1_epi32(i32::from(a.cast_unsigned()) | i32::from(b) << 16)
}

/// Four columns of both blocks in one dimension, as 32-bit sums; `HIGH` takes the upper four. `LOW`: inputs 4 to 7
/// are zero.
#[target_feature(enable = "avx2")]
#[inline]
fn half<const HIGH: bool, const LOW: bool>(v: &[__m256i; 8], round: __m256i) -> [__m256i; 8] {
    let mix = |a: __m256i, b: __m256i| {
        if HIGH { _mm256_unpackhi_epi16(a, b) } else { _mm256_unpacklo_epi16(a, b) }
    };
    let (edge, middle) = (mix(v[0], v[4]), mix(v[2], v[6]));
    let sum = _mm256_add_epi32(_mm256_madd_epi16(edge, pair(EVEN[0])), round);
    let difference = if LOW { sum } else { _mm256_add_epi32(_mm256_madd_epi16(edge, pair(EVEN[1])), round) };
    let (outer, inner) = (_mm256_madd_epi16(middle, pair(EVEN[2])), _mm256_madd_epi16(middle, pair(EVEN[3])));
    let even = [
        _mm256_add_epi32(sum, outer),
        _mm256_add_epi32(difference, inner),
        _mm256_sub_epi32(difference, inner),
        _mm256_sub_epi32(sum, outer),
    ];
    let (near, far) = (mix(v[1], v[3]), mix(v[5], v[7]));
    let odd = ODD.map(|[low, high]| {
        let first = _mm256_madd_epi16(near, pair(low));
        if LOW { first } else { _mm256_add_epi32(first, _mm256_madd_epi16(far, pair(high))) }
    });
    [
        _mm256_add_epi32(even[0], odd[0]),
        _mm256_add_epi32(even[1], odd[1]),
        _mm256_add_epi32(even[2], odd[2]),
        _mm256_add_epi32(even[3], odd[3]),
        _mm256_sub_epi32(even[3], odd[3]),
        _mm256_sub_epi32(even[2], odd[2]),
        _mm256_sub_epi32(even[1], odd[1]),
        _mm256_sub_epi32(even[0], odd[0]),
    ]
}

/// One dimension of both blocks.
#[target_feature(enable = "avx2")]
#[inline]
fn line<const SHIFT: i32, const LOW: bool>(v: &[__m256i; 8]) -> [__m256i; 8] {
    let round = _mm256_set1_epi32(1 << (SHIFT - 1));
    let low = half::<false, LOW>(v, round);
    let high = half::<true, LOW>(v, round);
    let shift = |k: usize| {
        _mm256_packs_epi32(_mm256_srai_epi32::<SHIFT>(low[k]), _mm256_srai_epi32::<SHIFT>(high[k]))
    };
    [shift(0), shift(1), shift(2), shift(3), shift(4), shift(5), shift(6), shift(7)]
}

/// Whether inputs 4 to 7 of both blocks are zero.
#[target_feature(enable = "avx2")]
#[inline]
fn is_low(v: &[__m256i; 8]) -> bool {
    let any = _mm256_or_si256(_mm256_or_si256(v[4], v[5]), _mm256_or_si256(v[6], v[7]));
    _mm256_testz_si256(any, any) == 1
}

/// Whether both blocks, whose rows 4 to 7 are zero, hold nothing but DC.
#[target_feature(enable = "avx2")]
#[inline]
fn is_mean(v: &[__m256i; 8]) -> bool {
    let ac = _mm256_set_epi64x(-1, !0xFFFF, -1, !0xFFFF);
    let any = _mm256_or_si256(_mm256_or_si256(v[1], v[2]), v[3]);
    _mm256_testz_si256(any, any) == 1 && _mm256_testz_si256(v[0], ac) == 1
}

#[target_feature(enable = "avx2")]
#[inline]
fn transpose(v: &[__m256i; 8]) -> [__m256i; 8] {
    let (lo, hi) = (_mm256_unpacklo_epi16, _mm256_unpackhi_epi16);
    let a = [lo(v[0], v[1]), hi(v[0], v[1]), lo(v[2], v[3]), hi(v[2], v[3])];
    let b = [lo(v[4], v[5]), hi(v[4], v[5]), lo(v[6], v[7]), hi(v[6], v[7])];
    let (lo, hi) = (_mm256_unpacklo_epi32, _mm256_unpackhi_epi32);
    let c = [lo(a[0], a[2]), hi(a[0], a[2]), lo(a[1], a[3]), hi(a[1], a[3])];
    let d = [lo(b[0], b[2]), hi(b[0], b[2]), lo(b[1], b[3]), hi(b[1], b[3])];
    let (lo, hi) = (_mm256_unpacklo_epi64, _mm256_unpackhi_epi64);
    [
        lo(c[0], d[0]),
        hi(c[0], d[0]),
        lo(c[1], d[1]),
        hi(c[1], d[1]),
        lo(c[2], d[2]),
        hi(c[2], d[2]),
        lo(c[3], d[3]),
        hi(c[3], d[3]),
    ]
}

#[target_feature(enable = "avx2")]
#[inline]
fn row(a: &[i16; 64], b: &[i16; 64], y: usize) -> __m256i {
    let part = |values: &[i16; 64]| load_row(values.as_chunks::<8>().0.get(y).unwrap_or(&[0; 8]));
    _mm256_set_m128i(part(b), part(a))
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(out: &mut Samples, part: usize, value: __m128i) {
    if let Some(chunk) = out.as_chunks_mut::<16>().0.get_mut(part) {
        store_bytes(chunk, value);
    }
}

/// Two whole blocks.
#[target_feature(enable = "avx2")]
pub(crate) fn eight(a: &[i16; 64], b: &[i16; 64], tables: [&Table; 2], out: &mut [Samples; 2]) {
    let input: [__m256i; 8] =
        std::array::from_fn(|y| _mm256_mullo_epi16(row(a, b, y), row(&tables[0].steps, &tables[1].steps, y)));
    let middle = if is_low(&input) {
        if is_mean(&input) {
            for (block, (values, table)) in out.iter_mut().zip([a, b].into_iter().zip(tables)) {
                block.fill(mean(values[0], table.steps[0]));
            }
            return;
        }
        line::<{ FIRST_SHIFT.cast_signed() }, true>(&input)
    } else {
        line::<{ FIRST_SHIFT.cast_signed() }, false>(&input)
    };
    let columns = transpose(&middle);
    let x = if is_low(&columns) {
        line::<{ SECOND_SHIFT.cast_signed() }, true>(&columns)
    } else {
        line::<{ SECOND_SHIFT.cast_signed() }, false>(&columns)
    };
    // Columns of eight bytes, then rows of them.
    let p = [
        _mm256_packs_epi16(x[0], x[1]),
        _mm256_packs_epi16(x[2], x[3]),
        _mm256_packs_epi16(x[4], x[5]),
        _mm256_packs_epi16(x[6], x[7]),
    ];
    let (lo, hi) = (_mm256_unpacklo_epi8, _mm256_unpackhi_epi8);
    let left = [lo(p[0], p[1]), hi(p[0], p[1])];
    let right = [lo(p[2], p[3]), hi(p[2], p[3])];
    let (e, f) = (lo(left[0], left[1]), hi(left[0], left[1]));
    let (g, h) = (lo(right[0], right[1]), hi(right[0], right[1]));
    let gray = _mm256_set1_epi8(-128);
    let rows = [
        _mm256_unpacklo_epi32(e, g),
        _mm256_unpackhi_epi32(e, g),
        _mm256_unpacklo_epi32(f, h),
        _mm256_unpackhi_epi32(f, h),
    ];
    for (i, pair) in rows.into_iter().enumerate() {
        let pair = _mm256_add_epi8(pair, gray);
        store(&mut out[0], i, _mm256_castsi256_si128(pair));
        store(&mut out[1], i, _mm256_extracti128_si256::<1>(pair));
    }
}

/// Values around zero as clamped integers.
#[target_feature(enable = "avx2")]
#[inline]
fn sample(value: __m256) -> __m256i {
    let shifted = _mm256_add_ps(value, _mm256_set1_ps(128.0));
    _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(shifted, _mm256_setzero_ps()), _mm256_set1_ps(255.0)))
}

#[target_feature(enable = "avx2")]
#[inline]
fn four_line([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
    let tangent = _mm256_set1_ps(TANGENT);
    let (sum, difference) = (_mm256_add_ps(a, c), _mm256_sub_ps(a, c));
    let outer = _mm256_add_ps(b, _mm256_mul_ps(tangent, d));
    let inner = _mm256_sub_ps(_mm256_mul_ps(tangent, b), d);
    [
        _mm256_add_ps(sum, outer),
        _mm256_add_ps(difference, inner),
        _mm256_sub_ps(difference, inner),
        _mm256_sub_ps(sum, outer),
    ]
}

#[target_feature(enable = "avx2")]
#[inline]
fn factors(tables: [&Table; 2], y: usize) -> __m256 {
    let part = |table: &Table| load_factors(table.factors.as_chunks::<4>().0.get(y).unwrap_or(&[0.0; 4]));
    _mm256_set_m128(part(tables[1]), part(tables[0]))
}

/// Two blocks of 4×4.
#[target_feature(enable = "avx2")]
pub(crate) fn four(a: &[i16; 16], b: &[i16; 16], tables: [&Table; 2], out: &mut [Samples; 2]) {
    let part = |values: &[i16; 16], i: usize| load_row(values.as_chunks::<8>().0.get(i).unwrap_or(&[0; 8]));
    let (a0, a1, b0, b1) = (part(a, 0), part(a, 1), part(b, 0), part(b, 1));
    let value = |row: __m128i, y: usize| {
        _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(row)), factors(tables, y))
    };
    let rows = four_line([
        value(_mm_unpacklo_epi64(a0, b0), 0),
        value(_mm_unpackhi_epi64(a0, b0), 1),
        value(_mm_unpacklo_epi64(a1, b1), 2),
        value(_mm_unpackhi_epi64(a1, b1), 3),
    ]);
    let (low, high) = (_mm256_unpacklo_ps, _mm256_unpackhi_ps);
    let (t0, t1, t2, t3) =
        (low(rows[0], rows[1]), high(rows[0], rows[1]), low(rows[2], rows[3]), high(rows[2], rows[3]));
    let x = four_line([
        _mm256_shuffle_ps::<0x44>(t0, t2),
        _mm256_shuffle_ps::<0xEE>(t0, t2),
        _mm256_shuffle_ps::<0x44>(t1, t3),
        _mm256_shuffle_ps::<0xEE>(t1, t3),
    ]);
    let left = _mm256_packs_epi32(sample(x[0]), sample(x[1]));
    let right = _mm256_packs_epi32(sample(x[2]), sample(x[3]));
    let columns = _mm256_packus_epi16(left, right);
    let turn = _mm256_setr_epi8(
        0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7,
        11, 15,
    );
    let bytes = _mm256_shuffle_epi8(columns, turn);
    store(&mut out[0], 0, _mm256_castsi256_si128(bytes));
    store(&mut out[1], 0, _mm256_extracti128_si256::<1>(bytes));
}

/// Two blocks of 2×2.
#[target_feature(enable = "avx2")]
pub(crate) fn two(a: &[i16; 4], b: &[i16; 4], tables: [&Table; 2], out: &mut [Samples; 2]) {
    let word = |v: &[i16; 4]| {
        v.iter().rev().fold(0_i64, |word, value| word << 16 | i64::from(value.cast_unsigned()))
    };
    let values = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_set_epi64x(word(b), word(a))));
    let v = _mm256_mul_ps(values, factors(tables, 0));
    let lower = _mm256_setr_ps(0.0, 0.0, -0.0, -0.0, 0.0, 0.0, -0.0, -0.0);
    let v = _mm256_add_ps(_mm256_permute_ps::<0x4E>(v), _mm256_xor_ps(v, lower));
    let right = _mm256_setr_ps(0.0, -0.0, 0.0, -0.0, 0.0, -0.0, 0.0, -0.0);
    let v = _mm256_add_ps(_mm256_permute_ps::<0xB1>(v), _mm256_xor_ps(v, right));
    let words = _mm256_packs_epi32(sample(v), _mm256_setzero_si256());
    let bytes = _mm256_packus_epi16(words, _mm256_setzero_si256());
    store(&mut out[0], 0, _mm256_castsi256_si128(bytes));
    store(&mut out[1], 0, _mm256_extracti128_si256::<1>(bytes));
}
