//! Formats: one folder for each, and one [list](ALL) of them.
//!
//! Every decoder reads a whole picture or fails: a file that is cut off is an error and never half a picture. The exact
//! rule is the same for all formats: **the end of the container must be there** (JPEG: the EOI marker of the
//! picture; PNG: the IEND chunk; WebP: as many bytes as the RIFF header says; GIF, whose later frames nobody sees here: the
//! first frame's pixels). Bytes after the end are ignored, as every viewer does (phones append videos and depth maps to
//! JPEG).

use self::rows::{RowSink, RowSource, Samples};
use super::{
    accept::Encoding,
    cancel::Cancel,
    colour::{Embedded, straight::narrow},
    error::ImageError,
    limits::Limits,
    pixels::Pixels,
    probe::Info,
    sniff::Format,
    step::Shape,
    view::View,
};

pub(crate) mod gif;
mod jpeg;
pub(crate) mod png;
pub(crate) mod reader;
pub(crate) mod rows;
pub(crate) mod webp;

/// Everything about a format that others need to know.
pub(crate) struct Codec {
    pub(crate) format: Format,
    /// As people write it.
    pub(crate) name: &'static str,
    pub(crate) media_type: &'static str,
    /// Of file names, without a dot.
    pub(crate) extension: &'static str,
    /// The longest side that a file can have, in pixels.
    pub(crate) max_side: u32,
    /// Whether pixels can be transparent.
    pub(crate) holds_alpha: bool,
    /// Whether some bytes are the start of such a file.
    pub(crate) starts: fn(&[u8]) -> bool,
    pub(crate) decoder: &'static dyn Decode,
    /// None: it is read only.
    pub(crate) encoder: Option<&'static dyn Encode>,
}

/// Every format. Where the choice is open, the first that the viewer accepts and that holds the picture is written.
pub(crate) static ALL: [&Codec; 4] = [&webp::CODEC, &jpeg::CODEC, &png::CODEC, &gif::CODEC];

/// What is known of a format.
pub(crate) fn of(format: Format) -> &'static Codec {
    match format {
        Format::Jpeg => &jpeg::CODEC,
        Format::Png => &png::CODEC,
        Format::Webp => &webp::CODEC,
        Format::Gif => &gif::CODEC,
    }
}

/// Reads one format.
pub(crate) trait Decode: RowSource + Sync {
    /// Reads the header. Sizes are the caller's to check against the limits, but for those of parts (frames) that would
    /// be allocated.
    fn probe(&self, bytes: &[u8], limits: &Limits) -> Result<Info, ImageError>;
}

/// Writes one format. No metadata is written.
pub(crate) trait Encode: Sync {
    /// Bytes that are held at most beside a whole picture, or beside the rows of one, the file among them.
    fn memory(&self, shape: Shape, how: &Encoding) -> u64;

    /// Bytes of the file that are expected at most, by experience: a budget is made of it, no buffer.
    fn length(&self, shape: Shape, how: &Encoding) -> u64;

    /// Bytes of rows that are looked at before the first is encoded. `None`: all of them, encoded by
    /// [`encode`](Self::encode).
    fn looks_at(&self, how: &Encoding) -> Option<u64>;

    /// Begins a file that takes its rows one after another; `first` are those of the start, which are not taken yet.
    fn begin(&self, _shape: Shape, _how: &Encoding, _first: &[u8]) -> Result<Box<dyn Writer>, ImageError> {
        Err(ImageError::Internal("rows of this format"))
    }

    /// Writes gray or RGB pixels, with alpha where the format has it. An encoder that can take seconds looks at `cancel` on
    /// the way.
    fn encode(&self, pixels: &Pixels, how: &Encoding, cancel: &Cancel) -> Result<Vec<u8>, ImageError>;
}

/// Writes a picture row by row.
pub(crate) trait Writer: Send {
    /// Takes the next rows, one or more whole ones.
    fn rows(&mut self, rows: &[u8]) -> Result<(), ImageError>;

    /// Ends the file and gives it.
    fn finish(self: Box<Self>) -> Result<Vec<u8>, ImageError>;
}

/// The encoder of a format that fits a picture of this size.
pub(crate) fn encoder(encoding: &Encoding, shape: Shape) -> Result<&'static dyn Encode, ImageError> {
    let codec = of(encoding.format);
    if shape.size.longest() > codec.max_side {
        return Err(ImageError::FormatTooSmall { format: codec.format, max_side: codec.max_side });
    }
    codec.encoder.ok_or(ImageError::Internal("encoder"))
}

/// A decoded picture as it is stored: not turned, in its own colours.
pub(crate) struct Decoded {
    pub(crate) pixels: Pixels,
    /// What the file says of its colours.
    pub(crate) colour: Option<Embedded>,
}

/// Hands whole pixels on as rows.
fn hand_out(decoded: Decoded, sink: &mut dyn RowSink) -> Result<(), ImageError> {
    sink.begin(decoded.colour)?;
    let pixels = decoded.pixels;
    let rows = (64_usize << 10).div_ceil(pixels.stride().max(1));
    pixels.data().chunks(pixels.stride() * rows).try_for_each(|rows| sink.rows(Samples::Bits8(rows)))
}

/// Decodes a small picture into memory, 8 bits a channel.
pub(crate) fn decode_whole(
    bytes: &[u8],
    info: &Info,
    view: &View,
    cancel: &Cancel,
) -> Result<Decoded, ImageError> {
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
    of(info.format).decoder.decode_rows(bytes, info, view, cancel, &mut whole)?;
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
