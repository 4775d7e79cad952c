//! SSIMULACRA2 of what comes out.

use std::collections::HashMap;

use safelight_image::{plan::CropBox, size::Size};
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

use crate::{
    pictures::Picture,
    reference::{Decoded, Light, Reference},
};

/// References that were made already, of one picture at a time: a full decode is large.
pub(crate) struct Scores {
    light: Light,
    /// The picture's name and its full decode.
    decoded: Option<(String, Decoded)>,
    references: HashMap<[u64; 6], Reference>,
}

impl Scores {
    /// Against references of this light.
    pub(crate) fn new(light: Light) -> Self {
        Self { light, decoded: None, references: HashMap::new() }
    }

    /// 100 is the reference; above 90 nobody sees a difference. `None`: another size.
    pub(crate) fn of(&mut self, picture: &Picture, crop: CropBox, size: Size, file: &[u8]) -> Option<f64> {
        if self.decoded.as_ref().is_none_or(|(name, _)| *name != picture.name) {
            self.references.clear();
            self.decoded = Some((picture.name.clone(), Decoded::of(&picture.file)));
        }
        let (_, decoded) = self.decoded.as_ref()?;
        let sides = [crop.left, crop.top, crop.width, crop.height].map(f64::to_bits);
        let key = [sides[0], sides[1], sides[2], sides[3], size.width.into(), size.height.into()];
        let light = self.light;
        let reference = self.references.entry(key).or_insert_with(|| decoded.resize(crop, size, light));
        score(reference, file)
    }
}

/// Pictures with alpha are laid on black and on white, as a browser does it; the lower score counts.
fn score(reference: &Reference, file: &[u8]) -> Option<f64> {
    let image = image::load_from_memory(file).expect("a picture").into_rgba8();
    let Reference { pixels, width, height, alpha } = reference;
    if [image.width() as usize, image.height() as usize] != [*width, *height] {
        return None;
    }
    let found: Vec<[f64; 4]> =
        image.as_chunks::<4>().0.iter().map(|pixel| pixel.map(|sample| f64::from(sample) / 255.0)).collect();
    let backgrounds: &[f64] = if *alpha { &[0.0, 1.0] } else { &[1.0] };
    let on = |pixels: &[[f64; 4]], background: f64| {
        let lay = |&[red, green, blue, alpha]: &[f64; 4]| {
            [red, green, blue].map(|value| (value * alpha + background * (1.0 - alpha)) as f32)
        };
        let pixels = pixels.iter().map(lay).collect();
        Rgb::new(pixels, *width, *height, TransferCharacteristic::SRGB, ColorPrimaries::BT709)
            .expect("a frame")
    };
    let score = |&background: &f64| {
        compute_frame_ssimulacra2(on(pixels, background), on(&found, background)).expect("frames of one size")
    };
    backgrounds.iter().map(score).min_by(f64::total_cmp)
}
