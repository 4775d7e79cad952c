//! Levels chosen by what they cost: rate and distortion together ("trellis quantisation").
//!
//! Rounding to the nearest level is best for the error alone. A level that is a little too small, or zero, may save
//! more bits than its error is worth. For each block this finds the levels that minimise
//! D + λR: D is the squared error in units of the quantisation step, R the bits of the AC symbols. The bits depend on
//! the zeros before a level, so the choices hang together; but a run starts at the last level that is not zero, so
//! a search over "the last such level is this one" is exact (Ramchandran and Vetterli, 1994; Crouse and
//! Ramchandran, 1997).

use super::frame::Frame;
use super::huffman::{Codes, EOB, ZRL, optimal, size};
use super::kernel::{self, Block, Mask, WIDE, Zigzag};
use super::quantisation::{Quantiser, TRANSFORM_GAIN, ZIGZAG_TRANSPOSED};
use super::sequential::Choice;
use super::store::Store;
use crate::common::simd::{Job, Simd};

/// Squared error, in steps, that one bit is worth in a block without detail. (At high rates rounding alone trades at
/// 2·ln 2/12 ≈ 0.116.) This and [`DETAIL`] were chosen by bytes at equal SSIMULACRA2 on photos: from 0.03 to 0.053
/// the curve is flat within 0.5 %, above it errors begin to show more than the bits they save.
const LAMBDA: f32 = 0.04;

/// Mean square of a block's AC coefficients at which a bit is worth twice as much: detail hides errors.
const DETAIL: f32 = 1500.0;

/// Bits charged for a symbol that the first pass did not meet.
const UNKNOWN_BITS: u8 = 16;

/// Prices of the AC symbols of one table, bits.
#[derive(Debug)]
pub(super) struct Prices {
    /// By run and size.
    pairs: [[f32; 16]; 16],
    /// Of 0 to 3 codes for 16 zeros.
    zrls: [f32; 4],
    eob: f32,
}

impl Prices {
    /// What the symbols cost with these codes.
    pub(super) fn new(codes: &Codes) -> Self {
        Self::of(|symbol| {
            let length = codes.length[usize::from(symbol)];
            f32::from(if length == 0 { UNKNOWN_BITS } else { length })
        })
    }

    /// What the symbols cost with the best codes for counts of which none is used that is 0.
    pub(super) fn ideal(counts: &[u32; 256]) -> Self {
        let all = logarithm(counts.iter().sum());
        Self::of(|symbol| (all - logarithm(counts[usize::from(symbol)])).clamp(1.0, UNKNOWN_BITS.into()))
    }

    fn of(bits: impl Fn(u8) -> f32) -> Self {
        let price = |symbol: u8, size: u8| bits(symbol) + f32::from(size);
        let mut pairs = [[0.0; 16]; 16];
        for (run, row) in (0u8..).zip(&mut pairs) {
            for (size, pair) in (0u8..).zip(row) {
                *pair = price(run << 4 | size, size);
            }
        }
        Self { pairs, zrls: [0.0, 1.0, 2.0, 3.0].map(|count| count * price(ZRL, 0)), eob: price(EOB, 0) }
    }
}

/// log₂ of a number, to 0.01; 0 of 0. In plain arithmetic: the same on every machine.
fn logarithm(number: u32) -> f32 {
    let whole = number.max(1).ilog2();
    #[expect(clippy::cast_precision_loss, reason = "a logarithm to 0.01")]
    let part = number.max(1) as f32 / (1u64 << whole) as f32 - 1.0;
    // The chord of the logarithm from 1 to 2, and a parabola of nearly the area between.
    f32::from(u8::try_from(whole).unwrap_or(0)) + part + 0.344 * part * (1.0 - part)
}

/// Turns the raw coefficients of a store into levels, with the masks and the counts of the rounded ones.
pub(super) struct Quantise<'a> {
    /// Geometry.
    pub(super) frame: &'a Frame,
    /// What [`super::store::StoreStrip`] kept raw.
    pub(super) store: &'a mut Store,
    /// Luma's and chroma's.
    pub(super) quantisers: &'a [Quantiser; 2],
}

impl Job for Quantise<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) {
        let Self { frame, store, quantisers } = self;
        // From how often the symbols occur when levels are rounded.
        let prices = store.counts.each_ref().map(|counts| Prices::new(&Codes::new(&optimal(counts))));
        let mut candidates = [Candidate::default(); 64];
        for (component, blocks) in frame.components.iter().zip(&mut store.components) {
            let (quantiser, prices) = (&quantisers[component.table], &prices[component.table]);
            for y in 0..component.blocks_high {
                let row = y * component.stride..y * component.stride + component.blocks_wide;
                for (block, mask) in blocks.levels[row.clone()].iter_mut().zip(&mut blocks.masks[row]) {
                    (*block, *mask) = choose(block, *mask, quantiser, prices, &mut candidates);
                }
            }
        }
    }
}

/// Levels chosen block by block as they come, with the prices of known tables, luma's and chroma's.
pub(super) struct Chosen<'a> {
    prices: &'a [Prices; 2],
    candidates: [Candidate; 64],
}

impl<'a> Chosen<'a> {
    /// With these prices.
    pub(super) fn new(prices: &'a [Prices; 2]) -> Self {
        Self { prices, candidates: [Candidate::default(); 64] }
    }
}

