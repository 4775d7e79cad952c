//! x86-64: SSE2, which every such processor has, and AVX2 where detected.
#![expect(
    unsafe_code,
    reason = "intrinsics may be called only where the processor has their instructions, which a value of Sse2 or Avx2 proves"
)]

use super::{Job, Lane, Simd};
use bytemuck::must_cast;
use std::arch::x86_64::*;

/// Part of x86-64 itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sse2;

/// Proof that the processor has what [`Avx2::detect`] looks for; nothing else makes one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// AVX2, and the bit manipulation that every processor with it has had (Haswell, Excavator).
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt"))
        .then_some(Self(()))
    }

    /// Runs a job with everything inlined into it compiled for AVX2 and BMI.
    pub(super) fn run<J: Job>(self, job: J) -> J::Output {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn compiled<J: Job>(avx2: Avx2, job: J) -> J::Output {
            job.run(avx2)
        }
        // SAFETY: `self` exists, so AVX2, BMI1, BMI2, LZCNT and POPCNT are there.
        unsafe { compiled(self, job) }
    }
}

/// Methods that are one intrinsic each.
macro_rules! intrinsics {
    ($($name:ident $(<$n:ident>)? ($($arg:ident: $type:ty),*) -> $out:ty = $intrinsic:ident;)*) => {
        $(#[inline(always)]
        fn $name $(<const $n: i32>)? (self, $($arg: $type),*) -> $out {
            // SAFETY: `self` exists, so the processor has the instruction; it works on registers alone.
            unsafe { $intrinsic $(::<$n>)? ($($arg),*) }
        })*
    };
}

impl Simd for Sse2 {
    type Ints = __m128i;
    type Floats = __m128;
    const LANES: usize = 1;
    const SHUFFLES: bool = false;

    intrinsics! {
        add16(a: __m128i, b: __m128i) -> __m128i = _mm_add_epi16;
        add32(a: __m128i, b: __m128i) -> __m128i = _mm_add_epi32;
        sub16(a: __m128i, b: __m128i) -> __m128i = _mm_sub_epi16;
        sub32(a: __m128i, b: __m128i) -> __m128i = _mm_sub_epi32;
        mul_low16(a: __m128i, b: __m128i) -> __m128i = _mm_mullo_epi16;
        mul_high16(a: __m128i, b: __m128i) -> __m128i = _mm_mulhi_epi16;
        mul_high_unsigned16(a: __m128i, b: __m128i) -> __m128i = _mm_mulhi_epu16;
        mul_add16(a: __m128i, b: __m128i) -> __m128i = _mm_madd_epi16;
        max16(a: __m128i, b: __m128i) -> __m128i = _mm_max_epi16;
        equal8(a: __m128i, b: __m128i) -> __m128i = _mm_cmpeq_epi8;
        and(a: __m128i, b: __m128i) -> __m128i = _mm_and_si128;
        or(a: __m128i, b: __m128i) -> __m128i = _mm_or_si128;
        xor(a: __m128i, b: __m128i) -> __m128i = _mm_xor_si128;
        low8(a: __m128i, b: __m128i) -> __m128i = _mm_unpacklo_epi8;
        high8(a: __m128i, b: __m128i) -> __m128i = _mm_unpackhi_epi8;
        low16(a: __m128i, b: __m128i) -> __m128i = _mm_unpacklo_epi16;
        high16(a: __m128i, b: __m128i) -> __m128i = _mm_unpackhi_epi16;
        low32(a: __m128i, b: __m128i) -> __m128i = _mm_unpacklo_epi32;
        high32(a: __m128i, b: __m128i) -> __m128i = _mm_unpackhi_epi32;
        low64(a: __m128i, b: __m128i) -> __m128i = _mm_unpacklo_epi64;
        high64(a: __m128i, b: __m128i) -> __m128i = _mm_unpackhi_epi64;
        pack32(a: __m128i, b: __m128i) -> __m128i = _mm_packs_epi32;
        pack16(a: __m128i, b: __m128i) -> __m128i = _mm_packs_epi16;
        pack_unsigned16(a: __m128i, b: __m128i) -> __m128i = _mm_packus_epi16;
        shl16<N>(a: __m128i) -> __m128i = _mm_slli_epi16;
        shr16<N>(a: __m128i) -> __m128i = _mm_srli_epi16;
        sar16<N>(a: __m128i) -> __m128i = _mm_srai_epi16;
        sar32<N>(a: __m128i) -> __m128i = _mm_srai_epi32;
        to_floats(a: __m128i) -> __m128 = _mm_cvtepi32_ps;
        round(a: __m128) -> __m128i = _mm_cvtps_epi32;
        as_ints(a: __m128) -> __m128i = _mm_castps_si128;
        as_floats(a: __m128i) -> __m128 = _mm_castsi128_ps;
        add_float(a: __m128, b: __m128) -> __m128 = _mm_add_ps;
        sub_float(a: __m128, b: __m128) -> __m128 = _mm_sub_ps;
        mul_float(a: __m128, b: __m128) -> __m128 = _mm_mul_ps;
        min_float(a: __m128, b: __m128) -> __m128 = _mm_min_ps;
        max_float(a: __m128, b: __m128) -> __m128 = _mm_max_ps;
    }

