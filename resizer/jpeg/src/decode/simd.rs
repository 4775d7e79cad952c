//! AVX2 loads and stores of arrays: with [`super::kernels`], which makes the calls after detection, all of the
//! decoder's `unsafe`.
#![expect(unsafe_code, reason = "vectors come from and go to memory; everything else of std::arch is safe")]

use std::arch::x86_64::{
    __m128, __m128i, __m256i, _mm_loadu_ps, _mm_loadu_si128, _mm_storeu_si128, _mm256_loadu_si256,
    _mm256_storeu_si256,
};

/// 16 bytes.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn load_bytes(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the array is 16 readable bytes, and the load asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// 8 coefficients.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn load_row(values: &[i16; 8]) -> __m128i {
    // SAFETY: the array is 16 readable bytes, and the load asks for no alignment.
    unsafe { _mm_loadu_si128(values.as_ptr().cast()) }
}

/// 4 factors.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn load_factors(values: &[f32; 4]) -> __m128 {
    // SAFETY: the array is 16 readable bytes, and the load asks for no alignment.
    unsafe { _mm_loadu_ps(values.as_ptr()) }
}

/// 16 sums.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn load_sums(values: &[u16; 16]) -> __m256i {
    // SAFETY: the array is 32 readable bytes, and the load asks for no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// 16 sums.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn store_sums(out: &mut [u16; 16], values: __m256i) {
    // SAFETY: the array is 32 writable bytes, and the store asks for no alignment.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), values) }
}

/// 32 bytes.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn store_double(out: &mut [u8; 32], values: __m256i) {
    // SAFETY: the array is 32 writable bytes, and the store asks for no alignment.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), values) }
}

/// 16 bytes.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn store_bytes(out: &mut [u8; 16], values: __m128i) {
    // SAFETY: the array is 16 writable bytes, and the store asks for no alignment.
    unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), values) }
}
