//! Damaged files: no panic, the same from every lane and path, errors that tell what is wrong.

use crate::checks;
use crate::support::{cjpeg, picture, tools};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use safelight_jpeg::decode::{Damage, Decoder, Error, Limits, Options};

fn encoded(width: u32, height: u32, sampling: SamplingFactor, progressive: bool, restart: u16) -> Vec<u8> {
    let made = picture(width, height, 14);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 85);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(progressive);
    encoder.set_restart_interval(restart);
    encoder.encode(&made.bytes, width as u16, height as u16, ColorType::Rgb).unwrap();
    file
}

/// The seeds that fuzzing starts from as well.
fn corpus() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for sampling in
        [SamplingFactor::F_1_1, SamplingFactor::F_2_2, SamplingFactor::F_2_1, SamplingFactor::F_4_1]
    {
        for (progressive, restart) in [(false, 0), (false, 3), (true, 0), (true, 4)] {
            files.push(encoded(61, 45, sampling, progressive, restart));
        }
    }
    // Large enough for four lanes.
    files.push(encoded(640, 480, SamplingFactor::F_2_2, false, 0));
    files.push(encoded(480, 400, SamplingFactor::F_1_1, false, 700));
    if tools() {
        let small = picture(50, 40, 9);
        for mode in ["-progressive", "-optimize -restart 1", "-grayscale", "-sample 3x2,1x1,1x2 -progressive"]
        {
            files.push(cjpeg(&small, mode));
        }
    }
    files
}

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

#[test]
fn mutated_files_are_decided_alike() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let rounds = std::env::var("JPEG_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let mut count = 0;
    for file in corpus() {
        checks::decode(&file);
        checks::lanes(&file);
        checks::limits(&file);
        for _ in 0..rounds {
            let odd = mutate(&file, &mut random);
            checks::decode(&odd);
            checks::lanes(&odd);
            checks::limits(&odd);
            count += 1;
        }
    }
    println!("{count} mutated files");
}

/// Writes the seeds for cargo-fuzz: `JPEG_CORPUS=folder cargo test -p safelight-jpeg --test decode seeds`.
#[test]
fn seeds_are_written_on_request() {
    let Ok(folder) = std::env::var("JPEG_CORPUS") else { return };
    std::fs::create_dir_all(&folder).unwrap();
    for (i, file) in corpus().iter().enumerate() {
        std::fs::write(format!("{folder}/seed-{i}.jpg"), file).unwrap();
    }
}

#[test]
fn a_cut_file_is_truncated_wherever_it_is_cut() {
    for (progressive, restart) in [(false, 0), (false, 2), (true, 0)] {
        let file = encoded(61, 45, SamplingFactor::F_2_2, progressive, restart);
        let whole = Decoder::new(&file, Limits::default()).unwrap();
        let fill = Options { damage: Damage::Fill, ..Options::default() };
        let (pixels, _) = checks::pixels(&whole, &fill);
        for cut in (3..file.len() - 3).step_by(7) {
            let cut_file = &file[..cut];
            match Decoder::new(cut_file, Limits::default()) {
                Err(Error::Truncated { at, .. }) => assert!(at <= cut),
                Err(other) => panic!("{cut}: {other:?}"),
                Ok(decoder) => {
                    let (_, refused) = checks::pixels(&decoder, &Options::default());
                    if !progressive {
                        assert!(
                            matches!(refused, Err(Error::Truncated { at, .. }) if at <= cut),
                            "{cut}: {refused:?}"
                        );
                    }
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
