//! From component planes to rows of pixels: what is upsampled how, when a row is ready, who takes it.

use super::error::Error;
use super::header::Colour;
use super::kernels::Kernels;
use super::layout::{Layout, Plane};
use super::options::Output;
use super::{colour, upsample};
use std::ops::ControlFlow;

/// Rows of the picture, from the top.
#[derive(Debug)]
pub struct Rows<'r> {
    /// The first one's number.
    pub y: u32,
    /// How many.
    pub count: u32,
    /// Bytes of one row.
    pub stride: usize,
    /// `count` × `stride` bytes.
    pub bytes: &'r [u8],
}

/// Rows of one component as it comes.
#[derive(Debug, Clone, Copy)]
pub struct PlaneRows<'r> {
    /// The first one's number.
    pub y: u32,
    /// How many; 0 where the component has fewer MCU rows' worth of samples.
    pub count: u32,
    /// Samples of a row that belong to the picture.
    pub width: u32,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// The rows.
    pub bytes: &'r [u8],
}

/// Who takes the output.
pub(crate) trait Target {
    /// Room for `count` rows of pixels from row `y` on, and the bytes from one to the next.
    fn room(&mut self, y: usize, count: usize) -> (&mut [u8], usize);
    /// The rows are in their places.
    fn rows(&mut self, y: usize, count: usize) -> Result<(), Error>;
    /// Rows of every component.
    fn planes(&mut self, _planes: &[PlaneRows<'_>]) -> Result<(), Error> {
        Ok(())
    }
}

/// The caller's buffer.
pub(crate) struct Slice<'o> {
    pub(crate) bytes: &'o mut [u8],
    pub(crate) stride: usize,
}

impl Target for Slice<'_> {
    fn room(&mut self, y: usize, _count: usize) -> (&mut [u8], usize) {
        (&mut self.bytes[y * self.stride..], self.stride)
    }

    fn rows(&mut self, _y: usize, _count: usize) -> Result<(), Error> {
        Ok(())
    }
}

/// The caller's function for rows of pixels.
pub(crate) struct RowCallback<F> {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stride: usize,
    pub(crate) call: F,
}

#[expect(clippy::cast_possible_truncation, reason = "extents are below 2^16")]
const fn narrow(value: usize) -> u32 {
    value as u32
}

