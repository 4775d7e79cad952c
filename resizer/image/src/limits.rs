//! How large a picture may be, in and out.

use super::{
    error::{ImageError, Measure},
    size::Size,
};

/// The process's own limits, checked on the header before any pixel is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest encoded source in bytes.
    pub max_source_bytes: u64,
    /// Most pixels of a source, width times height.
    pub max_source_pixels: u64,
    /// Longest side of a source in pixels.
    pub max_source_side: u32,
    /// Longest side of an output in pixels.
    pub max_output_side: u32,
    /// Most pixels of an output, width times height.
    pub max_output_pixels: u64,
}

/// 64 MiB: a 100-megapixel JPEG of good quality fits.
pub const DEFAULT_MAX_SOURCE_BYTES: u64 = 64 << 20;

/// 100 megapixels, Cloudflare's limit: 300 MB decoded without alpha, 400 MB with.
pub const DEFAULT_MAX_SOURCE_PIXELS: u64 = 100_000_000;

/// The longest side that JPEG can express, and more than any camera makes.
pub const DEFAULT_MAX_SOURCE_SIDE: u32 = 65_535;

/// The longest side that WebP can hold, so that one limit serves every output format.
pub const DEFAULT_MAX_OUTPUT_SIDE: u32 = 16_383;

/// As many as a source may have: whatever can be read can be written at its own size.
pub const DEFAULT_MAX_OUTPUT_PIXELS: u64 = DEFAULT_MAX_SOURCE_PIXELS;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_source_bytes: DEFAULT_MAX_SOURCE_BYTES,
            max_source_pixels: DEFAULT_MAX_SOURCE_PIXELS,
            max_source_side: DEFAULT_MAX_SOURCE_SIDE,
            max_output_side: DEFAULT_MAX_OUTPUT_SIDE,
            max_output_pixels: DEFAULT_MAX_OUTPUT_PIXELS,
        }
    }
}

impl Limits {
    /// Checks the encoded size of a source.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`].
    pub fn check_bytes(&self, bytes: u64) -> Result<(), ImageError> {
        check(Measure::Bytes, bytes, self.max_source_bytes)
    }

    /// Checks the size of a source in pixels.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`], or [`ImageError::Corrupt`] for a picture without pixels.
    pub fn check_source(&self, size: Size) -> Result<(), ImageError> {
        if size.area() == 0 {
            return Err(ImageError::Corrupt("it has no pixels"));
        }
        check(Measure::Side, u64::from(size.longest()), u64::from(self.max_source_side))?;
        check(Measure::Pixels, size.area(), self.max_source_pixels)
    }
}

fn check(what: Measure, actual: u64, limit: u64) -> Result<(), ImageError> {
    if actual > limit { Err(ImageError::TooLarge { what, actual, limit }) } else { Ok(()) }
}
