//! The definition of every operation in plain Rust: tests compare with it, and processors that have no file of their own
//! compute with it, slowly.

use super::{Lane, Simd};
use bytemuck::must_cast;

/// Registers of one lane.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrays;

/// Bytes of little-endian numbers.
type Register = [u8; 16];

/// Numbers of a register.
trait Number: Copy {
    const BYTES: usize = size_of::<Self>();
    fn read(bytes: &[u8]) -> Self;
    fn write(self, bytes: &mut [u8]);
}

macro_rules! numbers {
    ($($type:ident)*) => {
        $(impl Number for $type {
            #[inline(always)]
            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<Self>()];
                own.copy_from_slice(bytes);
                Self::from_le_bytes(own)
            }

            #[inline(always)]
            fn write(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
        })*
    };
}

numbers!(u8 i8 u16 i16 u32 i32 u64 f32);

/// Each number of `a` changed.
#[inline(always)]
fn map<T: Number, U: Number>(a: Register, f: impl Fn(T) -> U) -> Register {
    let mut out = [0; 16];
    for (out, a) in out.chunks_exact_mut(U::BYTES).zip(a.chunks_exact(T::BYTES)) {
        f(T::read(a)).write(out);
    }
    out
}

/// Each pair of numbers combined.
#[inline(always)]
fn zip<T: Number>(a: Register, b: Register, f: impl Fn(T, T) -> T) -> Register {
    let mut out = [0; 16];
    let inputs = a.chunks_exact(T::BYTES).zip(b.chunks_exact(T::BYTES));
    for (out, (a, b)) in out.chunks_exact_mut(T::BYTES).zip(inputs) {
        f(T::read(a), T::read(b)).write(out);
    }
    out
}

/// Half of each register, interleaved.
#[inline(always)]
fn interleave<T: Number>(a: Register, b: Register, from: usize) -> Register {
    let mut out = [0; 16];
    let inputs = a[from..].chunks_exact(T::BYTES).zip(b[from..].chunks_exact(T::BYTES));
    for (out, (a, b)) in out.chunks_exact_mut(2 * T::BYTES).zip(inputs) {
        let (first, second) = out.split_at_mut(T::BYTES);
        T::read(a).write(first);
        T::read(b).write(second);
    }
    out
}

/// Both registers' numbers, changed to half their width.
#[inline(always)]
fn pack<T: Number, U: Number>(a: Register, b: Register, f: impl Fn(T) -> U) -> Register {
    let mut out = [0; 16];
    let inputs = a.chunks_exact(T::BYTES).chain(b.chunks_exact(T::BYTES));
    for (out, number) in out.chunks_exact_mut(U::BYTES).zip(inputs) {
        f(T::read(number)).write(out);
    }
    out
}

macro_rules! definitions {
    ($($name:ident $(<$n:ident>)? ($($arg:ident),*) = $definition:expr;)*) => {
        $(#[inline(always)]
        fn $name $(<const $n: i32>)? (self, $($arg: Register),*) -> Register {
            $definition
        })*
    };
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped, or the half that is wanted"
)]
#[expect(clippy::cast_precision_loss, reason = "as instructions convert")]
impl Simd for Arrays {
    type Ints = Register;
    type Floats = Register;
    const LANES: usize = 1;
    const SHUFFLES: bool = false;

