//! With AVX2. Loads and stores are casts of arrays, so the one thing that is unsafe is to call a function that is compiled
//! for these instructions.

#![expect(unsafe_code, reason = "calls of functions that are compiled for AVX2, each behind a look at the processor")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi32, _mm_packs_epi32, _mm_srai_epi32, _mm256_add_epi32, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_hadd_epi32, _mm256_madd_epi16, _mm256_packs_epi32,
    _mm256_permute4x64_epi64, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_srai_epi32,
    _mm256_unpackhi_epi16, _mm256_unpacklo_epi16, _mm_set1_epi32,
};

use bytemuck::must_cast;

use super::{BITS, Chunk, GROUP, ROUND, Weights};

const SHIFT: i32 = BITS.cast_signed();

/// See [`super::vertical`]. `false`: the processor has no such instructions, and nothing is done.
pub(super) fn vertical(rows: &[&[Chunk]], weights: &[[i16; GROUP]], out: &mut [Chunk]) -> bool {
    let able = is_x86_feature_detected!("avx2");
    if able {
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        unsafe { vertical_with(rows, weights, out) }
    }
    able
}

/// See [`super::horizontal`].
pub(super) fn horizontal(plane: &[Chunk], weights: &Weights, out: &mut [i16]) -> bool {
    let able = is_x86_feature_detected!("avx2");
    if able {
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        unsafe { horizontal_with(plane, weights, out) }
    }
    able
}

/// See [`super::halve`].
pub(super) fn halve(upper: &[Chunk], lower: &[Chunk], out: &mut [Chunk]) -> bool {
    let able = is_x86_feature_detected!("avx2");
    if able {
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        unsafe { halve_with(upper, lower, out) }
    }
    able
}

#[target_feature(enable = "avx2")]
fn vertical_with(rows: &[&[Chunk]], weights: &[[i16; GROUP]], out: &mut [Chunk]) {
    let (row_pairs, last) = rows.as_chunks::<2>();
    let weights = weights.as_flattened().as_chunks::<2>().0;
    for (at, target) in out.iter_mut().enumerate() {
        let mut sums = [_mm256_set1_epi32(ROUND); 4];
        let mut add = |a: [__m256i; 2], b: [__m256i; 2], weights: &[i16; 2]| {
            let weights = _mm256_set1_epi32(must_cast(*weights));
            for half in 0..2 {
                let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(a[half], b[half]), weights);
                let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(a[half], b[half]), weights);
                sums[2 * half] = _mm256_add_epi32(sums[2 * half], low);
                sums[2 * half + 1] = _mm256_add_epi32(sums[2 * half + 1], high);
            }
        };
        for ([a, b], weights) in row_pairs.iter().zip(weights) {
            if let (Some(a), Some(b)) = (a.get(at), b.get(at)) {
                add(must_cast(*a), must_cast(*b), weights);
            }
        }
        if let ([row], Some(weights)) = (last, weights.get(row_pairs.len()))
            && let Some(row) = row.get(at)
        {
            add(must_cast(*row), [_mm256_setzero_si256(); 2], weights);
        }
        let [a, b, c, d] = sums.map(|sum| _mm256_srai_epi32::<SHIFT>(sum));
        // Unpacking and packing work within the same halves, so the order is the old one.
        *target = must_cast([_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d)]);
    }
}

#[target_feature(enable = "avx2")]
fn horizontal_with(plane: &[Chunk], weights: &Weights, out: &mut [i16]) {
    let samples = plane.as_flattened();
    let (eights, rest) = weights.windows().as_chunks::<8>();
    let (targets, last) = out.as_chunks_mut::<8>();
    for (windows, target) in eights.iter().zip(targets) {
        let mut sums = [_mm256_setzero_si256(); 8];
        for (sum, window) in sums.iter_mut().zip(windows) {
            *sum = dot(samples.get(window.first..).unwrap_or_default(), weights.of(window));
        }
        *target = must_cast(totals(sums));
    }
    for (window, target) in rest.iter().zip(last) {
        let mut sums = [_mm256_setzero_si256(); 8];
        sums[0] = dot(samples.get(window.first..).unwrap_or_default(), weights.of(window));
        let [first, ..]: [i16; 8] = must_cast(totals(sums));
        *target = first;
    }
}

/// Eight sums that together are the sum of the products.
#[inline]
#[target_feature(enable = "avx2")]
fn dot(samples: &[i16], weights: &[[i16; GROUP]]) -> __m256i {
    let mut sum = _mm256_setzero_si256();
    for (samples, weights) in samples.as_chunks::<GROUP>().0.iter().zip(weights) {
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(must_cast(*samples), must_cast(*weights)));
    }
    sum
}

/// The total of each register, rounded and divided.
#[inline]
#[target_feature(enable = "avx2")]
fn totals(sums: [__m256i; 8]) -> __m128i {
    let [a, b, c, d, e, f, g, h] = sums;
    let four = |a, b, c, d| {
        let sums = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
        let sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        _mm_srai_epi32::<SHIFT>(_mm_add_epi32(sum, _mm_set1_epi32(ROUND)))
    };
    _mm_packs_epi32(four(a, b, c, d), four(e, f, g, h))
}

#[target_feature(enable = "avx2")]
fn halve_with(upper: &[Chunk], lower: &[Chunk], out: &mut [Chunk]) {
    let ones = _mm256_set1_epi16(1);
    let two = _mm256_set1_epi32(2);
    let mean = |upper, lower| {
        let sum = _mm256_add_epi32(_mm256_madd_epi16(upper, ones), _mm256_madd_epi16(lower, ones));
        _mm256_srai_epi32::<2>(_mm256_add_epi32(sum, two))
    };
    let halves = out.as_flattened_mut().as_chunks_mut::<16>().0;
    for ((target, upper), lower) in halves.iter_mut().zip(upper).zip(lower) {
        let ([a, b], [c, d]): ([__m256i; 2], [__m256i; 2]) = (must_cast(*upper), must_cast(*lower));
        // Packing takes quarters in turn from both.
        let packed = _mm256_packs_epi32(mean(a, c), mean(b, d));
        *target = must_cast(_mm256_permute4x64_epi64::<0b11_01_10_00>(packed));
    }
}
