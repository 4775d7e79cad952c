//! What effort buys: bytes against SSIMULACRA2, beside libjpeg-turbo and mozjpeg (in sharp from npm).

use crate::peer::Peer;
use crate::pictures::Picture;
use crate::pixels::{Pixels, score};
use libloading::Library;
use safelight_jpeg::encode::{Effort, Huffman, PixelLayout, Process, Settings, Steps, encode};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Qualities that are encoded.
const QUALITIES: [u8; 10] = [50, 55, 60, 65, 70, 75, 80, 85, 90, 95];
/// The one whose time is shown.
const TIMED: u8 = 80;
/// Times that each is encoded; the least counts, as they are too few for a median on a busy machine.
const ROUNDS: usize = 5;
/// Scores at which the table compares bytes.
const SCORES: [f64; 5] = [60.0, 70.0, 75.0, 80.0, 85.0];
/// Pictures are reduced to at most this many pixels a side: what a resizer sends.
const EXTENT: u32 = 1000;

/// Reads raw RGB, writes one file a quality, prints the times.
const SHARP: &str = r"
const sharp = require('sharp'), fs = require('fs');
const [path, width, height, rounds, ...qualities] = process.argv.slice(1);
sharp.concurrency(1);
const pixels = fs.readFileSync(path), raw = { width: +width, height: +height, channels: 3 };
(async () => {
    for (const quality of qualities) {
        const times = [];
        for (let round = 0; round < rounds; round++) {
            const start = performance.now();
            const options = { quality: +quality, mozjpeg: true, chromaSubsampling: '4:2:0' };
            const file = await sharp(pixels, { raw }).jpeg(options).toBuffer();
            times.push(performance.now() - start);
            fs.writeFileSync(`${path}.${quality}`, file);
        }
        console.log(times.join(' '));
    }
})();
";

/// One file.
struct Point {
    quality: u8,
    bytes: usize,
    score: f64,
    ms: f64,
}

/// One encoder's files, worst first.
struct Curve {
    encoder: String,
    points: Vec<Point>,
}

/// Prints a table, or one object a file, for every photograph that is wanted.
pub fn run(pictures: &[Picture], library: &Library, json: bool, wanted: impl Fn(&str) -> bool) {
    let photographs = ["photo", "clic", "made-4000"];
    for picture in pictures.iter().filter(|p| photographs.iter().any(|name| p.name.starts_with(name))) {
        if !wanted(&format!("curve {}", picture.name)) {
            continue;
        }
        let image = image::load_from_memory(&picture.file).expect("a JPEG file");
        let image = image.thumbnail(EXTENT, EXTENT).to_rgb8();
        let (width, height) = image.dimensions();
        let (name, layout, samples) = (picture.name.clone(), PixelLayout::Rgb8, image.into_raw());
        let pixels = Pixels { name, layout, width, height, samples };
        let mut curves: Vec<Curve> = mozjpeg(&pixels).into_iter().collect();
        curves.extend(turbo(&pixels, library));
        curves.extend(ours(&pixels));
        if json {
            for curve in &curves {
                curve.print_json(&pixels);
            }
        } else {
            print(&pixels, &curves);
        }
    }
}

fn print(pixels: &Pixels, curves: &[Curve]) {
    println!(
        "{} at {}×{}: bytes at equal SSIMULACRA2, more or less than the first line's; ms at quality {TIMED}",
        pixels.name, pixels.width, pixels.height
    );
    let scores: String = SCORES.iter().map(|score| format!("{score:>18}")).collect();
    println!("{:<34}{scores}{:>9}", "", "ms");
    for curve in curves {
        let mut row = format!("{:<34}", curve.encoder);
        for score in SCORES {
            row += &match (curve.bytes_at(score), curves[0].bytes_at(score)) {
                (Some(own), Some(first)) => format!("{own:>10.0} {:>+5.1} %", (own / first - 1.0) * 100.0),
                _ => format!("{:>18}", "–"),
            };
        }
        let timed = curve.points.iter().find(|point| point.quality == TIMED);
        println!("{row}{:>9.2}", timed.map_or(f64::NAN, |point| point.ms));
    }
}

impl Curve {
    /// The files that `encode` makes at every quality.
    fn new(encoder: &str, pixels: &Pixels, mut encode: impl FnMut(u8) -> Vec<u8>) -> Self {
        let points = QUALITIES.map(|quality| {
            let mut file = Vec::new();
            let times = std::array::from_fn::<_, ROUNDS, _>(|_| {
                let start = Instant::now();
                file = encode(quality);
                start.elapsed().as_secs_f64() * 1e3
            });
            Point { quality, bytes: file.len(), score: score(pixels, &file), ms: least(&times) }
        });
        Self::sorted(encoder, points.into())
    }

    fn sorted(encoder: &str, mut points: Vec<Point>) -> Self {
        points.sort_by(|a, b| a.score.total_cmp(&b.score));
        Self { encoder: encoder.to_owned(), points }
    }

