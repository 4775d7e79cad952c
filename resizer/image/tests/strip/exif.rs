//! EXIF blocks: what stays of them without places, and blocks that cannot be read.

use safelight_image::{
    limits::Limits,
    probe::probe,
    sniff::Format,
    strip::{Metadata, strip},
};

use crate::{
    checks,
    made::{self, Order, PLACE, PLAIN, Value, find, gps, tiff},
};

/// A JPEG with this block.
fn with(block: &[u8]) -> Vec<u8> {
    let mut file = made::jpeg_encoded(16, 16, false, None);
    made::insert(&mut file, 2, &made::segment(0xE1, &[b"Exif\0\0", block].concat()));
    file
}

/// The block without places.
fn without_location(block: &[u8]) -> Option<Vec<u8>> {
    let file = with(block);
    checks::check_file(&file, Metadata::NoLocation);
    let stripped = strip(&file, Format::Jpeg, Metadata::NoLocation).unwrap();
    let length = (file.len() - block.len()).wrapping_sub(10);
    assert_eq!(&stripped[stripped.len() + 2 - length..], &file[file.len() + 2 - length..]);
    if !stripped.starts_with(b"\xFF\xD8\xFF\xE1") {
        assert_eq!(stripped.len(), length);
        return None;
    }
    let end = usize::from(u16::from_be_bytes([stripped[4], stripped[5]])) + 4;
    assert_eq!(stripped.len() - end, length - 2);
    Some(stripped[12..end].to_vec())
}

#[test]
fn known_tags_stay() {
    for order in [Order::Little, Order::Big] {
        let block = without_location(&made::exif(order, 6)).unwrap();
        let thumbnail = made::jpeg_encoded(16, 12, false, None);
        let interop =
            vec![(0x0001, Value::Text(b"R98\0".to_vec())), (0x0002, Value::Undefined(b"0100".to_vec()))];
        let exif = vec![
            (0x829A, Value::Rationals(vec![1; 8])),
            (0x9003, Value::Text([PLAIN, &b" 12:00\0"[..]].concat())),
            (0xA005, Value::Directory(interop)),
        ];
        let first = [
            (0x010E, Value::Text([PLAIN, &b" a cat\0"[..]].concat())),
            (0x010F, Value::Text(b"Phone & Sons\0".to_vec())),
            (0x0112, Value::Short(6)),
            (0x011A, Value::Rationals(vec![2; 8])),
            (0x8769, Value::Directory(exif)),
        ];
        let length = thumbnail.len() as u32;
        let second =
            [(0x0103, Value::Short(6)), (0x0201, Value::File(thumbnail)), (0x0202, Value::Long(length))];
        assert_eq!(block, tiff(order, &first, &second));
    }
}

#[test]
fn a_block_that_cannot_be_read_goes() {
    let whole = made::exif(Order::Little, 6);
    let entries = [whole[8], whole[9]];
    assert_eq!(entries, [11, 0]);

    // More entries than there are bytes: the orientation is still found.
    let mut cut = whole.clone();
    cut[9] = 0xFF;
    let minimal = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    assert_eq!(without_location(&cut).as_deref(), Some(&minimal[..]));

    // Another byte order, another number, a directory outside.
    for (at, bytes) in [(0, &b"IM"[..]), (2, b"\x2B"), (4, b"\xFF\xFF\xFF\xFF"), (4, b"\xFF\xFF\0\0")] {
        let mut damaged = whole.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        assert_eq!(without_location(&damaged), None, "{at}");
    }
    for length in 0..whole.len() {
        if let Some(block) = without_location(&whole[..length]) {
            assert_eq!(find(&block, PLACE), None);
            let oriented = probe(&with(&block), &Limits::default()).unwrap().orientation.exif();
            assert_eq!(oriented, 6, "{length}");
        }
    }
}

/// Values that lie outside, or are of no known type, go alone.
#[test]
fn a_broken_entry_goes_alone() {
    let text = |text: &[u8]| Value::Text(text.to_vec());
    let block = tiff(Order::Big, &[(0x010F, text(b"Phone\0")), (0x0110, text(b"Seven\0"))], &[]);
    let rest = tiff(Order::Big, &[(0x0110, text(b"Seven\0"))], &[]);
    for (at, bytes) in
        [(18, b"\0\0\x70\0"), (14, b"\0\x01\0\0"), (14, b"\xFF\xFF\xFF\xFF"), (12, b"\0\x63\0\0")]
    {
        let mut damaged = block.clone();
        damaged[at..at + 4].copy_from_slice(bytes);
        assert_eq!(without_location(&damaged), Some(rest.clone()), "{at}");
    }
    // So does a directory.
    let mut damaged = tiff(
        Order::Big,
        &[(0x0110, text(b"Seven\0")), (0x8769, Value::Directory(vec![(0x9003, text(b"noon\0"))]))],
        &[],
    );
    damaged[30..34].copy_from_slice(b"\0\0\x70\0");
    assert_eq!(without_location(&damaged), Some(rest));
}

#[test]
fn a_block_of_places_alone_goes() {
    assert_eq!(without_location(&tiff(Order::Big, &[(0x8825, gps())], &[])), None);
    let maker = Value::Undefined(PLACE.to_vec());
    let exif = Value::Directory(vec![(0x927C, maker)]);
    assert_eq!(without_location(&tiff(Order::Little, &[(0x8769, exif)], &[])), None);
    assert_eq!(without_location(b""), None);
}

