//! EXIF data and ICC profiles come back as they went in.

use image::ImageDecoder;
use image::codecs::jpeg::JpegDecoder;
use safelight_jpeg::encode::EncodeError;
use std::io::Cursor;

use super::decoders::with_both;
use super::*;

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

#[test]
fn profiles_of_one_segment_and_of_many_round_trip() {
    for length in [1, 560, 65_519, 65_520, 200_000] {
        let profile = bytes(length);
        let settings = Settings { icc: Some(&profile), ..Settings::default() };
        let file = encode(&[90; 12 * 12 * 3], 12, 12, PixelLayout::Rgb8, &settings).unwrap();
        with_both(&file);
        let mut decoder = JpegDecoder::new(Cursor::new(&file)).unwrap();
        assert!(decoder.icc_profile().unwrap() == Some(profile), "{length}");
    }
}

#[test]
fn exif_round_trips() {
    for process in [Process::Baseline, Process::Progressive] {
        let mut exif = b"II*\0\x08\0\0\0\0\0\0\0\0\0".to_vec();
        exif.extend(bytes(65_527 - exif.len()));
        let settings = Settings { exif: Some(&exif), process, ..Settings::default() };
        let file = encode(&[90; 12 * 12 * 3], 12, 12, PixelLayout::Rgb8, &settings).unwrap();
        with_both(&file);
        let mut decoder = JpegDecoder::new(Cursor::new(&file)).unwrap();
        assert!(decoder.exif_metadata().unwrap() == Some(exif));
    }
}

#[test]
fn metadata_that_does_not_fit_is_refused() {
    let long = vec![0; 65_528];
    let settings = Settings { exif: Some(&long), ..Settings::default() };
    let refused = encode(&[0; 3], 1, 1, PixelLayout::Rgb8, &settings);
    assert!(matches!(refused, Err(EncodeError::ExifTooLong(65_528))));
    let long = vec![0; 255 * 65_519 + 1];
    let settings = Settings { icc: Some(&long), ..Settings::default() };
    let refused = encode(&[0; 3], 1, 1, PixelLayout::Rgb8, &settings);
    assert!(matches!(refused, Err(EncodeError::IccTooLong(_))));
}
