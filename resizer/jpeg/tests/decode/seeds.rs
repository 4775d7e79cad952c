//! Files of every kind, small: what is damaged in [`super::damaged`], and what fuzzing starts from.

use crate::support::{cjpeg, picture, tools};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

/// A file of `jpeg_encoder`'s.
pub fn encoded(
    width: u32,
    height: u32,
    sampling: SamplingFactor,
    progressive: bool,
    restart: u16,
) -> Vec<u8> {
    with((width, height, 14, 85), |encoder| {
        encoder.set_sampling_factor(sampling);
        encoder.set_progressive(progressive);
        encoder.set_restart_interval(restart);
    })
}

/// Width, height, noise and quality.
fn with(
    (width, height, noise, quality): (u32, u32, u32, u8),
    set: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let made = picture(width, height, noise);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    set(&mut encoder);
    encoder.encode(&made.bytes, width as u16, height as u16, ColorType::Rgb).unwrap();
    file
}

/// Every layout, baseline and progressive, with and without restart markers, inks, one scan a component, and
/// pictures of few bytes and many MCUs, which four lanes decode.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for sampling in
        [SamplingFactor::F_1_1, SamplingFactor::F_2_2, SamplingFactor::F_2_1, SamplingFactor::F_4_1]
    {
        for (progressive, restart) in [(false, 0), (false, 3), (true, 0), (true, 4)] {
            files.push(encoded(61, 45, sampling, progressive, restart));
        }
        files.push(with((50, 35, 20, 60), |encoder| {
            encoder.set_sampling_factor(sampling);
            encoder.set_optimized_huffman_tables(true);
        }));
    }
    let rgb = picture(40, 30, 6);
    let inks: Vec<u8> = rgb.bytes.chunks(3).flat_map(|p| [p[0], p[1], p[2], p[0] / 2 + 40]).collect();
    for kind in [ColorType::Cmyk, ColorType::CmykAsYcck] {
        for progressive in [false, true] {
            let mut file = Vec::new();
            let mut encoder = Encoder::new(&mut file, 70);
            encoder.set_progressive(progressive);
            encoder.encode(&inks, 40, 30, kind).unwrap();
            files.push(file);
        }
    }
    for (sampling, restart) in
        [(SamplingFactor::F_1_1, 0), (SamplingFactor::F_2_2, 0), (SamplingFactor::F_1_1, 300)]
    {
        files.push(with((256, 256, 0, 15), |encoder| {
            encoder.set_sampling_factor(sampling);
            encoder.set_restart_interval(restart);
        }));
    }
    if tools() {
        let small = picture(50, 40, 9);
        let wide = picture(250, 200, 0);
        for mode in [
            "-progressive",
            "-optimize -restart 1",
            "-grayscale",
            "-grayscale -progressive -restart 2B",
            "-rgb",
            "-sample 3x2,1x1,1x2 -progressive",
            "-sample 4x1,2x1,1x2",
            "-sample 1x2",
        ] {
            files.push(cjpeg(&small, mode));
        }
        files.push(cjpeg(&wide, "-grayscale -quality 20"));
        files.push(cjpeg(&wide, "-quality 10 -sample 2x1 -optimize"));
    }
    files
}

/// Writes them for the fuzz targets: `JPEG_CORPUS=folder cargo test -p safelight-jpeg --test decode seeds`.
#[test]
fn seeds_are_written_on_request() {
    let Ok(folder) = std::env::var("JPEG_CORPUS") else { return };
    std::fs::create_dir_all(&folder).unwrap();
    for (i, file) in seeds().iter().enumerate() {
        std::fs::write(format!("{folder}/seed-{i}.jpg"), file).unwrap();
    }
}
