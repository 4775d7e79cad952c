//! Score against bytes and CPU time, of every profile and every peer.

use std::path::Path;

use crate::{
    Args, PROFILES,
    cases::{self, Format, Manner, Want, make},
    measure::{median, round},
    peers::Peer,
    pictures::{Picture, Pictures},
    score::Scores,
    svg::{Plot, Series},
};

/// How much smaller the outputs are, in each direction.
const FACTORS: [f64; 6] = [1.5, 2.0, 3.0, 5.0, 8.0, 15.0];
/// Widths of which qualities are compared.
const WIDTHS: [u32; 2] = [800, 512];
/// Runs of which the median is taken.
const RUNS: usize = 5;

/// What one program made of one output.
#[derive(Clone, Copy)]
struct Point {
    cpu: f64,
    bytes: usize,
    score: f64,
}

/// Times of a program's runs for one output, and the file.
type Runs = (Vec<f64>, Option<Vec<u8>>);

/// Sums over pictures: CPU milliseconds, bytes, score. `None` where one was not made.
type Sums = Vec<Option<(f64, f64, f64)>>;

/// Programs' names, in the order of [`points`].
fn names(peers: &[Box<dyn Peer>]) -> Vec<String> {
    let ours = PROFILES.iter().map(|(name, _)| format!("ours, {name}"));
    // "sharp 0.35.5 (libvips 8.18.4)": what is in brackets is for the table.
    let theirs = peers.iter().map(|peer| peer.name().split(" (").next().unwrap_or_default().to_owned());
    ours.chain(theirs).collect()
}

/// What every program makes of each output; `None` where it cannot, or makes another size. The outputs take turns as the
/// programs do, so that what else the machine does meets all of them.
fn points(
    args: &Args,
    picture: &Picture,
    wants: &[Want],
    peers: &mut [Box<dyn Peer>],
    scores: &mut Scores,
) -> Vec<Vec<Option<Point>>> {
    let programs = PROFILES.len() + peers.len();
    let mut runs = vec![vec![(Vec::new(), None); programs]; wants.len()];
    for _ in 0..RUNS {
        for (want, runs) in wants.iter().zip(&mut runs) {
            let (ours, theirs) = runs.split_at_mut(PROFILES.len());
            for ((times, file), (_, profile)) in ours.iter_mut().zip(PROFILES) {
                let manner = Manner { profile, light: args.light };
                let mut made = make(picture, std::slice::from_ref(want), manner);
                times.push(made.cpu);
                *file = made.files.pop();
            }
            for ((times, file), peer) in theirs.iter_mut().zip(peers.iter_mut()) {
                if let Some((cpu, made)) = peer.run(picture, want) {
                    times.push(cpu);
                    *file = Some(made);
                }
            }
        }
    }
    let mut rate = |(want, runs): (&Want, Vec<Runs>)| {
        let (crop, size) = cases::geometry(picture, want);
        let point = |(times, file): Runs| {
            let file = file?;
            let score = scores.of(picture, crop, size, &file)?;
            Some(Point { cpu: median(times), bytes: file.len(), score })
        };
        runs.into_iter().map(point).collect()
    };
    wants.iter().zip(runs).map(&mut rate).collect()
}

/// Measures and shows everything.
pub(crate) fn run(args: &Args, pictures: &Pictures, peers: &mut [Box<dyn Peer>]) {
    if let Some(folder) = &args.svg {
        std::fs::create_dir_all(folder).expect("a folder for plots");
    }
    let mut scores = Scores::new(args.light);
    let asked = |picture: &&Picture| args.words.iter().all(|word| picture.name.contains(word.as_str()));
    let sources: Vec<&Picture> = [&pictures.large, &pictures.png[0]].into_iter().filter(asked).collect();
    for picture in sources {
        factors(args, picture, peers, &mut scores);
    }
    let sources: Vec<&Picture> =
        std::iter::once(&pictures.large).chain(&pictures.jpeg).filter(asked).collect();
    if !sources.is_empty() {
        for width in WIDTHS {
            qualities(args, &sources, width, peers, &mut scores);
        }
    }
}

