//! A scan as a list of symbols, kept until their frequencies, and so the best Huffman tables, are known.

use super::bits::BitWriter;
use super::huffman::{Codes, Spec, optimal};
use super::markers;
use super::sequential::{BUFFER_BYTES, BitState};

/// Which table codes a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableId(u32);

impl TableId {
    /// DC table 0 or 1.
    pub(super) const fn dc(number: usize) -> Self {
        Self(if number == 0 { 0 } else { 1 })
    }

    /// AC table 0 or 1.
    pub(super) const fn ac(number: usize) -> Self {
        Self(if number == 0 { 2 } else { 3 })
    }
}

/// One symbol and the bits that follow it: table << 29 | symbol << 21 | number of bits << 16 | bits. Numbers of bits
/// from 17 on mean something else.
type Token = u32;

/// Bits without a symbol: up to 16 of them, their number where the symbol would stand.
const RAW: u32 = 31;
/// A restart marker.
const RESTART: u32 = 30;

/// Tokens written between two looks at the buffer: their codes take four bytes each at most, a quarter of it.
const BATCH: usize = 1024;
const _: () = assert!(BUFFER_BYTES >= 4 * BATCH + 64);

/// The symbols of one scan.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    list: Vec<Token>,
    counts: [[u32; 256]; 4],
}

impl Tokens {
    /// An empty scan.
    pub(super) fn new() -> Self {
        Self { list: Vec::new(), counts: [[0; 256]; 4] }
    }

    /// Makes room for `more` tokens; for at most `most` in all if it can, however many there may come to be.
    #[inline(always)]
    pub(super) fn reserve(&mut self, more: usize, most: usize) {
        let least = self.list.len() + more;
        if least > self.list.capacity() {
            let capacity = (2 * self.list.capacity()).min(most).max(least);
            self.list.reserve_exact(capacity - self.list.len());
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// A symbol and its bits, at most 16.
    #[inline(always)]
    pub(super) fn push(&mut self, table: TableId, symbol: u8, bits: u32, length: u32) {
        self.counts[table.0 as usize & 3][usize::from(symbol)] += 1;
        self.list.push(table.0 << 29 | u32::from(symbol) << 21 | length << 16 | bits);
    }

    /// Up to 16 bits without a symbol.
    pub(super) fn push_raw(&mut self, bits: u32, length: u32) {
        self.list.push(length << 21 | RAW << 16 | bits);
    }

    /// The end of a restart interval.
    pub(super) fn push_restart(&mut self) {
        self.list.push(RESTART << 16);
    }

    /// How often each symbol occurred: DC of tables 0 and 1, then AC.
    pub(super) fn counts(&self) -> &[[u32; 256]; 4] {
        &self.counts
    }

    /// Writes the best tables for the scan and gives them.
    pub(super) fn write_tables(&self, out: &mut Vec<u8>) -> [Codes; 4] {
        const NONE: Spec = Spec { counts: [0; 16], symbols: [0; 256] };
        let mut codes = [const { Codes::new(&NONE) }; 4];
        for ((id, codes), counts) in (0u8..).zip(&mut codes).zip(&self.counts) {
            if counts.iter().any(|&count| count > 0) {
                let spec = optimal(counts);
                markers::huffman_table(out, id >> 1, id & 1, &spec);
                *codes = Codes::new(&spec);
            }
        }
        codes
    }

    /// Writes the entropy-coded segments of a whole scan.
    pub(super) fn write(&self, codes: [&Codes; 4], out: &mut Vec<u8>) {
        let mut state = BitState::new();
        self.write_part(codes, &mut state, out);
        state.finish(out);
    }

    /// Writes the entropy-coded segments of a scan's first part.
    pub(super) fn write_part(&self, codes: [&Codes; 4], state: &mut BitState, out: &mut Vec<u8>) {
        // Code and length in one place: code << 8 | length.
        let mut merged = [[0u32; 256]; 4];
        for (merged, codes) in merged.iter_mut().zip(codes) {
            for ((merged, &code), &length) in merged.iter_mut().zip(&codes.code).zip(&codes.length) {
                *merged = u32::from(code) << 8 | u32::from(length);
            }
        }
        let BitState { buffer, pending, restarts } = state;
        for batch in self.list.chunks(BATCH) {
            let mut bits = BitWriter::new(buffer, *pending);
            for &token in batch {
                let (extra, kind, symbol) = (token & 0xFFFF, token >> 16 & 31, token >> 21 & 0xFF);
                if kind <= 16 {
                    let code = merged[(token >> 29) as usize & 3][symbol as usize];
                    bits.put(code >> 8, code & 0xFF);
                    bits.put(extra, kind);
                } else if kind == RAW {
                    bits.put(extra, symbol);
                } else {
                    bits.pad();
                    bits.drain(out);
                    markers::restart(out, *restarts);
                    *restarts += 1;
                }
                bits.flush();
            }
            bits.drain(out);
            *pending = bits.pending();
        }
    }
}
