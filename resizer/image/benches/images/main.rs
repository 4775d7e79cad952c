//! `cargo bench-images [OPTIONS] [WORDS…]`: what small pictures cost of CPU time, user and system, in milliseconds: the
//! resizer's own pipeline in this process, beside other programs, each in a process of its own that makes one picture at
//! a time. With words, only cases (of the frontier: pictures) that hold each of them.
//!
//! Each with the bytes that come out, and SSIMULACRA2 against an exact resize of the full decode, in linear light and
//! not compressed (`reference`).
//!
//! - `--json`: one object for each case and peer, a line each
//! - `--profile fast|balanced|best`: how we make it; balanced if not given
//! - `--light linear|srgb`: of which light the reference is; ours and oximg resize in it too
//! - `--peers NAMES`: only these, by commas: sharp, oximg, imgproxy, none
//! - `--load`: keeps another core busy with memory traffic meanwhile
//! - `--no-scores`: times alone
//! - `--frontier`: every profile and every peer, the resize alone and JPEG at factors of 1.5 to 15, and JPEG qualities of
//!   50 to 95 at 800 and 512 pixels; with `--svg DIR` also as plots
//! - `--check`: only what stands before every run: the reference against its definition, and the clocks
//!
//! Peers are looked for in `~/.cache/safelight-bench` (or where `SAFELIGHT_BENCH` says); `peers.sh` beside this folder
//! puts them there. sharp's `node_modules` may be elsewhere: `SAFELIGHT_SHARP`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]
#![expect(clippy::expect_used, reason = "a command for developers, not a library")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "sides of pictures, and figures for people"
)]

mod cases;
mod clock;
mod frontier;
mod load;
mod measure;
mod peers;
mod pictures;
mod program;
mod reference;
mod score;
mod server;
mod svg;

use std::path::PathBuf;

use cases::{Case, Made, Manner, make};
use measure::{Outcome, Result, median, rounds};
use peers::Peer;
use reference::Light;
use safelight_image::options::QualityProfile;
use score::Scores;

/// The profiles, by name.
const PROFILES: [(&str, QualityProfile); 3] =
    [("fast", QualityProfile::Fast), ("balanced", QualityProfile::Balanced), ("best", QualityProfile::Best)];

/// The command line.
struct Args {
    json: bool,
    profile: (&'static str, QualityProfile),
    light: Light,
    peers: Option<String>,
    load: bool,
    scores: bool,
    frontier: bool,
    svg: Option<PathBuf>,
    check: bool,
    words: Vec<String>,
}

impl Args {
    fn parse() -> std::result::Result<Self, String> {
        let mut args = Self {
            json: false,
            profile: PROFILES[1],
            light: Light::Linear,
            peers: None,
            load: false,
            scores: true,
            frontier: false,
            svg: None,
            check: false,
            words: Vec::new(),
        };
        let mut given = std::env::args().skip(1).filter(|arg| arg != "--bench");
        while let Some(arg) = given.next() {
            let mut value = || given.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--json" => args.json = true,
                "--load" => args.load = true,
                "--no-scores" => args.scores = false,
                "--frontier" => args.frontier = true,
                "--check" => args.check = true,
                "--svg" => args.svg = Some(PathBuf::from(value()?)),
                "--peers" => args.peers = Some(value()?),
                "--profile" => {
                    let value = value()?;
                    let found = PROFILES.into_iter().find(|(name, _)| *name == value);
                    args.profile = found.ok_or("--profile is fast, balanced or best")?;
                }
                "--light" => {
                    args.light = match value()?.as_str() {
                        "linear" => Light::Linear,
                        "srgb" => Light::Srgb,
                        _ => return Err("--light is linear or srgb".to_owned()),
                    }
                }
                _ if arg.starts_with("--") => return Err(format!("unknown option {arg}")),
                _ => args.words.push(arg),
            }
        }
        Ok(args)
    }
}

