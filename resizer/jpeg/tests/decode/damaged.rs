//! Damaged files: no panic, the same from every lane and path, errors that tell what is wrong.

use crate::checks;
use crate::seeds::{encoded, seeds};
use crate::support::picture;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use safelight_jpeg::decode::{Damage, Decoder, Error, Limits, Options, Output, Scale};

/// xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

fn mutate(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..1 + random.below(6) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 => bytes[at] = random.below(256) as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes.truncate(at.max(4)),
            3 => {
                let end = (at + 1 + random.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let from = random.below(bytes.len());
                let part = bytes[from..(from + random.below(60)).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            5 => {
                bytes.splice(at..at, [0xFF, 0xD0 + random.below(10) as u8]);
            }
            _ => bytes[at] = 0xFF,
        }
        if bytes.len() < 4 {
            break;
        }
    }
    bytes
}

/// Small enough that every file is decided in milliseconds.
const LIMITS: Limits = Limits { extent: 4096, pixels: 1 << 20, memory: 64 << 20, scans: 24 };

fn check(file: &[u8]) {
    checks::decode(file, LIMITS);
    checks::lanes(file, LIMITS);
    checks::limits(file);
}

#[test]
fn mutated_files_are_decided_alike() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let rounds = std::env::var("JPEG_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut count = 0;
    let mut files = seeds();
    // Large enough for several chunks of four lanes.
    files.push(encoded(640, 480, SamplingFactor::F_2_2, false, 0));
    files.push(encoded(480, 400, SamplingFactor::F_1_1, false, 700));
    for file in files {
        check(&file);
        for _ in 0..rounds {
            check(&mutate(&file, &mut random));
            count += 1;
        }
    }
    println!("{count} mutated files");
}

/// More than a window of data, and a flat part in which lanes come to the end of their room.
#[test]
fn large_files_are_decided_alike() {
    let mut made = picture(1000, 900, 90);
    made.bytes[1000 * 3 * 500..].fill(77);
    let mut random = Random(0x0123_4567_89AB_CDEF);
    for restart in [0, 999] {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, 95);
        encoder.set_sampling_factor(SamplingFactor::F_1_1);
        encoder.set_restart_interval(restart);
        encoder.encode(&made.bytes, 1000, 900, ColorType::Rgb).unwrap();
        assert!(file.len() > 3 * (128 << 10), "{} bytes", file.len());
        checks::lanes(&file, LIMITS);
        crate::memory::check(&file, Scale::Full, Output::Rgb8);
        for _ in 0..6 {
            checks::lanes(&mutate(&file, &mut random), LIMITS);
        }
    }
}

/// A flat part of two bits a block behind one of many: lanes are full over and over, wherever that is from where they meet
/// the next.
#[test]
fn flat_files_are_decided_alike() {
    let made = picture(320, 320, 90).bytes;
    let mut random = Random(0xFEDC_BA98_7654_3210);
    for rows in 8..88 {
        let mut gray = made[..320 * rows].to_vec();
        gray.resize(320 * 480, 77);
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, 95);
        encoder.set_optimized_huffman_tables(true);
        encoder.encode(&gray, 320, 480, ColorType::Luma).unwrap();
        checks::lanes(&file, LIMITS);
        checks::lanes(&mutate(&file, &mut random), LIMITS);
    }
}

/// Where every MCU is damaged, each costs as little as a few codes. A thousand times a flat one, as it once was, is not
/// little; the clock may be disturbed by much less.
#[test]
fn damage_in_every_block_costs_little() {
    let time = |code: &[u8]| {
        // Gray, 2048 × 2048, with the standard's Huffman tables.
        let mut file = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
        file.extend([16; 64]);
        file.extend([0xFF, 0xC0, 0, 11, 8, 8, 0, 8, 0, 1, 1, 0x11, 0]);
        file.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
        file.extend(code.iter().cycle().take(code.len() << 16));
        let decoder = Decoder::new(&file, Limits::default()).unwrap();
        let options = Options {
            scale: Scale::Eighth,
            output: Output::Gray8,
            damage: Damage::Fill,
            ..Options::default()
        };
        let decode = |_| {
            let start = std::time::Instant::now();
            let (_, damage) = checks::pixels(&decoder, &options);
            (start.elapsed(), damage.unwrap().is_some())
        };
        (0..5).map(decode).min().unwrap()
    };
    // A difference and a level of 0, 8 bits; all ones, which are no code.
    let ((flat, whole), (dead, damaged)) = (time(&[0b0100_1010]), time(&[0xFF, 0]));
    assert!(!whole && damaged);
    assert!(dead < flat * 200, "{dead:?} with damage, {flat:?} without");
}

