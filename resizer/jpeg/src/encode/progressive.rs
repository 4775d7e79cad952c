//! Progressive scans (ITU-T T.81, Annex G).

use super::frame::Frame;
use super::huffman::{ZRL, extra_bits, size, symbol};
use super::kernel::{Block, Mask, WIDE};
use super::markers::{self, Band};
use super::store::Store;
use super::tokens::{TableId, Tokens};

/// Blocks one end-of-band symbol can stand for (G.1.2.2): 15 bits of them.
const EOB_RUN_MAX: u32 = 0x7FFF;
/// Correction bits that may wait for an end-of-band symbol: as many as libjpeg's decoder-friendly limit.
const CORRECTIONS_MAX: u32 = 1000;

/// One scan: a component, or none for all of them, and a band.
type Step = (Option<usize>, Band);

const fn band(start: u8, end: u8, high: u8, low: u8) -> Band {
    Band { start, end, high, low }
}

/// The script of libjpeg's `jpeg_simple_progression` for YCbCr: rough luma early, chroma's details before luma's last
/// bits.
const COLOUR: [Step; 10] = [
    (None, band(0, 0, 0, 1)),
    (Some(0), band(1, 5, 0, 2)),
    (Some(2), band(1, 63, 0, 1)),
    (Some(1), band(1, 63, 0, 1)),
    (Some(0), band(6, 63, 0, 2)),
    (Some(0), band(1, 63, 2, 1)),
    (None, band(0, 0, 1, 0)),
    (Some(2), band(1, 63, 1, 0)),
    (Some(1), band(1, 63, 1, 0)),
    (Some(0), band(1, 63, 1, 0)),
];

/// The same for gray.
const GRAY: [Step; 6] = [
    (None, band(0, 0, 0, 1)),
    (Some(0), band(1, 5, 0, 2)),
    (Some(0), band(6, 63, 0, 2)),
    (Some(0), band(1, 63, 2, 1)),
    (None, band(0, 0, 1, 0)),
    (Some(0), band(1, 63, 1, 0)),
];

/// Ways to code luma's AC levels: in two bands or one, in steps of bits or at once.
const LUMA: [&[Band]; 5] = [
    &[band(1, 5, 0, 2), band(6, 63, 0, 2), band(1, 63, 2, 1), band(1, 63, 1, 0)],
    &[band(1, 63, 0, 1), band(1, 63, 1, 0)],
    &[band(1, 2, 0, 0), band(3, 63, 0, 0)],
    &[band(1, 8, 0, 0), band(9, 63, 0, 0)],
    &[band(1, 63, 0, 0)],
];
/// Ways to code a chroma component's.
const CHROMA: [&[Band]; 4] = [
    &[band(1, 63, 0, 1), band(1, 63, 1, 0)],
    &[band(1, 2, 0, 0), band(3, 63, 0, 0)],
    &[band(1, 8, 0, 0), band(9, 63, 0, 0)],
    &[band(1, 63, 0, 0)],
];
/// Ways to code DC.
const DC: [&[Band]; 2] = [&[band(0, 0, 0, 1), band(0, 0, 1, 0)], &[band(0, 0, 0, 0)]];

