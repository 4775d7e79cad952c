//! Colour conversion, 16 pixels at a time, with the bytes of the portable one.

use crate::decode::simd::{load_bytes, store_bytes};
use std::arch::x86_64::{
    __m128i, _mm_cvtsi128_si64, _mm256_add_epi16, _mm256_add_epi32, _mm256_castsi256_si128,
    _mm256_cvtepu8_epi16, _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_mulhi_epi16, _mm256_or_si256,
    _mm256_packs_epi32, _mm256_packus_epi16, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setr_epi8,
    _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srai_epi16, _mm256_srai_epi32, _mm256_sub_epi16,
    _mm256_unpackhi_epi16, _mm256_unpacklo_epi16,
};

/// 1.402 - 1 of 2^16.
const RED: i16 = 26_345;
/// 1.772 - 2 of 2^16.
const BLUE: i16 = -14_942;
/// -0.34414 of 2^16, and 1 - 0.71414.
const GREEN: i32 = (-22_554_i16).cast_unsigned() as i32 | 18_734 << 16;

/// YCbCr to RGB of whole groups of 16 pixels; how many pixels that were.
#[target_feature(enable = "avx2")]
pub(crate) fn ycc_to_rgb(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) -> usize {
    let center = _mm256_set1_epi16(128);
    let one = _mm256_set1_epi16(1);
    // Red and green of 8 pixels are in a half, blue of them in another register's.
    let (n, s) = (-1, 8);
    let first_rg = _mm256_setr_epi8(
        0, s, n, 1, 9, n, 2, 10, n, 3, 11, n, 4, 12, n, 5, 0, s, n, 1, 9, n, 2, 10, n, 3, 11, n, 4, 12, n, 5,
    );
    let first_b = _mm256_setr_epi8(
        n, n, 0, n, n, 1, n, n, 2, n, n, 3, n, n, 4, n, n, n, 0, n, n, 1, n, n, 2, n, n, 3, n, n, 4, n,
    );
    let last_rg = _mm256_setr_epi8(
        13, n, 6, 14, n, 7, 15, n, n, n, n, n, n, n, n, n, 13, n, 6, 14, n, 7, 15, n, n, n, n, n, n, n, n, n,
    );
    let last_b = _mm256_setr_epi8(
        n, 5, n, n, 6, n, n, 7, n, n, n, n, n, n, n, n, n, 5, n, n, 6, n, n, 7, n, n, n, n, n, n, n, n,
    );
    let inputs = y.as_chunks::<16>().0.iter().zip(cb.as_chunks::<16>().0).zip(cr.as_chunks::<16>().0);
    let mut done = 0;
    for (((y, cb), cr), out) in inputs.zip(out.as_chunks_mut::<48>().0) {
        let y = _mm256_cvtepu8_epi16(load_bytes(y));
        let cb = _mm256_sub_epi16(_mm256_cvtepu8_epi16(load_bytes(cb)), center);
        let cr = _mm256_sub_epi16(_mm256_cvtepu8_epi16(load_bytes(cr)), center);
        let (cb2, cr2) = (_mm256_slli_epi16::<1>(cb), _mm256_slli_epi16::<1>(cr));
        // Half of the rounded-down product of twice the value, rounded: the same as rounding the product.
        let part = |twice, factor| {
            _mm256_srai_epi16::<1>(_mm256_add_epi16(
                _mm256_mulhi_epi16(twice, _mm256_set1_epi16(factor)),
                one,
            ))
        };
        let r = _mm256_add_epi16(_mm256_add_epi16(y, cr), part(cr2, RED));
        let b = _mm256_add_epi16(_mm256_add_epi16(y, cb2), part(cb2, BLUE));
        let green = |pairs| {
            let product = _mm256_madd_epi16(pairs, _mm256_set1_epi32(GREEN));
            _mm256_srai_epi32::<16>(_mm256_add_epi32(product, _mm256_set1_epi32(1 << 15)))
        };
        let sums =
            _mm256_packs_epi32(green(_mm256_unpacklo_epi16(cb, cr)), green(_mm256_unpackhi_epi16(cb, cr)));
        let g = _mm256_add_epi16(y, _mm256_sub_epi16(sums, cr));
        let rg = _mm256_packus_epi16(r, g);
        let bb = _mm256_packus_epi16(b, b);
        let first = _mm256_or_si256(_mm256_shuffle_epi8(rg, first_rg), _mm256_shuffle_epi8(bb, first_b));
        let last = _mm256_or_si256(_mm256_shuffle_epi8(rg, last_rg), _mm256_shuffle_epi8(bb, last_b));
        let (left, right) = out.split_at_mut(24);
        store(left, _mm256_castsi256_si128(first), _mm256_castsi256_si128(last));
        store(right, _mm256_extracti128_si256::<1>(first), _mm256_extracti128_si256::<1>(last));
        done += 16;
    }
    done
}

/// 24 bytes from 16 and 8.
#[target_feature(enable = "avx2")]
#[inline]
fn store(out: &mut [u8], first: __m128i, last: __m128i) {
    let (low, high) = out.split_at_mut(16);
    if let Some(low) = low.first_chunk_mut() {
        store_bytes(low, first);
    }
    high.copy_from_slice(&_mm_cvtsi128_si64(last).to_le_bytes());
}
