//! JPEG encoder: rows in, a baseline or progressive file out.
//!
//! ```
//! use safelight_jpeg::encode::{Encoder, PixelLayout, Settings};
//!
//! let settings = Settings { quality: 80, ..Settings::default() };
//! let mut encoder = Encoder::new(Vec::new(), 64, 48, PixelLayout::Rgb8, &settings)?;
//! for y in 0..48 {
//!     encoder.push_rows(&[y * 5; 64 * 3])?; // any number of whole rows at a time
//! }
//! let file: Vec<u8> = encoder.finish()?;
//! # assert_eq!((&file[..2], &file[file.len() - 2..]), (&[0xFF, 0xD8][..], &[0xFF, 0xD9][..]));
//! # Ok::<(), safelight_jpeg::encode::EncodeError>(())
//! ```
//!
//! # Memory
//! * One row of MCUs (24 bytes a pixel of the width for 4:2:0 and for 4:4:4) and 16 KiB of codes: standard and trained tables,
//!   with or without the trellis. Nothing more.
//! * [`Huffman::Bounded`]: beside those the symbols of the picture or of its beginning, four bytes each, at most 1 MiB and
//!   one row of MCUs (64 symbols a block: 96 bytes a pixel of the width for 4:2:0); where a list grows, it is there
//!   twice for a moment. A photograph of 800 × 600 at quality 80 has 0.6 MB of them.
//! * [`Huffman::Optimised`] with rounded levels: four bytes a symbol until the last row, about seven times the file.
//! * A progressive file, and the trellis with optimised tables: every coefficient, 136 bytes a block, about 3.2 bytes
//!   a pixel of 4:2:0 and 6.4 of 4:4:4; and while a scan is written its symbols, four bytes each.
//!
//! # How a row of MCUs becomes bytes
//! ```text
//! rows ─▶ strip: Y, Cb, Cr ─▶ kernel::levels: DCT, quantise, mask of nonzero ─▶ BitSink ─▶ stuff ─▶ sink
//!          kernel::quarter…     a block in each lane of a register             └▶ TokenSink, Store
//! ```
//! * Chroma is converted after averaging, so it is a quarter of the work for 4:2:0 and is rounded once.
//! * The DCT is Loeffler's in 16-bit fixed point, with rounding high multiplications; see `kernel::dct` for its error.
//! * Levels stay in the order in which the DCT leaves them. Which are not zero is a bit mask, and that is put in zigzag
//!   order, by eight table look-ups. The coding loop visits only the mask's bits; run, level and the level's own bits are one table look-up; bits
//!   leave the 64-bit accumulator by one unconditional store, and zero bytes after 0xFF are stuffed in afterwards.
//!
//! Every set of instructions gives the same bytes, and so do all ways to portion the rows.
//!
//! # Layout
//! * `settings`, `error`: what callers choose and what can go wrong.
//! * `frame`: components, blocks and MCUs.
//! * `strip`: pushed rows as planes, edges repeated.
//! * `kernel`: `colour` conversion, the `dct`, quantised `levels`.
//! * `quantisation`: tables, and division by multiplication.
//! * `huffman`: the standard tables, `trained` and `optimal` ones, and the forms that loops look up.
//! * `bits`: the bit writer and byte stuffing.
//! * `sequential`: blocks to bits, or to `tokens` whose tables come later.
//! * `store`, `progressive`: levels of the whole picture, and their scans.
//! * `trellis`: levels by rate and distortion, of the whole picture or as blocks come.
//! * `edges`: whether a picture needs every chroma sample.
//! * `markers`: everything between scans.

mod bits;
mod edges;
mod error;
mod frame;
mod huffman;
mod kernel;
mod markers;
mod progressive;
mod quantisation;
mod sequential;
mod settings;
mod store;
mod strip;
mod tokens;
mod trellis;

use std::io::Write;

pub use edges::ColorEdges;
pub use error::EncodeError;
pub use settings::{Effort, Huffman, Instructions, PixelLayout, Process, Profile, Sampling, Settings, Steps};

use crate::common::simd::Processor;
use frame::Frame;
use huffman::{STANDARD, Set, extended, guess, trained};
use markers::{Band, FrameComponent};
use quantisation::Quantiser;
use sequential::{BitState, CodeStrip, Rounded, Scan, TokenSink, code_store};
use store::{Store, StoreStrip};
use strip::Strip;
use tokens::Tokens;
use trellis::{Chosen, Prices};

