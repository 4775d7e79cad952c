//! WebP's chunks (RFC 9649).

use crate::{
    codec::reader::{CUT_OFF, Reader, Spliced},
    error::ImageError,
    orient::Orientation,
    size::Size,
};

/// The canvas and what is on it.
pub(super) struct Header {
    pub(super) canvas: Size,
    pub(super) has_alpha: bool,
    pub(super) has_icc_profile: bool,
    pub(super) animated: bool,
    pub(super) orientation: Orientation,
    /// The flags of an extended file, as they should be: alpha and animation by what is there, and none for metadata, which a
    /// decoder would miss. Many writers' flags lie.
    flags: Option<u8>,
}

/// `RIFF`, size, `WEBP`.
pub(crate) const RIFF_HEADER_LEN: usize = 12;

/// Frame position, size, duration and flags of an ANMF chunk, before its own chunks.
pub(crate) const FRAME_HEADER_LEN: usize = 16;

/// Flags of a VP8X chunk.
const ANIMATION: u8 = 0x02;
const ALPHA: u8 = 0x10;
const ICC_PROFILE: u8 = 0x20;

/// The flags' place in an extended file: behind the head of its first chunk.
const FLAGS_AT: usize = RIFF_HEADER_LEN + 8;

const MISMATCH: ImageError = ImageError::Corrupt("it gives its size twice, and not the same");

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        // A file that is not all here is read as far as it goes.
        let mut reader = Reader::new(whole(bytes).unwrap_or(bytes));
        reader.take(RIFF_HEADER_LEN)?;
        let (kind, _) = chunk_head(&mut Reader::new(reader.rest()))?;
        if &kind == b"VP8X" {
            return Self::extended(reader);
        }
        let (canvas, has_alpha) =
            bitstream(&mut reader)?.ok_or(ImageError::Corrupt("it has no picture data"))?;
        Ok(Self {
            canvas,
            has_alpha,
            has_icc_profile: false,
            animated: false,
            orientation: Orientation::Upright,
            flags: None,
        })
    }

    fn extended(mut reader: Reader<'_>) -> Result<Self, ImageError> {
        let (_, length) = chunk_head(&mut reader)?;
        let mut features = Reader::new(chunk_body(&mut reader, length)?);
        let flags = features.u8()?;
        features.u24_le()?;
        let canvas = Size::new(features.u24_le()? + 1, features.u24_le()? + 1);
        // EXIF comes after the picture, so all chunks are looked at; a file that is not all here ends the search.
        let mut has_alpha_chunk = false;
        let mut still = None;
        let mut first_frame = None;
        let mut has_icc_profile = false;
        let mut orientation = Orientation::Upright;
        while !reader.is_empty() {
            let mut inner = reader;
            let Ok((kind, length)) = chunk_head(&mut reader) else { break };
            match &kind {
                b"ALPH" if still.is_none() => has_alpha_chunk = true,
                b"VP8 " | b"VP8L" if still.is_none() => {
                    if let Some((size, has_alpha)) = bitstream(&mut inner)? {
                        let has_alpha = has_alpha || &kind == b"VP8 " && has_alpha_chunk;
                        still = Some((size, has_alpha));
                    }
                }
                b"ANMF" => {
                    let opaque = frame(inner, canvas)?;
                    first_frame.get_or_insert(opaque);
                }
                _ => {}
            }
            let Ok(data) = chunk_body(&mut reader, length) else { break };
            match &kind {
                b"ICCP" => has_icc_profile = true,
                b"EXIF" => orientation = Orientation::from_exif_block(data),
                _ => {}
            }
        }
        // A file of both is what its flag says.
        let animated = match (still, first_frame) {
            (None, None) => return Err(ImageError::Corrupt("it has no picture data")),
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some(_), Some(_)) => flags & ANIMATION != 0,
        };
        let has_alpha = match (still, first_frame) {
            // What is inside is allocated by its own size.
            (Some((size, _)), _) if !animated && size != canvas => return Err(MISMATCH),
            (Some((_, has_alpha)), _) if !animated => has_alpha,
            (_, opaque) => opaque != Some(true),
        };
        let honest =
            if has_alpha { ALPHA } else { 0 } | if animated { ANIMATION } else { 0 } | flags & ICC_PROFILE;
        Ok(Self { canvas, has_alpha, has_icc_profile, animated, orientation, flags: Some(honest) })
    }
}

