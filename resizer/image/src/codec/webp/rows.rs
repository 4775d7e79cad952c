//! From what libwebp has decoded to the rows of a view: cut out, and made smaller.
//!
//! libwebp can scale too, but it fits a picture of any size to the scaled one, so that its pixels drift against the boxes
//! of [`Scale`](crate::view::Scale) where a side is not divisible; here a pixel is the mean of exactly its box, and of
//! what there is of the last one.

use std::ops::Range;

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
///
/// Rows of whole boxes are made in loops over numbers of 16 bits, which every CPU has vector instructions for. Boxes that the
/// picture's right or lower edge cuts are made one by one.
pub(super) struct PlaneReducer {
    part: Part,
    width: usize,
    height: usize,
    /// The next row of the view, counted from the top of the picture.
    row: usize,
    /// Whole boxes of a row.
    whole: usize,
    /// Sums of two columns each over the rows of a box.
    pairs: Vec<u16>,
    /// Sums of blue and red chroma as it is interpolated for the rows of a box, of which each weighs 4. At both ends what is
    /// there comes twice.
    chroma: [Vec<u16>; 2],
    /// Means of boxes, in 256ths: luma, blue, red.
    means: [Vec<u16>; 3],
    out: Vec<u8>,
}

impl PlaneReducer {
    pub(super) fn new(view: &View, width: u32, height: u32) -> Self {
        let (width, height) = (index(width), index(height));
        let part = Part::of(view, width, height);
        let columns = part.right.saturating_sub(part.left);
        let whole = columns / part.by;
        let chroma = vec![0; width.div_ceil(2) + 2];
        Self {
            part,
            width,
            height,
            row: part.top / part.by,
            whole,
            pairs: vec![0; whole * part.by / 2],
            chroma: [chroma.clone(), chroma],
            means: [vec![0; whole], vec![0; whole], vec![0; whole]],
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
            self.sum_chroma(source, top, end)?;
            let mut made = 0;
            if end - top == by {
                self.sum_luma(source, top, end)?;
                self.average();
                let [luma, blue, red] = &self.means;
                convert(luma, blue, red, &mut self.out);
                made = self.whole;
            }
            for place in made..self.out.len() / 3 {
                let pixel = self.cut_box(source, top..end, place)?;
                self.out.as_chunks_mut().0.get_mut(place).map(|out| *out = pixel).ok_or(MISFIT)?;
            }
            sink.rows(Samples::Bits8(&self.out))?;
        }
    }

    /// Sums of luma over an even number of rows.
    fn sum_luma(&mut self, source: &Decoder<'_>, top: usize, end: usize) -> Result<(), ImageError> {
        self.pairs.fill(0);
        for y in (top..end).step_by(2) {
            let rows = [y, y + 1].map(|y| source.rows(y, y + 1).get(self.part.left..self.part.right));
            let [Some(upper), Some(lower)] = rows else { return Err(MISFIT) };
            let rows = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
            for (sum, (upper, lower)) in self.pairs.iter_mut().zip(rows) {
                let (upper, lower) = (u16::from_le_bytes(*upper), u16::from_le_bytes(*lower));
                *sum += (upper & 0xFF) + (upper >> 8) + (lower & 0xFF) + (lower >> 8);
            }
        }
        Ok(())
    }

    fn sum_chroma(&mut self, source: &Decoder<'_>, top: usize, end: usize) -> Result<(), ImageError> {
        let first = (top / 2).saturating_sub(1);
        let mut weights = [0_u16; 6];
        interpolate(top, end, self.height, |row, weight| {
            if let Some(sum) = weights.get_mut(row - first) {
                *sum += weight;
            }
        });
        for (plane, sums) in self.chroma.iter_mut().enumerate() {
            let [before, sums @ .., after] = &mut sums[..] else { return Err(MISFIT) };
            let row = |place: usize| {
                let row = source.chroma(plane == 1, first + place);
                if row.len() == sums.len() { Ok(row) } else { Err(MISFIT) }
            };
            if let [1, 6, 1, 0, 0, 0] = weights {
                let rows = row(0)?.iter().zip(row(1)?).zip(row(2)?);
                for (sum, ((&above, &same), &below)) in sums.iter_mut().zip(rows) {
                    *sum = u16::from(above) + 6 * u16::from(same) + u16::from(below);
                }
            } else {
                let mut rows = Vec::new();
                for (place, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0) {
                    rows.push((row(place)?, weight));
                }
                sums.fill(0);
                for (row, weight) in rows {
                    for (sum, &sample) in sums.iter_mut().zip(row) {
                        *sum += weight * u16::from(sample);
                    }
                }
            }
            *before = sums.first().copied().unwrap_or(0);
            *after = sums.last().copied().unwrap_or(0);
        }
        Ok(())
    }

