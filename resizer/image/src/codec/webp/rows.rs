//! From what libwebp has decoded to the rows of a view: cut out, and made smaller.
//!
//! libwebp can scale too, but it fits a picture of any size to the scaled one, so that its pixels drift against the boxes
//! of [`Scale`](crate::view::Scale) where a side is not divisible; here a pixel is the mean of exactly its box, and of
//! what there is of the last one.

use super::ffi::decode::Decoder;
use crate::{
    codec::rows::{RowSink, Samples},
    error::ImageError,
    view::View,
};

/// What a [`View`] takes of a picture, in stored pixels.
#[derive(Clone, Copy)]
struct Part {
    /// Sides of a box.
    by: usize,
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

impl Part {
    fn of(view: &View, width: usize, height: usize) -> Self {
        let by = index(view.scale.divisor());
        Self {
            by,
            left: (index(view.left) * by).min(width),
            right: (index(view.left.saturating_add(view.size.width)).saturating_mul(by)).min(width),
            top: (index(view.top) * by).min(height),
            bottom: (index(view.top.saturating_add(view.size.height)).saturating_mul(by)).min(height),
        }
    }
}

/// A number of pixels as an index.
pub(super) fn index(pixels: u32) -> usize {
    usize::try_from(pixels).unwrap_or(usize::MAX)
}

const MISFIT: ImageError = ImageError::Internal("WebP rows");

/// Makes rows of a view from interleaved rows of the whole picture.
pub(super) struct Reducer {
    part: Part,
    channels: usize,
    height: usize,
    y: usize,
    /// Sums of columns over the rows of a box. With alpha, colour is weighted with it.
    sums: Vec<u32>,
    out: Vec<u8>,
}

impl Reducer {
    /// `channels` is 3, or 4 with alpha.
    pub(super) fn new(view: &View, width: u32, height: u32, channels: usize) -> Self {
        let part = Part::of(view, index(width), index(height));
        let columns = part.right.saturating_sub(part.left);
        let (sums, out) =
            if part.by == 1 { (0, 0) } else { (columns * channels, columns.div_ceil(part.by) * channels) };
        Self { part, channels, height: index(height), y: 0, sums: vec![0; sums], out: vec![0; out] }
    }

    /// Takes the next row of the whole picture.
    pub(super) fn push(&mut self, row: &[u8], sink: &mut dyn RowSink) -> Result<(), ImageError> {
        let Part { by, left, right, top, bottom } = self.part;
        let y = self.y;
        self.y += 1;
        if y < top || y >= bottom {
            return Ok(());
        }
        let row = row.get(left * self.channels..right * self.channels).ok_or(MISFIT)?;
        if by == 1 {
            return sink.rows(Samples::Bits8(row));
        }
        if self.channels == 4 {
            for (sums, pixel) in self.sums.as_chunks_mut::<4>().0.iter_mut().zip(row.as_chunks::<4>().0) {
                let [r, g, b, a] = pixel.map(u32::from);
                let [sum_r, sum_g, sum_b, sum_a] = sums;
                *sum_r += r * a;
                *sum_g += g * a;
                *sum_b += b * a;
                *sum_a += a;
            }
        } else {
            for (sum, &sample) in self.sums.iter_mut().zip(row) {
                *sum += u32::from(sample);
            }
        }
        let rows = y % by + 1;
        if rows < by && y + 1 < self.height {
            return Ok(());
        }
        if self.channels == 4 {
            self.alpha_row(rows);
        } else {
            self.opaque_row(rows);
        }
        self.sums.fill(0);
        sink.rows(Samples::Bits8(&self.out))
    }

    fn opaque_row(&mut self, rows: usize) {
        let out = self.out.as_chunks_mut::<3>().0;
        for (pixel, sums) in out.iter_mut().zip(self.sums.chunks(self.part.by * 3)) {
            let sums = sums.as_chunks::<3>().0;
            let count = count(sums.len() * rows);
            let total = sums.iter().fold([0; 3], |[r, g, b], [x, y, z]| [r + x, g + y, b + z]);
            *pixel = total.map(|sum| mean(sum, count));
        }
    }

