//! A Gaussian blur of the 8-bit numbers (as CSS `blur()` has it, not of light), with alpha premultiplied and edges repeated.
//!
//! A wide Gaussian is taken of a reduced picture: means of `every` × `every` pixels, blurred by a little less, and
//! interpolated linearly, whose own blur is taken off. The reduced deviation is at least [`LEAST`], for which the difference
//! from a Gaussian of the whole picture is about one level at most (and half a level of rounding). So the work of a pixel and the rows that are held do not grow
//! with the blur.

use std::collections::VecDeque;

use super::{Shape, Step};
use crate::{
    error::ImageError,
    pixels::{Layout, Pixels},
    size::Size,
};

/// The least standard deviation in a reduced picture, in its pixels.
const LEAST: f64 = 4.0;

/// Standard deviations after which the kernel ends: 0.05 % of it is cut off, which is shared out.
const REACH: f64 = 3.5;

/// Standard deviation, in pixels, of a blur of 1.
const DEVIATION: f64 = 0.5;

/// Blurs a picture.
pub(super) struct Blur {
    shape: Shape,
    plan: Plan,
    /// Premultiplied rows that wait for the rest of their group, added up.
    sums: Vec<f32>,
    /// Rows in `sums`.
    summed: usize,
    /// The last row, premultiplied.
    last: Vec<f32>,
    /// Reduced rows, blurred along the row, that a blurred row is made of.
    ring: VecDeque<Vec<f32>>,
    /// The last two reduced rows that are blurred in both directions, and the number of the second: the first row of the
    /// picture is in number 0.
    blurred: [Vec<f32>; 2],
    number: i64,
    /// Rows that are given.
    given: u32,
}

/// The numbers of a blur.
struct Plan {
    /// Pixels that become one.
    every: usize,
    /// The kernel from its middle.
    weights: Vec<f32>,
    /// Pixels of a reduced row. One more is blurred at either end, for what is interpolated there.
    columns: usize,
}

impl Plan {
    fn new(blur: f64, shape: Shape) -> Self {
        let deviation = blur * DEVIATION;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a blur is 0 to 250")]
        let every = (deviation / LEAST).floor().clamp(1.0, 250.0) as u16;
        let by = f64::from(every);
        // Variances: of the mean of so many pixels, and of linear interpolation on average over its positions.
        let mean = (by * by - 1.0) / 12.0;
        let between =
            if every.is_multiple_of(2) { by * by / 6.0 + 1.0 / 12.0 } else { (by * by - 1.0) / 6.0 };
        let reduced = (deviation * deviation - mean - between).max(0.0).sqrt() / by;
        let every = usize::from(every);
        Self { every, weights: weights(reduced), columns: width(shape).div_ceil(every) }
    }

    /// Pixels that the kernel has on either side of its middle.
    fn reach(&self) -> usize {
        self.weights.len().saturating_sub(1)
    }
}

/// A Gaussian's weights from the middle outwards; with those of the other side they are 1 together.
fn weights(deviation: f64) -> Vec<f32> {
    // Below this the pixel beside has a weight of less than 1e-8.
    if deviation < 0.165 {
        return vec![1.0];
    }
    let step = exp_of_minus(1.0 / (2.0 * deviation * deviation));
    let mut weights = vec![1.0_f64];
    // exp(-n² x) from the one before: exp(-(2n - 1) x) is the ratio, which falls by exp(-2 x).
    let (mut weight, mut ratio, mut at) = (1.0, step, 1.0);
    while at <= (deviation * REACH).ceil() {
        weight *= ratio;
        ratio *= step * step;
        at += 1.0;
        weights.push(weight);
    }
    let total = weights.iter().sum::<f64>() * 2.0 - 1.0;
    #[expect(clippy::cast_possible_truncation, reason = "to the nearest")]
    weights.iter().map(|weight| (weight / total) as f32).collect()
}

