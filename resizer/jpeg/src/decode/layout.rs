//! Sizes at a scale: MCUs, blocks, planes, and which coefficients are kept.

use super::header::{Colour, Header};
use super::options::{Output, Scale};
use super::segments::ScanHeader;
use crate::common::zigzag::NATURAL;

/// A component at the chosen scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plane {
    /// Blocks of an interleaved MCU, horizontally and vertically.
    pub(crate) h: usize,
    pub(crate) v: usize,
    /// Output samples of one block, each 1, 2, 4 or 8. Chroma of 4:2:0 at 1/2 has 8 where luma has 4, so nothing
    /// is left to upsample.
    pub(crate) block_width: usize,
    pub(crate) block_height: usize,
    /// Samples that belong to the picture.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Blocks that belong to the picture: what a scan of this component alone holds.
    pub(crate) blocks_x: usize,
    pub(crate) blocks_y: usize,
    /// Blocks with the padding to whole MCUs.
    pub(crate) padded_x: usize,
    pub(crate) padded_y: usize,
    /// Samples of the full-size component that belong to the picture (A.1.1).
    pub(crate) full_width: usize,
    pub(crate) full_height: usize,
    /// Whether the output needs it.
    pub(crate) wanted: bool,
}

impl Plane {
    /// Samples in a row, with the padding to whole MCUs.
    pub(crate) const fn stride(&self) -> usize {
        self.padded_x * self.block_width
    }

    /// Rows of samples that one MCU row makes.
    pub(crate) const fn band(&self) -> usize {
        self.v * self.block_height
    }

    /// Samples of a full-size block that belong to the picture, horizontally and vertically: 0 to 8 each.
    pub(crate) fn inside(&self, x: usize, y: usize) -> (usize, usize) {
        (self.full_width.saturating_sub(8 * x).min(8), self.full_height.saturating_sub(8 * y).min(8))
    }

    /// Whether the last blocks of a row are cut by the picture's edge in a direction in which they are made smaller: their
    /// low frequencies alone do not tell what is inside from what is beyond.
    pub(crate) const fn cut_across(&self) -> bool {
        self.wanted && self.block_width < 8 && !self.full_width.is_multiple_of(8)
    }

    /// The same of a column's last blocks.
    pub(crate) const fn cut_down(&self) -> bool {
        self.wanted && self.block_height < 8 && !self.full_height.is_multiple_of(8)
    }

    /// Whether a block is cut so.
    pub(crate) fn is_cut(&self, x: usize, y: usize) -> bool {
        let (across, down) = self.inside(x, y);
        // Blocks wholly beyond the edge are not looked at.
        across > 0 && down > 0 && (self.cut_across() && across < 8 || self.cut_down() && down < 8)
    }

    /// Coefficients kept of a block.
    pub(crate) const fn kept(&self) -> usize {
        if self.wanted { self.block_width * self.block_height } else { 0 }
    }
}

/// A block of an MCU, as entropy decoding sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its component's index in the frame.
    pub(crate) component: usize,
    /// Its place among the component's blocks of the MCU.
    pub(crate) x: usize,
    pub(crate) y: usize,
    /// Its Huffman tables.
    pub(crate) dc: usize,
    pub(crate) ac: usize,
    /// Coefficients kept, horizontally and vertically: the lowest frequencies.
    pub(crate) keep_width: usize,
    pub(crate) keep_height: usize,
    /// Places it takes in the output: those kept and one that swallows the others.
    pub(crate) stride: usize,
}

/// The blocks of an MCU with every coefficient of those that the output needs.
pub(crate) fn whole_blocks(blocks: &[Block]) -> Vec<Block> {
    let whole = |block: &Block| match block.keep_width {
        0 => *block,
        _ => Block { keep_width: 8, keep_height: 8, stride: 64, ..*block },
    };
    blocks.iter().map(whole).collect()
}

/// Where coefficients go in a block that keeps the lowest frequencies.
#[derive(Debug)]
pub(crate) struct Places {
    /// The place of each of the stream: among those kept, row by row, or behind them. A run behind the block falls on the
    /// last one, as in libjpeg.
    pub(crate) of: [u8; 64 + 16],
    /// The last coefficient that is kept.
    pub(crate) last: usize,
}

impl Places {
    const fn new(width: u8, height: u8) -> Self {
        let mut of = [width * height; 64 + 16];
        let mut last = 0;
        let mut k = 0;
        while k < of.len() {
            let natural = NATURAL[if k < 64 { k } else { 63 }];
            let (x, y) = (natural & 7, natural >> 3);
            if x < width && y < height {
                of[k] = y * width + x;
                last = if k < 64 { k } else { 63 };
            }
            k += 1;
        }
        Self { of, last }
    }
}

