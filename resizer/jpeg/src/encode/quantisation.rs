//! Quantisation tables (ITU-T T.81, Annex K.1, scaled as libjpeg scales them) and division by multiplication.

#[cfg(test)]
use super::kernel::{Block, Mask, WIDE};
use super::settings::{Effort, Steps};

pub(super) use crate::common::zigzag::NATURAL as ZIGZAG;

/// Position of the k-th zigzag coefficient in the order the transform leaves them in, column by column:
/// the second pass works on columns without transposing back.
pub(super) const ZIGZAG_TRANSPOSED: [u8; 64] = {
    let mut table = [0; 64];
    let mut k = 0;
    while k < 64 {
        table[k] = (ZIGZAG[k] % 8) * 8 + ZIGZAG[k] / 8;
        k += 1;
    }
    table
};

/// Table K.1, natural order.
const LUMA: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17,
    22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78,
    87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

/// Table K.2, natural order.
const CHROMA: [u16; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// A table for both, by Nicolas Robidoux, natural order: coarser than Annex K for fine detail, finer for coarse detail.
/// Published on ImageMagick's forum (topic 20333, post 98008); mozjpeg's table 3, the one it uses unless told otherwise.
const ROBIDOUX: [u16; 64] = [
    16, 16, 16, 18, 25, 37, 56, 85, 16, 17, 20, 27, 34, 40, 53, 75, 16, 20, 24, 31, 43, 62, 91, 135, 18, 27,
    31, 40, 53, 74, 106, 156, 25, 34, 43, 53, 69, 94, 131, 189, 37, 40, 62, 74, 94, 124, 169, 238, 56, 53,
    91, 106, 131, 169, 226, 311, 85, 75, 135, 156, 189, 238, 311, 418,
];

/// Luma of [`Steps::Radial`], natural order: `160·(1 + (r / 1.2)^0.9)`, where r is a frequency's distance from DC,
/// `√(u² + v²)`. Shape and growth were chosen by bytes at equal SSIMULACRA2 on ten photographs.
const RADIAL_LUMA: [u16; 64] = [
    160, 296, 413, 525, 633, 738, 841, 942, 296, 345, 440, 543, 646, 748, 850, 950, 413, 440, 506, 591, 683,
    778, 874, 971, 525, 543, 591, 659, 738, 824, 913, 1004, 633, 646, 683, 738, 806, 882, 964, 1049, 738,
    748, 778, 824, 882, 950, 1023, 1102, 841, 850, 874, 913, 964, 1023, 1090, 1163, 942, 950, 971, 1004,
    1049, 1102, 1163, 1229,
];

/// Chroma of [`Steps::Radial`]: `160·(1 + r / 1.5)`.
const RADIAL_CHROMA: [u16; 64] = [
    160, 267, 373, 480, 587, 693, 800, 907, 267, 311, 399, 497, 600, 704, 809, 914, 373, 399, 462, 545, 637,
    734, 835, 937, 480, 497, 545, 613, 693, 782, 876, 972, 587, 600, 637, 693, 763, 843, 929, 1020, 693, 704,
    734, 782, 843, 914, 993, 1078, 800, 809, 835, 876, 929, 993, 1065, 1143, 907, 914, 937, 972, 1020, 1078,
    1143, 1216,
];

/// [`Steps::Radial`] divides by `scale · percentᴾᴼᵂᴱᴿ`, percent as libjpeg has it: so that a picture scores one to two points
/// more in SSIMULACRA2 than with libjpeg's tables at the same quality, for fewer bytes.
const RADIAL_POWER: f64 = 0.9;
/// The scale for rounded levels, and for those of the trellis, which loses a point of score.
const RADIAL_SCALE: [f64; 2] = [0.000_81, 0.000_756];

/// The transform's output is 8 (the two passes' gain) × 4 (fraction bits) times the orthonormal DCT.
pub(super) const TRANSFORM_GAIN: u16 = 32;

/// Coefficients are rounded up from this many of their own units (1/32) below half a step. libjpeg, whose coefficients
/// have three fraction bits to our five, does so from about two below. On six Kodak pictures at 50, 80, 92 and 100:
/// with 0, files are 0.1–0.3 % smaller than libjpeg-turbo's (1.5 % at 100) and score up to 0.015 less in SSIMULACRA2;
/// with 1, they are still smaller and score more throughout; with 2, they are larger.
const UP: u16 = 1;

/// One quantisation table and its reciprocals.
#[derive(Debug, Clone)]
pub(super) struct Quantiser {
    /// Steps in zigzag order, as the file holds them (8 bits at every quality: baseline).
    pub(super) steps: [u8; 64],
    /// Half the divisor and [`UP`], in the transform's order: makes the division round.
    pub(super) half: [u16; 64],
    /// `x / divisor == (x * reciprocal >> 16) * scale >> 16`, both in the transform's order.
    pub(super) reciprocal: [u16; 64],
    /// A power of two; see `reciprocal`.
    pub(super) scale: [u16; 64],
    /// One over the divisor, in zigzag order.
    pub(super) inverse: [f32; 64],
}

impl Quantiser {
    /// The tables of luma and chroma at a quality of 1–100, for levels chosen with that effort.
    pub(super) fn pair(steps: Steps, quality: u8, effort: Effort) -> [Self; 2] {
        match steps {
            Steps::Radial => [&RADIAL_LUMA, &RADIAL_CHROMA].map(|table| Self::radial(table, quality, effort)),
            Steps::Standard => [Self::scaled(&LUMA, quality), Self::scaled(&CHROMA, quality)],
            Steps::Robidoux => [Self::scaled(&ROBIDOUX, quality), Self::scaled(&ROBIDOUX, quality)],
        }
    }

    /// libjpeg's `jpeg_quality_scaling`: 50 is the table itself, 100 all ones, clamped to one byte.
    fn scaled(table: &[u16; 64], quality: u8) -> Self {
        let percent = percent(quality);
        Self::new(table.map(|step| {
            let step = (u32::from(step) * percent + 50) / 100;
            u8::try_from(step.clamp(1, 255)).unwrap_or(u8::MAX)
        }))
    }

    /// The scale of [`RADIAL_POWER`], rounded, clamped to one byte; all ones at quality 100.
    fn radial(table: &[u16; 64], quality: u8, effort: Effort) -> Self {
        let [plain, trellis] = RADIAL_SCALE;
        let scale = if effort == Effort::Trellis { trellis } else { plain };
        let scale = scale * f64::from(percent(quality)).powf(RADIAL_POWER);
        Self::new(table.map(|step| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 255")]
            let step = (f64::from(step) * scale).round().clamp(1.0, 255.0) as u8;
            step
        }))
    }

    /// From steps in natural order.
    fn new(steps: [u8; 64]) -> Self {
        let mut this =
            Self { steps: [1; 64], half: [0; 64], reciprocal: [0; 64], scale: [0; 64], inverse: [1.0; 64] };
        for (k, (&natural, &transposed)) in ZIGZAG.iter().zip(&ZIGZAG_TRANSPOSED).enumerate() {
            let step = steps[usize::from(natural)];
            let at = usize::from(transposed);
            this.steps[k] = step;
            let divisor = TRANSFORM_GAIN * u16::from(step);
            this.inverse[k] = 1.0 / f32::from(divisor);
            this.half[at] = divisor / 2 + UP;
            (this.reciprocal[at], this.scale[at]) = reciprocal(divisor);
        }
        this
    }
}

