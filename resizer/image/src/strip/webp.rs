//! WebP: chunks are kept by name.

use super::{Keep, exif};
use crate::{
    codec::{
        reader::{CUT_OFF, Reader},
        webp::header::{FRAME_HEADER_LEN, RIFF_HEADER_LEN, chunk_body, chunk_head, whole},
    },
    error::ImageError,
};

/// Flags of a VP8X chunk.
const HAS_XMP: u8 = 0x04;
const HAS_EXIF: u8 = 0x08;

/// Bytes of a VP8X chunk's content.
const FEATURES_LEN: usize = 10;

const NO_PICTURE: ImageError = ImageError::Corrupt("it has no picture data");

/// The file without the chunks that go and what follows its end.
pub(super) fn strip(bytes: &[u8], keep: Keep) -> Result<Vec<u8>, ImageError> {
    let mut reader = Reader::new(whole(bytes)?);
    let mut out = Vec::with_capacity(bytes.len());
    out.extend_from_slice(reader.take(RIFF_HEADER_LEN)?);
    let first = Chunk::read(&mut reader)?;
    match &first.kind {
        b"VP8 " | b"VP8L" => {
            first.check_picture()?;
            // All of a simple file; nothing is read behind it.
            out.extend_from_slice(first.raw);
        }
        b"VP8X" => extended(first.data, reader, keep, &mut out)?,
        _ => return Err(NO_PICTURE),
    }
    let length = u32::try_from(out.len().saturating_sub(8)).map_err(|_| exif::TOO_LONG)?;
    patch(&mut out, 4, &length.to_le_bytes());
    Ok(out)
}

/// Writes the chunks of a file with features, of which `reader` holds the rest.
fn extended(
    features: &[u8],
    mut reader: Reader<'_>,
    keep: Keep,
    out: &mut Vec<u8>,
) -> Result<(), ImageError> {
    let features = features.get(..FEATURES_LEN).ok_or(CUT_OFF)?;
    let flags_at = out.len() + 8;
    out.extend(b"VP8X\x0A\0\0\0");
    out.extend_from_slice(features);
    let effective = effective_exif(reader)?;
    let (mut has_picture, mut has_profile, mut has_exif, mut has_xmp) = (false, false, false, false);
    for number in 0.. {
        let Some(chunk) = Chunk::next(&mut reader)? else { break };
        match &chunk.kind {
            b"VP8 " | b"VP8L" => {
                chunk.check_picture()?;
                has_picture = true;
                out.extend_from_slice(chunk.raw);
            }
            b"ANMF" => {
                frame(&chunk, out)?;
                has_picture = true;
            }
            b"ANIM" | b"ALPH" => out.extend_from_slice(chunk.raw),
            b"ICCP" if !has_profile => {
                has_profile = true;
                out.extend_from_slice(chunk.raw);
            }
            b"EXIF" => {
                if effective == Some(number)
                    && let Some(block) = keep.exif(chunk.data)
                {
                    has_exif = true;
                    write(out, *b"EXIF", &block)?;
                }
            }
            b"XMP " if !has_xmp && keep.xmp(chunk.data) => {
                has_xmp = true;
                out.extend_from_slice(chunk.raw);
            }
            _ => {}
        }
    }
    if !has_picture {
        return Err(NO_PICTURE);
    }
    let flags = features.first().copied().unwrap_or_default() & !(HAS_EXIF | HAS_XMP)
        | if has_exif { HAS_EXIF } else { 0 }
        | if has_xmp { HAS_XMP } else { 0 };
    patch(out, flags_at, &[flags]);
    Ok(())
}

/// The number of the EXIF chunk that counts: the last one, as [`probe`](crate::probe::probe) reads it.
fn effective_exif(mut reader: Reader<'_>) -> Result<Option<usize>, ImageError> {
    let mut effective = None;
    for number in 0.. {
        let Some(chunk) = Chunk::next(&mut reader)? else { break };
        if &chunk.kind == b"EXIF" {
            effective = Some(number);
        }
    }
    Ok(effective)
}

/// Writes a frame of an animation.
fn frame(frame: &Chunk<'_>, out: &mut Vec<u8>) -> Result<(), ImageError> {
    let mut reader = Reader::new(frame.data);
    let head = reader.take(FRAME_HEADER_LEN)?;
    let start = out.len();
    out.extend(b"ANMF\0\0\0\0");
    out.extend_from_slice(head);
    let mut has_picture = false;
    while !reader.is_empty() {
        let chunk = Chunk::read(&mut reader)?;
        match &chunk.kind {
            b"VP8 " | b"VP8L" => {
                chunk.check_picture()?;
                has_picture = true;
                out.extend_from_slice(chunk.raw);
            }
            b"ALPH" => out.extend_from_slice(chunk.raw),
            _ => {}
        }
    }
    if !has_picture {
        return Err(ImageError::Corrupt("a frame has no picture data"));
    }
    let length = out.len() - start - 8;
    patch(out, start + 4, &u32::try_from(length).map_err(|_| exif::TOO_LONG)?.to_le_bytes());
    // As much padding as there was, which is none at the end of some files.
    if length % 2 == 1 && frame.raw.len().is_multiple_of(2) {
        out.push(0);
    }
    Ok(())
}

/// One chunk.
struct Chunk<'a> {
    kind: [u8; 4],
    data: &'a [u8],
    /// With its head and padding.
    raw: &'a [u8],
}

impl<'a> Chunk<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ImageError> {
        let start = *reader;
        let (kind, length) = chunk_head(reader)?;
        let data = chunk_body(reader, length)?;
        Ok(Self { kind, data, raw: reader.since(&start) })
    }

    /// The next chunk, unless fewer bytes are left than one begins with.
    fn next(reader: &mut Reader<'a>) -> Result<Option<Self>, ImageError> {
        if reader.rest().len() < 8 { Ok(None) } else { Self::read(reader).map(Some) }
    }

    /// Checks that the size of a picture is in its own chunk: readers look for it without asking for the chunk's length.
    fn check_picture(&self) -> Result<(), ImageError> {
        let least = if &self.kind == b"VP8L" { 5 } else { 10 };
        if self.data.len() < least { Err(CUT_OFF) } else { Ok(()) }
    }
}

fn write(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) -> Result<(), ImageError> {
    out.extend(kind);
    out.extend(u32::try_from(data.len()).map_err(|_| exif::TOO_LONG)?.to_le_bytes());
    out.extend_from_slice(data);
    if data.len() % 2 == 1 {
        out.push(0);
    }
    Ok(())
}

/// Overwrites bytes that were written already.
fn patch(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(target) = out.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
        target.copy_from_slice(bytes);
    }
}
