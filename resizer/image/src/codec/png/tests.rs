use proptest::prelude::*;

use super::{decoder::Decoder, encoder::encode, header::crc, *};
use crate::{
    codec::{
        decode_whole,
        rows::{RowSink, RowSource, Samples},
    },
    colour::{Embedded, straight::narrow},
    limits::Limits,
    options::QualityProfile,
    pixels::Layout,
    probe::{Info, probe},
    sample::{self, Random, drawing},
    size::Size,
    view::View,
};

const PROFILES: [QualityProfile; 3] = [QualityProfile::Fast, QualityProfile::Balanced, QualityProfile::Best];

/// Color type and bits of a sample in a file.
fn kind(file: &[u8]) -> (u8, u8) {
    (file[25], file[24])
}

/// A file's pixels as RGBA, by another decoder.
fn rgba(file: &[u8]) -> Vec<u8> {
    image::load_from_memory(file).unwrap().to_rgba8().into_raw()
}

fn wide(pixels: &Pixels) -> Vec<u8> {
    pixels.clone().into_layout(Layout::Rgba).unwrap().data().to_vec()
}

/// Encodes with every profile; both decoders see the pixels that went in. The kind of pixels that was written.
fn round_trip(pixels: &Pixels) -> (u8, u8) {
    let files = PROFILES.map(|profile| encode(pixels, profile, &Cancel::new()).unwrap());
    for (file, profile) in files.iter().zip(PROFILES) {
        let held = encoder::memory(pixels.size(), pixels.layout().channels() as u64, profile);
        assert!(file.capacity() as u64 <= held);
        assert_eq!(rgba(file), wide(pixels), "{} {:?}", pixels.size(), pixels.layout());
        let info = probe(file, &Limits::default()).unwrap();
        let ours = decode_whole(file, &info, &View::whole(info.stored_size), &Cancel::new()).unwrap();
        assert_eq!((ours.pixels.size(), wide(&ours.pixels)), (pixels.size(), wide(pixels)));
        assert_eq!(kind(file), kind(&files[0]));
    }
    kind(&files[0])
}

fn picture(width: u32, height: u32, layout: Layout, mut pixel: impl FnMut(u32) -> Vec<u8>) -> Pixels {
    let data = (0..width * height).flat_map(&mut pixel).collect();
    Pixels::new(Size::new(width, height), layout, data).unwrap()
}

const LAYOUTS: [Layout; 4] = [Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba];

#[test]
fn every_layout_and_size_is_kept() {
    for layout in LAYOUTS {
        for (width, height) in [(1, 1), (1, 37), (37, 1), (2, 2), (3, 5), (9, 7), (53, 41), (130, 90)] {
            round_trip(&drawing(width, height, layout));
        }
        let mut random = Random::new(5);
        let channels = layout.channels();
        let noise = picture(71, 43, layout, |_| (0..channels).map(|_| random.below(256) as u8).collect());
        round_trip(&noise);
    }
    assert_eq!(round_trip(&drawing(130, 90, Layout::Rgb)), (2, 8));
    assert_eq!(round_trip(&drawing(130, 90, Layout::Rgba)), (6, 8));
}

/// 1 to 257 colors, with and without alpha: palettes of as many bits as their number needs.
#[test]
fn few_colors_become_palettes() {
    for (colors, bits) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 4), (16, 4), (17, 8), (255, 8), (256, 8)] {
        let rgb = picture(61, 47, Layout::Rgb, |at| {
            let number = at * 7 % colors;
            vec![number as u8, (number * 3) as u8, (255 - number) as u8]
        });
        assert_eq!(round_trip(&rgb), (3, bits), "{colors}");
        let rgba = picture(61, 47, Layout::Rgba, |at| {
            let number = at * 7 % colors;
            vec![number as u8, 9, 8, (255 - number) as u8]
        });
        assert_eq!(round_trip(&rgba), (3, bits), "{colors} with alpha");
        // Only the colors that need it have alpha in the file.
        let file = encode(&rgba, QualityProfile::Balanced, &Cancel::new()).unwrap();
        let at = file.windows(4).position(|name| name == b"tRNS");
        let length = at.map(|at| u32::from_be_bytes(file[at - 4..at].try_into().unwrap()));
        assert_eq!(length, (colors > 1).then_some(colors - 1));
    }
    let many = picture(257, 20, Layout::Rgb, |at| {
        let number = at % 257;
        vec![number as u8, (number >> 8) as u8, 3]
    });
    assert_eq!(round_trip(&many), (2, 8));
    // The chunks of a palette would be larger than what they save.
    assert_eq!(round_trip(&sample::plain(1, 1, Layout::Rgb, &[1, 2, 3])), (2, 8));
    assert_eq!(round_trip(&sample::plain(1, 1, Layout::Rgba, &[1, 2, 3, 4])), (6, 8));
}

