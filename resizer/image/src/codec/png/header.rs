//! PNG's chunks (W3C PNG, third edition).

use crate::{codec::reader::Reader, error::ImageError, orient::Orientation, size::Size};

/// What the chunks before the picture data say.
pub(super) struct Header {
    pub(super) size: Size,
    pub(super) bit_depth: u8,
    /// 0 gray, 2 RGB, 3 palette, 4 gray with alpha, 6 RGB with alpha.
    pub(super) color_type: u8,
    /// Whether a tRNS chunk gives alpha to a type that has none.
    pub(super) has_transparency: bool,
    pub(super) has_icc_profile: bool,
    pub(super) animated: bool,
    pub(super) orientation: Orientation,
    /// Bytes of the chunks that are no picture data.
    pub(super) metadata_bytes: u64,
}

pub(crate) const SIGNATURE_LEN: usize = 8;

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let mut reader = Reader::new(bytes);
        reader.take(SIGNATURE_LEN)?;
        let Chunk { kind: [b'I', b'H', b'D', b'R'], data } = Chunk::read(&mut reader)? else {
            return Err(ImageError::Corrupt("it has no header"));
        };
        let mut header = Self::of(data)?;
        let mut metadata_bytes = 0;
        loop {
            let Chunk { kind, data } = match Chunk::head(&mut reader)? {
                // The picture data need not be here yet.
                (_, kind) if &kind == b"IDAT" => {
                    return Ok(Self { metadata_bytes, ..header });
                }
                (length, kind) => Chunk::body(&mut reader, length, kind)?,
            };
            metadata_bytes += u64::try_from(data.len()).unwrap_or(u64::MAX);
            match &kind {
                b"tRNS" => header.has_transparency = matches!(header.color_type, 0 | 2 | 3),
                b"iCCP" => header.has_icc_profile = true,
                b"acTL" => header.animated = true,
                b"eXIf" => header.orientation = Orientation::from_exif_block(data),
                b"IEND" => return Err(ImageError::Corrupt("it has no picture data")),
                _ => {}
            }
        }
    }

    fn of(ihdr: &[u8]) -> Result<Self, ImageError> {
        let mut reader = Reader::new(ihdr);
        let size = Size::new(reader.u32_be()?, reader.u32_be()?);
        let (bit_depth, color_type) = (reader.u8()?, reader.u8()?);
        let valid = match color_type {
            0 => matches!(bit_depth, 1 | 2 | 4 | 8 | 16),
            3 => matches!(bit_depth, 1 | 2 | 4 | 8),
            2 | 4 | 6 => matches!(bit_depth, 8 | 16),
            _ => false,
        };
        if !valid {
            return Err(ImageError::Corrupt("its kind of pixels is invalid"));
        }
        Ok(Self {
            size,
            bit_depth,
            color_type,
            has_transparency: false,
            has_icc_profile: false,
            animated: false,
            orientation: Orientation::Upright,
            metadata_bytes: 0,
        })
    }
}

/// Checks that all chunks to IEND are there.
pub(super) fn check_end(bytes: &[u8]) -> Result<(), ImageError> {
    let mut reader = Reader::new(bytes);
    reader.take(SIGNATURE_LEN)?;
    while Chunk::read(&mut reader)?.kind != *b"IEND" {}
    Ok(())
}

/// One chunk.
pub(crate) struct Chunk<'a> {
    pub(crate) kind: [u8; 4],
    pub(crate) data: &'a [u8],
}

impl<'a> Chunk<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, ImageError> {
        let (length, kind) = Self::head(reader)?;
        Self::body(reader, length, kind)
    }

    fn head(reader: &mut Reader<'a>) -> Result<(u32, [u8; 4]), ImageError> {
        Ok((reader.u32_be()?, reader.fourcc()?))
    }

    /// Content and checksum, which the decoder checks.
    fn body(reader: &mut Reader<'a>, length: u32, kind: [u8; 4]) -> Result<Self, ImageError> {
        let data = reader.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        reader.u32_be()?;
        Ok(Self { kind, data })
    }
}
