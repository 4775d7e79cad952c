//! Geometry: components, their blocks, and the MCUs that interleave them (ITU-T T.81, A.1 and A.2).

use super::settings::{PixelLayout, Sampling};

/// One component and where its blocks lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Component {
    /// Blocks of an MCU, horizontally.
    pub(super) h: usize,
    /// Blocks of an MCU, vertically.
    pub(super) v: usize,
    /// 0 for luma, 1 for chroma: quantisation and Huffman tables.
    pub(super) table: usize,
    /// Place of its first block in an MCU.
    pub(super) first: usize,
    /// Blocks that hold some of the picture, horizontally.
    pub(super) blocks_wide: usize,
    /// Blocks that hold some of the picture, vertically.
    pub(super) blocks_high: usize,
    /// Blocks from one row of blocks to the next where they are stored: whole pairs of MCUs.
    pub(super) stride: usize,
}

/// The whole picture's geometry.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// Pixels.
    pub(super) width: usize,
    /// Pixels.
    pub(super) height: usize,
    /// One (gray) or three (luma and two chromas).
    pub(super) components: Vec<Component>,
    /// MCUs, horizontally.
    pub(super) mcus_wide: usize,
    /// MCUs, vertically.
    pub(super) mcus_high: usize,
    /// Blocks of an MCU.
    pub(super) mcu_blocks: usize,
}

impl Frame {
    /// Lays out a picture.
    pub(super) fn new(width: u16, height: u16, layout: PixelLayout, sampling: Sampling) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        let gray = layout == PixelLayout::Gray8;
        let (h, v) = if gray { (1, 1) } else { sampling.factors() };
        let (mcus_wide, mcus_high) = (width.div_ceil(8 * h), height.div_ceil(8 * v));
        let pairs = mcus_wide.div_ceil(2);
        let luma = Component {
            h,
            v,
            table: 0,
            first: 0,
            blocks_wide: width.div_ceil(8),
            blocks_high: height.div_ceil(8),
            stride: 2 * h * pairs,
        };
        let chroma = |first| Component {
            h: 1,
            v: 1,
            table: 1,
            first,
            blocks_wide: width.div_ceil(h).div_ceil(8),
            blocks_high: height.div_ceil(v).div_ceil(8),
            stride: 2 * pairs,
        };
        let components = if gray { vec![luma] } else { vec![luma, chroma(h * v), chroma(h * v + 1)] };
        let mcu_blocks = components.iter().map(|component| component.h * component.v).sum();
        Self { width, height, components, mcus_wide, mcus_high, mcu_blocks }
    }

    /// Rows of pixels in a row of MCUs.
    pub(super) fn strip_height(&self) -> usize {
        8 * self.components[0].v
    }
}
