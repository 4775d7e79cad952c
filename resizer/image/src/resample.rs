//! Cropping and resizing in one pass: Lanczos3, with alpha premultiplied.

use fast_image_resize::{
    FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};

use super::{
    error::ImageError,
    pixels::{Layout, Pixels},
    plan::CropBox,
    size::Size,
};

/// Cuts `crop` out of `source` and makes it `size` pixels large. Where a picture has alpha it must be
/// [premultiplied](premultiply) before and comes out premultiplied.
pub(crate) fn resample(source: &Pixels, crop: CropBox, size: Size) -> Result<Pixels, ImageError> {
    let pixel_type = pixel_type(source.layout());
    let view = ImageRef::new(source.size().width, source.size().height, source.data(), pixel_type)
        .map_err(|_| ImageError::Internal("resample source"))?;
    let mut output = Image::new(size.width, size.height, pixel_type);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .use_alpha(false)
        .crop(crop.left, crop.top, crop.width, crop.height);
    Resizer::new().resize(&view, &mut output, &options).map_err(|_| ImageError::Internal("resample"))?;
    Pixels::new(size, source.layout(), output.into_vec())
}

/// Cuts a box with whole edges out of `source`: a plain copy. Edges outside the source are an error.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole numbers within a picture's sides; the cast saturates and the slices are checked"
)]
pub(crate) fn cut(source: &Pixels, crop: CropBox, size: Size) -> Result<Pixels, ImageError> {
    let channels = source.layout().channels();
    let mut output = Pixels::zeroed(size, source.layout())?;
    let (left, top) = ((crop.left as usize).saturating_mul(channels), crop.top as usize);
    let stride = output.stride();
    let mut rows = source.rows().skip(top);
    for target in output.data_mut().chunks_exact_mut(stride) {
        let row =
            rows.next().and_then(|row| row.get(left..)?.get(..stride)).ok_or(ImageError::Internal("crop"))?;
        target.copy_from_slice(row);
    }
    Ok(output)
}

/// Multiplies colour by alpha in place, so that the colour of transparent pixels has no weight when resampled.
pub(crate) fn premultiply(pixels: &mut Pixels) -> Result<(), ImageError> {
    in_place(pixels, |scale, image| scale.multiply_alpha_inplace(image).is_ok())
}

/// Undoes [`premultiply`], within rounding.
pub(crate) fn unpremultiply(pixels: &mut Pixels) -> Result<(), ImageError> {
    in_place(pixels, |scale, image| scale.divide_alpha_inplace(image).is_ok())
}

fn in_place(pixels: &mut Pixels, change: impl Fn(&MulDiv, &mut Image<'_>) -> bool) -> Result<(), ImageError> {
    if !pixels.layout().has_alpha() {
        return Ok(());
    }
    let (size, layout) = (pixels.size(), pixels.layout());
    let done = Image::from_slice_u8(size.width, size.height, pixels.data_mut(), pixel_type(layout))
        .is_ok_and(|mut image| change(&MulDiv::new(), &mut image));
    if done { Ok(()) } else { Err(ImageError::Internal("alpha")) }
}

const fn pixel_type(layout: Layout) -> PixelType {
    match layout {
        Layout::Gray => PixelType::U8,
        Layout::GrayAlpha => PixelType::U8x2,
        Layout::Rgb => PixelType::U8x3,
        Layout::Rgba | Layout::Cmyk => PixelType::U8x4,
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "test pictures of known sizes")]
mod tests;