/// What a decoder reads: a file whose flags are those of what is in it. It must be as long as its header says.
pub(super) fn honest(bytes: &[u8]) -> Result<Spliced<'_>, ImageError> {
    let file = whole(bytes)?;
    let Some(flags) = Header::read(bytes)?.flags else { return Ok(Spliced::new(Vec::new(), file)) };
    let (start, rest) = file.split_at_checked(FLAGS_AT + 1).ok_or(CUT_OFF)?;
    let mut start = start.to_vec();
    if let Some(target) = start.last_mut() {
        *target = flags;
    }
    Ok(Spliced::new(start, rest))
}

/// Checks a frame of an animation: it lies on the canvas, and the picture in it has its size. Whether it covers the canvas
/// with pixels that have no alpha.
fn frame(mut reader: Reader<'_>, canvas: Size) -> Result<bool, ImageError> {
    chunk_head(&mut reader)?;
    let mut header = Reader::new(reader.take(FRAME_HEADER_LEN)?);
    let (left, top) = (header.u24_le()? * 2, header.u24_le()? * 2);
    let size = Size::new(header.u24_le()? + 1, header.u24_le()? + 1);
    if left + size.width > canvas.width || top + size.height > canvas.height {
        return Err(ImageError::Corrupt("a frame is larger than the picture"));
    }
    // An alpha chunk may come before the picture.
    let mut has_alpha = false;
    for _ in 0..2 {
        let mut inner = reader;
        match bitstream(&mut inner)? {
            Some((inner, _)) if inner != size => return Err(MISMATCH),
            Some((_, own_alpha)) => return Ok(size == canvas && !has_alpha && !own_alpha),
            None => {
                let (kind, length) = chunk_head(&mut reader)?;
                has_alpha |= &kind == b"ALPH";
                chunk_body(&mut reader, length)?;
            }
        }
    }
    Err(ImageError::Corrupt("a frame has no picture data"))
}

/// The size that a `VP8 ` or `VP8L` chunk says of itself, and whether it has alpha; `None` is another chunk.
fn bitstream(reader: &mut Reader<'_>) -> Result<Option<(Size, bool)>, ImageError> {
    match &chunk_head(reader)?.0 {
        b"VP8 " => {
            // Frame tag and start code (RFC 6386, section 9.1), then 14 bits of size and 2 of scale each.
            reader.take(6)?;
            let (width, height) = (reader.u16_le()? & 0x3FFF, reader.u16_le()? & 0x3FFF);
            Ok(Some((Size::new(width.into(), height.into()), false)))
        }
        b"VP8L" => {
            reader.u8()?;
            let bits = reader.u32_le()?;
            let size = Size::new((bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1);
            Ok(Some((size, bits >> 28 & 1 != 0)))
        }
        _ => Ok(None),
    }
}

/// The file without what comes after it. It must be as long as its header says.
pub(crate) fn whole(bytes: &[u8]) -> Result<&[u8], ImageError> {
    let mut reader = Reader::new(bytes);
    let (_, length) = chunk_head(&mut reader)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    bytes.get(..length.saturating_add(8)).ok_or(CUT_OFF)
}

pub(crate) fn chunk_head(reader: &mut Reader<'_>) -> Result<([u8; 4], u32), ImageError> {
    Ok((reader.fourcc()?, reader.u32_le()?))
}

/// A chunk's content; one of odd length is followed by a byte that does not count (and that may be missing at the end).
pub(crate) fn chunk_body<'a>(reader: &mut Reader<'a>, length: u32) -> Result<&'a [u8], ImageError> {
    let data = reader.take(usize::try_from(length).unwrap_or(usize::MAX))?;
    if length % 2 == 1 && !reader.is_empty() {
        reader.u8()?;
    }
    Ok(data)
}