/// An orientation is written as it is understood: nonsense, or text, is upright; one of another type of number is kept.
#[test]
fn odd_orientations_are_upright() {
    let of = |value| tiff(Order::Big, &[(0x0110, Value::Text(b"Seven\0".to_vec())), (0x0112, value)], &[]);
    let upright = Some(of(Value::Short(1)));
    for value in [Value::Short(0), Value::Short(9), Value::Short(0x0106), Value::Text(b"6\0".to_vec())] {
        assert_eq!(without_location(&of(value)), upright);
    }
    let six = of(Value::Short(6));
    assert_eq!(without_location(&six).as_ref(), Some(&six));
    assert_eq!(without_location(&of(Value::Long(6))), Some(six));
}

/// Entries that refer to the bytes of the GPS directory, its values or a maker's note go, whatever they say they are.
#[test]
fn places_are_not_kept_under_another_tag() {
    let text = |text: &[u8]| Value::Text(text.to_vec());
    let note = Value::Directory(vec![(0x927C, Value::Undefined(PLACE.to_vec()))]);
    let block = tiff(
        Order::Big,
        &[(0x010F, text(b"Phone\0")), (0x0110, text(b"Seven\0")), (0x8769, note), (0x8825, gps())],
        &[],
    );
    let rest = Some(tiff(Order::Big, &[(0x0110, text(b"Seven\0"))], &[]));
    let field = |at: usize| u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let directory = field(10 + 3 * 12 + 8);
    let places = block.windows(PLACE.len()).enumerate().filter(|(_, window)| window == PLACE);
    let starts = places.map(|(at, _)| at as u32).chain([directory, directory - 5, directory + 20]);
    let mut count = 0;
    for start in starts {
        let mut damaged = block.clone();
        damaged[18..22].copy_from_slice(&start.to_be_bytes());
        assert_eq!(without_location(&damaged), rest, "{start}");
        count += 1;
    }
    assert_eq!(count, 9 + 3);
    // An interoperability directory that is the GPS directory: their tags have the same numbers.
    let exif = Value::Directory(vec![(0x9003, text(b"noon\0")), (0xA005, Value::Long(0))]);
    let mut circle = tiff(Order::Big, &[(0x8769, exif), (0x8825, gps())], &[]);
    let at = find(&circle, b"\xA0\x05\0\x04").unwrap() + 8;
    let gps_at: Vec<u8> = circle[10 + 12 + 8..][..4].to_vec();
    circle[at..at + 4].copy_from_slice(&gps_at);
    let exif = Value::Directory(vec![(0x9003, text(b"noon\0"))]);
    assert_eq!(without_location(&circle), Some(tiff(Order::Big, &[(0x8769, exif)], &[])));
}

/// Directories that refer to themselves and each other end.
#[test]
fn circles_end() {
    let mut block = tiff(Order::Little, &[(0x0112, Value::Short(8)), (0x8769, Value::Long(8))], &[]);
    let next = 10 + 2 * 12;
    block[next..next + 4].copy_from_slice(&8_u32.to_le_bytes());
    let minimal = tiff(Order::Little, &[(0x0112, Value::Short(8))], &[]);
    assert_eq!(without_location(&block), Some(minimal));
}

/// Many tags that refer to the same bytes are not written out one after the other.
#[test]
fn shared_values_are_not_multiplied() {
    let mut block = tiff(
        Order::Little,
        &[(0x010F, Value::Text(vec![b'x'; 30_000])), (0x0110, Value::Text(b"12345".to_vec()))],
        &[],
    );
    // The second text is the first.
    let value: Vec<u8> = block[14..22].to_vec();
    block[26..34].copy_from_slice(&value);
    assert_eq!(without_location(&block), None);
}

/// Values at odd offsets stay there where aligned ones would need more room.
#[test]
fn packed_blocks_stay_packed() {
    let entries = b"\x0F\x01\x02\0\x07\0\0\0\x26\0\0\0\x10\x01\x02\0\x06\0\0\0\x2D\0\0\0";
    let block = [&b"II*\0\x08\0\0\0\x02\0"[..], entries, b"\0\0\0\0", b"Phones\0", b"Seven\0"].concat();
    assert_eq!(without_location(&block).as_ref(), Some(&block));
}

/// A thumbnail that is no whole JPEG goes with its directory.
#[test]
fn broken_thumbnails_go() {
    let whole = made::jpeg_encoded(16, 12, false, None);
    let of = |file: &[u8], length: usize| {
        let second = [(0x0201, Value::File(file.to_vec())), (0x0202, Value::Long(length as u32))];
        tiff(Order::Little, &[(0x0112, Value::Short(3))], &second)
    };
    let good = of(&whole, whole.len());
    assert_eq!(without_location(&good), Some(good.clone()));
    let none = tiff(Order::Little, &[(0x0112, Value::Short(3))], &[]);
    for bad in [
        of(&whole, whole.len() - 1),
        of(&whole, whole.len() + 1),
        of(&whole, usize::try_from(u32::MAX).unwrap()),
        of(PLACE, 8),
        of(b"", 0),
    ] {
        assert_eq!(without_location(&bad), Some(none.clone()));
    }
}
