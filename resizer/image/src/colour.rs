//! Colour: what a file says of it (ICC profiles, PNG's chunks) and CMYK, to 8-bit sRGB.
//!
//! Conversion runs on each output, after resampling: outputs are usually far smaller than the source, and their
//! bytes then do not depend on which other outputs a request asks for. A profile that is damaged, too large, of another
//! colour model than the pixels, or that cannot be converted is ignored: the pixels are taken as sRGB (or as plain CMYK).
//!
//! Profiles are used with the perceptual intent, and as littlecms and browsers do, with black point compensation: the
//! darkest colour of a printing press, which is a gray, becomes black.
//!
//! # Layout
//! - `profile`: ICC profiles, read so that they cost no more than they weigh
//! - `described`: color spaces that are said by numbers
//! - `black`: black point compensation

use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, Transform8BitExecutor, TransformOptions};

use self::black::Compensated;
use super::{
    error::ImageError,
    pixels::{Layout, Pixels},
};

mod black;
pub(crate) mod described;
pub(crate) mod profile;

/// What a file says of its colours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Embedded {
    /// An ICC profile.
    Icc(Vec<u8>),
    /// An RGB color space in numbers.
    Described(described::Space),
}

/// How the pixels of one source become sRGB.
pub(crate) struct ToSrgb {
    layout: Layout,
    conversion: Option<Conversion>,
}

/// A conversion of pixels of the source's layout.
enum Conversion {
    /// Of each gray value.
    Curve(Box<[u8; 256]>),
    /// Of colours whose black is black.
    Direct(Arc<Transform8BitExecutor>),
    /// Of colours whose black is lighter.
    Compensated(Compensated),
}

impl ToSrgb {
    /// Prepares for pixels of `layout` of a file that says this, if anything.
    pub(crate) fn new(layout: Layout, embedded: Option<&Embedded>) -> Self {
        let conversion = match embedded {
            Some(Embedded::Icc(profile)) => Conversion::of_profile(layout, profile),
            Some(Embedded::Described(space)) => Conversion::of_space(layout, space),
            None => None,
        };
        Self { layout, conversion }
    }

    /// Converts a picture with straight alpha. Gray stays gray, CMYK becomes RGB.
    pub(crate) fn apply(&self, mut pixels: Pixels) -> Result<Pixels, ImageError> {
        if pixels.layout() != self.layout {
            return Err(ImageError::Internal("colour"));
        }
        match (self.layout, &self.conversion) {
            (Layout::Cmyk, conversion) => cmyk_to_rgb(conversion.as_ref(), &pixels),
            (_, None) => Ok(pixels),
            (Layout::Gray, Some(Conversion::Curve(curve))) => {
                pixels.data_mut().iter_mut().for_each(|y| *y = at(curve, *y));
                Ok(pixels)
            }
            (Layout::GrayAlpha, Some(Conversion::Curve(curve))) => {
                pixels.data_mut().as_chunks_mut::<2>().0.iter_mut().for_each(|[y, _]| *y = at(curve, *y));
                Ok(pixels)
            }
            (_, Some(conversion)) => {
                let stride = pixels.stride();
                let mut source = vec![0; stride];
                let mut row = conversion.rows(stride);
                for target in pixels.data_mut().chunks_exact_mut(stride) {
                    source.copy_from_slice(target);
                    row(&source, target)?;
                }
                Ok(pixels)
            }
        }
    }
}

fn cmyk_to_rgb(conversion: Option<&Conversion>, pixels: &Pixels) -> Result<Pixels, ImageError> {
    let mut output = Pixels::zeroed(pixels.size(), Layout::Rgb)?;
    let stride = output.stride();
    let mut row = conversion.map(|conversion| conversion.rows(pixels.stride()));
    for (source, target) in pixels.rows().zip(output.data_mut().chunks_exact_mut(stride)) {
        if let Some(row) = &mut row {
            row(source, target)?;
        } else {
            for (cmyk, rgb) in source.as_chunks::<4>().0.iter().zip(target.as_chunks_mut::<3>().0) {
                *rgb = plain_cmyk(*cmyk);
            }
        }
    }
    Ok(output)
}

const FAILED: ImageError = ImageError::Internal("colour");

