//! Quantisation tables (ITU-T T.81, Annex K.1, scaled as libjpeg scales them) and division by multiplication.

/// Natural (row by row) index of the k-th coefficient in zigzag order (ITU-T T.81, figure A.6).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14,
    21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53,
    60, 61, 54, 47, 55, 62, 63,
];

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
const LUMA: [u8; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29,
    51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121,
    120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

/// Table K.2, natural order.
const CHROMA: [u8; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
];

/// The transform's output is 8 (the two passes' gain) × 4 (fraction bits) times the orthonormal DCT.
pub(super) const TRANSFORM_GAIN: u16 = 32;

/// One quantisation table and its reciprocals.
#[derive(Debug, Clone)]
pub(super) struct Quantiser {
    /// Steps in zigzag order, as the file holds them (8 bits at every quality: baseline).
    pub(super) steps: [u8; 64],
    /// Half the divisor, in the transform's order: makes the division round to nearest.
    pub(super) half: [u16; 64],
    /// `x / divisor == (x * reciprocal >> 16) * scale >> 16`, both in the transform's order.
    pub(super) reciprocal: [u16; 64],
    /// A power of two; see `reciprocal`.
    pub(super) scale: [u16; 64],
}

impl Quantiser {
    /// Table K.1 at a quality of 1–100.
    pub(super) fn luma(quality: u8) -> Self {
        Self::scaled(&LUMA, quality)
    }

    /// Table K.2 at a quality of 1–100.
    pub(super) fn chroma(quality: u8) -> Self {
        Self::scaled(&CHROMA, quality)
    }

    /// libjpeg's `jpeg_quality_scaling`: 50 is the table itself, 100 all ones, clamped to one byte.
    fn scaled(table: &[u8; 64], quality: u8) -> Self {
        let quality = u32::from(quality.clamp(1, 100));
        let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
        let mut this = Self { steps: [1; 64], half: [0; 64], reciprocal: [0; 64], scale: [0; 64] };
        for (k, (&natural, &transposed)) in ZIGZAG.iter().zip(&ZIGZAG_TRANSPOSED).enumerate() {
            let step = (u32::from(table[usize::from(natural)]) * percent + 50) / 100;
            let step = u8::try_from(step.clamp(1, 255)).unwrap_or(u8::MAX);
            let at = usize::from(transposed);
            this.steps[k] = step;
            let divisor = TRANSFORM_GAIN * u16::from(step);
            this.half[at] = divisor / 2;
            (this.reciprocal[at], this.scale[at]) = reciprocal(divisor);
        }
        this
    }
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

    #[test]
    fn tables_scale_as_libjpeg() {
        assert!(Quantiser::luma(100).steps.iter().all(|&step| step == 1));
        assert_eq!(Quantiser::luma(50).steps[..4], [16, 11, 12, 14]);
        assert_eq!(Quantiser::luma(1).steps[0], 255);
        assert_eq!(Quantiser::luma(80).steps[..3], [6, 4, 5]);
    }

    #[test]
    fn division_by_multiplication_rounds_to_nearest() {
        for step in 1..=255u16 {
            let divisor = step * TRANSFORM_GAIN;
            let (reciprocal, scale) = reciprocal(divisor);
            for x in (0..=0x8000u32).step_by(7) {
                let biased = x + u32::from(divisor / 2);
                let got = ((biased * u32::from(reciprocal)) >> 16) * u32::from(scale) >> 16;
                assert_eq!(got, biased / u32::from(divisor), "{x} / {divisor}");
            }
        }
    }
}
