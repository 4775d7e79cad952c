use super::*;
use crate::{
    codec::rows::Samples,
    colour::{Colors, from_light::FromLight, to_light::ToLight},
    options::Light,
    pixels::{Layout, Pixels},
    plan::CropBox,
    sample::{drawing, plain},
    size::Size,
};

/// Resizes the numbers in the file.
fn resample(source: &Pixels, crop: CropBox, size: Size) -> Pixels {
    let (layout, from) = (source.layout(), source.size());
    let axis = |length, from, span, count| Axis { length, from, span, count, boxed: 1 };
    let columns = axis(from.width, crop.left, crop.width, size.width);
    let rows = axis(from.height, crop.top, crop.height, size.height);
    let mut resampler = Resampler::new(Kernel::Lanczos3, &columns, &rows, layout.channels());
    let mut ring = Ring::new(layout.channels(), from.width as usize, resampler.rows_needed());
    let to_light = ToLight::new(&Colors::Srgb, Light::Srgb, layout, false);
    let from_light = FromLight::new(&Colors::Srgb, Light::Srgb, layout);
    let mut data = Vec::new();
    for row in source.rows() {
        ring.push(|planes, plane| to_light.row(Samples::Bits8(row), planes, plane));
        resampler
            .run(&ring, |row| {
                let start = data.len();
                data.resize(start + row.len(), 0);
                from_light.row(&mut row.to_vec(), &mut data[start..]);
                Ok(())
            })
            .unwrap();
    }
    Pixels::new(size, layout, data).unwrap()
}

/// Lanczos3 in floating point, one axis: the definition, windowed sinc over three lobes, widened when shrinking.
fn lanczos(source: &[f64], start: f64, length: f64, count: usize) -> Vec<f64> {
    let kernel = |x: f64| match x.abs() {
        x if x < 1e-12 => 1.0,
        x if x < 3.0 => {
            let x = x * std::f64::consts::PI;
            3.0 * x.sin() * (x / 3.0).sin() / (x * x)
        }
        _ => 0.0,
    };
    let scale = length / count as f64;
    let widened = scale.max(1.0);
    (0..count)
        .map(|index| {
            let centre = start + (index as f64 + 0.5) * scale;
            let weights: Vec<f64> =
                (0..source.len()).map(|at| kernel((at as f64 + 0.5 - centre) / widened)).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter().zip(source).map(|(weight, value)| weight * value).sum::<f64>() / sum
        })
        .collect()
}

/// The reference for one channel of a whole picture.
fn reference(source: &Pixels, channel: usize, crop: CropBox, size: Size) -> Vec<f64> {
    let channels = source.layout().channels();
    let rows: Vec<Vec<f64>> = source
        .rows()
        .map(|row| {
            let values: Vec<f64> =
                row.iter().skip(channel).step_by(channels).map(|&v| f64::from(v)).collect();
            lanczos(&values, crop.left, crop.width, size.width as usize)
        })
        .collect();
    let columns: Vec<Vec<f64>> = (0..size.width as usize)
        .map(|x| {
            let values: Vec<f64> = rows.iter().map(|row| row[x]).collect();
            lanczos(&values, crop.top, crop.height, size.height as usize)
        })
        .collect();
    (0..size.height as usize).flat_map(|y| columns.iter().map(move |column| column[y])).collect()
}

#[test]
fn agrees_with_floating_point_lanczos() {
    let whole = CropBox { left: 0.0, top: 0.0, width: 160.0, height: 120.0 };
    let part = CropBox { left: 13.25, top: 7.5, width: 100.5, height: 90.0 };
    for layout in [Layout::Gray, Layout::Rgb] {
        let source = drawing(160, 120, layout);
        for (crop, size) in [
            (whole, Size::new(50, 37)),
            (whole, Size::new(311, 200)),
            (part, Size::new(40, 36)),
            (part, Size::new(7, 90)),
        ] {
            let found = resample(&source, crop, size);
            for channel in 0..layout.channels() {
                let expected = reference(&source, channel, crop, size);
                let found = found.data().iter().skip(channel).step_by(layout.channels());
                let (mut worst, mut sum) = (0.0f64, 0.0);
                for (found, expected) in found.zip(&expected) {
                    let off = (f64::from(*found) - expected.clamp(0.0, 255.0)).abs();
                    worst = worst.max(off);
                    sum += off;
                }
                // Rounding at the end, and a little in weights and between the passes.
                assert!(worst <= 0.6 && sum / (expected.len() as f64) < 0.3, "{size}: {worst} {sum}");
            }
        }
    }
}

/// Another program's reading of the same filter, in 8 bits.
#[test]
fn agrees_with_fast_image_resize() {
    use fast_image_resize::{
        FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
        images::{Image, ImageRef},
    };
    let source = drawing(160, 120, Layout::Rgb);
    for (crop, size) in [
        (CropBox { left: 0.0, top: 0.0, width: 160.0, height: 120.0 }, Size::new(50, 37)),
        (CropBox { left: 0.0, top: 0.0, width: 160.0, height: 120.0 }, Size::new(311, 200)),
        (CropBox { left: 13.25, top: 7.5, width: 100.5, height: 90.0 }, Size::new(40, 36)),
    ] {
        let view = ImageRef::new(160, 120, source.data(), PixelType::U8x3).unwrap();
        let mut theirs = Image::new(size.width, size.height, PixelType::U8x3);
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
            .use_alpha(false)
            .crop(crop.left, crop.top, crop.width, crop.height);
        Resizer::new().resize(&view, &mut theirs, &options).unwrap();
        let ours = resample(&source, crop, size);
        let differences = ours.data().iter().zip(theirs.buffer()).map(|(a, b)| a.abs_diff(*b));
        // It rounds to 8 bits between the passes.
        assert!(differences.max().unwrap() <= 3, "{size}");
    }
}

#[test]
fn one_colour_stays_one_colour() {
    for (layout, pixel) in [
        (Layout::Gray, &[200][..]),
        (Layout::GrayAlpha, &[255, 255]),
        (Layout::Rgb, &[255, 0, 17]),
        (Layout::Rgba, &[9, 255, 0, 255]),
    ] {
        let source = plain(70, 50, layout, pixel);
        let crop = CropBox { left: 3.3, top: 0.1, width: 60.0, height: 44.4 };
        for size in [Size::new(1, 1), Size::new(13, 7), Size::new(200, 3), Size::new(140, 100)] {
            assert_eq!(resample(&source, crop, size), plain(size.width, size.height, layout, pixel));
        }
    }
}

#[test]
fn invisible_colour_has_no_weight() {
    // Left half opaque red, right half green that nobody sees.
    let row: Vec<u8> = [[255, 0, 0, 255].repeat(20), [0, 255, 0, 0].repeat(20)].concat();
    let source = Pixels::new(Size::new(40, 10), Layout::Rgba, row.repeat(10)).unwrap();
    let whole = CropBox { left: 0.0, top: 0.0, width: 40.0, height: 10.0 };
    let output = resample(&source, whole, Size::new(9, 3));
    for [r, g, _, a] in output.data().as_chunks::<4>().0 {
        assert!(*g == 0 && (*a == 0 || *r >= 254), "{r} {g} {a}");
    }
    assert!(output.is_transparent());
}
