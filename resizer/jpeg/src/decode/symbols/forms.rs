//! The forms of tables, made of Huffman codes.

use super::{
    Codes, DEAD, ENDED, LARGEST_SIZE, LONG, LONG_DEAD, LONG_TABLES, Long, MOST_PASSED, PAST, PREFIX, RAW,
    RAW_WIDTH, SIZE, Specs, WINDOW, addend, bits, step, symbol,
};
use crate::decode::segments::HuffmanSpec;

/// The longest code that leaves room for a sign bit.
const SHORT: u32 = WINDOW - 1;

impl Codes {
    /// Adds every form that these blocks need.
    pub(super) fn new(words: &mut Vec<u32>, specs: &Specs<'_>) -> Self {
        let (tail, ac_long) = enter_all(words, specs.ac, false);
        let (near, dc_long) = enter_all(words, specs.dc, true);
        let mut ac = [0; SIZE];
        ac.copy_from_slice(&words[tail..tail + SIZE]);
        let mut fused = ac;
        fuse(&mut fused, specs.ac);
        let fused = add(words, &fused);
        let skip = if specs.skip {
            let mut table = ac;
            Passing { tail: &ac, ended: ENDED, open: 0, addend: 0 }.fill(&mut table, 0, 0);
            add(words, &table)
        } else {
            0
        };
        let deep = if specs.deep {
            let table = deep(&words[near..near + SIZE], &ac);
            add(words, &table)
        } else {
            0
        };
        fuse(&mut words[near..near + SIZE], specs.ac);
        Self { near, deep, dc_long, fused, skip, tail, ac_long }
    }
}

/// Adds a table; its place.
fn add(words: &mut Vec<u32>, table: &[u32; SIZE]) -> usize {
    words.extend_from_slice(table);
    words.len() - SIZE
}

/// Calls `each` with the windows that share a code: what it means and where they are.
fn codes_of(table: &mut [u32], mut each: impl FnMut(u32, &mut [u32])) {
    let mut at = 0;
    while let Some(word) = table.get(at).copied() {
        // What consumes nothing fills whatever is left.
        let count = if bits(word) == 0 { 1 } else { 1 << (WINDOW - bits(word)) };
        if bits(word) > 0 && step(word) <= MOST_PASSED {
            each(word, &mut table[at..at + count]);
        }
        at += count;
    }
}

/// Puts the end of block of table `ac` behind every code of `table` that leaves room for it.
fn fuse(table: &mut [u32], ac: &HuffmanSpec) {
    let Some(end) = ac.codes().find(|code| code.symbol == 0) else { return };
    codes_of(table, |word, own| {
        let taken = bits(word) + end.length;
        if taken <= WINDOW {
            let count = 1 << (WINDOW - taken);
            let both = symbol(taken, ENDED + step(word), i32::from(addend(word)));
            own[end.bits as usize * count..][..count].fill(both);
        }
    });
}

/// A DC table with AC codes behind each difference.
fn deep(dc: &[u32], ac: &[u32; SIZE]) -> [u32; SIZE] {
    let mut table = [0; SIZE];
    table.copy_from_slice(dc);
    codes_of(&mut table, |word, own| {
        let passing = Passing { tail: ac, ended: ENDED + 1, open: PAST + 1, addend: addend(word) };
        passing.fill(own, bits(word), 0);
    });
    table
}

/// Passes AC codes without their levels.
struct Passing<'t> {
    tail: &'t [u32; SIZE],
    /// The region behind an end of block, and that behind other codes.
    ended: usize,
    open: usize,
    /// What the code before them adds.
    addend: i16,
}

impl Passing<'_> {
    /// Fills the windows that share their first `taken` bits, codes that pass `passed` coefficients. Where no code
    /// follows at all, they are left.
    fn fill(&self, windows: &mut [u32], taken: u32, passed: usize) {
        let symbol = |taken, step| symbol(taken, step, i32::from(self.addend));
        let mut at = 0;
        while at < windows.len() {
            // Zeros stand for the bits that the window does not have; what consumes one of them is no match.
            let word = self.tail[at << taken];
            let (end, step) = (taken + bits(word), step(word));
            let more = step <= MOST_PASSED && passed + step <= MOST_PASSED;
            if end > WINDOW || !(more || step == ENDED) {
                if passed > 0 {
                    windows[at] = symbol(taken, self.open + passed);
                }
                at += 1;
                continue;
            }
            let own = &mut windows[at..at + (1 << (WINDOW - end))];
            at += own.len();
            if step == ENDED {
                own.fill(symbol(end, self.ended + passed));
            } else {
                self.fill(own, end, passed + step);
            }
        }
    }
}

/// How many second-level tables a Huffman table takes: one for each prefix of its long codes.
pub(super) fn long_tables(spec: &HuffmanSpec) -> usize {
    let mut last = None;
    let prefixes = spec.codes().filter(|code| code.length > SHORT);
    prefixes
        .filter(|code| {
            last.replace(code.bits >> (code.length - PREFIX)) != Some(code.bits >> (code.length - PREFIX))
        })
        .count()
}

/// Adds the tables of one Huffman table: the first one's place and the second-level ones.
fn enter_all(words: &mut Vec<u32>, spec: &HuffmanSpec, dc: bool) -> (usize, Long) {
    let first = words.len();
    words.resize(first + SIZE, symbol(0, DEAD, 0));
    // The subtrees of long codes, in rising order.
    let mut prefixes = [0; LONG_TABLES];
    let mut long = 0;
    for code in spec.codes() {
        if code.length > SHORT {
            let prefix = code.bits >> (code.length - PREFIX);
            if long == 0 || prefixes[long - 1] != prefix {
                prefixes[long] = prefix;
                let at = first + ((prefix as usize) << (WINDOW - PREFIX));
                words[at..at + (1 << (WINDOW - PREFIX))].fill(symbol(PREFIX, LONG + long * 64, 0));
                long += 1;
                words.resize(first + SIZE * (1 + long), symbol(0, LONG_DEAD, 0));
            }
            let rest = code.length - PREFIX;
            let table = first + SIZE * long;
            let bits = code.bits & ((1 << rest) - 1);
            enter(&mut words[table..table + SIZE], bits, rest, code.symbol, dc, LONG_DEAD);
        }
    }
    for code in spec.codes().take_while(|code| code.length <= SHORT) {
        enter(&mut words[first..first + SIZE], code.bits, code.length, code.symbol, dc, DEAD);
    }
    (first, Long { first: first + SIZE, count: long })
}

/// Enters a code of `length` bits, at most [`SHORT`], with whatever bits of its level fit the window; a symbol that
/// no file has leads to region `dead`.
fn enter(table: &mut [u32], bits: u32, length: u32, value: u8, dc: bool, dead: usize) {
    let size = u32::from(value & 15);
    let run = usize::from(value >> 4);
    let room = WINDOW - length;
    let range = &mut table[(bits as usize) << room..(bits as usize + 1) << room];
    if size > LARGEST_SIZE || (dc && run > 0) {
        // No 8-bit picture has such a level.
        range.fill(symbol(0, dead, 0));
        return;
    }
    if size == 0 {
        let step = match (dc, run) {
            (true, _) => 1,
            (false, 15) => 16,
            (false, _) => ENDED,
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
