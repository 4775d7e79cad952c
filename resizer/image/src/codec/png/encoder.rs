//! Pixels to PNG files.

use libdeflater::{CompressionLvl, Compressor, crc32};

use super::{
    filter::{Filter, Rows, Strategy},
    reduce::{Kind, Reduced},
};
use crate::{cancel::Cancel, error::ImageError, options::QualityProfile, pixels::Pixels, size::Size};

/// Bytes that are compressed between two looks at `cancel`, where the compressor comes back at all.
const BAND: usize = 256 << 10;

const FAILED: ImageError = ImageError::Internal("PNG encoder");

/// Writes a picture of gray or RGB pixels with or without alpha, 8 bits a channel, losslessly, as the smallest kind of PNG
/// that holds its colors (also those of invisible pixels). No metadata is written. The same pixels and profile make the
/// same bytes on every machine.
///
/// Memory besides the pixels: [`memory`]. `cancel` is looked at while colors are counted and rows are filtered and before
/// each compression, which itself runs to its end.
pub(crate) fn encode(
    pixels: &Pixels,
    profile: QualityProfile,
    cancel: &Cancel,
) -> Result<Vec<u8>, ImageError> {
    let picture = Reduced::new(pixels, cancel)?;
    let rows = picture.rows()?;
    let length = (picture.line() + 1).checked_mul(rows).ok_or(FAILED)?;
    let mut raw = Vec::with_capacity(length);
    let (strategy, engine) = choose(&picture, &mut raw, profile, cancel)?;
    raw.clear();
    Rows::new(&picture, strategy).append(0..rows, cancel, &mut raw)?;
    cancel.check()?;

    let mut file = b"\x89PNG\r\n\x1A\n".to_vec();
    let (width, height) = (picture.width().to_be_bytes(), picture.height().to_be_bytes());
    let kind = [picture.bits(), picture.color_type(), 0, 0, 0];
    chunk(&mut file, *b"IHDR", &[&width[..], &height, &kind].concat())?;
    if let Kind::Palette(_, palette) = &picture.kind {
        let (colors, alphas) = palette.chunks();
        chunk(&mut file, *b"PLTE", &colors)?;
        if !alphas.is_empty() {
            chunk(&mut file, *b"tRNS", &alphas)?;
        }
    }
    let (head, data) = (file.len(), file.len() + 8);
    match engine {
        Engine::Fast => {
            file.reserve_exact(length + length / 8 + (1 << 10));
            file.resize(data, 0);
            file = fast(&raw, file, cancel)?;
        }
        Engine::Level(level) => {
            let mut compressor = compressor(level)?;
            file.resize(data + compressor.zlib_compress_bound(length), 0);
            let target = file.get_mut(data..).ok_or(FAILED)?;
            let compressed = compressor.zlib_compress(&raw, target).map_err(|_| FAILED)?;
            file.truncate(data + compressed);
        }
    }
    drop(raw);
    let size = u32::try_from(file.len() - data).map_err(|_| FAILED)?;
    let place = file.get_mut(head..data).ok_or(FAILED)?;
    place.copy_from_slice(&[size.to_be_bytes(), *b"IDAT"].concat());
    let sum = crc32(file.get(head + 4..).ok_or(FAILED)?);
    file.extend(sum.to_be_bytes());
    chunk(&mut file, *b"IEND", &[])?;
    file.shrink_to_fit();
    Ok(file)
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) -> Result<(), ImageError> {
    file.extend(u32::try_from(content.len()).map_err(|_| FAILED)?.to_be_bytes());
    let start = file.len();
    file.extend(kind);
    file.extend(content);
    let sum = crc32(file.get(start..).ok_or(FAILED)?);
    file.extend(sum.to_be_bytes());
    Ok(())
}

/// Appends filtered rows, compressed with `fdeflate`: codes made for filtered photographs, and hardly any search for what
/// repeats.
fn fast(raw: &[u8], file: Vec<u8>, cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
    let mut compressor = fdeflate::Compressor::new(file).map_err(|_| FAILED)?;
    for band in raw.chunks(BAND) {
        cancel.check()?;
        compressor.write_data(band).map_err(|_| FAILED)?;
    }
    compressor.finish().map_err(|_| FAILED)
}

fn compressor(level: i32) -> Result<Compressor, ImageError> {
    CompressionLvl::new(level).map(Compressor::new).map_err(|_| FAILED)
}

/// What compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    /// `fdeflate`.
    Fast,
    /// libdeflate at a level. Its 1 makes photographs, filtered, smaller than level 6 of zlib does unfiltered, in a third to
    /// half of the time; what is not filtered or repeats much is easy, and 6 takes little more time than 1 for it. 10 and
    /// more search for the best parse, at 2 to 10 MB a second.
    Level(i32),
}

