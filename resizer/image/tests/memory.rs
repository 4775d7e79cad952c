//! Estimates of memory against an allocator that counts.
//!
//! libwebp allocates with `malloc`, which is not counted here: its share of an estimate is argued in `codec/webp`. Estimates
//! of all the rest must be at least what is really taken, and not absurdly more.

#![expect(unsafe_code, reason = "an allocator can only be written with it; this one only counts")]
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "test pictures of known sizes")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    io::Cursor,
    num::NonZeroU32,
};

use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};
use safelight_image::{
    accept::Accepts,
    cancel::Cancel,
    limits::Limits,
    options::{Fit, FormatChoice, Options},
    pipeline::{Job, process},
    plan::plan,
    probe::probe,
    render::RenderPlan,
};

/// Counts what the current thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // Allocations while a thread ends cannot be counted, and are not ours.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        PEAK.with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call goes to the system's allocator unchanged; counting does not allocate (constant thread-locals
// without destructors).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // As if both blocks were held for a moment, which they may be.
        count(size.cast_signed());
        count(-layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes held at most while `work` runs, beyond what was held before.
fn peak(work: impl FnOnce()) -> u64 {
    let before = HELD.get();
    PEAK.set(before);
    work();
    (PEAK.get() - before).cast_unsigned() as u64
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn jpeg(image: &RgbImage, progressive: bool) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 90);
    encoder.set_progressive(progressive);
    let (width, height) = (image.width() as u16, image.height() as u16);
    encoder.encode(image.as_raw(), width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    file
}

/// A sequential JPEG with a scan for each colour.
fn jpeg_of_scans(image: &RgbImage) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 90);
    encoder.set_optimized_huffman_tables(true);
    let (width, height) = (image.width() as u16, image.height() as u16);
    encoder.encode(image.as_raw(), width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    file
}

/// A JPEG with segments of this many bytes of metadata each.
fn with_segments(jpeg: &[u8], marker: u8, segments: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut file = jpeg[..2].to_vec();
    for segment in segments {
        file.extend([0xFF, marker]);
        file.extend((segment.len() as u16 + 2).to_be_bytes());
        file.extend(segment);
    }
    file.extend(&jpeg[2..]);
    file
}

/// A profile of about `length` bytes, nearly all of them the table of its three inks.
fn profile(length: usize) -> Vec<u8> {
    let (inks, steps) = (3, 60_usize);
    let outputs = (length / steps.pow(3)).min(255) as u8;
    let mut table = b"mft1\0\0\0\0".to_vec();
    table.extend([inks, outputs, steps as u8, 0]);
    table.extend([[0, 1, 0, 0], [0; 4], [0; 4], [0; 4]].concat().repeat(2));
    table.extend([0, 1, 0, 0]);
    table.resize(48 + 256 * 3 + steps.pow(3) * usize::from(outputs) + 256 * usize::from(outputs), 7);
    let mut profile = moxcms::ColorProfile::new_srgb().encode().unwrap()[..128].to_vec();
    profile[20..24].copy_from_slice(b"Lab ");
    let signatures = [*b"A2B0", *b"A2B1", *b"A2B2", *b"B2A0", *b"B2A1", *b"gamt", *b"A2B0"];
    profile.extend((signatures.len() as u32).to_be_bytes());
    for signature in signatures {
        profile.extend(signature);
        profile.extend((132 + 12 * signatures.len() as u32).to_be_bytes());
        profile.extend((table.len() as u32).to_be_bytes());
    }
    profile.extend(table);
    profile
}

