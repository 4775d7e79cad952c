//! The exact small picture: a full decode by a decoder that is neither ours nor a peer's (the `image` crate's), sRGB to
//! linear light by the formula of IEC 61966-2-1, premultiplied by alpha, Lanczos3 in `f64` over a support that grows with
//! the factor, weights normalized, clamped, back to sRGB, and not rounded.

use safelight_image::{plan::CropBox, size::Size};

/// A full decode.
pub(crate) struct Decoded {
    width: usize,
    height: usize,
    /// 3, or 4 with alpha, interleaved.
    channels: usize,
    samples: Vec<u16>,
    /// The largest sample: 255 or 65,535.
    top: u16,
}

/// What is averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Light {
    Linear,
    Srgb,
}

/// A small picture of sRGB values from 0 to 1, not premultiplied, with alpha.
pub(crate) struct Reference {
    pub(crate) pixels: Vec<[f64; 4]>,
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Whether a pixel may be transparent.
    pub(crate) alpha: bool,
}

impl Decoded {
    /// Decodes a file.
    pub(crate) fn of(file: &[u8]) -> Self {
        let image = image::load_from_memory(file).expect("a picture");
        let (width, height) = (image.width() as usize, image.height() as usize);
        let color = image.color();
        let alpha = color.has_alpha();
        let deep = color.bytes_per_pixel() / color.channel_count() > 1;
        let wide = |samples: Vec<u8>| samples.into_iter().map(u16::from).collect();
        let samples: Vec<u16> = match (deep, alpha) {
            (true, true) => image.into_rgba16().into_raw(),
            (true, false) => image.into_rgb16().into_raw(),
            (false, true) => wide(image.into_rgba8().into_raw()),
            (false, false) => wide(image.into_rgb8().into_raw()),
        };
        let (channels, top) = (if alpha { 4 } else { 3 }, if deep { u16::MAX } else { 255 });
        Self { width, height, channels, samples, top }
    }

    /// A part of it, made `size` large.
    pub(crate) fn resize(&self, crop: CropBox, size: Size, light: Light) -> Reference {
        let [width, height] = [size.width, size.height].map(|side| side as usize);
        let columns = weights(crop.left, crop.width, width, self.width);
        let rows = weights(crop.top, crop.height, height, self.height);
        let channels = self.channels;
        let top = f64::from(self.top);
        let values: Vec<f64> = (0..=self.top).map(|sample| light.linear(f64::from(sample) / top)).collect();

        // Across, for the rows that any output row weighs.
        let mut narrow = vec![0.0; self.height * width * channels];
        let mut row = vec![0.0; self.width * channels];
        let first = rows.iter().map(|row| row.first).min().unwrap_or(0);
        let last = rows.iter().map(|row| row.first + row.weights.len()).max().unwrap_or(0);
        for y in first..last {
            let source = &self.samples[y * row.len()..][..row.len()];
            for (to, from) in row.chunks_exact_mut(channels).zip(source.chunks_exact(channels)) {
                let alpha = from.get(3).map_or(1.0, |&alpha| f64::from(alpha) / top);
                for (to, &from) in to.iter_mut().zip(&from[..3]) {
                    *to = values[usize::from(from)] * alpha;
                }
                if let Some(to) = to.get_mut(3) {
                    *to = alpha;
                }
            }
            let to = &mut narrow[y * width * channels..][..width * channels];
            for (to, column) in to.chunks_exact_mut(channels).zip(&columns) {
                let mut sums = [0.0; 4];
                let from = row[column.first * channels..].chunks_exact(channels);
                for (from, weight) in from.zip(&column.weights) {
                    for (sum, sample) in sums.iter_mut().zip(from) {
                        *sum += sample * weight;
                    }
                }
                to.copy_from_slice(&sums[..channels]);
            }
        }

        // Down.
        let mut pixels = Vec::with_capacity(width * height);
        let mut sums = vec![0.0; width * channels];
        for row in &rows {
            sums.fill(0.0);
            let lines = narrow[row.first * sums.len()..].chunks_exact(sums.len());
            for (line, weight) in lines.zip(&row.weights) {
                for (sum, sample) in sums.iter_mut().zip(line) {
                    *sum += sample * weight;
                }
            }
            pixels.extend(sums.chunks_exact(channels).map(|sums| light.finish(sums)));
        }
        Reference { pixels, width, height, alpha: channels == 4 }
    }
}

impl Light {
    /// IEC 61966-2-1, from 0 to 1.
    fn linear(self, value: f64) -> f64 {
        match self {
            Self::Srgb => value,
            Self::Linear if value <= 0.040_45 => value / 12.92,
            Self::Linear => ((value + 0.055) / 1.055).powf(2.4),
        }
    }

    fn encode(self, value: f64) -> f64 {
        match self {
            Self::Srgb => value,
            Self::Linear if value <= 0.003_130_8 => value * 12.92,
            Self::Linear => 1.055 * value.powf(1.0 / 2.4) - 0.055,
        }
    }

