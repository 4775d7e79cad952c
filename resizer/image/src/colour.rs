//! Colour: embedded ICC profiles and CMYK, to 8-bit sRGB.
//!
//! Conversion runs on each output, after resampling: outputs are usually far smaller than the source, and their
//! bytes then do not depend on which other outputs a request asks for. A profile that is damaged, too large, of another
//! colour model than the pixels, or that cannot be converted is ignored: the pixels are taken as sRGB (or as plain CMYK). PNG's gAMA
//! and cHRM chunks are ignored, as browsers do for pictures that are mostly sRGB anyway.

use std::sync::Arc;

use moxcms::{ColorProfile, DataColorSpace, Transform8BitExecutor, TransformOptions};

use super::{
    error::ImageError,
    pixels::{Layout, Pixels},
};

pub(crate) mod profile;

/// How the pixels of one source become sRGB.
pub(crate) struct ToSrgb {
    layout: Layout,
    transform: Option<Arc<Transform8BitExecutor>>,
}

impl ToSrgb {
    /// Prepares for pixels of `layout` with an embedded profile, if there is one.
    pub(crate) fn new(layout: Layout, profile: Option<&[u8]>) -> Self {
        Self { layout, transform: profile.and_then(|profile| transform(layout, profile)) }
    }

    /// Converts a picture with straight alpha. Gray stays gray, CMYK becomes RGB.
    pub(crate) fn apply(&self, mut pixels: Pixels) -> Result<Pixels, ImageError> {
        if pixels.layout() != self.layout {
            return Err(ImageError::Internal("colour"));
        }
        match (self.layout, &self.transform) {
            (Layout::Cmyk, _) => self.cmyk_to_rgb(&pixels),
            (_, None) => Ok(pixels),
            (Layout::Gray, Some(transform)) => {
                let curve = gray_curve(transform.as_ref())?;
                pixels.data_mut().iter_mut().for_each(|y| *y = curve_at(&curve, *y));
                Ok(pixels)
            }
            (Layout::GrayAlpha, Some(transform)) => {
                let curve = gray_curve(transform.as_ref())?;
                pixels
                    .data_mut()
                    .as_chunks_mut::<2>()
                    .0
                    .iter_mut()
                    .for_each(|[y, _]| *y = curve_at(&curve, *y));
                Ok(pixels)
            }
            (Layout::Rgb | Layout::Rgba, Some(transform)) => {
                let stride = pixels.stride();
                let mut source = vec![0; stride];
                for row in pixels.data_mut().chunks_exact_mut(stride) {
                    source.copy_from_slice(row);
                    transform.transform(&source, row).map_err(|_| ImageError::Internal("colour"))?;
                }
                Ok(pixels)
            }
        }
    }

    fn cmyk_to_rgb(&self, pixels: &Pixels) -> Result<Pixels, ImageError> {
        let mut output = Pixels::zeroed(pixels.size(), Layout::Rgb)?;
        let stride = output.stride();
        for (source, target) in pixels.rows().zip(output.data_mut().chunks_exact_mut(stride)) {
            match &self.transform {
                Some(transform) => {
                    transform.transform(source, target).map_err(|_| ImageError::Internal("colour"))?;
                }
                None => {
                    for (cmyk, rgb) in source.as_chunks::<4>().0.iter().zip(target.as_chunks_mut::<3>().0) {
                        *rgb = plain_cmyk(*cmyk);
                    }
                }
            }
        }
        Ok(output)
    }
}

/// The transform from an embedded profile to sRGB, or none where there is no use for it.
fn transform(layout: Layout, profile: &[u8]) -> Option<Arc<Transform8BitExecutor>> {
    let profile = profile::read(profile)?;
    let (space, source, target) = match layout {
        Layout::Gray | Layout::GrayAlpha => (DataColorSpace::Gray, moxcms::Layout::Gray, moxcms::Layout::Rgb),
        Layout::Rgb => (DataColorSpace::Rgb, moxcms::Layout::Rgb, moxcms::Layout::Rgb),
        Layout::Rgba => (DataColorSpace::Rgb, moxcms::Layout::Rgba, moxcms::Layout::Rgba),
        // moxcms reads CMYK as four interleaved channels, which it calls Rgba.
        Layout::Cmyk => (DataColorSpace::Cmyk, moxcms::Layout::Rgba, moxcms::Layout::Rgb),
    };
    if profile.color_space != space {
        return None;
    }
    profile.create_transform_8bit(source, &ColorProfile::new_srgb(), target, TransformOptions::default()).ok()
}

/// What each of the 256 gray values becomes.
fn gray_curve(transform: &Transform8BitExecutor) -> Result<[[u8; 3]; 256], ImageError> {
    let ramp: Vec<u8> = (0..=255).collect();
    let mut curve = [[0; 3]; 256];
    transform.transform(&ramp, curve.as_flattened_mut()).map_err(|_| ImageError::Internal("colour"))?;
    Ok(curve)
}

fn curve_at(curve: &[[u8; 3]; 256], value: u8) -> u8 {
    // Gray profiles give equal channels; green is as good as any.
    curve.get(usize::from(value)).map_or(value, |&[_, green, _]| green)
}

/// CMYK without a profile: each ink absorbs its light, black absorbs all.
fn plain_cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let light = u32::from(255 - k);
    [c, m, y].map(|ink| u8::try_from((u32::from(255 - ink) * light + 127) / 255).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests;
