//! A result as an object: its headers, and the check of what comes back.

use safelight_image::{size::Size, sniff::Format};

use crate::origin::Stat;

const WIDTH: &str = "x-amz-meta-width";
const HEIGHT: &str = "x-amz-meta-height";
const LENGTH: &str = "x-amz-meta-length";
const CRC32C: &str = "x-amz-meta-crc32c";

/// What a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Its format.
    pub format: Format,
    /// Width and height in pixels.
    pub size: Size,
    /// Number of bytes.
    pub length: u64,
    /// CRC-32C of the bytes.
    pub crc32c: u32,
}

impl Picture {
    /// The headers that say so, of the object.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, String); 5] {
        [
            ("content-type", self.format.media_type().to_owned()),
            (WIDTH, self.size.width.to_string()),
            (HEIGHT, self.size.height.to_string()),
            (LENGTH, self.length.to_string()),
            (CRC32C, format!("{:08x}", self.crc32c)),
        ]
    }

    /// What an object of the store is.
    ///
    /// # Errors
    /// It is none of ours, or damaged: what is wrong with it.
    pub fn read(stat: &Stat, bytes: &[u8]) -> Result<Self, &'static str> {
        let number = |name| stat.metadata(name).and_then(|text| text.parse::<u64>().ok());
        let side = |name| number(name).and_then(|side| u32::try_from(side).ok());
        let crc32c = stat.metadata(CRC32C).and_then(|text| u32::from_str_radix(&text, 16).ok());
        let format = Format::all()
            .find(|format| format.is_written() && stat.content_type() == Some(format.media_type()));
        let (Some(width), Some(height), Some(length), Some(crc32c), Some(format)) =
            (side(WIDTH), side(HEIGHT), number(LENGTH), crc32c, format)
        else {
            return Err("its metadata is not that of a result");
        };
        if length != bytes.len() as u64 {
            return Err("it has another number of bytes than its metadata says");
        }
        if crc32c != crc32c::crc32c(bytes) {
            return Err("its bytes do not have the CRC-32C of its metadata");
        }
        Ok(Self { format, size: Size { width, height }, length, crc32c })
    }
}