/// Writes every scan with its tables, by libjpeg's script or in the ways of the fewest bytes. Between two scans
/// `flush` may take the bytes away.
pub(super) fn write<E>(
    frame: &Frame,
    store: &Store,
    interval: u16,
    best: bool,
    out: &mut Vec<u8>,
    mut flush: impl FnMut(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    if best {
        // DC first, as it must be, then all that is left of each component, chroma first.
        for component in [None, Some(2), Some(1), Some(0)] {
            let ways: &[&[Band]] = match component {
                Some(index) if index >= frame.components.len() => continue,
                None => &DC,
                Some(0) => &LUMA,
                Some(_) => &CHROMA,
            };
            let coded = ways.iter().map(|bands| {
                let mut coded = Vec::new();
                for &band in *bands {
                    scan(frame, store, interval, (component, band), &mut coded);
                }
                coded
            });
            out.append(&mut coded.min_by_key(Vec::len).unwrap_or_default());
            flush(out)?;
        }
        return Ok(());
    }
    let script: &[Step] = if frame.components.len() == 1 { &GRAY } else { &COLOUR };
    for &step in script {
        scan(frame, store, interval, step, out);
        flush(out)?;
    }
    Ok(())
}

/// Writes one scan with its tables.
fn scan(frame: &Frame, store: &Store, interval: u16, (component, band): Step, out: &mut Vec<u8>) {
    let (tokens, list) = match component {
        None => (dc_scan(frame, store, interval, band), vec![(0, 0, 0), (1, 1, 0), (2, 1, 0)]),
        Some(component) => {
            let table = u8::from(frame.components[component].table != 0);
            let index = u8::try_from(component).unwrap_or(0);
            (ac_scan(frame, store, interval, component, band), vec![(index, 0, table)])
        }
    };
    let codes = tokens.write_tables(out);
    markers::scan(out, &list[..list.len().min(frame.components.len())], band);
    tokens.write(codes.each_ref(), out);
}

/// DC levels of all components, MCU by MCU: differences of the upper bits, or one more bit each (G.1.2.1).
fn dc_scan(frame: &Frame, store: &Store, interval: u16, band: Band) -> Tokens {
    let mut tokens = Tokens::new();
    tokens.reserve(frame.mcus_wide * frame.mcus_high * frame.mcu_blocks, usize::MAX);
    let mut restarts = Restarts::new(interval);
    let mut predictions = [0; 3];
    for mcu_y in 0..frame.mcus_high {
        for mcu_x in 0..frame.mcus_wide {
            if restarts.due() {
                tokens.push_restart();
                predictions = [0; 3];
            }
            for ((component, blocks), prediction) in
                frame.components.iter().zip(&store.components).zip(&mut predictions)
            {
                for y in 0..component.v {
                    for x in 0..component.h {
                        let at = (mcu_y * component.v + y) * component.stride + mcu_x * component.h + x;
                        let level = i32::from(blocks.levels[at][0]) >> band.low;
                        if band.high == 0 {
                            let difference = level - *prediction;
                            *prediction = level;
                            let length = size(difference);
                            let bits = extra_bits(difference, length);
                            tokens.push(TableId::dc(component.table), symbol(0, length), bits, length);
                        } else {
                            tokens.push_raw(level.cast_unsigned() & 1, 1);
                        }
                    }
                }
            }
        }
    }
    tokens
}

/// A band of AC levels of one component, block by block.
fn ac_scan(frame: &Frame, store: &Store, interval: u16, index: usize, band: Band) -> Tokens {
    let (component, blocks) = (&frame.components[index], &store.components[index]);
    let mut coder = AcCoder {
        tokens: Tokens::new(),
        table: TableId::ac(component.table),
        band,
        eob_run: 0,
        corrections: Vec::new(),
        corrections_count: 0,
    };
    let mut restarts = Restarts::new(interval);
    for y in 0..component.blocks_high {
        for x in 0..component.blocks_wide {
            if restarts.due() {
                coder.end_of_bands();
                coder.tokens.push_restart();
            }
            let at = y * component.stride + x;
            if band.high == 0 {
                coder.first(&blocks.levels[at], blocks.masks[at]);
            } else {
                coder.refine(&blocks.levels[at], blocks.masks[at]);
            }
        }
    }
    coder.end_of_bands();
    coder.tokens
}

/// Counts MCUs between restarts.
struct Restarts {
    interval: u32,
    left: u32,
}

impl Restarts {
    fn new(interval: u16) -> Self {
        Self { interval: interval.into(), left: interval.into() }
    }

    /// Whether a restart comes before the next MCU.
    fn due(&mut self) -> bool {
        if self.interval == 0 {
            return false;
        }
        let due = self.left == 0;
        self.left = if due { self.interval } else { self.left } - 1;
        due
    }
}

/// State of an AC scan.
struct AcCoder {
    tokens: Tokens,
    table: TableId,
    band: Band,
    /// Blocks that have ended without a symbol that says so yet.
    eob_run: u32,
    /// Their correction bits.
    corrections: Vec<Corrections>,
    corrections_count: u32,
}

impl AcCoder {
    /// Bits of the mask inside the band.
    fn in_band(&self, mask: Mask) -> Mask {
        let above = u64::MAX.checked_shl(u32::from(self.band.end) + 1).unwrap_or(0);
        mask & !WIDE & !above & (u64::MAX << self.band.start)
    }

    /// Codes the pending run of ended blocks and their correction bits.
    fn end_of_bands(&mut self) {
        if self.eob_run > 0 {
            let length = self.eob_run.ilog2();
            self.tokens.push(self.table, symbol(length, 0), self.eob_run - (1 << length), length);
            self.eob_run = 0;
        }
        for mut corrections in self.corrections.drain(..) {
            corrections.write(&mut self.tokens);
        }
        self.corrections_count = 0;
    }

    /// First scan of a band (G.1.2.2).
    fn first(&mut self, block: &Block, mask: Mask) {
        let mut mask = self.in_band(mask);
        let mut next = u32::from(self.band.start);
        while mask != 0 {
            let at = mask.trailing_zeros();
            mask &= mask - 1;
            let level = i32::from(block[at as usize & 63]);
            // Toward zero: a level's sign is sent with its first bit only.
            let level = if level < 0 { -(-level >> self.band.low) } else { level >> self.band.low };
            if level == 0 {
                continue;
            }
            self.end_of_bands();
            let mut run = at - next;
            while run >= 16 {
                self.tokens.push(self.table, ZRL, 0, 0);
                run -= 16;
            }
            let length = size(level);
            self.tokens.push(self.table, symbol(run, length), extra_bits(level, length), length);
            next = at + 1;
        }
        if next <= u32::from(self.band.end) {
            self.eob_run += 1;
            if self.eob_run == EOB_RUN_MAX {
                self.end_of_bands();
            }
        }
    }

    /// Further scan of a band: one more bit of each level already known, and levels that become ±1 (G.1.2.3).
    fn refine(&mut self, block: &Block, mask: Mask) {
        let low = self.band.low;
        let magnitude = |at: u32| block[at as usize & 63].unsigned_abs() >> low;
        let mut mask = self.in_band(mask);
        let mut last_new = 0;
        let mut scan = mask;
        while scan != 0 {
            let at = scan.trailing_zeros();
            scan &= scan - 1;
            if magnitude(at) == 1 {
                last_new = at;
            }
        }
        // Zeros since the last symbol, not counting levels already known; these give a correction bit each.
        let mut run = 0;
        let mut next = u32::from(self.band.start);
        let mut waiting = Corrections::default();
        while mask != 0 {
            let at = mask.trailing_zeros();
            mask &= mask - 1;
            let magnitude = magnitude(at);
            if magnitude == 0 {
                continue;
            }
            run += at - next;
            next = at + 1;
            while run >= 16 && at <= last_new {
                self.end_of_bands();
                self.tokens.push(self.table, ZRL, 0, 0);
                waiting.write(&mut self.tokens);
                run -= 16;
            }
            if magnitude > 1 {
                waiting.push(magnitude & 1);
                continue;
            }
            self.end_of_bands();
            let positive = u32::from(block[at as usize & 63] > 0);
            self.tokens.push(self.table, symbol(run, 1), positive, 1);
            waiting.write(&mut self.tokens);
            run = 0;
        }
        run += u32::from(self.band.end) + 1 - next;
        if run > 0 || waiting.count > 0 {
            self.eob_run += 1;
            if waiting.count > 0 {
                self.corrections_count += waiting.count;
                self.corrections.push(waiting);
            }
            if self.eob_run == EOB_RUN_MAX || self.corrections_count > CORRECTIONS_MAX - 63 {
                self.end_of_bands();
            }
        }
    }
}

/// Correction bits of one block, the last in the lowest place: at most one for each AC level.
#[derive(Debug, Clone, Copy, Default)]
struct Corrections {
    bits: u64,
    count: u32,
}

impl Corrections {
    fn push(&mut self, bit: u16) {
        self.bits = self.bits << 1 | u64::from(bit);
        self.count += 1;
    }

    /// Bits without symbols, sixteen to a token; none are left.
    fn write(&mut self, tokens: &mut Tokens) {
        while self.count > 0 {
            let length = self.count.min(16);
            self.count -= length;
            let [.., high, low] = (self.bits >> self.count).to_be_bytes();
            let bits = u32::from(u16::from_be_bytes([high, low]));
            tokens.push_raw(bits & 0xFFFF >> (16 - length), length);
        }
    }
}
