//! The triangle filter, 16 samples at a time, with the bytes of the portable one.

use crate::decode::simd::{load_bytes, load_sums, store_double, store_sums};
use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_add_epi16, _mm256_cvtepu8_epi16, _mm256_or_si256, _mm256_set1_epi16,
    _mm256_slli_epi16, _mm256_srl_epi16,
};

#[target_feature(enable = "avx2")]
#[inline]
fn triple(value: __m256i) -> __m256i {
    _mm256_add_epi16(value, _mm256_add_epi16(value, value))
}

/// As [`super::blend`]; how many.
#[target_feature(enable = "avx2")]
pub(crate) fn blend(near: &[u8], far: &[u8], out: &mut [u16]) -> usize {
    let inputs = near.as_chunks::<16>().0.iter().zip(far.as_chunks::<16>().0);
    let mut done = 0;
    for ((a, b), out) in inputs.zip(out.as_chunks_mut::<16>().0) {
        let (a, b) = (_mm256_cvtepu8_epi16(load_bytes(a)), _mm256_cvtepu8_epi16(load_bytes(b)));
        store_sums(out, _mm256_add_epi16(triple(a), b));
        done += 16;
    }
    done
}

/// As [`super::widen_sums`]; how many sums.
#[target_feature(enable = "avx2")]
pub(crate) fn widen_sums(sums: &[u16], bias: [u16; 2], shift: u32, out: &mut [u8]) -> usize {
    let first = _mm256_set1_epi16(bias[0].cast_signed());
    let second = _mm256_set1_epi16(bias[1].cast_signed());
    let shift = _mm_cvtsi32_si128(shift.cast_signed());
    let before = sums.as_chunks::<16>().0.iter();
    let own = sums.get(1..).unwrap_or_default().as_chunks::<16>().0;
    let behind = sums.get(2..).unwrap_or_default().as_chunks::<16>().0;
    let mut done = 0;
    for (((before, own), behind), out) in before.zip(own).zip(behind).zip(out.as_chunks_mut::<32>().0) {
        let own = triple(load_sums(own));
        let even = _mm256_srl_epi16(_mm256_add_epi16(_mm256_add_epi16(own, load_sums(before)), first), shift);
        let odd = _mm256_srl_epi16(_mm256_add_epi16(_mm256_add_epi16(own, load_sums(behind)), second), shift);
        store_double(out, _mm256_or_si256(even, _mm256_slli_epi16::<8>(odd)));
        done += 16;
    }
    done
}
