//! Blocks into planes: DC prediction, the transform, and rows out as soon as an MCU row is complete.

use super::error::Error;
use super::kernels::Kernels;
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

impl<T: Target> Mcus for Picture<'_, '_, T> {
    fn restart(&mut self) {
        self.predictions = [0; 4];
    }

    fn take(&mut self, coefficients: &mut [i16], _count: usize) -> Result<(), Error> {
        for mcu in coefficients.chunks_exact_mut(self.mcu_places) {
            for place in &self.places {
                if place.kept == 0 {
                    continue;
                }
                let c = place.component;
                let block = &mut mcu[place.at..place.at + place.kept];
                let dc = self.predictions[c].wrapping_add(block[0]);
                self.predictions[c] = dc;
                block[0] = dc;
                let plane = &self.layout.planes[c];
                let (h, v) = self.spans[c];
                let samples = &mut self.samples[c];
                let row = samples.at((self.y * v + place.y) * plane.block_height);
                let at = row + (self.x * h + place.x) * plane.block_width;
                let stride = samples.stride;
                self.kernels.block(block, &self.tables[c], &mut samples.bytes[at..], stride);
            }
            self.step()?;
        }
        Ok(())
    }

    fn missing(&mut self, count: usize) -> Result<(), Error> {
        for _ in 0..count {
            for place in &self.places {
                let plane = &self.layout.planes[place.component];
                let (h, v) = self.spans[place.component];
                let samples = &mut self.samples[place.component];
                let row = samples.at((self.y * v + place.y) * plane.block_height);
                let at = row + (self.x * h + place.x) * plane.block_width;
                for line in samples.bytes[at..].chunks_mut(samples.stride).take(plane.block_height) {
                    line[..plane.block_width].fill(128);
                }
            }
            self.step()?;
        }
        Ok(())
    }
}