impl Choice for Chosen<'_> {
    type Order = Zigzag;

    #[inline(always)]
    fn levels<S: Simd>(
        &mut self,
        simd: S,
        samples: &[u8],
        stride: usize,
        (quantiser, table): (&Quantiser, usize),
        out: &mut [Block; 2],
    ) -> [Mask; 2] {
        let mut raw = [[0; 64]; 2];
        let mut masks = kernel::levels_and_raw(simd, samples, stride, quantiser, out, &mut raw);
        let prices = &self.prices[table & 1];
        for ((raw, block), mask) in raw.iter().zip(out).zip(&mut masks) {
            (*block, *mask) = choose(raw, *mask, quantiser, prices, &mut self.candidates);
        }
        masks
    }
}

/// A level that may be kept.
#[derive(Clone, Copy, Default)]
struct Candidate {
    /// Zigzag index.
    at: u32,
    /// The coefficient is negative.
    negative: bool,
    /// The rounded level's magnitude.
    level: u16,
    /// The coefficient's magnitude in steps.
    exact: f32,
    /// Error of leaving it out.
    skipped: f32,
    /// Least cost of everything up to this candidate, given that it is kept.
    cost: f32,
    /// The magnitude that goes with it.
    kept: u16,
    /// The candidate kept before this one, if any, plus 1.
    previous: usize,
}

/// The sum of the squares of a block's AC coefficients; in eight sums, as a single one waits for each addition.
#[inline(always)]
fn energy(raw: &Block) -> f32 {
    let mut sums = [0.0; 8];
    for part in raw.as_chunks::<8>().0 {
        for (sum, &coefficient) in sums.iter_mut().zip(part) {
            let coefficient = f32::from(coefficient);
            *sum += coefficient * coefficient;
        }
    }
    let dc = f32::from(raw[0]);
    sums[0] -= dc * dc;
    let all: f32 = sums.iter().sum();
    all.max(0.0)
}

/// The levels of one block, from its coefficients in the transform's order and the mask of its rounded levels.
#[inline(always)]
fn choose(
    raw: &Block,
    mask: Mask,
    quantiser: &Quantiser,
    prices: &Prices,
    candidates: &mut [Candidate; 64],
) -> (Block, Mask) {
    let mut block = [0; 64];
    block[0] = quantiser.level(raw[0], 0);
    let mut rest = mask & !WIDE;
    if rest == 0 {
        return (block, 0);
    }
    let gain = f32::from(TRANSFORM_GAIN);
    let lambda = LAMBDA + LAMBDA / (DETAIL * 63.0 * gain * gain) * energy(raw);
    let mut count = 0;
    let mut skipped_after = 0.0;
    while rest != 0 {
        let at = rest.trailing_zeros();
        rest &= rest - 1;
        let k = at as usize & 63;
        let place = usize::from(ZIGZAG_TRANSPOSED[k]) & 63;
        let exact = f32::from(raw[place].unsigned_abs()) * quantiser.inverse[k];
        let level = quantiser.level(raw[place], place).unsigned_abs();
        let (negative, skipped) = (raw[place] < 0, exact * exact);
        candidates[count & 63] =
            Candidate { at, negative, level, exact, skipped, cost: 0.0, kept: 0, previous: 0 };
        skipped_after += skipped;
        count += 1;
    }
    let mut best = skipped_after + lambda * prices.eob;
    let mut last = 0;
    for i in 0..count {
        let (before, now) = candidates.split_at_mut(i);
        let Candidate { at, level, exact, skipped, .. } = now[0];
        // Fewer bits pay only across a power of two, and best just below it.
        let class = size(level.into());
        let less = (1u16 << (class - 1)) - 1;
        let error = |level: u16| (exact - f32::from(level)) * (exact - f32::from(level));
        let (cost_full, cost_less) = (error(level), error(less));
        let mut cost = f32::INFINITY;
        let (mut kept, mut previous) = (level, 0);
        let mut consider = |base: f32, from: u32, j: usize| {
            let run = at - from - 1;
            let row = &prices.pairs[run as usize & 15];
            let base = base + lambda * prices.zrls[run as usize >> 4 & 3];
            let full = base + lambda * row[class as usize & 15] + cost_full;
            if full < cost {
                (cost, kept, previous) = (full, level, j);
            }
            if less > 0 {
                let less_cost = base + lambda * row[(class - 1) as usize & 15] + cost_less;
                if less_cost < cost {
                    (cost, kept, previous) = (less_cost, less, j);
                }
            }
            cost
        };
        // Backwards, so that the search ends where skipping alone costs more than the best found.
        let mut between = 0.0;
        for (j, candidate) in before.iter().enumerate().rev() {
            if consider(candidate.cost + between, candidate.at, j + 1) <= between + candidate.skipped {
                between = f32::INFINITY;
                break;
            }
            between += candidate.skipped;
        }
        if between.is_finite() {
            consider(between, 0, 0);
        }
        (now[0].cost, now[0].kept, now[0].previous) = (cost, kept, previous);
        skipped_after -= skipped;
        let after = skipped_after.max(0.0);
        let total = cost + after + if at == 63 { 0.0 } else { lambda * prices.eob };
        if total < best {
            (best, last) = (total, i + 1);
        }
    }
    let mut mask = 0;
    while last > 0 {
        let Candidate { at, negative, kept, previous, .. } = candidates[last - 1];
        let magnitude = kept.cast_signed();
        block[at as usize & 63] = if negative { -magnitude } else { magnitude };
        mask |= 1 << at;
        if kept > 127 {
            mask |= WIDE;
        }
        last = previous;
    }
    (block, mask)
}
