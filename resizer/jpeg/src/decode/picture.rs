//! Blocks into planes: DC prediction, the transform, and rows out as soon as an MCU row is complete.

use super::error::Error;
use super::kernels::{Job, Kernels, place};
use super::layout::{Block, Layout};
use super::options::Options;
use super::rows::{Emitter, Samples, Target};
use super::scan::Mcus;
use super::transform::Table;

/// Most MCUs whose DC coefficients are made before any of them is transformed: a vector load right behind a narrow store
/// into it waits for the store to reach the cache.
const BATCH: usize = 8;

/// A component's block of the MCU, with where its pieces are.
#[derive(Debug, Clone, Copy)]
struct Place {
    component: usize,
    x: usize,
    y: usize,
    /// Its coefficients' place in the MCU's, and how many are kept.
    at: usize,
    kept: usize,
    /// Where it goes in its plane: in the first MCU of the current row, and how much further in each next one.
    start: usize,
    advance: usize,
    stride: usize,
}

/// A component's blocks of the MCU, one behind the other.
#[derive(Debug, Clone, Copy)]
struct Run {
    component: usize,
    /// Their coefficients' places, and the places of each.
    at: usize,
    end: usize,
    stride: usize,
}

/// The planes being filled by one scan.
pub(crate) struct Picture<'p, 'c> {
    pub(crate) layout: &'p Layout,
    pub(crate) tables: &'p [Table],
    pub(crate) samples: &'p mut [Samples],
    pub(crate) emitter: &'p mut Emitter,
    pub(crate) target: &'p mut dyn Target,
    pub(crate) options: &'p Options<'c>,
    pub(crate) kernels: Kernels,
    /// Whether rows go out with each MCU row; otherwise the planes hold everything.
    pub(crate) banded: bool,
    places: Vec<Place>,
    /// What is kept of the MCU, by components.
    runs: Vec<Run>,
    /// Numbers of places whose blocks are transformed together, in order; the second may be missing.
    pairs: Vec<(usize, Option<usize>)>,
    mcu_places: usize,
    /// Blocks of an MCU, in each direction, for each component of the frame.
    spans: [(usize, usize); 4],
    /// Whether the last MCU of each row, and the last row, have blocks that the picture's edge cuts.
    cut: (bool, bool),
    mcus_x: usize,
    mcus_y: usize,
    x: usize,
    y: usize,
    predictions: [i16; 4],
}

impl<'p, 'c> Picture<'p, 'c> {
    #[expect(clippy::too_many_arguments, reason = "a scan's view of a decode, borrowed part by part")]
    pub(crate) fn new(
        layout: &'p Layout,
        tables: &'p [Table],
        samples: &'p mut [Samples],
        emitter: &'p mut Emitter,
        target: &'p mut dyn Target,
        options: &'p Options<'c>,
        kernels: Kernels,
        banded: bool,
        cut: (bool, bool),
        (blocks, mcus_x, mcus_y): (&[Block], usize, usize),
    ) -> Self {
        let mut spans = [(1, 1); 4];
        let mut at = 0;
        let mut places = Vec::with_capacity(blocks.len());
        let mut runs: Vec<Run> = Vec::with_capacity(4);
        for block in blocks {
            let span = &mut spans[block.component];
            *span = (span.0.max(block.x + 1), span.1.max(block.y + 1));
            let kept = block.keep_width * block.keep_height;
            let stride = layout.planes[block.component].stride();
            let place = Place {
                component: block.component,
                x: block.x,
                y: block.y,
                at,
                kept,
                start: 0,
                advance: 0,
                stride,
            };
            places.push(place);
            let end = at + block.stride;
            match runs.last_mut() {
                Some(run) if run.component == block.component => run.end = end,
                _ if kept > 0 => runs.push(Run { component: block.component, at, end, stride: block.stride }),
                _ => {}
            }
            at = end;
        }
        for place in &mut places {
            place.advance = spans[place.component].0 * layout.planes[place.component].block_width;
        }
        let mut picture = Self {
            layout,
            tables,
            samples,
            emitter,
            target,
            options,
            kernels,
            banded,
            pairs: pairs(&places, layout, tables, kernels),
            places,
            runs,
            mcu_places: at,
            spans,
            cut,
            mcus_x,
            mcus_y,
            x: 0,
            y: 0,
            predictions: [0; 4],
        };
        picture.begin_row();
        picture
    }

    /// Finds where the blocks of the MCU row go.
    fn begin_row(&mut self) {
        if self.y == self.mcus_y {
            return;
        }
        for place in &mut self.places {
            let plane = &self.layout.planes[place.component];
            let row = self.y * self.spans[place.component].1 + place.y;
            place.start =
                self.samples[place.component].at(row * plane.block_height) + place.x * plane.block_width;
        }
    }

    /// Makes DC coefficients of differences (F.2.1.3.1).
    fn predict(&mut self, batch: &mut [i16]) {
        for run in &self.runs {
            let mut prediction = self.predictions[run.component];
            for mcu in batch.chunks_exact_mut(self.mcu_places) {
                for dc in mcu[run.at..run.end].iter_mut().step_by(run.stride) {
                    prediction = prediction.wrapping_add(*dc);
                    *dc = prediction;
                }
            }
            self.predictions[run.component] = prediction;
        }
    }