fn main() -> std::process::ExitCode {
    let args = match Args::parse() {
        Ok(args) => args,
        Err(error) => {
            eprintln!("{error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    reference::check();
    clock::check();
    if args.check {
        println!("reference and clocks: as they should be");
        return std::process::ExitCode::SUCCESS;
    }
    let pictures = pictures::all();
    let mut peers = peers::start(args.peers.as_deref(), args.light);
    let load = args.load.then(load::Load::start);
    if args.frontier {
        frontier::run(&args, &pictures, &mut peers);
    } else {
        table(&args, &pictures, &mut peers);
    }
    drop(load);
    std::process::ExitCode::SUCCESS
}

/// The cases, one after another.
fn table(args: &Args, pictures: &pictures::Pictures, peers: &mut [Box<dyn Peer>]) {
    let mut scores = args.scores.then(|| Scores::new(args.light));
    if !args.json {
        println!(
            "CPU ms (median), SSIMULACRA2, bytes, ours / theirs{}",
            if args.load { "; under load" } else { "" }
        );
    }
    for case in cases::all(pictures) {
        if args.words.iter().all(|word| case.name.contains(word.as_str())) {
            for result in compare(args, &case, peers, scores.as_mut()) {
                if args.json {
                    result.json().iter().for_each(|line| println!("{line}"));
                } else {
                    println!("{result}");
                }
            }
        }
    }
}

/// Rounds of one run each, in turn. Of several outputs in one call also how long the first one takes.
fn compare(
    args: &Args,
    case: &Case<'_>,
    peers: &mut [Box<dyn Peer>],
    mut scores: Option<&mut Scores>,
) -> Vec<Result> {
    let (name, profile) = args.profile;
    let manner = Manner { profile, light: args.light };
    let picture = case.picture;
    let run = |peer: &mut dyn Peer| {
        let outputs: Option<Vec<_>> = case.wants.iter().map(|want| peer.run(picture, want)).collect();
        let (cpu, files): (Vec<f64>, Vec<_>) = outputs?.into_iter().unzip();
        Some((cpu.iter().sum::<f64>(), files))
    };
    let mut outcome = |program: String, times: Vec<f64>, files: &[Vec<u8>]| {
        let each = case.wants.iter().zip(files).map(|(want, file)| {
            let (crop, size) = cases::geometry(picture, want);
            scores.as_mut().and_then(|scores| scores.of(picture, crop, size, file))
        });
        let sum: Option<f64> = each.sum();
        let score = sum.map(|sum| sum / files.len() as f64);
        Outcome { program, cpu: median(times), bytes: files.iter().map(Vec::len).sum(), score }
    };

    // The first runs warm everything up, and are what is scored.
    let Made { files, first, .. } = make(picture, &case.wants, manner);
    let alone = (case.wants.len() > 1).then(|| [case.wants[first.0], case.wants[case.wants.len() - 1]]);
    let mut theirs: Vec<_> = peers
        .iter_mut()
        .filter_map(|peer| run(peer.as_mut()).map(|(_, files)| (peer, files, Vec::new())))
        .collect();
    let (mut times, mut firsts, mut alones) = (Vec::new(), Vec::new(), [(Vec::new(), 0), (Vec::new(), 0)]);
    for _ in rounds() {
        let made = make(picture, &case.wants, manner);
        times.push(made.cpu);
        firsts.push(made.first.1);
        for (want, times) in alone.iter().flatten().zip(&mut alones) {
            let made = make(picture, &[*want], manner);
            times.0.push(made.cpu);
            times.1 = made.files.iter().map(Vec::len).sum();
        }
        for (peer, _, times) in &mut theirs {
            times.extend(run(peer.as_mut()).map(|(cpu, _)| cpu));
        }
    }
    let rounds = times.len();
    let ours = outcome(format!("ours {name}"), times, &files);
    let peers = theirs
        .into_iter()
        .map(|(peer, files, times)| outcome(peer.name().to_owned(), times, &files))
        .collect();
    let mut results = vec![Result { case: case.name.clone(), rounds, ours, peers }];
    if let Some(wants) = alone {
        let plain = |program: String, times: Vec<f64>, bytes: usize| Outcome {
            program,
            cpu: median(times),
            bytes,
            score: None,
        };
        let bytes = files.get(first.0).map_or(0, Vec::len);
        results.push(Result {
            case: format!("{}: until the first is out ({} wide)", case.name, wants[0].width),
            rounds,
            ours: plain(format!("ours {name}"), firsts, bytes),
            peers: wants
                .iter()
                .zip(alones)
                .map(|(want, (times, bytes))| {
                    plain(format!("ours {name}, {} wide alone", want.width), times, bytes)
                })
                .collect(),
        });
    }
    results
}
