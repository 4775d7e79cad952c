//! Small sequential scans, code by code: the state tables of [`super::tables`] take longer to build than these scans
//! take to decode.

#[cfg(test)]
mod tests;

use super::codes::{Bits, Lookup};
use super::error::Error;
use super::lanes::{Chunk, End, Input, LARGEST_MCU_BITS};
use super::layout::{Block, Places};
use super::scan::{Mcus, Whole};
use super::segments::{HuffmanSpec, STANDARD, Tables};
use super::symbols::{self, ENDED, Forms, MOST_PASSED, PAST, PLAIN, RAW, SIZE, TAIL, standard_forms};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Scans of fewer bytes are decoded this way: with tables that are made beforehand, with tables of the file's own, and
/// in any case with fewer MCUs than lanes need to get into step.
const SMALL: usize = 5 << 10;
const SMALL_OWN: usize = 16 << 10;
const SMALL_SHORT: usize = 32 << 10;
const SHORT: usize = 100;
/// MCUs decoded at once.
const MCUS: usize = 32;

/// The most bytes that a decoder of any scan allocates: ten blocks an MCU, eight tables.
pub(crate) const MOST_BYTES: u64 =
    (MCUS * 10 * 65 * size_of::<i16>() + 8 * size_of::<Lookup>() + 10 * size_of::<Own>() + (1 << 10)) as u64;

/// A scan's tables and the coefficients of a few MCUs.
pub(crate) struct Decoder {
    lookups: Cow<'static, [Lookup]>,
    blocks: Vec<Own>,
    coefficients: Vec<i16>,
    mcu: usize,
}

/// A block of the MCU.
struct Own {
    /// Its tables among the lookups.
    dc: usize,
    ac: usize,
    /// Places it takes, and where its coefficients go.
    stride: usize,
    places: &'static Places,
    /// Tables with more than one code in a window, where there are such.
    forms: Option<Forms>,
}

/// Lookups of annex K's tables, which most small files have.
static STANDARD_LOOKUPS: LazyLock<Vec<Lookup>> =
    LazyLock::new(|| (0..4).map(|i| Lookup::new(&STANDARD[i], i < 2)).collect());

/// Which of annex K's tables this is.
fn standard(spec: &HuffmanSpec, dc: bool) -> Option<usize> {
    let kinds = if dc { 0..2 } else { 2..4 };
    kinds.into_iter().find(|i| STANDARD[*i] == *spec)
}

/// Whether a scan of `total` MCUs in at most so many bytes is better decoded code by code.
pub(crate) fn suits(tables: &Tables, blocks: &[Block], total: usize, bytes: usize) -> bool {
    let known =
        |spec: &Option<HuffmanSpec>, dc| spec.as_ref().is_none_or(|spec| standard(spec, dc).is_some());
    let own = || blocks.iter().any(|b| !known(&tables.dc[b.dc], true) || !known(&tables.ac[b.ac], false));
    bytes < SMALL || bytes < SMALL_SHORT && (total < SHORT || bytes < SMALL_OWN && own())
}

impl Decoder {
    /// The tables for an MCU of these blocks, in a scan of `total` MCUs. A Huffman table that the file lacks is an error
    /// the caller has already reported.
    pub(crate) fn new(tables: &Tables, blocks: &[Block], total: usize) -> Self {
        let spec = |(number, dc): (usize, bool)| {
            if dc { tables.dc[number].as_ref() } else { tables.ac[number].as_ref() }
        };
        let mut needed: Vec<(usize, bool)> = Vec::with_capacity(8);
        let mut number = |key: (usize, bool)| {
            needed.iter().position(|other| *other == key).unwrap_or_else(|| {
                needed.push(key);
                needed.len() - 1
            })
        };
        let mut own: Vec<Own> = blocks
            .iter()
            .map(|block| Own {
                dc: number((block.dc, true)),
                ac: number((block.ac, false)),
                stride: block.stride,
                places: block.places(),
                forms: None,
            })
            .collect();
        let known = |key: &(usize, bool)| spec(*key).and_then(|spec| standard(spec, key.1));
        let lookups = if let Some(known) = needed.iter().map(known).collect::<Option<Vec<usize>>>() {
            for block in &mut own {
                (block.dc, block.ac) = (known[block.dc], known[block.ac]);
                // A DC table's *near* and *deep* forms are for the AC table of the same number.
                if block.dc == block.ac - 2 {
                    block.forms = standard_forms(block.dc, block.places.last == 0);
                }
            }
            Cow::Borrowed(&STANDARD_LOOKUPS[..])
        } else {
            let none = HuffmanSpec::new([0; 16], &[]);
            Cow::Owned(needed.iter().map(|key| Lookup::new(spec(*key).unwrap_or(&none), key.1)).collect())
        };
        let mcu = blocks.iter().map(|b| b.stride).sum();
        Self { lookups, blocks: own, coefficients: vec![0; MCUS.min(total) * mcu], mcu }
    }

