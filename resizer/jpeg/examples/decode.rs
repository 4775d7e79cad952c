//! Decodes a JPEG file to PPM or PGM on standard output: `decode FILE [1|2|4|8] [gray] [fill] [one] [portable]`.
#![expect(clippy::print_stderr, reason = "a command")]

use safelight_jpeg::decode::{Damage, Decoder, Lanes, Limits, Options, Output, Path, Scale};
use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| args.iter().skip(1).any(|arg| arg == word);
    let file = std::fs::read(args.first().ok_or("decode FILE [1|2|4|8] [gray] [fill] [one] [portable]")?)?;
    let scale = Scale::ALL.into_iter().find(|s| has(&s.divisor().to_string())).unwrap_or_default();
    let options = Options {
        scale,
        output: if has("gray") {
            Output::Gray8
        } else if has("cmyk") {
            Output::Cmyk8
        } else {
            Output::Rgb8
        },
        damage: if has("fill") { Damage::Fill } else { Damage::Refuse },
        lanes: if has("one") { Lanes::One } else { Lanes::Four },
        path: if has("portable") { Path::Portable } else { Path::Auto },
        cancel: None,
    };
    let decoder = Decoder::new(&file, Limits::default())?;
    let (width, height) = decoder.size(scale);
    let channels = match options.output {
        Output::Gray8 => 1,
        Output::Cmyk8 => 4,
        _ => 3,
    };
    let mut pixels = vec![0; width as usize * height as usize * channels];
    let summary = decoder.picture(&options, &mut pixels, width as usize * channels)?;
    if let Some(damage) = summary.damage {
        eprintln!("{damage}");
    }
    let kind = if channels == 1 { 5 } else { 6 };
    let mut out = std::io::stdout().lock();
    write!(out, "P{kind}\n{width} {height}\n255\n")?;
    out.write_all(&pixels)?;
    Ok(())
}
