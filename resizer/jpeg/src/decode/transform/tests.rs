//! The transforms of blocks side by side against the same arithmetic one number at a time.

use super::islow::{EVEN, FIRST_SHIFT, ODD, SECOND_SHIFT};
use super::*;
use crate::common::simd::each;
use proptest::prelude::*;

fn pair(a: i32, b: i32, factors: [i16; 2]) -> i32 {
    a.wrapping_mul(factors[0].into()).wrapping_add(b.wrapping_mul(factors[1].into()))
}

/// One dimension; `round` is added to every result.
fn line([i0, i1, i2, i3, i4, i5, i6, i7]: [i32; 8], round: i32) -> [i32; 8] {
    let sum = pair(i0, i4, EVEN[0]).wrapping_add(round);
    let difference = pair(i0, i4, EVEN[1]).wrapping_add(round);
    let (outer, inner) = (pair(i2, i6, EVEN[2]), pair(i2, i6, EVEN[3]));
    let even = [
        sum.wrapping_add(outer),
        difference.wrapping_add(inner),
        difference.wrapping_sub(inner),
        sum.wrapping_sub(outer),
    ];
    let odd = ODD.map(|[low, high]| pair(i1, i3, low).wrapping_add(pair(i5, i7, high)));
    let add = |k: usize| even[k].wrapping_add(odd[k]);
    let sub = |k: usize| even[k].wrapping_sub(odd[k]);
    [add(0), add(1), add(2), add(3), sub(3), sub(2), sub(1), sub(0)]
}

/// [`islow::blocks`] without its short cuts.
fn islow(coefficients: &[i16; 64], steps: &[i16; 64]) -> Samples {
    let mut middle = [[0; 8]; 8];
    for x in 0..8 {
        let column = std::array::from_fn(|y| coefficients[y * 8 + x].wrapping_mul(steps[y * 8 + x]).into());
        for (row, value) in middle.iter_mut().zip(line(column, 1 << (FIRST_SHIFT - 1))) {
            row[x] = (value >> FIRST_SHIFT).clamp(i16::MIN.into(), i16::MAX.into());
        }
    }
    let mut out = [0; 64];
    for (row, out) in middle.into_iter().zip(out.as_chunks_mut::<8>().0) {
        *out = line(row, 1 << (SECOND_SHIFT - 1)).map(|value| sample(value >> SECOND_SHIFT));
    }
    out
}

/// Two blocks through every set of instructions: their samples, or the first one's twice.
#[derive(Clone, Copy)]
struct Both<'b> {
    coefficients: [&'b [i16]; 2],
    tables: [&'b Table; 2],
}

impl Job for Both<'_> {
    type Output = [Samples; 2];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [Samples; 2] {
        let mut out = [[0; 64]; 2];
        transform(simd, self, &mut out);
        if S::LANES == 1 {
            let Self { coefficients: [_, second], tables: [_, table] } = self;
            let mut other = [[0; 64]; 2];
            transform(simd, Both { coefficients: [second; 2], tables: [table; 2] }, &mut other);
            out[1] = other[0];
        }
        out
    }
}

#[inline(always)]
fn transform<S: Simd>(simd: S, Both { coefficients, tables }: Both<'_>, out: &mut [Samples; 2]) {
    match tables[0].width {
        8 => Transform::<64>::new(coefficients, tables, out).unwrap().run(simd),
        4 => Transform::<16>::new(coefficients, tables, out).unwrap().run(simd),
        _ => Transform::<4>::new(coefficients, tables, out).unwrap().run(simd),
    }
}

fn check(size: usize, blocks: [&[i16]; 2], tables: [&Table; 2]) {
    let expected = [0, 1].map(|i| {
        let mut out = [0; 64];
        match size {
            8 => out = islow(blocks[i].first_chunk().unwrap(), &tables[i].steps),
            4 => reduced::fixed::<4, 4>(blocks[i], tables[i], &mut out, 4),
            _ => reduced::fixed::<2, 2>(blocks[i], tables[i], &mut out, 2),
        }
        out
    });
    for got in each(Both { coefficients: blocks, tables }) {
        for (got, expected) in got.iter().zip(&expected) {
            assert_eq!(got[..size * size], expected[..size * size], "{blocks:?}");
        }
    }
}

/// Mostly small numbers as in pictures, with extremes of damaged ones.
fn coefficient() -> impl Strategy<Value = i16> {
    prop_oneof![
        8 => Just(0),
        4 => -20_i16..20,
        2 => -1024_i16..1024,
        1 => any::<i16>(),
        1 => Just(i16::MIN),
        1 => Just(i16::MAX),
    ]
}

fn step() -> impl Strategy<Value = u16> {
    prop_oneof![6 => 1_u16..100, 1 => 1_u16..256, 1 => any::<u16>(), 1 => Just(u16::MAX)]
}

/// Blocks whose coefficients end early take short cuts.
fn block(size: usize) -> impl Strategy<Value = Vec<i16>> {
    (proptest::collection::vec(coefficient(), size * size), 0..=size * size).prop_map(
        move |(mut block, kept)| {
            block[kept..].fill(0);
            block
        },
    )
}

fn table(size: usize) -> impl Strategy<Value = Table> {
    proptest::array::uniform32(step()).prop_map(move |steps| {
        let steps: [u16; 64] = std::array::from_fn(|i| steps[i % 32]);
        Table::new(&steps, size, size)
    })
}

#[test]
fn every_coefficient_alone_at_its_extremes() {
    for size in [8, 4, 2] {
        let table = Table::new(&[1; 64], size, size);
        let coarse = Table::new(&[255; 64], size, size);
        for at in 0..size * size {
            for value in [i16::MIN, -1025, -1, 1, 3, 1024, i16::MAX] {
                let mut block = [0; 64];
                block[at] = value;
                let mut other = [0; 64];
                other[0] = value;
                let kept = size * size;
                check(size, [&block[..kept], &other[..kept]], [&table, &coarse]);
                check(size, [&other[..kept], &block[..kept]], [&coarse, &table]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whole_blocks(a in block(8), b in block(8), tables in [table(8), table(8)]) {
        check(8, [&a, &b], tables.each_ref());
    }

    #[test]
    fn quarter_blocks(a in block(4), b in block(4), tables in [table(4), table(4)]) {
        check(4, [&a, &b], tables.each_ref());
    }

    #[test]
    fn sixteenth_blocks(a in block(2), b in block(2), tables in [table(2), table(2)]) {
        check(2, [&a, &b], tables.each_ref());
    }
}
