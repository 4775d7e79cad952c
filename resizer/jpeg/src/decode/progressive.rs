//! Progressive scans (ITU-T T.81, annex G), all side by side: a row of MCUs from each in turn, and then its samples. Scans
//! that the scale does not need are skipped.

mod bands;

use super::codes::{Bits, Lookup};
use super::entropy::PADDING;
use super::error::Error;
use super::kernels::Kernels;
use super::layout::{Layout, Places, Plane};
use super::options::{Damage, Options};
use super::segments::{ScanHeader, Tables};
use super::unstuff::Window;
use crate::common::marker;
use crate::common::simd::{Job, Simd};
use crate::common::zigzag::NATURAL;

/// The coefficients of one component in one row of MCUs, as far as its scale needs them.
pub(crate) struct Store {
    /// DC coefficients, row after row of the padded grid.
    dc: Vec<i16>,
    /// AC coefficients that are kept, the lowest frequencies row by row, block after block: in each the place of DC and,
    /// unless all are kept, one that swallows the others. Empty where only DC is needed.
    ac: Vec<i16>,
    /// Places of a block.
    stride: usize,
    places: &'static Places,
    /// Blocks that the picture's edge [cuts](Plane::is_cut), with all their coefficients: of the column that it goes through,
    /// then of the row.
    edge: Vec<i16>,
    edge_column: Option<usize>,
    edge_row: Option<usize>,
    /// Where the row's blocks start among those of the edge.
    edge_row_start: usize,
    /// For each block the AC coefficients that are not zero, as a set of zigzag numbers: refinements go from one
    /// to the next. Empty where only DC is needed.
    nonzero: Vec<u64>,
    /// Coefficients kept of a block, and which, as a set of zigzag numbers.
    kept: usize,
    kept_set: u64,
    /// Blocks in a row of the grid, and rows of the MCU row.
    blocks_x: usize,
    rows: usize,
    /// The number of its first row.
    top: usize,
}

impl Store {
    /// Places of a block's AC coefficients.
    const fn stride(plane: &Plane) -> usize {
        match plane.kept() {
            0 => 0,
            1 if !plane.cut_across() && !plane.cut_down() => 0,
            64 => 64,
            kept => kept + 1,
        }
    }

    /// Blocks of the edge's column and row.
    const fn edges(plane: &Plane) -> (usize, usize) {
        (if plane.cut_across() { plane.v } else { 0 }, if plane.cut_down() { plane.padded_x } else { 0 })
    }

    /// Bytes that a component takes.
    pub(crate) fn bytes(plane: &Plane) -> u64 {
        let (column, row) = Self::edges(plane);
        let stride = Self::stride(plane);
        let sets = if stride == 0 { 0 } else { size_of::<u64>() };
        let dc = if plane.kept() == 0 { 0 } else { 1 };
        let each = (dc + stride) * size_of::<i16>() + sets;
        (plane.padded_x * plane.v * each + (column + row) * 64 * size_of::<i16>()) as u64
    }

    pub(crate) fn new(plane: &Plane) -> Self {
        let kept = plane.kept();
        let stride = Self::stride(plane);
        let blocks = plane.padded_x * plane.v;
        let (column, row) = Self::edges(plane);
        Self {
            dc: vec![0; if kept == 0 { 0 } else { blocks }],
            ac: vec![0; blocks * stride],
            stride,
            places: Places::of_size(plane.block_width, plane.block_height),
            edge: vec![0; (column + row) * 64],
            edge_column: plane.cut_across().then_some(plane.full_width / 8),
            edge_row: plane.cut_down().then_some(plane.full_height / 8),
            edge_row_start: column,
            nonzero: vec![0; if stride == 0 { 0 } else { blocks }],
            kept,
            kept_set: lowest(plane),
            blocks_x: plane.padded_x,
            rows: plane.v,
            top: 0,
        }
    }

    /// Goes on to the next row of MCUs.
    pub(crate) fn advance(&mut self) {
        self.top += self.rows;
        self.dc.fill(0);
        self.ac.fill(0);
        self.edge.fill(0);
        self.nonzero.fill(0);
    }

