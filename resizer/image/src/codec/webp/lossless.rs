//! What stands before the pixels of a lossless picture (VP8L, RFC 9649 section 4), read before libwebp sees it: how much
//! libwebp will allocate depends on it, and on nothing that can be read without decoding.
//!
//! Coded with the picture's own codes, images of transforms come first, then one that names a group of prefix codes for
//! each block of pixels. They are decoded here as the format says; whatever libwebp would refuse is refused too. The
//! alphabets and the order of things are the RFC's.

use super::{DAMAGED, header::Frame, index};
use crate::{
    cancel::Cancel,
    codec::{reader::Reader, webp::header},
    error::ImageError,
    size::Size,
};

/// What libwebp allocates for, besides the pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Front {
    /// Groups of prefix codes.
    pub(super) groups: u64,
    /// Pixels of the images that come first, all together.
    pub(super) images: u64,
    /// Entries of the color cache are 2 to this; 0 is no cache.
    pub(super) cache_bits: u32,
}

/// Why a front is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// Its images have more pixels than were allowed.
    Large,
    /// What was given as the reason: damaged, or cancelled.
    Failed(ImageError),
}

impl From<ImageError> for Unread {
    fn from(error: ImageError) -> Self {
        Self::Failed(error)
    }
}

const BROKEN: Unread = Unread::Failed(DAMAGED);

/// Reads the front of a lossless picture, or of the lossless alpha of a lossy one (all zero where there is none). Takes
/// memory for as many as `most` pixels of 4 bytes, and time for them.
pub(super) fn front(frame: &Frame<'_>, most: u64, cancel: &Cancel) -> Result<Front, Unread> {
    let mut reader = Reader::new(frame.chunks.ok_or(BROKEN)?);
    if !frame.lossy {
        header::chunk_head(&mut reader)?;
        let mut bits = Bits::new(reader.rest());
        // Signature, size, alpha, version.
        let (signature, sides) = (bits.take(8)?, bits.take(14)?);
        let (height, flags) = (bits.take(14)?, bits.take(4)?);
        let size = Size::new(sides + 1, height + 1);
        if signature != 0x2F || flags >> 1 != 0 || size != frame.size {
            return Err(BROKEN);
        }
        return Picture { bits, most, cancel, images: 0 }.front(size);
    }
    // libwebp takes the last of several chunks.
    let mut alpha = None;
    loop {
        let (kind, length) = header::chunk_head(&mut reader)?;
        match &kind {
            b"VP8 " | b"VP8L" => break,
            b"ALPH" => alpha = Some(header::chunk_body(&mut reader, length)?),
            _ => {
                header::chunk_body(&mut reader, length)?;
            }
        }
    }
    match alpha.and_then(<[u8]>::split_first) {
        Some((flags, data)) if flags & 3 == 1 => {
            Picture { bits: Bits::new(data), most, cancel, images: 0 }.front(frame.size)
        }
        _ => Ok(Front::default()),
    }
}

/// Bits of a file, the lowest of each byte first.
struct Bits<'d> {
    data: &'d [u8],
    at: usize,
    /// libwebp reads 0 behind the end of what is shorter than 8 bytes.
    end: usize,
}

impl<'d> Bits<'d> {
    fn new(data: &'d [u8]) -> Self {
        Self { data, at: 0, end: data.len().max(8).saturating_mul(8) }
    }

    /// The next 24 bits or more, 0 behind the end.
    fn peek(&self) -> u32 {
        let rest = self.data.get(self.at / 8..).unwrap_or_default();
        let bytes = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut bytes = [0; 4];
            bytes.iter_mut().zip(rest).for_each(|(byte, &from)| *byte = from);
            bytes
        });
        u32::from_le_bytes(bytes) >> (self.at % 8)
    }

    fn skip(&mut self, count: u32) -> Result<(), Unread> {
        self.at += index(count);
        if self.at > self.end { Err(BROKEN) } else { Ok(()) }
    }

    /// A number of at most 24 bits.
    fn take(&mut self, count: u32) -> Result<u32, Unread> {
        let value = self.peek() & ((1 << count) - 1);
        self.skip(count)?;
        Ok(value)
    }

    fn flag(&mut self) -> Result<bool, Unread> {
        Ok(self.take(1)? == 1)
    }
}

/// The longest code, in bits.
const LONGEST: usize = 15;

/// Codes of so many bits are looked up at once.
const FAST: usize = 8;

