//! No more memory than told beforehand.

use crate::counting::peak;
use crate::support::picture;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use safelight_jpeg::decode::{Decoder, Limits, Options, Output, Scale};

/// Decodes within what is told: bytes used and told.
pub fn check(file: &[u8], scale: Scale, output: Output) -> (u64, u64) {
    let decoder = Decoder::new(file, Limits::default()).unwrap();
    let options = Options { scale, output, ..Options::default() };
    let told = decoder.memory(&options);
    let (used, ()) = peak(|| {
        let go_on = || std::ops::ControlFlow::Continue(());
        if output == Output::Planes {
            decoder.planes(&options, |_| go_on()).unwrap();
        } else {
            decoder.rows(&options, |_| go_on()).unwrap();
        }
    });
    assert!(used <= told, "{scale:?} {output:?}: {used} of {told}");
    (used, told)
}

#[test]
fn decoding_takes_what_it_tells() {
    for (width, height) in [(1_u16, 1_u16), (61, 45), (900, 700)] {
        let made = picture(width.into(), height.into(), 14);
        for sampling in
            [SamplingFactor::F_1_1, SamplingFactor::F_2_2, SamplingFactor::F_4_1, SamplingFactor::F_1_2]
        {
            for progressive in [false, true] {
                let mut file = Vec::new();
                let mut encoder = Encoder::new(&mut file, 85);
                encoder.set_sampling_factor(sampling);
                encoder.set_progressive(progressive);
                encoder.encode(&made.bytes, width, height, ColorType::Rgb).unwrap();
                for scale in Scale::ALL {
                    for output in [Output::Rgb8, Output::Gray8, Output::Planes] {
                        check(&file, scale, output);
                    }
                }
            }
        }
    }
}

/// A baseline file of 10000 × 10000 pixels, all gray: each MCU of 4:2:0 is 32 bits with the standard tables, which
/// are left out.
#[test]
fn a_hundred_megapixels_at_a_quarter_take_few_mebibytes() {
    let mut file = vec![0xFF, 0xD8];
    for table in 0..2 {
        file.extend([0xFF, 0xDB, 0, 67, table]);
        file.extend([4; 64]);
    }
    file.extend([0xFF, 0xC0, 0, 17, 8, 0x27, 0x10, 0x27, 0x10, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
    file.extend([0xFF, 0xDA, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0]);
    file.extend(std::iter::repeat_n([0x28, 0xA2, 0x8A, 0x00], 625 * 625).flatten());
    file.extend([0xFF, 0xD9]);
    for scale in [Scale::Quarter, Scale::Half, Scale::Eighth] {
        let (used, told) = check(&file, scale, Output::Rgb8);
        println!("100 MP at 1/{}: {used} bytes used, {told} told", scale.divisor());
        assert!(used < 16 << 20 && told < 16 << 20);
    }
}