    /// Bytes at a score, if it lies within the curve: the logarithm of the bytes is taken to be straight between points.
    fn bytes_at(&self, score: f64) -> Option<f64> {
        let [a, b] = self.points.array_windows().find(|[a, b]| (a.score..=b.score).contains(&score))?;
        let part = (score - a.score) / (b.score - a.score).max(1e-9);
        let (from, to) = ((a.bytes as f64).ln(), (b.bytes as f64).ln());
        Some((from + part * (to - from)).exp())
    }

    fn print_json(&self, pixels: &Pixels) {
        for Point { quality, bytes, score, ms } in &self.points {
            let case = format!("curve {} {} q{quality}", pixels.name, self.encoder);
            let object = serde_json::json!({ "case": case, "bytes": bytes, "ssimulacra2": score, "ms": ms });
            println!("{object}");
        }
    }
}

fn ours(pixels: &Pixels) -> Vec<Curve> {
    let kinds = [
        ("ours baseline", Process::Baseline, Huffman::Standard, Effort::Plain),
        ("ours optimised", Process::Baseline, Huffman::Optimised, Effort::Plain),
        ("ours progressive", Process::Progressive, Huffman::Optimised, Effort::Plain),
        ("ours baseline trellis", Process::Baseline, Huffman::Optimised, Effort::Trellis),
        ("ours progressive trellis", Process::Progressive, Huffman::Optimised, Effort::Trellis),
    ];
    let steps = [("", Steps::Standard), (" Robidoux", Steps::Robidoux)];
    let all = steps.iter().flat_map(|steps| kinds.iter().map(move |kind| (steps, kind)));
    all.map(|((suffix, steps), (name, process, huffman, effort))| {
        let settings = Settings {
            steps: *steps,
            process: *process,
            huffman: *huffman,
            effort: *effort,
            ..Settings::default()
        };
        Curve::new(&format!("{name}{suffix}"), pixels, |quality| {
            let settings = Settings { quality, ..settings };
            encode(&pixels.samples, pixels.width, pixels.height, pixels.layout, &settings).expect("a file")
        })
    })
    .collect()
}

fn turbo(pixels: &Pixels, library: &Library) -> [Curve; 2] {
    [("libjpeg-turbo", Process::Baseline), ("libjpeg-turbo progressive", Process::Progressive)].map(
        |(name, process)| {
            let mut peer = Peer::new(library, pixels);
            Curve::new(name, pixels, |quality| {
                let length = peer.encode(pixels, &Settings { quality, process, ..Settings::default() });
                peer.room[..length].to_vec()
            })
        },
    )
}

/// Files of sharp's `mozjpeg: true`; none, said aloud, where it is not installed.
fn mozjpeg(pixels: &Pixels) -> Option<Curve> {
    let path = std::env::temp_dir().join(format!("safelight-curve-{}", std::process::id()));
    std::fs::write(&path, &pixels.samples).expect("a temporary file");
    let numbers = [pixels.width as usize, pixels.height as usize, ROUNDS].map(|number| number.to_string());
    let output = Command::new("node")
        .args(["-e", SHARP])
        .arg(&path)
        .args(numbers)
        .args(QUALITIES.map(|quality| quality.to_string()))
        .env("NODE_PATH", node_path())
        .output();
    std::fs::remove_file(&path).expect("the temporary file");
    let output = match output {
        Ok(output) if output.status.success() => output,
        failed => {
            let why = failed.map_or_else(
                |error| error.to_string(),
                |output| {
                    String::from_utf8_lossy(&output.stderr).lines().take(5).collect::<Vec<_>>().join(" ")
                },
            );
            eprintln!("SKIPPED: mozjpeg: sharp is not in SAFELIGHT_NODE_PATH (npm install sharp): {why}");
            return None;
        }
    };
    let times = String::from_utf8_lossy(&output.stdout).into_owned();
    let points = QUALITIES.iter().zip(times.lines()).map(|(&quality, times)| {
        let path = path.with_added_extension(quality.to_string());
        let file = std::fs::read(&path).expect("a file of sharp's");
        std::fs::remove_file(&path).expect("the temporary file");
        let times: Vec<f64> = times.split(' ').map(|time| time.parse().expect("a time")).collect();
        let ms = least(&times);
        Point { quality, bytes: file.len(), score: score(pixels, &file), ms }
    });
    Some(Curve::sorted("mozjpeg (sharp)", points.collect()))
}

fn least(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Where npm's packages are: as the tests are told, or where `.ci/run` puts them.
fn node_path() -> PathBuf {
    std::env::var_os("SAFELIGHT_NODE_PATH").map_or_else(
        || {
            PathBuf::from(std::env::var_os("HOME").unwrap_or_default())
                .join(".cache/safelight-ci/node/node_modules")
        },
        PathBuf::from,
    )
}