/// A complete prefix code, or one of a single symbol, which takes no bits.
struct Code {
    /// Symbol and length of each code that starts with these bits; length 16 is a longer code.
    fast: [(u16, u8); 1 << FAST],
    /// Codes of each length.
    counts: [u16; LONGEST + 1],
    /// By length, then by value.
    symbols: Vec<u16>,
}

impl Code {
    /// Makes a code of the length of each symbol, 0 for symbols that do not occur.
    fn new(lengths: &[u8]) -> Result<Self, Unread> {
        let mut counts = [0_u16; LONGEST + 1];
        for &length in lengths {
            *counts.get_mut(usize::from(length)).ok_or(BROKEN)? += 1;
        }
        let [unused, used @ ..] = &mut counts;
        *unused = 0;
        let space: u32 = (0..).zip(used.iter()).map(|(shift, &count)| u32::from(count) << (14 - shift)).sum();
        let mut symbols = Vec::with_capacity(used.iter().copied().map(usize::from).sum());
        for length in 1_u8..=15 {
            let same = (0..).zip(lengths).filter(|(_, has)| **has == length);
            symbols.extend(same.map(|(symbol, _): (u16, _)| symbol));
        }
        let mut fast = [(0, 16); 1 << FAST];
        if let [only] = symbols[..] {
            fast.fill((only, 0));
            return Ok(Self { fast, counts, symbols });
        }
        if space != 1 << LONGEST {
            return Err(BROKEN);
        }
        let mut code = 0_u16;
        let mut left = symbols.iter();
        for (length, &count) in (0_u8..).zip(&counts).take(FAST + 1) {
            code <<= 1;
            for &symbol in left.by_ref().take(usize::from(count)) {
                // The first bit of a code is the lowest in the file.
                let first = usize::from(code.reverse_bits() >> (16 - length));
                for entry in fast.iter_mut().skip(first).step_by(1 << length) {
                    *entry = (symbol, length);
                }
                code += 1;
            }
        }
        Ok(Self { fast, counts, symbols })
    }

    fn read(&self, bits: &mut Bits<'_>) -> Result<u16, Unread> {
        let ahead = bits.peek();
        let (symbol, length) = self.fast.get(index(ahead & 0xFF)).copied().unwrap_or_default();
        if length < 16 {
            bits.skip(u32::from(length))?;
            return Ok(symbol);
        }
        let (mut code, mut first, mut before) = (0_u32, 0_u32, 0_u32);
        for (length, &count) in (0..).zip(&self.counts).skip(1) {
            let length: u32 = length;
            code = code << 1 | (ahead >> (length - 1)) & 1;
            first <<= 1;
            let count = u32::from(count);
            if code < first + count {
                bits.skip(length)?;
                return self.symbols.get(index(before + code - first)).copied().ok_or(BROKEN);
            }
            first += count;
            before += count;
        }
        Err(BROKEN)
    }
}

/// Values and lengths of copies: green, or what a copy's length is coded with, or entries of the color cache.
const LITERALS: usize = 256;
const COPIES: usize = 24;
const DISTANCES: usize = 40;

/// Symbols of the code that lengths of codes are written with, in the order in which their own lengths come.
const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Where a short distance leads: rows up in the high four bits, in the low ones 8 less the columns to the left.
const NEAR: [u8; 120] = [
    0x18, 0x07, 0x17, 0x19, 0x28, 0x06, 0x27, 0x29, 0x16, 0x1A, 0x26, 0x2A, 0x38, 0x05, 0x37, 0x39, 0x15,
    0x1B, 0x36, 0x3A, 0x25, 0x2B, 0x48, 0x04, 0x47, 0x49, 0x14, 0x1C, 0x35, 0x3B, 0x46, 0x4A, 0x24, 0x2C,
    0x58, 0x45, 0x4B, 0x34, 0x3C, 0x03, 0x57, 0x59, 0x13, 0x1D, 0x56, 0x5A, 0x23, 0x2D, 0x44, 0x4C, 0x55,
    0x5B, 0x33, 0x3D, 0x68, 0x02, 0x67, 0x69, 0x12, 0x1E, 0x66, 0x6A, 0x22, 0x2E, 0x54, 0x5C, 0x43, 0x4D,
    0x65, 0x6B, 0x32, 0x3E, 0x78, 0x01, 0x77, 0x79, 0x53, 0x5D, 0x11, 0x1F, 0x64, 0x6C, 0x42, 0x4E, 0x76,
    0x7A, 0x21, 0x2F, 0x75, 0x7B, 0x31, 0x3F, 0x63, 0x6D, 0x52, 0x5E, 0x00, 0x74, 0x7C, 0x41, 0x4F, 0x10,
    0x20, 0x62, 0x6E, 0x30, 0x73, 0x7D, 0x51, 0x5F, 0x40, 0x72, 0x7E, 0x61, 0x6F, 0x50, 0x71, 0x7F, 0x60,
    0x70,
];

