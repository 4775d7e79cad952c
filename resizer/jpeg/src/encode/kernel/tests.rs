//! The kernels against definitions in floating point, and against each other.
#![expect(clippy::cast_precision_loss, reason = "indices of a block")]

use super::super::quantisation::{Quantiser, TRANSFORM_GAIN, ZIGZAG, ZIGZAG_TRANSPOSED};
use super::super::settings::{Effort, Steps};
use super::*;
use crate::common::simd::{Job, Simd, each};
use proptest::prelude::*;
use std::f64::consts::PI;

/// Samples of two blocks side by side with the top bit flipped.
type Samples = [u8; 128];

/// The orthonormal DCT of ITU-T T.81, A.3.3, natural order.
fn definition(samples: &Samples, x0: usize) -> [f64; 64] {
    let scale = |k: usize| if k == 0 { (1.0f64 / 8.0).sqrt() } else { 0.5 };
    let wave = |k: usize, x: usize| scale(k) * ((2 * x + 1) as f64 * k as f64 * PI / 16.0).cos();
    let mut out = [0.0; 64];
    for (i, out) in out.iter_mut().enumerate() {
        let (v, u) = (i / 8, i % 8);
        for (y, row) in samples.chunks(16).enumerate() {
            for (x, &sample) in row[x0..x0 + 8].iter().enumerate() {
                *out += wave(v, y) * wave(u, x) * f64::from(sample.cast_signed());
            }
        }
    }
    out
}

#[derive(Clone, Copy)]
struct Raw<'a>(&'a Samples);

impl Job for Raw<'_> {
    type Output = [Block; 2];
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [Block; 2] {
        let mut out = [[0; 64]; 2];
        coefficients(simd, self.0, 16, &mut out);
        out
    }
}

#[derive(Clone, Copy)]
struct Levels<'a>(&'a Samples, &'a Quantiser);

impl Job for Levels<'_> {
    type Output = ([Block; 2], [Mask; 2]);
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let mut out = [[0; 64]; 2];
        let masks = levels(simd, self.0, 16, self.1, &mut out);
        out.iter_mut().for_each(sort);
        (out, masks)
    }
}

/// Largest and mean square error against the definition, in units of the orthonormal DCT.
fn errors(samples: &Samples) -> (f64, f64) {
    let (mut largest, mut sum) = (0.0f64, 0.0);
    for raw in each(Raw(samples)) {
        for (i, raw) in raw.iter().enumerate() {
            let exact = definition(samples, 8 * i);
            for (&natural, &at) in ZIGZAG.iter().zip(&ZIGZAG_TRANSPOSED) {
                let got = f64::from(raw[usize::from(at)]) / f64::from(TRANSFORM_GAIN);
                let error = got - exact[usize::from(natural)];
                largest = largest.max(error.abs());
                sum += error * error / 384.0;
            }
        }
    }
    (largest, sum)
}

#[test]
fn extreme_blocks_do_not_overflow() {
    // The signs of every product of two waves: the largest coefficient of each frequency.
    for k in 0..64 {
        for negative in [false, true] {
            let mut samples = [0; 128];
            for (i, sample) in samples.iter_mut().enumerate() {
                let (y, x) = (i / 16, i % 8);
                let wave = |k: usize, x: usize| ((2 * x + 1) as f64 * k as f64 * PI / 16.0).cos();
                let positive = wave(k / 8, y) * wave(k % 8, x) >= 0.0;
                *sample = if positive ^ negative { 0x7F } else { 0x80 };
            }
            let (largest, _) = errors(&samples);
            assert!(largest < 0.3, "frequency {k}: {largest}");
        }
    }
}

#[test]
fn the_transform_is_more_exact_than_libjpegs() {
    // libjpeg's accurate integer transform has 0.042 on such blocks (its arithmetic redone in numpy).
    let mut noise = 1u32;
    let mut sum = 0.0;
    for _ in 0..500 {
        let samples = [0; 128].map(|_: u8| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        });
        sum += errors(&samples).1 / 500.0;
    }
    assert!(sum.sqrt() < 0.035, "{}", sum.sqrt());
}

/// Rows of pixels of `B` bytes as Y, Cb and Cr: 4:4:4 of both rows, 4:2:2 of the first, 4:2:0.
#[derive(Clone, Copy)]
struct Colours<'a, const B: usize>([&'a [u8]; 2]);

impl<const B: usize> Job for Colours<'_, B> {
    type Output = [[Vec<u8>; 3]; 4];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Self::Output {
        let [top, bottom] = self.0;
        let width = top.len() / B;
        let mut out =
            [width, width, width / 2, width / 2].map(|chroma| [width, chroma, chroma].map(|n| vec![0; n]));
        let [first, second, halves, quarters] = &mut out;
        for ([y, cb, cr], row) in [first, second].into_iter().zip([top, bottom]) {
            full::<S, B>(simd, row, y, [cb, cr]);
        }
        let [y, cb, cr] = halves;
        half::<S, B>(simd, top, y, [cb, cr]);
        let (mut y1, [y, cb, cr]) = (vec![0; width], quarters);
        quarter::<S, B>(simd, self.0, [y, &mut y1], [cb, cr]);
        assert_eq!(y1, out[1][0]);
        out
    }
}

