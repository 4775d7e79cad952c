//! Colour: what a file says of it (ICC profiles, PNG's chunks) and CMYK, to 8-bit sRGB.
//!
//! Profiles of curves and a matrix, nearly all that photographs have, cost next to nothing: pixels are resized as light anyway,
//! which the curves give, and the matrix is applied to what comes out. Others are tables, and convert the pixels that are
//! resized. A profile that is damaged, too large, of another
//! colour model than the pixels, or that cannot be converted is ignored: the pixels are taken as sRGB (or as plain CMYK).
//!
//! Profiles are used with the perceptual intent, and as littlecms and browsers do, with black point compensation: the
//! darkest colour of a printing press, which is a gray, becomes black.
//!
//! # Layout
//! - `profile`: ICC profiles, read so that they cost no more than they weigh
//! - `described`: color spaces that are said by numbers
//! - `black`: black point compensation
//! - `to_light`, `from_light`: samples before and after resizing
//! - `straight`: samples that are not resized

use std::sync::Arc;

use moxcms::{
    ColorProfile, DataColorSpace, ToneCurveEvaluator, ToneReprCurve, Transform8BitExecutor, TransformOptions,
};

use self::black::Compensated;
use super::{error::ImageError, pixels::Layout};

mod black;
pub(crate) mod described;
pub(crate) mod from_light;
pub(crate) mod profile;
pub(crate) mod straight;
pub(crate) mod to_light;

/// What a file says of its colours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Embedded {
    /// An ICC profile.
    Icc(Vec<u8>),
    /// An RGB color space in numbers.
    Described(described::Space),
}

/// How the samples of one source become sRGB.
pub(crate) enum Colors {
    /// They are.
    Srgb,
    /// By a curve for each channel, which gives light, and then a matrix.
    Curves(Curves),
    /// By a table of the profile's. Only whole pixels of 8 bits can be converted, so it comes before resizing.
    Pixels(Conversion),
}

/// What takes a value to its light, both from 0 to 1.
type Curve = Box<dyn Fn(f64) -> f64 + Send + Sync>;

/// Curves, and the matrix from the light of red, green and blue to that of sRGB's.
pub(crate) struct Curves {
    /// One for gray, three for colors.
    curves: Vec<Curve>,
    matrix: Option<Matrix>,
}

/// By rows.
type Matrix = [[f32; 3]; 3];

/// A conversion of whole pixels.
pub(crate) enum Conversion {
    /// Of colours whose black is black.
    Direct(Arc<Transform8BitExecutor>),
    /// Of colours whose black is lighter.
    Compensated(Compensated),
    /// Of inks of no known color.
    Plain,
}

impl Colors {
    /// Of pixels of `layout` of a file that says this, if anything.
    pub(crate) fn new(layout: Layout, embedded: Option<&Embedded>) -> Self {
        let found = match embedded {
            Some(Embedded::Icc(profile)) => Self::of_profile(layout, profile),
            Some(Embedded::Described(space)) => Self::of_space(layout, space),
            None => None,
        };
        match found {
            None if layout == Layout::Cmyk => Self::Pixels(Conversion::Plain),
            found => found.unwrap_or(Self::Srgb),
        }
    }

    /// What an embedded profile says. `None`: there is no use for it.
    fn of_profile(layout: Layout, bytes: &[u8]) -> Option<Self> {
        let profile = profile::read(bytes)?;
        let (space, source, target) = match layout {
            Layout::Gray | Layout::GrayAlpha => {
                return (profile.color_space == DataColorSpace::Gray).then(|| gray(&profile))?;
            }
            Layout::Rgb => (DataColorSpace::Rgb, moxcms::Layout::Rgb, moxcms::Layout::Rgb),
            Layout::Rgba => (DataColorSpace::Rgb, moxcms::Layout::Rgba, moxcms::Layout::Rgba),
            // moxcms reads CMYK as four interleaved channels, which it calls Rgba.
            Layout::Cmyk => (DataColorSpace::Cmyk, moxcms::Layout::Rgba, moxcms::Layout::Rgb),
        };
        if profile.color_space != space {
            return None;
        }
        if profile.lut_a_to_b_perceptual.is_none()
            && let Some(curves) = Curves::of(&profile)
        {
            return Some(Self::Curves(curves));
        }
        // Of others black is no light.
        if profile.lut_a_to_b_perceptual.is_some()
            && let Some(compensated) = Compensated::new(&profile, bytes, layout, source, target)
        {
            return Some(Self::Pixels(Conversion::Compensated(compensated)));
        }
        let srgb = ColorProfile::new_srgb();
        let transform = profile.create_transform_8bit(source, &srgb, target, TransformOptions::default());
        Some(Self::Pixels(Conversion::Direct(transform.ok()?)))
    }

