//! GIF: extensions are kept by name.

use crate::{
    codec::{
        gif::header::{
            APPLICATION, EXTENSION, IMAGE, TRAILER, UNKNOWN_BLOCK, descriptor, screen, skip_blocks,
        },
        reader::Reader,
    },
    error::ImageError,
};

/// The label of an extension with a frame's delay, disposal and transparency.
const GRAPHIC_CONTROL: u8 = 0xF9;

/// The application extensions that say how often an animation is shown.
const LOOPS: [&[u8]; 2] = [b"NETSCAPE2.0", b"ANIMEXTS1.0"];

/// The application extension that holds an ICC profile.
const PROFILE: &[u8] = b"ICCRGBG1012";

/// The file without comments, unknown extensions and what follows its end.
pub(super) fn strip(bytes: &[u8]) -> Result<Vec<u8>, ImageError> {
    let start = Reader::new(bytes);
    let mut reader = start;
    screen(&mut reader)?;
    let mut out = Vec::with_capacity(bytes.len());
    out.extend_from_slice(reader.since(&start));
    let mut frames = false;
    loop {
        let block = reader;
        match reader.u8()? {
            EXTENSION => {
                let label = reader.u8()?;
                let content = reader;
                skip_blocks(&mut reader)?;
                extension(label, reader.since(&content), &mut out)?;
            }
            IMAGE => {
                descriptor(&mut reader)?;
                // The code size of LZW, then its data.
                reader.u8()?;
                skip_blocks(&mut reader)?;
                out.extend_from_slice(reader.since(&block));
                frames = true;
            }
            TRAILER if frames => {
                out.push(TRAILER);
                return Ok(out);
            }
            TRAILER => return Err(ImageError::Corrupt("it has no picture data")),
            _ => return Err(UNKNOWN_BLOCK),
        }
    }
}

/// Writes what stays of an extension, given its blocks with their lengths and the empty one at the end.
fn extension(label: u8, content: &[u8], out: &mut Vec<u8>) -> Result<(), ImageError> {
    let mut blocks = Reader::new(content);
    let length = usize::from(blocks.u8()?);
    match label {
        GRAPHIC_CONTROL => {
            // The first block is all of it.
            out.extend([EXTENSION, label]);
            if length > 0 {
                blocks.take(length)?;
                out.extend_from_slice(blocks.since(&Reader::new(content)));
            }
            out.push(0);
        }
        APPLICATION => {
            // Readers look for the name alone.
            let Some(name) = content.get(1..12) else { return Ok(()) };
            if name == PROFILE && length == 11 {
                out.extend([EXTENSION, label]);
                out.extend_from_slice(content);
            } else if LOOPS.contains(&name) {
                out.extend([EXTENSION, label, 11]);
                out.extend_from_slice(name);
                blocks.take(length)?;
                loops(&mut blocks, out)?;
                out.push(0);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Writes the blocks of a loop extension that are known: the number of rounds, and the bytes to buffer.
fn loops(blocks: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), ImageError> {
    loop {
        let start = *blocks;
        let length = blocks.u8()?;
        let block = blocks.take(length.into())?;
        match *block {
            [] => return Ok(()),
            [kind, _, _] if kind & 7 == 1 => out.extend_from_slice(blocks.since(&start)),
            [kind, _, _, _, _] if kind & 7 == 2 => out.extend_from_slice(blocks.since(&start)),
            _ => {}
        }
    }
}
