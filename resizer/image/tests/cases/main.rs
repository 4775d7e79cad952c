//! Files of public bug reports (of sharp, libvips, imgproxy, Pillow, image-rs, WebKit and others), and what is to come out.
//!
//! `values.tsv` has a line for each file: its name; `same` where the right value is that of a reference (sharp's, Pillow's, a
//! browser's), `own` where programs differ and this is what comes here, or `refused` with the reason; the size; and the means of
//! 4 × 3 equal parts, premultiplied RGBA in hexadecimal digits. `files` has those of up to 6200 bytes. The others are looked at
//! where the folder of all cases stands beside the repository.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, which may panic")]

use std::{fs, path::Path};

use image::RgbaImage;
use safelight_image::{
    accept::Accepts,
    cancel::Cancel,
    error::ImageError,
    limits::Limits,
    options::Options,
    pipeline::{Job, process},
    plan::plan,
    probe::probe,
};

/// Largest difference of a part's mean: rounding, and profiles in another program's precision.
const NEAR: u8 = 3;

/// The same of a picture of 40 pixels, whose parts begin elsewhere and whose profile is used after resizing. The means are of
/// values, so what is averaged is values too.
const NEAR_SMALL: u8 = 16;

/// Makes a PNG of it, and reads that.
fn made(bytes: &[u8], options: &str) -> Result<RgbaImage, ImageError> {
    let limits = Limits { max_output_side: 65_535, ..Limits::default() };
    let info = probe(bytes, &limits)?;
    let options = Options::parse(options).unwrap();
    let plan = plan(info.size(), &options, &[], &limits).unwrap();
    let job = Job { options, plan, accepts: Accepts::CLASSIC };
    let mut file = Vec::new();
    process(bytes, &info, &[job], &Cancel::new(), |_, encoded| file = encoded.bytes)?;
    Ok(image::load_from_memory(&file).unwrap().to_rgba8())
}

/// The means of 4 × 3 parts, premultiplied.
fn means(picture: &RgbaImage) -> Vec<u8> {
    let (width, height) = picture.dimensions();
    let edge = |number: u32, parts: u32, side: u32| number * side / parts;
    let mut means = Vec::new();
    for (y, x) in (0..3).flat_map(|y| (0..4).map(move |x| (y, x))) {
        let (left, top) = (edge(x, 4, width), edge(y, 3, height));
        let (right, bottom) = (edge(x + 1, 4, width).max(left + 1), edge(y + 1, 3, height).max(top + 1));
        let mut sums = [0_u64; 4];
        for pixel in (top..bottom).flat_map(|y| (left..right).map(move |x| picture.get_pixel(x, y).0)) {
            let [red, green, blue, alpha] = pixel.map(u64::from);
            let premultiplied = [red, green, blue, 255].map(|value| (value * alpha + 127) / 255);
            sums.iter_mut().zip(premultiplied).for_each(|(sum, value)| *sum += value);
        }
        let count = u64::from((right - left) * (bottom - top));
        means.extend(sums.map(|sum| u8::try_from((sum + count / 2) / count).unwrap()));
    }
    means
}

fn bytes_of(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn farthest(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// What is wrong with a file's outcome.
fn wrong(bytes: &[u8], expected: &[&str]) -> Option<String> {
    let full = made(bytes, "format=png");
    match (expected, full) {
        (["refused", reason], Err(error)) => {
            (error.to_string() != *reason).then(|| format!("refused otherwise: {error}"))
        }
        (["refused", _], Ok(_)) => Some("not refused".into()),
        (["same" | "own", size, parts], Ok(picture)) => {
            let (width, height) = picture.dimensions();
            if *size != format!("{width}x{height}") {
                return Some(format!("{width}x{height}"));
            }
            let parts = bytes_of(parts);
            let far = farthest(&means(&picture), &parts);
            if far > NEAR {
                return Some(format!("a part is {far} off"));
            }
            let small = made(bytes, "format=png,width=40,light=srgb").unwrap();
            let far = farthest(&means(&small), &parts);
            // Of smaller ones parts are hardly equal.
            let comparable =
                width >= 40 && small.height() >= 12 && width.is_multiple_of(4) && height.is_multiple_of(3);
            (comparable && far > NEAR_SMALL).then(|| format!("a part is {far} off at 40 pixels"))
        }
        (_, Err(error)) => Some(format!("refused: {error}")),
        _ => panic!("{expected:?}"),
    }
}

#[test]
fn files_of_public_bug_reports_come_out_right() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = here.join("tests/cases");
    let all = here.join("../../../shared/cases/images");
    let values = fs::read_to_string(own.join("values.tsv")).unwrap();
    let (mut same, mut differs, mut refused, mut missing) = (0, 0, 0, 0);
    let mut faults = Vec::new();
    for line in values.lines() {
        let (name, expected) = line.split_once('\t').unwrap();
        let expected: Vec<_> = expected.split('\t').collect();
        let Ok(bytes) = fs::read(own.join("files").join(name)).or_else(|_| fs::read(all.join(name))) else {
            missing += 1;
            continue;
        };
        faults.extend(wrong(&bytes, &expected).map(|fault| format!("{name}: {fault}")));
        match expected[0] {
            "same" => same += 1,
            "own" => differs += 1,
            _ => refused += 1,
        }
    }
    println!(
        "{same} as the reference, {differs} where programs differ, {refused} refused, {missing} too large to be here; {} wrong",
        faults.len()
    );
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(same + differs + refused >= 120, "files are missing");
}
