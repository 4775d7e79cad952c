//! What goes and what stays, for every format.

use std::borrow::Cow;

use safelight_image::{
    error::ImageError,
    limits::Limits,
    probe::probe,
    sniff::Format,
    strip::{MAX_GROWTH, Metadata, strip},
};

use crate::{
    checks,
    made::{self, Order, PLACE, PLAIN, find, png_chunk, riff_chunk},
    seen::seen,
};

const LESS: [Metadata; 2] = [Metadata::NoLocation, Metadata::None];

#[test]
fn no_place_is_left_and_the_picture_is_the_same() {
    for file in made::files() {
        let before = seen(&file.bytes, file.format);
        assert!(find(&file.bytes, PLACE).is_some() && find(&file.bytes, &file.profile).is_some());
        for keep in LESS {
            let name = format!("{} {keep:?}", file.name);
            let stripped = strip(&file.bytes, file.format, keep).unwrap();
            assert_eq!(find(&stripped, PLACE), None, "{name}");
            assert!(find(&stripped, &file.profile).is_some(), "{name}");
            let stays = keep == Metadata::NoLocation && file.has_plain;
            assert_eq!(find(&stripped, PLAIN).is_some(), stays, "{name}");
            let after = seen(&stripped, file.format);
            assert!(before.picture == after.picture, "{name}: picture");
            assert!(before.profile == after.profile, "{name}: profile");
            assert!(before.frames == after.frames, "{name}: frames");
            assert!(stripped.len() < file.bytes.len());
            checks::check_file(&file.bytes, keep);
        }
    }
    let frames: Vec<_> =
        made::files().iter().map(|file| seen(&file.bytes, file.format).frames.len()).collect();
    assert_eq!(frames, [0, 0, 0, 0, 2, 0, 0, 2, 0, 1, 3]);
}

#[test]
fn files_without_metadata_come_back_as_they_are() {
    for (format, bytes) in made::bare_files() {
        for keep in LESS {
            let stripped = strip(&bytes, format, keep).unwrap();
            assert!(matches!(stripped, Cow::Borrowed(same) if same == bytes), "{format} {keep:?}");
            checks::check_file(&bytes, keep);
        }
    }
}

/// Metadata around a picture is all that goes: what is left is the file that its encoder wrote.
#[test]
fn what_is_left_is_what_the_encoder_wrote() {
    let bare = made::jpeg_encoded(37, 29, true, Some(&made::profile()));
    let stripped = strip(&made::jpeg(None, true), Format::Jpeg, Metadata::None).unwrap().into_owned();
    let adobe = made::segment(0xEE, b"Adobe\0\x64\0\0\0\0\x01");
    let at = find(&stripped, &adobe).unwrap();
    assert_eq!([&stripped[..at], &stripped[at + adobe.len()..]].concat(), bare);

    let bare = made::png_encoded(31, 23, Some(made::profile()));
    let stripped = strip(&made::png(None, false), Format::Png, Metadata::None).unwrap().into_owned();
    let more = 12 + 4 + 12 + 9;
    assert_eq!(&stripped[33..][..12], &png_chunk(b"gAMA", &45_455_u32.to_be_bytes())[..12]);
    assert_eq!([&stripped[..33], &stripped[33 + more..]].concat(), bare);

    let chunks =
        [made::vp8x(0x30, 30, 22), riff_chunk(b"ICCP", &made::profile()), made::vp8l(30, 22)].concat();
    let webp = made::webp(None, false);
    let stripped = strip(&webp, Format::Webp, Metadata::None).unwrap();
    assert_eq!(*stripped, made::riff(&chunks));
}

#[test]
fn the_orientation_stays() {
    for value in 1..=8 {
        for order in [Order::Little, Order::Big] {
            let exif = made::exif(order, value.into());
            for (format, bytes, block_start) in [
                (Format::Jpeg, made::jpeg(Some(&exif), false), &b"\xFF\xE1\0\x22Exif\0\0"[..]),
                (Format::Png, made::png(Some(&exif), false), b"\0\0\0\x1AeXIf"),
                (Format::Webp, made::webp(Some(&exif), true), b"EXIF\x1A\0\0\0"),
            ] {
                let of = |bytes: &[u8]| probe(bytes, &Limits::default()).unwrap().orientation.exif();
                assert_eq!(of(&bytes), value);
                for keep in LESS {
                    let stripped = strip(&bytes, format, keep).unwrap();
                    assert_eq!(of(&stripped), value, "{format} {keep:?}");
                    checks::check_file(&bytes, keep);
                    if keep == Metadata::None {
                        // Nothing but one entry in one directory.
                        let found = find(&stripped, block_start);
                        assert_eq!(found.is_some(), value != 1);
                        let Some(at) = found else { continue };
                        let block = &stripped[at + block_start.len()..][..26];
                        let entry = [1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, value, 0, 0, 0, 0, 0, 0, 0];
                        assert_eq!(block, [&b"II*\0\x08\0\0\0"[..], &entry].concat());
                    }
                }
            }
        }
    }
}

/// The shortest block with an orientation leaves out the end of its directory; the one that is written has it.
#[test]
fn a_file_grows_by_four_bytes_at_most() {
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0";
    let mut jpeg = made::jpeg_encoded(9, 9, false, None);
    made::insert(&mut jpeg, 2, &made::segment(0xE1, &[&b"Exif\0\0"[..], exif].concat()));
    let mut png = made::png_encoded(9, 9, None);
    made::insert(&mut png, made::PNG_HEADER_END, &png_chunk(b"eXIf", exif));
    let webp = made::riff(&[made::vp8x(0x18, 9, 9), made::vp8l(9, 9), riff_chunk(b"EXIF", exif)].concat());
    for (format, bytes) in [(Format::Jpeg, jpeg), (Format::Png, png), (Format::Webp, webp)] {
        for keep in LESS {
            let stripped = strip(&bytes, format, keep).unwrap();
            assert_eq!(stripped.len(), bytes.len() + MAX_GROWTH, "{format}");
            assert_eq!(probe(&stripped, &Limits::default()).unwrap().orientation.exif(), 3);
            checks::check_file(&bytes, keep);
        }
    }
}

#[test]
fn everything_is_kept_on_request() {
    for file in made::files() {
        let kept = strip(&file.bytes, file.format, Metadata::Keep);
        assert!(matches!(kept, Ok(Cow::Borrowed(same)) if same == file.bytes));
    }
    assert_eq!(strip(b"no picture", Format::Gif, Metadata::Keep).as_deref(), Ok(&b"no picture"[..]));
}

#[test]
fn a_file_of_another_format_is_refused() {
    for file in made::files() {
        for format in [Format::Jpeg, Format::Png, Format::Webp, Format::Gif] {
            if format != file.format {
                assert_eq!(strip(&file.bytes, format, Metadata::None), Err(ImageError::NotAnImage));
            }
        }
    }
    let error = strip(b"II*\0\x08\0\0\0", Format::Jpeg, Metadata::None);
    assert_eq!(error, Err(ImageError::Unsupported("TIFF")));
}