#[test]
fn a_cut_file_is_truncated_wherever_it_is_cut() {
    for (progressive, restart) in [(false, 0), (false, 2), (true, 0)] {
        let file = encoded(61, 45, SamplingFactor::F_2_2, progressive, restart);
        let whole = Decoder::new(&file, Limits::default()).unwrap();
        let fill = Options { damage: Damage::Fill, ..Options::default() };
        let (pixels, _) = checks::pixels(&whole, &fill);
        for cut in (3..file.len() - 3).step_by(if progressive { 1 } else { 7 }) {
            let cut_file = &file[..cut];
            match Decoder::new(cut_file, Limits::default()) {
                Err(Error::Truncated { at, .. }) => assert!(at <= cut),
                Err(other) => panic!("{cut}: {other:?}"),
                Ok(decoder) => {
                    let (_, refused) = checks::pixels(&decoder, &Options::default());
                    // Between two scans, what is there is whole.
                    let between = matches!(file[cut..], [0xFF, 0xC4 | 0xDA, ..])
                        || matches!(file[cut - 1..], [0xFF, 0xC4 | 0xDA, ..]);
                    assert!(
                        matches!(refused, Err(Error::Truncated { at, .. }) if at <= cut)
                            || progressive && between && refused == Ok(None),
                        "{cut} {between}: {refused:?}"
                    );
                    let (filled, result) = checks::pixels(&decoder, &fill);
                    assert!(result.is_ok());
                    assert_eq!(filled.len(), pixels.len());
                    if !progressive && cut > file.len() / 2 + 300 {
                        // What was there is there.
                        assert_eq!(filled[..61 * 3], pixels[..61 * 3], "{cut}");
                    }
                }
            }
        }
    }
}

#[test]
fn limits_refuse() {
    let file = encoded(61, 45, SamplingFactor::F_2_2, true, 0);
    let refused = |limits: Limits| match Decoder::new(&file, limits) {
        Err(error) => error,
        Ok(decoder) => checks::pixels(&decoder, &Options::default()).1.unwrap_err(),
    };
    let all = Limits::default();
    for (limits, value) in [
        (Limits { extent: 60, ..all }, 61),
        (Limits { pixels: 2000, ..all }, 61 * 45),
        (Limits { scans: 2, ..all }, 3),
    ] {
        assert!(
            matches!(refused(limits), Error::Limit { value: v, .. } if v == value),
            "{:?}",
            refused(limits)
        );
    }
    assert!(matches!(refused(Limits { memory: 1000, ..all }), Error::Limit { limit: 1000, .. }));
}

/// An interval of one MCU for each of 64, none with data: a small file can have millions of them, and as many scans as
/// the limits allow.
#[test]
fn a_progressive_scan_without_data_can_be_cancelled() {
    let mut file = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    file.extend([1; 64]);
    file.extend([0xFF, 0xC2, 0, 11, 8, 0, 8, 2, 0, 1, 1, 0x11, 0]);
    file.extend([0xFF, 0xDD, 0, 4, 0, 1]);
    file.extend([0xFF, 0xDA, 0, 8, 1, 1, 0x00, 0, 0, 0]);
    file.extend([0xFF, 0xD9]);
    let decoder = Decoder::new(&file, Limits::default()).unwrap();
    let mut bytes = [0; 512 * 8];
    let asked = std::cell::Cell::new(0);
    let decode = |bytes: &mut [u8], stop_at: usize| {
        asked.set(0);
        let cancel = || asked.replace(asked.get() + 1) == stop_at;
        let options = Options {
            output: Output::Gray8,
            damage: Damage::Fill,
            cancel: Some(&cancel),
            ..Options::default()
        };
        decoder.picture(&options, bytes, 512)
    };
    assert!(matches!(decode(&mut bytes, usize::MAX).unwrap().damage, Some(Error::Truncated { .. })));
    assert!(asked.get() > 63, "asked {} times in 64 intervals", asked.get());
    assert_eq!(decode(&mut bytes, 20), Err(Error::Cancelled));
}
