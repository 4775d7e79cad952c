//! Rows in any portions, arguments out of range, sinks that fail.

use proptest::prelude::*;
use safelight_jpeg::encode::{EncodeError, Encoder};
use std::io::{self, Write};

use super::decoders::with_image;
use super::pictures::picture;
use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn portions_do_not_change_the_bytes(
        width in 1u32..70,
        height in 1u32..70,
        portions in proptest::collection::vec(1usize..20, 1..8),
        sampling in 0usize..3,
        layout in 0usize..3,
        kind in 0usize..5,
        quality in 1u8..=100,
        restart_interval in 0u16..5,
    ) {
        let (layout, channels) =
            [(PixelLayout::Rgb8, 3), (PixelLayout::Rgba8, 4), (PixelLayout::Gray8, 1)][layout];
        let (huffman, process) = [
            (Huffman::Standard, Process::Baseline),
            (Huffman::Optimised, Process::Baseline),
            (Huffman::Standard, Process::Progressive),
            (Huffman::Trained, Process::Baseline),
            (Huffman::Bounded, Process::Baseline),
        ][kind];
        let sampling = SAMPLINGS[sampling];
        let settings =
            Settings { quality, sampling, huffman, process, restart_interval, ..Settings::default() };
        let pixels = picture(width as usize, height as usize, channels);
        let whole = encode(&pixels, width, height, layout, &settings).unwrap();
        let mut encoder = Encoder::new(Vec::new(), width, height, layout, &settings).unwrap();
        let mut rest = &pixels[..];
        for portion in portions.into_iter().cycle() {
            let (now, later) = rest.split_at(rest.len().min(portion * width as usize * channels));
            encoder.push_rows(now).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(encoder.finish().unwrap() == whole);
        let (w, h, _) = with_image(&whole);
        prop_assert_eq!((w, h), (width, height));
    }

    #[test]
    fn any_samples_encode_alike_everywhere(
        pixels in proptest::collection::vec(prop_oneof![Just(0u8), Just(255), any::<u8>()], 40 * 24 * 3),
        sampling in 0usize..3,
        quality in 1u8..=100,
        trellis in any::<bool>(),
        huffman in 0usize..4,
    ) {
        let effort = if trellis { Effort::Trellis } else { Effort::Plain };
        let huffman = [Huffman::Standard, Huffman::Optimised, Huffman::Trained, Huffman::Bounded][huffman];
        let sampling = SAMPLINGS[sampling];
        let settings = Settings { quality, sampling, huffman, effort, ..Settings::default() };
        let file = encode(&pixels, 40, 24, PixelLayout::Rgb8, &settings).unwrap();
        let portable = Settings { instructions: Instructions::Portable, ..settings };
        prop_assert!(file == encode(&pixels, 40, 24, PixelLayout::Rgb8, &portable).unwrap());
        with_image(&file);
    }
}

#[test]
fn arguments_out_of_range_are_refused() {
    let settings = Settings::default();
    for (width, height) in [(0, 1), (1, 0), (65_536, 1), (1, 65_536)] {
        let refused = encode(&[], width, height, PixelLayout::Gray8, &settings);
        assert!(matches!(refused, Err(EncodeError::Dimensions { .. })));
    }
    for quality in [0, 101] {
        let refused = encode(&[0], 1, 1, PixelLayout::Gray8, &Settings { quality, ..settings });
        assert!(matches!(refused, Err(EncodeError::Quality(_))));
    }
    for length in [1, 5, 7, 12] {
        let refused = encode(&vec![0; length], 2, 1, PixelLayout::Rgb8, &settings);
        assert!(matches!(refused, Err(EncodeError::Rows { .. })), "{length}");
    }
    let refused = encode(&[0; 6], 2, 3, PixelLayout::Rgb8, &settings);
    assert!(matches!(refused, Err(EncodeError::Unfinished(2))));
}

#[test]
fn a_failing_sink_is_reported() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.len() > self.0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.0 -= bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let pixels = picture(64, 64, 3);
    for process in [Process::Baseline, Process::Progressive] {
        let settings = Settings { process, ..Settings::default() };
        let mut encoder = Encoder::new(Full(1000), 64, 64, PixelLayout::Rgb8, &settings).unwrap();
        let result = encoder.push_rows(&pixels).and_then(|()| encoder.finish().map(drop));
        assert!(matches!(result, Err(EncodeError::Write(_))));
    }
}
