//! Pictures drawn in code: no file of someone else's, and the same at every start.
//!
//! - [`demo_jpeg`]: what `cargo local` shows. An upright scene without symmetry (lighthouse left, sun right, sky up)
//!   whose sun is a circle, inside a frame with a colour in each corner: a person who opens an output sees at once
//!   whether it was turned, mirrored, stretched or cropped, and on which side.
//! - `sample`: small pictures in every input format, for tests that look at pixels; by the feature `samples`, which
//!   needs more encoders.

#[cfg(feature = "samples")]
pub mod sample;
mod scene;

use safelight_jpeg::encode::{EncodeError, PixelLayout, Settings, encode};

/// Width of the demo picture in pixels.
pub const DEMO_WIDTH: u16 = 1600;
/// Height of the demo picture in pixels.
pub const DEMO_HEIGHT: u16 = 1200;
/// JPEG quality of the demo picture: high enough that what an output loses is the output's doing.
const DEMO_QUALITY: u8 = 92;

/// The demo picture: a JPEG of [`DEMO_WIDTH`] × [`DEMO_HEIGHT`] pixels.
///
/// # Errors
/// The encoder's, which a constant picture does not cause.
pub fn demo_jpeg() -> Result<Vec<u8>, EncodeError> {
    let scene = scene::draw(DEMO_WIDTH, DEMO_HEIGHT);
    let settings = Settings { quality: DEMO_QUALITY, ..Settings::default() };
    encode(&scene, DEMO_WIDTH.into(), DEMO_HEIGHT.into(), PixelLayout::Rgb8, &settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_the_same_every_time_and_has_its_marks() {
        let bytes = demo_jpeg().unwrap();
        assert_eq!(bytes, demo_jpeg().unwrap());
        let picture = image::load_from_memory(&bytes).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (DEMO_WIDTH.into(), DEMO_HEIGHT.into()));
        // The corner brackets: 0.030 of the height in from both edges.
        let [red, green, blue, yellow] =
            [(36, 36), (1563, 36), (36, 1163), (1563, 1163)].map(|(x, y)| picture.get_pixel(x, y).0);
        assert!(red[0] > 180 && red[1] < 90 && red[2] < 90, "{red:?}");
        assert!(green[1] > 140 && green[0] < 90 && green[2] < 120, "{green:?}");
        assert!(blue[2] > 180 && blue[0] < 90, "{blue:?}");
        assert!(yellow[0] > 200 && yellow[1] > 160 && yellow[2] < 90, "{yellow:?}");
    }
}