    fn alpha_row(&mut self, rows: usize) {
        let out = self.out.as_chunks_mut::<4>().0;
        for (pixel, sums) in out.iter_mut().zip(self.sums.chunks(self.part.by * 4)) {
            let sums = sums.as_chunks::<4>().0;
            let [r, g, b, a] =
                sums.iter().fold([0; 4], |[r, g, b, a], [x, y, z, w]| [r + x, g + y, b + z, a + w]);
            // What cannot be seen has no colour.
            let [r, g, b] = [r, g, b].map(|sum| if a == 0 { 0 } else { mean(sum, a) });
            *pixel = [r, g, b, mean(a, count(sums.len() * rows))];
        }
    }
}

/// Pixels of a box: 64 at most.
fn count(pixels: usize) -> u32 {
    u32::try_from(pixels).unwrap_or(u32::MAX)
}

/// A rounded mean of bytes.
fn mean(sum: u32, weight: u32) -> u8 {
    u8::try_from((sum + weight / 2) / weight.max(1)).unwrap_or(u8::MAX)
}

/// Makes rows of a view at 1/2, 1/4 or 1/8 from the planes of a lossy picture: boxes of luma and of interpolated chroma are
/// averaged first, and then there are fewer pixels to convert.
pub(super) struct PlaneReducer {
    part: Part,
    width: usize,
    height: usize,
    /// The next row of the view, counted from the top of the picture.
    row: usize,
    luma: Vec<u16>,
    chroma: [Vec<u16>; 2],
    out: Vec<u8>,
}

impl PlaneReducer {
    pub(super) fn new(view: &View, width: u32, height: u32) -> Self {
        let (width, height) = (index(width), index(height));
        let part = Part::of(view, width, height);
        let columns = part.right.saturating_sub(part.left);
        Self {
            part,
            width,
            height,
            row: part.top / part.by,
            luma: vec![0; columns],
            chroma: [vec![0; width.div_ceil(2)], vec![0; width.div_ceil(2)]],
            out: vec![0; columns.div_ceil(part.by) * 3],
        }
    }

    /// Makes all rows that can be made of what is decoded.
    pub(super) fn pull(&mut self, source: &Decoder<'_>, sink: &mut dyn RowSink) -> Result<(), ImageError> {
        let Part { by, bottom, .. } = self.part;
        loop {
            let (top, end) = (self.row * by, ((self.row + 1) * by).min(self.height));
            // Chroma is interpolated with the row below.
            if top >= bottom || source.ready() < (end + 2).min(self.height) {
                return Ok(());
            }
            self.row += 1;
            self.sum_luma(source, top, end)?;
            self.sum_chroma(source, top, end)?;
            self.convert(end - top);
            sink.rows(Samples::Bits8(&self.out))?;
        }
    }

    fn sum_luma(&mut self, source: &Decoder<'_>, top: usize, end: usize) -> Result<(), ImageError> {
        self.luma.fill(0);
        for y in top..end {
            let row = source.rows(y, y + 1).get(self.part.left..self.part.right).ok_or(MISFIT)?;
            for (sum, &sample) in self.luma.iter_mut().zip(row) {
                *sum += u16::from(sample);
            }
        }
        Ok(())
    }