    #[inline(always)]
    fn load<T: Lane>(self, first: &T, _second: &T) -> __m128i {
        must_cast(*first)
    }

    #[inline(always)]
    fn lanes<T: Lane>(self, v: __m128i) -> [T; 2] {
        [must_cast(v); 2]
    }

    #[inline(always)]
    fn widen(self, first: &[u8; 8], _second: &[u8; 8]) -> __m128i {
        let bytes = must_cast([*first, [0; 8]]);
        self.sar16::<8>(self.low8(bytes, bytes))
    }

    #[inline(always)]
    fn splat8(self, number: u8) -> __m128i {
        must_cast([number; 16])
    }

    #[inline(always)]
    fn splat16(self, number: i16) -> __m128i {
        must_cast([number; 8])
    }

    #[inline(always)]
    fn splat32(self, number: i32) -> __m128i {
        must_cast([number; 4])
    }

    #[inline(always)]
    fn splat_float(self, number: f32) -> __m128 {
        must_cast([number; 4])
    }

    #[inline(always)]
    fn is_zero(self, v: __m128i) -> bool {
        self.top_bits(self.equal8(v, self.zero())) == 0xFFFF
    }

    #[inline(always)]
    fn top_bits(self, v: __m128i) -> u32 {
        self.mask(v).cast_unsigned()
    }

    #[inline(always)]
    fn shuffle(self, v: __m128i, places: &[u8; 16]) -> __m128i {
        let bytes: [u8; 16] = must_cast(v);
        must_cast(places.map(|place| if place < 128 { bytes[usize::from(place & 15)] } else { 0 }))
    }

    #[inline(always)]
    fn mul_round16<const C: i16>(self, a: __m128i) -> __m128i {
        // (2C·a + 2¹⁵) >> 16: the upper half of the product and the top bit of the lower. Where 2C does not fit
        // a signed number, the factor is 2¹⁶ less and one `a` is missing.
        let factor = self.splat16(C.wrapping_mul(2));
        let product = self.mul_high16(a, factor);
        let product = if C >= 1 << 14 { self.add16(product, a) } else { product };
        self.add16(product, self.shr16::<15>(self.mul_low16(a, factor)))
    }
}

impl Sse2 {
    intrinsics! {
        mask(a: __m128i) -> i32 = _mm_movemask_epi8;
    }
}

impl Simd for Avx2 {
    type Ints = __m256i;
    type Floats = __m256;
    const LANES: usize = 2;
    const SHUFFLES: bool = true;

