//! The levels of the whole picture, for files that need them more than once.

use super::frame::Frame;
use super::kernel::{self, Block, Mask};
use super::quantisation::Quantiser;
use super::sequential::count_symbols;
use super::strip::Plane;
use crate::common::simd::{Job, Simd};

/// The blocks of one component, row by row, whole MCUs and whole pairs of them.
#[derive(Debug, Clone)]
pub(super) struct Blocks {
    /// Levels in zigzag order; or raw coefficients in the transform's order until they are quantised.
    pub(super) levels: Vec<Block>,
    /// Which levels are not zero.
    pub(super) masks: Vec<Mask>,
}

/// The blocks of every component.
#[derive(Debug, Clone)]
pub(super) struct Store {
    /// As many as the frame has.
    pub(super) components: Vec<Blocks>,
    /// How often AC symbols of luma and chroma occur among rounded levels; counted while coefficients are kept raw.
    pub(super) counts: Box<[[u32; 256]; 2]>,
}

impl Store {
    /// Room for a picture: 136 bytes a block.
    pub(super) fn new(frame: &Frame) -> Self {
        let blocks = |count| Blocks { levels: vec![[0; 64]; count], masks: vec![0; count] };
        let components = frame.components.iter().map(|c| blocks(c.stride * c.v * frame.mcus_high)).collect();
        Self { components, counts: Box::new([[0; 256]; 2]) }
    }

    /// Gives the blocks that only fill up an MCU the DC level of the block before them and nothing else: they cost
    /// the fewest bits that way.
    pub(super) fn fill_outside(&mut self, frame: &Frame) {
        for (component, blocks) in frame.components.iter().zip(&mut self.components) {
            for row in 0..component.v * frame.mcus_high {
                // The block before it in the MCU is to the left, or at the end of the row above.
                for x in 0..component.h * frame.mcus_wide {
                    if component.is_outside(x, row) {
                        let before = if x % component.h > 0 {
                            row * component.stride + x - 1
                        } else {
                            (row - 1) * component.stride + x + component.h - 1
                        };
                        let at = row * component.stride + x;
                        blocks.levels[at] = [0; 64];
                        blocks.levels[at][0] = blocks.levels[before][0];
                        blocks.masks[at] = 0;
                    }
                }
            }
        }
    }
}

/// Transforms one row of MCUs into the store.
pub(super) struct StoreStrip<'a> {
    /// Geometry.
    pub(super) frame: &'a Frame,
    /// Which row.
    pub(super) mcu_y: usize,
    /// Its samples.
    pub(super) planes: &'a [Plane],
    /// Luma's and chroma's.
    pub(super) quantisers: &'a [Quantiser; 2],
    /// Whether to keep coefficients raw, with the masks of rounded levels, and count these levels' symbols.
    pub(super) raw: bool,
    /// Where the levels go.
    pub(super) store: &'a mut Store,
}

impl Job for StoreStrip<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { frame, mcu_y, planes, quantisers, raw, store } = self;
        let Store { components, counts } = store;
        for ((component, plane), blocks) in frame.components.iter().zip(planes).zip(components) {
            let (quantiser, counts) = (&quantisers[component.table], &mut counts[component.table]);
            for y in 0..component.v {
                let row = (mcu_y * component.v + y) * component.stride;
                let pairs = blocks.levels[row..row + component.stride].as_chunks_mut::<2>().0;
                let masks = blocks.masks[row..row + component.stride].as_chunks_mut::<2>().0;
                for (i, (pair, masks)) in pairs.iter_mut().zip(masks).enumerate() {
                    let samples = &plane.samples[8 * y * plane.stride + 16 * i..];
                    if !raw {
                        *masks = kernel::levels(simd, samples, plane.stride, quantiser, pair);
                        pair.iter_mut().for_each(kernel::sort);
                        continue;
                    }
                    let mut levels = [[0; 64]; 2];
                    *masks =
                        kernel::levels_and_raw(simd, samples, plane.stride, quantiser, &mut levels, pair);
                    for (x, (block, mask)) in levels.iter().zip(masks).enumerate() {
                        if !component.is_outside(2 * i + x, mcu_y * component.v + y) {
                            count_symbols(block, *mask, counts);
                        }
                    }
                }
            }
        }
    }
}
