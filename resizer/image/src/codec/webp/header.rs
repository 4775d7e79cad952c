//! WebP's chunks (RFC 9649).

use crate::{
    codec::reader::{CUT_OFF, Reader},
    error::ImageError,
    orient::Orientation,
    size::Size,
};

/// The canvas and what is on it.
pub(super) struct Header<'a> {
    pub(super) canvas: Size,
    pub(super) has_alpha: bool,
    pub(super) has_icc_profile: bool,
    pub(super) animated: bool,
    pub(super) orientation: Orientation,
    /// The first ICC profile, if it is all here.
    pub(super) profile: Option<&'a [u8]>,
    /// The picture, or the first frame of an animation.
    pub(super) frame: Frame<'a>,
}

/// A picture on the canvas.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    /// Left edge on the canvas.
    pub(super) left: u32,
    /// Top edge on the canvas.
    pub(super) top: u32,
    /// Size of the picture.
    pub(super) size: Size,
    /// With loss.
    pub(super) lossy: bool,
    /// Whether the picture itself has alpha.
    pub(super) has_alpha: bool,
    /// Its chunks: `VP8 ` or `VP8L`, with loss and alpha from its `ALPH` on. `None` if they are longer than the file.
    pub(super) chunks: Option<&'a [u8]>,
}

/// `RIFF`, size, `WEBP`.
pub(crate) const RIFF_HEADER_LEN: usize = 12;

/// Frame position, size, duration and flags of an ANMF chunk, before its own chunks.
pub(crate) const FRAME_HEADER_LEN: usize = 16;

/// The one flag of a VP8X chunk that is ever asked. Many writers' flags lie.
const ANIMATION: u8 = 0x02;

const MISMATCH: ImageError = ImageError::Corrupt("it gives its size twice, and not the same");

impl<'a> Header<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, ImageError> {
        // A file that is not all here is read as far as it goes.
        let mut reader = Reader::new(whole(bytes).unwrap_or(bytes));
        reader.take(RIFF_HEADER_LEN)?;
        let (kind, length) = chunk_head(&mut Reader::new(reader.rest()))?;
        if &kind == b"VP8X" {
            return Self::extended(reader);
        }
        let mut inner = reader;
        let (size, has_alpha) =
            bitstream(&mut inner)?.ok_or(ImageError::Corrupt("it has no picture data"))?;
        let frame = Frame {
            left: 0,
            top: 0,
            size,
            lossy: &kind == b"VP8 ",
            has_alpha,
            chunks: chunk(reader, reader, length),
        };
        Ok(Self {
            canvas: size,
            has_alpha,
            has_icc_profile: false,
            animated: false,
            orientation: Orientation::Upright,
            profile: None,
            frame,
        })
    }

    fn extended(mut reader: Reader<'a>) -> Result<Self, ImageError> {
        let (_, length) = chunk_head(&mut reader)?;
        let mut features = Reader::new(chunk_body(&mut reader, length)?);
        let flags = features.u8()?;
        features.u24_le()?;
        let canvas = Size::new(features.u24_le()? + 1, features.u24_le()? + 1);
        // EXIF comes after the picture, so all chunks are looked at; a file that is not all here ends the search.
        let mut alpha = None;
        let mut still: Option<Frame<'_>> = None;
        let mut first_frame = None;
        let mut has_icc_profile = false;
        let mut profile = None;
        let mut orientation = Orientation::Upright;
        while !reader.is_empty() {
            let at = reader;
            let Ok((kind, length)) = chunk_head(&mut reader) else { break };
            match &kind {
                b"ALPH" if still.is_none() => alpha = alpha.or(Some(at)),
                b"VP8 " | b"VP8L" if still.is_none() => {
                    let lossy = &kind == b"VP8 ";
                    let alpha = alpha.filter(|_| lossy);
                    let mut inner = at;
                    still = bitstream(&mut inner)?.map(|(size, has_alpha)| Frame {
                        left: 0,
                        top: 0,
                        size,
                        lossy,
                        has_alpha: has_alpha || alpha.is_some(),
                        chunks: chunk(alpha.unwrap_or(at), at, length),
                    });
                }
                b"ANMF" => {
                    let frame = frame(at, canvas)?;
                    first_frame.get_or_insert(frame);
                }
                _ => {}
            }
            let Ok(data) = chunk_body(&mut reader, length) else { break };
            match &kind {
                b"ICCP" => {
                    has_icc_profile = true;
                    profile = profile.or(Some(data));
                }
                b"EXIF" => orientation = Orientation::from_exif_block(data),
                _ => {}
            }
        }
        // A file of both is what its flag says.
        let (frame, animated) = match (still, first_frame) {
            (None, None) => return Err(ImageError::Corrupt("it has no picture data")),
            (Some(_), Some(frame)) if flags & ANIMATION != 0 => (frame, true),
            (Some(still), _) => (still, false),
            (None, Some(frame)) => (frame, true),
        };
        // What is inside is allocated by its own size.
        if !animated && frame.size != canvas {
            return Err(MISMATCH);
        }
        let has_alpha = frame.has_alpha || frame.size != canvas;
        Ok(Self { canvas, has_alpha, has_icc_profile, animated, orientation, profile, frame })
    }
}

/// Reads a frame of an animation: it lies on the canvas, and the picture in it has its size.
fn frame(mut reader: Reader<'_>, canvas: Size) -> Result<Frame<'_>, ImageError> {
    let (_, length) = chunk_head(&mut reader)?;
    // What lies in the chunk, as far as it is here.
    let rest = reader.rest();
    let mut reader = Reader::new(chunk_body(&mut reader, length).unwrap_or(rest));
    let mut header = Reader::new(reader.take(FRAME_HEADER_LEN)?);
    let (left, top) = (header.u24_le()? * 2, header.u24_le()? * 2);
    let size = Size::new(header.u24_le()? + 1, header.u24_le()? + 1);
    if left + size.width > canvas.width || top + size.height > canvas.height {
        return Err(ImageError::Corrupt("a frame is larger than the picture"));
    }
    // An alpha chunk may come before the picture.
    let mut alpha = None;
    for _ in 0..2 {
        let at = reader;
        let mut inner = at;
        let picture = bitstream(&mut inner)?;
        let (kind, length) = chunk_head(&mut reader)?;
        match picture {
            Some((inner, _)) if inner != size => return Err(MISMATCH),
            Some((_, own_alpha)) => {
                let lossy = &kind == b"VP8 ";
                let chunks = chunk(alpha.filter(|_| lossy).unwrap_or(at), at, length);
                let has_alpha = own_alpha || alpha.is_some();
                return Ok(Frame { left, top, size, lossy, has_alpha, chunks });
            }
            None => {
                alpha = (&kind == b"ALPH").then_some(at);
                chunk_body(&mut reader, length)?;
            }
        }
    }
    Err(ImageError::Corrupt("a frame has no picture data"))
}

/// The bytes from one position to the end of a chunk at another, if it is all here.
fn chunk<'a>(from: Reader<'a>, at: Reader<'a>, length: u32) -> Option<&'a [u8]> {
    let mut end = at;
    chunk_head(&mut end).ok()?;
    chunk_body(&mut end, length).ok()?;
    Some(end.since(&from))
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