    /// What a color space in numbers says.
    fn of_space(layout: Layout, space: &described::Space) -> Option<Self> {
        let mut curves = Curves::of(&space.profile()?)?;
        match layout {
            Layout::Gray | Layout::GrayAlpha => {
                curves.curves.truncate(1);
                curves.matrix = None;
            }
            Layout::Rgb | Layout::Rgba => {}
            Layout::Cmyk => return None,
        }
        Some(Self::Curves(curves))
    }

    /// The layout that pixels have when they are resized, and afterwards.
    pub(crate) const fn layout(&self, source: Layout) -> Layout {
        match source {
            Layout::Cmyk => Layout::Rgb,
            _ => source,
        }
    }
}

impl Curves {
    /// Of a profile that is no more than curves and primaries.
    fn of(profile: &ColorProfile) -> Option<Self> {
        if !profile.is_matrix_shaper() || profile.pcs != DataColorSpace::Xyz {
            return None;
        }
        // Code points inside a profile come before its curves, as moxcms has it.
        let transfer = profile.cicp.map(|cicp| cicp.transfer_characteristics);
        let curves = [&profile.red_trc, &profile.green_trc, &profile.blue_trc].map(|curve| {
            let said = transfer.and_then(|transfer| ToneReprCurve::make_cicp_linear_evaluator(transfer).ok());
            curve_of(said.or_else(|| curve.as_ref()?.make_linear_evaluator().ok())?)
        });
        let curves: Vec<_> = curves.into_iter().collect::<Option<_>>()?;
        let matrix = profile.transform_matrix(&ColorProfile::new_srgb()).to_f32();
        Some(Self { curves, matrix: Some(matrix.v) })
    }

    /// The curve of a channel.
    fn of_channel(&self, channel: usize) -> impl Fn(f64) -> f64 {
        let curve = self.curves.get(channel).or_else(|| self.curves.last());
        move |value| curve.map_or(value, |curve| curve(value))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a profile's own precision")]
fn curve_of(evaluator: Box<dyn ToneCurveEvaluator + Send + Sync>) -> Option<Curve> {
    let ends = [0.0, 1.0].map(|end| evaluator.evaluate_value(end));
    ends.iter()
        .all(|end| end.is_finite())
        .then(|| -> Curve { Box::new(move |value| evaluator.evaluate_value(value as f32).into()) })
}

/// A gray profile's curve.
fn gray(profile: &ColorProfile) -> Option<Colors> {
    let evaluator = curve_of(profile.gray_trc.as_ref()?.make_linear_evaluator().ok()?)?;
    // Of a Lab connection space the curve gives L* (ICC.1:2022, F.2).
    let curve: Curve = if profile.pcs == DataColorSpace::Lab {
        Box::new(move |value| light(evaluator(value)))
    } else {
        evaluator
    };
    Some(Colors::Curves(Curves { curves: vec![curve], matrix: None }))
}

/// The light of L* over 100 (CIE 15, 8.2.1), from 0 to 1.
fn light(lightness: f64) -> f64 {
    let l = lightness.clamp(0.0, 1.0) * 100.0;
    if l > 8.0 { ((l + 16.0) / 116.0).powi(3) } else { l * 27.0 / 24_389.0 }
}

const FAILED: ImageError = ImageError::Internal("color");

impl Conversion {
    /// What converts rows of `length` bytes to sRGB, of the [layout](Colors::layout) after it.
    pub(crate) fn rows(&self, length: usize) -> impl FnMut(&[u8], &mut [u8]) -> Result<(), ImageError> {
        let mut wide = match self {
            Self::Compensated(compensated) => compensated.buffers(length),
            _ => Default::default(),
        };
        move |source, target| match self {
            Self::Direct(transform) => transform.transform(source, target).map_err(|_| FAILED),
            Self::Compensated(compensated) => compensated.transform(source, target, &mut wide).ok_or(FAILED),
            Self::Plain => {
                for (cmyk, rgb) in source.as_chunks::<4>().0.iter().zip(target.as_chunks_mut::<3>().0) {
                    *rgb = plain_cmyk(*cmyk);
                }
                Ok(())
            }
        }
    }
}

/// CMYK without a profile: each ink absorbs its light, black absorbs all.
fn plain_cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let light = u32::from(255 - k);
    [c, m, y].map(|ink| u8::try_from((u32::from(255 - ink) * light + 127) / 255).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests;
