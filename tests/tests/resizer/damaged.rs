//! Sources that are not pictures, or not quite.

use image::ImageFormat;
use safelight_local::{Settings, picture::sample};
use safelight_proto::{
    image::v1::Fit,
    reason::{self, Reason},
};
use tonic::Status;

use crate::{
    harness::*,
    pictures::{hollow_png, noise_file},
};

const FORMATS: [ImageFormat; 4] = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif];

#[tokio::test]
async fn what_is_cut_off_is_corrupt() {
    let local = start(Settings::default()).await;
    for format in FORMATS {
        let whole = noise_file(64, 48, format);
        local.resize_one(png(), whole.clone()).await.unwrap();
        for percent in [3, 10, 30, 50, 70, 90] {
            let cut = whole[..whole.len() * percent / 100].to_vec();
            println!("{format:?} cut to {percent} %");
            refused(local.resize_one(png(), cut).await, Reason::ImageCorrupt);
        }
    }
}

/// Whatever a flipped bit does, it is the source's fault and not ours.
#[tokio::test]
async fn what_is_damaged_is_never_an_internal_error() {
    let local = start(Settings::default()).await;
    let allowed =
        [Reason::ImageCorrupt, Reason::FormatUnsupported, Reason::ImageTooLarge, Reason::OutputTooLarge];
    let judge = |what: &str, answer: Result<(), Status>| {
        let Err(status) = answer else { return false };
        let reason = reason::of(&status).unwrap_or_default();
        assert!(allowed.iter().any(|allowed| allowed.as_str() == reason), "{what}: {status:?}");
        true
    };
    for format in FORMATS {
        let whole = noise_file(24, 16, format);
        let mut refusals = 0;
        // Headers byte by byte, the rest here and there.
        let places = (0..80.min(whole.len())).chain((80..whole.len()).step_by(29));
        for (round, place) in places.enumerate() {
            let mut damaged = whole.clone();
            damaged[place] ^= 1 << (round % 8);
            let what = format!("{format:?}, bit {} of byte {place}", round % 8);
            judge(&what, local.inspect(damaged.clone()).await.map(drop));
            refusals += usize::from(judge(&what, local.resize_one(png(), damaged).await.map(drop)));
        }
        assert!(refusals > 10, "{format:?}: {refusals}");
    }
}

#[tokio::test]
async fn what_is_no_picture_is_refused() {
    let local = start(Settings::default()).await;
    for source in [
        &b""[..],
        b"\0",
        b"hello, this is a text\n",
        b"<html><body>404</body></html>",
        &[0; 4096],
        &[0xff; 300],
    ] {
        let status = refused(local.resize_one(png(), source.to_vec()).await, Reason::FormatUnsupported);
        assert!(!status.message().is_empty());
        refused(local.inspect(source.to_vec()).await, Reason::FormatUnsupported);
    }
}

#[tokio::test]
async fn unsupported_formats_are_named() {
    let local = start(Settings::default()).await;
    for (name, source) in [
        ("AVIF", &b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf"[..]),
        ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("TIFF", b"II*\0\x08\0\0\0\0\0"),
        ("BMP", b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"),
        ("PDF", b"%PDF-1.7\n"),
        ("JPEG XL", b"\xff\x0a\0\0\0\0"),
        ("SVG", b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>"),
    ] {
        let status = refused(local.resize_one(png(), source.to_vec()).await, Reason::FormatUnsupported);
        assert!(status.message().contains(name), "{name}: {}", status.message());
        let status = refused(local.inspect(source.to_vec()).await, Reason::FormatUnsupported);
        assert!(status.message().contains(name), "{name}: {}", status.message());
    }
}

#[tokio::test]
async fn headers_that_claim_too_much_are_refused() {
    let local = start(Settings::default()).await;
    for (width, height) in [(60_000, 60_000), (65_536, 1), (10_001, 10_000), (0x7fff_ffff, 0x7fff_ffff)] {
        let source = hollow_png(width, height);
        refused(local.resize_one(png(), source.clone()).await, Reason::ImageTooLarge);
        refused(local.inspect(source).await, Reason::ImageTooLarge);
    }
    for (width, height) in [(0, 100), (100, 0)] {
        refused(local.resize_one(png(), hollow_png(width, height)).await, Reason::ImageCorrupt);
    }
    // A claim that is allowed, and not kept.
    refused(local.resize_one(png(), hollow_png(100, 100)).await, Reason::ImageCorrupt);
}

#[tokio::test]
async fn more_pixels_than_are_accepted() {
    let local = start_limited("max_source_pixels = 1000\nmax_source_side = 500").await;
    for (format, source) in [
        ("png", sample::png(25, 41).unwrap()),
        ("jpeg", sample::jpeg(25, 41).unwrap()),
        ("webp", sample::webp(25, 41).unwrap()),
        ("gif", sample::two_frame_gif(25, 41).unwrap()),
        ("long", sample::png(501, 1).unwrap()),
    ] {
        println!("{format}");
        let status = refused(local.resize_one(png(), source.clone()).await, Reason::ImageTooLarge);
        assert!(!status.message().contains("1000"), "limits are for the operator: {}", status.message());
        refused(local.inspect(source).await, Reason::ImageTooLarge);
    }
    for (width, height) in [(25, 40), (500, 2)] {
        local.resize_one(png(), sample::png(width, height).unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_picture_that_needs_more_memory_than_there_is() {
    let local = start_limited("memory_budget = '64MiB'").await;
    // 25 megapixels within the pixel limit: 75 MB decoded, of 48 MiB for pixels.
    let source = hollow_png(5000, 5000);
    let info = local.inspect(source.clone()).await.unwrap();
    assert!(info.memory_estimate > 64 << 20, "{}", info.memory_estimate);
    // At once, not at the deadline; and before the decoder finds that there is nothing.
    refused(local.resize_one(png(), source).await, Reason::ImageTooLarge);
    // A small source with a large output needs as much.
    let enlarged = local.resize_one(fitted(Fit::Squeeze, 5000, 5000), sample::png(8, 8).unwrap()).await;
    refused(enlarged, Reason::ImageTooLarge);
    local.resize_one(png(), sample::png(8, 8).unwrap()).await.unwrap();
}
