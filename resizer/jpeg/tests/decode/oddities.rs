//! What real cameras and programs write.

use crate::support::{decode, picture};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use safelight_jpeg::decode::{Damage, Decoder, Error, Limits, Options, Scale};

fn file(restart: u16) -> Vec<u8> {
    let made = picture(97, 71, 10);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 80);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_restart_interval(restart);
    encoder.add_app_segment(1, b"Exif\0\0payload".to_vec()).unwrap();
    encoder.encode(&made.bytes, 97, 71, ColorType::Rgb).unwrap();
    file
}

/// Where a marker stands.
fn find(file: &[u8], code: u8) -> usize {
    file.windows(2).position(|w| w == [0xFF, code]).unwrap()
}

/// A segment's bytes with its marker.
fn segment(file: &[u8], code: u8) -> std::ops::Range<usize> {
    let at = find(file, code);
    at..at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]))
}

fn same(odd: &[u8]) {
    let plain = file(0);
    for scale in Scale::ALL {
        let options = Options { scale, ..Options::default() };
        assert!(decode(odd, &options) == decode(&plain, &options), "{scale:?}");
    }
}

#[test]
fn payloads_are_handed_out() {
    let file = file(0);
    let decoder = Decoder::new(&file, Limits::default()).unwrap();
    let header = decoder.header();
    assert_eq!(header.app1().collect::<Vec<_>>(), [b"Exif\0\0payload"]);
    assert_eq!((header.width, header.height, header.components.len()), (97, 71, 3));
    assert_eq!((header.components[0].h, header.components[0].v, header.progressive), (2, 2, false));
}

#[test]
fn fill_bytes_before_markers() {
    let plain = file(0);
    let mut odd = plain[..2].to_vec();
    let scan = find(&plain, 0xDA);
    let mut at = 2;
    while at <= scan {
        odd.extend([0xFF, 0xFF, 0xFF]);
        let length = 2 + usize::from(u16::from_be_bytes([plain[at + 2], plain[at + 3]]));
        odd.extend(&plain[at..at + length]);
        at += length;
    }
    let end = plain.len() - 2;
    odd.extend(&plain[at..end]);
    odd.extend([0xFF, 0xFF, 0xFF, 0xFF]);
    odd.extend(&plain[end..]);
    same(&odd);
}

#[test]
fn junk_around_and_no_end() {
    let plain = file(0);
    let end = plain.len() - 2;
    let mut odd = plain[..end].to_vec();
    same(&odd);
    odd.extend([0, 0, 17, 0, 0]);
    odd.extend(&plain[end..]);
    same(&odd);
    odd.extend([1; 999]);
    same(&odd);
    let mut odd = plain[..2].to_vec();
    odd.extend([0, 9, 0]);
    odd.extend(&plain[2..]);
    same(&odd);
}

#[test]
fn a_missing_end_marker_is_told() {
    let made = picture(97, 71, 10);
    for (progressive, separate_scans) in [(false, false), (false, true), (true, false)] {
        let mut whole = Vec::new();
        let mut encoder = Encoder::new(&mut whole, 80);
        encoder.set_progressive(progressive);
        encoder.set_optimized_huffman_tables(separate_scans);
        encoder.encode(&made.bytes, 97, 71, ColorType::Rgb).unwrap();
        let ended = |file: &[u8]| {
            let decoder = Decoder::new(file, Limits::default()).unwrap();
            decoder.rows(&Options::default(), |_| std::ops::ControlFlow::Continue(())).unwrap().ended
        };
        assert!(ended(&whole));
        assert!(ended(&[&whole[..], b"behind the end"].concat()));
        for missing in [1, 2] {
            assert!(!ended(&whole[..whole.len() - missing]), "{progressive} {separate_scans}");
        }
    }
}

#[test]
fn huge_segments_and_repeated_tables() {
    let plain = file(0);
    let mut odd = plain[..2].to_vec();
    for code in 0xE1..=0xEC {
        odd.extend([0xFF, code, 0xFF, 0xFF]);
        odd.extend(std::iter::repeat_n([0xFF, 0xDA, 0xD8], 30_000).flatten().take(65_533));
    }
    odd.extend(&plain[2..]);
    same(&odd);
    let mut odd = plain.clone();
    let scan = find(&plain, 0xDA);
    let tables = [&plain[segment(&plain, 0xDB)], &plain[segment(&plain, 0xC4)]].concat();
    odd.splice(scan..scan, tables);
    same(&odd);
}