/// The color that a pixel is stored under in a cache.
const HASH: u32 = 0x1E35_A7BD;

/// Pixels between two looks at whether to stop.
const LOOK: usize = 1 << 16;

/// A picture that is read as far as its groups.
struct Picture<'d> {
    bits: Bits<'d>,
    most: u64,
    cancel: &'d Cancel,
    images: u64,
}

impl Picture<'_> {
    fn front(mut self, size: Size) -> Result<Front, Unread> {
        let Size { mut width, height } = size;
        let mut seen = [false; 4];
        while self.bits.flag()? {
            let kind = self.bits.take(2)?;
            let again = seen.get_mut(index(kind)).ok_or(BROKEN)?;
            if std::mem::replace(again, true) {
                return Err(BROKEN);
            }
            match kind {
                // Predictors, and relations of colors: one pixel for a block.
                0 | 1 => drop(self.blocks(width, height)?),
                // Green is taken off the others.
                2 => {}
                // A palette; of a small one several indices make a pixel.
                _ => {
                    let colors = self.bits.take(8)? + 1;
                    self.image(colors, 1)?;
                    width = match colors {
                        0..=2 => width.div_ceil(8),
                        3..=4 => width.div_ceil(4),
                        5..=16 => width.div_ceil(2),
                        _ => width,
                    };
                }
            }
        }
        let cache_bits = self.cache_bits()?;
        let groups = if self.bits.flag()? {
            let image = self.blocks(width, height)?;
            count_groups(&image, Size::new(width, height))
        } else {
            1
        };
        Ok(Front { groups, images: self.images, cache_bits })
    }

    fn cache_bits(&mut self) -> Result<u32, Unread> {
        if !self.bits.flag()? {
            return Ok(0);
        }
        let bits = self.bits.take(4)?;
        if (1..=11).contains(&bits) { Ok(bits) } else { Err(BROKEN) }
    }

    /// An image of one pixel for each block of 4 to 512 pixels a side.
    fn blocks(&mut self, width: u32, height: u32) -> Result<Vec<u32>, Unread> {
        let side = 4 << self.bits.take(3)?;
        self.image(width.div_ceil(side), height.div_ceil(side))
    }

    /// An image inside the picture: of one group of codes, without transforms.
    fn image(&mut self, width: u32, height: u32) -> Result<Vec<u32>, Unread> {
        let area = u64::from(width) * u64::from(height);
        self.images += area;
        if self.images > self.most {
            return Err(Unread::Large);
        }
        let area = usize::try_from(area).map_err(|_| Unread::Large)?;
        let cache_bits = self.cache_bits()?;
        let mut cache = vec![0_u32; if cache_bits == 0 { 0 } else { 1 << cache_bits }];
        let green = self.code(LITERALS + COPIES + cache.len())?;
        let (red, blue, alpha) = (self.code(LITERALS)?, self.code(LITERALS)?, self.code(LITERALS)?);
        let distance = self.code(DISTANCES)?;
        let mut pixels: Vec<u32> = Vec::with_capacity(area);
        let mut look = 0;
        while pixels.len() < area {
            if pixels.len() >= look {
                self.cancel.check()?;
                look = pixels.len() + LOOK;
            }
            let start = pixels.len();
            let symbol = usize::from(green.read(&mut self.bits)?);
            if symbol < LITERALS {
                let [red, blue, alpha] =
                    [red.read(&mut self.bits)?, blue.read(&mut self.bits)?, alpha.read(&mut self.bits)?]
                        .map(u32::from);
                pixels.push(alpha << 24 | red << 16 | u32::try_from(symbol).unwrap_or(0) << 8 | blue);
            } else if let Some(key) = symbol.checked_sub(LITERALS + COPIES) {
                pixels.push(cache.get(key).copied().ok_or(BROKEN)?);
            } else {
                let length = self.extended(u32::try_from(symbol - LITERALS).unwrap_or(0))?;
                let symbol = distance.read(&mut self.bits)?;
                let back = self.extended(u32::from(symbol))?;
                copy(&mut pixels, index(length), from_near(back, width), area)?;
            }
            if cache_bits > 0 {
                for &color in pixels.get(start..).unwrap_or_default() {
                    let key = color.wrapping_mul(HASH) >> (32 - cache_bits);
                    *cache.get_mut(index(key)).ok_or(BROKEN)? = color;
                }
            }
        }
        Ok(pixels)
    }

    /// A length or distance from 1, whose symbol is its size and whose low bits follow.
    fn extended(&mut self, symbol: u32) -> Result<u32, Unread> {
        if symbol < 4 {
            return Ok(symbol + 1);
        }
        let more = (symbol - 2) / 2;
        Ok(((2 + symbol % 2) << more) + self.bits.take(more)? + 1)
    }

    /// A code for so many symbols.
    fn code(&mut self, symbols: usize) -> Result<Code, Unread> {
        let mut lengths = vec![0_u8; symbols];
        if self.bits.flag()? {
            // One or two symbols. One that is not among them does not count.
            let two = self.bits.flag()?;
            let wide = self.bits.flag()?;
            let first = self.bits.take(if wide { 8 } else { 1 })?;
            let second = if two { Some(self.bits.take(8)?) } else { None };
            for symbol in std::iter::once(first).chain(second) {
                if let Some(length) = lengths.get_mut(index(symbol)) {
                    *length = 1;
                }
            }
            return Code::new(&lengths);
        }
        let mut own = [0_u8; ORDER.len()];
        let count = self.bits.take(4)? + 4;
        for &symbol in ORDER.iter().take(index(count)) {
            let length = self.bits.take(3)?;
            *own.get_mut(symbol).ok_or(BROKEN)? = u8::try_from(length).unwrap_or(0);
        }
        let code = Code::new(&own)?;
        let mut left = symbols;
        if self.bits.flag()? {
            let width = 2 + 2 * self.bits.take(3)?;
            left = index(2 + self.bits.take(width)?);
            if left > symbols {
                return Err(BROKEN);
            }
        }
        let mut at = 0;
        let mut last = 8;
        while at < symbols && left > 0 {
            left -= 1;
            let (length, times) = match code.read(&mut self.bits)? {
                16 => (last, 3 + self.bits.take(2)?),
                17 => (0, 3 + self.bits.take(3)?),
                18 => (0, 11 + self.bits.take(7)?),
                length => {
                    let length = u8::try_from(length).unwrap_or(0);
                    if length > 0 {
                        last = length;
                    }
                    (length, 1)
                }
            };
            let end = at + index(times);
            lengths.get_mut(at..end).ok_or(BROKEN)?.fill(length);
            at = end;
        }
        Code::new(&lengths)
    }
}

