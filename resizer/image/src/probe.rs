//! What a source's header says, read without decoding.

use super::{
    codec,
    error::ImageError,
    limits::Limits,
    orient::Orientation,
    pixels::Layout,
    size::Size,
    sniff::{Format, sniff},
    view::Scale,
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
    /// What decoding takes.
    pub(crate) work: Work,
}

/// Bytes that a decoder holds besides the decoded pixels, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// It reads whole pictures at full size only.
    Whole(u64),
    /// It also makes smaller ones, and parts of them: the bytes for each of [`Scale::ALL`], in that order.
    Scaled([u64; 4]),
}

impl Work {
    /// The bytes at a scale.
    pub(crate) const fn at(self, scale: Scale) -> u64 {
        match (self, scale) {
            (Self::Whole(bytes), _) | (Self::Scaled([bytes, ..]), Scale::Full) => bytes,
            (Self::Scaled([_, bytes, ..]), Scale::Half) => bytes,
            (Self::Scaled([_, _, bytes, _]), Scale::Quarter) => bytes,
            (Self::Scaled([.., bytes]), Scale::Eighth) => bytes,
        }
    }
}

impl Info {
    /// Size in pixels as a viewer sees it, after orientation: what a [`plan`](super::plan::plan) starts from.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.orientation.turn(self.stored_size)
    }

    /// Whether decoded samples have 16 bits.
    pub(crate) const fn is_wide(&self) -> bool {
        self.bit_depth > 8
    }

    /// Bytes of a decoded pixel.
    pub(crate) const fn channels(&self) -> u64 {
        self.layout.channels() as u64
    }

    /// Bytes of so many decoded pixels; with 16 bits a channel while they are being reduced.
    pub(crate) const fn decoded_bytes(&self, size: Size) -> u64 {
        size.area().saturating_mul(self.channels() * if self.bit_depth > 8 { 2 } else { 1 })
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
    let info = codec::of(format).decoder.probe(bytes, limits)?;
    limits.check_source(info.stored_size)?;
    Ok(info)
}
