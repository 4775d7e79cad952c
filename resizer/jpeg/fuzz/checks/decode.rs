//! What the fuzz targets for the decoder check, as plain functions: `tests/decode` runs them too, on every file that
//! it makes or keeps.

use super::counting::peak;
use safelight_jpeg::decode::{Colour, Damage, Decoder, Error, Lanes, Limits, Options, Output, Path, Scale};
use std::ops::ControlFlow;

/// For fuzzing: every input is decided in milliseconds.
pub const SMALL: Limits = Limits { extent: 2048, pixels: 1 << 16, memory: 16 << 20, scans: 12 };

/// Behind a file, so that it is no longer decoded as a small one, by its codes one by one. No less than
/// `plain::SMALL_SHORT`.
const PADDING: usize = 32 << 10;

/// Memory for reading a header, at most: tables and lists of components, whatever the file's size.
const HEADER_BYTES: u64 = 64 << 10;

/// Pixels, or planes one behind the other, with what was said about them.
type Decoded = (Vec<u8>, Result<Option<Error>, Error>);

/// Every way to decode: no panic, the same pixels in rows as in a picture, and damage is what would be refused.
pub fn decode(data: &[u8], limits: Limits) {
    let Ok(decoder) = Decoder::new(data, limits) else { return };
    let header = decoder.header();
    let _ = header.app1().count() + header.app2().count() + header.app14().count();
    for scale in Scale::ALL {
        for output in [output(header.colour), Output::Gray8, Output::Planes] {
            let fill = Options { scale, output, damage: Damage::Fill, ..Options::default() };
            let refuse = Options { damage: Damage::Refuse, ..fill };
            let (filled, refused) = (all(&decoder, &fill), all(&decoder, &refuse));
            match (&filled.1, &refused.1) {
                (Ok(None), Ok(None)) => assert!(filled.0 == refused.0),
                (Ok(Some(damage)), Err(error)) => assert_eq!(damage, error),
                (Err(_), Err(_)) => {}
                (a, b) => panic!("filled {a:?}, refused {b:?}"),
            }
            if output != Output::Planes && filled.1.is_ok() {
                let mut bytes = Vec::new();
                let summary = decoder.rows(&fill, |rows| {
                    assert_eq!(bytes.len(), rows.y as usize * rows.stride);
                    bytes.extend_from_slice(rows.bytes);
                    ControlFlow::Continue(())
                });
                assert!(bytes == filled.0 && summary.map(|summary| summary.damage) == filled.1);
            }
        }
    }
}

/// Four lanes give what one gives, vector code what portable code gives, and state tables what codes one by one give:
/// pixels, damage and errors.
pub fn lanes(data: &[u8], limits: Limits) {
    let Ok(decoder) = Decoder::new(data, limits) else { return };
    let mut padded = data.to_vec();
    padded.extend([0xFF, 0xD9]);
    padded.resize(data.len() + PADDING, 0);
    let padded = Decoder::new(&padded, limits).expect("what stands behind the header is not read yet");
    for scale in Scale::ALL {
        let options = Options {
            scale,
            damage: Damage::Fill,
            output: match decoder.header().colour {
                Colour::Other => Output::Planes,
                colour => output(colour),
            },
            ..Options::default()
        };
        let [by_codes, by_states] = [&decoder, &padded].map(|decoder| {
            let four = all(decoder, &options);
            let one = all(decoder, &Options { lanes: Lanes::One, ..options });
            assert!(four == one, "lanes differ at {scale:?}: {:?} {:?}", four.1, one.1);
            let portable = all(decoder, &Options { path: Path::Portable, ..options });
            assert!(four == portable, "paths differ at {scale:?}: {:?} {:?}", four.1, portable.1);
            four
        });
        // What is damaged or cut off may end elsewhere with more behind it.
        if by_codes.1 == Ok(None) && by_states.1 == Ok(None) {
            assert!(by_codes.0 == by_states.0, "ways to decode differ at {scale:?}");
        }
    }
}

/// Limits hold: a file over one is refused before it costs anything, and no decode takes more memory than it tells.
pub fn limits(data: &[u8]) {
    let tight = Limits { extent: 128, pixels: 8192, memory: 1 << 20, scans: 3 };
    let (used, decoder) = peak(|| Decoder::new(data, tight));
    assert!(used <= HEADER_BYTES, "{used} bytes for a header");
    let decoder = match decoder {
        Ok(decoder) => decoder,
        Err(error) => {
            assert!(!matches!(error, Error::Cancelled | Error::Buffer { .. }));
            return;
        }
    };
    let (width, height) = decoder.size(Scale::Full);
    assert!(width <= tight.extent && height <= tight.extent && u64::from(width * height) <= tight.pixels);
    for scale in Scale::ALL {
        for output in [output(decoder.header().colour), Output::Gray8, Output::Planes] {
            let options = Options { scale, output, damage: Damage::Fill, ..Options::default() };
            let told = decoder.memory(&options);
            let (used, result) = peak(|| {
                if output == Output::Planes {
                    decoder.planes(&options, |_| ControlFlow::Continue(()))
                } else {
                    decoder.rows(&options, |_| ControlFlow::Continue(()))
                }
            });
            assert!(used <= told, "{used} bytes used, {told} told");
            if told > tight.memory {
                assert!(used < 4096 && result.is_err(), "{used} bytes used before {result:?}");
            }
            let asked = std::cell::Cell::new(0);
            let stop = || asked.replace(asked.get() + 1) == 1;
            let cancelled =
                decoder.planes(&Options { cancel: Some(&stop), ..options }, |_| ControlFlow::Continue(()));
            assert!(asked.get() <= 2 && (asked.get() < 2 || cancelled == Err(Error::Cancelled)));
        }
    }
}

fn output(colour: Colour) -> Output {
    match colour {
        Colour::Cmyk | Colour::Ycck => Output::Cmyk8,
        _ => Output::Rgb8,
    }
}

/// Pixels or planes, as the options say.
fn all(decoder: &Decoder<'_>, options: &Options<'_>) -> Decoded {
    if options.output != Output::Planes {
        return pixels(decoder, options);
    }
    let mut planes: Vec<Vec<u8>> = vec![Vec::new(); decoder.header().components.len()];
    let result = decoder.planes(options, |rows| {
        for (plane, rows) in planes.iter_mut().zip(rows) {
            for row in rows.bytes.chunks(rows.stride).take(rows.count as usize) {
                plane.extend_from_slice(&row[..rows.width as usize]);
            }
        }
        ControlFlow::Continue(())
    });
    let bytes = if result.is_ok() { planes.concat() } else { Vec::new() };
    (bytes, result.map(|summary| summary.damage))
}

/// The pixels with what was said about them; where decoding failed, none.
pub fn pixels(decoder: &Decoder<'_>, options: &Options<'_>) -> Decoded {
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
