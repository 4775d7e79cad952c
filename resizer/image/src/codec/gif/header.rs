//! GIF's blocks (GIF89a specification).

use crate::{codec::reader::Reader, error::ImageError, size::Size};

/// The canvas and the first frame.
pub(super) struct Header {
    pub(super) canvas: Size,
    pub(super) frame: Size,
    /// Whether the application block that makes a GIF repeat comes before the first frame.
    pub(super) animated: bool,
}

pub(crate) const EXTENSION: u8 = 0x21;
pub(crate) const IMAGE: u8 = 0x2C;
pub(crate) const TRAILER: u8 = 0x3B;
pub(crate) const APPLICATION: u8 = 0xFF;

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let mut reader = Reader::new(bytes);
        let canvas = screen(&mut reader)?;
        let mut animated = false;
        loop {
            match reader.u8()? {
                EXTENSION => {
                    let label = reader.u8()?;
                    animated |= label == APPLICATION && reader.rest().get(1..12) == Some(b"NETSCAPE2.0");
                    skip_blocks(&mut reader)?;
                }
                IMAGE => {
                    let frame = descriptor(&mut reader)?;
                    return Ok(Self { canvas, frame, animated });
                }
                TRAILER => return Err(ImageError::Corrupt("it has no picture data")),
                _ => return Err(UNKNOWN_BLOCK),
            }
        }
    }
}

/// Checks that all blocks to the trailer are there.
pub(super) fn check_end(bytes: &[u8]) -> Result<(), ImageError> {
    let mut reader = Reader::new(bytes);
    screen(&mut reader)?;
    loop {
        match reader.u8()? {
            EXTENSION => {
                reader.u8()?;
                skip_blocks(&mut reader)?;
            }
            IMAGE => {
                descriptor(&mut reader)?;
                // The code size of LZW, then its data.
                reader.u8()?;
                skip_blocks(&mut reader)?;
            }
            TRAILER => return Ok(()),
            _ => return Err(UNKNOWN_BLOCK),
        }
    }
}

pub(crate) const UNKNOWN_BLOCK: ImageError = ImageError::Corrupt("it has a block of an unknown kind");

/// Signature, logical screen descriptor and global colour table.
pub(crate) fn screen(reader: &mut Reader<'_>) -> Result<Size, ImageError> {
    reader.take(6)?;
    let size = Size::new(reader.u16_le()?.into(), reader.u16_le()?.into());
    let flags = reader.u8()?;
    reader.take(2)?;
    color_table(reader, flags)?;
    Ok(size)
}

/// The rest of an image descriptor, and its local colour table.
pub(crate) fn descriptor(reader: &mut Reader<'_>) -> Result<Size, ImageError> {
    reader.take(4)?;
    let size = Size::new(reader.u16_le()?.into(), reader.u16_le()?.into());
    let flags = reader.u8()?;
    color_table(reader, flags)?;
    Ok(size)
}

/// A colour table has 2^(n + 1) entries of three bytes, n being the low three bits of the flags.
fn color_table(reader: &mut Reader<'_>, flags: u8) -> Result<(), ImageError> {
    if flags & 0x80 != 0 {
        reader.take(3 << ((flags & 7) + 1))?;
    }
    Ok(())
}

pub(crate) fn skip_blocks(reader: &mut Reader<'_>) -> Result<(), ImageError> {
    loop {
        match reader.u8()? {
            0 => return Ok(()),
            length => reader.take(usize::from(length))?,
        };
    }
}
