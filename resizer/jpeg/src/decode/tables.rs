//! The state tables that decode sequential scans without a data-dependent branch.
//!
//! Two tables drive a decoder whose every step is the same few instructions ([`super::entropy`]):
//!
//! * **symbols** ([`super::symbols`]): the next bits of the stream, under the current Huffman table, give how many bits
//!   are consumed, how far the *state* moves and what is added to the coefficient;
//! * **states**: the moved state gives where in the block that coefficient stands, how far the output moves
//!   on, and the Huffman table and state to go on with.
//!
//! A state is (block of the MCU, coefficient `k` to be read next). DC difference, AC level, run of zeros, end of
//! block, next block and next component are all moves of the state. So are the things that need a second look, each of
//! which is a *region* of states behind the plain ones:
//!
//! * `ENDED + k`: an end of block, perhaps with the level before it;
//! * `PAST + k`: a DC difference and AC codes behind it, which the scale does not need;
//! * `RAW + k`: the first piece of a level was added, more of its bits follow as a plain number (the
//!   pieces add up; the first one holds the sign);
//! * `LONG + k`: the code is longer than fits, the first bits are consumed, a second table goes on;
//! * `DEAD + k`: no code starts with these bits. Nothing is consumed any more, the state stays. `LONG_DEAD + k`: nor with
//!   those that were consumed as the first ones of a long code.

use super::layout::Block;
use super::segments::Tables;
use super::symbols::{
    self, Codes, DEAD, ENDED, LONG, LONG_DEAD, LONG_TABLES, Long, MOST_PASSED, MOST_TABLES, PAST, PLAIN,
    PREFIX, RAW_SIZES, RAW_WIDTH, SIZE, Set, Specs, TAIL,
};
use std::borrow::Cow;

/// Where skipping starts at the latest to be worth tables of its own.
const LAST_SKIP: usize = 8;

/// Bytes of a scan from which on it is worth making such tables.
const SMALLEST_SKIP: usize = 32 << 10;

/// The tables of one scan.
pub(crate) struct Machine {
    /// What windows mean, table by table.
    symbols: Cow<'static, [u32]>,
    /// What states mean, see [`next`].
    states: Vec<u64>,
    /// The state at the start of an MCU.
    pub(crate) start: u64,
    /// Coefficients that one MCU takes in the output.
    pub(crate) mcu: usize,
    /// The most that one block takes.
    pub(crate) widest: usize,
    /// States of one block.
    block_states: usize,
    /// No symbol steps further.
    largest_step: usize,
}

/// What a state means: the coefficient's place in the block (8 bits), how far the output moves behind it (8), the
/// state to go on with (16) and the table (32).
const fn next(place: usize, advance: usize, state: usize, table: usize) -> u64 {
    place as u64 | (advance as u64) << 8 | (state as u64) << 16 | (table as u64) << 32
}

/// The highest bit of each field.
const TOPS: u64 = next(0x80, 0x80, 0x8000, 0x8000_0000);

/// Where the coefficient of a move stands in its block.
#[inline(always)]
pub(crate) const fn place(state: u64) -> usize {
    (state & 0xFF) as usize
}

/// How far the output moves behind it.
#[inline(always)]
pub(crate) const fn advance(state: u64) -> usize {
    (state >> 8 & 0xFF) as usize
}

/// The number that the next step is added to.
#[inline(always)]
pub(crate) const fn number(state: u64) -> usize {
    (state >> 16 & 0xFFFF) as usize
}

/// Where the next symbol's table starts.
#[inline(always)]
pub(crate) const fn table(state: u64) -> usize {
    (state >> 32) as usize
}

/// Whether two lanes in these states read on alike: all but where their last coefficients went.
#[inline(always)]
pub(crate) const fn is_same(a: u64, b: u64) -> bool {
    a >> 16 == b >> 16
}

/// The state of a lane that waits: its steps change nothing.
pub(crate) const PARKED: u64 = next(0, 0, DEAD, 0);

