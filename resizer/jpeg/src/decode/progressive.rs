//! Progressive scans (ITU-T T.81, annex G): coefficients of the whole picture, scan after scan; scans that the
//! scale does not need are skipped.

mod bands;

use super::codes::{Bits, Lookup};
use super::error::Error;
use super::kernels::Kernels;
use super::layout::{Layout, Places, Plane};
use super::options::{Damage, Options};
use super::segments::{ScanHeader, Tables};
use super::unstuff::Window;
use crate::common::marker;
use crate::common::simd::{Job, Simd};
use crate::common::zigzag::NATURAL;

/// The coefficients of one component, as far as its scale needs them. Every scan goes through all blocks, so what counts is
/// how much memory they take.
pub(crate) struct Store {
    /// DC coefficients, row after row of the padded grid: DC scans touch nothing else.
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
    /// Blocks in a row of the grid.
    blocks_x: usize,
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
        (
            if plane.cut_across() { plane.padded_y } else { 0 },
            if plane.cut_down() { plane.padded_x } else { 0 },
        )
    }

    /// Bytes that a component takes.
    pub(crate) fn bytes(plane: &Plane) -> u64 {
        let (column, row) = Self::edges(plane);
        let stride = Self::stride(plane);
        let sets = if stride == 0 { 0 } else { size_of::<u64>() };
        let dc = if plane.kept() == 0 { 0 } else { 1 };
        let each = (dc + stride) * size_of::<i16>() + sets;
        (plane.padded_x * plane.padded_y * each + (column + row) * 64 * size_of::<i16>()) as u64
    }

    pub(crate) fn new(plane: &Plane) -> Self {
        let kept = plane.kept();
        let stride = Self::stride(plane);
        let blocks = plane.padded_x * plane.padded_y;
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
        }
    }

    /// Where a block of the edge starts in its list.
    fn edge(&self, x: usize, y: usize) -> Option<usize> {
        if self.edge_row == Some(y) {
            Some((self.edge_row_start + x) * 64)
        } else if self.edge_column == Some(x) {
            Some(y * 64)
        } else {
            None
        }
    }

    /// A row's kept coefficients, as many of each block as it tells, without gaps but for those that it tells too.
    pub(crate) fn row(&mut self, y: usize) -> Row<'_> {
        let blocks = y * self.blocks_x..(y + 1) * self.blocks_x;
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
        block[0] = *self.dc.get(y * self.blocks_x + x)?;
        Some(block)
    }

    #[inline(always)]
    fn dc_mut(&mut self, x: usize, y: usize) -> Option<&mut i16> {
        self.dc.get_mut(y * self.blocks_x + x)
    }

    /// AC coefficients of blocks from `x` on, to the end of the row.
    #[inline(always)]
    fn blocks(&mut self, x: usize, y: usize) -> Blocks<'_> {
        let first = y * self.blocks_x + x;
        let end = (y + 1) * self.blocks_x;
        let kept = self.kept_set;
        let edge = if self.edge_row == Some(y) { Some((0, (self.edge_row_start + x) * 64)) } else { None };
        let edge = match self.edge_column {
            Some(column) if edge.is_none() && column >= x => Some((column - x, y * 64)),
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

/// Decodes one scan into the stores.
#[expect(clippy::too_many_arguments, reason = "a decode's state, borrowed part by part")]
pub(crate) fn decode(
    file: &[u8],
    at: usize,
    layout: &Layout,
    scan: &ScanHeader,
    tables: &Tables,
    stores: &mut [Store],
    options: &Options<'_>,
    kernels: Kernels,
    noted: &mut Option<Error>,
) -> Result<(), Error> {
    let pass = Pass::new(layout, scan, tables)?;
    let capacity = super::scan::window_bytes(file.len() - at.min(file.len()));
    let mut window = Window::new(file, at, capacity);
    let mut note = |error: Error| match options.damage {
        Damage::Refuse => Err(error),
        Damage::Fill => {
            noted.get_or_insert(error);
            Ok(())
        }
    };
    let total = pass.mcus_x * pass.mcus_y;
    let interval = if tables.restart_interval == 0 { total } else { usize::from(tables.restart_interval) };
    let mut done = 0;
    let mut markers = 0;
    while done < total {
        let count = interval.min(total - done);
        if done == 0 || super::scan::next_interval(&mut window, markers, &mut note)? {
            let interval = Interval { pass: &pass, window: &mut window, first: done, count, stores, options };
            // What earlier scans gave stands.
            if let Some(problem) = kernels.run(interval)? {
                note(problem)?;
            }
        } else {
            // Intervals without data cost little, but a small file can have millions of them.
            options.check_cancel()?;
        }
        markers = (markers + u8::from(done > 0)) & 7;
        done += count;
    }
    Ok(())
}

/// One scan on its way.
struct Pass<'s> {
    layout: &'s Layout,
    scan: &'s ScanHeader,
    dc: [Option<Lookup>; 4],
    ac: Option<Lookup>,
    mcus_x: usize,
    mcus_y: usize,
}

impl<'s> Pass<'s> {
    fn new(layout: &'s Layout, scan: &'s ScanHeader, tables: &Tables) -> Result<Self, Error> {
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
        Ok(Self { layout, scan, dc, ac, mcus_x, mcus_y })
    }
}

/// The MCUs of one interval: compiled for each set of instructions, as what it does most is to shift.
struct Interval<'i, 's, 'w, 'c> {
    pass: &'i Pass<'s>,
    window: &'i mut Window<'w>,
    first: usize,
    count: usize,
    stores: &'i mut [Store],
    options: &'i Options<'c>,
}

impl Job for Interval<'_, '_, '_, '_> {
    /// What ended it too early.
    type Output = Result<Option<Error>, Error>;

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) -> Self::Output {
        let Self { pass, window, first, count, stores, options } = self;
        let mut state = bands::State::default();
        let mut at = 0;
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
        let scan = self.scan;
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
        let scan = self.scan;
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
