//! `cargo bench-jpeg [--json] [--portable] [--one-lane] [--scores] [WORDS…]`: this crate beside libjpeg-turbo, in milliseconds.
//! With words, only cases that hold each of them. `--scores` adds SSIMULACRA2 to what is encoded.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]
#![expect(clippy::expect_used, reason = "a command for developers, not a library")]
#![expect(unsafe_code, reason = "libjpeg-turbo is called through its C interface")]
#![expect(unreachable_pub, reason = "modules of one program")]
#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "C's int for extents below 2^16"
)]

mod decode;
mod encode;
mod measure;
mod pictures;
mod turbo;

use safelight_jpeg::decode::{Lanes, Options, Path};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let words: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let wanted = |case: &str| words.iter().all(|word| case.contains(word.as_str()));
    let Some(turbo) = turbo::Turbo::load() else {
        eprintln!("SKIPPED: libturbojpeg is not installed (Debian: apt-get install libturbojpeg0)");
        return;
    };
    let options = Options {
        path: if has("--portable") { Path::Portable } else { Path::Auto },
        lanes: if has("--one-lane") { Lanes::One } else { Lanes::Four },
        ..Options::default()
    };
    if !has("--json") {
        println!("{:<44} {:>9} {:>9}", "decoding", "ours", "turbo");
    }
    let pictures = pictures::all(&turbo);
    for picture in &pictures {
        for line in decode::lines(picture, &turbo, options, wanted) {
            line.print(has("--json"));
        }
    }
    let wish = encode::Wish { portable: has("--portable"), scores: has("--scores"), json: has("--json") };
    encode::run(&pictures, turbo.library(), &wish, wanted);
}