/// e^-x for x from 0 to 20. Of basic arithmetic alone: the same on every machine, unlike `f64::exp`.
fn exp_of_minus(x: f64) -> f64 {
    let small = x / 1024.0;
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..=8_u8 {
        term *= -small / f64::from(n);
        sum += term;
    }
    for _ in 0..10 {
        sum *= sum;
    }
    sum
}

fn width(shape: Shape) -> usize {
    usize::try_from(shape.size.width).unwrap_or(usize::MAX)
}

impl Blur {
    /// Of a picture of this shape. `blur` is twice the standard deviation in pixels.
    pub(super) fn new(blur: f64, shape: Shape) -> Self {
        Self {
            shape,
            plan: Plan::new(blur, shape),
            sums: Vec::new(),
            summed: 0,
            last: Vec::new(),
            ring: VecDeque::new(),
            blurred: [Vec::new(), Vec::new()],
            number: -2,
            given: 0,
        }
    }

    /// Takes a row, and adds those that are ready to `output`.
    fn take(&mut self, row: &[u8], output: &mut Vec<u8>) {
        let is_first = self.last.is_empty();
        self.last.clear();
        premultiply(row, self.shape.layout, &mut self.last);
        if is_first {
            let first = self.reduced(&self.last, 1.0);
            for _ in 0..=self.plan.reach() {
                self.push(first.clone(), output);
            }
        }
        self.add_last(output);
    }

    /// Adds the last row to its group.
    fn add_last(&mut self, output: &mut Vec<u8>) {
        if self.summed == 0 {
            self.sums.clone_from(&self.last);
        } else {
            self.sums.iter_mut().zip(&self.last).for_each(|(sum, value)| *sum += value);
        }
        self.summed += 1;
        if self.summed == self.plan.every {
            self.summed = 0;
            #[expect(clippy::cast_precision_loss, reason = "at most 250")]
            let row = self.reduced(&self.sums, self.plan.every as f32);
            self.push(row, output);
        }
    }

