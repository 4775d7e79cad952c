//! aarch64: NEON, which every such processor has.
#![expect(unsafe_code, reason = "intrinsics may be called only where the processor has their instructions")]

use super::{Lane, Simd};
use bytemuck::must_cast;
use std::arch::aarch64::*;

/// Part of aarch64 itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neon;

/// Bits; what they are is each instruction's business.
type Register = uint8x16_t;

/// One intrinsic, its arguments and its result seen as the types that are asked for.
macro_rules! neon {
    ($intrinsic:ident $(::<$n:tt>)? ($($arg:expr),*)) => {
        // SAFETY: the compile target has NEON, and the instruction works on registers alone.
        must_cast(unsafe { $intrinsic $(::<$n>)? ($(must_cast($arg)),*) })
    };
}

/// Methods that are one intrinsic each.
macro_rules! intrinsics {
    ($($name:ident $(<$n:ident>)? ($($arg:ident),*) = $intrinsic:ident;)*) => {
        $(#[inline(always)]
        fn $name $(<const $n: i32>)? (self, $($arg: Register),*) -> Register {
            neon!($intrinsic $(::<$n>)? ($($arg),*))
        })*
    };
}

impl Simd for Neon {
    type Ints = Register;
    type Floats = Register;
    const LANES: usize = 1;
    const SHUFFLES: bool = true;

    intrinsics! {
        add16(a, b) = vaddq_s16;
        add32(a, b) = vaddq_s32;
        sub16(a, b) = vsubq_s16;
        sub32(a, b) = vsubq_s32;
        mul_low16(a, b) = vmulq_s16;
        max16(a, b) = vmaxq_s16;
        abs16(a) = vabsq_s16;
        equal8(a, b) = vceqq_u8;
        and(a, b) = vandq_u8;
        or(a, b) = vorrq_u8;
        xor(a, b) = veorq_u8;
        low8(a, b) = vzip1q_u8;
        high8(a, b) = vzip2q_u8;
        low16(a, b) = vzip1q_u16;
        high16(a, b) = vzip2q_u16;
        low32(a, b) = vzip1q_u32;
        high32(a, b) = vzip2q_u32;
        low64(a, b) = vzip1q_u64;
        high64(a, b) = vzip2q_u64;
        add_pairs8(a) = vpaddlq_u8;
        shl16<N>(a) = vshlq_n_s16;
        shr16<N>(a) = vshrq_n_u16;
        sar16<N>(a) = vshrq_n_s16;
        sar32<N>(a) = vshrq_n_s32;
        round_shift16<N>(a) = vrshrq_n_s16;
        to_floats(a) = vcvtq_f32_s32;
        round(a) = vcvtnq_s32_f32;
        add_float(a, b) = vaddq_f32;
        sub_float(a, b) = vsubq_f32;
        mul_float(a, b) = vmulq_f32;
        min_float(a, b) = vminq_f32;
        max_float(a, b) = vmaxq_f32;
    }

    #[inline(always)]
    fn as_ints(self, a: Register) -> Register {
        a
    }

    #[inline(always)]
    fn as_floats(self, a: Register) -> Register {
        a
    }

    #[inline(always)]
    fn mul_high16(self, a: Register, b: Register) -> Register {
        let [low, high] = products(a, b);
        neon!(vuzp2q_u16(low, high))
    }

    #[inline(always)]
    fn mul_high_unsigned16(self, a: Register, b: Register) -> Register {
        let (c, d): (uint16x4_t, uint16x4_t) = (neon!(vget_low_u16(a)), neon!(vget_low_u16(b)));
        let (low, high): (Register, Register) = (neon!(vmull_u16(c, d)), neon!(vmull_high_u16(a, b)));
        neon!(vuzp2q_u16(low, high))
    }

    #[inline(always)]
    fn mul_add16(self, a: Register, b: Register) -> Register {
        let [low, high] = products(a, b);
        neon!(vpaddq_s32(low, high))
    }

    #[inline(always)]
    fn pack32(self, a: Register, b: Register) -> Register {
        let low: int16x4_t = neon!(vqmovn_s32(a));
        neon!(vqmovn_high_s32(low, b))
    }

    #[inline(always)]
    fn pack16(self, a: Register, b: Register) -> Register {
        let low: int8x8_t = neon!(vqmovn_s16(a));
        neon!(vqmovn_high_s16(low, b))
    }

    #[inline(always)]
    fn pack_unsigned16(self, a: Register, b: Register) -> Register {
        let low: uint8x8_t = neon!(vqmovun_s16(a));
        neon!(vqmovun_high_s16(low, b))
    }

    #[inline(always)]
    fn select(self, a: Register, b: Register, mask: Register) -> Register {
        neon!(vbslq_u8(mask, b, a))
    }

    #[inline(always)]
    fn load<T: Lane>(self, first: &T, _second: &T) -> Register {
        must_cast(*first)
    }

    #[inline(always)]
    fn lanes<T: Lane>(self, v: Register) -> [T; 2] {
        [must_cast(v); 2]
    }

    #[inline(always)]
    fn widen(self, first: &[u8; 8], _second: &[u8; 8]) -> Register {
        neon!(vmovl_s8(*first))
    }

    #[inline(always)]
    fn splat8(self, number: u8) -> Register {
        must_cast([number; 16])
    }

    #[inline(always)]
    fn splat16(self, number: i16) -> Register {
        must_cast([number; 8])
    }

    #[inline(always)]
    fn splat32(self, number: i32) -> Register {
        must_cast([number; 4])
    }

    #[inline(always)]
    fn splat_float(self, number: f32) -> Register {
        must_cast([number; 4])
    }

    #[inline(always)]
    fn is_zero(self, v: Register) -> bool {
        let largest: u8 = neon!(vmaxvq_u8(v));
        largest == 0
    }

    #[inline(always)]
    fn top_bits(self, v: Register) -> u32 {
        let signs: Register = neon!(vshrq_n_s8::<7>(v));
        let weights: Register = must_cast([1u8, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128]);
        let [low, high]: [uint8x8_t; 2] = must_cast(self.and(signs, weights));
        let (low, high): (u8, u8) = (neon!(vaddv_u8(low)), neon!(vaddv_u8(high)));
        u32::from(low) | u32::from(high) << 8
    }

    #[inline(always)]
    fn shuffle(self, v: Register, places: &[u8; 16]) -> Register {
        neon!(vqtbl1q_u8(v, *places))
    }

    #[inline(always)]
    fn mul_round16<const C: i16>(self, a: Register) -> Register {
        neon!(vqrdmulhq_s16(a, [C; 8]))
    }
}

/// Products of signed numbers, 32 bits wide.
#[inline(always)]
fn products(a: Register, b: Register) -> [Register; 2] {
    let (c, d): (int16x4_t, int16x4_t) = (neon!(vget_low_s16(a)), neon!(vget_low_s16(b)));
    [neon!(vmull_s16(c, d)), neon!(vmull_high_s16(a, b))]
}
