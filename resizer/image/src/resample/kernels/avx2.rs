//! With AVX2. Loads and stores are casts of arrays, so the one thing that is unsafe is to call a function that is compiled
//! for these instructions.

#![expect(
    unsafe_code,
    reason = "calls of functions that are compiled for AVX2, each behind a look at the processor"
)]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi32, _mm_packs_epi32, _mm_set1_epi32, _mm_srai_epi32, _mm256_add_epi16,
    _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_hadd_epi32,
    _mm256_madd_epi16, _mm256_mulhrs_epi16, _mm256_mullo_epi16, _mm256_or_si256, _mm256_packs_epi32,
    _mm256_permute2x128_si256, _mm256_permute4x64_epi64, _mm256_set_m128i, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16,
    _mm256_srai_epi32, _mm256_srli_epi16, _mm256_unpackhi_epi8, _mm256_unpackhi_epi16, _mm256_unpacklo_epi8,
    _mm256_unpacklo_epi16,
};

use bytemuck::must_cast;

use super::{BITS, Chunk, GROUP, ROUND, Weights};
use crate::light::Parabolas;

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

/// See [`super::light`]. How many pixels were done.
pub(super) fn light<const N: usize>(row: &[u8], planes: [&mut [Chunk]; N], curve: &Parabolas) -> usize {
    if !is_x86_feature_detected!("avx2") {
        return 0;
    }
    // SAFETY: the processor has AVX2, which is all that the function asks for.
    unsafe { light_with(row, planes, curve) }
}

#[target_feature(enable = "avx2")]
fn light_with<const N: usize>(row: &[u8], planes: [&mut [Chunk]; N], curve: &Parabolas) -> usize {
    let tables = [halves(&curve.start), halves(&curve.slope), halves(&curve.bend)];
    let mut done = 0;
    let (wholes, _) = row.as_chunks::<32>();
    let mut planes = planes.map(<[Chunk]>::iter_mut);
    // 32 pixels, of N registers.
    for registers in wholes.chunks_exact(N) {
        let (values, count) = match *registers {
            [a, b, c] => (apart(a, b, c), 3),
            [a, ..] => ([must_cast(a); 3], 1),
            [] => return done,
        };
        for (plane, values) in planes.iter_mut().zip(values).take(count) {
            let Some(chunk) = plane.next() else { return done };
            *chunk = must_cast(lights(values, &tables));
        }
        done += 32;
    }
    done
}

/// The lower and the upper bytes of a table, in each lane.
#[inline]
#[target_feature(enable = "avx2")]
fn halves(table: &[i16; 16]) -> [__m256i; 2] {
    let bytes = table.map(i16::to_le_bytes);
    [twice(bytes.map(|[low, _]| low)), twice(bytes.map(|[_, high]| high))]
}

#[inline]
#[target_feature(enable = "avx2")]
fn twice(table: [u8; 16]) -> __m256i {
    must_cast([table, table])
}

/// The lights of 32 values.
#[inline]
#[target_feature(enable = "avx2")]
fn lights(values: __m256i, tables: &[[__m256i; 2]; 3]) -> [__m256i; 2] {
    let nibble = _mm256_set1_epi8(15);
    let zero = _mm256_setzero_si256();
    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(values), nibble);
    let low = _mm256_and_si256(values, nibble);
    let [start, slope, bend] = tables;
    let ([a, b], [c, d], [e, f]) = (words(start, high), words(slope, high), words(bend, high));
    let first = parabola(_mm256_unpacklo_epi8(low, zero), a, c, e);
    let second = parabola(_mm256_unpackhi_epi8(low, zero), b, d, f);
    [_mm256_permute2x128_si256::<0x20>(first, second), _mm256_permute2x128_si256::<0x31>(first, second)]
}

/// The words of a table at these places, of each half of each lane.
#[inline]
#[target_feature(enable = "avx2")]
fn words([low, high]: &[__m256i; 2], places: __m256i) -> [__m256i; 2] {
    let (low, high) = (_mm256_shuffle_epi8(*low, places), _mm256_shuffle_epi8(*high, places));
    [_mm256_unpacklo_epi8(low, high), _mm256_unpackhi_epi8(low, high)]
}

#[inline]
#[target_feature(enable = "avx2")]
fn parabola(low: __m256i, start: __m256i, slope: __m256i, bend: __m256i) -> __m256i {
    let line = _mm256_mulhrs_epi16(_mm256_slli_epi16::<11>(low), slope);
    let square = _mm256_slli_epi16::<7>(_mm256_mullo_epi16(low, low));
    let doubled = _mm256_add_epi16(_mm256_add_epi16(start, line), _mm256_mulhrs_epi16(square, bend));
    // Up to 2^15, without a sign.
    _mm256_srli_epi16::<1>(doubled)
}

/// The colors of 32 pixels of three.
#[inline]
#[target_feature(enable = "avx2")]
fn apart(a: [u8; 32], b: [u8; 32], c: [u8; 32]) -> [__m256i; 3] {
    // Lanes of the first and of the second 16 pixels.
    let [[a, b], [c, d], [e, f]]: [[__m128i; 2]; 3] = [must_cast(a), must_cast(b), must_cast(c)];
    let lanes = [_mm256_set_m128i(d, a), _mm256_set_m128i(e, b), _mm256_set_m128i(f, c)];
    let [red, green, blue] = &PLACES;
    [gathered(lanes, red), gathered(lanes, green), gathered(lanes, blue)]
}

