//! Files that are cut off or damaged, and files made to take long.

use std::time::{Duration, Instant};

use safelight_image::{
    error::ImageError,
    sniff::Format,
    strip::{Metadata, strip},
};

use crate::{
    checks,
    made::{self, Order, Value, png_chunk, riff_chunk, tiff},
};

/// Where the picture ends, after which anything may follow.
fn end(bytes: &[u8], format: Format) -> usize {
    // All files end with a video. Of JPEG a second picture stands before it, with a segment behind it.
    let end = bytes.len() - made::video().len();
    if format == Format::Jpeg {
        end - made::segment(0xE1, made::PLACE).len() - made::jpeg_encoded(16, 16, false, None).len()
    } else {
        end
    }
}

#[test]
fn cut_off_files_are_errors() {
    for file in made::files() {
        let end = end(&file.bytes, file.format);
        for keep in [Metadata::NoLocation, Metadata::None] {
            let whole = strip(&file.bytes, file.format, keep).unwrap();
            for length in 0..file.bytes.len() {
                let cut = strip(&file.bytes[..length], file.format, keep);
                match cut {
                    Ok(cut) => assert!(length >= end && cut == whole, "{} {length} of {end}", file.name),
                    Err(error) => assert!(
                        length < end && matches!(error, ImageError::Corrupt(_) | ImageError::NotAnImage),
                        "{} {length} of {end}: {error:?}",
                        file.name
                    ),
                }
            }
        }
    }
}

#[test]
fn damaged_files_pass_every_check() {
    // Knuth's MMIX generator.
    let mut state = 1_u64;
    let mut random = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for file in made::files() {
        for _ in 0..500 {
            let mut damaged = file.bytes.clone();
            for _ in 0..=random(4) {
                let at = random(damaged.len());
                match random(4) {
                    0 => {
                        let end = (at + random(40)).min(file.bytes.len() - 60).max(at).min(damaged.len());
                        damaged.drain(at..end);
                    }
                    1 => made::insert(&mut damaged, at, &file.bytes[at.min(80)..][..random(40)]),
                    2 => damaged[at] = [0, 1, 2, 8, 0x7F, 0x80, 0xFE, 0xFF][random(8)],
                    _ => damaged[at] = random(256) as u8,
                }
            }
            checks::check_file(&damaged, Metadata::NoLocation);
            checks::check_file(&damaged, Metadata::None);
        }
    }
}

/// Structures that end in the wrong place or hold too little.
#[test]
fn broken_structures_are_named() {
    let jpeg = made::jpeg_encoded(9, 9, false, None);
    let scan = made::find(&jpeg, b"\xFF\xDA").unwrap();
    let vp8l = made::vp8l(9, 9);
    let frame = made::anmf(0, 9, 9, &[]);
    let webp = |chunks: &[Vec<u8>]| made::riff(&chunks.concat());
    let png = made::png_encoded(9, 9, None);
    let gif = made::gif_encoded(1);
    let picture = made::find(&gif, b"\x2C\0\0\0\0").unwrap();
    for (format, bytes, message) in [
        (Format::Jpeg, [&jpeg[..scan], b"\xFF\xD9"].concat(), "it has no picture data"),
        (Format::Jpeg, b"\xFF\xD8\xFF\xE0\0\x01".to_vec(), "a segment of it is too short"),
        (Format::Jpeg, jpeg[..jpeg.len() - 2].to_vec(), "it is cut off"),
        (Format::Png, [&png[..8], &png[33..]].concat(), "it has no header"),
        (Format::Png, [&png[..33], &png[png.len() - 12..]].concat(), "it has no picture data"),
        (Format::Webp, webp(&[riff_chunk(b"ALPH", &[0; 20])]), "it has no picture data"),
        (Format::Webp, webp(&[made::vp8x(0, 9, 9)]), "it has no picture data"),
        (Format::Webp, webp(&[riff_chunk(b"VP8X", &[0; 9]), vp8l.clone()]), "it is cut off"),
        (Format::Webp, webp(&[riff_chunk(b"VP8L", &[0x2F; 4])]), "it is cut off"),
        (Format::Webp, webp(&[riff_chunk(b"VP8 ", &[0; 9])]), "it is cut off"),
        (Format::Webp, webp(&[made::vp8x(2, 9, 9), frame[..frame.len() - 9].to_vec()]), "it is cut off"),
        (
            Format::Webp,
            webp(&[made::vp8x(2, 9, 9), riff_chunk(b"ANMF", &frame[8..24])]),
            "a frame has no picture data",
        ),
        (Format::Gif, [&gif[..picture], b"\x3B"].concat(), "it has no picture data"),
        (Format::Gif, [&gif[..picture], b"\0"].concat(), "it has a block of an unknown kind"),
    ] {
        let error = strip(&bytes, format, Metadata::None).unwrap_err();
        assert_eq!(error, ImageError::Corrupt(message), "{format}");
    }
}

