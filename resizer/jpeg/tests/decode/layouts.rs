//! Every layout at every scale: equal to djpeg at 1/1, as good as it at the others.

use crate::support::{Picture, cjpeg, decode, djpeg, picture, tools};
use safelight_jpeg::decode::{Colour, Decoder, Limits, Options, Output, Scale};

/// Sampling factors as cjpeg takes them.
const LAYOUTS: [&str; 14] = [
    "1x1",
    "2x1",
    "1x2",
    "2x2",
    "4x1",
    "1x4",
    "4x2",
    "2x4",
    "3x1,1x1,1x1",
    "1x3,1x1,1x1",
    "3x2,1x1,1x2",
    "2x2,2x1,1x2",
    "1x1,2x2,1x1",
    "4x1,2x1,1x2",
];

fn options(scale: Scale, output: Output) -> Options<'static> {
    Options { scale, output, ..Options::default() }
}

/// Compares with djpeg at every scale; how many comparisons.
fn compare(file: &[u8], what: &str, output: Output) -> usize {
    for scale in Scale::ALL {
        let (ours, theirs) = (decode(file, &options(scale, output)), djpeg(file, scale));
        if scale == Scale::Full {
            assert!(ours == theirs, "{what}: differs from djpeg");
        } else if ours.width.min(ours.height) >= 16 {
            // libjpeg repeats chroma samples of 4:2:2 and the like at reduced scales, where this crate transforms them
            // to full size: there the mean of the full picture's pixels is the measure.
            let (psnr, mean) = ours.difference(&theirs);
            let (psnr, mean) = if psnr >= 45.0 {
                (psnr, mean)
            } else {
                let full = decode(file, &options(Scale::Full, output));
                ours.difference(&full.boxes(scale.divisor()))
            };
            // Chroma at a third of luma's size is repeated, here as there.
            let least = if what.contains("3x") || what.contains("x3") { 38.0 } else { 45.0 };
            assert!(psnr >= least && mean.abs() < 0.25, "{what} {scale:?}: {psnr:.1} dB, mean {mean:.2}");
        }
    }
    Scale::ALL.len()
}

#[test]
fn every_layout_equals_djpeg() {
    if !tools() {
        return;
    }
    let picture = picture(331, 213, 6);
    let mut count = 0;
    for layout in LAYOUTS {
        for mode in ["", "-progressive", "-optimize", "-restart 1", "-restart 5B", "-progressive -restart 3B"]
        {
            let arguments = format!("-quality 85 -sample {layout} {mode}");
            count += compare(&cjpeg(&picture, &arguments), &arguments, Output::Rgb8);
        }
    }
    for mode in
        ["-grayscale", "-grayscale -progressive", "-rgb", "-rgb -progressive", "-rgb -sample 2x2,1x1,1x1"]
    {
        let output = if mode.contains("gray") { Output::Gray8 } else { Output::Rgb8 };
        count += compare(&cjpeg(&picture, mode), mode, output);
    }
    println!("{count} pictures compared");
}

#[test]
fn every_quality_equals_djpeg() {
    if !tools() {
        return;
    }
    let picture = picture(120, 88, 40);
    for quality in 1..=100 {
        for mode in ["", "-progressive", "-sample 1x1 -optimize"] {
            let file = cjpeg(&picture, &format!("-quality {quality} {mode}"));
            assert!(
                decode(&file, &options(Scale::Full, Output::Rgb8)) == djpeg(&file, Scale::Full),
                "quality {quality} {mode}"
            );
        }
    }
}

#[test]
fn every_size_equals_djpeg() {
    if !tools() {
        return;
    }
    let sizes = (1..=18).chain([31, 32, 33, 47, 63, 64, 65, 67]);
    for width in sizes {
        for height in [1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 131] {
            let picture = picture(width, height, 20);
            for mode in ["-sample 2x2", "-sample 2x1 -progressive", "-sample 1x2 -restart 1", "-sample 1x1"] {
                let file = cjpeg(&picture, mode);
                let what = format!("{width}×{height} {mode}");
                compare(&file, &what, Output::Rgb8);
            }
        }
    }
}