/// Y, Cb and Cr as JFIF defines them.
fn jfif([r, g, b]: [f64; 3]) -> [f64; 3] {
    [
        0.299 * r + 0.587 * g + 0.114 * b,
        -0.168_735_9 * r - 0.331_264_1 * g + 0.5 * b + 128.0,
        0.5 * r - 0.418_687_6 * g - 0.081_312_4 * b + 128.0,
    ]
}

#[test]
fn colours_are_those_of_jfif() {
    for index in (0..=0xFF_FFFF_u32 / 97).step_by(CHUNK) {
        let colours: Vec<[u8; 3]> = (index..)
            .take(CHUNK)
            .map(|index| {
                let [_, r, g, b] = (index * 97).to_be_bytes();
                [r, g, b]
            })
            .collect();
        let row = colours.as_flattened();
        for [[y, cb, cr], ..] in each(Colours::<3>([row, row])) {
            for (i, colour) in colours.iter().enumerate() {
                for (got, exact) in [y[i], cb[i], cr[i]].into_iter().zip(jfif(colour.map(f64::from))) {
                    let error = f64::from(got ^ 0x80) - exact;
                    assert!(error.abs() < 0.51, "{colour:?}: {error}");
                }
            }
        }
    }
}

#[test]
fn chroma_is_that_of_the_mean_colour() {
    let mut noise = 1u32;
    let mut random = |bytes| -> Vec<u8> {
        (0..bytes)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // A third of them extreme.
                match noise >> 30 {
                    0 => 0,
                    1 => 255,
                    _ => noise.to_be_bytes()[1],
                }
            })
            .collect()
    };
    let rows = [random(3 * 64 * CHUNK), random(3 * 64 * CHUNK)];
    let pixel = |y: usize, x: usize, c: usize| f64::from(rows[y][3 * x + c]);
    let results = each(Colours::<3>([&rows[0], &rows[1]]));
    for [_, _, halves, quarters] in &results {
        for x in 0..32 * CHUNK {
            let of_two = [0, 1, 2].map(|c| (pixel(0, 2 * x, c) + pixel(0, 2 * x + 1, c)) / 2.0);
            let below = [0, 1, 2].map(|c| (pixel(1, 2 * x, c) + pixel(1, 2 * x + 1, c)) / 2.0);
            let of_four = [0, 1, 2].map(|c| (of_two[c] + below[c]) / 2.0);
            for (planes, mean) in [(halves, of_two), (quarters, of_four)] {
                for (plane, exact) in planes[1..].iter().zip(&jfif(mean)[1..]) {
                    let error = f64::from(plane[x] ^ 0x80) - exact;
                    assert!(error.abs() < 0.52, "{mean:?}: {error}");
                }
            }
        }
    }
    assert!(results.iter().all(|result| *result == results[0]));
    // A fourth byte changes nothing.
    let padded = rows.each_ref().map(|row| -> Vec<u8> {
        row.as_chunks::<3>()
            .0
            .iter()
            .enumerate()
            .flat_map(|(i, [r, g, b])| [*r, *g, *b, i.to_le_bytes()[0]])
            .collect()
    });
    for result in each(Colours::<4>([&padded[0], &padded[1]])) {
        assert!(result == results[0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn levels_are_the_rounded_definition(
        samples in proptest::collection::vec(prop_oneof![Just(0u8), Just(127), Just(128), any::<u8>()], 128),
        quality in 1u8..=100,
    ) {
        let samples: Samples = samples.try_into().unwrap();
        let [quantiser, _] = Quantiser::pair(Steps::Standard, quality, Effort::Plain);
        let results = each(Levels(&samples, &quantiser));
        prop_assert!(results.iter().all(|result| *result == results[0]));
        let (blocks, masks) = &results[0];
        for (i, raw) in each(Raw(&samples))[0].iter().enumerate() {
            prop_assert_eq!((blocks[i], masks[i]), quantiser.round(raw));
        }
        for (i, (block, mask)) in blocks.iter().zip(masks).enumerate() {
            let exact = definition(&samples, 8 * i);
            let mut wide = false;
            for (k, &level) in block.iter().enumerate() {
                let steps = exact[usize::from(ZIGZAG[k])] / f64::from(quantiser.steps[k]);
                // Half a step, 1/32 of bias and the transform's own error of up to 0.15.
                let allowed = 0.5 + 0.2 / f64::from(quantiser.steps[k]);
                prop_assert!((f64::from(level) - steps).abs() <= allowed, "{} for {}", level, steps);
                if k > 0 {
                    prop_assert_eq!(mask >> k & 1 == 1, level != 0);
                    wide |= level.unsigned_abs() > 127;
                }
            }
            prop_assert_eq!(mask & WIDE == WIDE, wide);
        }
    }
}