    /// Transforms one block, or two, of every MCU of a batch in the current row.
    fn transform(&mut self, (first, second): (usize, Option<usize>), batch: &[i16]) {
        let (kernels, tables) = (self.kernels, self.tables);
        let own = &self.places[first];
        let table = &tables[own.component];
        let mut at = own.start + self.x * own.advance;
        let mcus = batch.chunks_exact(self.mcu_places);
        if let Some(second) = second {
            let other = &self.places[second];
            let mut other_at = other.start + self.x * other.advance;
            let mut samples = [[0; 64]; 2];
            for mcu in mcus {
                let a = Job { coefficients: &mcu[own.at..own.at + own.kept], table };
                let b = Job {
                    coefficients: &mcu[other.at..other.at + other.kept],
                    table: &tables[other.component],
                };
                kernels.pair(&a, &b, &mut samples);
                place(&samples[0], table, &mut self.samples[own.component].bytes[at..], own.stride);
                let bytes = &mut self.samples[other.component].bytes[other_at..];
                place(&samples[1], table, bytes, other.stride);
                at += own.advance;
                other_at += other.advance;
            }
            return;
        }
        let bytes = &mut self.samples[own.component].bytes;
        for mcu in mcus {
            if own.kept == 1 {
                bytes[at] = table.mean(mcu[own.at]);
            } else {
                let job = Job { coefficients: &mcu[own.at..own.at + own.kept], table };
                kernels.block(&job, &mut bytes[at..], own.stride);
            }
            at += own.advance;
        }
    }

    /// Makes one MCU of blocks with all their coefficients.
    fn whole(&mut self, mut coefficients: &mut [i16]) {
        for number in 0..self.places.len() {
            let own = self.places[number];
            let plane = &self.layout.planes[own.component];
            if own.kept == 0 {
                coefficients = &mut coefficients[1..];
                continue;
            }
            let (block, rest) = coefficients.split_at_mut(64);
            coefficients = rest;
            let dc = &mut self.predictions[own.component];
            *dc = dc.wrapping_add(block[0]);
            block[0] = *dc;
            let (across, down) = self.spans[own.component];
            let inside = plane.inside(self.x * across + own.x, self.y * down + own.y);
            let job = Job { coefficients: block, table: &self.tables[own.component] };
            let at = own.start + self.x * own.advance;
            let bytes = &mut self.samples[own.component].bytes[at..];
            if plane.is_cut(self.x * across + own.x, self.y * down + own.y) {
                self.kernels.cut(&job, inside, bytes, own.stride);
            } else {
                self.kernels.lowest(&job, bytes, own.stride);
            }
        }
    }

    /// Goes on behind so many MCUs of the row.
    fn step(&mut self, count: usize) -> Result<(), Error> {
        self.x += count;
        if self.x == self.mcus_x {
            self.options.check_cancel()?;
            if self.banded {
                let last = self.y + 1 == self.mcus_y;
                self.emitter.emit(self.layout, self.samples, self.y, last, self.target)?;
                Emitter::advance(self.layout, self.samples);
            }
            self.x = 0;
            self.y += 1;
            self.begin_row();
        }
        Ok(())
    }
}

/// Neighbours in the MCU of one size, two and two.
fn pairs(
    places: &[Place],
    layout: &Layout,
    tables: &[Table],
    kernels: Kernels,
) -> Vec<(usize, Option<usize>)> {
    let size = |number: usize| {
        let plane = &layout.planes[places[number].component];
        (plane.block_width, plane.block_height)
    };
    let mut pairs: Vec<(usize, Option<usize>)> = Vec::with_capacity(places.len());
    for number in (0..places.len()).filter(|number| places[*number].kept > 0) {
        match pairs.last_mut() {
            Some((first, second @ None))
                if size(*first) == size(number) && kernels.pairs(&tables[places[number].component]) =>
            {
                *second = Some(number);
            }
            _ => pairs.push((number, None)),
        }
    }
    pairs
}

impl Mcus for Picture<'_, '_> {
    fn restart(&mut self) {
        self.predictions = [0; 4];
    }

    fn take(&mut self, mut coefficients: &mut [i16]) -> Result<(), Error> {
        while !coefficients.is_empty() {
            // No batch goes on in the next row.
            let count = BATCH.min(self.mcus_x - self.x).min(coefficients.len() / self.mcu_places);
            let (batch, rest) = coefficients.split_at_mut(count * self.mcu_places);
            coefficients = rest;
            self.predict(batch);
            for number in 0..self.pairs.len() {
                self.transform(self.pairs[number], batch);
            }
            self.step(count)?;
        }
        Ok(())
    }

    fn ahead(&self) -> (usize, bool) {
        let (across, down) = self.cut;
        let in_row = self.mcus_x - self.x;
        if down && self.y + 1 == self.mcus_y {
            (in_row, true)
        } else if across {
            if in_row == 1 { (1, true) } else { (in_row - 1, false) }
        } else if down {
            ((self.mcus_y - 1 - self.y) * self.mcus_x - self.x, false)
        } else {
            (usize::MAX, false)
        }
    }

    fn take_whole(&mut self, coefficients: &mut [i16]) -> Result<(), Error> {
        let places = self.places.iter().map(|place| if place.kept == 0 { 1 } else { 64 }).sum();
        for mcu in coefficients.chunks_exact_mut(places) {
            self.whole(mcu);
            self.step(1)?;
        }
        Ok(())
    }

    fn missing(&mut self, count: usize) -> Result<(), Error> {
        for _ in 0..count {
            for number in 0..self.places.len() {
                let own = self.places[number];
                let at = own.start + self.x * own.advance;
                let plane = &self.layout.planes[own.component];
                let bytes = &mut self.samples[own.component].bytes[at..];
                for line in bytes.chunks_mut(own.stride).take(plane.block_height) {
                    line[..plane.block_width].fill(128);
                }
            }
            self.step(1)?;
        }
        Ok(())
    }
}
