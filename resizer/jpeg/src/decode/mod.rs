//! Decoding, see the crate's documentation.
//!
//! # Layout
//! - [`error`]: why not, and where in the file
//! - [`options`]: what the caller chooses
//! - `segments`: marker segments, tables and scan headers as they stand in the file
//! - [`header`]: everything before the first scan
//! - `layout`: sizes at a scale, which coefficients are kept
//! - `unstuff`: entropy-coded data without its stuffed zeros
//! - `symbols`, `tables`: the tables that sequential scans are decoded with
//! - `entropy`: the decoding step, one lane or several in lockstep
//! - `lanes`: one lane in chunks, or four places of one stream at once; the room for their coefficients
//! - `codes`, `plain`: codes one by one, for small scans
//! - `scan`: restart intervals, and what becomes of damage
//! - `progressive`: progressive scans, by codes too
//! - `transform`: inverse DCT; `upsample` and `colour`: rows; `kernels`: which instructions these run with
//! - `picture`: blocks into planes
//! - [`rows`]: planes into rows of pixels

pub mod error;
pub mod header;
pub mod options;
pub mod rows;

mod codes;
mod colour;
mod entropy;
mod kernels;
mod lanes;
mod layout;
mod memory;
#[cfg(test)]
mod numbers;
mod picture;
mod plain;
mod progressive;
mod scan;
mod segments;
mod session;
mod symbols;
mod tables;
mod transform;
mod unstuff;
mod upsample;

pub use error::Error;
pub use header::{Colour, Component, Header};
pub use options::{Damage, Lanes, Limits, Options, Output, Path, Scale};
pub use rows::{PlaneRows, Rows};

use rows::{PlaneCallback, RowCallback, Slice, pixel_bytes};
use std::ops::ControlFlow;

/// A JPEG file whose header is read.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    data: &'a [u8],
    parsed: header::Parsed<'a>,
    limits: Limits,
}

/// How a decode went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// The first damage that was filled over; always `None` with [`Damage::Refuse`].
    pub damage: Option<Error>,
    /// Whether the file's own end marker (`EOI`) stands behind the data. Without it the picture is whole, and the
    /// file may not be.
    pub ended: bool,
}

impl<'a> Decoder<'a> {
    /// Reads the header, as far as the first scan.
    ///
    /// # Errors
    /// [`Error::NotJpeg`], [`Error::Truncated`] or [`Error::Corrupt`] for headers that are not whole;
    /// [`Error::Unsupported`] for 12-bit, arithmetic, lossless and hierarchical files; [`Error::Limit`].
    pub fn new(data: &'a [u8], limits: Limits) -> Result<Self, Error> {
        let parsed = header::parse(data, &limits)?;
        Ok(Self { data, parsed, limits })
    }

    /// What the header says.
    #[must_use]
    pub fn header(&self) -> &Header<'a> {
        &self.parsed.header
    }

    /// Width and height of the output at a scale.
    #[must_use]
    pub fn size(&self, scale: Scale) -> (u32, u32) {
        (scale.apply(self.header().width), scale.apply(self.header().height))
    }

    /// The most bytes that decoding with these options allocates, without the caller's own buffers and without the
    /// standard's tables, which are made once a process (0.3 MB). Of a progressive file that is a row of MCUs of
    /// coefficients, and about 25 KiB a scan; the file is searched for scans.
    #[must_use]
    pub fn memory(&self, options: &Options<'_>) -> u64 {
        memory::needed(self.header(), self.data, &self.limits, options)
    }

    /// Decodes into rows of pixels that `call` is given, in order, several at a time. Damage is met row by row, in progressive
    /// files too: rows before it have been given.
    ///
    /// # Errors
    /// Whatever [`Error`] tells; [`Error::Cancelled`] also when `call` breaks.
    pub fn rows(
        &self,
        options: &Options<'_>,
        call: impl FnMut(Rows<'_>) -> ControlFlow<()>,
    ) -> Result<Summary, Error> {
        self.check(options, false)?;
        let (width, _) = self.size(options.scale);
        let stride = width as usize * pixel_bytes(options.output);
        let bytes = vec![0; stride * memory::rows_at_once(self.header(), options)];
        session::run(self, options, &mut RowCallback { bytes, stride, call })
    }

    /// Decodes into the caller's rows: pixel (x, y) at `y × stride + x × bytes of a pixel`.
    ///
    /// # Errors
    /// Whatever [`Error`] tells; [`Error::Buffer`] if the picture does not fit.
    pub fn picture(&self, options: &Options<'_>, bytes: &mut [u8], stride: usize) -> Result<Summary, Error> {
        self.check(options, false)?;
        let (width, height) = self.size(options.scale);
        let row = width as usize * pixel_bytes(options.output);
        let needed = (height as usize - 1) * stride.max(row) + row;
        if stride < row || bytes.len() < needed {
            return Err(Error::Buffer { given: bytes.len(), needed });
        }
        session::run(self, options, &mut Slice { bytes: &mut bytes[..needed], stride })
    }

    /// Decodes into the components as they come, an MCU row of each at a time; `options.output` is taken to be
    /// [`Output::Planes`]. Each component is at the chosen fraction of its own size.
    ///
    /// # Errors
    /// Whatever [`Error`] tells; [`Error::Cancelled`] also when `call` breaks.
    pub fn planes(
        &self,
        options: &Options<'_>,
        call: impl FnMut(&[PlaneRows<'_>]) -> ControlFlow<()>,
    ) -> Result<Summary, Error> {
        let options = Options { output: Output::Planes, ..*options };
        self.check(&options, true)?;
        session::run(self, &options, &mut PlaneCallback(call))
    }

    fn check(&self, options: &Options<'_>, planes: bool) -> Result<(), Error> {
        let colour = self.header().colour;
        if planes != (options.output == Output::Planes) || !rows::possible(colour, options.output) {
            return Err(Error::Unsupported { at: 0, what: "a JPEG without colours for this output" });
        }
        self.limits.check_memory(self.memory(options))
    }
}
