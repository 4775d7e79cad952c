//! Decoding to RGB at every scale.

use crate::measure::{Line, compare};
use crate::pictures::Picture;
use crate::turbo::Turbo;
use safelight_jpeg::decode::{Decoder, Limits, Options, Scale};

/// One line a scale.
pub fn lines(
    picture: &Picture,
    turbo: &Turbo,
    options: Options<'_>,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Line> {
    Scale::ALL
        .iter()
        .filter_map(|scale| {
            let case = format!("{} 1/{}", picture.name, scale.divisor());
            if !wanted(&case) {
                return None;
            }
            let options = Options { scale: *scale, ..options };
            let decoder = Decoder::new(&picture.file, Limits::default()).expect("a whole header");
            let (width, height) = decoder.size(*scale);
            let stride = width as usize * 3;
            let mut own = vec![0; stride * height as usize];
            let mut other = own.clone();
            let line = compare(
                case,
                || {
                    let decoder = Decoder::new(&picture.file, Limits::default()).expect("a whole header");
                    decoder.picture(&options, &mut own, stride).expect("a whole file");
                },
                || turbo.decode(&picture.file, width, height, &mut other),
            );
            if *scale == Scale::Full {
                assert!(own == other, "{}: the pictures differ", line.case);
            }
            Some(line)
        })
        .collect()
}
