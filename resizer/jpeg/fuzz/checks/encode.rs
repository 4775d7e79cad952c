//! What the fuzz target for the encoder checks, as plain functions: `tests/encode` runs them too, on the files it keeps.

use safelight_jpeg::decode::{Colour, Decoder, Limits, Options, Output};
use safelight_jpeg::encode::{
    Effort, Encoder, Huffman, Instructions, PixelLayout, Process, Sampling, Settings, Steps, encode as whole,
};
use std::ops::ControlFlow;
use zune_core::bytestream::ZCursor;

/// Bytes of an input before its pixels.
const HEAD: usize = 9;
/// Most pixels of a picture.
const PIXELS: usize = if cfg!(miri) { 256 } else { 8192 };
/// How far a coefficient may be off beside its rounding to a level: the transform's own error, and what the rounding
/// is biased by; in units of the orthonormal DCT.
const TRANSFORM_ERROR: f32 = 0.25;
/// How far a sample may be off for other reasons: colour conversion and inverse DCT, each rounded.
const SAMPLE_ERROR: f32 = 1.5;

/// A picture and how to encode it, read from arbitrary bytes.
struct Input<'d> {
    settings: Settings<'d>,
    layout: PixelLayout,
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    /// Rows that are pushed at once.
    portion: usize,
}

impl<'d> Input<'d> {
    /// `None` where bytes are missing.
    fn new(data: &'d [u8]) -> Option<Self> {
        let (head, rest) = data.split_at_checked(HEAD)?;
        let pick = |shift: u32, count: u8| head[1] >> shift & (count - 1);
        let layout = [PixelLayout::Rgb8, PixelLayout::Rgba8, PixelLayout::Gray8][usize::from(head[2]) % 3];
        let width = usize::from(head[3]) + 1;
        let height = (usize::from(head[4]) + 1).min(PIXELS / width);
        let metadata =
            |bit: u8| (head[7] & bit != 0).then(|| &rest[..rest.len().min(usize::from(head[7] >> 2))]);
        let settings = Settings {
            quality: head[0] % 100 + 1,
            steps: [Steps::Standard, Steps::Robidoux][usize::from(pick(0, 2))],
            sampling: [Sampling::Full, Sampling::Half, Sampling::Quarter, Sampling::Quarter]
                [usize::from(pick(1, 4))],
            huffman: [Huffman::Standard, Huffman::Optimised, Huffman::Trained, Huffman::Bounded]
                [usize::from(pick(3, 2) | pick(6, 2) << 1)],
            process: [Process::Baseline, Process::Progressive][usize::from(pick(4, 2))],
            effort: [Effort::Plain, Effort::Trellis][usize::from(pick(5, 2))],
            restart_interval: u16::from_le_bytes([head[5], head[6]]),
            icc: metadata(1).filter(|profile| !profile.is_empty()),
            exif: metadata(2),
            instructions: Instructions::Detect,
        };
        let pixels = rest.iter().chain(&[0]).copied().cycle().take(width * height * layout.bytes()).collect();
        Some(Self { settings, layout, width, height, pixels, portion: usize::from(head[8]) + 1 })
    }

    fn encode(&self, settings: &Settings<'_>) -> Vec<u8> {
        whole(&self.pixels, self.width as u32, self.height as u32, self.layout, settings)
            .expect("valid settings")
    }
}

/// Encodes, and reads the file with two decoders.
pub fn encode(data: &[u8]) {
    let Some(input) = Input::new(data) else { return };
    let (settings, size) = (&input.settings, (input.width as u32, input.height as u32));
    let file = input.encode(settings);
    let portable = input.encode(&Settings { instructions: Instructions::Portable, ..*settings });
    assert!(file == portable, "paths differ");
    let mut encoder =
        Encoder::new(Vec::new(), size.0, size.1, input.layout, settings).expect("valid settings");
    for rows in input.pixels.chunks(input.portion * input.width * input.layout.bytes()) {
        encoder.push_rows(rows).expect("whole rows");
    }
    assert!(encoder.finish().expect("every row") == file, "portions differ");

    let decoder = Decoder::new(&file, Limits::default()).expect("a header");
    let header = decoder.header();
    assert_eq!((header.width, header.height), size);
    assert_eq!(header.progressive, settings.process == Process::Progressive);
    assert_eq!(header.restart_interval, settings.restart_interval);
    let gray = input.layout == PixelLayout::Gray8;
    assert_eq!(header.colour, if gray { Colour::Gray } else { Colour::YCbCr });
    let exif = header.app1().next().map(|payload| &payload[6..]);
    assert_eq!(exif, settings.exif);
    let icc = header.app2().next().map(|payload| &payload[14..]);
    assert_eq!(icc, settings.icc);

    let decoded = pixels(&file);
    if settings.effort == Effort::Plain {
        // Tables, scans and restart markers are only other ways to write the same levels.
        let simple = Settings {
            huffman: Huffman::Standard,
            process: Process::Baseline,
            restart_interval: 0,
            ..*settings
        };
        assert!(decoded == pixels(&input.encode(&simple)), "another way to write it gives other pixels");
    }
    near(&input, &decoder);

    let mut zune = zune_jpeg::JpegDecoder::new(ZCursor::new(&file));
    zune.decode().expect("zune-jpeg decodes it");
    assert_eq!(zune.dimensions(), Some((input.width, input.height)));
}

