//! Scaled samples against their definition, in `f64`: the means of boxes of the inverse DCT of a block's lowest
//! frequencies, as many in each direction as there are boxes. And against the means of boxes of the full picture, from which they
//! differ by what would alias: not on smooth pictures, and never by a shift.

use crate::support::{Picture, decode, picture};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use safelight_jpeg::decode::{Decoder, Limits, Options, Output, Scale};
use std::f64::consts::PI;
use std::ops::ControlFlow;

/// Whole MCUs of every layout.
const SIZE: (u32, u32) = (128, 96);

const LAYOUTS: [SamplingFactor; 8] = [
    SamplingFactor::F_1_1,
    SamplingFactor::F_2_1,
    SamplingFactor::F_1_2,
    SamplingFactor::F_2_2,
    SamplingFactor::F_4_1,
    SamplingFactor::F_4_2,
    SamplingFactor::F_1_4,
    SamplingFactor::F_2_4,
];

const SCALES: [Scale; 3] = [Scale::Half, Scale::Quarter, Scale::Eighth];

/// One component's samples.
struct Plane {
    width: usize,
    samples: Vec<f64>,
}

fn encoded(picture: &Picture, sampling: SamplingFactor, quality: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    encoder.set_sampling_factor(sampling);
    encoder.encode(&picture.bytes, picture.width as u16, picture.height as u16, ColorType::Rgb).unwrap();
    file
}

/// The components as they come.
fn planes(file: &[u8], scale: Scale) -> Vec<Plane> {
    let decoder = Decoder::new(file, Limits::default()).unwrap();
    let mut planes: Vec<Plane> = Vec::new();
    let options = Options { scale, output: Output::Planes, ..Options::default() };
    let summary = decoder.planes(&options, |rows| {
        planes.resize_with(rows.len(), || Plane { width: 0, samples: Vec::new() });
        for (plane, rows) in planes.iter_mut().zip(rows) {
            plane.width = rows.width as usize;
            for row in rows.bytes.chunks_exact(rows.stride) {
                plane.samples.extend(row[..plane.width].iter().map(|sample| f64::from(*sample)));
            }
        }
        ControlFlow::Continue(())
    });
    assert_eq!(summary.unwrap().damage, None);
    planes
}

/// The orthonormal DCT's basis: frequency `u` at sample `x` (A.3.3).
fn basis(u: usize, x: usize) -> f64 {
    let norm = if u == 0 { 0.125_f64.sqrt() } else { 0.5 };
    norm * ((2 * x + 1) as f64 * u as f64 * PI / 16.0).cos()
}

/// What takes 8 samples to `count` means of boxes, without the frequencies from `count` on.
fn shrink(count: usize) -> Vec<[f64; 8]> {
    let mean = |u: usize, out: usize| {
        let size = 8 / count;
        (out * size..(out + 1) * size).map(|x| basis(u, x)).sum::<f64>() / size as f64
    };
    let weight = |out: usize, x: usize| (0..count).map(|u| mean(u, out) * basis(u, x)).sum();
    (0..count).map(|out| std::array::from_fn(|x| weight(out, x))).collect()
}

/// The definition, from a component's full samples: `across` and `down` means of each block.
fn defined(full: &Plane, across: usize, down: usize) -> Plane {
    let (columns, rows) = (shrink(across), shrink(down));
    let lines: Vec<Vec<f64>> = full
        .samples
        .chunks_exact(full.width)
        .map(|line| {
            let blocks = line.as_chunks::<8>().0.iter();
            blocks.flat_map(|block| columns.iter().map(|w| dot(w, block))).collect()
        })
        .collect();
    let width = lines[0].len();
    let mut samples = Vec::new();
    for lines in lines.as_chunks::<8>().0 {
        for row in &rows {
            samples.extend((0..width).map(|x| dot(row, &std::array::from_fn(|y| lines[y][x]))));
        }
    }
    Plane { width, samples }
}

