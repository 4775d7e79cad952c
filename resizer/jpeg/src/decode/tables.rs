//! The state tables that decode sequential scans without a data-dependent branch.
//!
//! Two tables drive a decoder whose every step is the same few instructions ([`super::entropy`]):
//!
//! * **symbols**: the next [`WINDOW`] bits of the stream, under the current Huffman table, give how many bits are
//!   consumed, how far the *state* moves and what is added to the coefficient;
//! * **states**: the moved state gives where in the block that coefficient stands, how far the output moves
//!   on, and the Huffman table and state to go on with.
//!
//! A state is (block of the MCU, coefficient `k` to be read next). DC difference, AC level, run of zeros, end of
//! block, next block and next component are all moves of the state. So are the three things that a window
//! cannot hold, each of which is a *region* of states behind the plain ones:
//!
//! * `RAW + r`: the first piece of a level was added, `r` more of its bits follow as a plain number (the
//!   pieces add up; the first one holds the sign);
//! * `LONG + j`: the code is longer than fits, [`PREFIX`] of its bits are consumed, a second table goes on;
//! * `DEAD`: no code starts with these bits. Nothing is consumed any more, the state stays.

use super::layout::Block;
use super::segments::{HuffmanSpec, Tables};

/// Bits looked up at once. 11 keeps the four tables of a usual file in 32 KiB of L1 cache.
pub(crate) const WINDOW: u32 = 11;
/// Entries of a table.
const SIZE: usize = 1 << WINDOW;
/// Bits consumed before the second table of a long code, so that its last bit and a sign bit fit the window.
const PREFIX: u32 = 17 - WINDOW;
/// The longest code that leaves room for a sign bit.
const SHORT: u32 = WINDOW - 1;
/// Bits of the largest level of 8-bit samples: DC differences of ±2047 (F.1.2.1.1).
const LARGEST_SIZE: u32 = 11;
/// Most bits left behind the first piece of a level, which holds at least the sign.
const RAW_SIZES: usize = LARGEST_SIZE as usize - 1;

/// States of one block: `k` from 0 to 63, then 64 places for ends of block.
const PLAIN: usize = 128;
/// The first raw region; a run may point 15 behind the block in a damaged file.
const RAW: usize = PLAIN;
const RAW_WIDTH: usize = 80;
/// The region without a way out.
const DEAD: usize = RAW + RAW_SIZES * RAW_WIDTH;
/// The first region of long codes.
const LONG: usize = DEAD + 64;
/// Subtrees below [`PREFIX`] bits that long codes of one table can touch: at most 256 codes of 11 bits or more
/// lie in a row, so 256 × 2^5 of 2^16 leaves, that is 8 subtrees of 2^10 and a ninth for the offset.
const LONG_TABLES: usize = 9;

/// What one window means: bits to consume (6 bits; the shift uses no more), steps of the state (14), addend (12).
const fn symbol(bits: u32, step: usize, addend: i32) -> u32 {
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "a bit field; step is below 2^14"
    )]
    let word = bits | (step as u32) << 6 | (addend as u32) << 20;
    word
}

/// Tables that no file changes: the dead one, then one for each number of raw bits.
static FIXED: [u32; SIZE * (1 + RAW_SIZES)] = {
    let mut table = [0; SIZE * (1 + RAW_SIZES)];
    let mut bits = 1;
    while bits <= RAW_SIZES {
        let mut i = 0;
        while i < SIZE {
            #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "below 2^11")]
            let entry = symbol(bits as u32, 1, (i >> (WINDOW as usize - bits)) as i32);
            table[bits * SIZE + i] = entry;
            i += 1;
        }
        bits += 1;
    }
    table
};

/// A Huffman table's place among the symbols.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Its first table.
    first: usize,
    /// How many second-level tables follow it.
    long: usize,
}

/// The tables of one scan.
pub(crate) struct Machine {
    /// What windows mean: the fixed tables, then the scan's.
    pub(crate) symbols: Vec<u32>,
    /// What states mean, see [`next`].
    pub(crate) states: Vec<u64>,
    /// The state at the start of an MCU.
    pub(crate) start: u64,
    /// Coefficients that one MCU takes in the output.
    pub(crate) mcu: usize,
    /// The most that one block takes.
    pub(crate) widest: usize,
    /// States of one block.
    block_states: usize,
}

/// What a state means: the coefficient's place in the block (8 bits), how far the output moves behind it (8), the
/// state to go on with (16) and the table (32).
const fn next(place: usize, advance: usize, state: usize, table: usize) -> u64 {
    place as u64 | (advance as u64) << 8 | (state as u64) << 16 | (table as u64) << 32
}

/// The state of a lane that waits: its steps change nothing.
pub(crate) const PARKED: u64 = next(0, 0, DEAD, 0);

/// Whether the state is one without a way out.
#[inline]
pub(crate) const fn is_dead(state: u64) -> bool {
    state >> 32 == 0
}

/// Bytes of the largest tables a scan can have: 4 DC and 4 AC tables, 10 blocks.
pub(crate) const LARGEST: u64 =
    ((SIZE * (1 + RAW_SIZES + 8 * (1 + LONG_TABLES))) * 4 + (LONG + LONG_TABLES * 64) * 10 * 8) as u64;