#[test]
fn gray_is_found_and_its_bits() {
    for (step, bits) in [(255, 1), (85, 2), (17, 4), (1, 8)] {
        let value = move |at: u32| (at * step % (255 + step)) as u8;
        for layout in LAYOUTS {
            let ramp = picture(259, 5, layout, |at| match layout {
                Layout::Gray => vec![value(at)],
                Layout::GrayAlpha => vec![value(at), 255],
                Layout::Rgb => vec![value(at); 3],
                _ => vec![value(at), value(at), value(at), 255],
            });
            assert_eq!(round_trip(&ramp), (0, bits), "{layout:?} of steps of {step}");
        }
    }
    // Few grays that are no even steps.
    let odd = picture(50, 50, Layout::Gray, |at| vec![(at % 5 * 3) as u8]);
    assert_eq!(round_trip(&odd), (3, 4));
    // More than 256 colors of gray and alpha.
    let alpha = |layout| {
        picture(64, 64, layout, |at| {
            let (y, a) = ((at % 64 * 4) as u8, (at / 64 * 4) as u8);
            if layout == Layout::Rgba { vec![y, y, y, a] } else { vec![y, a] }
        })
    };
    assert_eq!(round_trip(&alpha(Layout::GrayAlpha)), (4, 8));
    assert_eq!(round_trip(&alpha(Layout::Rgba)), (4, 8));
}

#[test]
fn needless_alpha_is_dropped_and_hidden_colors_stay() {
    let opaque = drawing(60, 50, Layout::Rgb).into_layout(Layout::Rgba).unwrap();
    assert_eq!(round_trip(&opaque), (2, 8));
    // One pixel, the last, is not opaque.
    let mut data = opaque.data().to_vec();
    *data.last_mut().unwrap() = 254;
    assert_eq!(round_trip(&Pixels::new(opaque.size(), Layout::Rgba, data).unwrap()), (6, 8));
    // Invisible pixels of different colors: few and many.
    let few = picture(40, 40, Layout::Rgba, |at| vec![(at % 3) as u8, 50, 60, 0]);
    assert_eq!(round_trip(&few), (3, 2));
    let many = picture(40, 40, Layout::Rgba, |at| vec![(at % 40) as u8, (at / 40) as u8, 60, 0]);
    assert_eq!(round_trip(&many), (6, 8));
}

/// Strategies and compressors differ with what a picture holds: repeating rows, smooth ones, noise.
#[test]
fn large_pictures_are_kept() {
    let smooth = picture(700, 300, Layout::Rgb, |at| {
        let (x, y) = (at % 700, at / 700);
        vec![(x / 3) as u8, (y / 2) as u8, ((x + y) / 4) as u8]
    });
    let repeated = picture(700, 300, Layout::Rgba, |at| {
        let (x, y) = (at % 700, at / 700);
        vec![(x * x / 7) as u8, (y / 100) as u8, (x / 9) as u8, (255 - x / 5) as u8]
    });
    let gradient = picture(700, 300, Layout::Rgb, |at| {
        let step = ((at % 700 + at / 700) / 5) as u8;
        vec![step, 255 - step, 128]
    });
    for pixels in [smooth, repeated, gradient, drawing(900, 400, Layout::Rgb)] {
        round_trip(&pixels);
        let files = [0, 1].map(|_| encode(&pixels, QualityProfile::Balanced, &Cancel::new()).unwrap());
        assert_eq!(files[0], files[1]);
    }
}

