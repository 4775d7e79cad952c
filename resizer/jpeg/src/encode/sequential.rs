//! Entropy coding of sequential scans (ITU-T T.81, F.1.2).

use super::bits::{BitWriter, Pending};
use super::frame::{Component, Frame};
use super::huffman::{AcTable, EOB, Set, ZRL, extra_bits, size, symbol};
use super::kernel::{self, Block, Mask, Order, Transposed, WIDE, Zigzag};
use super::markers;
use super::quantisation::Quantiser;
use super::store::Store;
use super::strip::Plane;
use super::tokens::{TableId, Tokens};
use crate::common::simd::{Job, Simd};

/// Room an MCU may need: 6 blocks of 64 levels of at most 26 bits, and 8 bytes that a flush writes ahead.
const MCU_BYTES: usize = 6 * 64 * 26 / 8 + 64;
/// Codes are gathered in a buffer that fits the first-level cache beside the planes.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;

/// Where the blocks of a sequential scan go. By value through every call: behind a reference a [`BitWriter`] would
/// live in memory, and a store and a load would stand between each code and the next.
pub(super) trait Sink: Sized {
    /// The end of a restart interval.
    fn restart(self) -> Self;
    /// The beginning of an MCU.
    fn mcu(self) -> Self;
    /// A block of table 0 or 1, its DC level as the difference from the last one.
    fn block<O: Order>(self, block: &Block, mask: Mask, difference: i32, table: usize) -> Self;
}

/// What goes on from one row of MCUs to the next.
#[derive(Debug)]
pub(super) struct Scan {
    /// DC levels of the last block of each component.
    predictions: [i16; 3],
    /// MCUs between restarts, 0 for never.
    interval: u32,
    /// MCUs until the next restart.
    until_restart: u32,
}

impl Scan {
    /// The beginning of a scan.
    pub(super) fn new(interval: u16) -> Self {
        Self { predictions: [0; 3], interval: interval.into(), until_restart: interval.into() }
    }

    /// Ends the interval if it is full.
    #[inline(always)]
    fn begin_mcu<S: Sink>(&mut self, mut sink: S) -> S {
        if self.interval != 0 {
            if self.until_restart == 0 {
                sink = sink.restart();
                self.predictions = [0; 3];
                self.until_restart = self.interval;
            }
            self.until_restart -= 1;
        }
        sink.mcu()
    }
}

/// How a block's coefficients become levels.
pub(super) trait Choice {
    /// The order in which they stand.
    type Order: Order;
    /// Levels and masks of the two blocks whose first sample is `samples[0]`, with luma's (0) or chroma's (1) steps.
    fn levels<S: Simd>(
        &mut self,
        simd: S,
        samples: &[u8],
        stride: usize,
        steps: (&Quantiser, usize),
        out: &mut [Block; 2],
    ) -> [Mask; 2];
}

/// Every coefficient to the nearest level.
pub(super) struct Rounded;

impl Choice for Rounded {
    type Order = Transposed;

    #[inline(always)]
    fn levels<S: Simd>(
        &mut self,
        simd: S,
        samples: &[u8],
        stride: usize,
        (quantiser, _): (&Quantiser, usize),
        out: &mut [Block; 2],
    ) -> [Mask; 2] {
        kernel::levels(simd, samples, stride, quantiser, out)
    }
}

/// Transforms one row of MCUs and hands its blocks to a sink.
pub(super) struct CodeStrip<'a, C, S> {
    /// Geometry.
    pub(super) frame: &'a Frame,
    /// Which row.
    pub(super) mcu_y: usize,
    /// Its samples.
    pub(super) planes: &'a [Plane],
    /// Luma's and chroma's.
    pub(super) quantisers: &'a [Quantiser; 2],
    /// How levels are chosen.
    pub(super) choice: C,
    /// State of the scan.
    pub(super) scan: &'a mut Scan,
    /// Where the blocks go.
    pub(super) sink: S,
}