/// Whether the state is one without a way out.
#[inline]
pub(crate) const fn is_dead(state: u64) -> bool {
    table(state) == 0
}

/// Bytes of the largest tables a scan can have, with 10 blocks.
pub(crate) const LARGEST: u64 = (SIZE * MOST_TABLES * 4 + (LONG + LONG_TABLES * 64) * 11 * 8) as u64;

impl Machine {
    /// The tables for an MCU of these blocks, in a scan of so many bytes. A Huffman table that the file lacks is an error the caller has
    /// already reported.
    pub(crate) fn new(tables: &Tables, blocks: &[Block], bytes: usize) -> Self {
        let mut last: Vec<usize> = blocks.iter().map(|block| block.places().last).collect();
        let mut pairs: Vec<(usize, usize)> = Vec::with_capacity(4);
        let mut specs: Vec<Specs<'_>> = Vec::with_capacity(4);
        for (block, last) in blocks.iter().zip(&last) {
            let (Some(dc), Some(ac)) = (&tables.dc[block.dc], &tables.ac[block.ac]) else { continue };
            let number = pairs.iter().position(|pair| *pair == (block.dc, block.ac)).unwrap_or_else(|| {
                pairs.push((block.dc, block.ac));
                specs.push(Specs { dc, ac, skip: false, deep: false });
                specs.len() - 1
            });
            specs[number].skip |= *last <= LAST_SKIP;
            specs[number].deep |= *last == 0;
        }
        let known = symbols::standard(&specs);
        if known.is_none() && bytes < SMALLEST_SKIP {
            last.iter_mut().for_each(|last| *last = 63);
            specs.iter_mut().for_each(|specs| (specs.skip, specs.deep) = (false, false));
        }
        let (symbols, codes, raw, largest_step) = match known {
            Some((set, codes)) => (Cow::Borrowed(&set.words[..]), codes, set.raw, set.largest_step),
            None => {
                let Set { words, codes, raw, largest_step } = Set::new(&specs);
                (Cow::Owned(words), codes, raw, largest_step)
            }
        };
        let find = |block: &Block| {
            let number = pairs.iter().position(|pair| *pair == (block.dc, block.ac));
            number.map(|number| codes[number]).unwrap_or_default()
        };
        let dc = |b: usize| if last[b] == 0 { find(&blocks[b]).deep } else { find(&blocks[b]).near };
        let long = (largest_step - LONG) / 64;
        let block_states = LONG + long * 64;
        let mut states: Vec<u64> = Vec::with_capacity(block_states * blocks.len() + largest_step);
        for (b, block) in blocks.iter().enumerate() {
            let follower = (b + 1) % blocks.len();
            let own = states.len();
            let alike = |other: &Block| Block { component: 0, x: 0, y: 0, ..*other };
            if let Some(other) = (0..b).find(|other| alike(&blocks[*other]) == alike(block)) {
                let from = other * block_states;
                states.extend_from_within(from..from + block_states);
                let moved = next(0, 0, own - from, 0);
                states[own..].iter_mut().for_each(|state| *state += moved);
            } else {
                extend(&mut states, block, &find(block), last[b], raw, long);
            }
            let end = next(0, block.stride, follower * block_states, dc(follower));
            states[own + 64..own + PAST].iter_mut().for_each(|state| *state = end + place(*state) as u64);
            states[own] = next(0, 0, own, dc(b));
        }
        // Behind the highest number of a state, that of a dead one, as much as any symbol steps.
        states.resize(block_states * (blocks.len() - 1) + LONG + largest_step, PARKED);
        let start = states[0];
        let mcu = blocks.iter().map(|b| b.stride).sum();
        let widest = blocks.iter().map(|b| b.stride).max().unwrap_or(1);
        let machine = Self { symbols, states, start, mcu, widest, block_states, largest_step };
        let limits = machine.limits();
        let within = machine.states.iter().fold(!0, |within, state| within & Self::within(limits, *state));
        assert!(within & TOPS == TOPS, "every move leads into the tables");
        machine
    }

