//! Pictures of a few MCUs, few enough for Miri, which watches every memory access of the portable code:
//! `cargo +nightly miri test -p safelight-jpeg --test decode tiny`. Without Miri they compare it with the vector code.

use crate::checks::pixels;
use crate::support::picture;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use safelight_jpeg::decode::{Damage, Decoder, Lanes, Limits, Options, Output, Path, Scale};

/// Decodes with portable code; what the other path gives must be the same.
fn decode(file: &[u8], output: Output, damage: Damage) {
    let decoder = Decoder::new(file, Limits::default()).unwrap();
    for scale in Scale::ALL {
        let options = Options { scale, output, damage, path: Path::Portable, ..Options::default() };
        let portable = pixels(&decoder, &options);
        assert_eq!(
            portable.1.as_ref().is_ok_and(Option::is_none),
            damage == Damage::Refuse,
            "{:?}",
            portable.1
        );
        if !cfg!(miri) {
            assert!(pixels(&decoder, &Options { path: Path::Auto, ..options }) == portable);
        }
    }
}

fn encoder(file: &mut Vec<u8>, progressive: bool, sampling: SamplingFactor) -> Encoder<&mut Vec<u8>> {
    let mut encoder = Encoder::new(file, 70);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(progressive);
    encoder
}

#[test]
fn tiny_pictures_of_every_layout() {
    let rgb = picture(19, 13, 30).bytes;
    for progressive in [false, true] {
        for sampling in [
            SamplingFactor::F_1_1,
            SamplingFactor::F_2_1,
            SamplingFactor::F_1_2,
            SamplingFactor::F_2_2,
            SamplingFactor::F_4_1,
        ] {
            let mut file = Vec::new();
            let mut encoder = encoder(&mut file, progressive, sampling);
            encoder.set_restart_interval(2);
            encoder.encode(&rgb, 19, 13, ColorType::Rgb).unwrap();
            decode(&file, Output::Rgb8, Damage::Refuse);
            // Cut, and with a code that is none.
            let mut damaged = file[..file.len() - 12].to_vec();
            let last = damaged.len() - 1;
            damaged[last - 8..last].fill(0xFE);
            decode(&damaged, Output::Rgb8, Damage::Fill);
        }
        for (kind, bytes, output) in [
            (ColorType::Luma, &rgb[..17 * 9], Output::Gray8),
            (ColorType::Cmyk, &rgb[..12 * 9 * 4 / 2], Output::Cmyk8),
            (ColorType::CmykAsYcck, &rgb[..12 * 9 * 4 / 2], Output::Cmyk8),
        ] {
            let mut file = Vec::new();
            let size = if kind == ColorType::Luma { (17, 9) } else { (9, 6) };
            encoder(&mut file, progressive, SamplingFactor::F_1_1)
                .encode(bytes, size.0, size.1, kind)
                .unwrap();
            decode(&file, output, Damage::Refuse);
        }
    }
}

/// Long enough for four lanes in two chunks: a line of gray blocks.
#[test]
fn a_tiny_picture_for_four_lanes() {
    let (width, height) = (8 * 400_u16, 8_u16);
    let gray: Vec<u8> = (0..u32::from(width) * u32::from(height))
        .map(|i| ((i % u32::from(width)).wrapping_mul(2_654_435_761) >> 27) as u8 + 100)
        .collect();
    let mut file = Vec::new();
    encoder(&mut file, false, SamplingFactor::F_1_1).encode(&gray, width, height, ColorType::Luma).unwrap();
    // Behind the end: what is no longer decoded as a small file, code by code.
    file.extend([0; 32 << 10]);
    let decoder = Decoder::new(&file, Limits::default()).unwrap();
    for scale in if cfg!(miri) { &[Scale::Quarter][..] } else { &Scale::ALL } {
        let options =
            Options { scale: *scale, output: Output::Gray8, path: Path::Portable, ..Options::default() };
        let four = pixels(&decoder, &options);
        assert_eq!(four.1, Ok(None));
        assert!(pixels(&decoder, &Options { lanes: Lanes::One, ..options }) == four);
    }
}
