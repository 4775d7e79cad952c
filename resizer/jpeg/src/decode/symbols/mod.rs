//! Tables of symbols: what the next [`WINDOW`] bits mean, see [`super::tables`].
//!
//! One window can hold more than one code, so each Huffman table for AC is kept in three forms, and each for DC (with the
//! AC table that follows it) in two:
//!
//! * **tail**: one code with its level;
//! * **fused**: one code with its level, and the end of block behind it if that fits as well;
//! * **skip**: as many codes as fit, up to the end of block, without their levels. For coefficients that the scale does
//!   not keep;
//! * **near** and **deep**: a DC difference, and behind it what *fused* or *skip* allow: the end of block, or any codes.
//!
//! Where a code makes the 64th coefficient, no end of block follows. So all forms but *tail* pass at most
//! [`MOST_PASSED`] coefficients before their last code, and stand only where so many are left.

mod forms;

use super::segments::{HuffmanSpec, STANDARD};
use forms::long_tables;
use std::sync::LazyLock;

/// Bits looked up at once. 11 keeps the tables of a usual file in an L1 cache.
pub(super) const WINDOW: u32 = 11;
/// Bits consumed before the second table of a long code, so that its last bit and a sign bit fit the window.
pub(super) const PREFIX: u32 = 17 - WINDOW;
/// Entries of a table.
pub(super) const SIZE: usize = 1 << WINDOW;
/// Bits of the largest level of 8-bit samples: DC differences of ±2047 (F.1.2.1.1).
const LARGEST_SIZE: u32 = 11;
/// Most bits left behind the first piece of a level, which holds at least the sign.
pub(super) const RAW_SIZES: usize = LARGEST_SIZE as usize - 1;
/// Subtrees below the first 6 bits that long codes of one table can touch: at most 256 codes of 11 bits or more
/// lie in a row, so 256 × 2^5 of 2^16 leaves, that is 8 subtrees of 2^10 and a ninth for the offset.
pub(super) const LONG_TABLES: usize = 9;
/// Coefficients that codes of one window pass: a run of 15 zeros and a level.
pub(super) const MOST_PASSED: usize = 16;

/// The first coefficient that only *tail* tables read.
pub(super) const TAIL: usize = 64 - MOST_PASSED;

/// States of a block: regions, each entered with a step of its first number and the coefficients passed. The plain ones,
/// and those behind the block that a run in a damaged file leads to.
pub(super) const PLAIN: usize = 80;
/// The end of block behind as many coefficients.
pub(super) const ENDED: usize = PLAIN;
/// A DC difference and AC codes at once.
pub(super) const PAST: usize = ENDED + 64;
/// The first raw region, one for each number of bits.
pub(super) const RAW: usize = PAST + MOST_PASSED + 2;
pub(super) const RAW_WIDTH: usize = PLAIN;
/// The region without a way out.
pub(super) const DEAD: usize = RAW + RAW_SIZES * RAW_WIDTH;
/// The same behind [`PREFIX`] bits of a long code.
pub(super) const LONG_DEAD: usize = DEAD + 64;
/// The first region of long codes.
pub(super) const LONG: usize = LONG_DEAD + 64;

/// Most tables of a scan: the dead one, raw ones, and for four components both forms of DC and three of AC.
pub(super) const MOST_TABLES: usize = 1 + RAW_SIZES + 4 * (2 + 3 + 2 * LONG_TABLES);

/// What one window means: bits to consume (6 bits; the shift uses no more), steps of the state (14), addend (12).
#[expect(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "a bit field; step is below 2^14"
)]
const fn symbol(bits: u32, step: usize, addend: i32) -> u32 {
    bits | (step as u32) << 6 | (addend as u32) << 20
}

/// Bits that a symbol consumes.
#[inline(always)]
pub(super) const fn bits(symbol: u32) -> u32 {
    symbol & 63
}

/// How far it moves the state.
#[inline(always)]
pub(super) const fn step(symbol: u32) -> usize {
    ((symbol >> 6) & 0x3FFF) as usize
}

/// What it adds to the coefficient.
#[inline(always)]
pub(super) const fn addend(symbol: u32) -> i16 {
    (symbol.cast_signed() >> 20) as i16
}

/// Tables for each number of raw bits, one behind the other.
static RAW_TABLES: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let sizes = (1..=WINDOW).take(RAW_SIZES);
    let table = |bits| (0..1 << WINDOW).map(move |i| symbol(bits, 1, i >> (WINDOW - bits)));
    let words: Vec<u32> = sizes.flat_map(table).collect();
    assert!(within(&words, 1), "a raw symbol consumes its window and moves by one at most");
    words
});