    /// The largest fields of a state whose look-ups stay within the tables and whose writes within
    /// [`Machine::widest`].
    fn limits(&self) -> u64 {
        let number = self.states.len() - 1 - self.largest_step;
        let limits = next(self.widest, self.widest, number, self.symbols.len() - SIZE);
        assert!(number < 1 << 15 && limits & TOPS == 0, "fields leave their highest bits");
        limits
    }

    /// Whether no field is above its limit: then all of [`TOPS`] are set. What is below is of no meaning.
    #[inline(always)]
    const fn within(limits: u64, state: u64) -> u64 {
        // Without its highest bit a field of the state cannot take from the next one, and takes its own of the limit if
        // it is larger.
        (limits | TOPS).wrapping_sub(state) & !state
    }

    /// Whether the look-ups from this state stay within the tables and what it writes within [`Machine::widest`].
    ///
    /// This is what unchecked look-ups rely on: [`Machine::new`] has checked it for every state, and
    /// nothing changes the tables afterwards.
    #[inline]
    pub(crate) fn admits(&self, state: u64) -> bool {
        Self::within(self.limits(), state) & TOPS == TOPS
    }

    /// What windows mean, table by table.
    #[inline]
    pub(crate) fn symbols(&self) -> &[u32] {
        &self.symbols
    }

    /// What states mean.
    #[inline]
    pub(crate) fn states(&self) -> &[u64] {
        &self.states
    }

    /// Whether an MCU starts here. Second-level and raw states share the number of the state, not the table.
    #[inline]
    pub(crate) fn is_start(&self, state: u64) -> bool {
        is_same(state, self.start)
    }

    /// Bits of the impossible code that a dead state has consumed.
    pub(crate) fn consumed(&self, dead: u64) -> usize {
        if number(dead) % self.block_states < LONG_DEAD { 0 } else { PREFIX as usize }
    }

    /// The state behind the block that a dead state is in: where a damaged file goes on.
    pub(crate) fn behind_block(&self, dead: u64) -> u64 {
        self.states[number(dead) / self.block_states * self.block_states + ENDED]
    }
}

/// Adds the states of one block, but for where its end and its start lead: there only places are set.
fn extend(states: &mut Vec<u64>, block: &Block, codes: &Codes, last: usize, raw: usize, long: usize) {
    let own = states.len();
    // Each coefficient's place and its own state. Behind the block every level falls on the last one, as in libjpeg.
    let places = &block.places().of;
    let levels: [u64; RAW_WIDTH] = std::array::from_fn(|k| next(places[k].into(), 0, own + k, 0));
    let to = |table: usize| next(0, 0, 0, table);
    let ac = |k: usize| {
        to(if k >= TAIL {
            codes.tail
        } else if k > last && last <= LAST_SKIP {
            codes.skip
        } else {
            codes.fused
        })
    };
    states.push(0);
    // A level's place is that of the coefficient before the state it leads to.
    states.extend((1..64).map(|k| levels[k - 1] + next(0, 0, 1, 0) + ac(k)));
    states.extend([levels[63]; PLAIN - 64]);
    states.push(levels[0]);
    if last == 0 {
        // AC levels do not count, and a DC difference may stand before any number of them.
        states.extend([levels[0]; 63]);
    } else {
        states.extend_from_slice(&levels[..63]);
    }
    states.extend((0..MOST_PASSED + 2).map(|k| levels[0] + next(0, 0, k, 0) + ac(k)));
    for bits in 0..RAW_SIZES {
        let raw = to(raw + bits * SIZE);
        states.extend(levels.iter().map(|level| level + raw));
    }
    let dead = |k: usize| next(0, 0, own + DEAD + k, 0);
    states.extend((0..LONG - DEAD).map(dead));
    for j in 0..long {
        // No symbol moves to a region that its table does not have.
        let long = |k: usize, of: Long| of.table(j).map_or_else(|| dead(k), |t| next(0, 0, own + k, t));
        states.push(long(0, codes.dc_long));
        states.extend((1..64).map(|k| long(k, codes.ac_long)));
    }
}
