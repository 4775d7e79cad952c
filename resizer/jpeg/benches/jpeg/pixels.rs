//! What is encoded: the bench's pictures as samples.

use crate::pictures::Picture;
use safelight_jpeg::encode::PixelLayout;
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

/// A picture as samples.
pub struct Pixels {
    pub name: String,
    pub layout: PixelLayout,
    pub width: u32,
    pub height: u32,
    pub samples: Vec<u8>,
}

/// The baseline pictures of the bench decoded, parts of the first photograph, and it in gray.
pub fn all(pictures: &[Picture]) -> Vec<Pixels> {
    let mut all = Vec::new();
    let encoded =
        |picture: &&Picture| !["progressive", "thumb"].iter().any(|kind| picture.name.starts_with(kind));
    for picture in pictures.iter().filter(encoded) {
        let Ok(image) = image::load_from_memory(&picture.file) else { continue };
        let image = image.to_rgb8();
        let mut add = |name: String, image: image::RgbImage| {
            let (width, height) = image.dimensions();
            all.push(Pixels { name, layout: PixelLayout::Rgb8, width, height, samples: image.into_raw() });
        };
        if picture.name.starts_with("photo") || picture.name.starts_with("made-4000") {
            for (width, height) in [(800, 600), (96, 72)] {
                let small = image::imageops::thumbnail(&image, width, height);
                add(format!("{width}x{height}"), small);
            }
            let gray = image::DynamicImage::ImageRgb8(image.clone()).to_luma8();
            all.push(Pixels {
                name: picture.name.clone(),
                layout: PixelLayout::Gray8,
                width: gray.width(),
                height: gray.height(),
                samples: gray.into_raw(),
            });
        }
        let mut add = |name: String, image: image::RgbImage| {
            let (width, height) = image.dimensions();
            all.push(Pixels { name, layout: PixelLayout::Rgb8, width, height, samples: image.into_raw() });
        };
        if !picture.name.starts_with("small") {
            add(picture.name.clone(), image);
        }
    }
    all
}

/// SSIMULACRA2 of a file against the samples it was made from.
pub fn score(pixels: &Pixels, file: &[u8]) -> f64 {
    let gray = pixels.layout == PixelLayout::Gray8;
    let decoded = image::load_from_memory(file).expect("a JPEG file").to_rgb8();
    let frame = |samples: &mut dyn Iterator<Item = [u8; 3]>| {
        let samples = samples.map(|pixel| pixel.map(|sample| f32::from(sample) / 255.0)).collect();
        let (width, height) = (pixels.width as usize, pixels.height as usize);
        Rgb::new(samples, width, height, TransferCharacteristic::SRGB, ColorPrimaries::BT709)
            .expect("a frame")
    };
    let source = if gray {
        frame(&mut pixels.samples.iter().map(|&sample| [sample; 3]))
    } else {
        frame(&mut pixels.samples.as_chunks::<3>().0.iter().copied())
    };
    let decoded = frame(&mut decoded.as_chunks::<3>().0.iter().copied());
    compute_frame_ssimulacra2(source, decoded).expect("frames of one size")
}