    /// Where a block of the edge starts in its list.
    fn edge(&self, x: usize, y: usize) -> Option<usize> {
        if self.edge_row == Some(y) {
            Some((self.edge_row_start + x) * 64)
        } else if self.edge_column == Some(x) {
            Some((y - self.top) * 64)
        } else {
            None
        }
    }

    /// A row's kept coefficients, as many of each block as it tells, without gaps but for those that it tells too.
    pub(crate) fn row(&mut self, y: usize) -> Row<'_> {
        let first = (y - self.top) * self.blocks_x;
        let blocks = first..first + self.blocks_x;
        let dc = self.dc.get(blocks.clone()).unwrap_or_default();
        if self.stride == 0 {
            return Row { coefficients: dc, stride: 1, kept: self.kept.min(1) };
        }
        let row = self.ac.get_mut(blocks.start * self.stride..blocks.end * self.stride).unwrap_or_default();
        for (block, dc) in row.chunks_exact_mut(self.stride).zip(dc) {
            block[0] = *dc;
        }
        Row { coefficients: row, stride: self.stride, kept: self.kept }
    }

    /// All coefficients of a block that the edge cuts, in natural order.
    pub(crate) fn cut(&self, x: usize, y: usize) -> Option<[i16; 64]> {
        let mut block = *self.edge.get(self.edge(x, y)?..)?.first_chunk()?;
        block[0] = *self.dc.get((y - self.top) * self.blocks_x + x)?;
        Some(block)
    }

    #[inline(always)]
    fn dc_mut(&mut self, x: usize, y: usize) -> Option<&mut i16> {
        self.dc.get_mut((y - self.top) * self.blocks_x + x)
    }

    /// AC coefficients of blocks from `x` on, to the end of the row.
    #[inline(always)]
    fn blocks(&mut self, x: usize, y: usize) -> Blocks<'_> {
        let row = (y - self.top) * self.blocks_x;
        let (first, end) = (row + x, row + self.blocks_x);
        let kept = self.kept_set;
        let edge = if self.edge_row == Some(y) { Some((0, (self.edge_row_start + x) * 64)) } else { None };
        let edge = match self.edge_column {
            Some(column) if edge.is_none() && column >= x => Some((column - x, (y - self.top) * 64)),
            _ => edge,
        };
        let (edge_from, edge_at) = edge.unwrap_or((usize::MAX, 0));
        Blocks {
            sets: self.nonzero.get_mut(first..end).unwrap_or_default(),
            values: self.ac.get_mut(first * self.stride..end * self.stride).unwrap_or_default(),
            stride: self.stride,
            places: &self.places.of,
            kept,
            edge: self.edge.get_mut(edge_at..).unwrap_or_default(),
            edge_from,
        }
    }
}

/// AC coefficients of blocks of a row.
struct Blocks<'s> {
    sets: &'s mut [u64],
    values: &'s mut [i16],
    stride: usize,
    places: &'static [u8; 64 + 16],
    /// Those kept, as a set of zigzag numbers.
    kept: u64,
    /// Of those from a number on, which the picture's edge cuts, all are kept.
    edge: &'s mut [i16],
    edge_from: usize,
}

impl Blocks<'_> {
    #[inline(always)]
    fn get(&mut self, number: usize) -> Option<bands::Block<'_>> {
        let set = self.sets.get_mut(number)?;
        if number >= self.edge_from {
            let at = (number - self.edge_from) * 64;
            let values = self.edge.get_mut(at..at + 64)?;
            return Some(bands::Block { values, set, places: &Places::of_size(8, 8).of, kept: u64::MAX });
        }
        let values = self.values.get_mut(number * self.stride..(number + 1) * self.stride)?;
        Some(bands::Block { values, set, places: self.places, kept: self.kept })
    }
}

/// The coefficients of a row of blocks.
pub(crate) struct Row<'s> {
    coefficients: &'s [i16],
    stride: usize,
    kept: usize,
}

