//! One decode from the first scan to the last row.

use super::error::Error;
use super::kernels::{Job, Kernels, place};
use super::layout::{Layout, Plane, whole_blocks};
use super::options::{Damage, Options};
use super::picture::Picture;
use super::plain::{self, Entropy};
use super::progressive::{self, Cursor, Store};
use super::rows::{Emitter, Samples, Target};
use super::scan::{self, Scan};
use super::segments::{NO_MORE, ScanHeader, Tables, Walker};
use super::tables::Machine;
use super::transform::Table;
use super::{Decoder, Summary, lanes, unstuff};
use crate::common::marker;

/// Decodes the file into `target`.
pub(crate) fn run(
    decoder: &Decoder<'_>,
    options: &Options<'_>,
    target: &mut dyn Target,
) -> Result<Summary, Error> {
    let parsed = &decoder.parsed;
    let header = &parsed.header;
    let layout = Layout::new(header, options.scale, options.output);
    let kernels = Kernels::choose(options.path);
    let emitter = Emitter::new(&layout, header.colour, options.output, kernels);
    let mut session = Session {
        file: decoder.data,
        decoder,
        options,
        layout: &layout,
        kernels,
        emitter,
        steps: vec![None; header.components.len()],
        noted: None,
        ended: false,
    };
    if header.progressive {
        session.progressive(target)?;
    } else if header.interleaved {
        session.interleaved(target)?;
    } else {
        session.several(target)?;
    }
    Ok(Summary { damage: session.noted, ended: session.ended })
}

struct Session<'d, 'a, 'c> {
    file: &'a [u8],
    decoder: &'d Decoder<'a>,
    options: &'d Options<'c>,
    layout: &'d Layout,
    kernels: Kernels,
    emitter: Emitter,
    /// Each component's dequantisation, from its first scan on (B.2.4.1: a table may be replaced between scans).
    steps: Vec<Option<Table>>,
    noted: Option<Error>,
    /// Whether `EOI` was met.
    ended: bool,
}

