//! Encoding at equal settings: time, bytes and, if asked for, SSIMULACRA2.

use crate::callgrind;
use crate::measure::compare;
use crate::peer::Peer;
use crate::pictures::Picture;
use crate::pixels::{self, Pixels, score};
use libloading::Library;
use safelight_jpeg::encode::{Huffman, Instructions, PixelLayout, Process, Sampling, Settings, encode};

/// What to measure.
pub struct Wish {
    /// Without AVX2.
    pub portable: bool,
    /// With SSIMULACRA2.
    pub scores: bool,
    /// Instructions instead of time.
    pub callgrind: bool,
    /// As JSON.
    pub json: bool,
}

/// Prints one line a case.
pub fn run(pictures: &[Picture], library: &Library, wish: &Wish, wanted: impl Fn(&str) -> bool) {
    if !wish.json {
        println!("{:<44} {:>9} {:>9} {:>7} {:>9} {:>9}", "encoding", "ours", "turbo", "", "bytes", "turbo");
    }
    for pixels in pixels::all(pictures) {
        for (words, settings) in cases(&pixels) {
            let case = format!("encode {} {words}", pixels.name);
            if wanted(&case) {
                measure(case, &words, &pixels, library, settings, wish);
            }
        }
    }
}

fn measure(
    case: String,
    words: &str,
    pixels: &Pixels,
    library: &Library,
    settings: Settings<'static>,
    wish: &Wish,
) {
    let settings = with_variables(settings, wish.portable);
    let mut peer = Peer::new(library, pixels);
    let (mut ours, mut theirs) = (Vec::new(), 0);
    let run_own = || ours = own(pixels, &settings);
    let run_peer = || theirs = peer.encode(pixels, &settings);
    let line = if wish.callgrind {
        let (mut run_own, mut run_peer) = (run_own, run_peer);
        run_own();
        run_peer();
        let numbers =
            [pixels.width as usize, pixels.height as usize, pixels.layout.bytes()].map(|n| n.to_string());
        let [width, height, channels] = numbers.each_ref().map(String::as_str);
        let path = if wish.portable { "portable" } else { "auto" };
        let words = ["encode", &pixels.name, width, height, channels, path, words];
        callgrind::line(case, &pixels.samples, &words)
    } else {
        compare(case, run_own, run_peer)
    };
    let scores = wish.scores.then(|| [score(pixels, &ours), score(pixels, &peer.room[..theirs])]);
    if wish.json {
        let mut object = line.json();
        object["bytes"] = ours.len().into();
        object["their_bytes"] = theirs.into();
        if let Some([ours, theirs]) = scores {
            object["ssimulacra2"] = ours.into();
            object["their_ssimulacra2"] = theirs.into();
        }
        println!("{object}");
    } else {
        let scores = scores.map_or(String::new(), |[a, b]| format!(" {a:>8.3} {b:>8.3}"));
        println!("{} {:>9} {theirs:>9}{scores}", line.row(), ours.len());
    }
}

/// One side under callgrind.
pub fn counted(side: &str, samples: Vec<u8>, words: &[String], library: &Library) {
    let [name, width, height, channels, path, words] = words else { panic!("{words:?}") };
    let number = |word: &String| word.parse().expect("a number");
    let layout = if channels == "1" { PixelLayout::Gray8 } else { PixelLayout::Rgb8 };
    let pixels = Pixels { name: name.clone(), layout, width: number(width), height: number(height), samples };
    let (_, settings) = cases(&pixels).into_iter().find(|(own, _)| own == words).expect("a case");
    let settings = with_variables(settings, path == "portable");
    let mut peer = Peer::new(library, &pixels);
    callgrind::run(
        side,
        &mut || {
            own(&pixels, &settings);
        },
        &mut || {
            peer.encode(&pixels, &settings);
        },
    );
}

/// What the environment and the command line add to a case.
fn with_variables(settings: Settings<'static>, portable: bool) -> Settings<'static> {
    // libjpeg-turbo reads the same variable.
    let optimise = std::env::var_os("TJ_OPTIMIZE").is_some();
    let huffman = if optimise { Huffman::Optimised } else { Huffman::Standard };
    let instructions = if portable { Instructions::Portable } else { Instructions::Detect };
    Settings { huffman, instructions, ..settings }
}

fn own(pixels: &Pixels, settings: &Settings<'_>) -> Vec<u8> {
    encode(&pixels.samples, pixels.width, pixels.height, pixels.layout, settings).expect("a file")
}

/// What each picture is encoded to.
fn cases(pixels: &Pixels) -> Vec<(String, Settings<'static>)> {
    let plain = |quality, sampling| Settings { quality, sampling, ..Settings::default() };
    if pixels.layout == PixelLayout::Gray8 {
        return vec![("gray q80".to_owned(), plain(80, Sampling::Quarter))];
    }
    let mut cases = vec![("4:2:0 q80".to_owned(), plain(80, Sampling::Quarter))];
    if pixels.name.contains("photo") {
        for quality in [50, 92, 100] {
            cases.push((format!("4:2:0 q{quality}"), plain(quality, Sampling::Quarter)));
        }
        cases.push(("4:2:2 q80".to_owned(), plain(80, Sampling::Half)));
        cases.push(("4:4:4 q80".to_owned(), plain(80, Sampling::Full)));
    }
    let process = Process::Progressive;
    cases.push(("4:2:0 q80 progressive".to_owned(), Settings { process, ..plain(80, Sampling::Quarter) }));
    cases
}