#[test]
fn wide_quantisation_tables() {
    let plain = file(0);
    let mut odd = plain.clone();
    let range = segment(&plain, 0xDB);
    let mut tables = Vec::new();
    for table in plain[range.start + 4..range.end].chunks(65) {
        tables.extend([0xFF, 0xDB, 0, 131, table[0] | 0x10]);
        tables.extend(table[1..].iter().flat_map(|step| [0, *step]));
    }
    odd.splice(range, tables);
    let frame = find(&odd, 0xC0);
    odd[frame + 1] = 0xC1;
    same(&odd);
}

#[test]
fn height_from_behind_the_scan() {
    let plain = file(0);
    let mut odd = plain.clone();
    let frame = find(&plain, 0xC0);
    let height = [odd[frame + 5], odd[frame + 6]];
    odd[frame + 5..frame + 7].fill(0);
    assert!(matches!(Decoder::new(&odd, Limits::default()), Err(Error::Corrupt { .. })));
    let end = odd.len() - 2;
    odd.splice(end..end, [0xFF, 0xDC, 0, 4, height[0], height[1]]);
    same(&odd);
}

#[test]
fn standard_huffman_tables_left_out() {
    let plain = file(0);
    let mut odd = plain.clone();
    while odd.windows(2).any(|w| w == [0xFF, 0xC4]) {
        let range = segment(&odd, 0xC4);
        odd.drain(range);
    }
    same(&odd);
}

#[test]
fn restart_markers_lost_and_out_of_order() {
    let plain = file(2);
    let fill = Options { damage: Damage::Fill, ..Options::default() };
    let decoder = Decoder::new(&plain, Limits::default()).unwrap();
    let (whole, _) = crate::checks::pixels(&decoder, &fill);
    // 7 × 5 MCUs, two in an interval: the interval behind RST1 is cut out.
    let from = find(&plain, 0xD1);
    let to = find(&plain, 0xD2);
    let mut odd = plain.clone();
    odd.drain(from..to);
    let decoder = Decoder::new(&odd, Limits::default()).unwrap();
    assert!(
        matches!(crate::checks::pixels(&decoder, &Options::default()).1, Err(Error::Corrupt { at, .. }) if at == from)
    );
    let (filled, result) = crate::checks::pixels(&decoder, &fill);
    assert!(matches!(result, Ok(Some(Error::Corrupt { .. }))));
    // MCUs 4 and 5 are gray, and all others are as they were, but for chroma's filter at their edges.
    let differing = whole.chunks(97 * 3).zip(filled.chunks(97 * 3)).enumerate().flat_map(|(y, (a, b))| {
        a.chunks(3)
            .zip(b.chunks(3))
            .enumerate()
            .filter(|(_, (a, b))| a != b)
            .map(move |(x, _)| (x, y))
            .collect::<Vec<_>>()
    });
    let mut count = 0;
    for (x, y) in differing {
        assert!((63..=96).contains(&x) && y <= 16, "{x} {y}");
        count += 1;
    }
    assert!(count > 400);
    assert_eq!(filled[(8 * 97 + 72) * 3..][..3], [128, 128, 128]);
}

#[test]
fn what_is_not_decoded_says_so() {
    let plain = file(0);
    let frame = find(&plain, 0xC0);
    for (code, what) in
        [(0xC3, "lossless"), (0xC5, "hierarchical"), (0xC9, "arithmetic"), (0xCA, "arithmetic")]
    {
        let mut odd = plain.clone();
        odd[frame + 1] = code;
        match Decoder::new(&odd, Limits::default()) {
            Err(Error::Unsupported { at, what: said }) => {
                assert!(at == frame && said.contains(what), "{said}")
            }
            other => panic!("{other:?}"),
        }
    }
    let mut odd = plain.clone();
    odd[frame + 4] = 12;
    assert!(matches!(Decoder::new(&odd, Limits::default()), Err(Error::Unsupported { .. })));
    assert_eq!(Decoder::new(b"GIF89a", Limits::default()).unwrap_err(), Error::NotJpeg);
}

#[test]
fn cancelling_stops() {
    let plain = file(0);
    let decoder = Decoder::new(&plain, Limits::default()).unwrap();
    let asked = std::cell::Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() == 3
    };
    let options = Options { cancel: Some(&stop), ..Options::default() };
    let mut rows = 0;
    let result = decoder.rows(&options, |band| {
        rows = band.y + band.count;
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!((result, asked.get()), (Err(Error::Cancelled), 3));
    assert!(rows < 48, "{rows}");
    let result = decoder.rows(&Options::default(), |_| std::ops::ControlFlow::Break(()));
    assert_eq!(result, Err(Error::Cancelled));
}
