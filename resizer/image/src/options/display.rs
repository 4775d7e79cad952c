//! The canonical text of an option list.

use std::fmt;

use super::{Fit, FocalMode, FormatChoice, Gravity, Options};

/// The option list as [`Options::parse`] reads it, in a fixed order, with every default spelt out and `#` as `%23`:
/// equal options give equal text (ETags are made of it) and the text can stand in a URL.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.width {
            Some(width) => write!(f, "width={width},")?,
            None if self.auto_width => f.write_str("width=auto,")?,
            None => {}
        }
        if let Some(height) = self.height {
            write!(f, "height={height},")?;
        }
        // Adding 0.0 turns -0.0, which equals 0.0, into the same text.
        write!(
            f,
            "fit={},gravity={},dpr={},quality={},format={}",
            self.fit.name(),
            self.gravity,
            self.dpr + 0.0,
            self.quality,
            self.format.name()
        )?;
        match self.background {
            Some(color) => write!(f, ",background={}", color.to_string().replace('#', "%23")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Gravity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Center => f.write_str("center"),
            Self::Left => f.write_str("left"),
            Self::Right => f.write_str("right"),
            Self::Top => f.write_str("top"),
            Self::Bottom => f.write_str("bottom"),
            Self::Point { x, y, mode } => {
                write!(f, "{}x{}", x + 0.0, y + 0.0)?;
                match mode {
                    FocalMode::Remainder => Ok(()),
                    FocalMode::BoxCenter => f.write_str(BOX_CENTER_SUFFIX),
                }
            }
        }
    }
}

/// Our addition to Cloudflare's `XxY`, whose URL form has no word for the mode.
pub(super) const BOX_CENTER_SUFFIX: &str = ":box-center";

impl Fit {
    /// Every mode.
    pub const ALL: [Self; 8] = [
        Self::ScaleDown,
        Self::Contain,
        Self::Cover,
        Self::Crop,
        Self::AspectCrop,
        Self::Pad,
        Self::Squeeze,
        Self::ScaleUp,
    ];

    /// Cloudflare's name of the mode.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScaleDown => "scale-down",
            Self::Contain => "contain",
            Self::Cover => "cover",
            Self::Crop => "crop",
            Self::AspectCrop => "aspect-crop",
            Self::Pad => "pad",
            Self::Squeeze => "squeeze",
            Self::ScaleUp => "scale-up",
        }
    }
}

impl FormatChoice {
    /// Every choice.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Jpeg, Self::Png, Self::Webp, Self::WebpLossless];

    /// The name in an option list. `webp-lossless` is our addition to Cloudflare's names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::WebpLossless => "webp-lossless",
        }
    }
}