/// Small pictures with metadata that the decoders keep, and copy.
fn burdened() -> Vec<(&'static str, Vec<u8>)> {
    let small = RgbImage::from_raw(40, 30, noise(40 * 30 * 3)).unwrap();
    let jpeg = jpeg(&small, true);
    let xmp = |part: u32| {
        let mut segment = b"http://ns.adobe.com/xmp/extension/\0".to_vec();
        segment.extend([b'0'; 32]);
        segment.extend((200 * 60_000_u32).to_be_bytes());
        segment.extend((part * 60_000).to_be_bytes());
        segment.extend([b'x'; 60_000]);
        segment
    };
    let lone = |part: u32| [&b"ICC_PROFILE\0\x01\x01"[..], &[part as u8; 60_000]].concat();
    let three = profile(650_000);
    let large = profile(4_000_000);
    let parts = |profile: &[u8]| {
        let count = profile.len().div_ceil(60_000);
        let parts = profile.chunks(60_000).enumerate();
        parts
            .map(move |(index, part)| [&b"ICC_PROFILE\0"[..], &[index as u8 + 1, count as u8], part].concat())
            .collect::<Vec<_>>()
    };
    let png = |profile: Vec<u8>| {
        let mut file = Vec::new();
        let mut encoder = image::codecs::png::PngEncoder::new(&mut file);
        image::ImageEncoder::set_icc_profile(&mut encoder, profile).unwrap();
        DynamicImage::from(small.clone()).write_with_encoder(encoder).unwrap();
        file
    };
    vec![
        ("JPEG with XMP in many parts", with_segments(&jpeg, 0xE1, (0..200).map(xmp))),
        (
            "JPEG with small segments without end",
            with_segments(&jpeg, 0xE1, (0..100_000).map(|_| xmp(0)[..40].to_vec())),
        ),
        ("JPEG with profiles without end", with_segments(&jpeg, 0xE2, (0..200).map(lone))),
        ("JPEG with a profile", with_segments(&jpeg, 0xE2, parts(&three).into_iter())),
        ("JPEG with a large profile", with_segments(&jpeg, 0xE2, parts(&large).into_iter())),
        ("PNG with a profile", png(three)),
        ("PNG with a large profile", png(large)),
        ("PNG with a profile of zeros", png(vec![0; 100 << 20])),
    ]
}

/// Noise is what every encoder takes most memory for.
fn sources() -> Vec<(&'static str, Vec<u8>)> {
    let (width, height) = (1200, 900);
    let rgb = RgbImage::from_raw(width, height, noise(1200 * 900 * 3)).unwrap();
    let rgba = RgbaImage::from_raw(width, height, noise(1200 * 900 * 4)).unwrap();
    let tall = RgbImage::from_raw(300, 9000, noise(300 * 9000 * 3)).unwrap();
    let dynamic = DynamicImage::from(rgb.clone());
    let alpha = DynamicImage::from(rgba);
    vec![
        ("baseline JPEG", jpeg(&rgb, false)),
        ("progressive JPEG", jpeg(&rgb, true)),
        ("tall JPEG", jpeg(&tall, false)),
        ("JPEG of several scans", jpeg_of_scans(&rgb)),
        ("PNG", encoded(&dynamic, ImageFormat::Png)),
        ("PNG with alpha", encoded(&alpha, ImageFormat::Png)),
        ("gray PNG", encoded(&DynamicImage::from(dynamic.to_luma8()), ImageFormat::Png)),
        ("PNG of 16 bits", encoded(&DynamicImage::from(dynamic.to_rgb16()), ImageFormat::Png)),
        ("lossless WebP", encoded(&alpha, ImageFormat::WebP)),
        ("opaque lossless WebP", encoded(&dynamic, ImageFormat::WebP)),
        ("GIF", encoded(&alpha, ImageFormat::Gif)),
    ]
}