    /// Decodes the next MCUs into `mcus`: at least one, unless the data ends.
    pub(crate) fn chunk(&mut self, input: Input<'_>, mcus: &mut impl Mcus) -> Result<Chunk, Error> {
        let mut bits = Bits::new(input.data, input.at);
        let mut chunk = Chunk { count: 0, at: input.at, end: End::More, dead: None };
        for mcu in self.coefficients.chunks_exact_mut(self.mcu).take(input.left) {
            if !input.ended && bits.at() + LARGEST_MCU_BITS > input.bits {
                break;
            }
            mcu.fill(0);
            let mut rest = mcu;
            for block in &self.blocks {
                let (own, others) = rest.split_at_mut(block.stride);
                rest = others;
                let (dc, ac) = (&self.lookups[block.dc], &self.lookups[block.ac]);
                if decode(&mut bits, dc, ac, block, own) == Err(Stop::Dead) {
                    let at = bits.at();
                    chunk.dead.get_or_insert(at);
                    bits.skip(8);
                }
            }
            if bits.at() > input.bits {
                chunk.end = End::Short;
                break;
            }
            chunk.count += 1;
            chunk.at = bits.at();
            if chunk.dead.is_some() {
                break;
            }
        }
        // What the data ends in is no damage of its own.
        chunk.dead = chunk.dead.filter(|at| at + 8 <= input.bits);
        mcus.take(&mut self.coefficients[..chunk.count * self.mcu])?;
        Ok(chunk)
    }
}

/// What a block ends with before its 64th coefficient.
#[derive(PartialEq, Eq)]
enum Stop {
    /// The code that says so.
    End,
    /// Bits that are no code.
    Dead,
}

/// One block.
#[inline]
fn decode(bits: &mut Bits<'_>, dc: &Lookup, ac: &Lookup, block: &Own, out: &mut [i16]) -> Result<(), Stop> {
    let mut k = 1;
    bits.refill();
    match block.forms.map(|forms| look(forms.dc, bits)) {
        Some((step, taken, level)) if step < RAW => {
            bits.skip(taken);
            out[0] = level;
            match step {
                ..PLAIN => {}
                PLAIN..PAST => return Err(Stop::End),
                _ => k = step - PAST,
            }
        }
        _ => out[0] = dc.find(bits).ok_or(Stop::Dead)?.take(bits),
    }
    let last = block.places.last;
    if let Some(forms) = &block.forms {
        // One loop for both would wait for the choice of the table.
        while k < TAIL.min(last + 1) {
            bits.refill();
            k = several(bits, forms.fused, ac, block, out, k)?;
        }
        while k < TAIL {
            bits.refill();
            k = several(bits, forms.skip, ac, block, out, k)?;
        }
    }
    while k <= last {
        bits.refill();
        k = one(bits, ac, block, out, k)?;
        if k <= last {
            k = one(bits, ac, block, out, k)?;
        }
    }
    while k < 64 {
        bits.refill();
        k = skip(bits, ac, k)?;
        if k < 64 {
            k = skip(bits, ac, k)?;
        }
    }
    Ok(())
}

/// What the next bits mean: how far they move the state, how many they are and what they add.
#[inline(always)]
fn look(table: &[u32; SIZE], bits: &Bits<'_>) -> (usize, u32, i16) {
    let symbol = table[bits.top::<{ symbols::WINDOW }>()];
    (symbols::step(symbol), symbols::bits(symbol), symbols::addend(symbol))
}

/// The codes of a window from coefficient `k` on; the coefficient behind.
#[inline(always)]
fn several(
    bits: &mut Bits<'_>,
    table: &[u32; SIZE],
    ac: &Lookup,
    block: &Own,
    out: &mut [i16],
    k: usize,
) -> Result<usize, Stop> {
    let (step, taken, level) = look(table, bits);
    let mut put = |passed: usize| out[usize::from(block.places.of[k + passed - 1])] = level;
    if step <= MOST_PASSED {
        bits.skip(taken);
        put(step);
        Ok(k + step)
    } else if step < PAST {
        bits.skip(taken);
        if step > ENDED {
            put(step - ENDED);
        }
        Err(Stop::End)
    } else {
        one(bits, ac, block, out, k)
    }
}

/// The next code and its level; the coefficient behind.
#[inline(always)]
fn one(bits: &mut Bits<'_>, ac: &Lookup, block: &Own, out: &mut [i16], k: usize) -> Result<usize, Stop> {
    let code = ac.find(bits).ok_or(Stop::Dead)?;
    if code.ends() {
        bits.skip(code.bits());
        return Err(Stop::End);
    }
    out[usize::from(block.places.of[k + code.run()])] = code.take(bits);
    Ok(k + code.run() + 1)
}

/// The next code, without its level; the coefficient behind.
#[inline(always)]
fn skip(bits: &mut Bits<'_>, ac: &Lookup, k: usize) -> Result<usize, Stop> {
    let code = ac.find(bits).ok_or(Stop::Dead)?;
    bits.skip(code.bits());
    if code.ends() { Err(Stop::End) } else { Ok(k + code.run() + 1) }
}

/// Which of the two decodes a scan.
pub(crate) enum Entropy {
    /// Code by code; those that are to be given [whole](Mcus::take_whole), if there are any, by the second.
    Plain(Decoder, Option<Decoder>),
    /// By state tables, one lane or four.
    Lanes(Box<super::lanes::Decoder>),
}

impl Entropy {
    /// Decodes the next MCUs into `mcus`: at least one, unless the data ends.
    pub(crate) fn chunk(&mut self, input: Input<'_>, mcus: &mut impl Mcus) -> Result<Chunk, Error> {
        match self {
            Self::Plain(decoder, None) => decoder.chunk(input, mcus),
            Self::Plain(decoder, Some(whole)) => {
                let (alike, is_whole) = mcus.ahead();
                let input = Input { left: alike.min(input.left), ..input };
                if is_whole { whole.chunk(input, &mut Whole(mcus)) } else { decoder.chunk(input, mcus) }
            }
            Self::Lanes(decoder) => decoder.chunk(input, mcus),
        }
    }
}