    definitions! {
        add16(a, b) = zip(a, b, i16::wrapping_add);
        add32(a, b) = zip(a, b, i32::wrapping_add);
        sub16(a, b) = zip(a, b, i16::wrapping_sub);
        sub32(a, b) = zip(a, b, i32::wrapping_sub);
        mul_low16(a, b) = zip(a, b, i16::wrapping_mul);
        mul_high16(a, b) = zip(a, b, |a: i16, b: i16| ((i32::from(a) * i32::from(b)) >> 16) as i16);
        mul_high_unsigned16(a, b) = zip(a, b, |a: u16, b: u16| ((u32::from(a) * u32::from(b)) >> 16) as u16);
        mul_add16(a, b) = zip(a, b, |a: i32, b: i32| {
            let (low, high) = (i32::from(a as i16) * i32::from(b as i16), (a >> 16) * (b >> 16));
            low.wrapping_add(high)
        });
        max16(a, b) = zip(a, b, i16::max);
        equal8(a, b) = zip(a, b, |a: u8, b: u8| if a == b { 0xFF } else { 0 });
        and(a, b) = zip(a, b, |a: u64, b: u64| a & b);
        or(a, b) = zip(a, b, |a: u64, b: u64| a | b);
        xor(a, b) = zip(a, b, |a: u64, b: u64| a ^ b);
        low8(a, b) = interleave::<u8>(a, b, 0);
        high8(a, b) = interleave::<u8>(a, b, 8);
        low16(a, b) = interleave::<u16>(a, b, 0);
        high16(a, b) = interleave::<u16>(a, b, 8);
        low32(a, b) = interleave::<u32>(a, b, 0);
        high32(a, b) = interleave::<u32>(a, b, 8);
        low64(a, b) = interleave::<u64>(a, b, 0);
        high64(a, b) = interleave::<u64>(a, b, 8);
        pack32(a, b) = pack(a, b, |number: i32| number.clamp(-0x8000, 0x7FFF) as i16);
        pack16(a, b) = pack(a, b, |number: i16| number.clamp(-0x80, 0x7F) as i8);
        pack_unsigned16(a, b) = pack(a, b, |number: i16| number.clamp(0, 0xFF) as u8);
        shl16<N>(a) = map(a, |a: u16| a << N);
        shr16<N>(a) = map(a, |a: u16| a >> N);
        sar16<N>(a) = map(a, |a: i16| a >> N);
        sar32<N>(a) = map(a, |a: i32| a >> N);
        to_floats(a) = map(a, |a: i32| a as f32);
        round(a) = map(a, |a: f32| a.round_ties_even() as i32);
        as_ints(a) = a;
        as_floats(a) = a;
        add_float(a, b) = zip(a, b, |a: f32, b: f32| a + b);
        sub_float(a, b) = zip(a, b, |a: f32, b: f32| a - b);
        mul_float(a, b) = zip(a, b, |a: f32, b: f32| a * b);
        min_float(a, b) = zip(a, b, f32::min);
        max_float(a, b) = zip(a, b, f32::max);
    }

    #[inline(always)]
    fn load<T: Lane>(self, first: &T, _second: &T) -> Register {
        must_cast(first.little())
    }

    #[inline(always)]
    fn lanes<T: Lane>(self, v: Register) -> [T; 2] {
        [must_cast::<_, T>(v).little(); 2]
    }

    #[inline(always)]
    fn widen(self, first: &[u8; 8], _second: &[u8; 8]) -> Register {
        let numbers = first.map(|byte| i16::from(byte.cast_signed()));
        self.load(&numbers, &numbers)
    }

    #[inline(always)]
    fn splat8(self, number: u8) -> Register {
        [number; 16]
    }

    #[inline(always)]
    fn splat16(self, number: i16) -> Register {
        map([0; 16], |_: i16| number)
    }

    #[inline(always)]
    fn splat32(self, number: i32) -> Register {
        map([0; 16], |_: i32| number)
    }

    #[inline(always)]
    fn splat_float(self, number: f32) -> Register {
        map([0; 16], |_: f32| number)
    }

    #[inline(always)]
    fn is_zero(self, v: Register) -> bool {
        v == [0; 16]
    }

    #[inline(always)]
    fn top_bits(self, v: Register) -> u32 {
        v.iter().rev().fold(0, |bits, byte| bits << 1 | u32::from(byte >> 7))
    }

    #[inline(always)]
    fn shuffle(self, v: Register, places: &[u8; 16]) -> Register {
        places.map(|place| if place < 128 { v[usize::from(place & 15)] } else { 0 })
    }

    #[inline(always)]
    fn mul_round16<const C: i16>(self, a: Register) -> Register {
        map(a, |a: i16| ((i32::from(a) * i32::from(C) + (1 << 14)) >> 15) as i16)
    }
}