#[test]
fn profiles_order_bytes() {
    let pixels = drawing(400, 300, Layout::Rgb);
    let [fast, balanced, best] =
        PROFILES.map(|profile| encode(&pixels, profile, &Cancel::new()).unwrap().len());
    assert!(best < balanced && best < fast, "{fast} {balanced} {best}");
    let before = sample::png(&pixels, None, None).len();
    assert!(balanced < before, "{balanced}, `image` {before}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_pictures_are_kept(
        width in 1_u32..40,
        height in 1_u32..40,
        layout in 0_usize..4,
        colors in 1_usize..400,
        gray in any::<bool>(),
        alpha in 0_usize..3,
        seed in any::<u64>(),
    ) {
        let layout = LAYOUTS[layout];
        let mut random = Random::new(seed);
        let choices: Vec<Vec<u8>> = (0..colors)
            .map(|_| {
                let mut color: Vec<u8> = (0..layout.channels()).map(|_| random.below(256) as u8).collect();
                if gray {
                    let y = color[0] / 17 * 17;
                    color.fill(y);
                }
                if layout.has_alpha() {
                    *color.last_mut().unwrap() = [255, 0, random.below(256) as u8][alpha];
                }
                color
            })
            .collect();
        round_trip(&picture(width, height, layout, |_| choices[random.below(colors)].clone()));
    }
}

#[test]
fn encoding_stops_and_inks_are_refused() {
    let cancel = Cancel::new();
    cancel.cancel();
    let pixels = drawing(64, 64, Layout::Rgb);
    for profile in PROFILES {
        assert_eq!(encode(&pixels, profile, &cancel), Err(ImageError::Cancelled));
        let inks = sample::plain(8, 8, Layout::Cmyk, &[1, 2, 3, 4]);
        assert!(matches!(encode(&inks, profile, &Cancel::new()), Err(ImageError::Internal(_))));
    }
}

/// Keeps what comes, and checks its order.
#[derive(Default)]
struct Collect {
    begun: bool,
    narrow: Vec<u8>,
    wide: Vec<u16>,
    bands: usize,
    largest: usize,
    /// Set after this many bands.
    stop: Option<(usize, Cancel)>,
}

impl RowSink for Collect {
    fn begin(&mut self, _colour: Option<Embedded>) -> Result<(), ImageError> {
        assert!(!self.begun);
        self.begun = true;
        Ok(())
    }

    fn rows(&mut self, rows: Samples<'_>) -> Result<(), ImageError> {
        assert!(self.begun);
        let length = match rows {
            Samples::Bits8(samples) => {
                self.narrow.extend(samples);
                samples.len()
            }
            Samples::Bits16(samples) => {
                self.wide.extend(samples);
                samples.len() * 2
            }
        };
        assert!(length > 0);
        self.largest = self.largest.max(length);
        self.bands += 1;
        if let Some((after, cancel)) = &self.stop
            && self.bands == *after
        {
            cancel.cancel();
        }
        Ok(())
    }
}

fn rows(file: &[u8], view: impl FnOnce(&Info) -> View) -> Result<Collect, ImageError> {
    let info = probe(file, &Limits::default())?;
    let mut sink = Collect::default();
    Decoder.decode_rows(file, &info, &view(&info), &Cancel::new(), &mut sink)?;
    Ok(sink)
}

fn whole(info: &Info) -> View {
    View::whole(info.stored_size)
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let sum = crc(kind.iter().chain(data)).to_be_bytes();
    [&(data.len() as u32).to_be_bytes()[..], kind, data, &sum].concat()
}

/// A file of this kind of pixels with random samples, in one piece or interlaced, and in several IDAT chunks.
fn file(width: u32, height: u32, color_type: u8, bits: u8, interlaced: bool, more: &[Vec<u8>]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([bits, color_type, 0, 0, u8::from(interlaced)]);
    let samples = match color_type {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let whole = [(0, 0, 1, 1)];
    let adam7 =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
    let mut random = Random::new(u64::from(width * 31 + height));
    let mut raw = Vec::new();
    for &(left, top, right, down) in if interlaced { &adam7[..] } else { &whole } {
        let (columns, lines) =
            (width.saturating_sub(left).div_ceil(right), height.saturating_sub(top).div_ceil(down));
        if columns == 0 {
            continue;
        }
        for line in 0..lines {
            raw.push((line % 5) as u8);
            let bytes = (columns * samples * u32::from(bits)).div_ceil(8);
            // Small numbers, so that all are in the palette.
            raw.extend((0..bytes).map(|_| random.below(if color_type == 3 { 16 } else { 256 }) as u8));
        }
    }
    if color_type == 3 {
        // Filters would make any number of those.
        let mut at = 0;
        let stride = (width as usize * usize::from(bits)).div_ceil(8) + 1;
        while at < raw.len() && !interlaced {
            raw[at] = 0;
            at += stride;
        }
    }
    let data = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(1).unwrap());
    let (mut data, mut out) = (data, vec![0; raw.len() + 100_000]);
    let length = data.zlib_compress(&raw, &mut out).unwrap();
    let parts = out[..length].chunks(length / 3 + 1).flat_map(|part| chunk(b"IDAT", part));
    let parts: Vec<u8> = parts.collect();
    let start = [b"\x89PNG\r\n\x1A\n", &chunk(b"IHDR", &header)[..], &more.concat()].concat();
    [start, parts, chunk(b"IEND", &[])].concat()
}

