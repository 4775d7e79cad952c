//! Entropy coding of sequential scans (ITU-T T.81, F.1.2).

use super::bits::{BitWriter, Pending};
use super::frame::{Component, Frame};
use super::huffman::{AcTable, Codes, EOB, ZRL, extra_bits, size};
use super::kernel::{Block, Job, Kernel, Mask, WIDE};
use super::markers;
use super::quantisation::Quantiser;
use super::strip::Plane;

/// Room an MCU may need: 6 blocks of 64 levels of at most 26 bits, and 8 bytes that a flush writes ahead.
const MCU_BYTES: usize = 6 * 64 * 26 / 8 + 64;
/// Codes are gathered in a buffer that fits the first-level cache beside the planes.
const BUFFER_BYTES: usize = 16 * 1024;

/// The tables of a scan, luma's and chroma's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables<'a> {
    /// Codes of DC sizes.
    pub(super) dc: [&'a Codes; 2],
    /// Codes of AC runs and levels.
    pub(super) ac: [&'a AcTable; 2],
}

/// What goes on from one row of MCUs to the next.
#[derive(Debug)]
pub(super) struct Scan {
    buffer: Box<[u8]>,
    pending: Pending,
    /// DC levels of the last block of each component.
    predictions: [i16; 3],
    /// MCUs between restarts, 0 for never.
    interval: u32,
    /// MCUs until the next restart.
    until_restart: u32,
    restarts: u32,
}

impl Scan {
    /// The beginning of a scan.
    pub(super) fn new(interval: u16) -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES].into(),
            pending: Pending::default(),
            predictions: [0; 3],
            interval: interval.into(),
            until_restart: interval.into(),
            restarts: 0,
        }
    }

    /// Pads the last byte.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        let mut bits = BitWriter::new(&mut self.buffer, self.pending);
        bits.pad();
        bits.drain(out);
    }

    /// Ends the interval if it is full.
    #[inline(always)]
    fn restart_if_due(&mut self, bits: &mut BitWriter<'_>, out: &mut Vec<u8>) {
        if self.interval != 0 {
            if self.until_restart == 0 {
                bits.pad();
                bits.drain(out);
                markers::restart(out, self.restarts);
                self.restarts += 1;
                self.predictions = [0; 3];
                self.until_restart = self.interval;
            }
            self.until_restart -= 1;
        }
    }
}

/// Transforms and codes one row of MCUs.
pub(super) struct CodeStrip<'a> {
    /// Geometry.
    pub(super) frame: &'a Frame,
    /// Which row.
    pub(super) mcu_y: usize,
    /// Its samples.
    pub(super) planes: &'a [Plane],
    /// Luma's and chroma's.
    pub(super) quantisers: &'a [Quantiser; 2],
    /// Huffman tables.
    pub(super) tables: Tables<'a>,
    /// State of the scan.
    pub(super) scan: &'a mut Scan,
    /// Where the bytes go.
    pub(super) out: &'a mut Vec<u8>,
}

impl Job for CodeStrip<'_> {
    type Output = ();

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) {
        let Self { frame, mcu_y, planes, quantisers, tables, scan, out } = self;
        // Two MCUs of at most six blocks, component by component.
        let mut blocks = [[0i16; 64]; 12];
        let mut masks = [0 as Mask; 12];
        let mut buffer = core::mem::take(&mut scan.buffer);
        let mut bits = BitWriter::new(&mut buffer, scan.pending);
        for mcu_x in (0..frame.mcus_wide).step_by(2) {
            for (component, plane) in frame.components.iter().zip(planes) {
                let pairs = blocks.as_chunks_mut::<2>().0[component.first..].iter_mut();
                let pair_masks = masks.as_chunks_mut::<2>().0[component.first..].iter_mut();
                for (i, (pair, masks)) in pairs.zip(pair_masks).take(component.h * component.v).enumerate() {
                    let (x, y) = (mcu_x * component.h + i % component.h * 2, i / component.h);
                    let samples = &plane.samples[8 * (y * plane.stride + x)..];
                    *masks = kernel.levels(samples, plane.stride, &quantisers[component.table], pair);
                }
            }
            for m in 0..(frame.mcus_wide - mcu_x).min(2) {
                scan.restart_if_due(&mut bits, out);
                if bits.room() < MCU_BYTES {
                    bits.drain(out);
                }
                let edge = mcu_x + m + 1 == frame.mcus_wide || mcu_y + 1 == frame.mcus_high;
                for (component, prediction) in frame.components.iter().zip(&mut scan.predictions) {
                    let (dc, ac) = (tables.dc[component.table], tables.ac[component.table]);
                    for y in 0..component.v {
                        for x in 0..component.h {
                            let at = 2 * component.first + (2 * y + m) * component.h + x;
                            let mut mask = masks[at];
                            if edge && component.is_outside((mcu_x + m) * component.h + x, mcu_y * component.v + y) {
                                blocks[at][0] = *prediction;
                                mask = 0;
                            }
                            code_block(&mut bits, &blocks[at], mask, prediction, dc, ac);
                        }
                    }
                }
            }
        }
        bits.drain(out);
        scan.pending = bits.pending();
        scan.buffer = buffer;
    }
}

impl Component {
    /// Whether a block only fills up an MCU and holds nothing of the picture.
    #[inline(always)]
    pub(super) fn is_outside(&self, x: usize, y: usize) -> bool {
        x >= self.blocks_wide || y >= self.blocks_high
    }
}

/// One block: the DC difference, then runs and levels of the mask's bits.
#[inline(always)]
fn code_block(
    bits: &mut BitWriter<'_>,
    block: &Block,
    mut mask: Mask,
    prediction: &mut i16,
    dc: &Codes,
    ac: &AcTable,
) {
    let difference = i32::from(block[0]) - i32::from(*prediction);
    *prediction = block[0];
    let length = size(difference);
    let code = u32::from(dc.code[length as usize]);
    bits.put(code << length | extra_bits(difference, length), u32::from(dc.length[length as usize]) + length);
    // DC takes at most 16 + 11 bits, a pair 16 + 8: with 7 left from before they fit the accumulator's 64.
    if mask & WIDE != 0 {
        bits.flush();
        code_wide(bits, block, mask & !WIDE, ac);
        return;
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
                bits.put(ac.codes.code[usize::from(ZRL)].into(), ac.codes.length[usize::from(ZRL)].into());
                run -= 16;
            }
            // Up to three codes of 16 bits: no room for a pair.
            bits.flush();
        }
        let [level, _] = block[at as usize & 63].to_le_bytes();
        let pair = ac.pairs[(run as usize & 15) << 8 | usize::from(level)];
        bits.put(pair >> 5, pair & 31);
        bits.flush();
    }
    if previous != 63 {
        bits.put(ac.codes.code[usize::from(EOB)].into(), ac.codes.length[usize::from(EOB)].into());
    }
    bits.flush();
}

/// The same for levels of any size.
#[cold]
#[inline(never)]
fn code_wide(bits: &mut BitWriter<'_>, block: &Block, mut mask: Mask, ac: &AcTable) {
    let mut put = |symbol: u8, extra: u32, length: u32| {
        let symbol = usize::from(symbol);
        bits.put(u32::from(ac.codes.code[symbol]) << length | extra, u32::from(ac.codes.length[symbol]) + length);
        bits.flush();
    };
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
        let level = i32::from(block[at as usize & 63]);
        let length = size(level);
        put((run << 4 | length) as u8, extra_bits(level, length), length);
    }
    if previous != 63 {
        put(EOB, 0, 0);
    }
}
