//! Attacks on the boundary to C: files cut and changed at will, sizes that lie.

use super::*;
use crate::pixels::Layout;
use crate::sample::{Random, drawing, webp};

/// The chunks of a file without its RIFF header, and without `VP8X`.
fn chunks(file: &[u8]) -> &[u8] {
    if file[12..].starts_with(b"VP8X") { &file[30..] } else { &file[12..] }
}

/// Files of every kind with what can be asked of them, 37 x 29 pixels.
fn files() -> Vec<(Vec<u8>, Vec<Output>)> {
    let (rgb, rgba) = (drawing(37, 29, Layout::Rgb), drawing(37, 29, Layout::Rgba));
    vec![
        (webp(&rgb, false), vec![Output::Rgb, Output::Yuv]),
        (webp(&rgba, false), vec![Output::Rgba]),
        (webp(&rgb, true), vec![Output::Rgb]),
        (webp(&rgba, true), vec![Output::Rgba]),
    ]
}

fn whole(data: &[u8], width: u32, height: u32, output: Output) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new(data, width, height, output)?;
    (decoder.feed(data.len()) == Progress::Done).then(|| decoder.bytes().to_vec())
}

#[test]
fn pieces_make_the_same_picture_as_the_whole() {
    for (file, outputs) in files() {
        for output in outputs {
            let data = chunks(&file);
            let expected = whole(data, 37, 29, output).unwrap();
            let mut decoder = Decoder::new(data, 37, 29, output).unwrap();
            let mut rows = Vec::new();
            for end in 1..=data.len() {
                let before = decoder.ready();
                let progress = decoder.feed(end);
                assert_ne!(progress, Progress::Failed, "{output:?} {end}");
                // What is called ready does not change any more.
                rows.extend_from_slice(decoder.rows(before, decoder.ready()));
            }
            assert_eq!(decoder.bytes(), expected, "{output:?}");
            assert_eq!(rows, expected[..rows.len()], "{output:?}");
            assert_eq!(rows.len(), output.stride(37) * 29, "{output:?}");
        }
    }
}

#[test]
fn what_is_cut_off_is_never_done() {
    for (file, outputs) in files() {
        for output in outputs {
            let data = chunks(&file);
            // The last bytes of a lossy picture may be padding.
            for end in 0..data.len() - 2 {
                assert!(whole(&data[..end], 37, 29, output).is_none(), "{output:?} {end}");
            }
        }
    }
}

#[test]
fn sizes_that_lie_are_refused() {
    for (file, outputs) in files() {
        for output in outputs {
            for (width, height) in [(1, 1), (36, 29), (37, 28), (29, 37), (37, 1), (1, 29), (4, 4)] {
                assert!(whole(chunks(&file), width, height, output).is_none(), "{output:?} {width}x{height}");
            }
        }
    }
    for (width, height) in
        [(0, 1), (1, 0), (16_384, 1), (1, 16_384), (u32::MAX, u32::MAX), (1 << 16, 1 << 16)]
    {
        assert!(Decoder::new(&[], width, height, Output::Rgb).is_none(), "{width}x{height}");
    }
}

#[test]
fn changed_bytes_do_no_harm() {
    let mut random = Random::new(11);
    for (file, outputs) in files() {
        for output in outputs {
            for _ in 0..1500 {
                let mut data = chunks(&file).to_vec();
                for _ in 0..=random.below(4) {
                    let at = random.below(data.len());
                    data[at] ^= 1 << random.below(8);
                }
                let mut decoder = Decoder::new(&data, 37, 29, output).unwrap();
                let mut end = 0;
                let mut progress = Progress::More;
                while progress == Progress::More && end < data.len() {
                    end += 1 + random.below(200);
                    progress = decoder.feed(end);
                }
                assert_eq!(decoder.rows(0, 29).len(), decoder.ready() * output.stride(37));
            }
        }
    }
}

