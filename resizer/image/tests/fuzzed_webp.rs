//! The checks of the fuzz target `webp`, on changed files: `FUZZ_ROUNDS=100000 cargo test -p safelight-image --test fuzzed_webp`.

#![expect(clippy::expect_used, reason = "helpers of tests, which may panic")]
#![expect(unreachable_pub, reason = "the checks are a fuzz target's module too")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers")]

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbaImage};

#[path = "../fuzz/checks/webp.rs"]
mod checks;

#[test]
fn changed_files_pass_every_check() {
    let rounds: u32 = std::env::var("FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let mut state = 1_u64;
    let mut below = move |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let picture = RgbaImage::from_fn(43, 31, |x, y| {
        image::Rgba([x as u8 * 5, y as u8 * 7, (x * y) as u8, 255 - x as u8])
    });
    let rgba = DynamicImage::from(picture);
    let seeds = [rgba.clone(), DynamicImage::from(rgba.to_rgb8())].map(|picture| {
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, ImageFormat::WebP).unwrap();
        file.into_inner()
    });
    let mut ends = Vec::new();
    for round in 0..rounds {
        let mut file = seeds[round as usize % 2].clone();
        for _ in 0..below(4) {
            let at = 12 + below(file.len() - 12);
            file[at] ^= 1 << below(8);
        }
        ends.push(checks::check(&file));
    }
    for end in [checks::End::Decoded, checks::End::Picture] {
        assert!(ends.contains(&end), "{end:?} never came");
    }
}
