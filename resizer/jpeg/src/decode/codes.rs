//! Bits and Huffman codes with their levels, one at a time, for progressive scans and for small sequential ones. The bits are in
//! a register: what a code waits for is the look-up of the one before it, and no load of data.

use super::segments::HuffmanSpec;

/// Reads from unstuffed data; zeros behind its end.
pub(crate) struct Bits<'d> {
    data: &'d [u8],
    /// The next byte to take in.
    next: usize,
    /// The next bits, in the high end: `count` of them, perhaps with the first ones behind.
    window: u64,
    count: u32,
}

impl<'d> Bits<'d> {
    /// From bit `at` on.
    pub(crate) fn new(data: &'d [u8], at: usize) -> Self {
        let mut bits = Self { data, next: at / 8, window: 0, count: 0 };
        bits.refill();
        #[expect(clippy::cast_possible_truncation, reason = "below 8")]
        bits.skip((at % 8) as u32);
        bits
    }

    /// The next bit's number.
    pub(crate) fn at(&self) -> usize {
        self.next * 8 - self.count as usize
    }

    /// Takes in at least 56 bits: enough for two codes with their levels.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        if let Some(bytes) = self.data.get(self.next..).and_then(|rest| rest.first_chunk()) {
            // Those that were there behind the count are the same.
            self.window |= u64::from_be_bytes(*bytes) >> self.count;
        }
        self.next += (63 - self.count as usize) / 8;
        self.count |= 56;
    }

    /// Drops as many bits, of those that there are.
    #[inline(always)]
    pub(crate) fn skip(&mut self, bits: u32) {
        self.window <<= bits;
        self.count -= bits;
    }

    /// One bit.
    #[inline(always)]
    pub(crate) fn bit(&mut self) -> bool {
        if self.count == 0 {
            self.refill();
        }
        let bit = self.window >> 63 != 0;
        self.skip(1);
        bit
    }

    /// `count` bits, at most 16, of those that there are.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "16 bits")]
    pub(crate) fn bits(&mut self, count: u32) -> u32 {
        let value = (self.window >> 1 >> (63 - count)) as u32;
        self.skip(count);
        value
    }

    /// The next bits, in the high end: at least 56 behind a [`refill`](Self::refill).
    #[inline(always)]
    pub(crate) fn ahead(&self) -> u64 {
        self.window
    }

    /// The next `N` bits, at most 16.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "16 bits")]
    pub(crate) fn top<const N: u32>(&self) -> usize {
        (self.window >> (64 - N)) as usize
    }
}

/// A code: its bits with those of the level (5 bits), its symbol (8), and whether a block's AC coefficients end with it.
/// None is 0.
#[derive(Clone, Copy)]
pub(crate) struct Code(u16);

/// The largest level of 8-bit samples in bits.
const LARGEST_SIZE: u8 = 11;

impl Code {
    const ENDS: u16 = 1 << 13;

    /// None for symbols that no file has; `dc` ones are sizes only.
    const fn new(symbol: u8, length: u16, dc: bool) -> Self {
        let size = symbol & 15;
        if size > LARGEST_SIZE || dc && symbol > 15 {
            return Self(0);
        }
        let ends = if size == 0 && symbol < 0xF0 { Self::ENDS } else { 0 };
        Self((length + size as u16) | (symbol as u16) << 5 | ends)
    }

    /// Bits with those of the level.
    #[inline(always)]
    pub(crate) fn bits(self) -> u32 {
        u32::from(self.0 & 31)
    }

    /// Bits of the level.
    #[inline(always)]
    pub(crate) fn size(self) -> u32 {
        u32::from(self.0 >> 5 & 15)
    }

    /// Zeros before the level; 15 and a level of 0 are 16 zeros.
    #[inline(always)]
    pub(crate) fn run(self) -> usize {
        usize::from(self.0 >> 9 & 15)
    }

    /// Whether it is the end of a block.
    #[inline(always)]
    pub(crate) fn ends(self) -> bool {
        self.0 & Self::ENDS != 0
    }

    /// Drops the code and its level; the level (F.2.2.1), 0 for a code without one.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "at most 11 bits and a sign")]
    pub(crate) fn take(self, bits: &mut Bits<'_>) -> i16 {
        let size = self.size();
        let window = bits.window << (self.bits() - size);
        bits.skip(self.bits());
        let level = (window >> 1 >> (63 - size)) as i16;
        // Without its top bit a level is negative.
        let negative = !(window.cast_signed() >> 63) as i16;
        level - (negative & ((1 << size) - 1))
    }
}

/// Bits looked up at once.
const WINDOW: u32 = 9;
/// Windows filled at once, as many as a register holds.
const STRIPE: usize = 16;
/// All windows, and what is filled behind them.
const ROOM: usize = (1 << WINDOW) + STRIPE;

/// A Huffman table for decoding. Made in less time than the codes of a small file take.
#[derive(Clone)]
pub(crate) struct Lookup {
    /// The code that each window starts with, if that is not longer.
    windows: [u16; ROOM],
    /// For longer ones: one above the largest code of each length, as 16 bits; and what to add to a code for its symbol's
    /// place.
    ends: [u32; 17],
    offsets: [u32; 17],
    symbols: [u8; 256],
    dc: bool,
}

impl Lookup {
    /// A table; `dc` symbols are sizes only.
    pub(crate) fn new(spec: &HuffmanSpec, dc: bool) -> Self {
        let mut table =
            Self { windows: [0; ROOM], ends: [0; 17], offsets: [0; 17], symbols: spec.symbols, dc };
        let (mut code, mut index, mut at) = (0_u32, 0_u32, 0);
        for (length, count) in (1_u16..).zip(spec.counts) {
            table.offsets[usize::from(length)] = index.wrapping_sub(code);
            if u32::from(length) <= WINDOW {
                let own = 1_usize << (WINDOW - u32::from(length));
                for symbol in spec.symbols.iter().skip(index as usize).take(count.into()) {
                    let code = Code::new(*symbol, length, dc).0;
                    // Codes rise: what is filled behind the own windows is the next code's.
                    for part in table.windows[at..].chunks_exact_mut(STRIPE).take(own.div_ceil(STRIPE)) {
                        part.fill(code);
                    }
                    at += own;
                }
            }
            (code, index) = (code + u32::from(count), index + u32::from(count));
            table.ends[usize::from(length)] = code << (16 - length);
            code <<= 1;
        }
        table.windows[at..at + STRIPE].fill(0);
        table
    }

    /// The next code, not yet dropped.
    #[inline(always)]
    pub(crate) fn find(&self, bits: &Bits<'_>) -> Option<Code> {
        match self.windows[bits.top::<WINDOW>()] {
            0 => self.long(bits.top::<16>()),
            code => Some(Code(code)),
        }
    }

    /// A code longer than the window, from 16 bits. From their value: what is taken by reference is in memory.
    #[cold]
    #[expect(clippy::cast_possible_truncation, reason = "16 bits")]
    fn long(&self, word: usize) -> Option<Code> {
        let word = word as u32;
        if word < self.ends[WINDOW as usize] {
            return None;
        }
        let length = (WINDOW as u16 + 1..=16).find(|length| word < self.ends[usize::from(*length)])?;
        let index = (word >> (16 - length)).wrapping_add(self.offsets[usize::from(length)]);
        Some(Code::new(*self.symbols.get(index as usize)?, length, self.dc)).filter(|code| code.0 != 0)
    }
}
