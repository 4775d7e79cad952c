//! Makes `sets.rs`:
//!
//! ```text
//! SAFELIGHT_PHOTOS="dir dir …" cargo test --release -p safelight-jpeg --lib train -- --ignored
//! ```
//!
//! Every picture is reduced to 800 and to 400 pixels (Lanczos3) and coded 4:2:0 at each quality of a range, with radial
//! steps and rounded levels. The shares of symbols in each file are averaged, so that files weigh the same, and every
//! symbol that baseline files may hold is given one in 2¹⁷ more. The tables are the shortest codes of at most 16 bits for
//! those.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "sizes and shares of pictures"
)]

use super::super::super::frame::Frame;
use super::super::super::quantisation::Quantiser;
use super::super::super::sequential::{CodeStrip, Rounded, Scan, TokenSink};
use super::super::super::settings::{Effort, PixelLayout, Sampling, Steps};
use super::super::super::strip::Strip;
use super::super::super::tokens::Tokens;
use super::super::{Spec, optimal};
use crate::common::simd::Processor;
use std::fmt::Write;

/// The first quality of every range but the first, and the qualities that each is trained at.
const RANGES: [(u8, &[u8]); 4] =
    [(1, &[30, 45, 58]), (62, &[63, 70, 76]), (79, &[80, 83, 87]), (89, &[90, 93, 96])];

struct Picture {
    width: u16,
    height: u16,
    pixels: Vec<u8>,
}

fn pictures() -> Vec<Picture> {
    let list = std::env::var("SAFELIGHT_PHOTOS").expect("SAFELIGHT_PHOTOS: files and directories");
    let mut paths = Vec::new();
    for place in list.split_whitespace().map(std::path::PathBuf::from) {
        if place.is_dir() {
            paths.extend(std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            paths.push(place);
        }
    }
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let picture = image::open(&path).unwrap().to_rgb8();
        for side in [800, 400] {
            let side = f64::from(side) / f64::from(picture.width().max(picture.height()));
            let [width, height] = [picture.width(), picture.height()]
                .map(|length| ((f64::from(length) * side.min(1.0)).round() as u32).max(1));
            let small =
                image::imageops::resize(&picture, width, height, image::imageops::FilterType::Lanczos3);
            let [width, height] = [width, height].map(|length| u16::try_from(length).unwrap());
            all.push(Picture { width, height, pixels: small.into_raw() });
        }
    }
    all
}

/// How often symbols occur, DC of luma and chroma, then AC.
fn count(picture: &Picture, quality: u8) -> [[u32; 256]; 4] {
    let processor = Processor::detect();
    let frame = Frame::new(picture.width, picture.height, PixelLayout::Rgb8, Sampling::Quarter);
    let quantisers = Quantiser::pair(Steps::Radial, quality, Effort::Plain);
    let mut strip = Strip::new(processor, &frame, PixelLayout::Rgb8, Sampling::Quarter);
    let (mut scan, mut tokens) = (Scan::new(0), Tokens::new());
    let mut rows = picture.pixels.as_slice();
    for mcu_y in 0..frame.mcus_high {
        let taken = strip.push(rows);
        rows = &rows[taken * 3 * frame.width..];
        if !strip.is_full() {
            strip.complete();
        }
        processor.run(CodeStrip {
            frame: &frame,
            mcu_y,
            planes: &strip.planes,
            quantisers: &quantisers,
            choice: Rounded,
            scan: &mut scan,
            sink: TokenSink(&mut tokens),
        });
        strip.clear();
    }
    *tokens.counts()
}

/// Whether a baseline file may hold a symbol: sizes up to 11 for DC, and up to 10 with a run for AC.
fn is_possible(symbol: usize, dc: bool) -> bool {
    if dc { symbol < 12 } else { symbol == 0 || symbol == 0xF0 || (1..=10).contains(&(symbol & 15)) }
}

fn train(pictures: &[Picture], qualities: &[u8]) -> [Spec; 4] {
    let mut shares = [[0.0f64; 256]; 4];
    for picture in pictures {
        for &quality in qualities {
            for (shares, counts) in shares.iter_mut().zip(count(picture, quality)) {
                let all: f64 = counts.iter().map(|&count| f64::from(count)).sum();
                for (share, count) in shares.iter_mut().zip(counts) {
                    *share += f64::from(count) / all;
                }
            }
        }
    }
    let files = (pictures.len() * qualities.len()) as f64;
    let mut number = 0;
    shares.map(|shares| {
        let dc = number < 2;
        number += 1;
        let mut counts = [0; 256];
        for (symbol, (count, share)) in counts.iter_mut().zip(shares).enumerate() {
            if is_possible(symbol, dc) {
                *count = (share / files * f64::from(1 << 28)) as u32 + (1 << 11);
            } else {
                assert!(share == 0.0, "symbol {symbol:#x}");
            }
        }
        optimal(&counts)
    })
}

#[test]
#[ignore = "writes the tables, from photographs that are not in the repository"]
fn write_sets() {
    let pictures = pictures();
    let mut out = String::from("//! Made by `train`; not to be edited.\n\nuse super::super::Set;\n");
    out += "use super::super::standard::spec;\n\n/// The first quality of every set but the first.\n";
    let from: Vec<u8> = RANGES.iter().skip(1).map(|range| range.0).collect();
    writeln!(out, "pub(super) static FROM: [u8; {}] = {from:?};\n", from.len()).unwrap();
    writeln!(
        out,
        "/// The sets, from the lowest qualities on.\npub(super) static SETS: [Set; {}] = [",
        RANGES.len()
    )
    .unwrap();
    for (_, qualities) in RANGES {
        let [luma_dc, chroma_dc, luma_ac, chroma_ac] = train(&pictures, qualities)
            .map(|spec| format!("spec({:?}, {:?})", spec.counts, &spec.symbols[..spec.len()]));
        writeln!(out, "Set::new([[{luma_dc}, {luma_ac}], [{chroma_dc}, {chroma_ac}]]),").unwrap();
    }
    out += "];\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/encode/huffman/trained/sets.rs");
    std::fs::write(path, out).unwrap();
}
