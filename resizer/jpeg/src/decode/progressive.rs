//! Progressive scans (ITU-T T.81, annex G): coefficients of the whole picture, scan after scan; scans that the
//! scale does not need are skipped.

mod bits;
mod bands;

use super::error::Error;
use super::layout::{Layout, Plane};
use super::options::{Damage, Options};
use super::segments::{ScanHeader, Tables};
use super::unstuff::Window;
use crate::common::marker;
use crate::common::zigzag::NATURAL;
use bits::{Lookup, Reader};

/// The coefficients of one component.
pub(crate) struct Store {
    /// Block after block, row after row of the padded grid; each in natural order.
    values: Vec<i16>,
    /// Coefficients kept of a block: 64, 1 or none.
    each: usize,
    /// Blocks in a row of the grid.
    blocks_x: usize,
}

impl Store {
    /// Coefficients of each block that a plane at its scale needs storage for.
    const fn each(plane: &Plane) -> usize {
        match plane.kept() {
            0 => 0,
            1 => 1,
            _ => 64,
        }
    }

    /// Bytes that a component takes.
    pub(crate) fn bytes(plane: &Plane) -> u64 {
        (plane.padded_x * plane.padded_y * Self::each(plane) * size_of::<i16>()) as u64
    }

    pub(crate) fn new(plane: &Plane) -> Self {
        let each = Self::each(plane);
        Self { values: vec![0; plane.padded_x * plane.padded_y * each], each, blocks_x: plane.padded_x }
    }

    /// A block's coefficients.
    pub(crate) fn block(&self, x: usize, y: usize) -> &[i16] {
        let at = (y * self.blocks_x + x) * self.each;
        &self.values[at..at + self.each]
    }

    fn block_mut(&mut self, x: usize, y: usize) -> &mut [i16] {
        let at = (y * self.blocks_x + x) * self.each;
        &mut self.values[at..at + self.each]
    }
}

/// The coefficients, as a set of zigzag numbers, that a plane needs at its scale.
fn wanted(plane: &Plane) -> u64 {
    if !plane.wanted {
        return 0;
    }
    NATURAL.iter().enumerate().fold(0, |set, (k, natural)| {
        let (x, y) = (usize::from(natural & 7), usize::from(natural >> 3));
        if x < plane.block_width && y < plane.block_height { set | 1 << k } else { set }
    })
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
pub(crate) fn decode(
    file: &[u8],
    at: usize,
    layout: &Layout,
    scan: &ScanHeader,
    tables: &Tables,
    stores: &mut [Store],
    options: &Options<'_>,
    noted: &mut Option<Error>,
) -> Result<(), Error> {
    let mut pass = Pass::new(layout, scan, tables)?;
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
            pass.interval(&mut window, done, count, stores, options, &mut note)?;
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

    /// The MCUs of one interval, as far as the data goes.
    fn interval(
        &mut self,
        window: &mut Window<'_>,
        first: usize,
        count: usize,
        stores: &mut [Store],
        options: &Options<'_>,
        note: &mut impl FnMut(Error) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut state = bands::State::default();
        let mut at = 0;
        for mcu in first..first + count {
            let (x, y) = (mcu % self.mcus_x, mcu / self.mcus_x);
            if x == 0 {
                options.check_cancel()?;
            }
            if !window.ended() && window.bits() < at + super::lanes::LARGEST_MCU_BITS {
                at = window.advance(at);
            }
            let mut reader = Reader::new(window.bytes(), at);
            let fine = self.mcu(&mut reader, &mut state, x, y, stores);
            at = reader.at();
            let problem = if at > window.bits() {
                match window.marker() {
                    None => Error::Truncated { at: window.end(), inside: "a scan" },
                    Some((marker::EOI, at)) => Error::Truncated { at, inside: "a scan" },
                    Some((_, at)) => Error::Corrupt { at, what: "a marker before the end of the interval" },
                }
            } else if !fine {
                Error::Corrupt { at: window.file_position(at), what: "bits that are no Huffman code" }
            } else {
                continue;
            };
            // What earlier scans gave stands.
            return note(problem);
        }
        Ok(())
    }

    /// One MCU; whether its codes were ones.
    #[inline]
    fn mcu(
        &self,
        reader: &mut Reader<'_>,
        state: &mut bands::State,
        x: usize,
        y: usize,
        stores: &mut [Store],
    ) -> bool {
        let scan = self.scan;
        let alone = scan.components.len() == 1;
        for c in &scan.components {
            let plane = &self.layout.planes[c.index];
            let (h, v) = if alone { (1, 1) } else { (plane.h, plane.v) };
            let store = &mut stores[c.index];
            for by in 0..v {
                for bx in 0..h {
                    let mut none = [0; 64];
                    let block = match store.each {
                        0 => &mut none[..],
                        _ => store.block_mut(x * h + bx, y * v + by),
                    };
                    let fine = match (scan.first, scan.high) {
                        (0, 0) => self.dc[c.dc].as_ref().is_some_and(|table| {
                            bands::dc_first(reader, table, &mut state.predictions[c.index], scan.low, block)
                        }),
                        (0, _) => bands::dc_refine(reader, scan.low, block),
                        (_, high) => self.ac.as_ref().is_some_and(|table| {
                            let range = (usize::from(scan.first), usize::from(scan.last));
                            if high == 0 {
                                bands::ac_first(reader, table, state, range, scan.low, block)
                            } else {
                                bands::ac_refine(reader, table, state, range, scan.low, block)
                            }
                        }),
                    };
                    if !fine {
                        return false;
                    }
                }
            }
        }
        true
    }
}