/// Bytes of rows that strategies are tried on: by the profile for the fewest bytes, and by the others.
const SAMPLE_BEST: usize = 1 << 20;
const SAMPLE_MOST: usize = 128 << 10;
const SAMPLE_LEAST: usize = 24 << 10;

/// The sample for pictures that shrink so much that what repeats is farther apart than a small one reaches, and how much
/// that is.
const SAMPLE_EASY: usize = 512 << 10;
const EASY: usize = 10;

/// The strategy that is smallest for a sample of the rows, and what compresses them.
fn choose(
    picture: &Reduced<'_>,
    buffer: &mut Vec<u8>,
    profile: QualityProfile,
    cancel: &Cancel,
) -> Result<(Strategy, Engine), ImageError> {
    let length = buffer.capacity();
    let easy = Engine::Level(match profile {
        QualityProfile::Fast => 1,
        QualityProfile::Balanced => 6,
        QualityProfile::Best if length <= 2 << 20 => 12,
        QualityProfile::Best if length <= 8 << 20 => 10,
        QualityProfile::Best => 9,
    });
    // Filters see bytes, and in those are several pixels then.
    if picture.bits() < 8 {
        return Ok((Strategy::Plain, easy));
    }
    if profile == QualityProfile::Best {
        let strategies = [
            Strategy::Plain,
            Strategy::Sum,
            Strategy::Entropy,
            Strategy::Always(Filter::Sub),
            Strategy::Always(Filter::Up),
            Strategy::Always(Filter::Paeth),
        ];
        let (found, ..) = smallest(picture, &strategies, SAMPLE_BEST, 6, buffer, cancel)?;
        return Ok((found, easy));
    }
    let strategies = [Strategy::Plain, Strategy::Sum];
    let sample = (length / 12).clamp(SAMPLE_LEAST, SAMPLE_MOST);
    let (found, size, of) = smallest(picture, &strategies, sample, 1, buffer, cancel)?;
    let is_easy = size.saturating_mul(EASY) < of;
    if found == Strategy::Sum && is_easy && profile == QualityProfile::Balanced {
        let (found, ..) = smallest(picture, &strategies, SAMPLE_EASY, 6, buffer, cancel)?;
        return Ok((found, easy));
    }
    let engine = match (found, profile) {
        _ if found == Strategy::Plain || is_easy => easy,
        (_, QualityProfile::Fast) => Engine::Fast,
        _ => Engine::Level(1),
    };
    Ok((found, engine))
}

/// Tries strategies on up to `sample` bytes of rows, from three places unless these are all: the best one, its bytes and those
/// of the sample. Of equals it is the first.
fn smallest(
    picture: &Reduced<'_>,
    strategies: &[Strategy],
    sample: usize,
    level: i32,
    buffer: &mut Vec<u8>,
    cancel: &Cancel,
) -> Result<(Strategy, usize, usize), ImageError> {
    let (rows, line) = (picture.rows()?, picture.line() + 1);
    let bands = if line.saturating_mul(rows) <= sample { 1 } else { 3 };
    let height = (sample / bands / line).clamp(1, rows);
    let mut compressor = compressor(level)?;
    let mut target = vec![0; compressor.zlib_compress_bound(height * line)];
    let mut best = (Strategy::Plain, usize::MAX);
    for &strategy in strategies {
        let mut filter = Rows::new(picture, strategy);
        let mut size = 0;
        for band in 0..bands {
            let start = (rows - height) * (2 * band + 1) / (2 * bands);
            buffer.clear();
            filter.append(start..start + height, cancel, buffer)?;
            size += compressor.zlib_compress(buffer, &mut target).map_err(|_| FAILED)?;
        }
        if size < best.1 {
            best = (strategy, size);
        }
    }
    Ok((best.0, best.1, bands * height * line))
}

/// The most that [`encode`] holds besides the pixels, in bytes: the filtered rows, as many bytes again (and 5 for each 5,000)
/// for the file, libdeflate's tables, and a few rows. The file itself, which is what is left in the end, is part of it.
pub(crate) fn memory(size: Size, channels: u64, profile: QualityProfile) -> u64 {
    let line = u64::from(size.width).saturating_mul(channels) + 1;
    let raw = line.saturating_mul(size.height.into());
    // 0.7 MB and 9 MB (measured), and colors, palettes, chunks.
    let tables = if profile == QualityProfile::Best { 10 << 20 } else { 2 << 20 };
    // The sample's file is made while the buffer for all rows is held, and a sample has one row at least.
    let sample = if profile == QualityProfile::Best { SAMPLE_BEST } else { SAMPLE_EASY } as u64;
    let file = raw + raw / 8 + (1 << 10);
    raw + file.max(sample.min(file) + line) + 6 * line + tables
}
