//! EXIF orientation: the payload is handed out, and with it a picture stored in any of the eight ways comes upright.

use crate::support::{Picture, decode, picture};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use safelight_jpeg::decode::{Decoder, Limits, Options, Scale};
use std::path::Path;

/// The orientation that a file's EXIF segment names in its first directory.
fn orientation(file: &[u8]) -> Option<u16> {
    let decoder = Decoder::new(file, Limits::default()).unwrap();
    let tiff = decoder.header().app1().find_map(|payload| payload.strip_prefix(b"Exif\0\0"))?;
    let little = tiff.starts_with(b"II");
    let number = |at: usize| {
        let bytes = [tiff[at], tiff[at + 1]];
        if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) }
    };
    let directory = usize::from(number(if little { 4 } else { 6 }));
    let mut entries = (0..number(directory)).map(|i| directory + 2 + 12 * usize::from(i));
    entries.find(|entry| number(*entry) == 0x112).map(|entry| number(entry + 8))
}

/// Where the upright pixel (x, y) of a picture of this upright size is stored.
fn stored(orientation: u16, (width, height): (u32, u32), (x, y): (u32, u32)) -> (u32, u32) {
    let (right, bottom) = (width - 1 - x, height - 1 - y);
    match orientation {
        2 => (right, y),
        3 => (right, bottom),
        4 => (x, bottom),
        5 => (y, x),
        6 => (y, right),
        7 => (bottom, right),
        8 => (bottom, x),
        _ => (x, y),
    }
}

/// The picture with every pixel fetched from where `stored` has it.
fn upright(picture: &Picture, orientation: u16) -> Picture {
    let (width, height) =
        if orientation >= 5 { (picture.height, picture.width) } else { (picture.width, picture.height) };
    let mut bytes = Vec::new();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let (x, y) = stored(orientation, (width, height), (x, y));
        bytes.extend(&picture.bytes[(y * picture.width + x) as usize * 3..][..3]);
    }
    Picture { width, height, channels: 3, bytes }
}

#[test]
fn a_picture_comes_upright_from_every_orientation() {
    let wanted = picture(80, 48, 4);
    for value in 1..=8_u16 {
        // To store it, the other way round: 6 and 8 undo each other, all others themselves.
        let turned = upright(&wanted, [1, 2, 3, 4, 5, 8, 7, 6][usize::from(value) - 1]);
        for little in [true, false] {
            let mut exif = b"Exif\0\0".to_vec();
            exif.extend(if little { *b"II*\0\x08\0\0\0" } else { *b"MM\0*\0\0\0\x08" });
            for number in [1, 0x112, 3] {
                exif.extend(if little { u16::to_le_bytes(number) } else { number.to_be_bytes() });
            }
            exif.extend(if little { [1, 0, 0, 0] } else { [0, 0, 0, 1] });
            exif.extend(if little { value.to_le_bytes() } else { value.to_be_bytes() });
            exif.extend([0; 6]);
            let mut file = Vec::new();
            let mut encoder = Encoder::new(&mut file, 95);
            encoder.set_sampling_factor(SamplingFactor::F_1_1);
            encoder.add_app_segment(1, exif).unwrap();
            let (width, height) = (turned.width as u16, turned.height as u16);
            encoder.encode(&turned.bytes, width, height, ColorType::Rgb).unwrap();
            assert_eq!(orientation(&file), Some(value));
            let (psnr, _) = upright(&decode(&file, &Options::default()), value).difference(&wanted);
            assert!(psnr > 38.0, "{value}: {psnr:.1} dB");
        }
    }
}

#[test]
fn photographs_of_every_orientation_come_upright() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/photos/orientation");
    if !folder.is_dir() {
        eprintln!("SKIPPED: no ../shared/photos/orientation");
        return;
    }
    for shape in ["landscape", "portrait"] {
        let file = |i: u16| std::fs::read(folder.join(format!("{shape}_{i}.jpg"))).unwrap();
        for scale in Scale::ALL {
            let options = Options { scale, ..Options::default() };
            let wanted = decode(&file(0), &options);
            for value in 1..=8 {
                assert_eq!(orientation(&file(value)), Some(value));
                // Each photograph has its own number drawn on it, so that none is quite the upright one.
                let picture = decode(&file(value), &options);
                let near = |way: u16| upright(&picture, way).difference(&wanted).0;
                let others = if value >= 5 { 5..=8 } else { 1..=4 };
                let other = others.filter(|way| *way != value).map(near).fold(0.0, f64::max);
                let own = near(value);
                assert!(
                    own > 20.0 && own > other + 5.0,
                    "{shape} {value} {scale:?}: {own:.1} dB, {other:.1}"
                );
            }
        }
    }
}
