//! PNG's chunks (W3C PNG, third edition).

use crate::{
    codec::reader::{Reader, Spliced},
    colour::{Embedded, described::Space},
    error::ImageError,
    orient::Orientation,
    size::Size,
};

/// What the chunks before the picture data say. Of those that a decoder need not know, the ones that the standard says to
/// ignore are: second copies, those in the wrong place or of a wrong length, and those whose checksum is wrong.
pub(super) struct Header {
    pub(super) size: Size,
    pub(super) bit_depth: u8,
    /// 0 gray, 2 RGB, 3 palette, 4 gray with alpha, 6 RGB with alpha.
    pub(super) color_type: u8,
    /// Whether rows are stored in seven passes over the picture (Adam7).
    pub(super) interlaced: bool,
    /// Whether a tRNS chunk gives alpha to a type that has none.
    pub(super) has_transparency: bool,
    pub(super) has_icc_profile: bool,
    pub(super) animated: bool,
    pub(super) orientation: Orientation,
    pub(super) colors: Colors,
    /// Bytes of the chunks that are no picture data and that the decoder needs.
    pub(super) metadata_bytes: u64,
}

/// The chunks that say what colours mean.
#[derive(Default)]
pub(super) struct Colors {
    /// `cICP`, if colours can be converted from what it says.
    code_points: Option<Space>,
    is_srgb: bool,
    /// `gAMA`: an exponent.
    gamma: Option<f32>,
    /// `cHRM`: x and y of white, red, green and blue.
    chromaticities: Option<[(f32, f32); 4]>,
}

impl Colors {
    /// What counts, by the standard's precedence (13.2.3): cICP, iCCP, sRGB, gAMA and cHRM.
    pub(super) fn choose(&self, profile: Option<Vec<u8>>) -> Option<Embedded> {
        let measured = Space::Measured { gamma: self.gamma, chromaticities: self.chromaticities };
        if let Some(space) = self.code_points {
            Some(Embedded::Described(space))
        } else if let Some(profile) = profile {
            Some(Embedded::Icc(profile))
        } else if self.is_srgb {
            None
        } else {
            measured.is_usable().then_some(Embedded::Described(measured))
        }
    }

    /// Reads a chunk, `raw` with its head and checksum, if it is as it should be. Numbers are in 100,000ths.
    fn read(&mut self, kind: [u8; 4], data: &[u8], raw: &[u8]) -> bool {
        let length = match &kind {
            b"sRGB" => 1,
            b"cHRM" => 32,
            _ => 4,
        };
        if data.len() != length || !is_intact(raw) {
            return false;
        }
        let mut numbers = data.as_chunks::<4>().0.iter().map(|bytes| fraction(u32::from_be_bytes(*bytes)));
        match (&kind, data) {
            // RGB as it is, of full range.
            (b"cICP", &[primaries, transfer, 0, 1]) => {
                self.code_points = Some(Space::Cicp { primaries, transfer }).filter(Space::is_usable);
            }
            (b"sRGB", _) => self.is_srgb = true,
            (b"gAMA", _) => self.gamma = numbers.next().filter(|by| *by > 0.0).map(|by| 1.0 / by),
            (b"cHRM", _) => {
                let mut pair = || Some((numbers.next()?, numbers.next()?));
                self.chromaticities = (|| Some([pair()?, pair()?, pair()?, pair()?]))();
            }
            _ => {}
        }
        true
    }
}

#[expect(clippy::cast_precision_loss, reason = "five digits")]
fn fraction(value: u32) -> f32 {
    value as f32 / 100_000.0
}

