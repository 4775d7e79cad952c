use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{reader::Reader, *};
use crate::{
    colour::described::Space,
    error::Measure,
    orient::Orientation,
    pixels::Layout,
    probe::probe,
    sample::{self, Jpeg, Random, drawing},
    size::Size,
};

fn encode(encoding: Encoding, pixels: &Pixels) -> Result<Vec<u8>, ImageError> {
    sample::encode(encoding, pixels, &Cancel::new())
}

fn decode_whole(bytes: &[u8], info: &Info) -> Result<Decoded, ImageError> {
    super::decode_whole(bytes, info, &View::whole(info.stored_size), &Cancel::new())
}

fn decode(bytes: &[u8]) -> Result<Decoded, ImageError> {
    let info = probe(bytes, &Limits::default())?;
    let decoded = decode_whole(bytes, &info)?;
    assert_eq!((decoded.pixels.size(), decoded.pixels.layout()), (info.stored_size, info.layout));
    Ok(decoded)
}

/// Mean difference of channels, after both are seen as RGBA over nothing (invisible colour does not count).
fn difference(a: &Pixels, b: &Pixels) -> f64 {
    assert_eq!(a.size(), b.size());
    let widen = |pixels: &Pixels| pixels.clone().into_layout(Layout::Rgba).unwrap();
    let (a, b) = (widen(a), widen(b));
    let mut sum = 0.0;
    for (p, q) in a.data().as_chunks::<4>().0.iter().zip(b.data().as_chunks::<4>().0) {
        sum += f64::from(p[3].abs_diff(q[3]));
        if p[3] > 0 && q[3] > 0 {
            sum += (0..3).map(|c| f64::from(p[c].abs_diff(q[c]))).sum::<f64>();
        }
    }
    sum / a.data().len() as f64
}

#[test]
fn every_kind_is_decoded() {
    for (name, bytes, pixels) in sample::files() {
        let decoded = decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}")).pixels;
        let limit = match name {
            // The drawing is noisy, and chroma has a quarter of the pixels.
            _ if name.contains("JPEG") => 6.0,
            "lossy WebP" | "lossy WebP with alpha" | "extended WebP" => 6.0,
            _ => 0.0,
        };
        let found = difference(&decoded, &pixels);
        assert!(found <= limit, "{name}: {found}");
    }
}

#[test]
fn headers_are_read() {
    let rgba = drawing(53, 41, Layout::Rgba);
    for (name, bytes, pixels) in sample::files() {
        let info = probe(&bytes, &Limits::default()).unwrap();
        assert_eq!(info.stored_size, pixels.size(), "{name}");
        assert_eq!(info.bytes, bytes.len() as u64);
        assert_eq!(info.has_alpha, pixels.layout().has_alpha(), "{name}");
        assert_eq!(info.has_icc_profile, name.contains("metadata"), "{name}");
        assert_eq!(info.animated, name.contains("animated") || name == "GIF", "{name}");
        assert_eq!(info.bit_depth, if name.contains("16") { 16 } else { 8 }, "{name}");
        assert_eq!(info.orientation, Orientation::Upright);
    }
    for value in 1..=8 {
        let exif = sample::exif(value);
        let rgb = drawing(8, 4, Layout::Rgb);
        let simple = sample::webp(&rgb, false);
        for bytes in [
            Jpeg { exif: Some(exif.clone()), ..Jpeg::default() }.write(&rgb),
            sample::png(&rgba, Some(exif.clone()), None),
            sample::extended_webp(&simple, rgb.size(), 0x08, &[(b"EXIF", &exif)]),
        ] {
            assert_eq!(probe(&bytes, &Limits::default()).unwrap().orientation.exif(), value);
        }
    }
}

/// The length of a file as far as it must be there.
fn needed(bytes: &[u8]) -> usize {
    if !bytes.starts_with(b"GIF") {
        return bytes.len();
    }
    let mut reader = Reader::new(bytes);
    gif::header::screen(&mut reader).unwrap();
    while reader.u8().unwrap() == gif::header::EXTENSION {
        reader.u8().unwrap();
        gif::header::skip_blocks(&mut reader).unwrap();
    }
    gif::header::descriptor(&mut reader).unwrap();
    reader.u8().unwrap();
    gif::header::skip_blocks(&mut reader).unwrap();
    bytes.len() - reader.rest().len()
}

