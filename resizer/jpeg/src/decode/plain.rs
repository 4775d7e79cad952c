//! Small sequential scans, code by code: the state tables of [`super::tables`] take longer to build than these scans
//! take to decode.

use super::codes::{Lookup, Reader};
use super::lanes::{Chunk, End, Input, LARGEST_MCU_BITS, Stretch};
use super::layout::Block;
use super::segments::Tables;

/// Files below this many bytes are decoded this way.
pub(crate) const LARGEST_FILE: usize = 6 << 10;
/// MCUs decoded at once.
const MCUS: usize = 32;
/// The largest level of 8-bit samples in bits.
const LARGEST_SIZE: u8 = 11;

/// A scan's tables and the coefficients of a few MCUs.
pub(crate) struct Decoder {
    dc: [Option<Lookup>; 4],
    ac: [Option<Lookup>; 4],
    blocks: Vec<Block>,
    /// Where the coefficients of each block go.
    places: Vec<[u8; 64]>,
    coefficients: Vec<i16>,
    mcu: usize,
}

impl Decoder {
    /// The tables for an MCU of these blocks.
    pub(crate) fn new(tables: &Tables, blocks: &[Block]) -> Self {
        let mut dc = [None, None, None, None];
        let mut ac = [None, None, None, None];
        for block in blocks {
            if dc[block.dc].is_none() {
                dc[block.dc] = tables.dc[block.dc].as_ref().map(|spec| Lookup::new(spec, true));
            }
            if ac[block.ac].is_none() {
                ac[block.ac] = tables.ac[block.ac].as_ref().map(|spec| Lookup::new(spec, false));
            }
        }
        let mcu = blocks.iter().map(|b| b.stride).sum();
        #[expect(clippy::cast_possible_truncation, reason = "places are below 65")]
        let places = blocks.iter().map(|block| std::array::from_fn(|k| block.place(k) as u8)).collect();
        Self { dc, ac, blocks: blocks.to_vec(), places, coefficients: vec![0; MCUS * mcu], mcu }
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
        self.coefficients.fill(0);
        let mut reader = Reader::new(input.data, input.at);
        let mut chunk = Chunk { stretches: Default::default(), at: input.at, end: End::More, dead: None };
        for mcu in self.coefficients.chunks_exact_mut(self.mcu).take(input.left) {
            if !input.ended && reader.at() + LARGEST_MCU_BITS > input.bits {
                break;
            }
            let mut rest = mcu;
            for (block, places) in self.blocks.iter().zip(&self.places) {
                let (own, others) = rest.split_at_mut(block.stride);
                rest = others;
                let tables = self.dc[block.dc].as_ref().zip(self.ac[block.ac].as_ref());
                if !tables.is_some_and(|(dc, ac)| decode(&mut reader, dc, ac, places, own)) {
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
fn decode(reader: &mut Reader<'_>, dc: &Lookup, ac: &Lookup, places: &[u8; 64], out: &mut [i16]) -> bool {
    let Some(found) = dc.read(reader) else { return false };
    if found.symbol > LARGEST_SIZE {
        return false;
    }
    let mut put = |k: usize, level: i32| {
        #[expect(clippy::cast_possible_truncation, reason = "at most 11 bits and a sign")]
        let level = level as i16;
        out[usize::from(places[k.min(63)])] = level;
    };
    put(0, found.level);
    let mut k = 1;
    while k < 64 {
        let Some(found) = ac.read(reader) else { return false };
        let (run, size) = (usize::from(found.symbol >> 4), found.symbol & 15);
        match (run, size) {
            (_, 1..=LARGEST_SIZE) => {
                put(k + run, found.level);
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
#[expect(clippy::large_enum_variant, reason = "one a scan")]
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