/// Components of a sequential scan and their DC and AC tables.
const SEQUENTIAL: [(u8, u8, u8); 3] = [(0, 0, 0), (1, 1, 1), (2, 1, 1)];

/// Encodes a whole picture of `height` rows that follow one another without padding.
///
/// # Errors
/// As [`Encoder::new`], [`Encoder::push_rows`] and [`Encoder::finish`].
pub fn encode(
    pixels: &[u8],
    width: u32,
    height: u32,
    layout: PixelLayout,
    settings: &Settings<'_>,
) -> Result<Vec<u8>, EncodeError> {
    // A guess that rarely grows twice: an eighth of a byte a pixel.
    let mut encoder =
        Encoder::new(Vec::with_capacity(pixels.len() / 24 + 1024), width, height, layout, settings)?;
    encoder.push_rows(pixels)?;
    encoder.finish()
}

/// Encodes rows as they come.
#[derive(Debug)]
pub struct Encoder<W: Write> {
    sink: W,
    /// Bytes that wait for the sink.
    out: Vec<u8>,
    processor: Processor,
    layout: PixelLayout,
    frame: Frame,
    quantisers: [Quantiser; 2],
    strip: Strip,
    mcu_y: usize,
    interval: u16,
    rows_left: usize,
    stage: Stage,
}

/// What becomes of a row of MCUs.
#[derive(Debug)]
enum Stage {
    /// Coded at once with known tables; levels rounded, or chosen by these prices.
    Code(Scan, BitState, Known, Option<Box<[Prices; 2]>>),
    /// Kept as symbols until their frequencies are known.
    Count(Scan, Box<Tokens>),
    /// Kept as symbols until they are many.
    Begin(Scan, Box<Beginning>),
    /// Kept as levels for several scans, or as raw coefficients to choose the levels at last.
    Keep(Store, Effort, Process),
}

/// The tables of a scan.
#[derive(Debug)]
enum Known {
    Static(&'static Set),
    Own(Box<Set>),
}

impl Known {
    fn get(&self) -> &Set {
        match self {
            Self::Static(set) => set,
            Self::Own(set) => set,
        }
    }
}

/// Symbols that [`Huffman::Bounded`] holds: 1 MiB of them, most often about a million pixels' at quality 80.
const BEGINNING: usize = 1 << 18;

/// The beginning of a scan whose tables are made from it.
#[derive(Debug)]
struct Beginning {
    tokens: Tokens,
    /// What is known before.
    trained: &'static Set,
    /// For the trellis; from the symbols so far.
    prices: Option<[Prices; 2]>,
    /// At how many symbols the prices are next made anew.
    renew: usize,
}

impl Beginning {
    fn new(trained: &'static Set, effort: Effort) -> Self {
        let prices = trained.ac.each_ref().map(|ac| Prices::new(&ac.codes));
        let prices = (effort == Effort::Trellis).then_some(prices);
        Self { tokens: Tokens::new(), trained, prices, renew: 0 }
    }

    /// Makes prices of the symbols so far whenever they have doubled.
    fn renew(&mut self) {
        if let Some(prices) = &mut self.prices
            && self.tokens.len() >= self.renew
        {
            let [_, _, luma, chroma] = self.tokens.counts();
            let [a, b] = &self.trained.ac;
            *prices = [(luma, a), (chroma, b)].map(|(counts, ac)| Prices::ideal(&guess(counts, &ac.codes)));
            self.renew = 2 * self.tokens.len();
        }
    }

