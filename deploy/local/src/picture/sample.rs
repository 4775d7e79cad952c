//! Small pictures for tests: four quadrants of one flat colour each, in every format that the resizer reads.
//!
//! Flat colours survive lossy coding and resampling (away from the seams), so a test can ask for the colour in the
//! middle of a quadrant and know by it which part of the picture it sees, and which way up.

use std::io::Cursor;

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{
    DynamicImage, ExtendedColorType, Frame, ImageEncoder, ImageError, ImageFormat, Rgb, RgbImage, Rgba,
    RgbaImage,
};

/// Colours of the quadrants: top left, top right, bottom left, bottom right.
pub const COLOURS: [[u8; 3]; 4] = [[200, 30, 30], [30, 160, 60], [30, 60, 200], [230, 200, 40]];

/// Alphas of the quadrants of [`rgba_png`]. The bottom left one is wholly transparent over a colour that must not
/// bleed into its neighbours when the picture is resampled.
pub const ALPHAS: [u8; 4] = [255, 128, 0, 255];

/// High enough that a flat colour comes back within 3 of 255.
const JPEG_QUALITY: u8 = 95;

/// The picture that the encoded ones hold, in pixels. Odd sizes give the middle line to the right and the bottom.
pub fn quadrants(width: u16, height: u16) -> RgbImage {
    RgbImage::from_fn(width.into(), height.into(), |x, y| Rgb(COLOURS[quadrant(x, y, width, height)]))
}

/// A baseline JPEG without metadata.
///
/// # Errors
/// The encoder's, on a side of 0; so for all of this module.
pub fn jpeg(width: u16, height: u16) -> Result<Vec<u8>, ImageError> {
    encode_jpeg(&quadrants(width, height), None)
}

/// A JPEG that looks like [`quadrants`]`(width, height)` to a viewer that heeds its EXIF orientation, 1 to 8; another
/// number is written as it is over upright pixels. For 5 to 8 the stored pixels are `height` × `width`.
///
/// The pixels are placed by the definition of the tag (TIFF 6.0, "Orientation", page 36: which side of the picture
/// the stored row 0 and column 0 are), not by turning and flipping: code under test that confuses two turns differs.
///
/// # Errors
/// As [`jpeg`].
pub fn oriented_jpeg(width: u16, height: u16, orientation: u8) -> Result<Vec<u8>, ImageError> {
    let upright = quadrants(width, height);
    let (right, bottom) = (u32::from(width).saturating_sub(1), u32::from(height).saturating_sub(1));
    let stored = if matches!(orientation, 5..=8) { (height, width) } else { (width, height) };
    let pixels = RgbImage::from_fn(stored.0.into(), stored.1.into(), |column, row| {
        let (x, y) = match orientation {
            2 => (right - column, row),
            3 => (right - column, bottom - row),
            4 => (column, bottom - row),
            5 => (row, column),
            6 => (right - row, column),
            7 => (right - row, bottom - column),
            8 => (row, bottom - column),
            _ => (column, row),
        };
        *upright.get_pixel(x, y)
    });
    encode_jpeg(&pixels, Some(orientation))
}

/// An 8-bit RGB PNG.
///
/// # Errors
/// As [`jpeg`].
pub fn png(width: u16, height: u16) -> Result<Vec<u8>, ImageError> {
    encode(&quadrants(width, height).into(), ImageFormat::Png)
}

/// An 8-bit RGBA PNG with [`ALPHAS`].
///
/// # Errors
/// As [`jpeg`].
pub fn rgba_png(width: u16, height: u16) -> Result<Vec<u8>, ImageError> {
    encode(&with_alpha(width, height).into(), ImageFormat::Png)
}

/// An 8-bit grey PNG, the quadrants being 0, 85, 170 and 255.
///
/// # Errors
/// As [`jpeg`].
pub fn grey_png(width: u16, height: u16) -> Result<Vec<u8>, ImageError> {
    let grey = image::GrayImage::from_fn(width.into(), height.into(), |x, y| {
        image::Luma([[0, 85, 170, 255][quadrant(x, y, width, height)]])
    });
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(&grey, width.into(), height.into(), ExtendedColorType::L8)?;
    Ok(bytes)
}

/// A lossless WebP.
///
/// # Errors
/// As [`jpeg`].
pub fn webp(width: u16, height: u16) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    WebPEncoder::new_lossless(&mut bytes).encode(
        &quadrants(width, height),
        width.into(),
        height.into(),
        ExtendedColorType::Rgb8,
    )?;
    Ok(bytes)
}

/// A lossless WebP with [`ALPHAS`].
///
/// # Errors
/// As [`jpeg`].
pub fn rgba_webp(width: u16, height: u16) -> Result<Vec<u8>, ImageError> {
    encode(&with_alpha(width, height).into(), ImageFormat::WebP)
}

/// A GIF of two frames: first the quadrants, then their negative, so that a test sees which frame it got.
///
/// # Errors
/// As [`jpeg`].
pub fn two_frame_gif(width: u16, height: u16) -> Result<Vec<u8>, ImageError> {
    let first = DynamicImage::from(quadrants(width, height));
    let mut second = first.clone();
    second.invert();
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.encode_frames([first, second].map(|frame| Frame::new(frame.into_rgba8())))?;
    drop(encoder);
    Ok(bytes)
}

