//! Vector arithmetic that kernels are written in once and compiled with for each set of instructions: [`Simd`].
//!
//! A register has one or two lanes of 16 bytes, and every operation works on each lane by itself, as those of AVX2 do.
//! So a kernel that transforms one block in a lane transforms two in two lanes.

#[cfg(any(test, not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))))]
mod arrays;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))))]
use arrays::Arrays as Base;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
use neon::Neon as Base;
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Sse2 as Base};

use bytemuck::Pod;

/// What a lane of a register is loaded from and stored to: 16 bytes of numbers.
pub(crate) trait Lane: Pod {
    /// The same with every number's bytes in little-endian order, or back.
    #[cfg_attr(
        all(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")), not(test)),
        expect(dead_code, reason = "that is their own order")
    )]
    fn little(self) -> Self;
}

impl Lane for [u8; 16] {
    fn little(self) -> Self {
        self
    }
}

impl Lane for [[u8; 8]; 2] {
    fn little(self) -> Self {
        self
    }
}

impl Lane for [i16; 8] {
    fn little(self) -> Self {
        self.map(i16::to_le)
    }
}

impl Lane for [u16; 8] {
    fn little(self) -> Self {
        self.map(u16::to_le)
    }
}

impl Lane for [f32; 4] {
    fn little(self) -> Self {
        self.map(|number| f32::from_bits(number.to_bits().to_le()))
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident $(<$n:ident>)? ($($arg:ident: $type:ident),*) -> $out:ident;)*) => {
        /// A set of instructions; a value of it is the proof that the processor has them.
        ///
        /// The number in an operation's name is the width of the numbers in bits. Everything wraps but what is said to
        /// saturate. Functions that are generic over this trait must be `#[inline(always)]`, and must not hide
        /// operations in closures: only what is inlined into [`Processor::run`] is compiled with the instructions.
        pub(crate) trait Simd: Copy {
            /// A register of integers.
            type Ints: Copy;
            /// A register of 32-bit floating-point numbers.
            type Floats: Copy;
            /// Lanes of a register: 1 or 2.
            const LANES: usize;
            /// Whether [`Simd::shuffle`] is an instruction. Where it is not, there are better ways.
            const SHUFFLES: bool;

            $($(#[$doc])* fn $name $(<const $n: i32>)? (self, $($arg: Self::$type),*) -> Self::$out;)*

            /// The first lane from `first`, the second, if any, from `second`.
            fn load<T: Lane>(self, first: &T, second: &T) -> Self::Ints;
            /// The lanes; of one, twice the same.
            fn lanes<T: Lane>(self, v: Self::Ints) -> [T; 2];
            /// Signed bytes as 16-bit numbers, a lane from each argument.
            fn widen(self, first: &[u8; 8], second: &[u8; 8]) -> Self::Ints;
            /// Every number the same.
            fn splat8(self, number: u8) -> Self::Ints;
            /// Every number the same.
            fn splat16(self, number: i16) -> Self::Ints;
            /// Every number the same.
            fn splat32(self, number: i32) -> Self::Ints;
            /// Every number the same.
            fn splat_float(self, number: f32) -> Self::Floats;
            /// Whether every bit is zero.
            fn is_zero(self, v: Self::Ints) -> bool;
            /// The top bit of each byte, 16 of the first lane below those of the second.
            fn top_bits(self, v: Self::Ints) -> u32;
            /// Bytes of each lane at these places of it, 0 where the place is above 127.
            fn shuffle(self, v: Self::Ints, places: &[u8; 16]) -> Self::Ints;
            /// `(a·C + 2¹⁴) >> 15`: rounded products with a fraction of 15 bits, `C` from 0 to 2¹⁵ − 1.
            fn mul_round16<const C: i16>(self, a: Self::Ints) -> Self::Ints;

            /// Every bit zero.
            #[inline(always)]
            fn zero(self) -> Self::Ints {
                self.splat32(0)
            }

            /// The absolute value of signed numbers; −2¹⁵ stays.
            #[inline(always)]
            fn abs16(self, a: Self::Ints) -> Self::Ints {
                self.max16(a, self.sub16(self.zero(), a))
            }

            /// `a`, or its negative where `sign` is negative. Where `sign` is zero, `a` must be.
            #[inline(always)]
            fn with_sign16(self, a: Self::Ints, sign: Self::Ints) -> Self::Ints {
                let mask = self.sar16::<15>(sign);
                self.sub16(self.xor(a, mask), mask)
            }

            /// `(a + 2ᴺ⁻¹) >> N` of signed numbers at most 2¹⁵ − 1 − 2ᴺ⁻¹.
            #[inline(always)]
            fn round_shift16<const N: i32>(self, a: Self::Ints) -> Self::Ints {
                self.sar16::<N>(self.add16(a, self.splat16(1 << (N - 1))))
            }

            /// Sums of two neighbours among unsigned bytes, 16 bits wide.
            #[inline(always)]
            fn add_pairs8(self, a: Self::Ints) -> Self::Ints {
                self.add16(self.and(a, self.splat16(0xFF)), self.shr16::<8>(a))
            }

            /// Bytes of `b` where those of `mask` are all ones, of `a` where they are zero.
            #[inline(always)]
            fn select(self, a: Self::Ints, b: Self::Ints, mask: Self::Ints) -> Self::Ints {
                self.xor(a, self.and(self.xor(a, b), mask))
            }

            /// Four rows of eight numbers a lane: two columns of four in each register.
            #[inline(always)]
            fn transpose_half16(self, v: [Self::Ints; 4]) -> [Self::Ints; 4] {
                let low = [self.low16(v[0], v[1]), self.low16(v[2], v[3])];
                let high = [self.high16(v[0], v[1]), self.high16(v[2], v[3])];
                [
                    self.low32(low[0], low[1]),
                    self.high32(low[0], low[1]),
                    self.low32(high[0], high[1]),
                    self.high32(high[0], high[1]),
                ]
            }

            /// The rows of 8×8 numbers a lane as columns.
            #[inline(always)]
            fn transpose16(self, v: [Self::Ints; 8]) -> [Self::Ints; 8] {
                let a = self.transpose_half16([v[0], v[1], v[2], v[3]]);
                let b = self.transpose_half16([v[4], v[5], v[6], v[7]]);
                let mut out = v;
                for k in 0..4 {
                    out[2 * k] = self.low64(a[k], b[k]);
                    out[2 * k + 1] = self.high64(a[k], b[k]);
                }
                out
            }

            /// Puts the lanes at places `at` and, if there are two, `at + 1`.
            #[inline(always)]
            fn store<T: Lane>(self, v: Self::Ints, out: &mut [T], at: usize) {
                let [first, second] = self.lanes(v);
                out[at] = first;
                if Self::LANES == 2 {
                    out[at + 1] = second;
                }
            }
        }
    };
}

operations! {
    /// Sums.
    add16(a: Ints, b: Ints) -> Ints;
    /// Sums.
    add32(a: Ints, b: Ints) -> Ints;
    /// Differences.
    sub16(a: Ints, b: Ints) -> Ints;
    /// Differences.
    sub32(a: Ints, b: Ints) -> Ints;
    /// Lower halves of products.
    mul_low16(a: Ints, b: Ints) -> Ints;
    /// Upper halves of products of signed numbers.
    mul_high16(a: Ints, b: Ints) -> Ints;
    /// Upper halves of products of unsigned numbers.
    mul_high_unsigned16(a: Ints, b: Ints) -> Ints;
    /// Sums of two neighbours' products, 32 bits wide.
    mul_add16(a: Ints, b: Ints) -> Ints;
    /// The larger ones of signed numbers.
    max16(a: Ints, b: Ints) -> Ints;
    /// All ones where equal.
    equal8(a: Ints, b: Ints) -> Ints;
    /// Bits of both.
    and(a: Ints, b: Ints) -> Ints;
    /// Bits of either.
    or(a: Ints, b: Ints) -> Ints;
    /// Bits of one.
    xor(a: Ints, b: Ints) -> Ints;
    /// The lower halves of lanes, interleaved.
    low8(a: Ints, b: Ints) -> Ints;
    /// The upper halves of lanes, interleaved.
    high8(a: Ints, b: Ints) -> Ints;
    /// The lower halves of lanes, interleaved.
    low16(a: Ints, b: Ints) -> Ints;
    /// The upper halves of lanes, interleaved.
    high16(a: Ints, b: Ints) -> Ints;
    /// The lower halves of lanes, interleaved.
    low32(a: Ints, b: Ints) -> Ints;
    /// The upper halves of lanes, interleaved.
    high32(a: Ints, b: Ints) -> Ints;
    /// The lower halves of lanes, beside each other.
    low64(a: Ints, b: Ints) -> Ints;
    /// The upper halves of lanes, beside each other.
    high64(a: Ints, b: Ints) -> Ints;
    /// Signed numbers to half their width, saturated: in each lane those of `a`, then those of `b`.
    pack32(a: Ints, b: Ints) -> Ints;
    /// Signed numbers to half their width, saturated.
    pack16(a: Ints, b: Ints) -> Ints;
    /// Signed numbers to unsigned ones of half their width, saturated.
    pack_unsigned16(a: Ints, b: Ints) -> Ints;
    /// Left shift.
    shl16<N>(a: Ints) -> Ints;
    /// Right shift, zeros in.
    shr16<N>(a: Ints) -> Ints;
    /// Right shift, the sign in.
    sar16<N>(a: Ints) -> Ints;
    /// Right shift, the sign in.
    sar32<N>(a: Ints) -> Ints;
    /// Signed 32-bit numbers as floating-point ones.
    to_floats(a: Ints) -> Floats;
    /// The nearest 32-bit integers, ties to even.
    round(a: Floats) -> Ints;
    /// The bits of floating-point numbers.
    as_ints(a: Floats) -> Ints;
    /// Floating-point numbers of these bits.
    as_floats(a: Ints) -> Floats;
    /// Sums.
    add_float(a: Floats, b: Floats) -> Floats;
    /// Differences.
    sub_float(a: Floats, b: Floats) -> Floats;
    /// Products.
    mul_float(a: Floats, b: Floats) -> Floats;
    /// The smaller ones; no argument may be NaN.
    min_float(a: Floats, b: Floats) -> Floats;
    /// The larger ones; no argument may be NaN.
    max_float(a: Floats, b: Floats) -> Floats;
}

/// Work that is compiled once for each set of instructions. `run` must be `#[inline(always)]`.
pub(crate) trait Job {
    /// What it gives.
    type Output;
    /// Does the work.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The instructions that jobs run with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Processor {
    /// What every processor of the compile target has.
    Base,
    /// x86-64 with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

impl Processor {
    /// The best that this processor has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Base
    }

    /// Lanes of its registers.
    #[inline]
    pub(crate) const fn lanes(self) -> usize {
        match self {
            Self::Base => Base::LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Avx2::LANES,
        }
    }

    /// Does a job.
    #[inline]
    pub(crate) fn run<J: Job>(self, job: J) -> J::Output {
        match self {
            Self::Base => run_base(job),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.run(job),
        }
    }
}

/// Apart, as the jobs of other instructions are, so that whoever has one run stays small.
#[inline(never)]
fn run_base<J: Job>(job: J) -> J::Output {
    job.run(Base)
}

/// What a job gives with every set of instructions that this machine has, the definition's first.
#[cfg(test)]
pub(crate) fn each<J: Job + Copy>(job: J) -> [J::Output; 3] {
    [job.run(arrays::Arrays), Processor::Base.run(job), Processor::detect().run(job)]
}