/// libjpeg's scale of a quality, percent: 100 at 50, 0 at 100.
fn percent(quality: u8) -> u32 {
    let quality = u32::from(quality.clamp(1, 100));
    if quality < 50 { 5000 / quality } else { 200 - 2 * quality }
}

impl Quantiser {
    /// The level nearest to a coefficient at a place in the transform's order.
    #[inline(always)]
    pub(super) fn level(&self, coefficient: i16, at: usize) -> i16 {
        let biased = coefficient.unsigned_abs() + self.half[at];
        let level = mulhi(mulhi(biased, self.reciprocal[at]), self.scale[at]).cast_signed();
        if coefficient < 0 { -level } else { level }
    }
}

#[cfg(test)]
impl Quantiser {
    /// Levels of a whole block in zigzag order, from the transform's order.
    pub(super) fn round(&self, raw: &Block) -> (Block, Mask) {
        let mut levels = [0; 64];
        for (at, (level, &coefficient)) in levels.iter_mut().zip(raw).enumerate() {
            *level = self.level(coefficient, at);
        }
        let mut sorted = [0; 64];
        for (out, &at) in sorted.iter_mut().zip(&ZIGZAG_TRANSPOSED) {
            *out = levels[usize::from(at) & 63];
        }
        levels[0] = 0;
        let wide = levels.iter().fold(0, |all, level| all | level.unsigned_abs()) > 127;
        let mut ones = [0u8; 64];
        for (one, &level) in ones.iter_mut().zip(&sorted) {
            *one = u8::from(level != 0);
        }
        // Eight bytes of 0 or 1 become the bits of the product's top byte.
        let mask = ones.as_chunks().0.iter().rev().fold(0, |mask, &ones| {
            mask << 8 | u64::from_le_bytes(ones).wrapping_mul(0x0102_0408_1020_4080) >> 56
        });
        (sorted, mask & !WIDE | u64::from(wide))
    }
}

