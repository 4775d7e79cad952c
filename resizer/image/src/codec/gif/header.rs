//! GIF's blocks (GIF89a specification).

use crate::{
    codec::reader::{Reader, Spliced},
    error::ImageError,
    size::Size,
};

/// The canvas and the first frame.
pub(super) struct Header {
    /// The logical screen; a side on which the first frame is larger ends where that frame does, as Pillow and libvips have it.
    pub(super) canvas: Size,
    pub(super) frame: Size,
    /// Bytes before the first frame.
    pub(super) start: usize,
    /// Whether the application block that makes a GIF repeat comes before the first frame.
    pub(super) animated: bool,
}

/// Name and version, before the logical screen's size.
const SIGNATURE_LEN: usize = 6;

/// The end of a block's data, once more: some encoders write it between blocks.
const PADDING: u8 = 0;
pub(crate) const EXTENSION: u8 = 0x21;
pub(crate) const IMAGE: u8 = 0x2C;
pub(crate) const TRAILER: u8 = 0x3B;
pub(crate) const APPLICATION: u8 = 0xFF;

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let whole = Reader::new(bytes);
        let mut reader = whole;
        let canvas = screen(&mut reader)?;
        let mut animated = false;
        loop {
            match reader.u8()? {
                PADDING => {}
                EXTENSION => {
                    let label = reader.u8()?;
                    animated |= label == APPLICATION && reader.rest().get(1..12) == Some(b"NETSCAPE2.0");
                    skip_blocks(&mut reader)?;
                }
                IMAGE => {
                    let start = reader.since(&whole).len();
                    let (position, frame) = placed(&mut reader)?;
                    let side = |screen, from, side| if side > screen { from + side } else { screen };
                    let grown = Size::new(
                        side(canvas.width, position.0, frame.width),
                        side(canvas.height, position.1, frame.height),
                    );
                    return Ok(Self { canvas: grown, frame, start, animated });
                }
                TRAILER => return Err(ImageError::Corrupt("it has no picture data")),
                _ => return Err(UNKNOWN_BLOCK),
            }
        }
    }
}

/// What a decoder reads: a start without zeros between blocks, whose screen is as large as the first frame needs, and the rest
/// from that frame on. Also whether all blocks of the frame are there. What follows it, a trailer too, is not looked at.
pub(super) fn shown(bytes: &[u8], canvas: Size) -> Result<(Spliced<'_>, bool), ImageError> {
    let whole = Reader::new(bytes);
    let mut reader = whole;
    screen(&mut reader)?;
    let mut start = reader.since(&whole).to_vec();
    loop {
        let block = reader;
        match reader.u8()? {
            PADDING => {}
            EXTENSION => {
                reader.u8()?;
                skip_blocks(&mut reader)?;
                start.extend_from_slice(reader.since(&block));
            }
            IMAGE => {
                descriptor(&mut reader)?;
                // The code size of LZW, then its data.
                reader.u8()?;
                let is_whole = skip_blocks(&mut reader).is_ok();
                let sides = [canvas.width, canvas.height].map(|side| u16::try_from(side).unwrap_or(u16::MAX));
                let targets = start.iter_mut().skip(SIGNATURE_LEN);
                targets
                    .zip(sides.into_iter().flat_map(u16::to_le_bytes))
                    .for_each(|(target, byte)| *target = byte);
                return Ok((Spliced::new(start, block.rest()), is_whole));
            }
            TRAILER => return Err(ImageError::Corrupt("it has no picture data")),
            _ => return Err(UNKNOWN_BLOCK),
        }
    }
}

pub(crate) const UNKNOWN_BLOCK: ImageError = ImageError::Corrupt("it has a block of an unknown kind");

/// Signature, logical screen descriptor and global colour table.
pub(crate) fn screen(reader: &mut Reader<'_>) -> Result<Size, ImageError> {
    reader.take(SIGNATURE_LEN)?;
    let size = Size::new(reader.u16_le()?.into(), reader.u16_le()?.into());
    let flags = reader.u8()?;
    reader.take(2)?;
    color_table(reader, flags)?;
    Ok(size)
}

/// The rest of an image descriptor, and its local colour table.
pub(crate) fn descriptor(reader: &mut Reader<'_>) -> Result<Size, ImageError> {
    placed(reader).map(|(_, size)| size)
}

/// The left and top edge and the size that an image descriptor says.
fn placed(reader: &mut Reader<'_>) -> Result<((u32, u32), Size), ImageError> {
    let position = (reader.u16_le()?.into(), reader.u16_le()?.into());
    let size = Size::new(reader.u16_le()?.into(), reader.u16_le()?.into());
    let flags = reader.u8()?;
    color_table(reader, flags)?;
    Ok((position, size))
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
