//! What a viewer shows of a file, by the `image` crate.

use std::io::Cursor;

use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageReader,
    codecs::{gif::GifDecoder, png::PngDecoder, webp::WebPDecoder},
};
use safelight_image::sniff::Format;

/// Frames with their delays in milliseconds, and the profile; upright, but for animations, which `image` does not turn.
#[derive(PartialEq)]
pub struct Seen {
    pub picture: DynamicImage,
    pub profile: Option<Vec<u8>>,
    pub frames: Vec<(image::RgbaImage, u32)>,
}

pub fn seen(bytes: &[u8], format: Format) -> Seen {
    let mut decoder =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap().into_decoder().unwrap();
    let profile = decoder.icc_profile().unwrap();
    let orientation = decoder.orientation().unwrap();
    let mut picture = DynamicImage::from_decoder(decoder).unwrap();
    picture.apply_orientation(orientation);
    let file = Cursor::new(bytes);
    let frames = match format {
        Format::Jpeg => None,
        Format::Png => {
            let decoder = PngDecoder::new(file).unwrap();
            decoder.is_apng().unwrap().then(|| decoder.apng().unwrap().into_frames())
        }
        Format::Webp => {
            let decoder = WebPDecoder::new(file).unwrap();
            decoder.has_animation().then(|| decoder.into_frames())
        }
        Format::Gif => Some(GifDecoder::new(file).unwrap().into_frames()),
    };
    let frames = frames.into_iter().flatten().map(|frame| {
        let frame = frame.unwrap();
        let delay = frame.delay().numer_denom_ms();
        (frame.into_buffer(), delay.0 / delay.1)
    });
    Seen { picture, profile, frames: frames.collect() }
}
