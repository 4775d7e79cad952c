//! SSIMULACRA2 of what comes out.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

use crate::cases::Case;

/// A picture of sRGB values from 0 to 1.
pub(crate) struct Reference {
    pixels: Vec<[f32; 3]>,
    width: usize,
    height: usize,
}

/// The full decode made small by Lanczos3 in 32-bit floats.
pub(crate) fn reference(case: &Case<'_>) -> Reference {
    let image = image::load_from_memory(&case.picture.file).expect("a JPEG").to_rgb8();
    let floats: Vec<u8> =
        image.as_raw().iter().flat_map(|&sample| (f32::from(sample) / 255.0).to_ne_bytes()).collect();
    let view =
        ImageRef::new(image.width(), image.height(), &floats, PixelType::F32x3).expect("RGB of floats");
    let (crop, size) = (case.plan.crop, case.size());
    let mut output = Image::new(size.width, size.height, PixelType::F32x3);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .use_alpha(false)
        .crop(crop.left, crop.top, crop.width, crop.height);
    Resizer::new().resize(&view, &mut output, &options).expect("a smaller picture");
    let samples = output.buffer().as_chunks::<4>().0.iter().map(|bytes| f32::from_ne_bytes(*bytes));
    let samples: Vec<f32> = samples.map(|sample| sample.clamp(0.0, 1.0)).collect();
    let [width, height] = [size.width, size.height].map(|side| side as usize);
    Reference { pixels: samples.as_chunks::<3>().0.to_vec(), width, height }
}

/// 100 is the reference; above 90 nobody sees a difference. `None`: another size.
pub(crate) fn of(reference: &Reference, file: &[u8]) -> Option<f64> {
    let image = image::load_from_memory(file).expect("a JPEG").to_rgb8();
    let Reference { pixels, width, height } = reference;
    if [image.width() as usize, image.height() as usize] != [*width, *height] {
        return None;
    }
    let frame = |pixels| {
        Rgb::new(pixels, *width, *height, TransferCharacteristic::SRGB, ColorPrimaries::BT709)
            .expect("a frame")
    };
    let found = image.as_chunks::<3>().0.iter().map(|pixel| pixel.map(|sample| f32::from(sample) / 255.0));
    Some(
        compute_frame_ssimulacra2(frame(pixels.clone()), frame(found.collect())).expect("frames of one size"),
    )
}
