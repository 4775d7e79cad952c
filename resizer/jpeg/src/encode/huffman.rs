//! Huffman tables: the typical ones, tables for one picture, and the forms that coding loops look up.

mod optimal;
mod standard;
mod trained;

pub(super) use optimal::optimal;
pub(super) use standard::STANDARD;
pub(super) use trained::{extended, guess, trained};

/// Runs of 16 zeros that are followed by a level (ITU-T T.81, F.1.2.2.1).
pub(super) const ZRL: u8 = 0xF0;
/// The block, or the band of a progressive scan, holds nothing more.
pub(super) const EOB: u8 = 0x00;

/// A table as a DHT segment holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spec {
    /// Number of codes of 1 to 16 bits.
    pub(super) counts: [u8; 16],
    /// Symbols in order of their codes.
    pub(super) symbols: [u8; 256],
}

impl Spec {
    /// Number of symbols.
    pub(super) const fn len(&self) -> usize {
        let mut sum = 0;
        let mut i = 0;
        while i < 16 {
            sum += self.counts[i] as usize;
            i += 1;
        }
        sum
    }
}

/// Code and length of every symbol (ITU-T T.81, C.2); length 0 for symbols the table lacks.
#[derive(Debug, Clone)]
pub(super) struct Codes {
    /// Codes, right-aligned.
    pub(super) code: [u16; 256],
    /// Lengths, bits.
    pub(super) length: [u8; 256],
}

impl Codes {
    /// Derives the codes of a table.
    pub(super) const fn new(spec: &Spec) -> Self {
        let mut this = Self { code: [0; 256], length: [0; 256] };
        let (mut code, mut at, mut length) = (0u16, 0, 1u8);
        while length <= 16 {
            let mut left = spec.counts[length as usize - 1];
            while left > 0 {
                let symbol = spec.symbols[at] as usize;
                this.code[symbol] = code;
                this.length[symbol] = length;
                code = code.wrapping_add(1); // wraps only past the last code of a full table, which JPEG forbids
                at += 1;
                left -= 1;
            }
            code <<= 1;
            length += 1;
        }
        this
    }
}

/// Codes of AC symbols, and those of every (run, level) pair with a level in −128…127 together with the
/// level's own bits: one look-up where the standard describes four steps.
#[derive(Debug, Clone)]
pub(super) struct AcTable {
    /// Codes of symbols alone, for what `pairs` does not cover.
    pub(super) codes: Codes,
    /// At `run << 8 | level as u8`: bits << 5 | their number (at most 16 + 8).
    pub(super) pairs: [u32; 16 * 256],
}

impl AcTable {
    /// Derives the look-ups of a table.
    #[expect(clippy::cast_possible_truncation, reason = "sizes and magnitudes are at most 128")]
    pub(super) const fn new(spec: &Spec) -> Self {
        let codes = Codes::new(spec);
        let mut pairs = [0; 16 * 256];
        let mut run = 0;
        while run < 16 {
            let mut size = 1;
            while size <= 8 {
                let symbol = run << 4 | size;
                let length = codes.length[symbol] as u32 + size as u32;
                let code = (codes.code[symbol] as u32) << size;
                // Magnitudes of this size; the bits of a negative level are those of level − 1 (F.1.2.1.1).
                let mut magnitude = 1usize << (size - 1);
                while magnitude < 1 << size && magnitude <= 128 {
                    let positive = (code | magnitude as u32) << 5 | length;
                    let negative = (code | (((1 << size) - 1) ^ magnitude) as u32) << 5 | length;
                    if magnitude < 128 {
                        pairs[run << 8 | magnitude] = positive;
                    }
                    pairs[run << 8 | (256 - magnitude)] = negative;
                    magnitude += 1;
                }
                size += 1;
            }
            run += 1;
        }
        Self { codes, pairs }
    }
}

/// The tables of a scan in every form, luma's and chroma's.
#[derive(Debug)]
pub(super) struct Set {
    /// Of DC and of AC.
    pub(super) specs: [[Spec; 2]; 2],
    /// Codes of DC sizes.
    pub(super) dc: [Codes; 2],
    /// Codes of AC runs and levels.
    pub(super) ac: [AcTable; 2],
}

impl Set {
    /// Derives the codes and look-ups of tables.
    pub(super) const fn new(specs: [[Spec; 2]; 2]) -> Self {
        let dc = [Codes::new(&specs[0][0]), Codes::new(&specs[1][0])];
        let ac = [AcTable::new(&specs[0][1]), AcTable::new(&specs[1][1])];
        Self { specs, dc, ac }
    }
}

/// The AC symbol of a run of at most 15 zeros and a size of at most 15, or 0 to 15 of anything else that shares a byte.
#[expect(clippy::cast_possible_truncation, reason = "both are below 16")]
#[inline(always)]
pub(super) const fn symbol(run: u32, size: u32) -> u8 {
    (run << 4 | size) as u8
}

/// Number of bits of a level's magnitude: the SSSS of the standard.
#[inline(always)]
pub(super) const fn size(level: i32) -> u32 {
    32 - level.unsigned_abs().leading_zeros()
}

/// The bits that follow a level's symbol: the level itself, or level − 1 if negative, `size` bits of it.
#[inline(always)]
pub(super) const fn extra_bits(level: i32, size: u32) -> u32 {
    (level + (level >> 31)).cast_unsigned() & ((1 << size) - 1)
}