    /// Means of whole boxes. The weights of all summands, twice as many of luma and 16 times as many of chroma as a box has
    /// pixels, make 256 with the last factor.
    fn average(&mut self) {
        let Part { by, left, .. } = self.part;
        let [luma, chroma @ ..] = &mut self.means;
        let pairs = &self.pairs[..];
        match by {
            2 => luma.iter_mut().zip(pairs).for_each(|(mean, sum)| *mean = sum * 64),
            4 => luma.iter_mut().zip(pairs.as_chunks().0).for_each(|(mean, [a, b])| *mean = (a + b) * 16),
            _ => {
                let sums = pairs.as_chunks().0;
                luma.iter_mut().zip(sums).for_each(|(mean, [a, b, c, d])| *mean = (a + b + c + d) * 4);
            }
        }
        for (means, sums) in chroma.iter_mut().zip(&self.chroma) {
            // Each sample weighs 3 for the two pixels that it lies in, and 1 for those beside them.
            let from = |at: usize| sums.get(left / 2 + at..).unwrap_or_default();
            match by {
                2 => {
                    let sums = from(0).iter().zip(from(1)).zip(from(2));
                    for (mean, ((before, same), after)) in means.iter_mut().zip(sums) {
                        *mean = (before + 6 * same + after) * 4;
                    }
                }
                4 => {
                    let sums = from(0).as_chunks().0.iter().zip(from(2).as_chunks().0);
                    for (mean, ([before, a], [b, after])) in means.iter_mut().zip(sums) {
                        *mean = before + 7 * (a + b) + after;
                    }
                }
                _ => {
                    for (mean, sums) in means.iter_mut().zip(from(0).windows(6).step_by(4)) {
                        let weighted = sums.iter().zip([1, 7, 8, 8, 7, 1]);
                        // At most 32 times 8160.
                        let sum: u32 = weighted.map(|(&sum, weight)| u32::from(sum) * weight).sum();
                        *mean = u16::try_from((sum + 2) / 4).unwrap_or(u16::MAX);
                    }
                }
            }
        }
    }

    /// A pixel of a box that the picture's edge may cut.
    fn cut_box(&self, source: &Decoder<'_>, rows: Range<usize>, place: usize) -> Result<[u8; 3], ImageError> {
        let Part { by, left, right, .. } = self.part;
        let columns = left + place * by..(left + (place + 1) * by).min(right);
        let pixels = count(rows.len() * columns.len());
        let mut luma = 0;
        for y in rows {
            let row = source.rows(y, y + 1).get(columns.clone()).ok_or(MISFIT)?;
            luma += row.iter().copied().map(u32::from).sum::<u32>();
        }
        let chroma = self.chroma.each_ref().map(|sums| {
            let mut sum = 0;
            interpolate(columns.start, columns.end, self.width, |column, weight| {
                sum += u32::from(weight) * u32::from(sums.get(column + 1).copied().unwrap_or(0));
            });
            fraction(sum, pixels * 16)
        });
        let mut pixel = [0; 3];
        let [blue, red] = chroma;
        convert(&[fraction(luma, pixels)], &[blue], &[red], &mut pixel);
        Ok(pixel)
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

/// A mean of bytes, in 256ths.
fn fraction(sum: u32, weight: u32) -> u16 {
    u16::try_from((sum * 256 + weight / 2) / weight.max(1)).unwrap_or(u16::MAX)
}

/// Converts means in 256ths (BT.601, luma from 16 to 235) as libwebp converts pixels, with its factors: of the products the
/// high 16 bits, which are 64ths; the summands hold the half that rounds.
fn convert(luma: &[u16], blue: &[u16], red: &[u16], out: &mut [u8]) {
    let pixels = out.as_chunks_mut::<3>().0.iter_mut();
    for (pixel, ((&y, &u), &v)) in pixels.zip(luma.iter().zip(blue).zip(red)) {
        let y = high(y, 19_077);
        // The largest sum is 51,919.
        let r = (y + high(v, 26_149)).saturating_sub(14_234);
        let g = (y + 8_708).saturating_sub(high(u, 6_419) + high(v, 13_320));
        let b = (y + high(u, 33_050)).saturating_sub(17_685);
        *pixel = [r, g, b].map(|sum| u8::try_from((sum >> 6).min(255)).unwrap_or(u8::MAX));
    }
}

/// The high half of a product.
fn high(a: u16, b: u16) -> u16 {
    u16::try_from((u32::from(a) * u32::from(b)) >> 16).unwrap_or(u16::MAX)
}
