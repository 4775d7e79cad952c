//! Pictures, and the programs of libjpeg-turbo.

use safelight_jpeg::decode::{Decoder, Limits, Options, Output, Scale};
use std::io::Write;
use std::process::{Command, Stdio};

/// RGB rows without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub channels: usize,
    pub bytes: Vec<u8>,
}

/// Waves and blotches of several sizes, in colour; `noise` adds as much to each sample.
pub fn picture(width: u32, height: u32, noise: u32) -> Picture {
    let mut seed = width * 7919 + height;
    let mut bytes = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (fx, fy) = (f64::from(x), f64::from(y));
            let wave = 40.0 * (fx / 23.0).sin() + 35.0 * (fy / 17.0 + fx / 61.0).cos();
            for phase in [0.0, 1.3, 2.9] {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let grain = f64::from((seed >> 16) % (noise + 1)) - f64::from(noise) / 2.0;
                let value = 128.0 + wave + 45.0 * ((fx + 2.0 * fy) / 83.0 + phase).sin() + grain;
                bytes.push(value.clamp(0.0, 255.0) as u8);
            }
        }
    }
    Picture { width, height, channels: 3, bytes }
}

impl Picture {
    pub fn ppm(&self) -> Vec<u8> {
        let kind = if self.channels == 1 { 5 } else { 6 };
        let mut file = format!("P{kind}\n{} {}\n255\n", self.width, self.height).into_bytes();
        file.extend_from_slice(&self.bytes);
        file
    }

    fn from_ppm(file: &[u8]) -> Self {
        let mut parts = file.splitn(4, |b| *b == b'\n');
        let kind = parts.next().unwrap();
        let size = String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
        let (width, height) = size.split_once(' ').unwrap();
        let _depth = parts.next().unwrap();
        Self {
            width: width.parse().unwrap(),
            height: height.parse().unwrap(),
            channels: if kind == b"P5" { 1 } else { 3 },
            bytes: parts.next().unwrap().to_vec(),
        }
    }

    /// The means of boxes of `size` × `size` pixels.
    pub fn boxes(&self, size: u32) -> Self {
        let (width, height) = (self.width.div_ceil(size), self.height.div_ceil(size));
        let mut bytes = Vec::new();
        for y in 0..height {
            for x in 0..width {
                for c in 0..self.channels {
                    let (mut sum, mut count) = (0, 0);
                    for row in y * size..((y + 1) * size).min(self.height) {
                        for column in x * size..((x + 1) * size).min(self.width) {
                            sum += u32::from(
                                self.bytes[(row * self.width + column) as usize * self.channels + c],
                            );
                            count += 1;
                        }
                    }
                    bytes.push(((sum + count / 2) / count) as u8);
                }
            }
        }
        Self { width, height, channels: self.channels, bytes }
    }

    /// Peak signal-to-noise ratio in dB, and the mean difference.
    pub fn difference(&self, other: &Self) -> (f64, f64) {
        assert_eq!((self.width, self.height, self.channels), (other.width, other.height, other.channels));
        let pairs = || self.bytes.iter().zip(&other.bytes).map(|(a, b)| f64::from(*a) - f64::from(*b));
        let count = self.bytes.len() as f64;
        let square = pairs().map(|d| d * d).sum::<f64>() / count;
        let psnr = if square == 0.0 { 99.0 } else { 10.0 * (255.0 * 255.0 / square).log10() };
        (psnr, pairs().sum::<f64>() / count)
    }
}

/// Whether djpeg and cjpeg are there. In CI they must be.
pub fn tools() -> bool {
    let there = |name: &str| {
        Command::new(name).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    if there("djpeg") && there("cjpeg") {
        return true;
    }
    assert!(std::env::var("CI").is_err(), "djpeg and cjpeg are missing: apt-get install libjpeg-turbo-progs");
    eprintln!("SKIPPED: djpeg and cjpeg are missing (apt-get install libjpeg-turbo-progs)");
    false
}

fn pipe(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    output.stdout
}

/// Encodes with cjpeg.
pub fn cjpeg(picture: &Picture, arguments: &str) -> Vec<u8> {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let file = pipe("cjpeg", &arguments, &picture.ppm());
    assert!(file.starts_with(&[0xFF, 0xD8]), "cjpeg {arguments:?}");
    file
}

/// Decodes with djpeg.
pub fn djpeg(file: &[u8], scale: Scale) -> Picture {
    Picture::from_ppm(&pipe("djpeg", &["-scale", &format!("1/{}", scale.divisor())], file))
}

/// Decodes with this crate.
pub fn decode(file: &[u8], options: &Options<'_>) -> Picture {
    let decoder = Decoder::new(file, Limits::default()).unwrap();
    let (width, height) = decoder.size(options.scale);
    let (bytes, result) = crate::checks::pixels(&decoder, options);
    assert_eq!(result, Ok(None));
    let channels = match options.output {
        Output::Gray8 => 1,
        Output::Cmyk8 => 4,
        _ => 3,
    };
    Picture { width, height, channels, bytes }
}