/// Whether all of these consume at most [`WINDOW`] bits and move at most so far.
fn within(words: &[u32], largest_step: usize) -> bool {
    let most = u32::try_from(largest_step).unwrap_or_default();
    // Below zero the highest bit is set; without branches, as there are many.
    let beyond = |word: u32| WINDOW.wrapping_sub(word & 63) | most.wrapping_sub(word >> 6 & 0x3FFF);
    words.iter().fold(0, |sum, word| sum | beyond(*word)) >> 31 == 0
}

/// Second-level tables, one behind the other.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Long {
    first: usize,
    pub(super) count: usize,
}

impl Long {
    /// The `j`-th table.
    pub(super) fn table(self, j: usize) -> Option<usize> {
        (j < self.count).then_some(self.first + j * SIZE)
    }
}

/// Where the tables of a component are; the dead one, at 0, for forms that are not needed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Codes {
    pub(super) near: usize,
    pub(super) deep: usize,
    pub(super) dc_long: Long,
    pub(super) fused: usize,
    pub(super) skip: usize,
    pub(super) tail: usize,
    pub(super) ac_long: Long,
}

/// The Huffman tables of a component, and which forms its blocks need beside *near*, *fused* and *tail*.
#[derive(Debug, Clone, Copy)]
pub(super) struct Specs<'s> {
    pub(super) dc: &'s HuffmanSpec,
    pub(super) ac: &'s HuffmanSpec,
    pub(super) skip: bool,
    pub(super) deep: bool,
}

/// Tables of symbols in one list.
#[derive(Debug)]
pub(super) struct Set {
    /// The dead table, the codes', the raw ones.
    pub(super) words: Vec<u32>,
    /// One for each component asked for.
    pub(super) codes: Vec<Codes>,
    /// The table of one raw bit; that of two follows, and so on.
    pub(super) raw: usize,
    /// No symbol steps further.
    pub(super) largest_step: usize,
}

/// Annex K's tables for luma and chroma, which most small files have, in every form.
static STANDARD_SET: LazyLock<Set> = LazyLock::new(|| {
    let pair = |i: usize| Specs { dc: &STANDARD[i], ac: &STANDARD[i + 2], skip: true, deep: true };
    Set::new(&[pair(0), pair(1)])
});

/// The set of annex K, and which of its codes these are; `None` if any is another.
pub(super) fn standard(specs: &[Specs<'_>]) -> Option<(&'static Set, Vec<Codes>)> {
    let find = |spec: &Specs<'_>| (0..2).find(|i| *spec.dc == STANDARD[*i] && *spec.ac == STANDARD[*i + 2]);
    let codes = specs.iter().map(|spec| find(spec).map(|i| STANDARD_SET.codes[i])).collect::<Option<_>>()?;
    Some((&STANDARD_SET, codes))
}

/// Tables of annex K for small scans.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forms {
    /// *deep* where only the DC coefficient is kept, else *near*.
    pub(super) dc: &'static [u32; SIZE],
    pub(super) fused: &'static [u32; SIZE],
    pub(super) skip: &'static [u32; SIZE],
}

/// Those of luma (0) or chroma (1).
pub(super) fn standard_forms(number: usize, dc_only: bool) -> Option<Forms> {
    let codes = STANDARD_SET.codes[number];
    let table = |first: usize| STANDARD_SET.words[first..].first_chunk();
    let dc = table(if dc_only { codes.deep } else { codes.near })?;
    Some(Forms { dc, fused: table(codes.fused)?, skip: table(codes.skip)? })
}

impl Set {
    pub(super) fn new(specs: &[Specs<'_>]) -> Self {
        // Counted beforehand: a list that doubled would take more than `tables::LARGEST`.
        let of = |spec: &Specs<'_>| {
            3 + usize::from(spec.skip) + usize::from(spec.deep) + long_tables(spec.dc) + long_tables(spec.ac)
        };
        let counted = SIZE * (1 + specs.iter().map(of).sum::<usize>()) + RAW_TABLES.len();
        let mut words = Vec::with_capacity(counted);
        words.resize(SIZE, 0);
        let codes: Vec<Codes> = specs.iter().map(|spec| Codes::new(&mut words, spec)).collect();
        let most = codes.iter().map(|c| c.dc_long.count.max(c.ac_long.count)).max().unwrap_or(0);
        let largest_step = LONG + most * 64;
        assert!(words[..SIZE].iter().all(|word| *word == 0), "the dead table consumes and moves nothing");
        assert!(within(&words, largest_step), "a symbol consumes its window and moves to a region at most");
        let raw = words.len();
        words.extend_from_slice(&RAW_TABLES[..]);
        debug_assert_eq!(words.len(), counted, "the tables are as many as were counted");
        Self { words, codes, raw, largest_step }
    }
}