    /// Writes the tables and what there is of the scan.
    fn write(&self, frame: &Frame, out: &mut Vec<u8>) -> (BitState, Known, Option<Box<[Prices; 2]>>) {
        let set = Box::new(extended(self.tokens.counts(), self.trained));
        begin_scan(frame, &set, out);
        let ([a, b], [c, d]) = (&set.dc, &set.ac);
        let mut state = BitState::new();
        self.tokens.write_part([a, b, &c.codes, &d.codes], &mut state, out);
        let prices = self.prices.as_ref().map(|_| coded_prices(&set));
        (state, Known::Own(set), prices)
    }
}

/// The prices of tables.
fn coded_prices(set: &Set) -> Box<[Prices; 2]> {
    Box::new(set.ac.each_ref().map(|ac| Prices::new(&ac.codes)))
}

/// The tables and the header of a sequential scan.
fn begin_scan(frame: &Frame, set: &Set, out: &mut Vec<u8>) {
    let components = frame.components.len();
    for (number, [dc, ac]) in (0u8..).zip(set.specs.iter().take(components.min(2))) {
        markers::huffman_table(out, 0, number, dc);
        markers::huffman_table(out, 1, number, ac);
    }
    markers::scan(out, &SEQUENTIAL[..components], Band::ALL);
}

impl<W: Write> Encoder<W> {
    /// Writes nothing yet but checks everything that can be checked.
    ///
    /// # Errors
    /// Dimensions, quality or metadata that JPEG cannot hold.
    pub fn new(
        sink: W,
        width: u32,
        height: u32,
        layout: PixelLayout,
        settings: &Settings<'_>,
    ) -> Result<Self, EncodeError> {
        let (Ok(w), Ok(h)) = (u16::try_from(width), u16::try_from(height)) else {
            return Err(EncodeError::Dimensions { width, height });
        };
        if w == 0 || h == 0 {
            return Err(EncodeError::Dimensions { width, height });
        }
        if !(1..=100).contains(&settings.quality) {
            return Err(EncodeError::Quality(settings.quality));
        }
        let processor = match settings.instructions {
            Instructions::Detect => Processor::detect(),
            Instructions::Portable => Processor::Base,
        };
        let frame = Frame::new(w, h, layout, settings.sampling);
        let quantisers = Quantiser::pair(settings.steps, settings.quality, settings.effort);
        let gray = frame.components.len() == 1;

        let mut out = Vec::with_capacity(4096);
        markers::start(&mut out);
        if let Some(data) = settings.exif {
            markers::exif(&mut out, data)?;
        }
        if let Some(profile) = settings.icc {
            markers::icc(&mut out, profile)?;
        }
        let tables = if gray { 1 } else { 2 };
        for (number, quantiser) in (0u8..).zip(&quantisers[..tables]) {
            markers::quantisation_table(&mut out, number, &quantiser.steps);
        }
        let components: Vec<_> = frame
            .components
            .iter()
            .map(|c| FrameComponent { factors: (c.h, c.v), table: u8::from(c.table != 0) })
            .collect();
        markers::frame(&mut out, settings.process.is_progressive(), (w, h), &components);
        if settings.restart_interval != 0 {
            markers::restart_interval(&mut out, settings.restart_interval);
        }
        let scan = Scan::new(settings.restart_interval);
        let (trellis, trained) = (settings.effort == Effort::Trellis, trained(settings.quality));
        let stage = match settings.huffman {
            _ if settings.process.is_progressive() => {
                Stage::Keep(Store::new(&frame), settings.effort, settings.process)
            }
            Huffman::Trained => {
                begin_scan(&frame, trained, &mut out);
                let prices = trellis.then(|| coded_prices(trained));
                Stage::Code(scan, BitState::new(), Known::Static(trained), prices)
            }
            Huffman::Bounded => Stage::Begin(scan, Box::new(Beginning::new(trained, settings.effort))),
            _ if trellis => Stage::Keep(Store::new(&frame), settings.effort, settings.process),
            Huffman::Standard => {
                begin_scan(&frame, &STANDARD, &mut out);
                Stage::Code(scan, BitState::new(), Known::Static(&STANDARD), None)
            }
            Huffman::Optimised => Stage::Count(scan, Box::new(Tokens::new())),
        };
        let strip = Strip::new(processor, &frame, layout, settings.sampling);
        Ok(Self {
            sink,
            out,
            processor,
            layout,
            rows_left: frame.height,
            frame,
            quantisers,
            strip,
            mcu_y: 0,
            interval: settings.restart_interval,
            stage,
        })
    }

    /// Takes any number of whole rows, one after the other without padding.
    ///
    /// # Errors
    /// Bytes that are not whole rows or more than the picture has; a sink that fails.
    pub fn push_rows(&mut self, rows: &[u8]) -> Result<(), EncodeError> {
        let row_bytes = self.frame.width * self.layout.bytes();
        if !rows.len().is_multiple_of(row_bytes) || rows.len() / row_bytes > self.rows_left {
            let rows_left = u32::try_from(self.rows_left).unwrap_or(u32::MAX);
            return Err(EncodeError::Rows { bytes: rows.len(), row_bytes, rows_left });
        }
        let mut rows = rows;
        while !rows.is_empty() {
            let taken = self.strip.push(rows);
            self.rows_left -= taken;
            rows = &rows[taken * row_bytes..];
            if self.rows_left == 0 && !self.strip.is_empty() {
                self.strip.complete();
            }
            if self.strip.is_full() {
                self.code_strip()?;
            }
        }
        Ok(())
    }