    /// A reduced row, blurred along it, of the sum of `rows` rows.
    fn reduced(&self, sums: &[f32], rows: f32) -> Vec<f32> {
        let (channels, every, reach) = (self.shape.layout.channels(), self.plan.every, self.plan.reach());
        let beyond = reach + 1;
        let last = sums.len().saturating_sub(channels);
        let (first, last) = (sums.get(..channels).unwrap_or_default(), sums.get(last..).unwrap_or_default());
        let mut means = Vec::with_capacity((self.plan.columns + 2 * beyond) * channels);
        let one = 1.0 / rows;
        for _ in 0..beyond {
            means.extend(first.iter().map(|value| value * one));
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 250")]
        let scale = one / every as f32;
        for group in sums.chunks(every * channels) {
            let missing = (every * channels - group.len()) / channels;
            for channel in 0..channels {
                let own: f32 = group.iter().skip(channel).step_by(channels).sum();
                let edge = last.get(channel).copied().unwrap_or_default();
                #[expect(clippy::cast_precision_loss, reason = "at most 250")]
                means.push((own + edge * missing as f32) * scale);
            }
        }
        for _ in 0..beyond {
            means.extend(last.iter().map(|value| value * one));
        }
        let length = (self.plan.columns + 2) * channels;
        let shifted = |by: usize| means.get(by * channels..).unwrap_or_default();
        convolve(&self.plan.weights, length, |offset| (shifted(reach - offset), shifted(reach + offset)))
    }

    /// Takes a reduced row, and adds the rows that are ready to `output`.
    fn push(&mut self, row: Vec<f32>, output: &mut Vec<u8>) {
        let reach = self.plan.reach();
        let length = row.len();
        self.ring.push_back(row);
        if self.ring.len() <= 2 * reach {
            return;
        }
        let at = |index: usize| self.ring.get(index).map(Vec::as_slice).unwrap_or_default();
        let blurred = convolve(&self.plan.weights, length, |offset| (at(reach - offset), at(reach + offset)));
        self.ring.pop_front();
        self.blurred.swap(0, 1);
        self.number += 1;
        let [_, next] = &mut self.blurred;
        *next = blurred;
        while self.given < self.shape.size.height {
            let (number, part) = self.place(self.given.into());
            if number >= self.number {
                break;
            }
            self.give(part, output);
            self.given += 1;
        }
    }

    /// Where a row or a column lies among the reduced ones: behind which, and how far on the way to the next.
    fn place(&self, index: i64) -> (i64, f32) {
        let every = i64::try_from(self.plan.every).unwrap_or(1);
        let twice = 2 * index + 1 - every;
        let part = twice.rem_euclid(2 * every);
        #[expect(clippy::cast_precision_loss, reason = "at most 500")]
        (twice.div_euclid(2 * every), part as f32 / (2 * every) as f32)
    }

    /// Adds a row to `output`, `part` of the way from the first blurred row to the second.
    fn give(&self, part: f32, output: &mut Vec<u8>) {
        let layout = self.shape.layout;
        let channels = layout.channels();
        let [first, second] = &self.blurred;
        let row: Vec<f32> = first.iter().zip(second).map(|(a, b)| a + (b - a) * part).collect();
        if self.plan.every == 1 {
            // The first is the pixel before the picture.
            let pixels = row.chunks_exact(channels).skip(1).take(self.plan.columns);
            pixels.for_each(|pixel| straighten(pixel, layout, output));
            return;
        }
        let mut pixel = [0.0_f32; 4];
        for column in 0..i64::from(self.shape.size.width) {
            let (number, part) = self.place(column);
            let start = usize::try_from(number + 1).unwrap_or_default() * channels;
            let near = row.get(start..).unwrap_or_default();
            let far = near.get(channels..).unwrap_or_default();
            pixel.iter_mut().zip(near).zip(far).for_each(|((value, a), b)| *value = a + (b - a) * part);
            straighten(pixel.get(..channels).unwrap_or_default(), layout, output);
        }
    }

    fn band(&self, rows: Vec<u8>) -> Result<Option<Pixels>, ImageError> {
        let Shape { size, layout } = self.shape;
        let stride = width(self.shape) * layout.channels();
        match u32::try_from(rows.len() / stride.max(1)) {
            Ok(0) => Ok(None),
            Ok(height) => Pixels::new(Size::new(size.width, height), layout, rows).map(Some),
            Err(_) => Err(ImageError::Internal("blurred rows")),
        }
    }
}

/// Adds up pairs of values, `length` of them, that lie on both sides of the middle.
fn convolve<'r>(weights: &[f32], length: usize, sides: impl Fn(usize) -> (&'r [f32], &'r [f32])) -> Vec<f32> {
    let mut result = vec![0.0; length];
    for (offset, &weight) in weights.iter().enumerate() {
        let (before, behind) = sides(offset);
        if offset == 0 {
            result.iter_mut().zip(before).for_each(|(sum, value)| *sum = value * weight);
        } else {
            let pairs = before.iter().zip(behind);
            result.iter_mut().zip(pairs).for_each(|(sum, (a, b))| *sum += (a + b) * weight);
        }
    }
    result
}

/// Colors times alpha (0 to 1), and alpha, as 0 to 255.
fn premultiply(row: &[u8], layout: Layout, target: &mut Vec<f32>) {
    if !layout.has_alpha() {
        target.extend(row.iter().map(|&value| f32::from(value)));
        return;
    }
    for pixel in row.chunks_exact(layout.channels()) {
        let Some((&alpha, colors)) = pixel.split_last() else { continue };
        let alpha = f32::from(alpha);
        target.extend(colors.iter().map(|&color| f32::from(color) * alpha * (1.0 / 255.0)));
        target.push(alpha);
    }
}