impl<C: Choice, K: Sink> Job for CodeStrip<'_, C, K> {
    type Output = K;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> K {
        let Self { frame, mcu_y, planes, quantisers, mut choice, scan, mut sink } = self;
        // Two MCUs of at most six blocks, component by component.
        let mut blocks = [[0i16; 64]; 12];
        let mut masks = [0 as Mask; 12];
        for mcu_x in (0..frame.mcus_wide).step_by(2) {
            for (component, plane) in frame.components.iter().zip(planes) {
                let mut pairs = blocks.as_chunks_mut::<2>().0[component.first..].iter_mut();
                let mut pair_masks = masks.as_chunks_mut::<2>().0[component.first..].iter_mut();
                let steps = (&quantisers[component.table], component.table);
                for y in 0..component.v {
                    let row = &plane.samples[8 * (y * plane.stride + mcu_x * component.h)..];
                    for (x, (pair, masks)) in (&mut pairs).zip(&mut pair_masks).take(component.h).enumerate()
                    {
                        *masks = choice.levels(simd, &row[16 * x..], plane.stride, steps, pair);
                    }
                }
            }
            for m in 0..(frame.mcus_wide - mcu_x).min(2) {
                sink = scan.begin_mcu(sink);
                let edge = mcu_x + m + 1 == frame.mcus_wide || mcu_y + 1 == frame.mcus_high;
                for (component, prediction) in frame.components.iter().zip(&mut scan.predictions) {
                    for y in 0..component.v {
                        for x in 0..component.h {
                            let at = 2 * component.first + (2 * y + m) * component.h + x;
                            let mut mask = masks[at];
                            if edge
                                && component
                                    .is_outside((mcu_x + m) * component.h + x, mcu_y * component.v + y)
                            {
                                blocks[at][0] = *prediction;
                                mask = 0;
                            }
                            let difference = i32::from(blocks[at][0]) - i32::from(*prediction);
                            *prediction = blocks[at][0];
                            sink = sink.block::<C::Order>(&blocks[at], mask, difference, component.table);
                        }
                    }
                }
            }
        }
        sink
    }
}

/// Hands the blocks of a whole stored picture to a sink.
pub(super) fn code_store<S: Sink>(frame: &Frame, store: &Store, scan: &mut Scan, mut sink: S) -> S {
    for mcu_y in 0..frame.mcus_high {
        for mcu_x in 0..frame.mcus_wide {
            sink = scan.begin_mcu(sink);
            for ((component, blocks), prediction) in
                frame.components.iter().zip(&store.components).zip(&mut scan.predictions)
            {
                for y in 0..component.v {
                    for x in 0..component.h {
                        let at = (mcu_y * component.v + y) * component.stride + mcu_x * component.h + x;
                        let block = &blocks.levels[at];
                        let difference = i32::from(block[0]) - i32::from(*prediction);
                        *prediction = block[0];
                        sink = sink.block::<Zigzag>(block, blocks.masks[at], difference, component.table);
                    }
                }
            }
        }
    }
    sink
}

impl Component {
    /// Whether a block only fills up an MCU and holds nothing of the picture.
    #[inline(always)]
    pub(super) fn is_outside(&self, x: usize, y: usize) -> bool {
        x >= self.blocks_wide || y >= self.blocks_high
    }
}

/// What a [`BitSink`] needs from one row of MCUs to the next.
#[derive(Debug)]
pub(super) struct BitState {
    /// [`BUFFER_BYTES`].
    pub(super) buffer: Box<[u8]>,
    /// Bits of the next byte.
    pub(super) pending: Pending,
    /// Restart markers written.
    pub(super) restarts: u32,
}

impl BitState {
    /// The beginning of a scan.
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; BUFFER_BYTES].into(), pending: Pending::default(), restarts: 0 }
    }

    /// Pads the last byte.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        let mut bits = BitWriter::new(&mut self.buffer, self.pending);
        bits.pad();
        bits.drain(out);
    }

    /// A sink that goes on where the last one stopped.
    pub(super) fn sink<'a>(&'a mut self, tables: &'a Set, out: &'a mut Vec<u8>) -> BitSink<'a> {
        let Self { buffer, pending, restarts } = self;
        BitSink { bits: BitWriter::new(buffer, *pending), pending, restarts, tables, out }
    }
}

/// Writes entropy-coded segments with known tables.
pub(super) struct BitSink<'a> {
    bits: BitWriter<'a>,
    pending: &'a mut Pending,
    restarts: &'a mut u32,
    tables: &'a Set,
    out: &'a mut Vec<u8>,
}

impl BitSink<'_> {
    /// Leaves whole bytes in `out` and the rest in the state.
    pub(super) fn suspend(mut self) {
        self.bits.drain(self.out);
        *self.pending = self.bits.pending();
    }
}

