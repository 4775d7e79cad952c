//! PNG: read row by row with the `png` crate, written by code of ours over a compressor. Palettes and fewer bits are widened
//! to 8 bits a channel. Chunks that the standard says to ignore do not come to the decoder.
//!
//! # Layout
//! - `header`: the chunks
//! - `decoder`: files to rows
//! - `encoder`: pixels to files; `reduce`: the smallest kind of pixels that holds them all; `filter`: what is compressed in
//!   place of them

use super::{Codec, Encode};
use crate::{
    accept::Encoding, cancel::Cancel, error::ImageError, pixels::Pixels, sniff::Format, step::Shape,
};

mod decoder;
mod encoder;
mod filter;
pub(crate) mod header;
mod reduce;

pub(super) static CODEC: Codec = Codec {
    format: Format::Png,
    name: "PNG",
    media_type: "image/png",
    extension: "png",
    max_side: u32::MAX >> 1,
    holds_alpha: true,
    starts: |bytes| bytes.starts_with(b"\x89PNG\r\n\x1A\n"),
    decoder: &decoder::Decoder,
    encoder: Some(&Encoder),
};

/// Writes PNG.
struct Encoder;

impl Encode for Encoder {
    fn memory(&self, shape: Shape, how: &Encoding) -> u64 {
        encoder::memory(shape.size, shape.layout.channels() as u64, how.profile)
    }

    fn length(&self, shape: Shape, _how: &Encoding) -> u64 {
        shape.bytes()
    }

    fn looks_at(&self, _how: &Encoding) -> Option<u64> {
        None
    }

    fn encode(&self, pixels: &Pixels, how: &Encoding, cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
        encoder::encode(pixels, how.profile, cancel)
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test pictures of known sizes")]
mod tests;