pub(crate) const SIGNATURE_LEN: usize = 8;

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        Self::walk(bytes, |_| {}).map(|(header, _)| header)
    }

    /// The header, and the file that the decoder gets: the chunks that it needs, and all from the picture data on.
    pub(super) fn needed(bytes: &[u8]) -> Result<(Self, Spliced<'_>), ImageError> {
        let mut start = bytes.get(..SIGNATURE_LEN).unwrap_or_default().to_vec();
        let (header, rest) = Self::walk(bytes, |chunk| start.extend_from_slice(chunk))?;
        Ok((header, Spliced::new(start, rest)))
    }

    /// Gives `keep` each chunk that the decoder needs, as it is stored; also what begins with the picture data.
    fn walk<'a>(bytes: &'a [u8], mut keep: impl FnMut(&'a [u8])) -> Result<(Self, &'a [u8]), ImageError> {
        let mut reader = Reader::new(bytes);
        reader.take(SIGNATURE_LEN)?;
        let start = reader;
        let Chunk { kind: [b'I', b'H', b'D', b'R'], data } = Chunk::read(&mut reader)? else {
            return Err(ImageError::Corrupt("it has no header"));
        };
        keep(reader.since(&start));
        let mut header = Self::of(data)?;
        let mut seen: Vec<[u8; 4]> = Vec::new();
        let mut palette = None;
        loop {
            let start = reader;
            let Chunk { kind, data } = match Chunk::head(&mut reader)? {
                // The picture data need not be here yet.
                (_, kind) if &kind == b"IDAT" => return Ok((header, start.rest())),
                (length, kind) => Chunk::body(&mut reader, length, kind)?,
            };
            let raw = reader.since(&start);
            let first = !seen.contains(&kind);
            // Whether the chunk counts, and whether the decoder needs it.
            let (counts, kept) = match &kind {
                b"PLTE" => {
                    // For other types it is a suggestion, or wrong.
                    let needed = header.color_type == 3;
                    palette = Some(data.len() / 3);
                    (true, needed)
                }
                b"tRNS" => {
                    let fits = match header.color_type {
                        0 => data.len() == 2,
                        2 => data.len() == 6,
                        3 => palette.is_some_and(|colors| (1..=colors).contains(&data.len())),
                        _ => false,
                    };
                    let counts = first && fits && is_intact(raw);
                    header.has_transparency |= counts;
                    (counts, counts)
                }
                b"iCCP" => {
                    header.has_icc_profile = true;
                    // The decoder looks at its checksum.
                    let counts = first && palette.is_none();
                    (counts, counts)
                }
                b"cICP" | b"sRGB" | b"gAMA" | b"cHRM" => {
                    (first && palette.is_none() && header.colors.read(kind, data, raw), false)
                }
                b"eXIf" => {
                    if first {
                        header.orientation = Orientation::from_exif_block(data);
                    }
                    (true, false)
                }
                b"acTL" | b"fcTL" => {
                    header.animated |= &kind == b"acTL";
                    (false, true)
                }
                b"IEND" => return Err(ImageError::Corrupt("it has no picture data")),
                // A small first letter: a decoder need not know it.
                [letter, ..] => (false, letter & 0x20 == 0),
            };
            if counts && first {
                seen.push(kind);
            }
            if kept {
                header.metadata_bytes += u64::try_from(raw.len()).unwrap_or(u64::MAX);
                keep(raw);
            }
        }
    }

    fn of(ihdr: &[u8]) -> Result<Self, ImageError> {
        let mut reader = Reader::new(ihdr);
        let size = Size::new(reader.u32_be()?, reader.u32_be()?);
        let (bit_depth, color_type) = (reader.u8()?, reader.u8()?);
        // Compression and filter methods and other interlaces are the decoder's to refuse.
        let interlaced = ihdr.get(12) == Some(&1);
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
            interlaced,
            has_transparency: false,
            has_icc_profile: false,
            animated: false,
            orientation: Orientation::Upright,
            colors: Colors::default(),
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

/// Whether a chunk, as it is stored, has the checksum of its kind and content.
fn is_intact(raw: &[u8]) -> bool {
    let Some((checked, sum)) = raw.get(4..).and_then(|checked| checked.split_last_chunk::<4>()) else {
        return false;
    };
    crc(checked) == u32::from_be_bytes(*sum)
}

/// The checksum of kind and content (W3C PNG, annex D), bit by bit: the chunks are small.
pub(crate) fn crc<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u32 {
    !bytes.into_iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
            },
        )
    })
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
