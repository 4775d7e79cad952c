//! `cargo bench-images [--json] [WORDS…]`: what resizing a JPEG costs of CPU time, user and system, in milliseconds: the
//! resizer's own pipeline, beside sharp (npm) in one process of one thread, and beside what the pipeline was before it
//! had a JPEG codec of its own. With words, only cases that hold each of them.
//!
//! Each with the bytes that come out, and SSIMULACRA2 against the full decode made small by Lanczos3 in 32-bit floats, on
//! sRGB values as all three do it, and not compressed.
//!
//! sharp is looked for in the `node_modules` folder that `SAFELIGHT_SHARP` names, else in that of
//! `~/.cache/safelight-bench`: `npm install --prefix ~/.cache/safelight-bench sharp`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]
#![expect(clippy::expect_used, reason = "a command for developers, not a library")]

mod before;
mod cases;
mod measure;
mod pictures;
mod score;
mod sharp;

use cases::Case;
use measure::{Line, median, rounds, thread_cpu};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let json = args.iter().any(|arg| arg == "--json");
    let words: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let mut sharp = sharp::Sharp::start();
    if !json {
        println!("{}", Line::header(sharp.as_ref().map(|sharp| sharp.name.as_str())));
    }
    for picture in pictures::all() {
        for case in Case::of(&picture) {
            if words.iter().all(|word| case.name.contains(word.as_str())) {
                let line = compare(&case, sharp.as_mut());
                if json {
                    println!("{}", line.json());
                } else {
                    println!("{line}");
                }
            }
        }
    }
}

/// Rounds of one run each, in turn.
fn compare(case: &Case<'_>, mut sharp: Option<&mut sharp::Sharp>) -> Line {
    let timed = |run: &dyn Fn() -> Vec<u8>| {
        let start = thread_cpu();
        let file = run();
        (thread_cpu() - start, file)
    };
    let (mut ours, mut before, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let (ours_run, before_run) = (|| case.run(), || before::run(case));
    let ((_, file), (_, old)) = (timed(&ours_run), timed(&before_run));
    let other = sharp.as_mut().map(|sharp| sharp.run(case).1);
    for _ in rounds() {
        ours.push(timed(&ours_run).0);
        before.push(timed(&before_run).0);
        if let Some(sharp) = sharp.as_mut() {
            theirs.push(sharp.run(case).0);
        }
    }
    let reference = score::reference(case);
    let result = |times: Vec<f64>, file: &[u8]| measure::Result {
        cpu: median(times),
        bytes: file.len(),
        score: score::of(&reference, file),
    };
    Line {
        case: case.name.clone(),
        ours: result(ours, &file),
        before: result(before, &old),
        peer: sharp.zip(other).map(|(sharp, file)| (sharp.name.clone(), result(theirs, &file))),
    }
}
