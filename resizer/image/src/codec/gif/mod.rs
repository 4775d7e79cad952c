//! GIF, first frame on its canvas: read by `image`. What the frame does not cover is transparent. What comes after the first
//! frame is not looked at: it may be damaged or missing.

use self::header::Header;
use super::{
    Codec, Decode, Decoded, decode_error, decode_with, hand_out,
    reader::CUT_OFF,
    rows::{RowSink, RowSource},
};
use crate::{
    cancel::Cancel,
    error::ImageError,
    limits::Limits,
    orient::Orientation,
    pixels::{Layout, Pixels},
    probe::{Info, Work},
    size::Size,
    sniff::Format,
    view::{Scale, View},
};
use image::{ImageDecoder, codecs::gif::GifDecoder};

pub(crate) mod header;

pub(super) static CODEC: Codec = Codec {
    format: Format::Gif,
    name: "GIF",
    media_type: "image/gif",
    extension: "gif",
    max_side: 65_535,
    holds_alpha: true,
    starts: |bytes| bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a"),
    decoder: &Decoder,
    encoder: None,
};

/// Reads GIF.
struct Decoder;

impl Decode for Decoder {
    fn probe(&self, bytes: &[u8], limits: &Limits) -> Result<Info, ImageError> {
        let Header { canvas, frame, start, animated } = Header::read(bytes)?;
        // A frame may be larger than its canvas, and is decoded whole.
        limits.check_source(frame)?;
        let file_size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(Info {
            format: Format::Gif,
            stored_size: canvas,
            orientation: Orientation::Upright,
            has_alpha: true,
            has_icc_profile: false,
            bit_depth: 8,
            animated,
            bytes: file_size,
            layout: Layout::Rgba,
            // What comes before the frame is written anew, to a buffer that doubles.
            work: Work::Whole(canvas.area() * 4 + frame_bytes(frame) + (1 << 20) + start as u64 * 3),
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
        let (file, is_whole) = header::shown(bytes, info.stored_size)?;
        let mut decoder = GifDecoder::new(file).map_err(|error| decode_error(&error))?;
        let mut limits = image::Limits::no_limits();
        limits.max_alloc = Some(info.work.at(Scale::Full));
        decoder.set_limits(limits).map_err(|error| decode_error(&error))?;
        // GIF has no colour profiles but for an old private extension.
        let (data, _) = decode_with(decoder, info).map_err(|error| if is_whole { error } else { CUT_OFF })?;
        let pixels = Pixels::new(info.stored_size, Layout::Rgba, data)?;
        hand_out(Decoded { pixels, colour: None }, sink)
    }
}

/// The first frame as RGBA, and as indices.
const fn frame_bytes(frame: Size) -> u64 {
    frame.area() * 5
}
