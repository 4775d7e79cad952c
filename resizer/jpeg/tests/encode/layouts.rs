//! Every layout, size, quality, table, process and restart interval.

use super::decoders::{with_both, with_image};
use super::pictures::{picture, psnr, smooth};
use super::*;

/// Sizes around blocks and MCUs, and the smallest.
const SIZES: [(u32, u32); 14] = [
    (1, 1),
    (1, 9),
    (7, 1),
    (2, 2),
    (8, 8),
    (9, 8),
    (15, 17),
    (16, 16),
    (17, 16),
    (31, 33),
    (32, 16),
    (33, 15),
    (64, 48),
    (67, 131),
];

fn settings() -> Vec<Settings<'static>> {
    let mut all = Vec::new();
    for sampling in SAMPLINGS {
        for (huffman, process, effort) in [
            (Huffman::Standard, Process::Baseline, Effort::Plain),
            (Huffman::Optimised, Process::Baseline, Effort::Plain),
            (Huffman::Standard, Process::Progressive, Effort::Plain),
            (Huffman::Optimised, Process::Baseline, Effort::Trellis),
            (Huffman::Trained, Process::Baseline, Effort::Plain),
            (Huffman::Trained, Process::Baseline, Effort::Trellis),
            (Huffman::Bounded, Process::Baseline, Effort::Plain),
            (Huffman::Bounded, Process::Baseline, Effort::Trellis),
            (Huffman::Optimised, Process::Progressive, Effort::Trellis),
            (Huffman::Optimised, Process::ProgressiveBest, Effort::Plain),
            (Huffman::Optimised, Process::ProgressiveBest, Effort::Trellis),
        ] {
            all.push(Settings { sampling, huffman, process, effort, quality: 90, ..Settings::default() });
        }
    }
    all
}

#[test]
fn every_kind_and_size_decodes_to_the_picture() {
    for (width, height) in SIZES {
        let pixels = smooth(width as usize, height as usize);
        for settings in settings() {
            let file = encode(&pixels, width, height, PixelLayout::Rgb8, &settings).unwrap();
            let (w, h, decoded) = with_both(&file);
            assert_eq!((w, h), (width, height));
            let quality = psnr(&decoded, &pixels);
            assert!(quality > 34.0, "{width}x{height} {settings:?}: {quality} dB");
        }
    }
}

#[test]
fn alpha_is_ignored_and_gray_has_one_component() {
    for (width, height) in SIZES {
        let (w, h) = (width as usize, height as usize);
        let rgba = picture(w, h, 4);
        let rgb: Vec<u8> = rgba.chunks(4).flat_map(|pixel| &pixel[..3]).copied().collect();
        let gray = picture(w, h, 1);
        for settings in settings() {
            let a = encode(&rgba, width, height, PixelLayout::Rgba8, &settings).unwrap();
            let b = encode(&rgb, width, height, PixelLayout::Rgb8, &settings).unwrap();
            assert!(a == b, "{width}x{height} {settings:?}");
        }
        for settings in settings().into_iter().take(9) {
            let file = encode(&gray, width, height, PixelLayout::Gray8, &settings).unwrap();
            let (_, _, decoded) = with_both(&file);
            let quality = psnr(&decoded, &gray);
            assert!(quality > 30.0, "{width}x{height} {settings:?}: {quality} dB");
        }
    }
}

#[test]
fn quality_goes_from_1_to_100() {
    let pixels = picture(67, 131, 3);
    let mut sizes = Vec::new();
    for quality in 1..=100 {
        for sampling in SAMPLINGS {
            let settings = Settings { quality, sampling, ..Settings::default() };
            let file = encode(&pixels, 67, 131, PixelLayout::Rgb8, &settings).unwrap();
            let (_, _, decoded) = with_both(&file);
            sizes.push((file.len(), psnr(&decoded, &pixels)));
        }
    }
    let (first, last) = (sizes[0], sizes[sizes.len() - 3]);
    assert!(first.0 * 8 < last.0, "{first:?} {last:?}");
    assert!(last.1 > 45.0 && first.1 > 10.0, "{first:?} {last:?}");
}

