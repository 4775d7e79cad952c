//! The numbers that pixels are averaged in: 16-bit integers, of which [`ONE`] is full light, or full value.
//!
//! The step from one sRGB value to the next is at least 5 of them, where it is darkest. Resampling overshoots by up to half of
//! `ONE` on either side, which 16 bits hold.

use std::sync::LazyLock;

/// Full light.
pub(crate) const ONE: i16 = 1 << BITS;

/// The binary logarithm of [`ONE`].
pub(crate) const BITS: u32 = 14;

/// How many numbers there are from 0 to [`ONE`].
pub(crate) const STEPS: usize = (1 << BITS) + 1;

/// The light of an sRGB value, both from 0 to 1 (IEC 61966-2-1).
pub(crate) fn decoded(value: f64) -> f64 {
    if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// The sRGB value of a light, both from 0 to 1 (IEC 61966-2-1).
pub(crate) fn encoded(light: f64) -> f64 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

/// What a number from 0 to 1 is.
#[expect(clippy::cast_possible_truncation, reason = "clamped; NaN becomes 0")]
pub(crate) fn fixed(value: f64) -> i16 {
    (value.clamp(0.0, 1.0) * f64::from(ONE)).round() as i16
}

/// The 8-bit sRGB value of each light from 0 to [`ONE`].
pub(crate) fn srgb_of_light() -> &'static [u8; STEPS] {
    static TABLE: LazyLock<Box<[u8; STEPS]>> = LazyLock::new(|| bytes_of(encoded));
    &TABLE
}

/// The 8-bit value of each value from 0 to [`ONE`].
pub(crate) fn value_of_value() -> &'static [u8; STEPS] {
    static TABLE: LazyLock<Box<[u8; STEPS]>> = LazyLock::new(|| bytes_of(|value| value));
    &TABLE
}

/// What `of` makes of each number from 0 to 1, as bytes.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
pub(crate) fn bytes_of(of: impl Fn(f64) -> f64) -> Box<[u8; STEPS]> {
    let mut table = Box::new([0; STEPS]);
    for (number, value) in (0_u32..).zip(table.iter_mut()) {
        *value = (of(f64::from(number) / f64::from(ONE)).clamp(0.0, 1.0) * 255.0).round() as u8;
    }
    table
}

/// The number of each of `count` values that are evenly spread from 0 to 1, by `of`.
pub(crate) fn table(count: u32, of: impl Fn(f64) -> f64) -> Vec<i16> {
    let last = f64::from(count.saturating_sub(1).max(1));
    (0..count).map(|value| fixed(of(f64::from(value) / last))).collect()
}

/// sRGB's light of 8-bit values, as parabolas over 16 values each: a table that is computed, which is many times as fast where
/// the processor works on many numbers at once. At most 1.3 steps from the truth, a quarter of
/// what is between two values there.
pub(crate) struct Parabolas {
    /// For the upper half of a value's bits: the light of the first value in steps of one half, and what the lower half is
    /// multiplied by, in 32nds, and its square, in 512ths.
    pub(crate) start: [i16; 16],
    pub(crate) slope: [i16; 16],
    pub(crate) bend: [i16; 16],
}

/// A product of numbers with 15 bits behind the point, rounded.
fn product15(a: i16, b: i16) -> i32 {
    (i32::from(a) * i32::from(b) + (1 << 14)) >> 15
}

impl Parabolas {
    /// Those of sRGB.
    pub(crate) fn srgb() -> &'static Self {
        static SRGB: LazyLock<Parabolas> = LazyLock::new(Parabolas::fitted);
        &SRGB
    }

    /// Least squares over each 16 values.
    #[expect(clippy::cast_possible_truncation, reason = "lights and their slopes are below 2^15")]
    fn fitted() -> Self {
        let mut fitted = Self { start: [0; 16], slope: [0; 16], bend: [0; 16] };
        let parts = fitted.start.iter_mut().zip(&mut fitted.slope).zip(&mut fitted.bend);
        for (high, ((start, slope), bend)) in (0_u32..).zip(parts) {
            // The normal equations of 16 points of a parabola around their middle, 7.5: sums of x² and x⁴ are 340 and 12937.
            let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
            for low in 0..16 {
                let light = decoded(f64::from(high * 16 + low) / 255.0) * f64::from(ONE);
                let x = f64::from(low) - 7.5;
                sum += light;
                first += light * x;
                second += light * x * x;
            }
            let c = (second - 340.0 / 16.0 * sum) / (12_937.0 - 340.0 * 340.0 / 16.0);
            let (a, b) = ((sum - 340.0 * c) / 16.0, first / 340.0);
            *bend = (c * 512.0).round() as i16;
            *slope = ((b - 15.0 * c) * 32.0).round() as i16;
            *start = ((a - 7.5 * b + 56.25 * c) * 2.0).round() as i16;
        }
        fitted
    }

    /// The light of a value.
    #[expect(clippy::cast_possible_truncation, reason = "lights are below 2^15")]
    pub(crate) fn light(&self, value: u8) -> i16 {
        let (high, low) = (usize::from(value >> 4), i16::from(value & 15));
        let at = |table: &[i16; 16]| table.get(high).copied().unwrap_or_default();
        let doubled = i32::from(at(&self.start))
            + product15(low << 11, at(&self.slope))
            + product15((low * low) << 7, at(&self.bend));
        (doubled.max(0) >> 1) as i16
    }
}

/// The place of a number in a table of [`STEPS`].
#[inline(always)]
#[expect(clippy::cast_sign_loss, reason = "clamped")]
pub(crate) fn place(number: i16) -> usize {
    usize::from(number.clamp(0, ONE) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_comes_back() {
        let lights = table(256, decoded);
        let values = table(256, |value| value);
        for value in 0..=u8::MAX {
            assert_eq!(srgb_of_light()[place(lights[usize::from(value)])], value);
            assert_eq!(value_of_value()[place(values[usize::from(value)])], value);
        }
        assert!(lights.windows(2).all(|pair| pair[1] - pair[0] >= 4));
    }

    #[test]
    fn parabolas_are_near_the_truth() {
        let curve = Parabolas::srgb();
        let mut last = -1;
        for value in 0..=u8::MAX {
            let (light, exact) = (curve.light(value), decoded(f64::from(value) / 255.0) * f64::from(ONE));
            assert!((f64::from(light) - exact).abs() <= 1.3, "{value}: {light} {exact}");
            assert!(light > last && srgb_of_light()[place(light)] == value, "{value}: {light} {exact}");
            last = light;
        }
        assert_eq!([curve.light(0), curve.light(255)], [0, ONE]);
    }

    #[test]
    fn what_is_out_of_range_is_an_end() {
        assert_eq!(
            [place(i16::MIN), place(-1), place(0), place(ONE), place(i16::MAX)],
            [0, 0, 0, STEPS - 1, STEPS - 1]
        );
        assert_eq!([fixed(-0.5), fixed(2.0), fixed(f64::NAN)], [0, ONE, 0]);
    }
}