fn dot(a: &[f64; 8], b: &[f64; 8]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn decibels(ours: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(ours.len(), wanted.len());
    let square: f64 = ours.iter().zip(wanted).map(|(a, b)| (a - b.clamp(0.0, 255.0)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * ours.len() as f64 / square).log10()
}

/// Without clipped samples, from which coefficients could not be had again.
fn sharp() -> [(&'static str, Picture); 2] {
    let (width, height) = SIZE;
    let mut noise = picture(width, height, 60);
    noise.bytes.iter_mut().for_each(|byte| *byte = 88 + *byte / 4);
    let zone = |phase: f64| {
        move |i: u32| {
            let (x, y) = (f64::from(i % width), f64::from(i / width));
            (128.0 + 40.0 * ((x * x + y * y) / 80.0 + phase).cos()) as u8
        }
    };
    let colours = [zone(0.0), zone(1.0), zone(2.5)];
    let bytes = (0..width * height).flat_map(|i| colours.map(|colour| colour(i))).collect();
    [("noise", noise), ("zone plate", Picture { width, height, channels: 3, bytes })]
}

#[test]
fn scaled_samples_are_those_of_the_definition() {
    for (name, picture) in sharp() {
        for sampling in LAYOUTS {
            let file = encoded(&picture, sampling, 95);
            let full = planes(&file, Scale::Full);
            assert!(
                full.iter().all(|p| p.samples.iter().all(|s| (1.0..255.0).contains(s))),
                "{name}: clipped"
            );
            let header = Decoder::new(&file, Limits::default()).unwrap().header().clone();
            let largest = header.components.iter().fold((1, 1), |l, c| (l.0.max(c.h), l.1.max(c.v)));
            for scale in SCALES {
                let block = 8 / scale.divisor() as usize;
                for (i, (ours, full)) in planes(&file, scale).iter().zip(&full).enumerate() {
                    let near = decibels(&ours.samples, &defined(full, block, block).samples);
                    println!("{name} {sampling:?} 1/{} component {i}: {near:.1} dB", scale.divisor());
                    assert!(near > 55.0, "{name} {sampling:?} {scale:?} component {i}: {near:.1} dB");
                }
                // In pixels, components that need no upsampling have as many means as luma.
                let extents = header.components.iter().map(|c| {
                    let extent = |own, largest| block * usize::from(largest) / usize::from(own);
                    (extent(c.h, largest.0), extent(c.v, largest.1))
                });
                let extents: Vec<_> = extents.collect();
                if extents.iter().all(|(across, down)| across.max(down) <= &8) {
                    let means = full.iter().zip(extents).map(|(full, (x, y))| defined(full, x, y));
                    let [y, cb, cr] = &means.collect::<Vec<_>>()[..] else { panic!("three components") };
                    let wanted: Vec<f64> = (0..y.samples.len())
                        .flat_map(|i| {
                            let (y, cb, cr) = (y.samples[i], cb.samples[i] - 128.0, cr.samples[i] - 128.0);
                            [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb]
                        })
                        .collect();
                    let ours = decode(&file, &Options { scale, ..Options::default() });
                    let ours: Vec<f64> = ours.bytes.into_iter().map(f64::from).collect();
                    let near = decibels(&ours, &wanted);
                    println!("{name} {sampling:?} 1/{} pixels: {near:.1} dB", scale.divisor());
                    assert!(near > 50.0, "{name} {sampling:?} {scale:?} pixels: {near:.1} dB");
                }
            }
        }
    }
}

/// How far `ours` is from `wanted` to the right and down, in pixels: the least squares of the difference over the slope.
fn shift(ours: &Picture, wanted: &Picture) -> (f64, f64) {
    let (width, channels) = (wanted.width as usize, wanted.channels);
    let at = |picture: &Picture, x: usize, y: usize, c: usize| {
        f64::from(picture.bytes[(y * width + x) * channels + c])
    };
    let (mut right, mut down) = ((0.0, 0.0), (0.0, 0.0));
    for y in 1..wanted.height as usize - 1 {
        for x in 1..width - 1 {
            for c in 0..channels {
                let difference = at(wanted, x, y, c) - at(ours, x, y, c);
                let across = (at(wanted, x + 1, y, c) - at(wanted, x - 1, y, c)) / 2.0;
                let along = (at(wanted, x, y + 1, c) - at(wanted, x, y - 1, c)) / 2.0;
                right = (right.0 + difference * across, right.1 + across * across);
                down = (down.0 + difference * along, down.1 + along * along);
            }
        }
    }
    (right.0 / right.1, down.0 / down.1)
}

#[test]
fn smooth_pictures_are_means_of_boxes_and_nothing_is_shifted() {
    for (width, height) in [(192, 160), (187, 149)] {
        let smooth = picture(width, height, 3);
        for sampling in LAYOUTS {
            let file = encoded(&smooth, sampling, 92);
            let full = decode(&file, &Options::default());
            for scale in SCALES {
                let ours = decode(&file, &Options { scale, ..Options::default() });
                let means = full.boxes(scale.divisor());
                let (near, brighter) = ours.difference(&means);
                let (right, down) = shift(&ours, &means);
                let what = format!("{width}x{height} {sampling:?} 1/{}", scale.divisor());
                println!("{what}: {near:.1} dB, {brighter:.2} brighter, {right:.4} right, {down:.4} down");
                assert!(near > 45.0, "{what}: {near:.1} dB");
                // The means here are rounded up from halves, that is by an eighth at 1/2.
                assert!(brighter.abs() < 0.25, "{what}: brighter by {brighter:.2}");
                assert!(right.abs().max(down.abs()) < 0.02, "{what}: {right:.4} right, {down:.4} down");
            }
        }
    }
}