/// The pixels of an undamaged file.
fn pixels(file: &[u8]) -> Vec<u8> {
    let decoder = Decoder::new(file, Limits::default()).expect("a header");
    let mut pixels = Vec::new();
    let options = Options::default();
    decoder
        .rows(&options, |rows| {
            pixels.extend_from_slice(rows.bytes);
            ControlFlow::Continue(())
        })
        .expect("an undamaged file");
    pixels
}

/// Every block of every component is as near to the picture as its quantisation steps allow. The DCT is orthonormal:
/// the error of a block's samples is that of its coefficients, each at most half a step off, root of the sum of
/// squares; what lies outside the picture only takes a part of it away. The trellis may leave out a coefficient
/// altogether.
fn near(input: &Input<'_>, decoder: &Decoder<'_>) {
    let mut planes: Vec<Plane> = decoder.header().components.iter().map(|_| Plane::default()).collect();
    let options = Options { output: Output::Planes, ..Options::default() };
    decoder
        .planes(&options, |rows| {
            for (plane, rows) in planes.iter_mut().zip(rows) {
                plane.width = rows.width as usize;
                for row in rows.bytes.chunks(rows.stride).take(rows.count as usize) {
                    plane.samples.extend(row[..plane.width].iter().map(|&sample| f32::from(sample)));
                }
            }
            ControlFlow::Continue(())
        })
        .expect("an undamaged file");
    let steps: Vec<&[u8]> = decoder.header().segments(0xDB).map(|table| &table[1..65]).collect();
    let (h, v) = match (input.layout, input.settings.sampling) {
        (PixelLayout::Gray8, _) | (_, Sampling::Full) => (1, 1),
        (_, Sampling::Half) => (2, 1),
        (_, Sampling::Quarter) => (2, 2),
    };
    for (index, plane) in planes.iter().enumerate() {
        let expected = if index == 0 { input.plane(0, 1, 1) } else { input.plane(index, h, v) };
        assert_eq!((plane.width, plane.samples.len()), (expected.width, expected.samples.len()));
        let steps = steps[usize::from(index > 0)];
        let rounding =
            steps.iter().map(|&step| (f32::from(step) / 2.0 + TRANSFORM_ERROR).powi(2)).sum::<f32>();
        for y in (0..plane.height()).step_by(8) {
            for x in (0..plane.width).step_by(8) {
                let (ours, theirs) = (expected.block(x, y), plane.block(x, y));
                let count = ours.len() as f32;
                let mut most = rounding.sqrt() + SAMPLE_ERROR * 8.0;
                if input.settings.effort == Effort::Trellis {
                    if count < 64.0 {
                        continue;
                    }
                    let mean = ours.iter().sum::<f32>() / count;
                    most += ours.iter().map(|sample| (sample - mean).powi(2)).sum::<f32>().sqrt();
                }
                let error = ours.iter().zip(&theirs).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
                assert!(
                    error <= most,
                    "component {index}, block at {x}, {y}: {error} where {most} are allowed"
                );
            }
        }
    }
}

/// Samples of a component.
#[derive(Default)]
struct Plane {
    width: usize,
    samples: Vec<f32>,
}

impl Plane {
    fn height(&self) -> usize {
        self.samples.len() / self.width
    }

    /// The samples of a block that are in the picture.
    fn block(&self, x: usize, y: usize) -> Vec<f32> {
        let rows = self.samples.chunks(self.width).skip(y).take(8);
        rows.flat_map(|row| &row[x..row.len().min(x + 8)]).copied().collect()
    }
}

impl Input<'_> {
    /// A component as it should be: JFIF's conversion, means of `h` × `v` pixels, the last ones repeated.
    fn plane(&self, index: usize, h: usize, v: usize) -> Plane {
        let (width, height) = (self.width.div_ceil(h), self.height.div_ceil(v));
        let mut samples = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let mut sum = 0.0;
                for (dx, dy) in (0..h * v).map(|i| (i % h, i / h)) {
                    let (x, y) = ((x * h + dx).min(self.width - 1), (y * v + dy).min(self.height - 1));
                    let pixel = &self.pixels[(y * self.width + x) * self.layout.bytes()..];
                    let [r, g, b] = match self.layout {
                        PixelLayout::Gray8 => [pixel[0]; 3],
                        _ => [pixel[0], pixel[1], pixel[2]],
                    }
                    .map(f32::from);
                    sum += match index {
                        0 => 0.299 * r + 0.587 * g + 0.114 * b,
                        1 => 128.0 - 0.168_736 * r - 0.331_264 * g + 0.5 * b,
                        _ => 128.0 + 0.5 * r - 0.418_688 * g - 0.081_312 * b,
                    };
                }
                samples.push(sum / (h * v) as f32);
            }
        }
        Plane { width, samples }
    }
}