/// Whatever a file of 4 MB holds, it takes a moment.
#[test]
fn time_grows_with_the_file_alone() {
    const LENGTH: usize = 4 << 20;
    let fill = |part: &[u8]| part.repeat(LENGTH / part.len());
    let jpeg = made::jpeg_encoded(9, 9, true, None);
    let with = |file: &[u8], at: usize, part: &[u8]| [&file[..at], &fill(part), &file[at..]].concat();
    let png = made::png_encoded(9, 9, None);
    let gif = made::gif_encoded(1);
    let last = jpeg.len() - 2;
    let tags = b"\x0F\x01\x02\0\xFF\xFF\xFF\0\0\0\0\0".repeat(65_535);
    let entries = [b"II*\0\x08\0\0\0\xFF\xFF", &tags[..], &vec![0; LENGTH]].concat();
    let circles =
        [b"II*\0\x08\0\0\0\xFF\xFF", &b"\x69\x87\x04\0\x01\0\0\0\x08\0\0\0".repeat(65_535)[..]].concat();
    let thumbnails = tiff(
        Order::Little,
        &[(0x0112, Value::Short(3))],
        &[(0x0201, Value::File(with(&jpeg, 2, b"\xFF\xFE\0\x02"))), (0x0202, Value::Long(LENGTH as u32))],
    );
    for (format, bytes) in [
        (Format::Jpeg, with(&jpeg, 2, b"\xFF\xFE\0\x02")),
        (Format::Jpeg, with(&jpeg, 2, b"\xFF")),
        (Format::Jpeg, with(&jpeg, 2, b"\xFF\0")),
        (Format::Jpeg, with(&jpeg, 2, &made::segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0"))),
        (Format::Jpeg, with(&jpeg, last, b"\xFF\xDA\0\x02")),
        (Format::Jpeg, with(&jpeg, last, b"\xFF\xD0")),
        (Format::Png, with(&png, 33, &png_chunk(b"tEXt", b""))),
        (Format::Png, with(&png, 33, &png_chunk(b"eXIf", &made::exif(Order::Big, 3)))),
        (
            Format::Png,
            with(
                &png,
                33,
                &png_chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", &made::plain_xmp()[..]].concat()),
            ),
        ),
        (Format::Png, [&png[..33], &png_chunk(b"eXIf", &entries), &png[33..]].concat()),
        (Format::Png, [&png[..33], &png_chunk(b"eXIf", &circles), &png[33..]].concat()),
        (Format::Png, [&png[..33], &png_chunk(b"eXIf", &thumbnails), &png[33..]].concat()),
        (
            Format::Webp,
            made::riff(
                &[made::vp8x(0x3C, 9, 9), made::vp8l(9, 9), fill(&riff_chunk(b"EXIF", b"II*\0"))].concat(),
            ),
        ),
        (
            Format::Webp,
            made::riff(
                &[made::vp8x(2, 9, 9), made::anmf(0, 9, 9, &fill(&riff_chunk(b"JUNK", b"")))].concat(),
            ),
        ),
        (Format::Gif, with(&gif, gif.len() - 1, &made::extension(0xFE, &[b"x"]))),
        (Format::Gif, with(&gif, gif.len() - 1, &made::extension(0xFF, &[b"NETSCAPE2.0", b"\x01\0\0"]))),
    ] {
        for keep in [Metadata::NoLocation, Metadata::None] {
            let start = Instant::now();
            let stripped = strip(&bytes, format, keep).unwrap();
            // Some 0.1 s; half an hour, if it grew with the square.
            assert!(start.elapsed() < Duration::from_secs(20), "{format} {keep:?}");
            assert!(stripped.len() <= bytes.len());
        }
    }
}