    fn code_strip(&mut self) -> Result<(), EncodeError> {
        let (frame, mcu_y, planes, quantisers) =
            (&self.frame, self.mcu_y, &*self.strip.planes, &self.quantisers);
        // As many symbols as a row's blocks may have: 64 and no end, so that lists grow once a row at most.
        let row = frame.mcus_wide * frame.mcu_blocks * 64;
        match &mut self.stage {
            Stage::Code(scan, state, set, prices) => {
                let sink = state.sink(set.get(), &mut self.out);
                let sink = if let Some(prices) = prices {
                    let choice = Chosen::new(prices);
                    self.processor.run(CodeStrip { frame, mcu_y, planes, quantisers, choice, scan, sink })
                } else {
                    let choice = Rounded;
                    self.processor.run(CodeStrip { frame, mcu_y, planes, quantisers, choice, scan, sink })
                };
                sink.suspend();
            }
            Stage::Count(scan, tokens) => {
                tokens.reserve(row, usize::MAX);
                let (choice, sink) = (Rounded, TokenSink(tokens));
                self.processor.run(CodeStrip { frame, mcu_y, planes, quantisers, choice, scan, sink });
            }
            Stage::Begin(scan, beginning) => {
                beginning.tokens.reserve(row, BEGINNING + row);
                let sink = TokenSink(&mut beginning.tokens);
                if let Some(prices) = &beginning.prices {
                    let choice = Chosen::new(prices);
                    self.processor.run(CodeStrip { frame, mcu_y, planes, quantisers, choice, scan, sink });
                } else {
                    let choice = Rounded;
                    self.processor.run(CodeStrip { frame, mcu_y, planes, quantisers, choice, scan, sink });
                }
                beginning.renew();
                if beginning.tokens.len() >= BEGINNING {
                    let (state, set, prices) = beginning.write(frame, &mut self.out);
                    let scan = std::mem::replace(scan, Scan::new(0));
                    self.stage = Stage::Code(scan, state, set, prices);
                }
            }
            Stage::Keep(store, effort, _) => {
                let raw = *effort == Effort::Trellis;
                self.processor.run(StoreStrip { frame, mcu_y, planes, quantisers, raw, store });
            }
        }
        self.mcu_y += 1;
        self.strip.clear();
        self.sink.write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Ends the file and gives the sink back, not flushed.
    ///
    /// # Errors
    /// Rows are missing; the sink fails.
    pub fn finish(mut self) -> Result<W, EncodeError> {
        if self.rows_left > 0 {
            return Err(EncodeError::Unfinished(u32::try_from(self.rows_left).unwrap_or(u32::MAX)));
        }
        let (frame, out) = (&self.frame, &mut self.out);
        match self.stage {
            Stage::Code(_, state, ..) => state.finish(out),
            Stage::Count(_, tokens) => write_scan(frame, &tokens, out),
            Stage::Begin(_, beginning) => write_scan(frame, &beginning.tokens, out),
            Stage::Keep(mut store, effort, process) => {
                if effort == Effort::Trellis {
                    let quantisers = &self.quantisers;
                    self.processor.run(trellis::Quantise { frame, store: &mut store, quantisers });
                }
                store.fill_outside(frame);
                if process == Process::Baseline {
                    let mut tokens = Tokens::new();
                    code_store(frame, &store, &mut Scan::new(self.interval), TokenSink(&mut tokens));
                    drop(store);
                    write_scan(frame, &tokens, out);
                    markers::end(out);
                    self.sink.write_all(out)?;
                    return Ok(self.sink);
                }
                let sink = &mut self.sink;
                let best = process == Process::ProgressiveBest;
                progressive::write(frame, &store, self.interval, best, out, |out| {
                    sink.write_all(out)?;
                    out.clear();
                    Ok::<(), EncodeError>(())
                })?;
            }
        }
        markers::end(&mut self.out);
        self.sink.write_all(&self.out)?;
        Ok(self.sink)
    }
}

/// A whole sequential scan with tables of its own.
fn write_scan(frame: &Frame, tokens: &Tokens, out: &mut Vec<u8>) {
    let codes = tokens.write_tables(out);
    markers::scan(out, &SEQUENTIAL[..frame.components.len()], Band::ALL);
    tokens.write(codes.each_ref(), out);
}