#[test]
fn tables_and_scans_do_not_change_the_pixels() {
    for (width, height) in [(67, 131), (40, 24), (1, 1), (200, 9)] {
        for sampling in SAMPLINGS {
            for quality in [5, 50, 85, 100] {
                let pixels = picture(width as usize, height as usize, 3);
                let base = Settings { sampling, quality, ..Settings::default() };
                let encode = |settings| encode(&pixels, width, height, PixelLayout::Rgb8, &settings).unwrap();
                let standard = encode(base);
                let optimised = encode(Settings { huffman: Huffman::Optimised, ..base });
                let progressive = encode(Settings { process: Process::Progressive, ..base });
                let best = encode(Settings { process: Process::ProgressiveBest, ..base });
                let trained = encode(Settings { huffman: Huffman::Trained, ..base });
                // A small picture is not too much to hold.
                assert!(encode(Settings { huffman: Huffman::Bounded, ..base }) == optimised);
                assert!(optimised.len() <= standard.len());
                // libjpeg's script splits components otherwise only in their order.
                assert!(best.len() <= progressive.len(), "{width}x{height} {base:?}");
                let (_, _, expected) = with_both(&standard);
                assert!(with_both(&optimised).2 == expected);
                assert!(with_both(&trained).2 == expected);
                assert!(with_both(&progressive).2 == expected, "{width}x{height} {base:?}");
                assert!(with_both(&best).2 == expected, "{width}x{height} {base:?}");
            }
        }
    }
}

#[test]
fn restart_intervals_do_not_change_the_pixels() {
    let pixels = picture(131, 67, 3);
    for base in settings() {
        let encode = |settings| encode(&pixels, 131, 67, PixelLayout::Rgb8, &settings).unwrap();
        // The trellis weighs DC differences, which restart: its levels may differ. Compare plain files only.
        let expected = (base.effort == Effort::Plain).then(|| with_image(&encode(base)).2);
        for restart_interval in [1, 2, 3, 7, 9, 17, 100, u16::MAX] {
            let file = encode(Settings { restart_interval, ..base });
            let decoded = with_both(&file).2;
            if let Some(expected) = &expected {
                assert!(with_image(&file).2 == *expected, "{restart_interval} {base:?}");
            }
            assert!(psnr(&decoded, &pixels) > 20.0);
            if base.process == Process::Baseline {
                let (h, v) = match base.sampling {
                    Sampling::Full => (8, 8),
                    Sampling::Half => (16, 8),
                    Sampling::Quarter => (16, 16),
                };
                let mcus = 131usize.div_ceil(h) * 67usize.div_ceil(v);
                let markers: Vec<u8> = file
                    .windows(2)
                    .filter(|w| w[0] == 0xFF && (0xD0..=0xD7).contains(&w[1]))
                    .map(|w| w[1])
                    .collect();
                let expected = (mcus - 1) / usize::from(restart_interval);
                assert_eq!(markers.len(), expected);
                assert!(markers.iter().zip((0..8).cycle()).all(|(&marker, n)| marker == 0xD0 + n));
            }
        }
    }
}

#[test]
fn instructions_do_not_change_the_bytes() {
    for (width, height) in SIZES {
        for quality in [1, 30, 80, 95, 100] {
            for base in settings() {
                let base = Settings { quality, ..base };
                for (layout, channels) in
                    [(PixelLayout::Rgb8, 3), (PixelLayout::Rgba8, 4), (PixelLayout::Gray8, 1)]
                {
                    let pixels = picture(width as usize, height as usize, channels);
                    let detected = encode(&pixels, width, height, layout, &base).unwrap();
                    let portable = Settings { instructions: Instructions::Portable, ..base };
                    let portable = encode(&pixels, width, height, layout, &portable).unwrap();
                    assert!(detected == portable, "{width}x{height} {layout:?} {base:?}");
                }
            }
        }
    }
}