impl Sink for BitSink<'_> {
    #[inline(always)]
    fn restart(mut self) -> Self {
        self.bits.pad();
        self.bits.drain(self.out);
        markers::restart(self.out, *self.restarts);
        *self.restarts += 1;
        self
    }

    #[inline(always)]
    fn mcu(mut self) -> Self {
        if self.bits.room() < MCU_BYTES {
            self.bits.drain(self.out);
        }
        self
    }

    #[inline(always)]
    fn block<O: Order>(mut self, block: &Block, mut mask: Mask, difference: i32, table: usize) -> Self {
        let (dc, ac) = (&self.tables.dc[table], &self.tables.ac[table]);
        let bits = &mut self.bits;
        let length = size(difference);
        let code = u32::from(dc.code[length as usize]);
        bits.put(
            code << length | extra_bits(difference, length),
            u32::from(dc.length[length as usize]) + length,
        );
        // DC takes at most 16 + 11 bits, a pair 16 + 8: with 7 left from before they fit the accumulator's 64.
        if mask & WIDE != 0 {
            bits.flush();
            self.bits = code_wide::<O>(self.bits, block, mask & !WIDE, ac);
            return self;
        }
        let mut previous = 0;
        while mask != 0 {
            let at = mask.trailing_zeros();
            let mut run = at - previous - 1;
            previous = at;
            mask &= mask - 1;
            if run >= 16 {
                bits.flush();
                while run >= 16 {
                    bits.put(
                        ac.codes.code[usize::from(ZRL)].into(),
                        ac.codes.length[usize::from(ZRL)].into(),
                    );
                    run -= 16;
                }
                // Up to three codes of 16 bits: no room for a pair.
                bits.flush();
            }
            let [level, _] = block[O::place(at)].to_le_bytes();
            let pair = ac.pairs[(run as usize & 15) << 8 | usize::from(level)];
            bits.put(pair >> 5, pair & 31);
            bits.flush();
        }
        if previous != 63 {
            bits.put(ac.codes.code[usize::from(EOB)].into(), ac.codes.length[usize::from(EOB)].into());
        }
        bits.flush();
        self
    }
}

/// The AC levels of a block that has large ones.
#[cold]
#[inline(never)]
fn code_wide<'a, O: Order>(
    mut bits: BitWriter<'a>,
    block: &Block,
    mask: Mask,
    ac: &AcTable,
) -> BitWriter<'a> {
    symbols::<O>(block, mask, |symbol, extra, length| {
        let symbol = usize::from(symbol);
        bits.put(
            u32::from(ac.codes.code[symbol]) << length | extra,
            u32::from(ac.codes.length[symbol]) + length,
        );
        bits.flush();
    });
    bits
}

/// Adds the AC symbols of a block in the transform's order to how often they occur.
#[inline(always)]
pub(super) fn count_symbols(block: &Block, mask: Mask, counts: &mut [u32; 256]) {
    symbols::<Transposed>(block, mask & !WIDE, |symbol, _, _| counts[usize::from(symbol)] += 1);
}

/// The AC symbols of a block (F.1.2.2): each with its further bits and their number.
#[inline(always)]
fn symbols<O: Order>(block: &Block, mut mask: Mask, mut put: impl FnMut(u8, u32, u32)) {
    let mut previous = 0;
    while mask != 0 {
        let at = mask.trailing_zeros();
        let mut run = at - previous - 1;
        previous = at;
        mask &= mask - 1;
        while run >= 16 {
            put(ZRL, 0, 0);
            run -= 16;
        }
        let level = i32::from(block[O::place(at)]);
        let length = size(level);
        put(symbol(run, length), extra_bits(level, length), length);
    }
    if previous != 63 {
        put(EOB, 0, 0);
    }
}

/// Keeps a sequential scan as symbols.
pub(super) struct TokenSink<'a>(pub(super) &'a mut Tokens);

impl Sink for TokenSink<'_> {
    #[inline(always)]
    fn restart(self) -> Self {
        self.0.push_restart();
        self
    }

    #[inline(always)]
    fn mcu(self) -> Self {
        self
    }

    #[inline(always)]
    fn block<O: Order>(self, block: &Block, mask: Mask, difference: i32, table: usize) -> Self {
        let length = size(difference);
        self.0.push(TableId::dc(table), symbol(0, length), extra_bits(difference, length), length);
        symbols::<O>(block, mask & !WIDE, |symbol, extra, length| {
            self.0.push(TableId::ac(table), symbol, extra, length);
        });
        self
    }
}