    intrinsics! {
        add16(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi16;
        add32(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi32;
        sub16(a: __m256i, b: __m256i) -> __m256i = _mm256_sub_epi16;
        sub32(a: __m256i, b: __m256i) -> __m256i = _mm256_sub_epi32;
        mul_low16(a: __m256i, b: __m256i) -> __m256i = _mm256_mullo_epi16;
        mul_high16(a: __m256i, b: __m256i) -> __m256i = _mm256_mulhi_epi16;
        mul_high_unsigned16(a: __m256i, b: __m256i) -> __m256i = _mm256_mulhi_epu16;
        mul_add16(a: __m256i, b: __m256i) -> __m256i = _mm256_madd_epi16;
        max16(a: __m256i, b: __m256i) -> __m256i = _mm256_max_epi16;
        abs16(a: __m256i) -> __m256i = _mm256_abs_epi16;
        with_sign16(a: __m256i, sign: __m256i) -> __m256i = _mm256_sign_epi16;
        select(a: __m256i, b: __m256i, mask: __m256i) -> __m256i = _mm256_blendv_epi8;
        equal8(a: __m256i, b: __m256i) -> __m256i = _mm256_cmpeq_epi8;
        and(a: __m256i, b: __m256i) -> __m256i = _mm256_and_si256;
        or(a: __m256i, b: __m256i) -> __m256i = _mm256_or_si256;
        xor(a: __m256i, b: __m256i) -> __m256i = _mm256_xor_si256;
        low8(a: __m256i, b: __m256i) -> __m256i = _mm256_unpacklo_epi8;
        high8(a: __m256i, b: __m256i) -> __m256i = _mm256_unpackhi_epi8;
        low16(a: __m256i, b: __m256i) -> __m256i = _mm256_unpacklo_epi16;
        high16(a: __m256i, b: __m256i) -> __m256i = _mm256_unpackhi_epi16;
        low32(a: __m256i, b: __m256i) -> __m256i = _mm256_unpacklo_epi32;
        high32(a: __m256i, b: __m256i) -> __m256i = _mm256_unpackhi_epi32;
        low64(a: __m256i, b: __m256i) -> __m256i = _mm256_unpacklo_epi64;
        high64(a: __m256i, b: __m256i) -> __m256i = _mm256_unpackhi_epi64;
        pack32(a: __m256i, b: __m256i) -> __m256i = _mm256_packs_epi32;
        pack16(a: __m256i, b: __m256i) -> __m256i = _mm256_packs_epi16;
        pack_unsigned16(a: __m256i, b: __m256i) -> __m256i = _mm256_packus_epi16;
        shl16<N>(a: __m256i) -> __m256i = _mm256_slli_epi16;
        shr16<N>(a: __m256i) -> __m256i = _mm256_srli_epi16;
        sar16<N>(a: __m256i) -> __m256i = _mm256_srai_epi16;
        sar32<N>(a: __m256i) -> __m256i = _mm256_srai_epi32;
        to_floats(a: __m256i) -> __m256 = _mm256_cvtepi32_ps;
        round(a: __m256) -> __m256i = _mm256_cvtps_epi32;
        as_ints(a: __m256) -> __m256i = _mm256_castps_si256;
        as_floats(a: __m256i) -> __m256 = _mm256_castsi256_ps;
        add_float(a: __m256, b: __m256) -> __m256 = _mm256_add_ps;
        sub_float(a: __m256, b: __m256) -> __m256 = _mm256_sub_ps;
        mul_float(a: __m256, b: __m256) -> __m256 = _mm256_mul_ps;
        min_float(a: __m256, b: __m256) -> __m256 = _mm256_min_ps;
        max_float(a: __m256, b: __m256) -> __m256 = _mm256_max_ps;
    }

    #[inline(always)]
    fn load<T: Lane>(self, first: &T, second: &T) -> __m256i {
        must_cast([must_cast::<T, __m128i>(*first), must_cast(*second)])
    }

    #[inline(always)]
    fn lanes<T: Lane>(self, v: __m256i) -> [T; 2] {
        let [first, second]: [__m128i; 2] = must_cast(v);
        [must_cast(first), must_cast(second)]
    }

    #[inline(always)]
    fn widen(self, first: &[u8; 8], second: &[u8; 8]) -> __m256i {
        self.sign_extend(must_cast([*first, *second]))
    }

    #[inline(always)]
    fn splat8(self, number: u8) -> __m256i {
        must_cast([number; 32])
    }

    #[inline(always)]
    fn splat16(self, number: i16) -> __m256i {
        must_cast([number; 16])
    }

    #[inline(always)]
    fn splat32(self, number: i32) -> __m256i {
        must_cast([number; 8])
    }

    #[inline(always)]
    fn splat_float(self, number: f32) -> __m256 {
        must_cast([number; 8])
    }

    #[inline(always)]
    fn is_zero(self, v: __m256i) -> bool {
        self.test(v, v) == 1
    }

    #[inline(always)]
    fn top_bits(self, v: __m256i) -> u32 {
        self.mask(v).cast_unsigned()
    }

    #[inline(always)]
    fn shuffle(self, v: __m256i, places: &[u8; 16]) -> __m256i {
        self.pick(v, self.load(places, places))
    }

    #[inline(always)]
    fn add_pairs8(self, a: __m256i) -> __m256i {
        self.add_products8(a, self.splat8(1))
    }

    #[inline(always)]
    fn round_shift16<const N: i32>(self, a: __m256i) -> __m256i {
        self.product(a, self.splat16(1 << (15 - N)))
    }

    #[inline(always)]
    fn mul_round16<const C: i16>(self, a: __m256i) -> __m256i {
        self.product(a, self.splat16(C))
    }
}

impl Avx2 {
    intrinsics! {
        mask(a: __m256i) -> i32 = _mm256_movemask_epi8;
        test(a: __m256i, b: __m256i) -> i32 = _mm256_testz_si256;
        sign_extend(a: __m128i) -> __m256i = _mm256_cvtepi8_epi16;
        pick(a: __m256i, places: __m256i) -> __m256i = _mm256_shuffle_epi8;
        add_products8(a: __m256i, b: __m256i) -> __m256i = _mm256_maddubs_epi16;
        product(a: __m256i, b: __m256i) -> __m256i = _mm256_mulhrs_epi16;
    }
}
