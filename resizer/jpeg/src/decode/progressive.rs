//! Progressive scans (ITU-T T.81, annex G): coefficients of the whole picture, scan after scan; scans that the
//! scale does not need are skipped.

mod bands;

use super::codes::{Bits, Lookup};
use super::error::Error;
use super::layout::{Layout, Plane};
use super::options::{Damage, Options};
use super::segments::{ScanHeader, Tables};
use super::unstuff::Window;
use crate::common::marker;
use crate::common::zigzag::NATURAL;

/// The coefficients of one component.
pub(crate) struct Store {
    /// Block after block, row after row of the padded grid; each in natural order.
    values: Vec<i16>,
    /// For each block the AC coefficients that are not zero, as a set of zigzag numbers: refinements go from one
    /// to the next. Empty where only DC is kept.
    nonzero: Vec<u64>,
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
            1 if !plane.cut_across() && !plane.cut_down() => 1,
            _ => 64,
        }
    }

    /// Bytes that a component takes.
    pub(crate) fn bytes(plane: &Plane) -> u64 {
        let sets = if Self::each(plane) == 64 { size_of::<u64>() } else { 0 };
        (plane.padded_x * plane.padded_y * (Self::each(plane) * size_of::<i16>() + sets)) as u64
    }

    pub(crate) fn new(plane: &Plane) -> Self {
        let each = Self::each(plane);
        let blocks = plane.padded_x * plane.padded_y;
        let nonzero = vec![0; if each == 64 { blocks } else { 0 }];
        Self { values: vec![0; blocks * each], nonzero, each, blocks_x: plane.padded_x }
    }

    /// A block's coefficients.
    pub(crate) fn block(&self, x: usize, y: usize) -> &[i16] {
        let at = (y * self.blocks_x + x) * self.each;
        &self.values[at..at + self.each]
    }

    fn dc_mut(&mut self, x: usize, y: usize) -> Option<&mut i16> {
        // Without storage there is nothing to give.
        if self.each == 0 { None } else { self.values.get_mut((y * self.blocks_x + x) * self.each) }
    }

    /// A whole block with its set of coefficients that are not zero.
    #[inline]
    fn ac_mut(&mut self, x: usize, y: usize) -> Option<(&mut [i16; 64], &mut u64)> {
        let number = y * self.blocks_x + x;
        let set = self.nonzero.get_mut(number)?;
        Some((self.values.get_mut(number * 64..)?.first_chunk_mut()?, set))
    }
}

/// The coefficients, as a set of zigzag numbers, that a plane needs at its scale.
fn wanted(plane: &Plane) -> u64 {
    if !plane.wanted {
        return 0;
    }
    // Codes of the blocks at the edge come after all others.
    if plane.cut_across() || plane.cut_down() {
        return u64::MAX;
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
#[expect(clippy::too_many_arguments, reason = "a decode's state, borrowed part by part")]
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
        let (mut x, mut y) = (first % self.mcus_x, first / self.mcus_x);
        let mut left = count;
        while left > 0 {
            if x == 0 {
                options.check_cancel()?;
            }
            // To the end of the row at most.
            let some = left.min(self.mcus_x - x);
            let (mut done, mut fine) = (0, true);
            while done < some && fine {
                if !window.ended() && window.bits() < at + super::lanes::LARGEST_MCU_BITS {
                    at = window.advance(at);
                }
                let mut bits = Bits::new(window.bytes(), at);
                let enough =
                    if window.ended() { usize::MAX } else { window.bits() - super::lanes::LARGEST_MCU_BITS };
                while done < some && fine && bits.at() <= enough && bits.at() <= window.bits() {
                    if self.scan.first == 0 {
                        fine = self.dc(&mut bits, &mut state, x + done, y, stores);
                        done += 1;
                    } else {
                        let (passed, good) =
                            self.ac(&mut bits, &mut state, (x + done, y), some - done, stores);
                        fine = good;
                        done += passed;
                    }
                }
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
            // What earlier scans gave stands.
            return note(problem);
        }
        Ok(())
    }

    /// One MCU of a DC scan; whether its codes were ones.
    #[inline]
    fn dc(
        &self,
        bits: &mut Bits<'_>,
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
            for (by, bx) in (0..v).flat_map(|by| (0..h).map(move |bx| (by, bx))) {
                let mut none = 0;
                let value = stores[c.index].dc_mut(x * h + bx, y * v + by).unwrap_or(&mut none);
                if scan.high != 0 {
                    bands::dc_refine(bits, scan.low, value);
                } else if !self.dc[c.dc].as_ref().is_some_and(|table| {
                    bands::dc_first(bits, table, &mut state.predictions[c.index], scan.low, value)
                }) {
                    return false;
                }
            }
        }
        true
    }

    /// The next block of an AC scan, and up to `most` that a run covers; how many, and whether its codes were ones.
    #[inline]
    fn ac(
        &self,
        bits: &mut Bits<'_>,
        state: &mut bands::State,
        (x, y): (usize, usize),
        most: usize,
        stores: &mut [Store],
    ) -> (usize, bool) {
        let scan = self.scan;
        if scan.high == 0 {
            let passed = state.pass(most);
            if passed > 0 {
                return (passed, true);
            }
        }
        let Some(index) = scan.components.first().map(|c| c.index) else { return (1, false) };
        let (Some(table), Some((block, set))) = (&self.ac, stores[index].ac_mut(x, y)) else {
            return (1, false);
        };
        let range = (usize::from(scan.first), usize::from(scan.last));
        let fine = if scan.high == 0 {
            bands::ac_first(bits, table, state, range, scan.low, block, set)
        } else {
            bands::ac_refine(bits, table, state, range, scan.low, block, set)
        };
        (1, fine)
    }
}