impl Places {
    /// Those for so many kept, horizontally and vertically: 0, 1, 2, 4 or 8.
    #[inline(always)]
    pub(crate) const fn of_size(width: usize, height: usize) -> &'static Self {
        &PLACES[(usize::BITS - width.leading_zeros()) as usize]
            [(usize::BITS - height.leading_zeros()) as usize]
    }
}

/// For 0, 1, 2, 4 and 8 kept across, then down.
static PLACES: [[Places; 5]; 5] = {
    const fn row(width: u8) -> [Places; 5] {
        [
            Places::new(width, 0),
            Places::new(width, 1),
            Places::new(width, 2),
            Places::new(width, 4),
            Places::new(width, 8),
        ]
    }
    [row(0), row(1), row(2), row(4), row(8)]
};

impl Block {
    /// Where its coefficients go.
    pub(crate) fn places(&self) -> &'static Places {
        Places::of_size(self.keep_width, self.keep_height)
    }
}

/// The picture at a scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) scale: Scale,
    /// Output size.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Interleaved MCUs.
    pub(crate) mcus_x: usize,
    pub(crate) mcus_y: usize,
    /// The largest sampling factors.
    pub(crate) largest_h: usize,
    pub(crate) largest_v: usize,
    pub(crate) planes: Vec<Plane>,
}

/// Output samples of a block: doubled as long as that only saves upsampling (as libjpeg's jdmaster.c, but in each
/// direction by itself).
const fn block_extent(full: usize, factor: usize, largest: usize) -> usize {
    let mut extent = full;
    while extent < 8 && (largest * full).is_multiple_of(factor * extent * 2) {
        extent *= 2;
    }
    extent
}

impl Layout {
    pub(crate) fn new(header: &Header<'_>, scale: Scale, output: Output) -> Self {
        let (h, v) = header.largest_factors();
        let full = scale.block() as usize;
        let (largest_h, largest_v) = (h as usize, v as usize);
        let (width, height) = (header.width as usize, header.height as usize);
        let mcus_x = width.div_ceil(8 * largest_h);
        let mcus_y = height.div_ceil(8 * largest_v);
        let planes = header
            .components
            .iter()
            .enumerate()
            .map(|(i, c)| {
                let (h, v) = (usize::from(c.h), usize::from(c.v));
                let (block_width, block_height) = match output {
                    // As they come: each component at the same fraction of its own size.
                    Output::Planes => (full, full),
                    _ => (block_extent(full, h, largest_h), block_extent(full, v, largest_v)),
                };
                Plane {
                    h,
                    v,
                    block_width,
                    block_height,
                    width: (width * h * block_width).div_ceil(8 * largest_h),
                    height: (height * v * block_height).div_ceil(8 * largest_v),
                    blocks_x: (width * h).div_ceil(8 * largest_h),
                    blocks_y: (height * v).div_ceil(8 * largest_v),
                    padded_x: mcus_x * h,
                    padded_y: mcus_y * v,
                    full_width: (width * h).div_ceil(largest_h),
                    full_height: (height * v).div_ceil(largest_v),
                    wanted: i == 0 || output != Output::Gray8 || header.colour == Colour::Rgb,
                }
            })
            .collect();
        Self {
            scale,
            width: scale.apply(header.width) as usize,
            height: scale.apply(header.height) as usize,
            mcus_x,
            mcus_y,
            largest_h,
            largest_v,
            planes,
        }
    }

    /// Whether the last MCUs of a scan's rows have [cut](Plane::is_cut) blocks, and whether its last row of MCUs has.
    pub(crate) fn cut(&self, scan: &ScanHeader) -> (bool, bool) {
        let planes = || scan.components.iter().map(|c| &self.planes[c.index]);
        (planes().any(Plane::cut_across), planes().any(Plane::cut_down))
    }

    /// The blocks of one MCU of a scan, and the scan's MCUs horizontally and vertically.
    pub(crate) fn mcu(&self, scan: &ScanHeader) -> (Vec<Block>, usize, usize) {
        let alone = scan.components.len() == 1;
        let mut blocks = Vec::with_capacity(10);
        for c in &scan.components {
            let plane = &self.planes[c.index];
            let (h, v) = if alone { (1, 1) } else { (plane.h, plane.v) };
            let kept = plane.kept();
            let (keep_width, keep_height) =
                if kept == 0 { (0, 0) } else { (plane.block_width, plane.block_height) };
            for y in 0..v {
                blocks.extend((0..h).map(|x| Block {
                    component: c.index,
                    x,
                    y,
                    dc: c.dc,
                    ac: c.ac,
                    keep_width,
                    keep_height,
                    stride: if kept == 64 { 64 } else { kept + 1 },
                }));
            }
        }
        match scan.components.as_slice() {
            // A.2.2: a single component's MCU is one block, without padding.
            [only] => (blocks, self.planes[only.index].blocks_x, self.planes[only.index].blocks_y),
            _ => (blocks, self.mcus_x, self.mcus_y),
        }
    }
}
