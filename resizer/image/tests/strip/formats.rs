//! What is special to one format.

use safelight_image::{
    sniff::Format,
    strip::{Metadata, strip},
};

use crate::{
    checks,
    made::{self, PLACE, PLAIN, extension, find, insert, png_chunk, riff_chunk, segment},
};

fn both(bytes: &[u8], format: Format) -> [Vec<u8>; 2] {
    [Metadata::NoLocation, Metadata::None].map(|keep| {
        checks::check_file(bytes, keep);
        strip(bytes, format, keep).unwrap().into_owned()
    })
}

/// What refers to pictures and videos after the end goes together with them.
#[test]
fn nothing_refers_to_what_is_removed() {
    let jpeg = made::jpeg_encoded(9, 9, false, None);
    for words in [
        "hdrgm:Version='1.0'",
        "GCamera:MotionPhoto='1'",
        "GCamera:MicroVideo='1'",
        "Container:Directory",
        "xmpNote:HasExtendedXMP='0'",
        "xmpGImg:image='abc'",
    ] {
        let packet = format!("http://ns.adobe.com/xap/1.0/\0<x {words}/>");
        let mut file = jpeg.clone();
        insert(&mut file, 20, &segment(0xE1, packet.as_bytes()));
        assert_eq!(both(&file, Format::Jpeg), [&jpeg[..], &jpeg], "{words}");
    }
}

/// A thumbnail inside JFIF goes, density stays; so does a segment that is too short to hold one.
#[test]
fn jfif_stays_without_thumbnail() {
    let jpeg = made::jpeg_encoded(9, 9, false, None);
    assert_eq!(&jpeg[2..4], b"\xFF\xE0");
    let of = |payload: &[u8]| [&jpeg[..2], &segment(0xE0, payload), &jpeg[20..]].concat();
    let small = of(b"JFIF\0\x01\x02\x01\0\x48\0\x48\0\0");
    let thumbnail = [&b"JFIF\0\x01\x02\x01\0\x48\0\x48\x01\x02"[..], &PLACE[..6]].concat();
    assert_eq!(both(&of(&thumbnail), Format::Jpeg), [&small[..], &small]);
    let short = of(b"JFIF\0\x01");
    assert_eq!(both(&short, Format::Jpeg), [&short[..], &short]);
    let twice = [&small[..20], &small[2..]].concat();
    assert_eq!(both(&twice, Format::Jpeg), [&small[..], &small]);
}

/// Scans are copied with everything in them: restarts, stuffing and fill bytes.
#[test]
fn scans_are_copied() {
    let head = made::jpeg_encoded(9, 9, false, None);
    let scan = find(&head, b"\xFF\xDA").unwrap() + 14;
    let data = b"a\xFF\0b\xFF\xD0c\xFF\xFF\xD7d\xFF\xFF";
    let tables = segment(0xC4, b"table");
    let lines = segment(0xDC, b"\0\x09");
    let second = segment(0xDA, b"\x01\x01\0\0\x3F\0");
    let file = [&head[..scan], data, &lines, &tables, &second, data, b"\xFF\xD9"].concat();
    assert_eq!(both(&file, Format::Jpeg), [&file[..], &file]);
    // A comment, a stray marker and junk between them.
    let burdened = [
        &head[..scan],
        data,
        &lines,
        &segment(0xFE, PLACE),
        b"\xFF\xD8",
        PLACE,
        &tables,
        b"\xFF\x01\xFF\xD3\xFF\0",
        &second,
        data,
        b"\xFF\xD9",
    ]
    .concat();
    assert_eq!(both(&burdened, Format::Jpeg), [&file[..], &file]);
}

/// EXIF after the picture data stays there, for readers that look for it there; before, it counts alone.
#[test]
fn png_exif_stays_in_its_place() {
    let png = made::png_encoded(9, 9, None);
    let end = png.len() - 12;
    let chunk = png_chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0");
    let mut after = png.clone();
    insert(&mut after, end, &chunk);
    assert_eq!(both(&after, Format::Png), [&after[..], &after]);
    let mut twice = after.clone();
    insert(&mut twice, end, &chunk);
    assert_eq!(both(&twice, Format::Png), [&after[..], &after]);
    let mut before = png.clone();
    insert(&mut before, 33, &chunk);
    let mut everywhere = after;
    insert(&mut everywhere, 33, &[&chunk[..], &chunk].concat());
    assert_eq!(both(&everywhere, Format::Png), [&before[..], &before]);
}

/// Chunks that change how a picture looks stay, with one exception of bytes: those in its last chunk.
#[test]
fn png_colors_stay() {
    let png = made::png_encoded(9, 9, None);
    let colors = [&b"cHRM"[..], b"sRGB", b"cICP", b"mDCV", b"cLLI", b"tRNS", b"bKGD", b"sBIT", b"PLTE"];
    let chunks: Vec<u8> =
        colors.iter().flat_map(|kind| png_chunk(kind.first_chunk().unwrap(), b"1234")).collect();
    let mut file = png;
    insert(&mut file, 33, &chunks);
    assert_eq!(both(&file, Format::Png), [&file[..], &file]);
    let end = file.len() - 12;
    let longer = [&file[..end], &png_chunk(b"IEND", PLACE)].concat();
    assert_eq!(both(&longer, Format::Png), [&file[..], &file]);
    // What shows no pixel otherwise stays where places alone go.
    let rest = [png_chunk(b"tIME", &[7; 7]), png_chunk(b"hIST", &[0; 4]), png_chunk(b"sPLT", b"x\0\x08")];
    let mut more = file.clone();
    insert(&mut more, 33, &rest.concat());
    assert_eq!(both(&more, Format::Png), [&more[..], &file]);
}