#[test]
fn scans_of_single_components_equal_djpeg() {
    if !tools() {
        return;
    }
    let folder = std::env::temp_dir().join(format!("safelight-jpeg-scans-{}", std::process::id()));
    let picture = picture(203, 157, 6);
    for (i, script) in ["0; 1; 2;", "2; 0; 1;", "0 1; 2;", "0; 1 2;"].iter().enumerate() {
        let path = folder.with_extension(i.to_string());
        std::fs::write(&path, script).unwrap();
        for layout in ["2x2", "2x1", "1x1", "3x2,1x1,1x2"] {
            let arguments = format!("-sample {layout} -scans {} -restart 7B", path.display());
            let file = cjpeg(&picture, &arguments);
            assert!(!Decoder::new(&file, Limits::default()).unwrap().header().interleaved);
            compare(&file, &arguments, Output::Rgb8);
        }
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_large_picture_equals_djpeg() {
    if !tools() {
        return;
    }
    let picture = picture(2100, 1300, 12);
    for arguments in
        ["-quality 92", "-quality 75 -restart 2", "-quality 75 -restart 900B", "-quality 92 -progressive"]
    {
        compare(&cjpeg(&picture, arguments), arguments, Output::Rgb8);
    }
}

/// Files of an encoder in Rust, read by a decoder in Rust: no program of libjpeg's is needed.
#[test]
fn the_image_crate_agrees() {
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
    let picture = picture(301, 127, 10);
    for sampling in
        [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2, SamplingFactor::F_4_1]
    {
        for (progressive, optimised, restart) in
            [(false, false, 0), (true, false, 0), (true, false, 5), (false, false, 1), (false, true, 0)]
        {
            let mut file = Vec::new();
            let mut encoder = Encoder::new(&mut file, 85);
            encoder.set_sampling_factor(sampling);
            encoder.set_progressive(progressive);
            encoder.set_optimized_huffman_tables(optimised);
            encoder.set_restart_interval(restart);
            let (width, height) = (picture.width as u16, picture.height as u16);
            encoder.encode(&picture.bytes, width, height, ColorType::Rgb).unwrap();
            let theirs = image::load_from_memory(&file).unwrap().to_rgb8().into_raw();
            let ours = decode(&file, &options(Scale::Full, Output::Rgb8));
            if optimised && sampling != SamplingFactor::F_1_1 {
                // One scan a component: zune-jpeg 0.5.15 gets these wrong, and djpeg agrees with us.
                continue;
            }
            let (psnr, mean) = ours.difference(&Picture { bytes: theirs, ..ours.clone() });
            // The same file, another inverse DCT and another filter for chroma.
            assert!(
                psnr > 44.0 && mean.abs() < 0.3,
                "{sampling:?} {progressive} {optimised} {restart}: {psnr:.1} dB, {mean:.2}"
            );
        }
    }
}

#[test]
fn four_components_come_as_stored() {
    use jpeg_encoder::{ColorType, Encoder};
    use zune_core::colorspace::ColorSpace;
    use zune_core::options::DecoderOptions;
    let (width, height) = (75_u16, 58_u16);
    let rgb = picture(width.into(), height.into(), 0);
    let inks: Vec<u8> = rgb.bytes.chunks(3).flat_map(|p| [p[0], p[1], p[2], p[0] / 2 + 40]).collect();
    for (kind, colour) in [(ColorType::Cmyk, Colour::Cmyk), (ColorType::CmykAsYcck, Colour::Ycck)] {
        let mut file = Vec::new();
        Encoder::new(&mut file, 95).encode(&inks, width, height, kind).unwrap();
        let decoder = Decoder::new(&file, Limits::default()).unwrap();
        assert_eq!(decoder.header().colour, colour);
        let ours = decode(&file, &options(Scale::Full, Output::Cmyk8));
        if kind == ColorType::CmykAsYcck {
            // zune-jpeg does not make CMYK of it. The encoder stores inks inverted, as Adobe does.
            let stored = inks.iter().map(|ink| 255 - ink).collect();
            let (psnr, mean) = ours.difference(&Picture { bytes: stored, ..ours.clone() });
            assert!(psnr > 34.0 && mean.abs() < 0.5, "{kind:?}: {psnr:.1} dB, mean {mean:.2}");
            continue;
        }
        let settings = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::CMYK);
        let mut zune = zune_jpeg::JpegDecoder::new_with_options(std::io::Cursor::new(&file), settings);
        let theirs = zune.decode().unwrap();
        let (psnr, mean) = ours.difference(&Picture { bytes: theirs, ..ours.clone() });
        assert!(psnr > 40.0 && mean.abs() < 0.5, "{kind:?}: {psnr:.1} dB, mean {mean:.2}");
        for scale in Scale::ALL {
            decode(&file, &options(scale, Output::Cmyk8));
        }
        assert!(decoder.picture(&options(Scale::Full, Output::Rgb8), &mut [0; 1 << 16], 300).is_err());
    }
}

#[test]
fn planes_and_rows_are_the_picture() {
    if !tools() {
        return;
    }
    let made = picture(150, 101, 4);
    for mode in ["-sample 2x2", "-sample 2x1 -progressive", "-grayscale"] {
        let file = cjpeg(&made, mode);
        let decoder = Decoder::new(&file, Limits::default()).unwrap();
        for scale in Scale::ALL {
            let whole = decode(&file, &options(scale, Output::Gray8));
            let mut luma = Vec::new();
            decoder
                .planes(&options(scale, Output::Planes), |planes| {
                    assert_eq!(luma.len(), planes[0].y as usize * whole.width as usize);
                    for row in planes[0].bytes.chunks(planes[0].stride) {
                        luma.extend_from_slice(&row[..planes[0].width as usize]);
                    }
                    std::ops::ControlFlow::Continue(())
                })
                .unwrap();
            assert!(luma == whole.bytes, "{mode} {scale:?}");
            let whole = decode(&file, &options(scale, Output::Rgb8));
            let mut rows = Vec::new();
            decoder
                .rows(&options(scale, Output::Rgb8), |band| {
                    assert_eq!(rows.len(), band.y as usize * band.stride);
                    rows.extend_from_slice(band.bytes);
                    std::ops::ControlFlow::Continue(())
                })
                .unwrap();
            assert!(rows == whole.bytes, "{mode} {scale:?}");
        }
    }
}