/// Files of every kind, in one piece and interlaced.
fn files(width: u32, height: u32) -> Vec<(String, Vec<u8>)> {
    let palette = chunk(b"PLTE", &(0..=255).flat_map(|c| [c, 255 - c, c / 2]).collect::<Vec<u8>>());
    let mut files = Vec::new();
    for interlaced in [false, true] {
        let kinds =
            [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16), (4, 8), (4, 16), (6, 8), (6, 16)];
        for (color_type, bits) in kinds {
            let name = format!("type {color_type}, {bits} bits, {interlaced}");
            files.push((name.clone(), file(width, height, color_type, bits, interlaced, &[])));
            let clear = match color_type {
                0 => vec![0, 1],
                2 => vec![0, 1, 0, 2, 0, 3],
                _ => continue,
            };
            let clear = chunk(b"tRNS", &clear);
            files.push((name + ", clear", file(width, height, color_type, bits, interlaced, &[clear])));
        }
        if !interlaced {
            for bits in [1, 2, 4, 8] {
                let name = format!("palette, {bits} bits");
                files.push((
                    name.clone(),
                    file(width, height, 3, bits, false, std::slice::from_ref(&palette)),
                ));
                let more = [palette.clone(), chunk(b"tRNS", &[0, 100, 255])];
                files.push((name + ", clear", file(width, height, 3, bits, false, &more)));
            }
        }
    }
    files
}

/// The pixels by `image`: 8 or 16 bits.
fn reference(file: &[u8]) -> (Vec<u8>, Vec<u16>, usize) {
    let image = image::load_from_memory(file).unwrap();
    let channels = usize::from(image.color().channel_count());
    if image.color().bytes_per_pixel() as usize > channels {
        let bytes = image.as_bytes().as_chunks::<2>().0.to_vec();
        (Vec::new(), bytes.into_iter().map(u16::from_ne_bytes).collect(), channels)
    } else {
        (image.into_bytes(), Vec::new(), channels)
    }
}

/// A window of a picture of `width` pixels.
fn cut<T: Copy>(all: &[T], width: u32, channels: usize, view: &View) -> Vec<T> {
    if all.is_empty() {
        return Vec::new();
    }
    let rows = all.chunks(width as usize * channels).skip(view.top as usize).take(view.size.height as usize);
    let (from, length) = (view.left as usize * channels, view.size.width as usize * channels);
    rows.flat_map(|row| row[from..from + length].to_vec()).collect()
}

#[test]
fn rows_and_windows_are_the_picture_s() {
    for (width, height) in [(1, 1), (1, 9), (9, 1), (3, 3), (37, 29), (700, 60)] {
        for (name, file) in files(width, height) {
            let (narrow, wide, channels) = reference(&file);
            let views = [
                (0, 0, width, height),
                (width / 3, height / 2, width - width / 3, height - height / 2),
                (0, height - 1, width, 1),
                (width - 1, 0, 1, height),
                (width / 2, height / 3, 1, 1),
                (0, 0, width.div_ceil(2), height.div_ceil(2)),
            ];
            for (left, top, w, h) in views {
                let view = View { left, top, size: Size::new(w, h), ..View::whole(Size::new(w, h)) };
                let found = rows(&file, |_| view).unwrap();
                let case = format!("{width} x {height}, {name}, {view:?}");
                assert!(found.narrow == cut(&narrow, width, channels, &view), "{case}");
                assert!(found.wide == cut(&wide, width, channels, &view), "{case}");
                assert!(found.begun);
                assert!(found.largest <= (32 << 10).max(w as usize * channels * 2), "{case}");
            }
        }
    }
}

