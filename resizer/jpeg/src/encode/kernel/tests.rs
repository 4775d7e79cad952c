//! The kernels against definitions in floating point, and against each other.
#![expect(clippy::cast_precision_loss, reason = "indices of a block")]

use super::super::quantisation::{Quantiser, TRANSFORM_GAIN, ZIGZAG, ZIGZAG_TRANSPOSED};
use super::super::settings::Steps;
use super::*;
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

/// Every kernel of this machine does the job.
fn each<J: Job + Copy>(job: J) -> Vec<J::Output> {
    [Instructions::Portable, Instructions::Detect].into_iter().map(|i| Machine::new(i).run(job)).collect()
}

#[derive(Clone, Copy)]
struct Raw<'a>(&'a Samples);

impl Job for Raw<'_> {
    type Output = [Block; 2];
    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> [Block; 2] {
        let mut out = [[0; 64]; 2];
        kernel.coefficients(self.0, 16, &mut out);
        out
    }
}

#[derive(Clone, Copy)]
struct Levels<'a>(&'a Samples, &'a Quantiser);

impl Job for Levels<'_> {
    type Output = ([Block; 2], [Mask; 2]);
    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> Self::Output {
        let mut out = [[0; 64]; 2];
        let masks = kernel.levels(self.0, 16, self.1, &mut out);
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
                sum += error * error / 256.0;
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

#[test]
fn colours_are_those_of_jfif() {
    for index in 0..=0xFF_FFFF_u32 / 97 {
        let [_, r, g, b] = (index * 97).to_be_bytes();
        let (mut y, mut cb, mut cr) = ([0; CHUNK], [0; CHUNK], [0; CHUNK]);
        Portable.full::<3>([r, g, b].repeat(CHUNK).as_slice(), &mut y, [&mut cb, &mut cr]);
        let (r, g, b) = (f64::from(r), f64::from(g), f64::from(b));
        let exact = [
            0.299 * r + 0.587 * g + 0.114 * b,
            -0.168_735_9 * r - 0.331_264_1 * g + 0.5 * b + 128.0,
            0.5 * r - 0.418_687_6 * g - 0.081_312_4 * b + 128.0,
        ];
        for (got, exact) in [y[0], cb[0], cr[0]].into_iter().zip(exact) {
            let error = f64::from(got ^ 0x80) - exact;
            assert!(error.abs() < 0.51, "{r} {g} {b}: {error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn levels_are_the_rounded_definition(
        samples in proptest::collection::vec(prop_oneof![Just(0u8), Just(127), Just(128), any::<u8>()], 128),
        quality in 1u8..=100,
    ) {
        let samples: Samples = samples.try_into().unwrap();
        let [quantiser, _] = Quantiser::pair(Steps::Standard, quality);
        let results = each(Levels(&samples, &quantiser));
        prop_assert!(results.iter().all(|result| *result == results[0]));
        let (blocks, masks) = &results[0];
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