/// The distance, in pixels, that a coded one means: the first 120 are places near by.
fn from_near(back: u32, width: u32) -> usize {
    let far = back.saturating_sub(120);
    let near = back.checked_sub(1).and_then(|at| NEAR.get(index(at)));
    let Some(&near) = near else { return index(far) };
    let pixels = index(width) * usize::from(near >> 4) + 8;
    pixels.saturating_sub(usize::from(near & 15)).max(1)
}

/// Repeats `length` pixels from `back` before the end on; they may overlap with what they become.
fn copy(pixels: &mut Vec<u32>, length: usize, back: usize, area: usize) -> Result<(), Unread> {
    let from = pixels.len().checked_sub(back).ok_or(BROKEN)?;
    if length > area - pixels.len() {
        return Err(BROKEN);
    }
    for at in from..from + length {
        let pixel = pixels.get(at).copied().ok_or(BROKEN)?;
        pixels.push(pixel);
    }
    Ok(())
}

/// Groups that libwebp (1.6) makes tables for: as many as the highest number says; where that is more than 1000, or than
/// the pixels of the picture, as many as are named.
fn count_groups(image: &[u32], size: Size) -> u64 {
    let mut named = [0_u64; 1 << 10];
    let mut highest = 0;
    for pixel in image {
        let group = pixel >> 8 & 0xFFFF;
        highest = highest.max(group);
        if let Some(bits) = named.get_mut(index(group / 64)) {
            *bits |= 1 << (group % 64);
        }
    }
    let all = u64::from(highest) + 1;
    if all > 1000 || all > size.area() {
        named.iter().map(|bits| u64::from(bits.count_ones())).sum()
    } else {
        all
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test pictures of known sizes")]
mod tests;