/// A file that is cut off anywhere before its end (a GIF: before the first frame's) is an error; what comes after the end
/// does not matter.
#[test]
fn cut_off_files_are_errors() {
    for (name, bytes, _) in sample::files() {
        let end = needed(&bytes);
        let whole = decode(&bytes).unwrap().pixels;
        let near_the_end = (end - 40..end).chain(0..40);
        for length in (0..end).step_by(37).chain(near_the_end) {
            let error = match decode(&bytes[..length]) {
                Err(error) => error,
                // Of a GIF the last bytes hold no pixels: the end code, and the end of the block.
                Ok(decoded) if name.contains("GIF") && length + 4 > end && decoded.pixels == whole => {
                    continue;
                }
                Ok(_) => panic!("{name}: half a picture from {length} of {} bytes", bytes.len()),
            };
            assert!(
                matches!(error, ImageError::Corrupt(_)) || length < 12 && error == ImageError::NotAnImage,
                "{name}, {length} bytes: {error:?}"
            );
        }
        for length in (end..bytes.len()).step_by(29).chain([bytes.len()]) {
            assert_eq!(decode(&bytes[..length]).unwrap().pixels, whole, "{name}, {length} bytes");
            let other = [&bytes[..length], b"trailing bytes \xFF\xD8\xFF"].concat();
            assert_eq!(decode(&other).unwrap().pixels, whole, "{name}, other bytes behind {length}");
        }
    }
}

/// A cut that is patched with an end marker is found by the decoder itself.
#[test]
fn missing_data_before_the_end_is_an_error() {
    for (name, bytes, _) in sample::files() {
        let end: &[u8] = match () {
            () if name.contains("PNG") => b"\0\0\0\0IEND\xAE\x42\x60\x82",
            () if name.contains("GIF") => b"\0\x3B",
            () if name.contains("JPEG") => b"\xFF\xD9",
            () => continue,
        };
        let half = [&bytes[..needed(&bytes) / 2], end].concat();
        assert!(decode(&half).is_err(), "{name}");
    }
}

/// Damage is answered, never a panic. (A changed byte may well decode: formats without checksums cannot know.)
#[test]
fn damaged_files_never_panic() {
    let mut random = Random::new(1);
    let limits = Limits { max_source_pixels: 1 << 20, ..Limits::default() };
    for (name, bytes, _) in sample::files() {
        for _ in 0..400 {
            let mut damaged = bytes.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(damaged.len());
                damaged[at] = random.below(256) as u8;
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let info = probe(&damaged, &limits)?;
                decode_whole(&damaged, &info)
            }));
            if outcome.is_err() {
                let path = std::env::temp_dir().join("safelight-panic.bin");
                std::fs::write(&path, &damaged).unwrap();
                panic!("{name}: a panic, kept in {}", path.display());
            }
        }
    }
}

/// Headers that lie about size are refused before pixels are allocated.
#[test]
fn huge_headers_are_refused() {
    let rgb = drawing(53, 41, Layout::Rgb);
    let limits = Limits::default();
    let refused = |bytes: &[u8]| {
        let error = probe(bytes, &limits).unwrap_err();
        assert!(
            matches!(error, ImageError::TooLarge { what: Measure::Pixels | Measure::Side, .. }),
            "{error:?}"
        );
    };

    let mut jpeg = Jpeg::default().write(&rgb);
    let sof = jpeg.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    jpeg[sof + 5..sof + 9].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF]);
    refused(&jpeg);

    let mut png = sample::png(&rgb, None, None);
    png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    refused(&png);
    png[16..26].copy_from_slice(&[255, 255, 255, 255, 255, 255, 255, 255, 16, 6]);
    refused(&png);

    let mut gif = sample::gif(&[drawing(53, 41, Layout::Rgba)]);
    gif[6..10].copy_from_slice(&[0xFF; 4]);
    refused(&gif);

    // A frame that is larger than its canvas.
    let mut gif = sample::gif(&[drawing(53, 41, Layout::Rgba)]);
    let size = [53, 0, 41, 0];
    let descriptor = gif.windows(4).rposition(|bytes| bytes == size).unwrap();
    gif[descriptor..descriptor + 4].copy_from_slice(&[0xFF; 4]);
    refused(&gif);

    let mut lossless = sample::webp(&rgb, true);
    // 14 bits of width - 1, 14 of height - 1.
    lossless[21..25].copy_from_slice(&0x0FFF_FFFFu32.to_le_bytes());
    refused(&lossless);

    let simple = sample::webp(&rgb, false);

    // What is inside has another size than the canvas: it would be allocated by its own.
    let canvas = Size::new(10, 10);
    for bytes in [
        sample::extended_webp(&simple, canvas, 0, &[]),
        sample::animated_webp(&simple, rgb.size(), Size::new(20, 20), (0, 0)),
        sample::animated_webp(&simple, rgb.size(), rgb.size(), (2, 0)),
    ] {
        assert!(matches!(probe(&bytes, &limits), Err(ImageError::Corrupt(_))));
    }

    let tight = Limits { max_source_bytes: 100, ..Limits::default() };
    assert!(matches!(probe(&simple, &tight), Err(ImageError::TooLarge { what: Measure::Bytes, .. })));
    let tight = Limits { max_source_pixels: 53 * 41 - 1, ..Limits::default() };
    assert!(matches!(probe(&simple, &tight), Err(ImageError::TooLarge { what: Measure::Pixels, .. })));
    let tight = Limits { max_source_side: 52, ..Limits::default() };
    assert!(matches!(probe(&simple, &tight), Err(ImageError::TooLarge { what: Measure::Side, .. })));
    let fitting = Limits { max_source_pixels: 53 * 41, max_source_side: 53, ..Limits::default() };
    assert!(probe(&simple, &fitting).is_ok());
}