impl Session<'_, '_, '_> {
    fn samples(&self, whole: bool) -> Vec<Samples> {
        self.layout.planes.iter().map(|plane| Samples::new(plane, whole)).collect()
    }

    fn note(&mut self, error: Error) -> Result<(), Error> {
        match self.options.damage {
            Damage::Refuse => Err(error),
            Damage::Fill => {
                self.noted.get_or_insert(error);
                Ok(())
            }
        }
    }

    /// Fixes the dequantisation of a scan's components.
    fn fix_steps(&mut self, scan: &ScanHeader, tables: &Tables) -> Result<(), Error> {
        for c in &scan.components {
            if self.steps[c.index].is_none() {
                let plane = &self.layout.planes[c.index];
                let number = usize::from(self.decoder.parsed.header.components[c.index].quantisation);
                let quantisation = tables.quantisation[number]
                    .as_ref()
                    .ok_or(Error::Corrupt { at: scan.at, what: "a scan without its quantisation table" })?;
                self.steps[c.index] = Some(Table::new(quantisation, plane.block_width, plane.block_height));
            }
        }
        Ok(())
    }

    /// The dequantisation of every component; of those that no scan names, of nothing.
    fn tables(&self) -> Vec<Table> {
        let nothing = Table::new(&[1; 64], 1, 1);
        self.steps.iter().map(|table| table.clone().unwrap_or_else(|| nothing.clone())).collect()
    }

    /// Decodes one sequential scan; the byte behind its data.
    fn scan(
        &mut self,
        scan: &ScanHeader,
        tables: &Tables,
        at: usize,
        samples: &mut [Samples],
        target: &mut dyn Target,
        banded: bool,
    ) -> Result<usize, Error> {
        let missing =
            |c: &super::segments::ScanComponent| tables.dc[c.dc].is_none() || tables.ac[c.ac].is_none();
        if scan.components.iter().any(missing) {
            return Err(Error::Corrupt { at: scan.at, what: "a scan without its Huffman table" });
        }
        self.fix_steps(scan, tables)?;
        let steps = self.tables();
        let (blocks, mcus_x, mcus_y) = self.layout.mcu(scan);
        let mcus = mcus_x * mcus_y;
        let bytes = self.file.len() - at.min(self.file.len());
        let cut = self.layout.cut(scan);
        let whole = (cut.0 || cut.1).then(|| plain::Decoder::new(tables, &whole_blocks(&blocks), mcus));
        let mut entropy = if plain::suits(tables, &blocks, mcus, bytes) {
            Entropy::Plain(plain::Decoder::new(tables, &blocks, mcus), whole)
        } else {
            let machine = Machine::new(tables, &blocks, bytes);
            Entropy::Lanes(Box::new(lanes::Decoder::new(machine, self.options.lanes, mcus, bytes, whole)))
        };
        let interval = usize::from(tables.restart_interval);
        let scan = Scan { file: self.file, at, mcus, interval, damage: self.options.damage };
        let mut picture = Picture::new(
            self.layout,
            &steps,
            samples,
            &mut self.emitter,
            target,
            self.options,
            self.kernels,
            banded,
            cut,
            (&blocks, mcus_x, mcus_y),
        );
        scan::decode(&scan, &mut entropy, &mut self.noted, &mut picture)
    }

    /// One scan of everything: rows go out as they are decoded.
    fn interleaved(&mut self, target: &mut dyn Target) -> Result<(), Error> {
        let parsed = &self.decoder.parsed;
        let mut samples = self.samples(false);
        let behind = self.scan(&parsed.scan, &parsed.tables, parsed.at, &mut samples, target, true)?;
        let mut walker = Walker::new(self.file, behind);
        while let Ok(segment) = walker.next() {
            if segment.code == marker::EOI {
                self.ended = true;
                break;
            }
        }
        Ok(())
    }

    /// Goes from scan to scan: `each` decodes one and tells the byte behind it.
    fn walk(
        &mut self,
        mut each: impl FnMut(&mut Self, &ScanHeader, &Tables, usize) -> Result<usize, Error>,
    ) -> Result<(), Error> {
        let parsed = &self.decoder.parsed;
        let mut tables = parsed.tables.clone();
        let mut behind = each(self, &parsed.scan, &tables, parsed.at)?;
        let mut count = 1;
        loop {
            let mut walker = Walker::new(self.file, behind);
            loop {
                let segment = match walker.next() {
                    Ok(segment) => segment,
                    // Nothing but a missing EOI, as far as anyone can tell.
                    Err(Error::Truncated { inside: NO_MORE, .. }) => return Ok(()),
                    Err(error) => return self.note(error),
                };
                match segment.code {
                    marker::EOI => {
                        self.ended = true;
                        return Ok(());
                    }
                    marker::SOS => {
                        count += 1;
                        let limit = self.decoder.limits.scans;
                        if count > limit {
                            return Err(Error::Limit {
                                what: "the number of scans",
                                value: count.into(),
                                limit: limit.into(),
                            });
                        }
                        let header = &parsed.header;
                        match ScanHeader::parse(&segment, &header.components, header.progressive) {
                            Ok(scan) => behind = each(self, &scan, &tables, walker.at())?,
                            Err(error) => return self.note(error),
                        }
                        break;
                    }
                    _ => {
                        if let Err(error) = tables.read(&segment) {
                            return self.note(error);
                        }
                    }
                }
            }
        }
    }

    /// Several sequential scans: the planes hold the whole picture at its scale.
    fn several(&mut self, target: &mut dyn Target) -> Result<(), Error> {
        let mut samples = self.samples(true);
        let mut seen = vec![false; self.layout.planes.len()];
        self.walk(|session, scan, tables, at| {
            for c in &scan.components {
                seen[c.index] = true;
            }
            if scan.components.iter().all(|c| !session.layout.planes[c.index].wanted) {
                return Ok(unstuff::skip_scan(session.file, at));
            }
            session.scan(scan, tables, at, &mut samples, target, false)
        })?;
        if seen.iter().zip(&self.layout.planes).any(|(seen, plane)| plane.wanted && !seen) {
            self.note(Error::Truncated { at: self.file.len(), inside: "the scans: a component has none" })?;
        }
        for band in 0..self.layout.mcus_y {
            self.options.check_cancel()?;
            let last = band + 1 == self.layout.mcus_y;
            self.emitter.emit(self.layout, &mut samples, band, last, target)?;
        }
        Ok(())
    }

    /// Progressive scans side by side: rows go out as they are decoded.
    fn progressive(&mut self, target: &mut dyn Target) -> Result<(), Error> {
        let mut scans = Vec::new();
        self.walk(|session, scan, _, at| {
            scans.push(scan.clone());
            Ok(unstuff::skip_scan(session.file, at))
        })?;
        let needed = progressive::needed(self.layout, &scans);
        drop(scans);
        let (file, layout) = (self.file, self.layout);
        let mut cursors = Vec::with_capacity(needed.iter().filter(|needed| **needed).count());
        let mut number = 0;
        self.walk(|session, scan, tables, at| {
            session.fix_steps(scan, tables)?;
            if needed.get(number).is_none_or(|needed| *needed) {
                cursors.push(Cursor::new(file, at, layout, scan, tables)?);
            }
            number += 1;
            Ok(unstuff::skip_scan(file, at))
        })?;
        let unseen =
            self.steps.iter().zip(&self.layout.planes).any(|(steps, plane)| steps.is_none() && plane.wanted);
        if unseen {
            self.note(Error::Truncated { at: self.file.len(), inside: "the scans: a component has none" })?;
        }
        let mut stores: Vec<Store> = layout.planes.iter().map(Store::new).collect();
        let mut samples = self.samples(false);
        let tables = self.tables();
        for band in 0..self.layout.mcus_y {
            self.options.check_cancel()?;
            for cursor in &mut cursors {
                cursor.decode(band, &mut stores, self.options, self.kernels, &mut self.noted)?;
            }
            for (c, plane) in self.layout.planes.iter().enumerate() {
                if !plane.wanted || self.steps[c].is_none() {
                    continue;
                }
                for y in band * plane.v..(band + 1) * plane.v {
                    let at = samples[c].at(y * plane.block_height);
                    let stride = samples[c].stride;
                    blocks(
                        self.kernels,
                        plane,
                        &tables[c],
                        &mut stores[c],
                        y,
                        &mut samples[c].bytes[at..],
                        stride,
                    );
                }
            }
            let last = band + 1 == self.layout.mcus_y;
            self.emitter.emit(self.layout, &mut samples, band, last, target)?;
            Emitter::advance(self.layout, &mut samples);
            stores.iter_mut().for_each(Store::advance);
        }
        Ok(())
    }
}

