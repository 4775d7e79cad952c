//! What is asked of one output picture, and when that is valid.
//!
//! Semantics follow Cloudflare Images; see [`plan`](super::plan) for the geometry and [`Options::parse`] for the text
//! form. An option is a field of [`Options`] and an entry of the [`table`], from which everything else follows.

use std::num::NonZeroU32;

use super::color::Color;

mod display;
mod names;
mod parse;
pub mod table;

/// Largest device pixel ratio, Cloudflare's.
pub const MAX_DPR: f64 = 2.0;

/// Largest blur, Cloudflare's.
pub const MAX_BLUR: f64 = 250.0;

/// Encoder quality when none is asked for, Cloudflare's.
pub const DEFAULT_QUALITY: u8 = 85;

/// Quality from which WebP is lossless, as on Cloudflare.
pub const LOSSLESS_WEBP_QUALITY: u8 = 100;

/// How one output is made from a source. [`Default`] changes nothing but the encoding.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Target width in pixels, before `dpr`. Unset: derived from `height`.
    pub width: Option<NonZeroU32>,
    /// Whether the width is to be the viewer's. Whoever knows the viewer sets `width` and takes this back before anything is
    /// planned; the plan does not know it.
    pub auto_width: bool,
    /// Target height in pixels, before `dpr`. Unset: derived from `width`. With neither set nothing is resized.
    pub height: Option<NonZeroU32>,
    /// How the picture fills width x height.
    pub fit: Fit,
    /// Which part survives when `fit` crops.
    pub gravity: Gravity,
    /// Device pixel ratio: multiplies width and height. Above 0, at most [`MAX_DPR`].
    pub dpr: f64,
    /// Encoder quality, 1 to 100, for JPEG and lossy WebP.
    pub quality: u8,
    /// The output format.
    pub format: FormatChoice,
    /// The colour behind transparent pixels and in the bars of [`Fit::Pad`]. Unset: bars and JPEG use opaque white
    /// and transparency stays in formats that have it.
    pub background: Option<Color>,
    /// How much time an output may take, for its looks and its bytes.
    pub quality_profile: QualityProfile,
    /// How many colour samples a JPEG has.
    pub chroma: Chroma,
    /// What is averaged when pixels are: light, or the numbers in the file.
    pub light: Light,
    /// The resampling filter. Unset: the profile's, which is Lanczos3 for all.
    pub kernel: Option<Kernel>,
    /// Gaussian blur of the resized picture: twice the standard deviation in its pixels. 0 to [`MAX_BLUR`]; 0 is none.
    pub blur: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            width: None,
            auto_width: false,
            height: None,
            fit: Fit::default(),
            gravity: Gravity::default(),
            dpr: 1.0,
            quality: DEFAULT_QUALITY,
            format: FormatChoice::default(),
            background: None,
            quality_profile: QualityProfile::default(),
            chroma: Chroma::default(),
            light: Light::default(),
            kernel: None,
            blur: 0.0,
        }
    }
}

/// How a picture of another shape is made to fit the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Fit {
    /// Fit inside, never enlarge.
    #[default]
    ScaleDown,
    /// Fit inside, as large as possible.
    Contain,
    /// Fill exactly, cropping what overflows.
    Cover,
    /// Like cover, but never enlarges: a smaller side keeps its size.
    Crop,
    /// Always the target's ratio: like cover for a larger source, a smaller one is cropped and not enlarged.
    AspectCrop,
    /// Like contain, then centred on a canvas of exactly the target size.
    Pad,
    /// Exactly the target size, distorting.
    Squeeze,
    /// Fit inside, never shrink.
    ScaleUp,
}

/// Which part of a picture matters when it is cropped.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Gravity {
    /// The centre.
    #[default]
    Center,
    /// Keep the left side.
    Left,
    /// Keep the right side.
    Right,
    /// Keep the top side.
    Top,
    /// Keep the bottom side.
    Bottom,
    /// A point in relative coordinates, 0,0 = top left, 1,1 = bottom right.
    Point {
        /// Horizontal position, 0 to 1.
        x: f64,
        /// Vertical position, 0 to 1.
        y: f64,
        /// How the crop box is placed from the point.
        mode: FocalMode,
    },
}

/// How a crop box is placed from a focal point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FocalMode {
    /// The point at (x, y) of the output lies on the point at (x, y) of the source (CSS `object-position`).
    #[default]
    Remainder,
    /// The crop box is centred on the point, then moved inside the picture.
    BoxCenter,
}

/// Which format is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FormatChoice {
    /// By what the viewer accepts and whether the output has transparency; see [`accept`](super::accept).
    #[default]
    Auto,
    /// JPEG: see [`QualityProfile`] and [`Chroma`].
    Jpeg,
    /// PNG, 8 bits a channel.
    Png,
    /// WebP: lossy, or lossless at [`LOSSLESS_WEBP_QUALITY`].
    Webp,
    /// WebP, lossless at any quality.
    WebpLossless,
}

/// How far a decoder may reduce a picture itself, and how hard encoders try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum QualityProfile {
    /// Least time.
    Fast,
    /// Best looks and bytes for little time.
    #[default]
    Balanced,
    /// Fewest bytes and best looks, for several times the time.
    Best,
}

/// Colour samples of a JPEG for each pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Chroma {
    /// By quality, and by whether the picture has sharp edges of colour.
    #[default]
    Auto,
    /// One for four pixels (4:2:0).
    Quarter,
    /// One for each pixel (4:4:4).
    Full,
}

/// What is averaged when pixels are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Light {
    /// Light: what an eye does that sees the picture from farther away.
    #[default]
    Linear,
    /// The numbers in the file, as most programs do it. Fine bright detail becomes darker.
    Srgb,
}

/// A resampling filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// Lanczos of three lobes: sharpest.
    #[default]
    Lanczos3,
    /// Mitchell and Netravali's cubic, B = C = 1/3: no halos to speak of.
    Mitchell,
    /// Catmull and Rom's cubic.
    CatmullRom,
    /// A triangle.
    Bilinear,
    /// The plain mean of what a pixel covers.
    Box,
    /// The nearest pixel.
    Nearest,
}

/// One option that cannot be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The option's name, in full (`width`, never `w`); of an unknown option, the name as given.
    pub field: String,
    /// What is wrong with it, for the caller.
    pub description: String,
}

impl Violation {
    fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into() }
    }
}

impl Options {
    /// Checks every value. Nothing is ever clamped.
    ///
    /// # Errors
    /// All violations at once, in the order of the table.
    pub fn validate(&self) -> Result<(), Vec<Violation>> {
        let violations: Vec<_> = table::TABLE.iter().filter_map(|entry| entry.check(self).err()).collect();
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }
}

#[cfg(test)]
mod tests;