#[test]
fn estimates_are_never_too_low() {
    let limits = Limits::default();
    let all = [
        (Fit::ScaleDown, 0, 0),
        (Fit::ScaleDown, 60, 0),
        (Fit::ScaleDown, 200, 0),
        (Fit::ScaleDown, 1000, 1000),
        (Fit::Cover, 1000, 50),
        (Fit::Cover, 50, 1000),
        (Fit::Contain, 2000, 2000),
        (Fit::Pad, 1500, 1500),
    ];
    // What metadata takes does not depend on the output.
    let (sources, burdened) = (sources(), burdened());
    let cases =
        sources.iter().map(|file| (file, &all[..])).chain(burdened.iter().map(|file| (file, &all[..3])));
    for ((name, bytes), sizes) in cases {
        let mut info = None;
        let header = peak(|| info = Some(probe(bytes, &limits).unwrap()));
        assert!(header < 10_000, "{name}: reading the header took {header} bytes");
        let info = info.unwrap();
        for &(fit, width, height) in sizes {
            for format in [FormatChoice::Jpeg, FormatChoice::Png, FormatChoice::Auto] {
                let (width, height) = (NonZeroU32::new(width), NonZeroU32::new(height));
                let options = Options { width, height, fit, format, quality: 100, ..Options::default() };
                let plan = plan(info.size(), &options, &[], &limits).unwrap();
                let jobs = [Job { options, plan, accepts: Accepts::CLASSIC }];
                let estimate = RenderPlan::new(&info, &jobs).unwrap().memory();
                let taken = peak(|| {
                    process(bytes, &info, &jobs, &Cancel::new(), |_, output| drop(output)).unwrap();
                });
                let case = format!("{name} {}: estimated {estimate}, taken {taken}", jobs[0].options);
                assert!(estimate >= taken, "{case}");
                println!("{case}");
                // Encoders are ready for noise.
                assert!(estimate <= 6 * taken + (24 << 20), "{case}");
            }
        }
    }
}

/// A JPEG of 100 megapixels: what it takes depends on what is wanted of it.
#[test]
fn large_jpegs_made_small_take_little() {
    let limits = Limits::default();
    let mut bytes = jpeg(&RgbImage::new(8, 8), false);
    let frame = bytes.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[10_000_u16.to_be_bytes(); 2].concat());
    let info = probe(&bytes, &limits).unwrap();
    let estimate = |fit, width, height| {
        let (width, height) = (NonZeroU32::new(width), NonZeroU32::new(height));
        let options = Options { width, height, fit, format: FormatChoice::Jpeg, ..Options::default() };
        let plan = plan(info.size(), &options, &[], &limits).unwrap();
        RenderPlan::new(&info, &[Job { options, plan, accepts: Accepts::CLASSIC }]).unwrap().memory()
    };
    let megabytes = [
        estimate(Fit::ScaleDown, 0, 0),
        estimate(Fit::ScaleDown, 2500, 0),
        estimate(Fit::ScaleDown, 600, 0),
        // A strip of the full picture.
        estimate(Fit::Crop, 10_000, 100),
    ]
    .map(|bytes| bytes / 1_000_000);
    // Rows of the source, and a file: 100 megapixels of at most 1 byte, in a buffer that doubles; 6 at 1/4.
    assert!(megabytes[0] > 100 && megabytes[0] < 400, "{megabytes:?}");
    assert!(megabytes[1] > 10 && megabytes[1] < 50, "{megabytes:?}");
    assert!(megabytes[2] > 2 && megabytes[2] < 16, "{megabytes:?}");
    assert!(megabytes[3] > 3 && megabytes[3] < 30, "{megabytes:?}");
}

/// Narrow pictures are mostly the padding of MCUs, of 16 pixels a side.
#[test]
fn narrow_outputs_are_estimated_with_their_padding() {
    let limits = Limits { max_output_side: 65_535, ..Limits::default() };
    for (width, height) in [(2, 60_000), (60_000, 2)] {
        let picture = RgbImage::from_raw(width, height, noise(2 * 60_000 * 3)).unwrap();
        let bytes = encoded(&DynamicImage::from(picture), ImageFormat::Png);
        let info = probe(&bytes, &limits).unwrap();
        let options = Options { format: FormatChoice::Jpeg, quality: 100, ..Options::default() };
        let plan = plan(info.size(), &options, &[], &limits).unwrap();
        let jobs = [Job { options, plan, accepts: Accepts::CLASSIC }];
        let estimate = RenderPlan::new(&info, &jobs).unwrap().memory();
        let taken = peak(|| {
            process(&bytes, &info, &jobs, &Cancel::new(), |_, output| drop(output)).unwrap();
        });
        assert!(estimate >= taken, "{width} x {height}: estimated {estimate}, taken {taken}");
    }
}