/// Transforms a row of a component's blocks into rows of `stride` samples.
fn blocks(
    kernels: Kernels,
    plane: &Plane,
    table: &Table,
    store: &mut Store,
    y: usize,
    out: &mut [u8],
    stride: usize,
) {
    let row = store.row(y);
    let job = |x: usize| Job { coefficients: row.block(x), table };
    let mut x = 0;
    if kernels.pairs(table) {
        let mut samples = [[0; 64]; 2];
        while x + 1 < plane.padded_x {
            kernels.pair(&job(x), &job(x + 1), &mut samples);
            for (i, samples) in samples.iter().enumerate() {
                place(samples, table, &mut out[(x + i) * plane.block_width..], stride);
            }
            x += 2;
        }
    }
    while x < plane.padded_x {
        kernels.block(&job(x), &mut out[x * plane.block_width..], stride);
        x += 1;
    }
    let cut = if plane.cut_down() && y == plane.full_height / 8 { 0 } else { plane.full_width / 8 };
    for x in cut..plane.padded_x {
        if plane.is_cut(x, y)
            && let Some(block) = store.cut(x, y)
        {
            let job = Job { coefficients: &block, table };
            kernels.cut(&job, plane.inside(x, y), &mut out[x * plane.block_width..], stride);
        }
    }
}