impl Row<'_> {
    /// Those kept of a block: the lowest frequencies, row by row.
    pub(crate) fn block(&self, x: usize) -> &[i16] {
        let at = x * self.stride;
        self.coefficients.get(at..at + self.kept).unwrap_or_default()
    }
}

/// The lowest frequencies, as a set of zigzag numbers, of which a plane's samples are made.
fn lowest(plane: &Plane) -> u64 {
    NATURAL.iter().enumerate().fold(0, |set, (k, natural)| {
        let (x, y) = (usize::from(natural & 7), usize::from(natural >> 3));
        if x < plane.block_width && y < plane.block_height { set | 1 << k } else { set }
    })
}

/// The coefficients, as a set of zigzag numbers, that a plane needs at its scale.
fn wanted(plane: &Plane) -> u64 {
    if !plane.wanted {
        return 0;
    }
    // Codes of the blocks at the edge come after all others.
    if plane.cut_across() || plane.cut_down() { u64::MAX } else { lowest(plane) }
}

/// The coefficients of a scan's band.
fn band(scan: &ScanHeader) -> u64 {
    (u64::MAX >> (63 - scan.last)) & (u64::MAX << scan.first)
}

/// Which scans are needed. From the last to the first: a refinement of any coefficient that is needed needs what all
/// of its band was before, as its codes skip over those that are zero.
pub(crate) fn needed(layout: &Layout, scans: &[ScanHeader]) -> Vec<bool> {
    let mut sets: Vec<u64> = layout.planes.iter().map(wanted).collect();
    let mut flags = vec![false; scans.len()];
    for (flag, scan) in flags.iter_mut().zip(scans).rev() {
        for c in &scan.components {
            if sets[c.index] & band(scan) != 0 {
                *flag = true;
                // DC refinements are plain bits.
                if scan.high != 0 && scan.first > 0 {
                    sets[c.index] |= band(scan);
                }
            }
        }
    }
    flags
}

/// Bytes of a scan's window: small, as all scans are decoded side by side.
const WINDOW_BYTES: usize = 16 << 10;

/// Bytes of the window on so many bytes of a scan.
fn window_bytes(bytes: usize) -> usize {
    super::scan::window_bytes(bytes.min(WINDOW_BYTES))
}

/// Bytes that so many scans take beside the stores.
pub(crate) fn bytes(scans: usize, file: usize) -> u64 {
    (scans * (size_of::<Cursor<'_, '_>>() + window_bytes(file) + PADDING)) as u64
}

/// One of the scans, decoded row by row of MCUs beside the others: so a row's coefficients stay in the cache, and none
/// of the picture's need be kept.
pub(crate) struct Cursor<'f, 'l> {
    pass: Pass<'l>,
    window: Window<'f>,
    /// MCUs between restart markers.
    interval: usize,
    total: usize,
    /// MCUs that are behind, and those that will be at the end of the interval.
    done: usize,
    end: usize,
    /// The next bit of the window.
    at: usize,
    state: bands::State,
    markers: u8,
    /// Whether the interval has nothing more: what earlier scans gave stands.
    dead: bool,
}

impl<'f, 'l> Cursor<'f, 'l> {
    /// A scan whose data start at byte `at`.
    pub(crate) fn new(
        file: &'f [u8],
        at: usize,
        layout: &'l Layout,
        scan: &ScanHeader,
        tables: &Tables,
    ) -> Result<Self, Error> {
        let pass = Pass::new(layout, scan, tables)?;
        let total = pass.mcus_x * pass.mcus_y;
        Ok(Self {
            pass,
            window: Window::new(file, at, window_bytes(file.len() - at.min(file.len()))),
            interval: if tables.restart_interval == 0 { total } else { usize::from(tables.restart_interval) },
            total,
            done: 0,
            end: 0,
            at: 0,
            state: bands::State::default(),
            markers: 0,
            dead: false,
        })
    }

