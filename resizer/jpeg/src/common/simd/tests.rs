//! Every operation of every set of instructions against its definition.

use super::arrays::Arrays;
use super::*;
use proptest::prelude::*;

type Words = [i16; 8];

/// Results of all operations, by name.
type Results = Vec<(&'static str, [[u8; 16]; 2])>;

#[derive(Clone, Copy)]
struct All {
    a: [Words; 2],
    b: [Words; 2],
}

macro_rules! results {
    ($simd:ident: $($name:ident $(::<$n:literal>)? ($($arg:expr),*);)*) => {
        vec![$((
            concat!(stringify!($name) $(, " ", $n)?),
            $simd.lanes($simd.$name $(::<$n>)? ($($arg),*)),
        ),)*]
    };
}

impl Job for All {
    type Output = Results;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Results {
        let (a, b) = (simd.load(&self.a[0], &self.a[1]), simd.load(&self.b[0], &self.b[1]));
        let mut out = results! { simd:
            add16(a, b); add32(a, b); sub16(a, b); sub32(a, b);
            mul_low16(a, b); mul_high16(a, b); mul_high_unsigned16(a, b); mul_add16(a, b); max16(a, b);
            equal8(a, b); and(a, b); or(a, b); xor(a, b);
            low8(a, b); high8(a, b); low16(a, b); high16(a, b); low32(a, b); high32(a, b); low64(a, b); high64(a, b);
            pack32(a, b); pack16(a, b); pack_unsigned16(a, b);
            shl16::<1>(a); shl16::<4>(a); shl16::<8>(a); shr16::<1>(a); shr16::<8>(a); shr16::<15>(a);
            sar16::<1>(a); sar16::<15>(a); sar32::<11>(a); sar32::<16>(a); sar32::<18>(a);
            abs16(a); round_shift16::<2>(simd.sar16::<1>(a)); with_sign16(b, simd.or(a, simd.splat16(1))); add_pairs8(a); select(a, b, simd.equal8(a, b));
            shuffle(a, &[15, 0x80, 0, 1, 1, 14, 13, 0xFF, 2, 3, 9, 8, 7, 6, 5, 4]);
            splat8(200); splat16(-300); splat32(-70_000); zero();
            mul_round16::<0>(a); mul_round16::<1>(a); mul_round16::<6393>(a); mul_round16::<8192>(a);
            mul_round16::<16383>(a); mul_round16::<16384>(a); mul_round16::<27246>(a); mul_round16::<32767>(a);
        };
        let rows = [a, b, simd.add16(a, b), simd.xor(a, b), simd.sub16(a, b), b, a, simd.low8(a, b)];
        for row in simd.transpose16(rows) {
            out.push(("transpose16", simd.lanes(row)));
        }
        // Numbers that are not NaN, whole and not, beyond 32 bits too.
        let (x, y) = (simd.to_floats(a), simd.to_floats(b));
        let (half, huge) = (simd.splat_float(0.5), simd.splat_float(1e6));
        let (fine, thirds) = (simd.to_floats(simd.sar32::<16>(a)), simd.splat_float(1.0 / 3.0));
        out.extend(results! { simd:
            as_ints(x); as_ints(simd.add_float(x, y)); as_ints(simd.sub_float(x, y)); as_ints(simd.mul_float(x, y));
            as_ints(simd.min_float(x, y)); as_ints(simd.max_float(x, y)); as_ints(simd.as_floats(a));
            round(simd.mul_float(fine, half)); round(simd.mul_float(fine, thirds));
            round(simd.min_float(simd.max_float(simd.mul_float(x, half), simd.splat_float(-1e6)), huge));
        });
        let bytes: [[[u8; 8]; 2]; 2] = simd.lanes(a);
        out.push(("widen", simd.lanes(simd.widen(&bytes[0][1], &bytes[1][1]))));
        let mut stored = [[0; 16]; 3];
        simd.store(b, &mut stored, 1);
        out.push(("store", if S::LANES == 2 { [stored[1], stored[2]] } else { [stored[1]; 2] }));
        let bits = simd.top_bits(a).to_le_bytes();
        let zero = |v| u8::from(simd.is_zero(v));
        let mut some = [[0; 16]; 2];
        for (lane, some) in some.iter_mut().enumerate() {
            some[..2].copy_from_slice(&bits[if S::LANES == 2 { 2 * lane } else { 0 }..][..2]);
            some[2] = zero(simd.xor(a, a));
        }
        out.push(("top_bits and is_zero", some));
        out
    }
}

fn check(a: [Words; 2], b: [Words; 2]) {
    let expected = [0, 1].map(|lane| All { a: [a[lane]; 2], b: [b[lane]; 2] }.run(Arrays));
    for processor in [Processor::Base, Processor::detect()] {
        for (i, (name, got)) in processor.run(All { a, b }).into_iter().enumerate() {
            for lane in 0..processor.lanes() {
                assert_eq!(got[lane], expected[lane][i].1[0], "{name} of {a:?} and {b:?}, lane {lane}");
            }
        }
    }
}

#[derive(Clone, Copy)]
struct IsZero([Words; 2]);

impl Job for IsZero {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> bool {
        simd.is_zero(simd.load(&self.0[0], &self.0[1]))
    }
}

#[test]
fn one_bit_is_not_zero() {
    for processor in [Processor::Base, Processor::detect()] {
        assert!(processor.run(IsZero([[0; 8]; 2])));
        for lane in 0..processor.lanes() {
            for (place, bit) in (0..8).flat_map(|place| (0..16).map(move |bit| (place, bit))) {
                let mut words = [[0; 8]; 2];
                words[lane][place] = 1 << bit;
                assert!(!processor.run(IsZero(words)), "lane {lane}, {place}, {bit}");
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Products<const C: i16>(Words);

impl<const C: i16> Job for Products<C> {
    type Output = Words;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Words {
        let [products, _] = simd.lanes(simd.mul_round16::<C>(simd.load(&self.0, &self.0)));
        products
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most 2¹⁵ in absolute value")]
fn all_products<const C: i16>() {
    for number in i16::MIN..=i16::MAX {
        let expected = ((i32::from(number) * i32::from(C) + (1 << 14)) >> 15) as i16;
        for processor in [Processor::Base, Processor::detect()] {
            assert_eq!(processor.run(Products::<C>([number; 8])), [expected; 8], "{number} times {C}");
        }
    }
}

#[test]
fn products_are_rounded_for_every_number() {
    all_products::<0>();
    all_products::<6393>();
    all_products::<8192>();
    all_products::<10045>();
    all_products::<13573>();
    all_products::<16384>();
    all_products::<17734>();
    all_products::<18205>();
    all_products::<27246>();
    all_products::<32138>();
    all_products::<32767>();
}

fn words() -> impl Strategy<Value = [Words; 2]> {
    let word = prop_oneof![
        any::<i16>(),
        Just(i16::MIN),
        Just(i16::MAX),
        Just(0),
        Just(-1),
        Just(127),
        Just(128),
        Just(-128),
        Just(-129),
        Just(255),
        Just(256),
    ];
    proptest::array::uniform2(proptest::array::uniform8(word))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn operations_are_as_defined(a in words(), b in words()) {
        check(a, b);
    }
}
