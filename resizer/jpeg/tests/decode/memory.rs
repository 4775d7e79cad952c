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
    let run = || {
        let go_on = || std::ops::ControlFlow::Continue(());
        if output == Output::Planes {
            decoder.planes(&options, |_| go_on()).unwrap();
        } else {
            decoder.rows(&options, |_| go_on()).unwrap();
        }
    };
    // Tables that are made once a process are none of a decode's.
    run();
    let (used, ()) = peak(run);
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

/// The frame and tables of a file whose components have these sampling factors, in MCUs of the largest ones. Its eight
/// Huffman tables take the most room that tables can: 256 codes of which 255 have 11 bits, so that windows of 11 bits need
/// nine second-level tables.
fn with_largest_tables(factors: &[(u8, u8)], (mcus_x, mcus_y): (u32, u32)) -> Vec<u8> {
    let mut file = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    file.extend([1; 64]);
    for table in (0..4).chain(16..20) {
        file.extend([0xFF, 0xC4, 1, 19, table, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 255, 0, 0, 0, 0, 0]);
        file.extend(0..=255);
    }
    let (h, v) = (factors.iter().map(|f| f.0).max().unwrap(), factors.iter().map(|f| f.1).max().unwrap());
    let (width, height) = (mcus_x * u32::from(h) * 8, mcus_y * u32::from(v) * 8);
    file.extend([0xFF, 0xC1, 0, 8 + 3 * factors.len() as u8, 8]);
    file.extend([height, width].iter().flat_map(|extent| (*extent as u16).to_be_bytes()));
    file.push(factors.len() as u8);
    for (id, (h, v)) in (0..).zip(factors) {
        file.extend([id, h << 4 | v, 0]);
    }
    file
}

/// A scan of these components, each with its own tables: first blocks of 20 levels, then of none. A block's flat end is
/// 20 zero bits, a level of ±1 after `00000000010` its sign.
fn scan(file: &mut Vec<u8>, components: &[u8], detailed: usize, flat: usize) {
    file.extend([0xFF, 0xDA, 0, 6 + 2 * components.len() as u8, components.len() as u8]);
    file.extend(components.iter().flat_map(|c| [*c, c << 4 | c]));
    file.extend([0, 63, 0]);
    let block = "0".repeat(10) + &"000000000101".repeat(10) + &"000000000100".repeat(10) + &"0".repeat(10);
    let bits = block.repeat(detailed) + &"0".repeat(20 * flat);
    let byte = |bits: &[u8]| bits.iter().enumerate().fold(0, |byte, (i, bit)| byte | (bit - b'0') << (7 - i));
    file.extend(bits.as_bytes().chunks(8).map(byte));
}

/// Of so many MCUs lanes hold as many as they ever do, so that all is taken that is told.
const MCUS: (u32, u32) = (80, 80);

#[test]
fn the_largest_tables_take_what_is_told() {
    let factors = [(2, 2), (2, 2), (1, 1), (1, 1)];
    let mut file = with_largest_tables(&factors, MCUS);
    scan(&mut file, &[0, 1, 2, 3], 3000, 61_000);
    file.extend([0xFF, 0xD9]);
    for scale in Scale::ALL {
        check(&file, scale, Output::Planes);
    }
}

/// The first scan tells nothing of the others: here it has one component, and the second interleaves all the rest.
#[test]
fn scans_that_interleave_some_components_take_what_is_told() {
    let mut file = with_largest_tables(&[(1, 1), (4, 2), (1, 1), (1, 1)], MCUS);
    scan(&mut file, &[0], 0, 6400);
    scan(&mut file, &[1, 2, 3], 3000, 61_000);
    file.extend([0xFF, 0xD9]);
    for scale in Scale::ALL {
        check(&file, scale, Output::Planes);
    }
}