#[test]
fn a_large_picture_of_every_kind_decodes() {
    let (width, height) = (1603, 1205);
    let pixels = picture(1603, 1205, 3);
    for settings in settings() {
        let file = encode(&pixels, width, height, PixelLayout::Rgb8, &settings).unwrap();
        let (_, _, decoded) = with_both(&file);
        let quality = psnr(&decoded, &pixels);
        assert!(quality > 23.0, "{settings:?}: {quality} dB");
    }
}

#[test]
fn the_longest_side_encodes() {
    // libjpeg-turbo reads 65,500 at most.
    for (width, height) in [(65_535, 1), (1, 65_535), (65_500, 1), (1, 65_500)] {
        let pixels = smooth(width as usize, height as usize);
        let file = encode(&pixels, width, height, PixelLayout::Rgb8, &Settings::default()).unwrap();
        let (w, h, _) = if width.max(height) > 65_500 { with_image(&file) } else { with_both(&file) };
        assert_eq!((w, h), (width, height));
    }
}

/// Noise of every level, black and white, and every mixture: pictures that no table was made for.
fn noise(width: usize, height: usize, channels: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9u32;
    (0..width * height * channels)
        .map(|at| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let sample = state.to_le_bytes()[3];
            match at / channels % width * 3 / width {
                0 => sample,
                1 => u8::from(sample > 127) * 255,
                _ => u8::from(sample > 250) * sample,
            }
        })
        .collect()
}

#[test]
fn known_tables_hold_every_picture() {
    // At quality 100 more symbols than are held, so that the tables of the beginning code the rest.
    let (width, height) = (640, 560);
    for layout in [PixelLayout::Rgb8, PixelLayout::Gray8] {
        let noise = noise(640, 560, layout.bytes());
        // Flat first: nothing is known of what follows.
        let surprise: Vec<u8> = noise
            .iter()
            .enumerate()
            .map(|(i, &sample)| if i < noise.len() / 2 { 200 } else { sample })
            .collect();
        for (pixels, steps) in
            [(&noise, Steps::Radial), (&surprise, Steps::Radial), (&noise, Steps::Standard)]
        {
            for (quality, sampling) in [
                (1, Sampling::Quarter),
                (75, Sampling::Full),
                (100, Sampling::Full),
                (100, Sampling::Quarter),
            ] {
                let plain = Settings { quality, sampling, steps, ..Settings::default() };
                let encode = |settings| encode(pixels, width, height, layout, &settings).unwrap();
                let expected = with_both(&encode(plain)).2;
                for huffman in [Huffman::Trained, Huffman::Bounded] {
                    for restart_interval in [0, 1000] {
                        let file = encode(Settings { huffman, restart_interval, ..plain });
                        assert!(with_both(&file).2 == expected, "{huffman:?} {plain:?}");
                    }
                    let effort = Effort::Trellis;
                    let settings = Settings { huffman, effort, ..plain };
                    let trellis = encode(settings);
                    let portable = Settings { instructions: Instructions::Portable, ..settings };
                    assert!(trellis == encode(portable), "{settings:?}");
                    let loss = psnr(&with_both(&trellis).2, pixels) - psnr(&expected, pixels);
                    assert!(loss > -6.0, "{settings:?}: {loss} dB");
                }
            }
        }
    }
}

#[test]
fn tables_of_the_beginning_serve_the_rest() {
    let (width, height) = (1603, 1205);
    let pixels = picture(1603, 1205, 3);
    let base = Settings { quality: 90, ..Settings::default() };
    let size = |huffman, effort| {
        let settings = Settings { huffman, effort, ..base };
        encode(&pixels, width, height, PixelLayout::Rgb8, &settings).unwrap().len() as f64
    };
    for effort in [Effort::Plain, Effort::Trellis] {
        let ratio = size(Huffman::Bounded, effort) / size(Huffman::Optimised, effort);
        assert!(ratio > 0.98 && ratio < 1.02, "{effort:?}: {ratio}");
        assert!(ratio != 1.0, "nothing was coded with the tables of the beginning");
    }
}
