//! What a scaled sample is, beside libjpeg's, on pictures sharper than most.
//!
//! libjpeg's scaled samples are the means of boxes, with all that aliases into them. This crate leaves the aliases out:
//! a block gives only its lowest frequencies. On sharp pictures the two differ, down to 33 dB on photographs, and
//! libjpeg's is the mean. But a mean of boxes is not what is wanted: a resampler follows. Behind it, this crate's
//! samples must be as near as libjpeg's, or nearer, to the resampled full picture.

use crate::support::{Picture, cjpeg, decode, djpeg, picture, tools};
use image::imageops::{FilterType, crop_imm, resize};
use safelight_jpeg::decode::{Options, Scale};
use std::path::Path;

const SIZE: (u32, u32) = (320, 240);

fn drawn(colour: impl Fn(u32, u32) -> [u8; 3]) -> Picture {
    let bytes = (0..SIZE.0 * SIZE.1).flat_map(|i| colour(i % SIZE.0, i / SIZE.0)).collect();
    Picture { width: SIZE.0, height: SIZE.1, channels: 3, bytes }
}

fn pictures() -> Vec<(String, Picture)> {
    let zones = |x: u32, y: u32| (128.0 + 120.0 * (f64::from(x * x + y * y) / 250.0).cos()) as u8;
    let line = |x: u32, y: u32| (x * 7 + y * 3) % 23 < 2 || y.is_multiple_of(17);
    let mut pictures = vec![
        ("noise".to_owned(), picture(SIZE.0, SIZE.1, 60)),
        ("zone plate".to_owned(), drawn(|x, y| [zones(x, y); 3])),
        ("lines".to_owned(), drawn(|x, y| if line(x, y) { [10, 20, 30] } else { [240, 235, 230] })),
    ];
    let photographs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/photos/clic");
    for entry in std::fs::read_dir(photographs).into_iter().flatten() {
        let path = entry.unwrap().path();
        let part = crop_imm(&image::open(&path).unwrap().to_rgb8(), 400, 400, SIZE.0, SIZE.1).to_image();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        pictures.push((name, Picture { width: SIZE.0, height: SIZE.1, channels: 3, bytes: part.into_raw() }));
    }
    pictures
}

/// Half the size, by a good filter.
fn halved(picture: &Picture, (width, height): (u32, u32)) -> Picture {
    let image = image::RgbImage::from_raw(picture.width, picture.height, picture.bytes.clone()).unwrap();
    let bytes = resize(&image, width, height, FilterType::Lanczos3).into_raw();
    Picture { width, height, channels: 3, bytes }
}

#[test]
fn behind_a_resampler_sharp_pictures_are_as_near_as_libjpegs() {
    if !tools() {
        return;
    }
    let (mut gained, mut count) = (0.0, 0.0);
    for (name, picture) in pictures() {
        for sampling in ["1x1", "2x2"] {
            let file = cjpeg(&picture, &format!("-quality 90 -sample {sampling}"));
            let full = decode(&file, &Options::default());
            for scale in [Scale::Half, Scale::Quarter, Scale::Eighth] {
                let what = format!("{name} {sampling} 1/{}", scale.divisor());
                let ours = decode(&file, &Options { scale, ..Options::default() });
                let theirs = djpeg(&file, scale);
                let means = full.boxes(scale.divisor());
                let ((own_mean, shift), (their_mean, _)) =
                    (ours.difference(&means), theirs.difference(&means));
                assert!(shift.abs() < 0.4, "{what}: brighter by {shift:.2}");
                if sampling == "1x1" {
                    assert!(their_mean > 49.0, "{what}: libjpeg's are no means: {their_mean:.1} dB");
                    let same = ours.difference(&theirs).0;
                    assert!(scale != Scale::Eighth || same > 60.0, "{what}: {same:.1} dB");
                }
                let size = (SIZE.0 / scale.divisor() / 2, SIZE.1 / scale.divisor() / 2);
                let wanted = halved(&full, size);
                let own = halved(&ours, size).difference(&wanted).0;
                let their = halved(&theirs, size).difference(&wanted).0;
                println!(
                    "{what}: to means {own_mean:.1} dB, libjpeg {their_mean:.1}; resampled {own:.1}, libjpeg {their:.1}"
                );
                // Above 50 dB it is rounding that differs.
                assert!(own > 50.0 || own > their - 1.5, "{what}: {own:.1} dB, libjpeg {their:.1}");
                if scale != Scale::Eighth {
                    gained += own - their;
                    count += 1.0;
                }
            }
        }
    }
    let gained: f64 = gained / count;
    println!("resampled, {gained:.2} dB nearer than libjpeg on average at 1/2 and 1/4");
    assert!(gained > 0.5, "{gained:.2} dB");
}