impl Conversion {
    /// The conversion from an embedded profile to sRGB, or none where there is no use for it.
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
        // Of others black is no light.
        if profile.lut_a_to_b_perceptual.is_some()
            && let Some(compensated) = Compensated::new(&profile, bytes, layout, source, target)
        {
            return Some(Self::Compensated(compensated));
        }
        Self::direct(&profile, source, target)
    }

    /// The conversion from a color space in numbers.
    fn of_space(layout: Layout, space: &described::Space) -> Option<Self> {
        let profile = space.profile()?;
        match layout {
            Layout::Gray | Layout::GrayAlpha => {
                let transform = to_srgb(&profile, moxcms::Layout::Rgb, moxcms::Layout::Rgb)?;
                let ramp: Vec<u8> = (0..=255).flat_map(|y| [y; 3]).collect();
                curve(transform.as_ref(), &ramp)
            }
            Layout::Rgb => Self::direct(&profile, moxcms::Layout::Rgb, moxcms::Layout::Rgb),
            Layout::Rgba => Self::direct(&profile, moxcms::Layout::Rgba, moxcms::Layout::Rgba),
            Layout::Cmyk => None,
        }
    }

    fn direct(profile: &ColorProfile, source: moxcms::Layout, target: moxcms::Layout) -> Option<Self> {
        to_srgb(profile, source, target).map(Self::Direct)
    }

    /// What converts rows of `length` bytes.
    fn rows(&self, length: usize) -> impl FnMut(&[u8], &mut [u8]) -> Result<(), ImageError> {
        let mut wide = match self {
            Self::Compensated(compensated) => compensated.buffers(length),
            _ => Default::default(),
        };
        move |source, target| match self {
            Self::Curve(_) => Err(FAILED),
            Self::Direct(transform) => transform.transform(source, target).map_err(|_| FAILED),
            Self::Compensated(compensated) => compensated.transform(source, target, &mut wide).ok_or(FAILED),
        }
    }
}

/// moxcms's transform, 8 bits a channel.
fn to_srgb(
    profile: &ColorProfile,
    source: moxcms::Layout,
    target: moxcms::Layout,
) -> Option<Arc<Transform8BitExecutor>> {
    profile.create_transform_8bit(source, &ColorProfile::new_srgb(), target, TransformOptions::default()).ok()
}

/// A gray profile's conversion.
fn gray(profile: &ColorProfile) -> Option<Conversion> {
    // Of a Lab connection space the curve gives L* (ICC.1:2022, F.2). moxcms takes it for light.
    if profile.pcs == DataColorSpace::Lab
        && let Some(lightness) = &profile.gray_trc
    {
        let evaluator = lightness.make_linear_evaluator().ok()?;
        let mut curve = Box::new([0; 256]);
        for (y, value) in (0..=u8::MAX).zip(curve.iter_mut()) {
            *value = black::encoded(light(evaluator.evaluate_value(f32::from(y) / 255.0)));
        }
        return Some(Conversion::Curve(curve));
    }
    let transform = to_srgb(profile, moxcms::Layout::Gray, moxcms::Layout::Rgb)?;
    curve(transform.as_ref(), &(0..=255).collect::<Vec<_>>())
}

/// The light of L* over 100 (CIE 15, 8.2.1), from 0 to 1.
fn light(lightness: f32) -> f32 {
    let l = lightness.clamp(0.0, 1.0) * 100.0;
    if l > 8.0 { ((l + 16.0) / 116.0).powi(3) } else { l * 27.0 / 24_389.0 }
}

/// What each of the 256 gray values becomes, from a ramp of them.
fn curve(transform: &Transform8BitExecutor, ramp: &[u8]) -> Option<Conversion> {
    let mut colours = [[0; 3]; 256];
    transform.transform(ramp, colours.as_flattened_mut()).ok()?;
    // Channels come out equal; green is as good as any.
    Some(Conversion::Curve(Box::new(colours.map(|[_, green, _]| green))))
}

fn at(curve: &[u8; 256], value: u8) -> u8 {
    curve.get(usize::from(value)).copied().unwrap_or(value)
}

/// CMYK without a profile: each ink absorbs its light, black absorbs all.
fn plain_cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let light = u32::from(255 - k);
    [c, m, y].map(|ink| u8::try_from((u32::from(255 - ink) * light + 127) / 255).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests;
