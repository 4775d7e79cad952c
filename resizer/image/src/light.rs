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
    fn what_is_out_of_range_is_an_end() {
        assert_eq!([place(i16::MIN), place(-1), place(0), place(ONE), place(i16::MAX)], [0, 0, 0, STEPS - 1, STEPS - 1]);
        assert_eq!([fixed(-0.5), fixed(2.0), fixed(f64::NAN)], [0, ONE, 0]);
    }
}
