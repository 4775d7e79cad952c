//! What the pipeline did before it had a JPEG codec of its own: zune-jpeg decodes every pixel, fast_image_resize makes
//! the output, jpeg-encoder writes it with the standard's Huffman tables.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use crate::cases::{Case, QUALITY};

/// Makes the output.
pub(crate) fn run(case: &Case<'_>) -> Vec<u8> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&case.picture.file), options);
    let pixels = decoder.decode().expect("a JPEG");
    let (source, crop, size) = (case.plan.source, case.plan.crop, case.size());
    let view = ImageRef::new(source.width, source.height, &pixels, PixelType::U8x3).expect("RGB");
    let mut output = Image::new(size.width, size.height, PixelType::U8x3);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .use_alpha(false)
        .crop(crop.left, crop.top, crop.width, crop.height);
    Resizer::new().resize(&view, &mut output, &options).expect("a smaller picture");
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let [width, height] = [size.width, size.height].map(|side| u16::try_from(side).expect("a small side"));
    encoder.encode(output.buffer(), width, height, ColorType::Rgb).expect("a JPEG");
    file
}