#[test]
fn frames_lie_where_they_belong() {
    let frame = drawing(20, 10, Layout::Rgba);
    let canvas = Size::new(40, 30);
    let file = sample::animated_webp(&sample::webp(&frame, true), canvas, frame.size(), (4, 6));
    let pixels = decode(&file).unwrap().pixels;
    assert_eq!(pixels.size(), canvas);
    let at = |x: usize, y: usize| &pixels.data()[(y * 40 + x) * 4..][..4];
    assert_eq!(at(3, 6)[3], 0);
    assert_eq!(at(4, 6), &frame.data()[..4]);
    assert_eq!(at(24, 6)[3], 0);

    // The same in a GIF: enlarge the canvas and move the frame.
    let mut file = sample::gif(std::slice::from_ref(&frame));
    file[6..10].copy_from_slice(&[40, 0, 30, 0]);
    let descriptor = file.windows(8).position(|bytes| bytes == [0, 0, 0, 0, 20, 0, 10, 0]).unwrap();
    file[descriptor..descriptor + 4].copy_from_slice(&[4, 0, 6, 0]);
    let pixels = decode(&file).unwrap().pixels;
    assert_eq!(pixels.size(), canvas);
    let at = |x: usize, y: usize| pixels.data()[(y * 40 + x) * 4 + 3];
    assert_eq!((at(3, 6), at(4, 5), at(4, 6), at(24, 6)), (0, 0, 255, 0));
}

#[test]
fn rare_kinds_are_named() {
    let jpeg = Jpeg::default().write(&drawing(16, 16, Layout::Rgb));
    let sof = jpeg.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    for (marker, name) in [(0xC3, "a lossless JPEG"), (0xC9, "an arithmetic-coded JPEG")] {
        let mut other = jpeg.clone();
        other[sof + 1] = marker;
        assert_eq!(probe(&other, &Limits::default()), Err(ImageError::Unsupported(name)));
    }
    let mut deep = jpeg;
    deep[sof + 4] = 12;
    assert!(matches!(probe(&deep, &Limits::default()), Err(ImageError::Unsupported(_))));
}

/// However much metadata there is and wherever it stands, it is walked over.
#[test]
fn jpegs_of_metadata_are_decoded() {
    let jpeg = Jpeg { progressive: true, ..Jpeg::default() }.write(&drawing(16, 16, Layout::Rgb));
    let segments = |number: usize, length: u16| {
        let mut segment = vec![0xFF, 0xE1];
        segment.extend((length + 2).to_be_bytes());
        segment.extend(b"http://ns.adobe.com/xmp/extension/\0");
        segment.resize(usize::from(length) + 4, b'x');
        segment.repeat(number)
    };
    let scan = jpeg.windows(2).rposition(|marker| marker == [0xFF, 0xDA]).unwrap();
    let plain = decode(&jpeg).unwrap().pixels;
    for (at, number, length) in [(2, 500_000, 80), (2, 1000, 60_000), (scan, 500_000, 80), (scan, 2, 60_000)]
    {
        let burdened = [&jpeg[..at], &segments(number, length), &jpeg[at..]].concat();
        assert_eq!(decode(&burdened).unwrap().pixels, plain, "{number} of {length} bytes at {at}");
    }
}

