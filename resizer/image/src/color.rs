//! A colour with opacity, and its text form.

use std::fmt;

/// An sRGB colour, 8 bits a channel, with straight (not premultiplied) alpha: 0 transparent, 255 opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Color {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
    /// Opacity.
    pub a: u8,
}

impl Color {
    /// Opaque white: Cloudflare's default background.
    pub const WHITE: Self = Self::new(255, 255, 255, 255);
    /// Opaque black.
    pub const BLACK: Self = Self::new(0, 0, 0, 255);
    /// CSS `transparent`: black with no opacity.
    pub const TRANSPARENT: Self = Self::new(0, 0, 0, 0);

    /// A colour from its channels.
    #[must_use]
    pub const fn new(r: u8, g: u8, b: u8, a: u8) -> Self {
        Self { r, g, b, a }
    }

    /// Whether nothing shows through.
    #[must_use]
    pub const fn is_opaque(self) -> bool {
        self.a == 255
    }

    /// Reads `#rgb`, `#rgba`, `#rrggbb`, `#rrggbbaa` (any case) or `white`, `black`, `transparent`. Anything else
    /// is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "white" => return Some(Self::WHITE),
            "black" => return Some(Self::BLACK),
            "transparent" => return Some(Self::TRANSPARENT),
            _ => {}
        }
        let mut digits = [0u8; 8];
        let hex = text.strip_prefix('#')?.as_bytes();
        for (digit, &character) in digits.get_mut(..hex.len())?.iter_mut().zip(hex) {
            *digit = u8::try_from(char::from(character).to_digit(16)?).ok()?;
        }
        let [a, b, c, d, e, f, g, h] = digits;
        Some(match hex.len() {
            3 => Self::new(a * 17, b * 17, c * 17, 255),
            4 => Self::new(a * 17, b * 17, c * 17, d * 17),
            6 => Self::new(a * 16 + b, c * 16 + d, e * 16 + f, 255),
            8 => Self::new(a * 16 + b, c * 16 + d, e * 16 + f, g * 16 + h),
            _ => return None,
        })
    }
}

/// `#rrggbbaa`, lower case, always with the opacity: one text for each colour.
impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}{:02x}", self.r, self.g, self.b, self.a)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_notation() {
        for (text, color) in [
            ("#f00", Color::new(255, 0, 0, 255)),
            ("#F008", Color::new(255, 0, 0, 136)),
            ("#12ab34", Color::new(0x12, 0xAB, 0x34, 255)),
            ("#12AB3480", Color::new(0x12, 0xAB, 0x34, 0x80)),
            ("white", Color::WHITE),
            ("black", Color::BLACK),
            ("transparent", Color::TRANSPARENT),
        ] {
            assert_eq!(Color::parse(text), Some(color), "{text}");
            assert_eq!(Color::parse(&color.to_string()), Some(color));
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "#",
            "f00",
            "#f",
            "#ff",
            "#fffff",
            "#fffffff",
            "#fffffffff",
            "#ggg",
            "#+1+",
            "White",
            "red",
            "#é",
        ] {
            assert_eq!(Color::parse(text), None, "{text}");
        }
    }
}