/// The upper half of a product of 16-bit numbers.
#[inline(always)]
pub(super) const fn mulhi(a: u16, b: u16) -> u16 {
    ((a as u32 * b as u32) >> 16) as u16
}

/// The largest power of two that keeps the reciprocal within 16 bits gives it the most precision.
fn reciprocal(divisor: u16) -> (u16, u16) {
    let mut shift = divisor.ilog2();
    if divisor.is_power_of_two() {
        shift -= 1;
    }
    let reciprocal = (1u64 << (16 + shift)).div_ceil(u64::from(divisor));
    (u16::try_from(reciprocal).unwrap_or(u16::MAX), 1 << (16 - shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luma(quality: u8) -> Quantiser {
        let [luma, _] = Quantiser::pair(Steps::Standard, quality, Effort::Plain);
        luma
    }

    #[test]
    fn tables_scale_as_libjpeg() {
        assert!(luma(100).steps.iter().all(|&step| step == 1));
        assert_eq!(luma(50).steps[..4], [16, 11, 12, 14]);
        assert_eq!(luma(1).steps[0], 255);
        assert_eq!(luma(80).steps[..3], [6, 4, 5]);
    }

    #[test]
    fn radial_steps_shrink_with_quality_to_one() {
        for effort in [Effort::Plain, Effort::Trellis] {
            let all =
                (1..=100).map(|quality| Quantiser::pair(Steps::Radial, quality, effort)).collect::<Vec<_>>();
            for pairs in all.windows(2) {
                for (worse, better) in pairs[0].iter().zip(&pairs[1]) {
                    assert!(worse.steps.iter().zip(&better.steps).all(|(worse, better)| worse >= better));
                }
            }
            assert!(all[99].iter().all(|quantiser| quantiser.steps == [1; 64]));
        }
    }

    #[test]
    fn division_by_multiplication_rounds_to_nearest() {
        for step in 1..=255u16 {
            let divisor = step * TRANSFORM_GAIN;
            let (reciprocal, scale) = reciprocal(divisor);
            for x in (0..=0x8000u32).step_by(7) {
                let biased = x + u32::from(divisor / 2);
                let got = (((biased * u32::from(reciprocal)) >> 16) * u32::from(scale)) >> 16;
                assert_eq!(got, biased / u32::from(divisor), "{x} / {divisor}");
            }
        }
    }
}