impl Machine {
    /// The tables for an MCU of these blocks. A Huffman table that the file lacks is an error the caller has
    /// already reported.
    pub(crate) fn new(tables: &Tables, blocks: &[Block]) -> Self {
        let mut symbols = Vec::with_capacity(SIZE * (1 + RAW_SIZES + 6));
        symbols.extend_from_slice(&FIXED);
        let mut dc = [None; 4];
        let mut ac = [None; 4];
        for block in blocks {
            dc[block.dc].get_or_insert_with(|| place(&mut symbols, tables.dc[block.dc].as_ref(), true));
            ac[block.ac].get_or_insert_with(|| place(&mut symbols, tables.ac[block.ac].as_ref(), false));
        }
        let long = dc.iter().chain(&ac).flatten().map(|p| p.long).max().unwrap_or(0);
        let block_states = LONG + long * 64;
        let mut states = Vec::with_capacity(block_states * blocks.len());
        let find = |list: &[Option<Place>; 4], i: usize| list[i].unwrap_or_default();
        for (b, block) in blocks.iter().enumerate() {
            let follower = (b + 1) % blocks.len();
            let own = b * block_states;
            let (dc_place, ac_place) = (find(&dc, block.dc), find(&ac, block.ac));
            // Each coefficient's place and its own state. Behind the block every level falls on the last one, as in
            // libjpeg.
            let levels: [u64; RAW_WIDTH] =
                std::array::from_fn(|k| next(block.place(k.min(63)), 0, own + k, 0));
            let to = |table: usize| next(0, 0, 0, table);
            states.push(next(0, 0, own, dc_place.first));
            // A level's place is that of the coefficient before the state it leads to.
            let onward = to(ac_place.first) + next(0, 0, 1, 0);
            states.extend(levels[..63].iter().map(|level| level + onward));
            let end = follower * block_states;
            let end = next(block.place(63), block.stride, end, find(&dc, blocks[follower].dc).first);
            states.extend([end; PLAIN - 64]);
            for bits in 1..=RAW_SIZES {
                let raw = to(bits * SIZE);
                states.extend(levels.iter().map(|level| level + raw));
            }
            let stay = next(0, 0, own, 0);
            states.extend((0..64).map(|k| stay + next(0, 0, DEAD + k, 0)));
            for j in 0..long {
                let second = |p: Place| if j < p.long { p.first + (j + 1) * SIZE } else { 0 };
                // A table without this region never moves here; the dead table stands in.
                states.push(next(0, 0, own, second(dc_place)));
                let onward = stay + to(second(ac_place));
                states.extend((1..64).map(|k| onward + next(0, 0, k, 0)));
            }
        }
        let start = states[0];
        let mcu = blocks.iter().map(|b| b.stride).sum();
        let widest = blocks.iter().map(|b| b.stride).max().unwrap_or(1);
        Self { symbols, states, start, mcu, widest, block_states }
    }

    /// Whether an MCU starts here. Second-level and raw states share the number of the state, not the table.
    #[inline]
    pub(crate) fn is_start(&self, state: u64) -> bool {
        state >> 16 == self.start >> 16
    }

    /// The state behind the block that a dead state is in: where a damaged file goes on.
    pub(crate) fn behind_block(&self, dead: u64) -> u64 {
        let block = self.block_of(dead);
        self.states[block * self.block_states + PLAIN - 1]
    }

    /// The block of the MCU that a state is in.
    fn block_of(&self, state: u64) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "16 bits")]
        let number = (state >> 16) as u16;
        usize::from(number) / self.block_states
    }
}

/// Adds the tables of one Huffman table.
fn place(symbols: &mut Vec<u32>, spec: Option<&HuffmanSpec>, dc: bool) -> Place {
    let first = symbols.len();
    let Some(spec) = spec else { return Place::default() };
    symbols.resize(first + SIZE, symbol(0, DEAD, 0));
    // The subtrees of long codes, in rising order.
    let mut prefixes = [0; LONG_TABLES];
    let mut long = 0;
    for code in spec.codes() {
        if code.length > SHORT {
            let prefix = code.bits >> (code.length - PREFIX);
            if long == 0 || prefixes[long - 1] != prefix {
                prefixes[long] = prefix;
                let at = first + ((prefix as usize) << (WINDOW - PREFIX));
                symbols[at..at + (1 << (WINDOW - PREFIX))].fill(symbol(PREFIX, LONG + long * 64, 0));
                long += 1;
                symbols.resize(first + SIZE * (1 + long), symbol(0, DEAD, 0));
            }
            let rest = code.length - PREFIX;
            let table = first + SIZE * long;
            let bits = code.bits & ((1 << rest) - 1);
            enter(&mut symbols[table..table + SIZE], bits, rest, code.symbol, dc);
        }
    }
    for code in spec.codes().take_while(|code| code.length <= SHORT) {
        enter(&mut symbols[first..first + SIZE], code.bits, code.length, code.symbol, dc);
    }
    Place { first, long }
}

/// Enters a code of `length` bits, at most [`SHORT`], with whatever bits of its level fit the window.
fn enter(table: &mut [u32], bits: u32, length: u32, value: u8, dc: bool) {
    let size = u32::from(value & 15);
    let run = usize::from(value >> 4);
    let room = WINDOW - length;
    let range = &mut table[(bits as usize) << room..(bits as usize + 1) << room];
    if size > LARGEST_SIZE || (dc && run > 0) {
        // No 8-bit picture has such a level.
        range.fill(symbol(0, DEAD, 0));
        return;
    }
    if size == 0 {
        let step = match (dc, run) {
            (true, _) => 1,
            (false, 15) => 16,
            (false, _) => 64,
        };
        range.fill(symbol(length, step, 0));
        return;
    }
    let taken = size.min(room);
    let rest = size - taken;
    let step = if rest == 0 { run + 1 } else { RAW + (rest as usize - 1) * RAW_WIDTH + run };
    for (piece, part) in (0..).zip(range.chunks_exact_mut(1 << (room - taken))) {
        // F.2.2.1: without its top bit a level is negative.
        let offset = if piece >> (taken - 1) == 1 { 0 } else { (1 << size) - 1 };
        part.fill(symbol(length + taken, step, (piece << rest) - offset));
    }
}