    /// Decodes row `band` of the interleaved MCUs into the stores, which are at it.
    pub(crate) fn decode(
        &mut self,
        band: usize,
        stores: &mut [Store],
        options: &Options<'_>,
        kernels: Kernels,
        noted: &mut Option<Error>,
    ) -> Result<(), Error> {
        let Self { pass, window, .. } = self;
        let mut note = |error: Error| match options.damage {
            Damage::Refuse => Err(error),
            Damage::Fill => {
                noted.get_or_insert(error);
                Ok(())
            }
        };
        let rows = match pass.scan.components.as_slice() {
            [only] => pass.layout.planes[only.index].v,
            _ => 1,
        };
        let until = ((band + 1) * rows).min(pass.mcus_y) * pass.mcus_x;
        while self.done < until {
            if self.done == self.end {
                let first = self.done == 0;
                self.end = (self.done + self.interval).min(self.total);
                self.dead = !first && !super::scan::next_interval(window, self.markers, &mut note)?;
                self.markers = (self.markers + u8::from(!first)) & 7;
                (self.at, self.state) = (0, bands::State::default());
                if self.dead {
                    // Intervals without data cost little, but a small file can have millions of them.
                    options.check_cancel()?;
                }
            }
            let count = until.min(self.end) - self.done;
            if !self.dead {
                let (at, state) = (&mut self.at, &mut self.state);
                let part = Part { pass, window, at, state, first: self.done, count, stores, options };
                if let Some(problem) = kernels.run(part)? {
                    note(problem)?;
                    self.dead = true;
                }
            }
            self.done += count;
        }
        Ok(())
    }
}

/// One scan on its way.
struct Pass<'l> {
    layout: &'l Layout,
    scan: ScanHeader,
    dc: [Option<Lookup>; 4],
    ac: Option<Lookup>,
    mcus_x: usize,
    mcus_y: usize,
}

impl<'l> Pass<'l> {
    fn new(layout: &'l Layout, scan: &ScanHeader, tables: &Tables) -> Result<Self, Error> {
        let missing = Error::Corrupt { at: scan.at, what: "a scan without its Huffman table" };
        let mut dc = [None, None, None, None];
        let mut ac = None;
        for c in &scan.components {
            if scan.first > 0 {
                ac = Some(Lookup::new(tables.ac[c.ac].as_ref().ok_or_else(|| missing.clone())?, false));
            } else if scan.high == 0 && dc[c.dc].is_none() {
                dc[c.dc] = Some(Lookup::new(tables.dc[c.dc].as_ref().ok_or_else(|| missing.clone())?, true));
            }
        }
        let (mcus_x, mcus_y) = match scan.components.as_slice() {
            [only] => (layout.planes[only.index].blocks_x, layout.planes[only.index].blocks_y),
            _ => (layout.mcus_x, layout.mcus_y),
        };
        Ok(Self { layout, scan: scan.clone(), dc, ac, mcus_x, mcus_y })
    }
}

/// MCUs of one interval: compiled for each set of instructions, as what it does most is to shift.
struct Part<'i, 'l, 'w, 'c> {
    pass: &'i Pass<'l>,
    window: &'i mut Window<'w>,
    at: &'i mut usize,
    state: &'i mut bands::State,
    first: usize,
    count: usize,
    stores: &'i mut [Store],
    options: &'i Options<'c>,
}