/// One picture at each factor: the resize alone (as PNG) and JPEG.
fn factors(args: &Args, picture: &Picture, peers: &mut [Box<dyn Peer>], scores: &mut Scores) {
    let names = names(peers);
    let full = cases::geometry(picture, &Want::wide(u32::MAX, Format::Png)).1.width;
    for format in [Format::Png, Format::Jpeg] {
        let mut lines: Vec<Series> = names.iter().map(|name| named(name)).collect();
        let wants = FACTORS.map(|factor| Want::wide((f64::from(full) / factor).round() as u32, format));
        let made = points(args, picture, &wants, peers, scores);
        for (factor, points) in FACTORS.into_iter().zip(made) {
            let case = format!("{} ÷ {factor} {}", picture.name, format.name());
            for ((name, point), line) in names.iter().zip(points).zip(&mut lines) {
                let Some(point) = point else { continue };
                say(args, &case, name, point);
                line.points.push((factor, point.score));
            }
        }
        let words = match format {
            Format::Png => "PNG, the resize alone",
            _ => "JPEG, quality 80",
        };
        let plot = Plot {
            title: format!("{}: {words}", picture.name),
            subtitle: format!("Six sizes; from {full} pixels wide"),
            x: "How many times smaller, in each direction".to_owned(),
            y: "SSIMULACRA2, higher is better".to_owned(),
            log: true,
            series: lines,
        };
        save(args.svg.as_deref(), &format!("factors-{}-{}", picture.extension, format.short()), &plot);
    }
}

/// JPEG qualities at one width: means over the pictures.
fn qualities(
    args: &Args,
    sources: &[&Picture],
    width: u32,
    peers: &mut [Box<dyn Peer>],
    scores: &mut Scores,
) {
    let names = names(peers);
    let levels: Vec<u8> = (50..=95).step_by(5).collect();
    let mut sums: Vec<Sums> = vec![vec![Some((0.0, 0.0, 0.0)); levels.len()]; names.len()];
    for picture in sources {
        let want = |&quality| Want { quality, ..Want::wide(width, Format::Jpeg) };
        let wants: Vec<Want> = levels.iter().map(want).collect();
        let made = points(args, picture, &wants, peers, scores);
        for ((level, quality), points) in levels.iter().enumerate().zip(made) {
            let case = format!("{} → {width} JPEG, quality {quality}", picture.name);
            for ((name, point), sums) in names.iter().zip(points).zip(&mut sums) {
                sums[level] = sums[level].zip(point).map(|((cpu, bytes, score), point)| {
                    say(args, &case, name, point);
                    (cpu + point.cpu, bytes + point.bytes as f64, score + point.score)
                });
            }
        }
    }
    let count = sources.len() as f64;
    let line = |x: &dyn Fn(f64, f64) -> f64| {
        let of = |(name, sums): (&String, &Sums)| {
            let points = sums.iter().flatten().map(|(cpu, bytes, score)| (x(*cpu, *bytes), score / count));
            Series { name: name.clone(), points: points.collect() }
        };
        names.iter().zip(&sums).map(of).collect::<Vec<_>>()
    };
    let of =
        if let [picture] = sources { picture.name.clone() } else { format!("means of {count} pictures") };
    let plot = |title: &str, x: &str, log, series| Plot {
        title: format!("JPEG to JPEG, {width} pixels wide: {title}"),
        subtitle: format!("Points are qualities 50, 55 … 95; {of}"),
        x: x.to_owned(),
        y: "SSIMULACRA2, higher is better".to_owned(),
        log,
        series,
    };
    let bytes = plot("score and bytes", "File size, kB", false, line(&|_, bytes| bytes / count / 1e3));
    let cpu = plot(
        "score and CPU time",
        "CPU time of one picture, ms (logarithmic)",
        true,
        line(&|cpu, _| cpu / count),
    );
    save(args.svg.as_deref(), &format!("bytes-{width}"), &bytes);
    save(args.svg.as_deref(), &format!("cpu-{width}"), &cpu);
}

fn named(name: &str) -> Series {
    Series { name: name.to_owned(), points: Vec::new() }
}

fn say(args: &Args, case: &str, program: &str, point: Point) {
    let Point { cpu, bytes, score } = point;
    if args.json {
        let object = serde_json::json!({
            "case": case, "program": program, "unit": "ms CPU", "cpu": round(cpu), "score": round(score),
            "bytes": bytes,
        });
        println!("{object}");
    } else {
        println!("{case:<58} {program:<24} {cpu:>9.2} ms {score:>8.2} {bytes:>10}");
    }
}

fn save(folder: Option<&Path>, name: &str, plot: &Plot) {
    if let Some(folder) = folder {
        std::fs::write(folder.join(name).with_extension("svg"), plot.svg()).expect("a plot");
    }
}
