//! Encoding at equal settings: time, bytes and, if asked for, SSIMULACRA2.

use crate::measure::{Line, compare};
use crate::pictures::Picture;
use libloading::{Library, Symbol};
use safelight_jpeg::encode::{Huffman, Instructions, PixelLayout, Process, Sampling, Settings, encode};
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};
use std::ffi::{c_int, c_uchar, c_ulong, c_void};

/// `TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT`: our buffer, and libjpeg's own default transform at every quality.
const FLAGS: c_int = 1024 | 4096;
/// `TJFLAG_PROGRESSIVE`.
const PROGRESSIVE: c_int = 16_384;

type Compress = unsafe extern "C" fn(
    *mut c_void,
    *const c_uchar,
    c_int,
    c_int,
    c_int,
    c_int,
    *mut *mut c_uchar,
    *mut c_ulong,
    c_int,
    c_int,
    c_int,
) -> c_int;

/// A picture as samples.
struct Pixels {
    name: String,
    layout: PixelLayout,
    width: u32,
    height: u32,
    samples: Vec<u8>,
}

/// libjpeg-turbo's compressor with room for any result.
struct Peer<'a> {
    handle: *mut c_void,
    call: Symbol<'a, Compress>,
    room: Vec<u8>,
}

impl<'a> Peer<'a> {
    fn new(library: &'a Library, pixels: &Pixels) -> Self {
        // SAFETY: the functions' types are as turbojpeg.h declares them.
        unsafe {
            let init: Symbol<'_, unsafe extern "C" fn() -> *mut c_void> =
                library.get(b"tjInitCompress\0").expect("tjInitCompress");
            let size: Symbol<'_, unsafe extern "C" fn(c_int, c_int, c_int) -> c_ulong> =
                library.get(b"tjBufSize\0").expect("tjBufSize");
            let room = vec![0; size(pixels.width as c_int, pixels.height as c_int, 0) as usize];
            Self { handle: init(), call: library.get(b"tjCompress2\0").expect("tjCompress2"), room }
        }
    }

    /// The length of the file, which stands in `room`.
    fn encode(&mut self, pixels: &Pixels, settings: &Settings<'_>) -> usize {
        let (format, sampling) = match (pixels.layout, settings.sampling) {
            (PixelLayout::Gray8, _) => (6, 3),
            (_, Sampling::Full) => (0, 0),
            (_, Sampling::Half) => (0, 1),
            (_, Sampling::Quarter) => (0, 2),
        };
        let flags = FLAGS | if settings.process == Process::Progressive { PROGRESSIVE } else { 0 };
        let (mut out, mut length) = (self.room.as_mut_ptr(), self.room.len() as c_ulong);
        // SAFETY: `samples` holds height rows without gaps; `room` is as large as tjBufSize asks for 4:4:4.
        let status = unsafe {
            (self.call)(
                self.handle,
                pixels.samples.as_ptr(),
                pixels.width as c_int,
                0,
                pixels.height as c_int,
                format,
                &raw mut out,
                &raw mut length,
                sampling,
                settings.quality.into(),
                flags,
            )
        };
        assert_eq!(status, 0, "libjpeg-turbo does not encode");
        length as usize
    }
}

/// What to measure.
pub(crate) struct Wish {
    /// Without AVX2.
    pub(crate) portable: bool,
    /// With SSIMULACRA2.
    pub(crate) scores: bool,
    /// As JSON.
    pub(crate) json: bool,
}

/// Prints one line a case.
pub(crate) fn run(pictures: &[Picture], library: &Library, wish: &Wish, wanted: impl Fn(&str) -> bool) {
    if !wish.json {
        println!("{:<44} {:>9} {:>9} {:>7} {:>9} {:>9}", "encoding", "ours", "turbo", "", "bytes", "turbo");
    }
    for pixels in pixels(pictures) {
        for (words, settings) in cases(&pixels) {
            let case = format!("encode {} {words}", pixels.name);
            if wanted(&case) {
                measure(case, &pixels, library, settings, wish);
            }
        }
    }
}

fn measure(case: String, pixels: &Pixels, library: &Library, settings: Settings<'_>, wish: &Wish) {
    // libjpeg-turbo reads the same variable.
    let huffman =
        if std::env::var_os("TJ_OPTIMIZE").is_some() { Huffman::Optimised } else { Huffman::Standard };
    let instructions = if wish.portable { Instructions::Portable } else { Instructions::Detect };
    let settings = Settings { huffman, instructions, ..settings };
    let mut peer = Peer::new(library, pixels);
    let (mut ours, mut theirs) = (Vec::new(), 0);
    let line = compare(
        case,
        || {
            ours = encode(&pixels.samples, pixels.width, pixels.height, pixels.layout, &settings)
                .expect("a file");
        },
        || theirs = peer.encode(pixels, &settings),
    );
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
        let Line { case, ours: a, theirs: b } = &line;
        println!(
            "{case:<44} {a:>9.3} {b:>9.3} {:>6.2}× {:>9} {theirs:>9}{scores}",
            line.speedup(),
            ours.len()
        );
    }
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

/// The baseline pictures of the bench decoded, parts of the first photograph, and it in gray.
fn pixels(pictures: &[Picture]) -> Vec<Pixels> {
    let mut all = Vec::new();
    for picture in pictures.iter().filter(|picture| !picture.name.starts_with("progressive")) {
        let Ok(image) = image::load_from_memory(&picture.file) else { continue };
        let image = image.to_rgb8();
        let mut add = |name: String, image: image::RgbImage| {
            let (width, height) = image.dimensions();
            all.push(Pixels { name, layout: PixelLayout::Rgb8, width, height, samples: image.into_raw() });
        };
        if picture.name.starts_with("photo") || picture.name.starts_with("made-4000") {
            for (width, height) in [(800, 600), (96, 72)] {
                let small = image::imageops::thumbnail(&image, width, height);
                add(format!("{width}x{height}"), small);
            }
            let gray = image::DynamicImage::ImageRgb8(image.clone()).to_luma8();
            all.push(Pixels {
                name: picture.name.clone(),
                layout: PixelLayout::Gray8,
                width: gray.width(),
                height: gray.height(),
                samples: gray.into_raw(),
            });
        }
        let mut add = |name: String, image: image::RgbImage| {
            let (width, height) = image.dimensions();
            all.push(Pixels { name, layout: PixelLayout::Rgb8, width, height, samples: image.into_raw() });
        };
        if !picture.name.starts_with("small") {
            add(picture.name.clone(), image);
        }
    }
    all
}

/// SSIMULACRA2 of a file against the samples it was made from.
fn score(pixels: &Pixels, file: &[u8]) -> f64 {
    let gray = pixels.layout == PixelLayout::Gray8;
    let decoded = image::load_from_memory(file).expect("a JPEG file").to_rgb8();
    let frame = |samples: &mut dyn Iterator<Item = [u8; 3]>| {
        let samples = samples.map(|pixel| pixel.map(|sample| f32::from(sample) / 255.0)).collect();
        let (width, height) = (pixels.width as usize, pixels.height as usize);
        Rgb::new(samples, width, height, TransferCharacteristic::SRGB, ColorPrimaries::BT709)
            .expect("a frame")
    };
    let source = if gray {
        frame(&mut pixels.samples.iter().map(|&sample| [sample; 3]))
    } else {
        frame(&mut pixels.samples.as_chunks::<3>().0.iter().copied())
    };
    let decoded = frame(&mut decoded.as_chunks::<3>().0.iter().copied());
    compute_frame_ssimulacra2(source, decoded).expect("frames of one size")
}
