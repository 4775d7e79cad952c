//! Pictures that are uploaded: drawn here, or made of a file.

use std::path::Path;

use image::{RgbImage, imageops};
use safelight_jpeg::encode::{PixelLayout, Settings, encode};

/// JPEG quality: what phones write, about.
const QUALITY: u8 = 92;
/// Sides of the picture that is drawn: 12 megapixels.
const LARGE: (u32, u32) = (4000, 3000);
/// Sides of what is cut out of it: 2 megapixels.
const MEDIUM: (u32, u32) = (1632, 1224);
/// The same: about 100 kB.
const SMALL: (u32, u32) = (680, 510);

/// JPEG files of one picture.
pub(crate) struct Pictures {
    /// 12 megapixels, or the file that was given.
    pub(crate) large: Vec<u8>,
    /// A part of it of 2 megapixels.
    pub(crate) medium: Vec<u8>,
    /// A part of it of 0.35 megapixels.
    pub(crate) small: Vec<u8>,
}

impl Pictures {
    /// Of a file where one is given, else drawn.
    pub(crate) fn new(file: Option<&Path>) -> Self {
        let (large, picture) = match file {
            Some(path) => {
                let bytes = std::fs::read(path).expect("a file");
                let picture = image::load_from_memory(&bytes).expect("a picture").to_rgb8();
                (bytes, picture)
            }
            None => {
                let picture = draw(LARGE.0, LARGE.1);
                (jpeg(&picture), picture)
            }
        };
        let cut = |(width, height)| jpeg(&imageops::crop_imm(&picture, 0, 0, width, height).to_image());
        let (medium, small) = (cut(MEDIUM), cut(SMALL));
        Self { large, medium, small }
    }
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let settings = Settings { quality: QUALITY, ..Settings::default() };
    encode(picture.as_raw(), picture.width(), picture.height(), PixelLayout::Rgb8, &settings).expect("a JPEG")
}

/// Waves of several lengths with noise on them, as detailed as a photograph at this quality.
fn draw(width: u32, height: u32) -> RgbImage {
    let mut seed = 1_u32;
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        let wave = (x / 97.0).sin() * 50.0 + (y / 41.0 + x / 230.0).cos() * 40.0 + (x * y / 9e4).sin() * 25.0;
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from(seed >> 28) - 8.0;
        image::Rgb([0.0, 0.7, 1.9].map(|phase| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            let sample = (128.0 + wave + 30.0 * (x / 300.0 + phase).sin() + noise) as u8;
            sample
        }))
    })
}