impl<F: FnMut(Rows<'_>) -> ControlFlow<()>> Target for RowCallback<F> {
    fn room(&mut self, _y: usize, count: usize) -> (&mut [u8], usize) {
        (&mut self.bytes[..count * self.stride], self.stride)
    }

    fn rows(&mut self, y: usize, count: usize) -> Result<(), Error> {
        let bytes = &self.bytes[..count * self.stride];
        match (self.call)(Rows { y: narrow(y), count: narrow(count), stride: self.stride, bytes }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

/// The caller's function for planes.
pub(crate) struct PlaneCallback<F>(pub(crate) F);

impl<F: FnMut(&[PlaneRows<'_>]) -> ControlFlow<()>> Target for PlaneCallback<F> {
    fn room(&mut self, _y: usize, _count: usize) -> (&mut [u8], usize) {
        (&mut [], 0)
    }

    fn rows(&mut self, _y: usize, _count: usize) -> Result<(), Error> {
        Ok(())
    }

    fn planes(&mut self, planes: &[PlaneRows<'_>]) -> Result<(), Error> {
        match (self.0)(planes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

/// Samples of a component: a band of rows, or all of them.
#[derive(Debug)]
pub(crate) struct Samples {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stride: usize,
    /// The component's row that the first row here is, plus one: a band keeps the last row of the one before.
    first: usize,
}

/// Rows kept above a band.
const KEPT: usize = 1;

impl Samples {
    /// Bytes of a band, or of the whole plane.
    pub(crate) fn size(plane: &Plane, whole: bool) -> usize {
        let rows = if whole { plane.padded_y * plane.block_height } else { plane.band() };
        (rows + KEPT) * plane.stride()
    }

    pub(crate) fn new(plane: &Plane, whole: bool) -> Self {
        // Mid-gray: blocks that no scan gives have no coefficients.
        Self { bytes: vec![128; Self::size(plane, whole)], stride: plane.stride(), first: 0 }
    }

    /// Where a row of the component starts.
    pub(crate) fn at(&self, row: usize) -> usize {
        (row + KEPT - self.first) * self.stride
    }

    fn row(&self, row: usize, width: usize) -> &[u8] {
        let at = self.at(row);
        &self.bytes[at..at + width]
    }

    /// Makes room for the next band.
    fn advance(&mut self, band: usize) {
        self.bytes.copy_within(band * self.stride..(band + KEPT) * self.stride, 0);
        self.first += band;
    }
}

/// How a component's rows become rows of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Widening {
    Same,
    Triangle,
    Nearest,
}

#[derive(Debug, Clone, Copy)]
struct Way {
    across: Widening,
    down: Widening,
    /// Samples of the component for samples of the picture.
    across_ratio: (usize, usize),
    down_ratio: (usize, usize),
}

/// Makes rows of pixels out of planes.
pub(crate) struct Emitter {
    colour: Colour,
    output: Output,
    ways: Vec<Way>,
    /// Rows of pixels that are out.
    done: usize,
    /// One widened row of each component, and vertical sums.
    widened: Vec<Vec<u8>>,
    sums: Vec<u16>,
    kernels: Kernels,
}

/// Bytes of a pixel.
pub(crate) const fn pixel_bytes(output: Output) -> usize {
    match output {
        Output::Rgb8 => 3,
        Output::Gray8 => 1,
        Output::Cmyk8 => 4,
        Output::Planes => 0,
    }
}

/// Whether these colours can become this output.
pub(crate) const fn possible(colour: Colour, output: Output) -> bool {
    match output {
        Output::Planes => true,
        Output::Rgb8 => matches!(colour, Colour::Gray | Colour::YCbCr | Colour::Rgb),
        Output::Gray8 => matches!(colour, Colour::Gray | Colour::YCbCr | Colour::Rgb),
        Output::Cmyk8 => matches!(colour, Colour::Cmyk | Colour::Ycck),
    }
}

/// Samples beyond a row that vector code may write.
const OVERHANG: usize = 32;

impl Emitter {
    /// Bytes that it allocates.
    pub(crate) fn bytes(layout: &Layout) -> u64 {
        ((layout.width + OVERHANG) * (layout.planes.len() + 2)) as u64
    }

    pub(crate) fn new(layout: &Layout, colour: Colour, output: Output, kernels: Kernels) -> Self {
        let full = layout.scale.block() as usize;
        let ways = layout
            .planes
            .iter()
            .map(|plane| {
                let across_ratio = (plane.h * plane.block_width, layout.largest_h * full);
                let down_ratio = (plane.v * plane.block_height, layout.largest_v * full);
                // libjpeg: no triangle filter at 1/8, nor across fewer than 3 samples, nor mixed with larger factors.
                let fine = full > 1;
                let double = |(num, den): (usize, usize)| den == 2 * num;
                let same = |(num, den): (usize, usize)| den == num;
                let across = if same(across_ratio) {
                    Widening::Same
                } else if double(across_ratio)
                    && fine
                    && plane.width > 2
                    && (same(down_ratio) || double(down_ratio))
                {
                    Widening::Triangle
                } else {
                    Widening::Nearest
                };
                let down = if same(down_ratio) {
                    Widening::Same
                } else if double(down_ratio) && fine && across != Widening::Nearest {
                    Widening::Triangle
                } else {
                    Widening::Nearest
                };
                Way { across, down, across_ratio, down_ratio }
            })
            .collect();
        let width = layout.width + OVERHANG;
        let widened = layout.planes.iter().map(|_| vec![0; width]).collect();
        Self { colour, output, ways, done: 0, widened, sums: vec![0; width], kernels }
    }

    /// Hands out what the planes hold up to MCU row `band` (the last if `last`), and moves band planes on.
    pub(crate) fn emit(
        &mut self,
        layout: &Layout,
        samples: &mut [Samples],
        band: usize,
        last: bool,
        target: &mut dyn Target,
    ) -> Result<(), Error> {
        if self.output == Output::Planes {
            self.emit_planes(layout, samples, band, target)?;
        } else {
            self.emit_pixels(layout, samples, band, last, target)?;
        }
        Ok(())
    }

    /// Makes room for the MCU row behind, in planes that hold one.
    pub(crate) fn advance(layout: &Layout, samples: &mut [Samples]) {
        for (samples, plane) in samples.iter_mut().zip(&layout.planes) {
            samples.advance(plane.band());
        }
    }

    fn emit_planes(
        &self,
        layout: &Layout,
        samples: &[Samples],
        band: usize,
        target: &mut dyn Target,
    ) -> Result<(), Error> {
        let mut planes = [PlaneRows { y: 0, count: 0, width: 0, stride: 0, bytes: &[] }; 4];
        for ((out, samples), plane) in planes.iter_mut().zip(samples).zip(&layout.planes) {
            let from = band * plane.band();
            let count = plane.height.saturating_sub(from).min(plane.band());
            let at = samples.at(from);
            *out = PlaneRows {
                y: narrow(from),
                count: narrow(count),
                width: narrow(plane.width),
                stride: samples.stride,
                bytes: &samples.bytes[at..at + count * samples.stride],
            };
        }
        target.planes(&planes[..layout.planes.len()])
    }

    fn emit_pixels(
        &mut self,
        layout: &Layout,
        samples: &[Samples],
        band: usize,
        last: bool,
        target: &mut dyn Target,
    ) -> Result<(), Error> {
        let rows = layout.largest_v * layout.scale.block() as usize;
        let waits = self.ways.iter().any(|way| way.down == Widening::Triangle);
        let end =
            if last { layout.height } else { ((band + 1) * rows - usize::from(waits)).min(layout.height) };
        let count = end.saturating_sub(self.done);
        if count == 0 {
            return Ok(());
        }
        let from = self.done;
        let (room, stride) = target.room(from, count);
        for (y, out) in (from..end).zip(room.chunks_mut(stride)) {
            self.row(layout, samples, y, &mut out[..layout.width * pixel_bytes(self.output)]);
        }
        self.done = end;
        target.rows(from, count)
    }

    /// One row of pixels.
    fn row(&mut self, layout: &Layout, samples: &[Samples], y: usize, out: &mut [u8]) {
        let width = layout.width;
        for (i, (way, plane)) in self.ways.iter().zip(&layout.planes).enumerate() {
            if plane.wanted && (way.across, way.down) != (Widening::Same, Widening::Same) {
                widen(*way, plane, &samples[i], y, &mut self.widened[i], &mut self.sums, width, self.kernels);
            }
        }
        let row = |i: usize| -> &[u8] {
            let Some(way) = self.ways.get(i) else { return &[] };
            if (way.across, way.down) == (Widening::Same, Widening::Same) {
                samples[i].row(y, width)
            } else {
                &self.widened[i][..width]
            }
        };
        match (self.output, self.colour) {
            (Output::Rgb8, Colour::Gray) => colour::gray_to_rgb(row(0), out),
            (Output::Rgb8, Colour::YCbCr) => self.kernels.ycc_to_rgb(row(0), row(1), row(2), out),
            (Output::Rgb8, _) => colour::interleave([row(0), row(1), row(2)], out),
            (Output::Gray8, Colour::Rgb) => colour::rgb_to_gray([row(0), row(1), row(2)], out),
            (Output::Gray8, _) => out.copy_from_slice(row(0)),
            (Output::Cmyk8, Colour::Ycck) => colour::ycck_to_cmyk([row(0), row(1), row(2), row(3)], out),
            (Output::Cmyk8, _) => colour::interleave([row(0), row(1), row(2), row(3)], out),
            (Output::Planes, _) => {}
        }
    }
}

/// One component's samples for row `y` of the picture.
#[expect(clippy::too_many_arguments, reason = "borrowed from one struct, part by part")]
fn widen(
    way: Way,
    plane: &Plane,
    samples: &Samples,
    y: usize,
    out: &mut [u8],
    sums: &mut [u16],
    width: usize,
    kernels: Kernels,
) {
    let (num, den) = way.down_ratio;
    let own = match way.down {
        Widening::Same => y,
        Widening::Triangle => y / 2,
        Widening::Nearest => (2 * y + 1) * num / (2 * den),
    }
    .min(plane.height - 1);
    // Behind the edge the last row counts again.
    let lower = y % 2 == 1;
    let other = if lower { (own + 1).min(plane.height - 1) } else { own.saturating_sub(1) };
    let near = samples.row(own, plane.width);
    match (way.across, way.down) {
        (Widening::Triangle, Widening::Triangle) => {
            kernels.widen_both(near, samples.row(other, plane.width), sums, out);
        }
        (Widening::Triangle, _) => kernels.widen(near, sums, out),
        (Widening::Same, Widening::Triangle) => {
            upsample::between(near, samples.row(other, plane.width), lower, out);
        }
        (Widening::Same, _) => out[..near.len()].copy_from_slice(near),
        (Widening::Nearest, _) => {
            upsample::nearest(near, way.across_ratio.0, way.across_ratio.1, &mut out[..width])
        }
    }
}