    /// Sums of chroma as it is interpolated for each row of a box. A row of pixels weighs 4.
    fn sum_chroma(&mut self, source: &Decoder<'_>, top: usize, end: usize) -> Result<(), ImageError> {
        let first = (top / 2).saturating_sub(1);
        let mut weights = [0_u16; 6];
        interpolate(top, end, self.height, |row, weight| {
            if let Some(sum) = weights.get_mut(row - first) {
                *sum += weight;
            }
        });
        for (plane, sums) in self.chroma.iter_mut().enumerate() {
            sums.fill(0);
            for (row, &weight) in (first..).zip(&weights).filter(|(_, weight)| **weight > 0) {
                let row = source.chroma(plane == 1, row);
                if row.len() != sums.len() {
                    return Err(MISFIT);
                }
                for (sum, &sample) in sums.iter_mut().zip(row) {
                    *sum += weight * u16::from(sample);
                }
            }
        }
        Ok(())
    }

    /// Averages boxes of so many rows, and converts them.
    fn convert(&mut self, rows: usize) {
        let Part { by, left, .. } = self.part;
        let rows = count(rows);
        let out = self.out.as_chunks_mut::<3>().0;
        let [blue, red] = &self.chroma;
        for (place, (pixel, luma)) in out.iter_mut().zip(self.luma.chunks(by)).enumerate() {
            let columns = count(luma.len());
            let x = left + place * by;
            let is_whole = luma.len() == by;
            let luma = fraction(luma.iter().copied().map(u32::from).sum(), columns * rows);
            let chroma = [blue, red].map(|sums| {
                let sum = if is_whole {
                    full(sums, x / 2, by / 2)
                } else {
                    let mut sum = 0;
                    interpolate(x, x + index(columns), self.width, |column, weight| {
                        sum += u32::from(weight) * u32::from(sums.get(column).copied().unwrap_or(0));
                    });
                    sum
                };
                fraction(sum, columns * rows * 16)
            });
            *pixel = rgb(luma, chroma);
        }
    }
}

/// How chroma of half the size is interpolated for the pixels `from..to` of a side: of the nearest sample 3 parts of 4, of
/// the one beyond it 1. Names samples and weights, some more than once.
fn interpolate(from: usize, to: usize, side: usize, mut add: impl FnMut(usize, u16)) {
    let last = side.div_ceil(2).saturating_sub(1);
    for pixel in from..to {
        let nearest = pixel / 2;
        let beyond = if pixel % 2 == 0 { nearest.saturating_sub(1) } else { (nearest + 1).min(last) };
        add(nearest, 3);
        add(beyond, 1);
    }
}

/// The same for the pixels of a whole box, which begins at sample `first` and is `samples` wide: each sample weighs 3 for
/// two pixels and 1 for the two beside them.
fn full(sums: &[u16], first: usize, samples: usize) -> u32 {
    let Some(inside) = sums.get(first..first + samples) else { return 0 };
    let (Some(&start), Some(&end)) = (inside.first(), inside.last()) else { return 0 };
    let before = first.checked_sub(1).and_then(|at| sums.get(at)).copied().unwrap_or(start);
    let after = sums.get(first + samples).copied().unwrap_or(end);
    let all: u32 = inside.iter().copied().map(u32::from).sum();
    all * 8 + u32::from(before) + u32::from(after) - u32::from(start) - u32::from(end)
}

/// A mean of bytes, in 64ths.
fn fraction(sum: u32, weight: u32) -> i32 {
    i32::try_from((sum * 64 + weight / 2) / weight.max(1)).unwrap_or(0)
}

/// Converts means in 64ths (BT.601, luma from 16 to 235), with libwebp's factors: 14 bits behind the point, of which 8
/// are its own; the summands hold the half that rounds.
fn rgb(y: i32, [u, v]: [i32; 2]) -> [u8; 3] {
    const ONE: i32 = 8 + 6;
    let y = 19_077 * y;
    let sums = [
        y + 26_149 * v - (14_234 << ONE),
        y - 6_419 * u - 13_320 * v + (8_708 << ONE),
        y + 33_050 * u - (17_685 << ONE),
    ];
    sums.map(|sum| u8::try_from((sum >> (ONE + 6)).clamp(0, 255)).unwrap_or(0))
}
