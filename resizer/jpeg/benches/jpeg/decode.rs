//! Decoding to RGB at every scale.

use crate::callgrind;
use crate::measure::{Line, compare};
use crate::pictures::Picture;
use crate::turbo::Turbo;
use safelight_jpeg::decode::{Decoder, Lanes, Limits, Options, Path, Scale};

/// What to measure, from the command line.
#[derive(Clone, Copy)]
pub struct Wish {
    /// Without AVX2.
    pub portable: bool,
    /// With one lane.
    pub one_lane: bool,
    /// Instructions instead of time.
    pub callgrind: bool,
}

/// One line a scale.
pub fn lines(picture: &Picture, turbo: &Turbo, wish: Wish, wanted: impl Fn(&str) -> bool) -> Vec<Line> {
    Scale::ALL
        .iter()
        .filter_map(|scale| {
            let divisor = scale.divisor().to_string();
            let case = format!("{} 1/{divisor}", picture.name);
            if !wanted(&case) {
                return None;
            }
            if wish.callgrind {
                let path = if wish.portable { "portable" } else { "auto" };
                let lanes = if wish.one_lane { "one" } else { "four" };
                return Some(callgrind::line(case, &picture.file, &["decode", &divisor, path, lanes]));
            }
            Some(sides(&picture.file, *scale, turbo, wish, |ours, theirs| compare(case, ours, theirs)))
        })
        .collect()
}

/// One side under callgrind.
pub fn counted(side: &str, file: &[u8], words: &[String], turbo: &Turbo) {
    let [divisor, path, lanes] = words else { panic!("{words:?}") };
    let scale = Scale::ALL.into_iter().find(|scale| scale.divisor().to_string() == *divisor);
    let wish = Wish { portable: path == "portable", one_lane: lanes == "one", callgrind: true };
    sides(file, scale.expect("a scale"), turbo, wish, |ours, theirs| callgrind::run(side, ours, theirs));
}

/// Calls with what each side does; at 1/1 both must give the same picture.
fn sides<T>(
    file: &[u8],
    scale: Scale,
    turbo: &Turbo,
    wish: Wish,
    call: impl FnOnce(&mut dyn FnMut(), &mut dyn FnMut()) -> T,
) -> T {
    let options = Options {
        scale,
        path: if wish.portable { Path::Portable } else { Path::Auto },
        lanes: if wish.one_lane { Lanes::One } else { Lanes::Four },
        ..Options::default()
    };
    let decoder = Decoder::new(file, Limits::default()).expect("a whole header");
    let (width, height) = decoder.size(scale);
    let stride = width as usize * 3;
    let mut own = vec![0; stride * height as usize];
    let mut other = own.clone();
    let result = call(
        &mut || {
            let decoder = Decoder::new(file, Limits::default()).expect("a whole header");
            decoder.picture(&options, &mut own, stride).expect("a whole file");
        },
        &mut || turbo.decode(file, width, height, &mut other),
    );
    if scale == Scale::Full && !wish.callgrind {
        assert!(own == other, "the pictures differ");
    }
    result
}
