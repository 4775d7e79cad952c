//! PNG: chunks are kept by name.

use super::{Keep, exif};
use crate::{
    codec::{
        png::header::{Chunk, SIGNATURE_LEN, crc},
        reader::Reader,
    },
    error::ImageError,
};

/// Names under which text stays while places go. `Comment` is not one: programs write there what they like.
const KEYWORDS: [&[u8]; 9] = [
    b"Title",
    b"Author",
    b"Description",
    b"Copyright",
    b"Creation Time",
    b"Software",
    b"Disclaimer",
    b"Warning",
    b"Source",
];

/// The name of an `iTXt` chunk with XMP.
const XMP: &[u8] = b"XML:com.adobe.xmp";

/// The file without the chunks that go and what follows its end.
pub(super) fn strip(bytes: &[u8], keep: Keep) -> Result<Vec<u8>, ImageError> {
    let mut out = Vec::with_capacity(bytes.len());
    let start = Reader::new(bytes);
    let mut reader = start;
    reader.take(SIGNATURE_LEN)?;
    out.extend_from_slice(reader.since(&start));
    let effective = effective_exif(reader)?;
    for number in 0.. {
        let start = reader;
        let Chunk { kind, data } = Chunk::read(&mut reader)?;
        match &kind {
            b"IEND" => {
                write(&mut out, kind, &[])?;
                break;
            }
            b"eXIf" => {
                if effective == Some(number)
                    && let Some(block) = keep.exif(data)
                {
                    write(&mut out, kind, &block)?;
                }
            }
            _ if stays(kind, data, keep) => out.extend_from_slice(reader.since(&start)),
            _ => {}
        }
    }
    Ok(out)
}

/// The number of the one EXIF chunk that readers go by: the first before the picture data, else the first after it. Checks that
/// the chunks that must be there are.
fn effective_exif(mut reader: Reader<'_>) -> Result<Option<usize>, ImageError> {
    let (mut before, mut after) = (None, None);
    let mut has_data = false;
    for number in 0_usize.. {
        let chunk = Chunk::read(&mut reader)?;
        if number == 0 && &chunk.kind != b"IHDR" {
            return Err(ImageError::Corrupt("it has no header"));
        }
        match &chunk.kind {
            b"IDAT" => has_data = true,
            b"IEND" => break,
            b"eXIf" if has_data => after = after.or(Some(number)),
            b"eXIf" => before = before.or(Some(number)),
            _ => {}
        }
    }
    if has_data { Ok(before.or(after)) } else { Err(ImageError::Corrupt("it has no picture data")) }
}

/// Whether a chunk stays that is neither EXIF nor the last one.
fn stays(kind: [u8; 4], data: &[u8], keep: Keep) -> bool {
    match &kind {
        b"gAMA" | b"cHRM" | b"sRGB" | b"iCCP" | b"cICP" | b"mDCV" | b"mDCv" | b"cLLI" | b"cLLi" | b"tRNS"
        | b"bKGD" | b"pHYs" | b"sBIT" | b"acTL" | b"fcTL" | b"fdAT" => true,
        b"tIME" | b"hIST" | b"sPLT" => keep == Keep::NoLocation,
        b"tEXt" | b"zTXt" => keep == Keep::NoLocation && KEYWORDS.contains(&keyword(data).0),
        b"iTXt" => match keyword(data) {
            (XMP, text) => uncompressed(text).is_some_and(|packet| keep.xmp(packet)),
            (keyword, _) => keep == Keep::NoLocation && KEYWORDS.contains(&keyword),
        },
        // A small first letter: a decoder need not know it.
        [first, ..] => first & 0x20 == 0,
    }
}

/// The name of a text chunk, and what follows the zero after it.
fn keyword(data: &[u8]) -> (&[u8], &[u8]) {
    let length = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    (data.get(..length).unwrap_or_default(), data.get(length + 1..).unwrap_or_default())
}

/// The text of an `iTXt` chunk, after its name: flag and method of compression, a language, the name in it, and the text.
fn uncompressed(data: &[u8]) -> Option<&[u8]> {
    let (&[flag, _method], rest) = data.split_first_chunk()?;
    let (_language, rest) = keyword(rest);
    let (_translated, text) = keyword(rest);
    (flag == 0).then_some(text)
}

/// Writes a chunk.
fn write(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) -> Result<(), ImageError> {
    let length = u32::try_from(data.len()).map_err(|_| exif::TOO_LONG)?;
    out.extend(length.to_be_bytes());
    out.extend(kind);
    out.extend_from_slice(data);
    out.extend(crc(kind.iter().chain(data)).to_be_bytes());
    Ok(())
}
