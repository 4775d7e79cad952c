//! PNG: read row by row with the `png` crate, written by code of ours over a compressor. Palettes and fewer bits are widened
//! to 8 bits a channel. Chunks that the standard says to ignore do not come to the decoder.
//!
//! # Layout
//! - `header`: the chunks
//! - `decoder`: files to rows
//! - `encoder`: pixels to files; `reduce`: the smallest kind of pixels that holds them all; `filter`: what is compressed in
//!   place of them

use super::Encode;
use crate::{cancel::Cancel, error::ImageError, options::QualityProfile, pixels::Pixels};

mod decoder;
mod encoder;
mod filter;
pub(crate) mod header;
mod reduce;

pub(super) use self::decoder::Decoder;
pub(crate) use self::encoder::encode;

/// Writes PNG with the balanced profile.
pub(super) struct Encoder;

impl Encode for Encoder {
    fn encode(&self, pixels: &Pixels, cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
        encode(pixels, QualityProfile::Balanced, cancel)
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test pictures of known sizes")]
mod tests;