#[test]
fn views_beyond_the_picture_are_refused() {
    let file = sample::png(&drawing(20, 10, Layout::Rgb), None, None);
    for (left, top, width, height) in
        [(0, 0, 21, 10), (1, 0, 20, 10), (0, 5, 1, 6), (u32::MAX, 0, 2, 1), (0, 0, 0, 1)]
    {
        let size = Size::new(width, height);
        let view = View { left, top, ..View::whole(size) };
        assert!(matches!(rows(&file, |_| view), Err(ImageError::Internal(_))));
    }
    let view = View { scale: crate::view::Scale::Half, ..View::whole(Size::new(10, 5)) };
    assert!(matches!(rows(&file, |_| view), Err(ImageError::Internal(_))));
}

/// What is wrong anywhere in the picture data is found, also behind the rows that are wanted.
#[test]
fn damaged_and_cut_off_files_are_refused() {
    for (name, file) in files(41, 33) {
        let view = View::whole(Size::new(41, 1));
        let data = file.windows(4).position(|name| name == b"IDAT").unwrap();
        for at in (data..file.len() - 12).step_by(37) {
            let mut damaged = file.clone();
            damaged[at] ^= 0x10;
            for result in [rows(&damaged, whole), rows(&damaged, |_| view)] {
                assert!(matches!(result, Err(ImageError::Corrupt(_))), "{name}, byte {at}");
            }
        }
        for length in (0..file.len()).step_by(23).chain([file.len() - 1]) {
            assert!(rows(&file[..length], |_| view).is_err(), "{name}, {length} bytes");
        }
        // Fewer rows than the header says.
        let mut taller = file.clone();
        taller[23] += 1;
        let sum = crc(&taller[12..29]).to_be_bytes();
        taller[29..33].copy_from_slice(&sum);
        assert!(rows(&taller, |_| view).is_err(), "{name}");
    }
}

#[test]
fn decoding_stops_within_a_band() {
    for interlaced in [false, true] {
        let file = file(500, 400, 6, 8, interlaced, &[]);
        let info = probe(&file, &Limits::default()).unwrap();
        let cancel = Cancel::new();
        let mut sink = Collect { stop: Some((3, cancel.clone())), ..Collect::default() };
        let result = Decoder.decode_rows(&file, &info, &whole(&info), &cancel, &mut sink);
        assert_eq!(result, Err(ImageError::Cancelled));
        assert!(sink.bands <= 4, "{}", sink.bands);
    }
}

/// A sink's error ends the decoding and is what comes back.
#[test]
fn errors_of_sinks_come_back() {
    struct Full;
    impl RowSink for Full {
        fn begin(&mut self, _colour: Option<Embedded>) -> Result<(), ImageError> {
            Ok(())
        }
        fn rows(&mut self, _rows: Samples<'_>) -> Result<(), ImageError> {
            Err(ImageError::DeadlineExceeded)
        }
    }
    for interlaced in [false, true] {
        let file = file(50, 40, 2, 8, interlaced, &[]);
        let info = probe(&file, &Limits::default()).unwrap();
        let result = Decoder.decode_rows(&file, &info, &whole(&info), &Cancel::new(), &mut Full);
        assert_eq!(result, Err(ImageError::DeadlineExceeded));
    }
}

#[test]
fn sixteen_bits_round_to_nearest() {
    let samples = [0_u16, 128, 129, 257, 32_767, 32_768, 65_406, 65_407, 65_535];
    assert_eq!(samples.map(narrow), [0, 0, 1, 1, 127, 128, 254, 255, 255]);
}

/// Interlaced pictures are held whole, others are not.
#[test]
fn work_says_what_is_held() {
    let work = |interlaced| {
        let mut file = file(1, 1, 2, 8, interlaced, &[]);
        file[16..24].copy_from_slice(&[10_000_u32.to_be_bytes(); 2].concat());
        let limits = Limits { max_source_pixels: 1 << 30, ..Limits::default() };
        probe(&file, &limits).unwrap().work.at(crate::view::Scale::Full)
    };
    assert!(work(false) < 3 << 19, "{}", work(false));
    assert!((300_000_000..302_000_000).contains(&work(true)));
}
