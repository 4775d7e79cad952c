//! Orders on standard input, one line each: `load LENGTH` and so many bytes, or `make WIDTH HEIGHT FORMAT QUALITY`.
//! Answers on standard output: CPU time in microseconds (user and system, all threads) and length, and the file.

use std::io::{BufRead as _, Read as _, Write as _};

use oximg::pipeline::{ImageFormat, Params, process};
use rustix::time::{ClockId, clock_gettime};

fn main() {
    let (mut orders, mut answers) = (std::io::stdin().lock(), std::io::stdout().lock());
    writeln!(answers, "oximg 0.18.1 (library)").expect("an ear");
    answers.flush().expect("an ear");
    let (mut line, mut picture) = (String::new(), Vec::new());
    loop {
        line.clear();
        if orders.read_line(&mut line).expect("an order") == 0 {
            return;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["load", length] => {
                picture.resize(length.parse().expect("a length"), 0);
                orders.read_exact(&mut picture).expect("a picture");
            }
            ["make", width, _, format, quality] => {
                let quality: f32 = quality.parse().expect("a quality");
                let params = Params {
                    max_width: width.parse().expect("a width"),
                    quality,
                    webp_quality: Some(quality),
                    output: Some(match *format {
                        "png" => ImageFormat::Png,
                        "webp" => ImageFormat::Webp,
                        _ => ImageFormat::Jpeg,
                    }),
                    ..Params::default()
                };
                let start = cpu();
                let (file, _) = process(&picture, &params).expect("an output");
                let used = cpu() - start;
                writeln!(answers, "{used} {}", file.len()).expect("an ear");
                answers.write_all(&file).expect("an ear");
                answers.flush().expect("an ear");
            }
            _ => panic!("unknown order {line}"),
        }
    }
}

fn cpu() -> i64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}