/// A color's samples.
#[inline]
#[target_feature(enable = "avx2")]
fn gathered([x, y, z]: [__m256i; 3], [p, q, r]: &[[u8; 16]; 3]) -> __m256i {
    let two = _mm256_or_si256(_mm256_shuffle_epi8(x, twice(*p)), _mm256_shuffle_epi8(y, twice(*q)));
    _mm256_or_si256(two, _mm256_shuffle_epi8(z, twice(*r)))
}

/// For each color, where in each of three registers its 16 samples are; 255 where it is another's.
const PLACES: [[[u8; 16]; 3]; 3] = {
    let mut places = [[[255; 16]; 3]; 3];
    let mut at = 0;
    while at < 48 {
        places[at % 3][at / 16][at / 3] = at.to_le_bytes()[0] % 16;
        at += 1;
    }
    places
};

#[target_feature(enable = "avx2")]
fn vertical_with(rows: &[&[Chunk]], weights: &[[i16; GROUP]], out: &mut [Chunk]) {
    let (row_pairs, last) = rows.as_chunks::<2>();
    let weights = weights.as_flattened().as_chunks::<2>().0;
    for (at, target) in out.iter_mut().enumerate() {
        let mut sums = [_mm256_set1_epi32(ROUND); 4];
        for ([a, b], weights) in row_pairs.iter().zip(weights) {
            if let (Some(a), Some(b)) = (a.get(at), b.get(at)) {
                sums = added(sums, must_cast(*a), must_cast(*b), weights);
            }
        }
        if let ([row], Some(weights)) = (last, weights.get(row_pairs.len()))
            && let Some(row) = row.get(at)
        {
            sums = added(sums, must_cast(*row), [_mm256_setzero_si256(); 2], weights);
        }
        let [a, b, c, d] = sums;
        let [a, b] = [_mm256_srai_epi32::<SHIFT>(a), _mm256_srai_epi32::<SHIFT>(b)];
        let [c, d] = [_mm256_srai_epi32::<SHIFT>(c), _mm256_srai_epi32::<SHIFT>(d)];
        // Unpacking and packing work within the same halves, so the order is the old one.
        *target = must_cast([_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d)]);
    }
}

/// The sums and 32 products of two rows.
#[inline]
#[target_feature(enable = "avx2")]
fn added(sums: [__m256i; 4], first: [__m256i; 2], second: [__m256i; 2], weights: &[i16; 2]) -> [__m256i; 4] {
    let weights = _mm256_set1_epi32(must_cast(*weights));
    let ([a, b], [c, d], [s, t, u, v]) = (first, second, sums);
    [
        _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, c), weights)),
        _mm256_add_epi32(t, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, c), weights)),
        _mm256_add_epi32(u, _mm256_madd_epi16(_mm256_unpacklo_epi16(b, d), weights)),
        _mm256_add_epi32(v, _mm256_madd_epi16(_mm256_unpackhi_epi16(b, d), weights)),
    ]
}

#[target_feature(enable = "avx2")]
fn horizontal_with(plane: &[Chunk], weights: &Weights, out: &mut [i16]) {
    // As many groups as a window has are known to the compiler, for all but far reductions.
    match weights.each() {
        1 => horizontal_of::<1>(plane, weights, out),
        2 => horizontal_of::<2>(plane, weights, out),
        3 => horizontal_of::<3>(plane, weights, out),
        _ => horizontal_of::<0>(plane, weights, out),
    }
}

/// `N` groups a window, or any number where it is 0.
#[inline]
#[target_feature(enable = "avx2")]
fn horizontal_of<const N: usize>(plane: &[Chunk], weights: &Weights, out: &mut [i16]) {
    let samples = plane.as_flattened();
    let each = if N == 0 { weights.each() } else { N };
    let (eights, rest) = weights.windows().as_chunks::<8>();
    let (targets, last) = out.as_chunks_mut::<8>();
    let mut groups = weights.groups().chunks_exact(each * 8);
    for ((windows, target), groups) in eights.iter().zip(targets).zip(&mut groups) {
        let mut sums = [_mm256_setzero_si256(); 8];
        let dots = windows.iter().zip(groups.chunks_exact(each));
        for (sum, (window, groups)) in sums.iter_mut().zip(dots) {
            *sum = dot::<N>(samples, window.first, groups);
        }
        *target = must_cast(totals(sums));
    }
    let groups = groups.remainder().chunks_exact(each);
    for ((window, target), groups) in rest.iter().zip(last).zip(groups) {
        let mut sums = [_mm256_setzero_si256(); 8];
        if let Some(sum) = sums.first_mut() {
            *sum = dot::<N>(samples, window.first, groups);
        }
        let [first, ..]: [i16; 8] = must_cast(totals(sums));
        *target = first;
    }
}

/// Eight sums that together are the sum of the products.
#[inline]
#[target_feature(enable = "avx2")]
fn dot<const N: usize>(samples: &[i16], first: usize, groups: &[[i16; GROUP]]) -> __m256i {
    let mut sum = _mm256_setzero_si256();
    let mut add = |samples: &[i16; GROUP], weights: &[i16; GROUP]| {
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(must_cast(*samples), must_cast(*weights)));
    };
    let samples = samples.get(first..).unwrap_or_default().as_chunks::<GROUP>().0;
    if N == 0 {
        samples.iter().zip(groups).for_each(|(samples, weights)| add(samples, weights));
    } else if let (Some(samples), Some(groups)) = (samples.first_chunk::<N>(), groups.first_chunk::<N>()) {
        samples.iter().zip(groups).for_each(|(samples, weights)| add(samples, weights));
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