impl Job for Part<'_, '_, '_, '_> {
    /// What ended the interval too early.
    type Output = Result<Option<Error>, Error>;

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) -> Self::Output {
        let Self { pass, window, at: place, state: kept, first, count, stores, options } = self;
        let (mut at, mut state) = (*place, *kept);
        let (mut x, mut y) = (first % pass.mcus_x, first / pass.mcus_x);
        let mut left = count;
        while left > 0 {
            if x == 0 {
                options.check_cancel()?;
            }
            // To the end of the row at most.
            let some = left.min(pass.mcus_x - x);
            let (mut done, mut fine) = (0, true);
            while done < some && fine {
                if !window.ended() && window.bits() < at + super::lanes::LARGEST_MCU_BITS {
                    at = window.advance(at);
                }
                let mut bits = Bits::new(window.bytes(), at);
                let enough =
                    if window.ended() { usize::MAX } else { window.bits() - super::lanes::LARGEST_MCU_BITS };
                let enough = enough.min(window.bits());
                let place = (x + done, y);
                let (passed, good) = match (pass.scan.first, pass.scan.high) {
                    (0, _) => pass.dc(&mut bits, &mut state, place, some - done, enough, stores),
                    (_, 0) => pass.ac::<true>(&mut bits, &mut state, place, some - done, enough, stores),
                    _ => pass.ac::<false>(&mut bits, &mut state, place, some - done, enough, stores),
                };
                (done, fine) = (done + passed, good);
                at = bits.at();
                if at > window.bits() {
                    break;
                }
            }
            let problem = if at > window.bits() {
                match window.marker() {
                    None => Error::Truncated { at: window.end(), inside: "a scan" },
                    Some((marker::EOI, at)) => Error::Truncated { at, inside: "a scan" },
                    Some((_, at)) => Error::Corrupt { at, what: "a marker before the end of the interval" },
                }
            } else if !fine {
                Error::Corrupt { at: window.file_position(at), what: "bits that are no Huffman code" }
            } else {
                left -= some;
                x = 0;
                y += 1;
                continue;
            };
            return Ok(Some(problem));
        }
        (*place, *kept) = (at, state);
        Ok(None)
    }
}

impl Pass<'_> {
    /// Up to `most` MCUs of a DC scan, until bit `enough` is passed; how many, and whether their codes were ones.
    #[inline(always)]
    fn dc(
        &self,
        bits: &mut Bits<'_>,
        state: &mut bands::State,
        (x, y): (usize, usize),
        most: usize,
        enough: usize,
        stores: &mut [Store],
    ) -> (usize, bool) {
        let scan = &self.scan;
        let alone = scan.components.len() == 1;
        let mut done = 0;
        while done < most && bits.at() <= enough {
            let x = x + done;
            done += 1;
            for c in &scan.components {
                let plane = &self.layout.planes[c.index];
                let (h, v) = if alone { (1, 1) } else { (plane.h, plane.v) };
                for by in 0..v {
                    for bx in 0..h {
                        let mut none = 0;
                        let value = stores[c.index].dc_mut(x * h + bx, y * v + by).unwrap_or(&mut none);
                        if scan.high != 0 {
                            bands::dc_refine(bits, scan.low, value);
                            continue;
                        }
                        let Some(table) = &self.dc[c.dc] else { return (done, false) };
                        let prediction = &mut state.predictions[c.index];
                        if !bands::dc_first(bits, table, prediction, scan.low, value) {
                            return (done, false);
                        }
                    }
                }
            }
        }
        (done, true)
    }

    /// Up to `most` blocks of an AC scan, its first or a refining one, until bit `enough` is passed; how many, and whether
    /// their codes were ones.
    #[inline(always)]
    fn ac<const FIRST: bool>(
        &self,
        bits: &mut Bits<'_>,
        state: &mut bands::State,
        (x, y): (usize, usize),
        most: usize,
        enough: usize,
        stores: &mut [Store],
    ) -> (usize, bool) {
        let scan = &self.scan;
        let store = scan.components.first().and_then(|c| stores.get_mut(c.index));
        let (Some(table), Some(store)) = (&self.ac, store) else { return (1, false) };
        let mut blocks = store.blocks(x, y);
        let band =
            bands::Band { first: usize::from(scan.first), last: usize::from(scan.last), low: scan.low };
        let mut done = 0;
        while done < most && bits.at() <= enough {
            if FIRST {
                done += state.pass(most - done);
                if done == most {
                    break;
                }
            }
            let Some(block) = blocks.get(done) else { return (done + 1, false) };
            done += 1;
            let fine = if FIRST {
                bands::ac_first(bits, table, state, band, block)
            } else {
                bands::ac_refine(bits, table, state, band, block)
            };
            if !fine {
                return (done, false);
            }
        }
        (done, true)
    }
}
