//! Bits and Huffman codes, one at a time: for progressive scans and for small sequential ones.

use super::segments::HuffmanSpec;

/// Reads from unstuffed data; zeros behind its end.
pub(crate) struct Reader<'d> {
    data: &'d [u8],
    at: usize,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(data: &'d [u8], at: usize) -> Self {
        Self { data, at }
    }

    /// The next bit's number.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// At least 57 bits, in the high end.
    #[inline(always)]
    pub(crate) fn peek(&self) -> u64 {
        let byte = self.at >> 3;
        let mut word = [0; 8];
        if let Some(bytes) = self.data.get(byte..byte + 8) {
            word.copy_from_slice(bytes);
        }
        u64::from_be_bytes(word) << (self.at & 7)
    }

    #[inline(always)]
    pub(crate) fn skip(&mut self, bits: u32) {
        self.at += bits as usize;
    }

    /// One bit.
    #[inline(always)]
    pub(crate) fn bit(&mut self) -> bool {
        let bit = self.data.get(self.at >> 3).is_some_and(|byte| byte << (self.at & 7) & 0x80 != 0);
        self.at += 1;
        bit
    }

    /// `count` bits, at most 16.
    #[inline(always)]
    pub(crate) fn bits(&mut self, count: u32) -> u32 {
        let value = top(self.peek(), count);
        self.skip(count);
        value
    }
}

/// The highest `count` bits, at most 16.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "16 bits")]
fn top(window: u64, count: u32) -> u32 {
    ((window >> 1) >> (63 - count)) as u32
}

/// The level that `size` bits stand for (F.2.2.1), at most 15 of them.
#[inline(always)]
pub(crate) fn extend(bits: u32, size: u32) -> i32 {
    let value = bits.cast_signed();
    if size > 0 && bits >> (size - 1) == 0 { value - ((1 << size) - 1) } else { value }
}

/// Bits looked up at once.
const WINDOW: u32 = 9;
/// Marks a window that no code of at most [`WINDOW`] bits starts.
const NONE: u32 = 0;

/// A Huffman table for decoding: a window gives the code and, where it fits, its level.
#[derive(Clone)]
pub(crate) struct Lookup {
    /// Level (16 bits), symbol (8), bits of the code with its level (8); without a level that fits, bit 7 is set
    /// and the bits are the code's.
    windows: [u32; 1 << WINDOW],
    /// For longer codes: one above the largest code of each length, as 16 bits; and what to add to a code for its
    /// symbol's place.
    ends: [u32; 17],
    offsets: [i32; 17],
    symbols: [u8; 256],
}

/// A decoded code.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) symbol: u8,
    /// The level, whose bits are consumed; for symbols without one 0.
    pub(crate) level: i32,
}

const OPEN: u32 = 0x80;

impl Lookup {
    /// A table; `dc` symbols are sizes only.
    pub(crate) fn new(spec: &HuffmanSpec, dc: bool) -> Self {
        let mut table =
            Self { windows: [NONE; 1 << WINDOW], ends: [0; 17], offsets: [0; 17], symbols: spec.symbols };
        for (index, code) in (0_i32..).zip(spec.codes()) {
            let length = code.length;
            table.ends[length as usize] = (code.bits + 1) << (16 - length);
            table.offsets[length as usize] = index - code.bits.cast_signed();
            if length > WINDOW {
                continue;
            }
            let size = u32::from(code.symbol & 15);
            let room = WINDOW - length;
            let from = (code.bits as usize) << room;
            let symbol = u32::from(code.symbol) << 8;
            let windows = &mut table.windows[from..from + (1 << room)];
            // AC symbols of size 0 are runs, whose bits the caller reads.
            if size == 0 || (dc && code.symbol > 15) {
                windows.fill(length | symbol);
            } else if size <= room {
                for (bits, part) in (0..).zip(windows.chunks_exact_mut(1 << (room - size))) {
                    part.fill((extend(bits, size).cast_unsigned() << 16) | symbol | (length + size));
                }
            } else {
                windows.fill(length | symbol | OPEN);
            }
        }
        table
    }

    /// The next code with its level.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "bit fields; lengths are at most 16")]
    pub(crate) fn read(&self, reader: &mut Reader<'_>) -> Option<Found> {
        let window = reader.peek();
        let entry = self.windows[(window >> (64 - WINDOW)) as usize];
        let symbol = (entry >> 8) as u8;
        if entry & OPEN == 0 && entry != NONE {
            reader.skip(entry & 0x7F);
            return Some(Found { symbol, level: entry.cast_signed() >> 16 });
        }
        let (symbol, length) = if entry == NONE {
            let word = top(window, 16);
            let length = (WINDOW as usize + 1..=16).find(|l| word < self.ends[*l])?;
            let code = (word >> (16 - length)).cast_signed();
            let index = usize::try_from(code + self.offsets[length]).ok()?;
            (*self.symbols.get(index)?, length as u32)
        } else {
            (symbol, entry & 0x7F)
        };
        let size = u32::from(symbol & 15);
        let level = extend(top(window << length, size), size);
        reader.skip(length + size);
        Some(Found { symbol, level })
    }

    /// The next code alone.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "bit fields")]
    pub(crate) fn symbol(&self, reader: &mut Reader<'_>) -> Option<u8> {
        let window = reader.peek();
        let entry = self.windows[(window >> (64 - WINDOW)) as usize];
        if entry == NONE {
            let word = top(window, 16);
            let length = (WINDOW as usize + 1..=16).find(|l| word < self.ends[*l])?;
            let code = (word >> (16 - length)).cast_signed();
            reader.skip(length as u32);
            return self.symbols.get(usize::try_from(code + self.offsets[length]).ok()?).copied();
        }
        let symbol = (entry >> 8) as u8;
        let level = if entry & OPEN == 0 { u32::from(symbol & 15) } else { 0 };
        reader.skip((entry & 0x7F) - level);
        Some(symbol)
    }
}