/// A profile is used when its parts are each there once, in whichever order.
#[test]
fn jpeg_profiles_are_put_together() {
    let jpeg = Jpeg::default().write(&drawing(16, 16, Layout::Rgb));
    let part = |number: u8, count: u8, bytes: &[u8]| {
        let length = (bytes.len() as u16 + 16).to_be_bytes();
        [&[0xFF, 0xE2][..], &length, b"ICC_PROFILE\0", &[number, count], bytes].concat()
    };
    let profile = |parts: &[Vec<u8>]| {
        let file = [&jpeg[..2], &parts.concat(), &jpeg[2..]].concat();
        assert_eq!(probe(&file, &Limits::default()).unwrap().has_icc_profile, !parts.is_empty());
        decode(&file).unwrap().colour.map(|colour| match colour {
            Embedded::Icc(profile) => profile,
            Embedded::Described(_) => panic!("no profile"),
        })
    };
    let (one, two, three) = (part(1, 3, b"ab"), part(2, 3, b"cd"), part(3, 3, b"e"));
    assert_eq!(profile(&[]), None);
    assert_eq!(profile(&[part(1, 1, b"all")]).as_deref(), Some(&b"all"[..]));
    assert_eq!(profile(&[three.clone(), one.clone(), two.clone()]).as_deref(), Some(&b"abcde"[..]));
    assert_eq!(profile(&[one.clone(), three.clone()]), None);
    // The same twice is careless, two different ones leave the choice open.
    let twice = [one.clone(), two.clone(), three.clone(), one.clone(), two.clone(), three.clone()];
    assert_eq!(profile(&twice).as_deref(), Some(&b"abcde"[..]));
    assert_eq!(profile(&[part(1, 1, b"all"), part(1, 1, b"all")]).as_deref(), Some(&b"all"[..]));
    assert_eq!(profile(&[one, two, part(2, 3, b"xy"), three]), None);
    for (number, count) in [(0, 1), (2, 1), (1, 0), (0, 0)] {
        assert_eq!(profile(&[part(number, count, b"all")]), None, "{number} of {count}");
    }
    // 71 parts of 60,000 bytes are more than the largest profile that is used.
    let large: Vec<_> = (1..=71).map(|number| part(number, 71, &[0; 60_000])).collect();
    assert_eq!(profile(&large), None);
}

#[test]
fn jpegs_stop_on_the_way() {
    let pixels = drawing(64, 64, Layout::Rgb);
    let bytes = Jpeg::default().write(&pixels);
    let info = probe(&bytes, &Limits::default()).unwrap();
    let cancel = Cancel::new();
    cancel.cancel();
    let whole = View::whole(info.stored_size);
    let stopped = super::decode_whole(&bytes, &info, &whole, &cancel);
    assert_eq!(stopped.err(), Some(ImageError::Cancelled));
    assert_eq!(sample::encode(sample::as_jpeg(80), &pixels, &cancel), Err(ImageError::Cancelled));
}

/// Inks come out as they went in, stored as CMYK or as YCCK.
#[test]
fn cmyk_jpegs_keep_their_inks() {
    let inks = sample::plain(32, 32, Layout::Cmyk, &[200, 30, 60, 20]);
    let pixels = decode(&Jpeg { full_chroma: true, ..Jpeg::default() }.write(&inks)).unwrap().pixels;
    assert_eq!(pixels.layout(), Layout::Cmyk);
    assert!(difference_of_inks(&pixels, &inks) <= 2, "{:?}", &pixels.data()[..4]);

    for full_chroma in [true, false] {
        for progressive in [true, false] {
            let jpeg = Jpeg { full_chroma, progressive, ycck: true, ..Jpeg::default() };
            let inks = sample::plain(33, 35, Layout::Cmyk, &[200, 30, 60, 20]);
            let pixels = decode(&jpeg.write(&inks)).unwrap().pixels;
            assert_eq!(pixels.layout(), Layout::Cmyk);
            let rgb = sample::shown(&pixels, None);
            // (255 - 200) * (255 - 20) / 255, and so on.
            for (found, expected) in rgb.data().iter().zip([51, 207, 180].iter().cycle()) {
                assert!(found.abs_diff(*expected) <= 3, "{:?}", &rgb.data()[..3]);
            }
        }
    }
}

/// All sampling layouts, and colours in one scan or each in its own.
#[test]
fn jpegs_of_rare_kinds_are_decoded() {
    use jpeg_encoder::SamplingFactor as Sampling;

    let rgb = drawing(67, 61, Layout::Rgb);
    let write = |sampling, progressive, separate_scans| {
        let mut file = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut file, 90);
        encoder.set_sampling_factor(sampling);
        encoder.set_progressive(progressive);
        encoder.set_optimized_huffman_tables(separate_scans);
        encoder.encode(rgb.data(), 67, 61, jpeg_encoder::ColorType::Rgb).unwrap();
        file
    };
    for (sampling, limit) in [
        (Sampling::F_1_1, 6.0),
        (Sampling::F_2_1, 6.0),
        (Sampling::F_1_2, 6.0),
        (Sampling::F_2_2, 6.0),
        (Sampling::F_4_1, 12.0),
        (Sampling::F_4_2, 12.0),
        (Sampling::F_1_4, 12.0),
    ] {
        for (progressive, separate_scans) in [(false, false), (false, true), (true, false)] {
            let file = write(sampling, progressive, separate_scans);
            let found = difference(&decode(&file).unwrap().pixels, &rgb);
            assert!(found < limit, "{sampling:?} {progressive} {separate_scans}: {found}");
        }
    }
    // Of CMYK's inks, black alone at full resolution.
    let inks = sample::plain(64, 64, Layout::Cmyk, &[200, 30, 60, 20]);
    let found = difference_of_inks(&decode(&Jpeg::default().write(&inks)).unwrap().pixels, &inks);
    assert!(found <= 2, "{found}");
}

