// What the fuzz targets check, as plain functions: `tests/decode/damaged.rs` runs them too, on every file it makes.

use safelight_jpeg::decode::{Colour, Damage, Decoder, Error, Lanes, Limits, Options, Output, Path, Scale};

/// Small enough that every input is decided in milliseconds.
pub const LIMITS: Limits = Limits { extent: 4096, pixels: 1 << 20, memory: 64 << 20, scans: 24 };

/// Every way to decode, without a panic.
pub fn decode(data: &[u8]) {
    let Ok(decoder) = Decoder::new(data, LIMITS) else { return };
    let header = decoder.header();
    let _ = header.app1().count() + header.app2().count() + header.app14().count();
    for scale in Scale::ALL {
        for damage in [Damage::Fill, Damage::Refuse] {
            let options = Options { scale, damage, output: output(header.colour), ..Options::default() };
            let _ = pixels(&decoder, &options);
            let options = Options { output: Output::Gray8, ..options };
            let _ = pixels(&decoder, &options);
            let _ = decoder.planes(&options, |_| std::ops::ControlFlow::Continue(()));
        }
    }
}

/// Four lanes give what one gives, and vector code what portable code gives: pixels, damage and errors.
pub fn lanes(data: &[u8]) {
    let Ok(decoder) = Decoder::new(data, LIMITS) else { return };
    for scale in Scale::ALL {
        for damage in [Damage::Fill, Damage::Refuse] {
            let options =
                Options { scale, damage, output: output(decoder.header().colour), ..Options::default() };
            let four = pixels(&decoder, &options);
            let one = pixels(&decoder, &Options { lanes: Lanes::One, ..options });
            assert!(four == one, "lanes differ at {scale:?}, {damage:?}: {:?} {:?}", four.1, one.1);
            let portable = pixels(&decoder, &Options { path: Path::Portable, ..options });
            assert!(four == portable, "paths differ at {scale:?}, {damage:?}");
        }
    }
}

/// Limits hold: a file over one is refused before it costs anything.
pub fn limits(data: &[u8]) {
    let tight = Limits { extent: 64, pixels: 2048, memory: 1 << 20, scans: 3 };
    match Decoder::new(data, tight) {
        Ok(decoder) => {
            let (width, height) = decoder.size(Scale::Full);
            assert!(width <= 64 && height <= 64 && width * height <= 2048);
            let options = Options {
                damage: Damage::Fill,
                output: output(decoder.header().colour),
                ..Options::default()
            };
            let result = pixels(&decoder, &options);
            if decoder.memory(&options) > tight.memory {
                assert!(matches!(result.1, Err(Error::Limit { .. })));
            }
        }
        Err(error) => assert!(!matches!(error, Error::Cancelled | Error::Buffer { .. })),
    }
}

fn output(colour: Colour) -> Output {
    match colour {
        Colour::Cmyk | Colour::Ycck => Output::Cmyk8,
        _ => Output::Rgb8,
    }
}

/// The pixels with what was said about them; where decoding failed, none.
pub fn pixels(decoder: &Decoder<'_>, options: &Options<'_>) -> (Vec<u8>, Result<Option<Error>, Error>) {
    let (width, height) = decoder.size(options.scale);
    let stride = width as usize
        * match options.output {
            Output::Gray8 => 1,
            Output::Cmyk8 => 4,
            _ => 3,
        };
    let mut bytes = vec![0; stride * height as usize];
    match decoder.picture(options, &mut bytes, stride) {
        Ok(summary) => (bytes, Ok(summary.damage)),
        Err(error) => (Vec::new(), Err(error)),
    }
}