/// The pixel as bytes. What is transparent has no color.
fn straighten(pixel: &[f32], layout: Layout, target: &mut Vec<u8>) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast to u8 stays within it"
    )]
    let rounded = |value: f32| (value + 0.5) as u8;
    match pixel.split_last() {
        Some((&alpha, colors)) if layout.has_alpha() => {
            let scale = if rounded(alpha) == 0 { 0.0 } else { 255.0 / alpha };
            target.extend(colors.iter().map(|color| rounded(color * scale)));
            target.push(rounded(alpha));
        }
        _ => target.extend(pixel.iter().map(|&value| rounded(value))),
    }
}

impl Step for Blur {
    fn output(&self, input: Shape) -> Shape {
        input
    }

    fn memory(&self, input: Shape) -> u64 {
        let reach = self.plan.reach() as u64;
        let (every, columns) = (self.plan.every as u64, self.plan.columns as u64);
        let channels = input.layout.channels() as u64;
        let width = u64::from(input.size.width) * channels;
        // Reduced rows: the ring, two blurred, three in work with what lies beyond their ends.
        let reduced = (columns + 2 * (reach + 1)) * channels * 4 * (2 * reach + 1 + 2 + 3);
        // Sums, the last row, and a row that is interpolated, in a list that doubles.
        let rows = width * 4 * 4;
        // What is given at the end, or when a group is full: in a list that doubles, and once more for the next step.
        let ready = ((reach + 2) * every).min(input.size.height.into()) * width * 3;
        reduced + rows + ready
    }

    fn run(&mut self, band: Pixels) -> Result<Option<Pixels>, ImageError> {
        if band.layout() != self.shape.layout || band.size().width != self.shape.size.width {
            return Err(ImageError::Internal("rows to blur"));
        }
        let mut output = Vec::with_capacity(band.data().len());
        for row in band.rows() {
            self.take(row, &mut output);
        }
        self.band(output)
    }

    fn finish(&mut self) -> Result<Option<Pixels>, ImageError> {
        let mut output = Vec::new();
        if self.last.is_empty() {
            return Ok(None);
        }
        while self.summed > 0 {
            self.add_last(&mut output);
        }
        let beyond = self.reduced(&self.last, 1.0);
        for _ in 0..=self.plan.reach() {
            self.push(beyond.clone(), &mut output);
        }
        self.band(output)
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "test pictures of known sizes"
)]
mod tests {
    use super::*;
    use crate::{
        accept::Accepts,
        cancel::Cancel,
        limits::Limits,
        options::Options,
        pipeline::{Job, process},
        plan::plan,
        probe::probe,
        sample,
    };

    /// Blurs in bands of so many rows.
    fn blurred(pixels: &Pixels, blur: f64, rows: usize) -> Pixels {
        let shape = Shape { size: pixels.size(), layout: pixels.layout() };
        let mut step = Blur::new(blur, shape);
        assert_eq!(step.output(shape), shape);
        let mut data = Vec::new();
        for band in pixels.data().chunks(pixels.stride() * rows) {
            let height = u32::try_from(band.len() / pixels.stride()).unwrap();
            let band = Pixels::new(Size::new(shape.size.width, height), shape.layout, band.to_vec()).unwrap();
            data.extend(step.run(band).unwrap().iter().flat_map(|band| band.data().to_vec()));
        }
        data.extend(step.finish().unwrap().iter().flat_map(|band| band.data().to_vec()));
        Pixels::new(shape.size, shape.layout, data).unwrap()
    }

