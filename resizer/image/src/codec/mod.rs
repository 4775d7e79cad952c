//! Formats: one file for each, behind two small traits.
//!
//! Every decoder reads a whole picture or fails: a file that is cut off is an error and never half a picture. The exact
//! rule is the same for all formats: **the end of the container must be there** (JPEG: the EOI marker of the
//! picture; PNG: the IEND chunk; WebP: as many bytes as the RIFF header says; GIF, whose later frames nobody sees here: the
//! first frame's pixels). Bytes after the end are ignored, as every viewer does (phones append videos and depth maps to
//! JPEG).

use self::rows::{RowSink, Samples};
use super::{
    step::Shape,
    accept::Encoding, cancel::Cancel, colour::{Embedded, straight::narrow}, error::ImageError, limits::Limits, pixels::Pixels,
    probe::Info, sniff::Format, view::View,
};

pub(crate) mod gif;
mod jpeg;
pub(crate) mod png;
pub(crate) mod reader;
pub(crate) mod rows;
pub(crate) mod webp;

/// The longest side that a JPEG can have.
pub const JPEG_MAX_SIDE: u32 = 65_535;

/// The largest JPEG, in pixels, that is written with Huffman tables of its own. They save 4 % of a thumbnail's bytes
/// and 1 % of a large picture's, whose symbols all wait in memory until the last one is counted.
pub(crate) const JPEG_OWN_TABLES: u64 = 1 << 20;

/// The longest side that a WebP can have.
pub const WEBP_MAX_SIDE: u32 = 16_383;

/// Reads one format.
pub(crate) trait Decode: rows::RowSource {
    /// Reads the header. Sizes are the caller's to check against the limits, but for those of parts (frames) that would
    /// be allocated.
    fn probe(&self, bytes: &[u8], limits: &Limits) -> Result<Info, ImageError>;
}

/// Writes one format.
pub(crate) trait Encode {
    /// Writes gray or RGB pixels, with alpha where the format has it. No metadata is written. An encoder that can take
    /// seconds looks at `cancel` on the way.
    fn encode(&self, pixels: &Pixels, cancel: &Cancel) -> Result<Vec<u8>, ImageError>;
}

/// Writes a picture row by row.
pub(crate) trait Writer: Send {
    /// Takes the next rows, one or more whole ones.
    fn rows(&mut self, rows: &[u8]) -> Result<(), ImageError>;

    /// Ends the file and gives it.
    fn finish(self: Box<Self>) -> Result<Vec<u8>, ImageError>;
}

/// A decoded picture as it is stored: not turned, in its own colours.
pub(crate) struct Decoded {
    pub(crate) pixels: Pixels,
    /// What the file says of its colours.
    pub(crate) colour: Option<Embedded>,
}

/// The decoder of a format.
pub(crate) fn decoder(format: Format) -> &'static dyn Decode {
    match format {
        Format::Jpeg => &jpeg::Decoder,
        Format::Png => &png::Decoder,
        Format::Webp => &webp::Decoder,
        Format::Gif => &gif::Decoder,
    }
}

/// Writes pixels in the chosen encoding.
pub(crate) fn encode(encoding: Encoding, pixels: &Pixels, cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
    match encoding {
        Encoding::Jpeg(quality) => jpeg::Encoder { quality }.encode(pixels, cancel),
        Encoding::Png => png::Encoder.encode(pixels, cancel),
        Encoding::Webp(quality) => webp::Encoder::Lossy { quality }.encode(pixels, cancel),
        Encoding::WebpLossless => webp::Encoder::Lossless.encode(pixels, cancel),
    }
}

/// Whether [`begin`] can write this.
pub(crate) const fn streams(encoding: Encoding) -> bool {
    matches!(encoding, Encoding::Jpeg(_))
}

/// Begins a file that takes its rows one after another.
pub(crate) fn begin(encoding: Encoding, shape: Shape, _cancel: &Cancel) -> Result<Box<dyn Writer>, ImageError> {
    match encoding {
        Encoding::Jpeg(quality) => jpeg::Encoder { quality }.begin(shape),
        _ => Err(ImageError::Internal("rows of this format")),
    }
}

/// Hands whole pixels on as rows.
fn hand_out(decoded: Decoded, sink: &mut dyn RowSink) -> Result<(), ImageError> {
    sink.begin(decoded.colour)?;
    let pixels = decoded.pixels;
    let rows = (64_usize << 10).div_ceil(pixels.stride().max(1));
    pixels.data().chunks(pixels.stride() * rows).try_for_each(|rows| sink.rows(Samples::Bits8(rows)))
}

/// Decodes a small picture into memory, 8 bits a channel.
pub(crate) fn decode_whole(bytes: &[u8], info: &Info, view: &View) -> Result<Decoded, ImageError> {
    struct Whole(Vec<u8>, Option<Embedded>);
    impl RowSink for Whole {
        fn begin(&mut self, colour: Option<Embedded>) -> Result<(), ImageError> {
            self.1 = colour;
            Ok(())
        }

        fn rows(&mut self, rows: Samples<'_>) -> Result<(), ImageError> {
            match rows {
                Samples::Bits8(rows) => self.0.extend_from_slice(rows),
                Samples::Bits16(rows) => self.0.extend(rows.iter().map(|sample| narrow(*sample))),
            }
            Ok(())
        }
    }
    let mut whole = Whole(Vec::new(), None);
    decoder(info.format).decode_rows(bytes, info, view, &Cancel::new(), &mut whole)?;
    Ok(Decoded { pixels: Pixels::new(view.size, info.layout, whole.0)?, colour: whole.1 })
}

/// Translates an error of `image`'s decoders. Their texts are not for callers.
fn decode_error(error: &image::ImageError) -> ImageError {
    match error {
        image::ImageError::Limits(_) => ImageError::Corrupt("a part of it is larger than its header says"),
        image::ImageError::Unsupported(_) => ImageError::Unsupported("a picture of a rare kind"),
        _ => ImageError::Corrupt("its data cannot be decoded"),
    }
}

/// Decodes with one of `image`'s decoders, whose size and layout must be what the header said.
fn decode_with(
    mut decoder: impl image::ImageDecoder,
    info: &Info,
) -> Result<(Vec<u8>, Option<Vec<u8>>), ImageError> {
    let (width, height) = decoder.dimensions();
    if (width, height) != (info.stored_size.width, info.stored_size.height) {
        return Err(ImageError::Corrupt("it gives its size twice, and not the same"));
    }
    // Only what its own header said is allocated, whatever the decoder thinks.
    if decoder.total_bytes() != info.decoded_bytes(info.stored_size) {
        return Err(ImageError::Corrupt("it gives its kind of pixels twice, and not the same"));
    }
    // A profile that cannot be read is ignored, like one that cannot be used.
    let profile = decoder.icc_profile().ok().flatten();
    let length = usize::try_from(info.decoded_bytes(info.stored_size))
        .map_err(|_| ImageError::Internal("pixel buffer size"))?;
    let mut data = vec![0; length];
    decoder.read_image(&mut data).map_err(|error| decode_error(&error))?;
    Ok((data, profile))
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "test pictures of known sizes"
)]
mod tests;
