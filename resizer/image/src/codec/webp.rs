//! WebP: read by `image`, written by libwebp. Whether there is alpha or an animation is told by what is in the file, not by its
//! flags.

use image::codecs::webp::WebPDecoder;

use self::header::Header;
use super::{rows::{RowSink, RowSource}, hand_out, Decode, Decoded, Encode, WEBP_MAX_SIDE, decode_error, decode_with};
use crate::{
    cancel::Cancel,
    colour::{Embedded, profile},
    error::ImageError,
    limits::Limits,
    pixels::{Layout, Pixels},
    probe::{Info, Work},
    sniff::Format,
    view::View,
};

mod ffi;
pub(crate) mod header;

/// Reads WebP.
pub(super) struct Decoder;

impl Decode for Decoder {
    fn probe(&self, bytes: &[u8], _limits: &Limits) -> Result<Info, ImageError> {
        let header = Header::read(bytes)?;
        let layout = if header.has_alpha { Layout::Rgba } else { Layout::Rgb };
        // Bytes a pixel that the decoder takes besides its output. Lossy: YUV 4:2:0 (1.5), alpha as a plane and while it
        // is decoded like a lossless picture (1 + 4). Lossless without alpha: the same as RGBA (4). An animation:
        // its frame (4) and the canvas (4) besides either.
        let per_pixel = 7 + if header.animated { 8 } else { 0 };
        let file_size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let profile = if header.has_icc_profile { profile::memory(file_size) } else { 0 };
        Ok(Info {
            format: Format::Webp,
            stored_size: header.canvas,
            orientation: header.orientation,
            has_alpha: header.has_alpha,
            has_icc_profile: header.has_icc_profile,
            bit_depth: 8,
            animated: header.animated,
            bytes: file_size,
            layout,
            // Chunks are copied out of the file.
            work: Work::Whole(header.canvas.area() * per_pixel + file_size + profile + (4 << 20)),
        })
    }
}

impl RowSource for Decoder {
    fn decode_rows(
        &self,
        bytes: &[u8],
        info: &Info,
        _view: &View,
        _cancel: &Cancel,
        sink: &mut dyn RowSink,
    ) -> Result<(), ImageError> {
        let file = header::honest(bytes)?;
        let decoder = WebPDecoder::new(file).map_err(|error| decode_error(&error))?;
        let (data, profile) = decode_with(decoder, info)?;
        let decoded = Decoded {
            pixels: Pixels::new(info.stored_size, info.layout, data)?,
            colour: profile.map(Embedded::Icc),
        };
        hand_out(decoded, sink)
    }
}

/// Writes WebP.
pub(super) enum Encoder {
    /// With loss.
    Lossy {
        /// 1 to 100, libwebp's scale.
        quality: u8,
    },
    /// Without loss, but for the colour of fully transparent pixels.
    Lossless,
}

impl Encode for Encoder {
    fn encode(&self, pixels: &Pixels, cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
        let size = pixels.size();
        if size.longest() > WEBP_MAX_SIDE {
            return Err(ImageError::FormatTooSmall { format: Format::Webp, max_side: WEBP_MAX_SIDE });
        }
        let widened;
        let pixels = match pixels.layout() {
            Layout::Rgb | Layout::Rgba => pixels,
            Layout::Gray => {
                widened = pixels.clone().into_layout(Layout::Rgb)?;
                &widened
            }
            Layout::GrayAlpha => {
                widened = pixels.clone().into_layout(Layout::Rgba)?;
                &widened
            }
            Layout::Cmyk => return Err(ImageError::Internal("WebP of these pixels")),
        };
        let mode = match *self {
            Self::Lossy { quality } => ffi::Mode::Lossy(quality.min(100)),
            Self::Lossless => ffi::Mode::Lossless,
        };
        let picture = ffi::Picture::new(pixels.data(), size.width, size.height, pixels.layout().has_alpha());
        let file = picture.and_then(|picture| ffi::encode(&picture, mode, cancel));
        cancel.check()?; // the likeliest reason for there being none
        file.ok_or(ImageError::Internal("WebP encoder"))
    }
}