    /// Alpha divided out, clamped, in sRGB.
    fn finish(self, sums: &[f64]) -> [f64; 4] {
        let alpha = sums.get(3).map_or(1.0, |alpha| alpha.clamp(0.0, 1.0));
        let color = |sum: f64| {
            if alpha > 0.0 { self.encode((sum / alpha).clamp(0.0, 1.0)) } else { 0.0 }
        };
        [color(sums[0]), color(sums[1]), color(sums[2]), alpha]
    }
}

/// The samples that make one output sample.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

/// The taps of every output sample along one axis: `length` samples from `start` become `count`.
fn weights(start: f64, length: f64, count: usize, available: usize) -> Vec<Taps> {
    let scale = length / count as f64;
    let stretch = scale.max(1.0);
    let support = 3.0 * stretch;
    (0..count)
        .map(|index| {
            let center = start + (index as f64 + 0.5) * scale;
            let first = (center - support).floor().max(0.0) as usize;
            let end = ((center + support).ceil() as usize).min(available);
            let mut weights: Vec<f64> =
                (first..end).map(|sample| lanczos3((sample as f64 + 0.5 - center) / stretch)).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            Taps { first, weights }
        })
        .collect()
}

fn lanczos3(x: f64) -> f64 {
    let sinc = |x: f64| {
        let x = x * std::f64::consts::PI;
        if x == 0.0 { 1.0 } else { x.sin() / x }
    };
    if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

/// Holds [`Decoded::resize`] against the definition, written out: every output pixel is the weighted mean of all source
/// pixels of the picture.
pub(crate) fn check() {
    let mut seed = 7_u32;
    let mut random = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u16
    };
    for channels in [3, 4] {
        let (width, height) = (29_usize, 23_usize);
        let samples: Vec<u16> = (0..width * height * channels).map(|_| random()).collect();
        let source = Decoded { width, height, channels, samples, top: 255 };
        let whole = CropBox { left: 0.0, top: 0.0, width: 29.0, height: 23.0 };
        let part = CropBox { left: 3.25, top: 0.0, width: 20.5, height: 23.0 };
        for (crop, columns, rows) in [(whole, 7, 5), (whole, 20, 15), (part, 8, 9), (whole, 29, 23)] {
            for light in [Light::Linear, Light::Srgb] {
                let size = Size { width: columns, height: rows };
                let fast = source.resize(crop, size, light);
                for (index, pixel) in fast.pixels.iter().enumerate() {
                    let (x, y) = (index % columns as usize, index / columns as usize);
                    let expected = direct(&source, crop, size, light, x, y);
                    for (found, expected) in pixel.iter().zip(expected) {
                        let off = (found - expected).abs();
                        assert!(
                            off < 1e-9,
                            "reference at {x},{y} of {columns}×{rows}: {found} for {expected}"
                        );
                    }
                }
            }
        }
    }
}

/// One output pixel by the definition.
fn direct(source: &Decoded, crop: CropBox, size: Size, light: Light, x: usize, y: usize) -> [f64; 4] {
    let kernel = |sample: usize, index: usize, start: f64, length: f64, count: u32| {
        let scale = length / f64::from(count);
        let center = start + (index as f64 + 0.5) * scale;
        lanczos3((sample as f64 + 0.5 - center) / scale.max(1.0))
    };
    let (mut sums, mut total) = ([0.0; 4], 0.0);
    for row in 0..source.height {
        for column in 0..source.width {
            let weight = kernel(column, x, crop.left, crop.width, size.width)
                * kernel(row, y, crop.top, crop.height, size.height);
            let pixel = &source.samples[(row * source.width + column) * source.channels..];
            let value = |channel: usize| f64::from(pixel[channel]) / 255.0;
            let alpha = if source.channels == 4 { value(3) } else { 1.0 };
            for (channel, sum) in sums.iter_mut().take(3).enumerate() {
                let value = value(channel);
                let linear = match light {
                    Light::Srgb => value,
                    Light::Linear if value <= 0.040_45 => value / 12.92,
                    Light::Linear => ((value + 0.055) / 1.055).powf(2.4),
                };
                *sum += weight * linear * alpha;
            }
            sums[3] += weight * alpha;
            total += weight;
        }
    }
    let alpha: f64 = (sums[3] / total).clamp(0.0, 1.0);
    let mut pixel = [0.0, 0.0, 0.0, alpha];
    for (to, sum) in pixel.iter_mut().zip(&sums[..3]) {
        let linear = if alpha > 0.0 { (sum / total / alpha).clamp(0.0, 1.0) } else { 0.0 };
        *to = match light {
            Light::Srgb => linear,
            Light::Linear if linear <= 0.003_130_8 => linear * 12.92,
            Light::Linear => 1.055 * linear.powf(1.0 / 2.4) - 0.055,
        };
    }
    pixel
}