    /// The same by the definition, in f64, with a kernel of six deviations.
    fn reference(pixels: &Pixels, blur: f64) -> Vec<f64> {
        let (deviation, channels) = (blur / 2.0, pixels.layout().channels());
        let (width, height) = (pixels.size().width as i64, pixels.size().height as i64);
        let reach = (deviation * 6.0).ceil() as i64;
        let weight = |n: i64| (-(n * n) as f64 / (2.0 * deviation * deviation)).exp();
        let total: f64 = (-reach..=reach).map(weight).sum();
        let mut plane: Vec<f64> = pixels.data().iter().map(|&value| f64::from(value)).collect();
        if pixels.layout().has_alpha() {
            for pixel in plane.chunks_exact_mut(channels) {
                let (alpha, colors) = pixel.split_last_mut().unwrap();
                colors.iter_mut().for_each(|color| *color *= *alpha / 255.0);
            }
        }
        for (dx, dy) in [(1, 0), (0, 1)] {
            let source = plane.clone();
            for y in 0..height {
                for x in 0..width {
                    for channel in 0..channels {
                        let at = |n: i64| {
                            let (x, y) =
                                ((x + n * dx).clamp(0, width - 1), (y + n * dy).clamp(0, height - 1));
                            source[(y * width + x) as usize * channels + channel]
                        };
                        let sum: f64 = (-reach..=reach).map(|n| weight(n) * at(n)).sum();
                        plane[(y * width + x) as usize * channels + channel] = sum / total;
                    }
                }
            }
        }
        plane
    }

    /// The largest difference from the reference; of colors as far as they are seen.
    fn error(pixels: &Pixels, blur: f64) -> f64 {
        let (result, reference) = (blurred(pixels, blur, 7), reference(pixels, blur));
        let layout = pixels.layout();
        let (mut premultiplied, mut worst) = (Vec::new(), 0.0_f64);
        premultiply(result.data(), layout, &mut premultiplied);
        for (value, expected) in premultiplied.iter().zip(&reference) {
            worst = worst.max((f64::from(*value) - expected).abs());
        }
        worst
    }

    /// Black and white in bars and blocks, and noise in alpha.
    fn hard(width: u32, height: u32, layout: Layout) -> Pixels {
        let mut state = 1_u32;
        let mut data = Vec::new();
        for y in 0..height {
            for x in 0..width {
                for channel in 0..layout.channels() as u32 {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let bars = if (x / (9 + channel * 4) + y / 23) % 2 == 0 { 255 } else { 0 };
                    data.push(if channel == 3 { (state >> 24) as u8 } else { bars });
                }
            }
        }
        Pixels::new(Size::new(width, height), layout, data).unwrap()
    }

    #[test]
    fn it_is_a_gaussian() {
        for layout in [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba] {
            for blur in [0.1, 0.5, 1.0, 3.0, 6.0, 15.9, 16.0, 17.0, 25.0, 60.0] {
                let error = error(&hard(61, 47, layout), blur);
                assert!(error < 1.5, "{layout:?} {blur}: {error}");
            }
        }
        for blur in [16.0, 24.0, 32.0, 100.0, 250.0] {
            // A single edge, which no other one evens out.
            let data = (0..64 * 48).map(|index| if index % 64 < 21 { 0 } else { 255 }).collect();
            let edge = Pixels::new(Size::new(64, 48), Layout::Gray, data).unwrap();
            let error = error(&edge, blur);
            assert!(error < 1.5, "{blur}: {error}");
        }
    }

    #[test]
    fn bands_do_not_change_it() {
        for layout in [Layout::Gray, Layout::Rgba] {
            let pixels = hard(37, 41, layout);
            for blur in [0.0, 2.5, 20.0, 250.0] {
                let whole = blurred(&pixels, blur, 41);
                for rows in [1, 2, 13, 40] {
                    assert_eq!(blurred(&pixels, blur, rows), whole, "{blur} {rows}");
                }
            }
            assert_eq!(blurred(&pixels, 0.0, 5).data()[..37], {
                let (mut row, mut same) = (Vec::new(), Vec::new());
                premultiply(&pixels.data()[..pixels.stride()], layout, &mut row);
                row.chunks_exact(layout.channels()).for_each(|pixel| straighten(pixel, layout, &mut same));
                same[..37].to_vec()
            });
        }
    }