fn difference_of_inks(a: &Pixels, b: &Pixels) -> u8 {
    a.data().iter().zip(b.data()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// What is written looks like what went in, flat pictures too.
#[test]
fn lossy_outputs_look_alike() {
    for (width, height) in [(16, 16), (20, 20), (64, 64), (120, 90), (1, 1), (7, 100)] {
        for pixels in
            [sample::plain(width, height, Layout::Rgb, &[255, 127, 127]), drawing(width, height, Layout::Rgb)]
        {
            for encoding in [sample::as_jpeg(90), sample::as_jpeg(100), sample::as_webp(90)] {
                let read = image::load_from_memory(&encode(encoding, &pixels).unwrap()).unwrap().to_rgb8();
                let read = Pixels::new(pixels.size(), Layout::Rgb, read.into_raw()).unwrap();
                let found = difference(&read, &pixels);
                // Flat is flat; the drawing is noisy, and the more so the smaller it is.
                let limit =
                    if pixels.data()[..3] == [255, 127, 127] { 2.0 } else { 6.0 + 100.0 / f64::from(width) };
                assert!(found < limit, "{encoding:?} {width}x{height}: {found}");
            }
        }
    }
}

#[test]
fn outputs_can_be_read_and_hold_no_metadata() {
    for layout in [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba] {
        for (width, height) in [(1, 1), (1, 70), (70, 1), (17, 33), (64, 64)] {
            let pixels = drawing(width, height, layout);
            let encodings = [
                sample::as_jpeg(1),
                sample::as_jpeg(100),
                sample::as_png(),
                sample::as_webp(1),
                sample::as_lossless_webp(),
            ];
            for encoding in encodings {
                if layout.has_alpha() && encoding.format == Format::Jpeg {
                    assert!(encode(encoding, &pixels).is_err());
                    continue;
                }
                let bytes = encode(encoding, &pixels).unwrap();
                let read = image::load_from_memory(&bytes).unwrap();
                assert_eq!((read.width(), read.height()), (width, height), "{encoding:?}");
                for mark in [&b"Exif"[..], b"ICC_PROFILE", b"iCCP", b"eXIf", b"ICCP", b"EXIF", b"tEXt"] {
                    assert!(!bytes.windows(mark.len()).any(|window| window == mark), "{encoding:?}");
                }
                if encoding.lossless {
                    let read = Pixels::new(pixels.size(), Layout::Rgba, read.to_rgba8().into_raw()).unwrap();
                    assert_eq!(difference(&read, &pixels), 0.0, "{encoding:?} {layout:?}");
                }
            }
        }
    }
}

#[test]
fn jpegs_are_baseline_with_quarter_chroma() {
    let bytes = encode(sample::as_jpeg(85), &drawing(64, 64, Layout::Rgb)).unwrap();
    let sof = bytes.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    // Marker, length, precision, height and width, then three components of id, sampling and table.
    let sampling = [11, 14, 17].map(|at| bytes[sof + at]);
    assert_eq!((bytes[sof + 9], sampling), (3, [0x22, 0x11, 0x11]));
    let gray = encode(sample::as_jpeg(85), &drawing(64, 64, Layout::Gray)).unwrap();
    assert_eq!(probe(&gray, &Limits::default()).unwrap().layout, Layout::Gray);
}

#[test]
fn formats_say_what_they_cannot_hold() {
    let long = sample::plain(16_384, 1, Layout::Rgb, &[1, 2, 3]);
    for encoding in [sample::as_webp(80), sample::as_lossless_webp()] {
        assert_eq!(
            encode(encoding, &long),
            Err(ImageError::FormatTooSmall { format: Format::Webp, max_side: 16_383 })
        );
    }
    let longer = sample::plain(65_536, 1, Layout::Gray, &[9]);
    assert!(matches!(encode(sample::as_jpeg(80), &longer), Err(ImageError::FormatTooSmall { .. })));
}

#[test]
fn quality_means_size() {
    let pixels = drawing(200, 150, Layout::Rgb);
    for make in [sample::as_jpeg as fn(u8) -> Encoding, sample::as_webp] {
        let sizes: Vec<usize> = [10, 50, 80, 95].map(|q| encode(make(q), &pixels).unwrap().len()).into();
        assert!(sizes.is_sorted() && sizes[0] * 2 < sizes[3], "{sizes:?}");
    }
}

/// Browsers and libraries take inks for inverted whether a segment of Adobe's says so or not.
#[test]
fn inks_are_inverted_without_a_word_of_adobe() {
    let inks = drawing(24, 16, Layout::Cmyk);
    let said = Jpeg { full_chroma: true, ..Jpeg::default() }.write(&inks);
    let adobe = said.windows(2).position(|marker| marker == [0xFF, 0xEE]).unwrap();
    let length = usize::from(u16::from_be_bytes([said[adobe + 2], said[adobe + 3]]));
    let unsaid = [&said[..adobe], &said[adobe + 2 + length..]].concat();
    let pixels = decode(&unsaid).unwrap().pixels;
    assert_eq!(pixels, decode(&said).unwrap().pixels);
    let far = pixels.data().iter().zip(inks.data()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>();
    assert!(far < 4 * pixels.data().len() as u32, "{far}");
}

/// The descriptor of a GIF's first frame.
fn frame_at(file: &[u8], size: Size) -> usize {
    let [width, height] = [size.width, size.height].map(|side| (side as u16).to_le_bytes());
    let descriptor = [&[0x2C, 0, 0, 0, 0][..], &width, &height].concat();
    file.windows(descriptor.len()).position(|bytes| bytes == descriptor).unwrap()
}

#[test]
fn zeros_between_blocks_of_a_gif_are_nothing() {
    let frame = drawing(20, 10, Layout::Rgba);
    let file = sample::gif(&[frame.clone(), frame.clone()]);
    let pixels = decode(&file).unwrap().pixels;
    let frame = frame_at(&file, frame.size());
    let first_block = file.iter().position(|byte| *byte == gif::header::EXTENSION).unwrap();
    for at in [first_block, frame, needed(&file)] {
        for zeros in [1, 7] {
            let padded = [&file[..at], &vec![0; zeros], &file[at..]].concat();
            assert_eq!(decode(&padded).unwrap().pixels, pixels, "{zeros} at {at}");
            assert!(probe(&padded, &Limits::default()).unwrap().animated);
        }
    }
}

#[test]
fn a_first_frame_enlarges_the_canvas_of_a_gif() {
    let frame = drawing(20, 10, Layout::Rgba);
    let file = sample::gif(std::slice::from_ref(&frame));
    let whole = decode(&file).unwrap().pixels;
    let descriptor = frame_at(&file, frame.size());
    let screens = [((5, 3), (0, 0), (20, 10)), ((0, 0), (0, 0), (20, 10)), ((40, 3), (0, 0), (40, 10))];
    let moved = [((5, 3), (2, 1), (22, 11)), ((20, 10), (5, 5), (20, 10)), ((21, 9), (1, 0), (21, 10))];
    for (screen, at, canvas) in screens.into_iter().chain(moved) {
        let mut file = file.clone();
        for (place, value) in [(6, screen.0), (8, screen.1), (descriptor + 1, at.0), (descriptor + 3, at.1)] {
            file[place..place + 2].copy_from_slice(&(value as u16).to_le_bytes());
        }
        let pixels = decode(&file).unwrap().pixels;
        assert_eq!(pixels.size(), Size::new(canvas.0, canvas.1), "{screen:?} at {at:?}");
        let (width, first) = (canvas.0 as usize, (at.1 * canvas.0 + at.0) as usize);
        let shown = (frame.size().width as usize).min(width - at.0 as usize) * 4;
        for (y, row) in whole.rows().enumerate().take((canvas.1 - at.1) as usize) {
            assert_eq!(
                &pixels.data()[(first + y * width) * 4..][..shown],
                &row[..shown],
                "{screen:?} row {y}"
            );
        }
    }
}

/// A PNG chunk.
fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let sum = png::header::crc(kind.iter().chain(data)).to_be_bytes();
    [&(data.len() as u32).to_be_bytes()[..], kind, data, &sum].concat()
}

/// A PNG of 2 x 1 pixels: header, the chunks, picture data.
fn small_png(bit_depth: u8, color_type: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let row: &[u8] = match color_type {
        0 => &[10, 200],
        2 => &[10, 20, 30, 200, 210, 220],
        3 => &[0, 1],
        4 => &[10, 255, 200, 255],
        _ => &[10, 20, 30, 255, 200, 210, 220, 255],
    };
    let row = [&[0], row].concat();
    // Zlib's header, one stored block, its length and the length's complement, and the checksum.
    let (a, b) = row.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    let length = row.len() as u16;
    let stored = [&[0x78, 1, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &row].concat();
    let data = [&stored[..], &(b << 16 | a).to_be_bytes()].concat();
    let header = [0, 0, 0, 2, 0, 0, 0, 1, bit_depth, color_type, 0, 0, 0];
    let ends = [png_chunk(b"IDAT", &data), png_chunk(b"IEND", &[])].concat();
    [b"\x89PNG\r\n\x1A\n", &png_chunk(b"IHDR", &header)[..], &chunks.concat(), &ends].concat()
}

#[test]
fn png_chunks_that_do_not_count_are_ignored() {
    let palette = png_chunk(b"PLTE", &[10, 20, 30, 200, 210, 220]);
    let trns = |data: &[u8]| png_chunk(b"tRNS", data);
    let mut broken = trns(&[0, 10]);
    *broken.last_mut().unwrap() ^= 1;
    let [srgb, p3] = [moxcms::ColorProfile::new_srgb(), moxcms::ColorProfile::new_display_p3()];
    let profile = |name: &str, profile: &moxcms::ColorProfile| {
        let file = sample::png(&drawing(1, 1, Layout::Rgb), None, Some(profile.encode().unwrap()));
        let at = file.windows(4).position(|kind| kind == b"iCCP").unwrap_or_else(|| panic!("{name}"));
        let length = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
        file[at - 4..at + 8 + length].to_vec()
    };
    let (srgb, p3) = (profile("sRGB", &srgb), profile("Display P3", &p3));
    let colours = |chunks: &[Vec<u8>]| {
        let decoded = decode(&small_png(8, 2, chunks)).unwrap();
        sample::shown(&decoded.pixels, decoded.colour.as_ref())
    };
    assert_ne!(colours(std::slice::from_ref(&p3)), colours(&[]));
    assert_eq!(colours(&[p3.clone(), srgb.clone()]), colours(&[p3]));

    for color_type in [0, 2, 3, 4, 6] {
        let with = |chunks: &[Vec<u8>]| {
            let own = if color_type == 3 { vec![palette.clone()] } else { Vec::new() };
            small_png(8, color_type, &[&own, chunks].concat())
        };
        let plain = decode(&with(&[])).unwrap().pixels;
        let mut ignored = vec![trns(&[]), trns(&[0, 1, 2]), trns(&[0; 300]), png_chunk(b"gAMA", &[1, 2, 3])];
        ignored.extend([png_chunk(b"sRGB", &[]), png_chunk(b"cHRM", &[9; 31]), png_chunk(b"cICP", &[1])]);
        if color_type != 3 {
            // Palettes of other types are suggestions, whatever they hold.
            ignored.extend([png_chunk(b"PLTE", &[1, 2, 3, 4]), png_chunk(b"PLTE", &[])]);
        }
        let valid = match color_type {
            0 => trns(&[0, 10]),
            2 => trns(&[0, 10, 0, 20, 0, 30]),
            3 => trns(&[0]),
            // Of types with alpha none is.
            _ => trns(&[0; 6]),
        };
        ignored.push(broken.clone());
        if matches!(color_type, 4 | 6) {
            ignored.extend([valid.clone(), trns(&[0, 10])]);
        }
        for chunk in &ignored {
            let file = with(std::slice::from_ref(chunk));
            let info = probe(&file, &Limits::default()).unwrap();
            assert_eq!(info.has_alpha, color_type >= 4, "type {color_type}, {chunk:?}");
            let decoded = decode(&file).unwrap();
            assert_eq!(decoded.pixels, plain, "type {color_type}, {chunk:?}");
        }
        // A palette's alpha comes after it.
        if color_type == 3 {
            let early = small_png(8, 3, &[valid.clone(), palette.clone()]);
            assert_eq!(decode(&early).unwrap().pixels, plain);
        }
        if color_type < 4 {
            let first = decode(&with(std::slice::from_ref(&valid))).unwrap().pixels;
            assert!(first.is_transparent(), "type {color_type}");
            // Second copies, and first ones that do not count.
            for other in [&broken, &trns(&[]), &trns(&[1, 200]), &trns(&[9; 6])] {
                let pixels = decode(&with(&[valid.clone(), other.clone()])).unwrap().pixels;
                assert_eq!(pixels, first, "type {color_type}, {other:?}");
            }
            assert_eq!(decode(&with(&[broken.clone(), valid])).unwrap().pixels, first, "type {color_type}");
        }
    }
}

#[test]
fn png_colors_are_taken_by_precedence() {
    let numbers = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>();
    let cicp = |primaries, transfer| png_chunk(b"cICP", &[primaries, transfer, 0, 1]);
    let (p3, hdr, tv) = (cicp(12, 13), cicp(9, 16), png_chunk(b"cICP", &[12, 13, 0, 0]));
    let srgb = png_chunk(b"sRGB", &[0]);
    let gama = png_chunk(b"gAMA", &numbers(&[100_000]));
    let common = png_chunk(b"gAMA", &numbers(&[45_455]));
    let chrm = png_chunk(b"cHRM", &numbers(&[31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000]));
    let same = png_chunk(b"cHRM", &numbers(&[31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000]));
    let flat =
        png_chunk(b"cHRM", &numbers(&[31_270, 32_900, 64_000, 33_000, 64_000, 33_000, 64_000, 33_000]));
    let profile = |profile: moxcms::ColorProfile| {
        let file = sample::png(&drawing(1, 1, Layout::Rgb), None, Some(profile.encode().unwrap()));
        let at = file.windows(4).position(|kind| kind == b"iCCP").unwrap();
        let length = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
        file[at - 4..at + 8 + length].to_vec()
    };
    let icc = profile(moxcms::ColorProfile::new_adobe_rgb());
    let shown = |chunks: &[&Vec<u8>]| {
        let chunks: Vec<_> = chunks.iter().map(|chunk| (*chunk).clone()).collect();
        let decoded = decode(&small_png(8, 2, &chunks)).unwrap();
        sample::shown(&decoded.pixels, decoded.colour.as_ref()).data().to_vec()
    };
    let plain = shown(&[]);
    assert_eq!(plain, [10, 20, 30, 200, 210, 220]);
    // Linear light: 10/255 is sRGB 56, 200/255 is 228 (IEC 61966-2-1).
    let linear = shown(&[&gama]);
    assert!(linear.iter().zip([55, 79, 95, 228, 233, 238]).all(|(a, b)| a.abs_diff(b) <= 2), "{linear:?}");
    // Display P3 by its numbers, sRGB's curve: as its code points say.
    let near = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 1);
    assert!(near(&shown(&[&chrm]), &shown(&[&p3])) && shown(&[&p3]) != plain, "{:?}", shown(&[&chrm]));
    for nothing in [&common, &same, &flat, &hdr, &tv, &cicp(1, 13), &cicp(2, 2), &srgb] {
        assert_eq!(shown(&[nothing]), plain, "{nothing:?}");
    }
    assert_eq!(shown(&[&srgb, &gama, &chrm]), plain);
    assert_eq!(shown(&[&gama, &srgb]), plain);
    let by_profile = shown(&[&icc]);
    assert_ne!(by_profile, plain);
    assert_eq!(shown(&[&srgb, &gama, &icc]), by_profile);
    assert_eq!(shown(&[&icc, &srgb, &p3, &gama]), shown(&[&p3]));
    assert_eq!(shown(&[&hdr, &icc]), by_profile);
    assert_eq!(shown(&[&hdr, &gama]), linear);
    // Behind a palette, even a suggested one, it is too late.
    assert_eq!(shown(&[&png_chunk(b"PLTE", &[0; 3]), &gama]), plain);
    // Gray stays gray.
    let gray = decode(&small_png(8, 0, &[gama, chrm])).unwrap();
    let expected = Space::Measured { gamma: Some(1.0), chromaticities: None };
    assert!(
        matches!(gray.colour, Some(Embedded::Described(Space::Measured { gamma, .. })) if gamma == Some(1.0))
    );
    let shown = sample::shown(&gray.pixels, gray.colour.as_ref());
    let alone = sample::shown(&gray.pixels, Some(&Embedded::Described(expected)));
    assert_eq!(shown, alone);
    assert!(shown.data()[0].abs_diff(55) <= 2 && shown.data()[1].abs_diff(228) <= 2, "{:?}", shown.data());
}

#[test]
fn flags_of_webp_are_not_believed() {
    let (rgb, rgba) = (drawing(20, 10, Layout::Rgb), drawing(20, 10, Layout::Rgba));
    let size = rgb.size();
    for (pixels, lossless) in [(&rgb, false), (&rgb, true), (&rgba, false), (&rgba, true)] {
        let simple = sample::webp(pixels, lossless);
        let expected = decode(&simple).unwrap().pixels;
        assert_eq!(expected.layout(), pixels.layout());
        for flags in (0..=0x3F).step_by(2) {
            let file = sample::extended_webp(&simple, size, flags, &[]);
            let info = probe(&file, &Limits::default()).unwrap();
            assert_eq!((info.has_alpha, info.animated), (pixels.layout().has_alpha(), false), "{flags:#x}");
            assert_eq!(decode(&file).unwrap().pixels, expected, "{flags:#x}, lossless: {lossless}");

            // A lossy picture with alpha is extended already.
            let chunks = if simple[12..].starts_with(b"VP8X") { &simple[30..] } else { &simple[12..] };
            let bare = [&simple[..12], chunks].concat();
            // Animations: whether the frame covers the canvas counts too.
            for canvas in [size, Size::new(30, 20)] {
                let mut file = sample::animated_webp(&bare, canvas, size, (0, 0));
                file[20] = flags;
                let has_alpha = pixels.layout().has_alpha() || canvas != size;
                let info = probe(&file, &Limits::default()).unwrap();
                assert_eq!((info.has_alpha, info.animated), (has_alpha, true), "{flags:#x}");
                let shown = decode(&file).unwrap().pixels;
                let channels = shown.layout().channels();
                let last = shown.data().rchunks_exact(channels).next().unwrap();
                assert!(canvas == size || last[3] == 0, "{flags:#x}: {last:?}");
                let first = shown.data()[..3].iter().zip(expected.data()).all(|(a, b)| a.abs_diff(*b) <= 3);
                assert!(first || expected.data().get(3) == Some(&0), "{flags:#x}");
            }
        }
    }
}
