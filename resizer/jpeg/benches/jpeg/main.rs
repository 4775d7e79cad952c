//! `cargo bench-jpeg [--json] [--portable] [--one-lane] [--scores] [--callgrind] [--curve] [WORDS…]`: this crate beside
//! libjpeg-turbo, in milliseconds. With words, only cases that hold each of them.
//!
//! `--scores` adds SSIMULACRA2 to what is encoded. `--callgrind` counts instructions instead of time. `--curve` shows
//! instead what effort buys: bytes against SSIMULACRA2 beside mozjpeg's and libjpeg-turbo's.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]
#![expect(clippy::expect_used, clippy::panic, reason = "a command for developers, not a library")]
#![expect(unsafe_code, reason = "libjpeg-turbo is called through its C interface")]
#![expect(unreachable_pub, reason = "modules of one program")]
#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "C's int for extents below 2^16; figures"
)]

mod callgrind;
mod curve;
mod decode;
mod encode;
mod measure;
mod peer;
mod pictures;
mod pixels;
mod turbo;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let words: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let wanted = |case: &str| words.iter().all(|word| case.contains(word.as_str()));
    let Some(turbo) = turbo::Turbo::load() else {
        eprintln!("SKIPPED: libturbojpeg is not installed (Debian: apt-get install libturbojpeg0)");
        return;
    };
    if let [flag, side, path, kind, words @ ..] = args.as_slice()
        && flag == callgrind::FLAG
    {
        let input = std::fs::read(path).expect("the input");
        match kind.as_str() {
            "decode" => decode::counted(side, &input, words, &turbo),
            _ => encode::counted(side, input, words, turbo.library()),
        }
        return;
    }
    if has("--callgrind") && !callgrind::available() {
        eprintln!("SKIPPED: valgrind is not installed (Debian: apt-get install valgrind)");
        return;
    }
    let (json, portable, callgrind) = (has("--json"), has("--portable"), has("--callgrind"));
    let pictures = pictures::all(&turbo);
    if has("--curve") {
        curve::run(&pictures, turbo.library(), json, wanted);
        return;
    }
    if !json {
        println!("{:<44} {:>9} {:>9}", "decoding", "ours", "turbo");
    }
    let wish = decode::Wish { portable, one_lane: has("--one-lane"), callgrind };
    for picture in &pictures {
        for line in decode::lines(picture, &turbo, wish, wanted) {
            line.print(json);
        }
    }
    let wish = encode::Wish { portable, scores: has("--scores"), callgrind, json };
    encode::run(&pictures, turbo.library(), &wish, wanted);
}
