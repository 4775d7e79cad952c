//! One row of MCUs as planes of samples: pushed rows are converted into it, edges are repeated.

use super::frame::Frame;
use super::kernel::{self, CHUNK};
use super::settings::{PixelLayout, Sampling};
use crate::common::simd::{Job, Processor, Simd};

/// Samples of one component, top bit flipped (see [`super::kernel`]).
#[derive(Debug, Clone)]
pub(super) struct Plane {
    /// Rows of `stride` bytes.
    pub(super) samples: Vec<u8>,
    /// Bytes from one row to the next.
    pub(super) stride: usize,
}

/// One row of MCUs.
#[derive(Debug)]
pub(super) struct Strip {
    processor: Processor,
    layout: PixelLayout,
    sampling: Sampling,
    width: usize,
    /// Rows of luma.
    height: usize,
    /// One or three.
    pub(super) planes: Vec<Plane>,
    /// Rows of luma converted.
    lines: usize,
    /// 4:2:0 converts rows in pairs: the first of one, until the second comes.
    waiting: Option<Vec<u8>>,
}

impl Strip {
    /// An empty strip.
    pub(super) fn new(processor: Processor, frame: &Frame, layout: PixelLayout, sampling: Sampling) -> Self {
        let sampling = if layout == PixelLayout::Gray8 { Sampling::Full } else { sampling };
        let planes = frame
            .components
            .iter()
            .map(|component| {
                // Colour kernels write whole chunks; the transform reads whole pairs of MCUs.
                let stride = (8 * component.stride).next_multiple_of(CHUNK);
                Plane { samples: vec![0; stride * 8 * component.v], stride }
            })
            .collect();
        let height = frame.strip_height();
        Self { processor, layout, sampling, width: frame.width, height, planes, lines: 0, waiting: None }
    }

    /// Whether every row is there.
    pub(super) fn is_full(&self) -> bool {
        self.lines == self.height
    }

    /// Whether no row is there.
    pub(super) fn is_empty(&self) -> bool {
        self.lines == 0 && self.waiting.is_none()
    }

    /// Starts over.
    pub(super) fn clear(&mut self) {
        self.lines = 0;
    }

    /// Takes as many of the rows as fit and gives how many.
    pub(super) fn push(&mut self, rows: &[u8]) -> usize {
        let row_bytes = self.width * self.layout.bytes();
        let count = rows.len() / row_bytes;
        let row = |i: usize| &rows[i * row_bytes..][..row_bytes];
        let mut at = 0;
        while at < count && !self.is_full() {
            if self.sampling != Sampling::Quarter {
                self.convert([row(at), row(at)]);
                at += 1;
            } else if let Some(first) = self.waiting.take() {
                self.convert([&first, row(at)]);
                at += 1;
            } else if at + 1 < count {
                self.convert([row(at), row(at + 1)]);
                at += 2;
            } else {
                self.waiting = Some(row(at).to_vec());
                at += 1;
            }
        }
        at
    }

    /// Fills the strip below the picture's last row by repeating that row.
    pub(super) fn complete(&mut self) {
        if let Some(last) = self.waiting.take() {
            self.convert([&last, &last]);
        }
        let height = self.height;
        for plane in &mut self.planes {
            let rows = plane.samples.len() / plane.stride;
            let last = (self.lines * rows / height).saturating_sub(1);
            for row in last + 1..rows {
                plane.samples.copy_within(last * plane.stride..(last + 1) * plane.stride, row * plane.stride);
            }
        }
        self.lines = height;
    }

    /// Converts one row, given twice, or the two rows that share a row of chroma.
    fn convert(&mut self, rows: [&[u8]; 2]) {
        let bytes = self.layout.bytes();
        let whole = self.width / CHUNK * CHUNK;
        self.convert_chunks(rows.map(|row| &row[..whole * bytes]), 0);
        if whole < self.width {
            // The rest of the row, its last pixel repeated up to a whole chunk.
            let mut tails = [[0; CHUNK * 4]; 2];
            for (tail, row) in tails.iter_mut().zip(rows) {
                let pixels = row[whole * bytes..].chunks_exact(bytes);
                let last = &row[row.len() - bytes..];
                for (to, from) in tail.chunks_exact_mut(bytes).zip(pixels.chain(core::iter::repeat(last))) {
                    to.copy_from_slice(from);
                }
            }
            let [top, bottom] = &tails;
            self.convert_chunks([&top[..CHUNK * bytes], &bottom[..CHUNK * bytes]], whole);
        }
        self.lines += if self.sampling == Sampling::Quarter { 2 } else { 1 };
    }

    fn convert_chunks(&mut self, rows: [&[u8]; 2], x: usize) {
        let (line, sampling, processor) = (self.lines, self.sampling, self.processor);
        match self.layout {
            PixelLayout::Rgb8 => {
                processor.run(Convert::<3> { planes: &mut self.planes, line, x, sampling, rows })
            }
            PixelLayout::Rgba8 => {
                processor.run(Convert::<4> { planes: &mut self.planes, line, x, sampling, rows })
            }
            PixelLayout::Gray8 => {
                processor.run(Convert::<1> { planes: &mut self.planes, line, x, sampling, rows })
            }
        }
    }
}

/// Conversion of whole chunks from pixel `x` of a line on.
struct Convert<'a, const B: usize> {
    planes: &'a mut [Plane],
    line: usize,
    x: usize,
    sampling: Sampling,
    rows: [&'a [u8]; 2],
}

impl<const B: usize> Job for Convert<'_, B> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { planes, line, x, sampling, rows } = self;
        let ([luma], chroma) = planes.split_at_mut(1) else { return };
        let y = &mut luma.samples[line * luma.stride..];
        let [cb, cr] = chroma else {
            kernel::gray(rows[0], &mut y[x..luma.stride]);
            return;
        };
        let (h, v) = sampling.factors();
        let at = line / v * cb.stride + x / h;
        let end = (line / v + 1) * cb.stride;
        let chroma = [&mut cb.samples[at..end], &mut cr.samples[at..end]];
        match sampling {
            Sampling::Full => kernel::full::<S, B>(simd, rows[0], &mut y[x..luma.stride], chroma),
            Sampling::Half => kernel::half::<S, B>(simd, rows[0], &mut y[x..luma.stride], chroma),
            Sampling::Quarter => {
                let (top, bottom) = y.split_at_mut(luma.stride);
                kernel::quarter::<S, B>(simd, rows, [&mut top[x..], &mut bottom[x..luma.stride]], chroma);
            }
        }
    }
}
