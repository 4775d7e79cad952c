//! What a source's header says, read without decoding.

use super::{
    codec,
    error::ImageError,
    limits::Limits,
    orient::Orientation,
    pixels::Layout,
    size::Size,
    sniff::{Format, sniff},
};

/// A source picture's header, within the limits it was [probed](probe) with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The format, by content.
    pub format: Format,
    /// Size in pixels as stored, before orientation.
    pub stored_size: Size,
    /// EXIF orientation; upright when the file says nothing or nonsense.
    pub orientation: Orientation,
    /// Whether pixels have alpha (they need not be transparent). True of every GIF.
    pub has_alpha: bool,
    /// Whether the file holds an ICC profile (which may turn out to be damaged).
    pub has_icc_profile: bool,
    /// Bits of a channel in the file: 1 to 16. More than 8 are reduced to 8.
    pub bit_depth: u8,
    /// Whether the file is an animation, of which one picture is read: the first frame (of PNG the default image).
    pub animated: bool,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// How pixels come out of the decoder.
    pub(crate) layout: Layout,
    /// Bytes that the decoder holds besides the decoded pixels, at most.
    pub(crate) work_bytes: u64,
}

impl Info {
    /// Size in pixels as a viewer sees it, after orientation: what a [`plan`](super::plan::plan) starts from.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.orientation.turn(self.stored_size)
    }

    /// Bytes of a decoded pixel.
    pub(crate) const fn channels(&self) -> u64 {
        self.layout.channels() as u64
    }

    /// Bytes of the decoded picture; with 16 bits a channel while they are being reduced.
    pub(crate) const fn decoded_bytes(&self) -> u64 {
        self.stored_size.area().saturating_mul(self.channels() * if self.bit_depth > 8 { 2 } else { 1 })
    }
}

/// Reads a source's header and holds it against the limits. Nothing that grows with the picture is allocated, whatever the
/// header says.
///
/// # Errors
/// [`ImageError::NotAnImage`], [`ImageError::Unsupported`], [`ImageError::TooLarge`], or [`ImageError::Corrupt`] where
/// the header cannot be read to its end.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Info, ImageError> {
    let format = sniff(bytes)?;
    let file_size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    limits.check_bytes(file_size)?;
    let info = codec::decoder(format).probe(bytes, limits)?;
    limits.check_source(info.stored_size)?;
    Ok(info)
}