/// Which of the four quadrants a pixel is in, in the order of [`COLOURS`].
fn quadrant(x: u32, y: u32, width: u16, height: u16) -> usize {
    usize::from(x >= u32::from(width / 2)) + 2 * usize::from(y >= u32::from(height / 2))
}

fn with_alpha(width: u16, height: u16) -> RgbaImage {
    RgbaImage::from_fn(width.into(), height.into(), |x, y| {
        let quadrant = quadrant(x, y, width, height);
        let [red, green, blue] = COLOURS[quadrant];
        Rgba([red, green, blue, ALPHAS[quadrant]])
    })
}

fn encode(picture: &DynamicImage, format: ImageFormat) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format)?;
    Ok(bytes.into_inner())
}

fn encode_jpeg(pixels: &RgbImage, orientation: Option<u8>) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY);
    if let Some(orientation) = orientation {
        encoder.set_exif_metadata(exif(orientation)).map_err(ImageError::Unsupported)?;
    }
    encoder.encode_image(pixels)?;
    Ok(bytes)
}

/// The least EXIF block: a little-endian TIFF with one directory of one entry, tag 0x0112 (Orientation), a SHORT.
fn exif(orientation: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, /* no next directory */ 0, 0, 0, 0]);
    tiff
}

#[cfg(test)]
mod tests {
    use image::metadata::Orientation;
    use image::{AnimationDecoder, ImageDecoder, ImageReader};

    use super::*;

    const SIZE: (u16, u16) = (48, 32);

    fn middles(picture: &DynamicImage) -> [[u8; 4]; 4] {
        let rgba = picture.to_rgba8();
        let (width, height) = rgba.dimensions();
        [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| rgba.get_pixel(width * x / 4, height * y / 4).0)
    }

    #[track_caller]
    fn assert_near(found: [[u8; 4]; 4], expected: [[u8; 3]; 4], tolerance: u8) {
        for (found, expected) in found.iter().zip(expected) {
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.abs_diff(expected) <= tolerance, "{found} is not {expected}");
            }
        }
    }

    #[test]
    fn every_format_shows_the_quadrants() {
        let (width, height) = SIZE;
        let cases = [
            (ImageFormat::Jpeg, jpeg(width, height).unwrap(), 3),
            (ImageFormat::Png, png(width, height).unwrap(), 0),
            (ImageFormat::WebP, webp(width, height).unwrap(), 0),
            (ImageFormat::Gif, two_frame_gif(width, height).unwrap(), 3),
        ];
        for (format, bytes, tolerance) in cases {
            assert_eq!(image::guess_format(&bytes).unwrap(), format);
            let picture = image::load_from_memory(&bytes).unwrap();
            assert_eq!((picture.width(), picture.height()), (width.into(), height.into()));
            assert_near(middles(&picture), COLOURS, tolerance);
        }
        for bytes in [rgba_png(width, height).unwrap(), rgba_webp(width, height).unwrap()] {
            let middles = middles(&image::load_from_memory(&bytes).unwrap());
            assert_near(middles, COLOURS, 0);
            assert_eq!(middles.map(|pixel| pixel[3]), ALPHAS);
        }
        let grey = image::load_from_memory(&grey_png(width, height).unwrap()).unwrap();
        assert_eq!(grey.color(), image::ColorType::L8);
        assert_near(middles(&grey), [0, 85, 170, 255].map(|value| [value; 3]), 0);
    }

    #[test]
    fn every_orientation_is_upright_to_image() {
        let (width, height) = SIZE;
        for orientation in 1..=8 {
            let bytes = oriented_jpeg(width, height, orientation).unwrap();
            let mut decoder =
                ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap().into_decoder().unwrap();
            let found = decoder.orientation().unwrap();
            assert_eq!(found, Orientation::from_exif(orientation).unwrap());
            let mut picture = DynamicImage::from_decoder(decoder).unwrap();
            let stored_middles = middles(&picture);
            picture.apply_orientation(found);
            assert_eq!((picture.width(), picture.height()), (width.into(), height.into()), "{orientation}");
            assert_near(middles(&picture), COLOURS, 3);
            let moved = stored_middles[0][0].abs_diff(COLOURS[0][0]) > 3
                || stored_middles[1][1].abs_diff(COLOURS[1][1]) > 3;
            assert_eq!(moved, orientation != 1, "{orientation} stores the pixels elsewhere");
        }
    }

    #[test]
    fn the_second_frame_is_the_negative() {
        let bytes = two_frame_gif(SIZE.0, SIZE.1).unwrap();
        let decoder = image::codecs::gif::GifDecoder::new(Cursor::new(bytes)).unwrap();
        let frames = decoder.into_frames().collect_frames().unwrap();
        assert_eq!(frames.len(), 2);
        let second = middles(&frames[1].clone().into_buffer().into());
        assert_near(second, COLOURS.map(|colour| colour.map(|value| 255 - value)), 3);
    }

    #[test]
    fn the_least_sizes_encode_and_nothing_does_not() {
        assert!(jpeg(1, 1).is_ok() && png(1, 1).is_ok() && webp(1, 1).is_ok() && two_frame_gif(1, 1).is_ok());
        assert!(jpeg(0, 1).is_err());
    }
}