    #[test]
    fn small_pictures_and_even_ones_stay() {
        for (width, height) in [(1, 1), (1, 5), (7, 1), (2, 3), (200, 2)] {
            for blur in [0.3, 5.0, 40.0, 250.0] {
                let even = Pixels::new(
                    Size::new(width, height),
                    Layout::Rgba,
                    [200, 3, 77, 128].repeat((width * height) as usize),
                )
                .unwrap();
                assert_eq!(blurred(&even, blur, 1), even, "{width}×{height} {blur}");
                let error = error(&hard(width, height, Layout::Rgb), blur);
                assert!(error < 1.75, "{width}×{height} {blur}: {error}");
            }
        }
    }

    #[test]
    fn what_is_transparent_lends_no_color() {
        let data = [[255, 0, 0, 255], [0, 255, 0, 0]].concat().repeat(8);
        let pixels = Pixels::new(Size::new(16, 1), Layout::Rgba, data).unwrap();
        for [r, g, b, a] in blurred(&pixels, 8.0, 1).data().as_chunks::<4>().0 {
            // At the ends half of the kernel sees the outermost pixel.
            assert_eq!(([*r, *g, *b], (60..=195).contains(a)), ([255, 0, 0], true), "{a}");
        }
    }

    /// Behind turning and before the bars: they stay sharp, and the turned picture's edges are repeated, not mixed with them.
    #[test]
    fn it_is_one_of_the_steps() {
        let picture = sample::plain(40, 20, Layout::Rgb, &[200, 50, 100]);
        let file = sample::png(&picture, Some(sample::exif(6)), None);
        let info = probe(&file, &Limits::default()).unwrap();
        let list = "width=30,height=40,fit=pad,background=black,format=png,blur=12";
        let options = Options::parse(list).unwrap();
        let plan = plan(info.size(), &options, &[], &Limits::default()).unwrap();
        let job = Job { options, plan, accepts: Accepts::CLASSIC };
        let mut outputs = Vec::new();
        process(&file, &info, &[job], &Cancel::new(), |_, output| outputs.push(output)).unwrap();
        let shown = image::load_from_memory(&outputs[0].bytes).unwrap().to_rgb8();
        assert_eq!(shown.dimensions(), (30, 40));
        for (x, _, pixel) in shown.enumerate_pixels() {
            let expected = if (5..25).contains(&x) { [200, 50, 100] } else { [0; 3] };
            assert_eq!(pixel.0, expected, "{x}");
        }
    }

    #[test]
    fn memory_is_a_bound_and_small() {
        for (width, height, blur) in [(300, 400, 3.0), (300, 400, 11.0), (300, 900, 250.0), (1, 1, 250.0)] {
            let pixels = hard(width, height, Layout::Rgb);
            let shape = Shape { size: pixels.size(), layout: pixels.layout() };
            let mut step = Blur::new(blur, shape);
            let mut most = 0;
            for row in pixels.rows() {
                let row = Pixels::new(Size::new(width, 1), shape.layout, row.to_vec()).unwrap();
                let ready = step.run(row).unwrap().map_or(0, |band| band.data().len());
                let floats = step.sums.capacity() + step.last.capacity();
                let rows = step.ring.iter().chain(&step.blurred).map(Vec::capacity).sum::<usize>();
                most = most.max((floats + rows) * 4 + ready);
            }
            most = most.max(step.finish().unwrap().map_or(0, |band| band.data().len()));
            assert!(most as u64 <= step.memory(shape), "{most} of {}", step.memory(shape));
        }
        // Of 4,000 × 3,000 pixels in color, which are 36 MB.
        let shape = Shape { size: Size::new(4000, 3000), layout: Layout::Rgb };
        for blur in [1.0, 11.9, 40.0, 250.0] {
            let memory = Blur::new(blur, shape).memory(shape);
            assert!(memory < 24 << 20, "{blur}: {memory}");
        }
    }
}
