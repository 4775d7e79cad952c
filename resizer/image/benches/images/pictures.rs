//! The pictures: photographs from `../shared/photos` where they are, else made here.

use std::path::{Path, PathBuf};

use safelight_jpeg::encode::{PixelLayout, Settings, encode};

/// A JPEG file.
pub(crate) struct Picture {
    pub(crate) name: String,
    pub(crate) file: Vec<u8>,
}

/// How many of clic's pictures are taken, and at which quality they are made JPEGs.
const CLIC: (usize, u8) = (2, 85);

/// Every picture of the bench.
pub(crate) fn all() -> Vec<Picture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/photos");
    if !folder.is_dir() {
        eprintln!(
            "no ../shared/photos: a picture is made here, figures are not comparable with published ones"
        );
        return vec![made(4000, 3000)];
    }
    let mut pictures = Vec::new();
    for name in ["mosaic-4000x3000-q92", "photo-2725x2225"] {
        let file = std::fs::read(folder.join(name).with_extension("jpg")).expect("a photograph");
        pictures.push(Picture { name: name.to_owned(), file });
    }
    let entries = std::fs::read_dir(folder.join("clic")).expect("a folder of photographs");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths.iter().take(CLIC.0) {
        let image = image::open(path).expect("a photograph").to_rgb8();
        let name = format!("clic-{}", path.file_stem().unwrap_or_default().to_string_lossy());
        pictures.push(jpeg(&name, &image, CLIC.1));
    }
    pictures
}

fn jpeg(name: &str, image: &image::RgbImage, quality: u8) -> Picture {
    let (width, height) = image.dimensions();
    let settings = Settings { quality, ..Settings::default() };
    let file = encode(image.as_raw(), width, height, PixelLayout::Rgb8, &settings).expect("a JPEG");
    Picture { name: format!("{name}-{width}x{height}-q{quality}"), file }
}

/// Waves of several lengths with noise on them, as detailed as a photograph at this quality.
fn made(width: u32, height: u32) -> Picture {
    let mut seed = 1_u32;
    let image = image::RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        let wave = (x / 97.0).sin() * 50.0 + (y / 41.0 + x / 230.0).cos() * 40.0 + (x * y / 9e4).sin() * 25.0;
        image::Rgb([0.0, 0.7, 1.9].map(|phase| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(seed >> 28) - 8.0;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            let sample = (128.0 + wave + 30.0 * (x / 300.0 + phase).sin() + noise) as u8;
            sample
        }))
    });
    jpeg("made", &image, 92)
}
