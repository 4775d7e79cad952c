//! Small sequential scans, code by code: the state tables of [`super::tables`] take longer to build than these scans
//! take to decode.

use super::codes::{Lookup, Reader};
use super::lanes::{Chunk, End, Input, LARGEST_MCU_BITS, Stretch};
use super::layout::Block;
use super::segments::{HuffmanSpec, STANDARD, Tables};
use super::symbols::{self, ENDED, Forms, MOST_PASSED, PAST, PLAIN, RAW, SIZE, TAIL, standard_forms};
use super::tables::last_kept;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Files below this many bytes are decoded this way.
pub(crate) const LARGEST_FILE: usize = 5 << 10;
/// MCUs decoded at once.
const MCUS: usize = 32;
/// The largest level of 8-bit samples in bits.
const LARGEST_SIZE: u8 = 11;

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
    places: [u8; 64],
    /// The last coefficient that is kept.
    last: usize,
    /// Tables with more than one code in a window, where there are such.
    forms: Option<Forms>,
}

/// Lookups of annex K's tables, which most small files have.
static STANDARD_LOOKUPS: LazyLock<Vec<Lookup>> =
    LazyLock::new(|| (0..4).map(|i| Lookup::new(&STANDARD[i], i < 2)).collect());

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
        let mut own: Vec<Own> = Vec::with_capacity(blocks.len());
        for (i, block) in blocks.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "places are below 65")]
            let (places, last) = match i.checked_sub(1) {
                Some(before) if blocks[before].component == block.component => {
                    (own[before].places, own[before].last)
                }
                _ => (std::array::from_fn(|k| block.place(k) as u8), last_kept(block)),
            };
            let (dc, ac) = (number((block.dc, true)), number((block.ac, false)));
            own.push(Own { dc, ac, stride: block.stride, places, last, forms: None });
        }
        let standard = |key: &(usize, bool)| {
            let kinds = if key.1 { 0..2 } else { 2..4 };
            spec(*key).and_then(|spec| kinds.into_iter().find(|i| STANDARD[*i] == *spec))
        };
        let lookups = if let Some(known) = needed.iter().map(standard).collect::<Option<Vec<usize>>>() {
            for block in &mut own {
                (block.dc, block.ac) = (known[block.dc], known[block.ac]);
                // A DC table's *near* and *deep* forms are for the AC table of the same number.
                if block.dc == block.ac - 2 {
                    block.forms = standard_forms(block.dc, block.last == 0);
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

    /// One MCU's places among the coefficients.
    pub(crate) fn mcu_places(&self) -> usize {
        self.mcu
    }

    /// The coefficients that stretches point into.
    pub(crate) fn coefficients(&mut self) -> &mut [i16] {
        &mut self.coefficients
    }

    /// Decodes the next MCUs: at least one, unless the data ends.
    pub(crate) fn chunk(&mut self, input: Input<'_>) -> Chunk {
        let mut reader = Reader::new(input.data, input.at);
        let mut chunk = Chunk { stretches: Default::default(), at: input.at, end: End::More, dead: None };
        for mcu in self.coefficients.chunks_exact_mut(self.mcu).take(input.left) {
            if !input.ended && reader.at() + LARGEST_MCU_BITS > input.bits {
                break;
            }
            mcu.fill(0);
            let mut rest = mcu;
            for block in &self.blocks {
                let (own, others) = rest.split_at_mut(block.stride);
                rest = others;
                let (dc, ac) = (&self.lookups[block.dc], &self.lookups[block.ac]);
                if !decode(&mut reader, dc, ac, block, own) {
                    let at = reader.at();
                    chunk.dead.get_or_insert(at);
                    reader.skip(8);
                }
            }
            if reader.at() > input.bits {
                chunk.end = End::Short;
                break;
            }
            chunk.stretches[0].count += 1;
            chunk.at = reader.at();
            if chunk.dead.is_some() {
                break;
            }
        }
        // What stands behind the data is no damage of its own.
        chunk.dead = chunk.dead.filter(|at| *at < input.bits);
        chunk
    }
}

/// One block; whether its codes were ones.
#[inline]
fn decode(reader: &mut Reader<'_>, dc: &Lookup, ac: &Lookup, block: &Own, out: &mut [i16]) -> bool {
    let mut put = |k: usize, level: i16| out[usize::from(block.places[k.min(63)])] = level;
    #[expect(clippy::cast_possible_truncation, reason = "at most 11 bits and a sign")]
    let narrow = |level: i32| level as i16;
    let look = |table: &[u32; SIZE], reader: &Reader<'_>| {
        let symbol = table[(reader.peek() >> (64 - symbols::WINDOW)) as usize];
        (symbols::step(symbol), symbols::bits(symbol), symbols::addend(symbol))
    };
    let mut k = 1;
    match block.forms.map(|forms| look(forms.dc, reader)) {
        Some((step, bits, level)) if step < RAW => {
            reader.skip(bits);
            put(0, level);
            match step {
                ..PLAIN => {}
                PLAIN..PAST => return true,
                _ => k = step - PAST,
            }
        }
        _ => {
            let Some(found) = dc.read(reader) else { return false };
            if found.symbol > LARGEST_SIZE {
                return false;
            }
            put(0, narrow(found.level));
        }
    }
    while k < 64 {
        if let Some(forms) = &block.forms
            && k < TAIL
        {
            let table = if k > block.last { forms.skip } else { forms.fused };
            let (step, bits, level) = look(table, reader);
            if step <= MOST_PASSED {
                reader.skip(bits);
                put(k + step - 1, level);
                k += step;
                continue;
            }
            if step < PAST {
                reader.skip(bits);
                if step > ENDED {
                    put(k + step - ENDED - 1, level);
                }
                break;
            }
        }
        let Some(found) = ac.read(reader) else { return false };
        let (run, size) = (usize::from(found.symbol >> 4), found.symbol & 15);
        match (run, size) {
            (_, 1..=LARGEST_SIZE) => {
                put(k + run, narrow(found.level));
                k += run + 1;
            }
            (15, 0) => k += 16,
            (_, 0) => break,
            _ => return false,
        }
    }
    true
}

/// Which of the two decodes a scan.
pub(crate) enum Entropy {
    /// Code by code.
    Plain(Decoder),
    /// By state tables, one lane or four.
    Lanes(super::lanes::Decoder),
}

impl Entropy {
    /// One MCU's places among the coefficients.
    pub(crate) fn mcu_places(&self) -> usize {
        match self {
            Self::Plain(decoder) => decoder.mcu_places(),
            Self::Lanes(decoder) => decoder.mcu_places(),
        }
    }

    /// The MCUs of a stretch.
    pub(crate) fn mcus(&mut self, stretch: Stretch) -> &mut [i16] {
        let range = stretch.from..stretch.from + stretch.count * self.mcu_places();
        match self {
            Self::Plain(decoder) => &mut decoder.coefficients()[range],
            Self::Lanes(decoder) => &mut decoder.coefficients()[range],
        }
    }

    /// Decodes the next MCUs: at least one, unless the data ends.
    pub(crate) fn chunk(&mut self, input: Input<'_>) -> Chunk {
        match self {
            Self::Plain(decoder) => decoder.chunk(input),
            Self::Lanes(decoder) => decoder.chunk(input),
        }
    }
}
