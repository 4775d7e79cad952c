//! The pictures: photographs from `../shared/photos` where they are, else made here.

use crate::turbo::Turbo;
use image::RgbImage;
use image::imageops::{crop_imm, thumbnail};
use safelight_jpeg::encode::{Huffman, PixelLayout, Settings, encode};
use std::path::{Path, PathBuf};

/// A JPEG file.
pub struct Picture {
    pub name: String,
    pub file: Vec<u8>,
}

/// Where the photographs are.
fn folder() -> Option<PathBuf> {
    let repo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    [repo.join("../shared/photos"), PathBuf::from("/work/shared/photos")].into_iter().find(|p| p.is_dir())
}

/// Every picture of the bench, sequential ones first.
pub fn all(turbo: &Turbo) -> Vec<Picture> {
    let mut pictures = Vec::new();
    let mut add = |name: &str, file: Vec<u8>| pictures.push(Picture { name: name.to_owned(), file });
    if let Some(folder) = folder() {
        for name in ["mosaic-4000x3000-q92", "photo-2725x2225"] {
            if let Ok(file) = std::fs::read(folder.join(name).with_extension("jpg")) {
                add(&format!("progressive {name}"), turbo.progressive(&file));
                add(name, file);
            }
        }
        let mut clic: Vec<PathBuf> = std::fs::read_dir(folder.join("clic"))
            .map(|entries| entries.filter_map(|e| e.ok().map(|e| e.path())).collect())
            .unwrap_or_default();
        clic.sort();
        for (i, path) in clic.iter().enumerate() {
            let Ok(image) = image::open(path) else { continue };
            let image = image.to_rgb8();
            if i == 0 {
                thumbs(&image, &mut add);
            }
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let (width, height) = image.dimensions();
            add(&format!("clic-{stem}-{width}x{height}-q85"), turbo.encode(&image, width, height, 85));
            if i < 2 {
                for (width, height, quality) in [(96, 72, 75), (320, 240, 80), (640, 480, 80)] {
                    let part = crop_imm(&image, 200, 200, width, height).to_image();
                    let file = turbo.encode(&part, width, height, quality);
                    add(&format!("small-{stem}-{width}x{height}-q{quality}-{}kB", file.len() / 1000), file);
                }
            }
        }
    } else {
        eprintln!(
            "no ../shared/photos: pictures are made here, figures are not comparable with published ones"
        );
        for (width, height, quality) in [(4000, 3000, 92), (640, 480, 80), (96, 72, 75)] {
            let file = turbo.encode(&made(width, height), width, height, quality);
            add(&format!("progressive made-{width}x{height}-q{quality}"), turbo.progressive(&file));
            add(&format!("made-{width}x{height}-q{quality}"), file);
        }
        thumbs(&RgbImage::from_raw(1200, 900, made(1200, 900)).expect("its size"), &mut add);
    }
    pictures.sort_by_key(|p| p.name.starts_with("progressive"));
    pictures
}

/// Files of less than 100 KB: a whole picture in few pixels, with annex K's Huffman tables and with its own.
fn thumbs(image: &RgbImage, add: &mut impl FnMut(&str, Vec<u8>)) {
    for (width, height) in [(16, 16), (32, 32), (64, 64), (96, 72), (160, 120), (320, 240), (640, 480)] {
        let small = thumbnail(image, width, height);
        for quality in [50, 75, 90] {
            for (huffman, tables) in [(Huffman::Standard, ""), (Huffman::Optimised, "-optimised")] {
                let settings = Settings { quality, huffman, ..Settings::default() };
                let file = encode(&small, width, height, PixelLayout::Rgb8, &settings).expect("a file");
                add(&format!("thumb-{width}x{height}-q{quality}{tables}"), file);
            }
        }
    }
}

/// Waves of several lengths with noise on them, as detailed as a photograph at this quality.
fn made(width: u32, height: u32) -> Vec<u8> {
    let mut seed = 1_u32;
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            let (fx, fy) = (f64::from(x), f64::from(y));
            let wave = (fx / 97.0).sin() * 50.0
                + (fy / 41.0 + fx / 230.0).cos() * 40.0
                + (fx * fy / 9e4).sin() * 25.0;
            for phase in [0.0, 0.7, 1.9] {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = f64::from(seed >> 28) - 8.0;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
                pixels
                    .push((128.0 + wave + 30.0 * (fx / 300.0 + phase).sin() + noise).clamp(0.0, 255.0) as u8);
            }
        }
    }
    pixels
}