/// Flags say what is there.
#[test]
fn webp_flags_are_true() {
    let vp8l = made::vp8l(9, 9);
    let of = |flags, more: &[Vec<u8>]| {
        made::riff(&[made::vp8x(flags, 9, 9), vp8l.clone(), more.concat()].concat())
    };
    let plain = of(0x10, &[]);
    for flags in [0x10, 0x18, 0x14, 0x1C] {
        assert_eq!(both(&of(flags, &[]), Format::Webp), [&plain[..], &plain]);
        let xmp = [riff_chunk(b"XMP ", &made::plain_xmp())];
        assert_eq!(both(&of(flags, &xmp), Format::Webp), [&of(0x14, &xmp)[..], &plain]);
    }
    let exif = made::tiff(made::Order::Big, &[(0x0131, made::Value::Text(PLAIN.to_vec()))], &[]);
    let exif = [riff_chunk(b"EXIF", &exif)];
    assert_eq!(both(&of(0x10, &exif), Format::Webp), [&of(0x18, &exif)[..], &plain]);
    // Reserved bits, and the size in a longer chunk.
    let mut long = riff_chunk(b"VP8X", &[&[0x10, 1, 2, 3, 8, 0, 0, 8, 0, 0], &PLACE[..]].concat());
    long.extend(&vp8l);
    let mut short = plain;
    short[21..24].copy_from_slice(&[1, 2, 3]);
    assert_eq!(both(&made::riff(&long), Format::Webp), [&short[..], &short]);
}

/// Between and inside frames, too, nothing stays that is unknown.
#[test]
fn webp_frames_are_only_frames() {
    let of = |between: &[u8], inside: &[u8]| {
        let features = made::vp8x(0x12, 30, 22);
        let frames = [made::anmf(0, 30, 22, inside), between.to_vec(), made::anmf(3, 20, 10, inside)];
        made::riff(&[features, riff_chunk(b"ANIM", &[0; 6]), frames.concat()].concat())
    };
    let plain = of(&[], &[]);
    assert_eq!(both(&plain, Format::Webp), [&plain[..], &plain]);
    for kind in [b"ABCD", b"EXIF", b"XMP "] {
        let chunk = riff_chunk(kind, PLACE);
        assert_eq!(both(&of(&chunk, &chunk), Format::Webp), [&plain[..], &plain]);
    }
}

/// A file of one chunk is that chunk, whatever stands behind it inside the file; padding is as it was.
#[test]
fn simple_webps_are_one_chunk() {
    let vp8l = made::vp8l(9, 9);
    let simple = made::riff(&vp8l);
    let more = made::riff(&[vp8l.clone(), riff_chunk(b"EXIF", PLACE), b"left".to_vec()].concat());
    assert_eq!(both(&more, Format::Webp), [&simple[..], &simple]);
    // An odd last chunk, with and without padding, alone and as a frame.
    let odd = [&vp8l[8..], &b"odd"[..1 + vp8l.len() % 2]].concat();
    let padded = riff_chunk(b"VP8L", &[&odd[..], &b"x"[..1 - odd.len() % 2]].concat());
    let bare = &padded[..padded.len() - 1];
    for chunk in [&padded[..], bare] {
        let file = made::riff(chunk);
        assert_eq!(both(&file, Format::Webp), [&file[..], &file]);
        let frame =
            [b"ANMF", &(16 + chunk.len() as u32).to_le_bytes()[..], &made::anmf(0, 9, 9, &[])[8..24], chunk]
                .concat();
        for end in [&b""[..], b"\0"] {
            let file = made::riff(&[&made::vp8x(2, 9, 9), &frame[..], end].concat());
            if chunk.len() % 2 == 1 || end.is_empty() {
                assert_eq!(both(&file, Format::Webp), [&file[..], &file]);
            }
        }
    }
}

/// Of extensions only what is known of them stays, and pictures with all their data.
#[test]
fn gif_extensions_hold_what_they_are_for() {
    let gif = made::gif_encoded(2);
    let loops = extension(0xFF, &[b"NETSCAPE2.0", b"\x01\0\0"]);
    let at = find(&gif, &loops).unwrap();
    let of = |extensions: &[u8]| [&gif[..at], extensions, &gif[at + loops.len()..]].concat();
    let name = extension(0xFF, &[b"NETSCAPE2.0"]);
    let control = extension(0xF9, &[b"\x04\x0A\0\0"]);
    for (before, after) in [
        (extension(0xFF, &[b"NETSCAPE2.0", PLACE, b"\x01\0\0", b"\x03\0\0", PLACE]), &loops),
        (extension(0xFF, &[b"NETSCAPE2.0plAce-48", PLACE]), &name),
        (extension(0xF9, &[b"\x04\x0A\0\0", PLACE]), &control),
        (extension(0xF9, &[]), &extension(0xF9, &[])),
        (extension(0xFF, &[]), &vec![]),
        (extension(0x77, &[PLACE]), &vec![]),
        (extension(0x01, &[&[0; 12], PLACE]), &vec![]),
    ] {
        let after = of(after);
        assert_eq!(both(&of(&before), Format::Gif), [&after[..], &after]);
    }
}