#[test]
fn rows_that_are_not_there_are_empty() {
    let file = webp(&drawing(37, 29, Layout::Rgb), false);
    let mut decoder = Decoder::new(chunks(&file), 37, 29, Output::Yuv).unwrap();
    assert!(decoder.rows(0, 29).is_empty() && decoder.chroma(false, 0).is_empty());
    assert_eq!(decoder.feed(usize::MAX), Progress::Done);
    assert_eq!((decoder.chroma(false, 14).len(), decoder.chroma(true, 15).len()), (19, 0));
    assert!(decoder.rows(5, 3).is_empty());
    assert_eq!(decoder.rows(27, usize::MAX).len(), 2 * 37);
}

#[test]
fn it_may_be_left_at_any_time() {
    for (file, outputs) in files() {
        let data = chunks(&file);
        for end in (0..data.len()).step_by(data.len() / 20) {
            let mut decoder = Decoder::new(data, 37, 29, outputs[0]).unwrap();
            decoder.feed(end);
            assert_eq!(decoder.feed(0), Progress::More, "going back is ignored");
        }
    }
}

/// Takes rows and looks at a byte of each.
struct Glance(u64);
impl crate::codec::rows::RowSink for Glance {
    fn begin(&mut self, _: Option<crate::colour::Embedded>) -> Result<(), crate::error::ImageError> {
        Ok(())
    }
    fn rows(&mut self, rows: crate::codec::rows::Samples<'_>) -> Result<(), crate::error::ImageError> {
        if let crate::codec::rows::Samples::Bits8(rows) = rows {
            self.0 += u64::from(rows[rows.len() / 2]);
        }
        Ok(())
    }
}

/// CPU time of decoding to rows that nobody keeps, beside libwebp in one go, medians of interleaved rounds:
/// `cargo test --release -p safelight-image --lib webp::ffi::decode::tests::speed -- --ignored --nocapture`, with
/// `WEBP_FILES` naming a folder of files and `ROUNDS` their number.
#[test]
#[ignore = "a measurement"]
fn speed() {
    use crate::{
        cancel::Cancel, codec::rows::RowSource, limits::Limits, probe::probe, size::Size, view::Scale,
        view::View,
    };
    let Some(folder) = std::env::var_os("WEBP_FILES") else { return };
    let rounds: usize = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(7);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let cpu = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        std::time::Duration::try_from(time).unwrap().as_secs_f64() * 1e3
    };
    let limits = Limits { max_source_pixels: 1 << 30, ..Limits::default() };
    for path in files {
        let file = std::fs::read(&path).unwrap();
        let info = probe(&file, &limits).unwrap();
        let Size { width, height } = info.stored_size;
        let mut times = vec![Vec::new(); 6];
        for _ in 0..rounds {
            let begin = cpu();
            let into =
                if info.has_alpha { libwebp_sys::WebPDecodeRGBAInto } else { libwebp_sys::WebPDecodeRGBInto };
            let stride = width as usize * if info.has_alpha { 4 } else { 3 };
            let mut whole = vec![0_u8; stride * height as usize];
            // SAFETY: the buffer is as long as is said, and the file is borrowed.
            let made = unsafe {
                into(
                    file.as_ptr(),
                    file.len(),
                    whole.as_mut_ptr(),
                    whole.len(),
                    c_int::try_from(stride).unwrap(),
                )
            };
            assert!(!made.is_null());
            drop(whole);
            times[0].push(cpu() - begin);
            for (scale, times) in Scale::ALL.iter().zip(&mut times[1..]) {
                let size = Size::new(scale.apply(width), scale.apply(height));
                let view = View { scale: *scale, left: 0, top: 0, size };
                let begin = cpu();
                let mut glance = Glance(0);
                crate::codec::webp::Decoder
                    .decode_rows(&file, &info, &view, &Cancel::new(), &mut glance)
                    .unwrap();
                times.push(cpu() - begin);
            }
            let begin = cpu();
            probe(&file, &limits).unwrap();
            times[5].push(cpu() - begin);
        }
        let median = |times: &mut Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        let medians: Vec<f64> = times.iter_mut().map(median).collect();
        println!(
            "{} {width}x{height} ms: libwebp in one go {:.1}; 1/1..1/8 {:.1?}, ratios {:.2?}; header {:.2}",
            path.file_name().unwrap().display(),
            medians[0],
            &medians[1..5],
            medians[1..5].iter().map(|ms| ms / medians[0]).collect::<Vec<_>>(),
            medians[5],
        );
    }
}
