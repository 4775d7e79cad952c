//! Blocks into planes: DC prediction, the transform, and rows out as soon as an MCU row is complete.

use super::error::Error;
use super::kernels::{Job, Kernels, place};
use super::layout::{Block, Layout};
use super::options::Options;
use super::rows::{Emitter, Samples, Target};
use super::scan::Mcus;
use super::transform::Table;

/// A component's block of the MCU, with where its pieces are.
#[derive(Debug, Clone, Copy)]
struct Place {
    component: usize,
    x: usize,
    y: usize,
    /// Its coefficients' place in the MCU's, and how many are kept.
    at: usize,
    kept: usize,
}

/// The planes being filled by one scan.
pub(crate) struct Picture<'p, 'c, T> {
    pub(crate) layout: &'p Layout,
    pub(crate) tables: &'p [Table],
    pub(crate) samples: &'p mut [Samples],
    pub(crate) emitter: &'p mut Emitter,
    pub(crate) target: &'p mut T,
    pub(crate) options: &'p Options<'c>,
    pub(crate) kernels: Kernels,
    /// Whether rows go out with each MCU row; otherwise the planes hold everything.
    pub(crate) banded: bool,
    places: Vec<Place>,
    /// Numbers of places whose blocks are transformed together, in order; the second may be missing.
    pairs: Vec<(usize, Option<usize>)>,
    mcu_places: usize,
    /// Blocks of an MCU, in each direction, for each component of the frame.
    spans: [(usize, usize); 4],
    mcus_x: usize,
    mcus_y: usize,
    x: usize,
    y: usize,
    predictions: [i16; 4],
}

impl<'p, 'c, T: Target> Picture<'p, 'c, T> {
    #[expect(clippy::too_many_arguments, reason = "a scan's view of a decode, borrowed part by part")]
    pub(crate) fn new(
        layout: &'p Layout,
        tables: &'p [Table],
        samples: &'p mut [Samples],
        emitter: &'p mut Emitter,
        target: &'p mut T,
        options: &'p Options<'c>,
        kernels: Kernels,
        banded: bool,
        (blocks, mcus_x, mcus_y): (&[Block], usize, usize),
    ) -> Self {
        let mut spans = [(1, 1); 4];
        let mut at = 0;
        let mut places = Vec::with_capacity(blocks.len());
        for block in blocks {
            let span = &mut spans[block.component];
            *span = (span.0.max(block.x + 1), span.1.max(block.y + 1));
            let kept = block.keep_width * block.keep_height;
            places.push(Place { component: block.component, x: block.x, y: block.y, at, kept });
            at += block.stride;
        }
        Self {
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
            mcu_places: at,
            spans,
            mcus_x,
            mcus_y,
            x: 0,
            y: 0,
            predictions: [0; 4],
        }
    }

    /// Where a block of the current MCU starts in its plane, and the bytes from row to row.
    #[inline]
    fn at(&self, number: usize) -> (usize, usize) {
        let place = &self.places[number];
        let plane = &self.layout.planes[place.component];
        let (h, v) = self.spans[place.component];
        let samples = &self.samples[place.component];
        let row = samples.at((self.y * v + place.y) * plane.block_height);
        (row + (self.x * h + place.x) * plane.block_width, samples.stride)
    }

    /// Goes on behind an MCU.
    fn step(&mut self) -> Result<(), Error> {
        self.x += 1;
        if self.x == self.mcus_x {
            self.options.check_cancel()?;
            if self.banded {
                let last = self.y + 1 == self.mcus_y;
                self.emitter.emit(self.layout, self.samples, self.y, last, self.target)?;
                Emitter::advance(self.layout, self.samples);
            }
            self.x = 0;
            self.y += 1;
        }
        Ok(())
    }
}

/// Neighbours in the MCU of one size, two and two.
fn pairs(places: &[Place], layout: &Layout, tables: &[Table], kernels: Kernels) -> Vec<(usize, Option<usize>)> {
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

impl<T: Target> Mcus for Picture<'_, '_, T> {
    fn restart(&mut self) {
        self.predictions = [0; 4];
    }

    fn take(&mut self, coefficients: &mut [i16], _count: usize) -> Result<(), Error> {
        let mut samples = [[0; 64]; 2];
        for mcu in coefficients.chunks_exact_mut(self.mcu_places) {
            for place in self.places.iter().filter(|place| place.kept > 0) {
                let prediction = &mut self.predictions[place.component];
                *prediction = prediction.wrapping_add(mcu[place.at]);
                mcu[place.at] = *prediction;
            }
            for (first, second) in &self.pairs {
                let job = |number: usize| {
                    let place = &self.places[number];
                    let table = &self.tables[place.component];
                    Job { coefficients: &mcu[place.at..place.at + place.kept], table }
                };
                let own = job(*first);
                if let Some(second) = second {
                    let other = job(*second);
                    self.kernels.pair(&own, &other, &mut samples);
                    let (at, stride) = self.at(*first);
                    place(&samples[0], own.table, &mut self.samples[self.places[*first].component].bytes[at..], stride);
                    let (at, stride) = self.at(*second);
                    let out = &mut self.samples[self.places[*second].component].bytes[at..];
                    place(&samples[1], other.table, out, stride);
                } else {
                    let (at, stride) = self.at(*first);
                    let out = &mut self.samples[self.places[*first].component].bytes[at..];
                    self.kernels.block(&own, out, stride);
                }
            }
            self.step()?;
        }
        Ok(())
    }

    fn missing(&mut self, count: usize) -> Result<(), Error> {
        for _ in 0..count {
            for number in 0..self.places.len() {
                let (at, stride) = self.at(number);
                let component = self.places[number].component;
                let plane = &self.layout.planes[component];
                for line in self.samples[component].bytes[at..].chunks_mut(stride).take(plane.block_height) {
                    line[..plane.block_width].fill(128);
                }
            }
            self.step()?;
        }
        Ok(())
    }
}
