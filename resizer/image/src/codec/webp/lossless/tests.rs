//! Files written bit by bit: of more groups of codes than any encoder makes. And memory, measured in a process of its own.

use super::*;
use crate::{
    accept::Encoding,
    codec::{
        rows::{RowSink, RowSource, Samples},
        webp::{
            Decoder, encode,
            ffi::decode::{Decoder as Libwebp, Output, Progress},
            header::Header,
        },
    },
    colour::Embedded,
    limits::Limits,
    options::QualityProfile,
    pixels::{Layout, Pixels},
    probe::{Info, probe},
    sample::{self, Random, drawing},
    view::{Scale, View},
};

/// Writes numbers, the lowest bit first.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    free: u32,
}

impl Writer {
    fn put(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            *self.bytes.last_mut().unwrap() |=
                (value.checked_shr(bit).unwrap_or(0) & 1) as u8 * (1 << (8 - self.free));
            self.free -= 1;
        }
    }

    fn size(&mut self, width: u32, height: u32) {
        self.put(0x2F, 8);
        self.put(width - 1, 14);
        self.put(height - 1, 14);
        self.put(0, 4);
    }

    /// A code of the symbol 0, which takes 4 bits.
    fn zero(&mut self) {
        self.put(0b0001, 4);
    }

    /// A code whose first 256 symbols take 8 bits each.
    fn bytes(&mut self, is_green: bool) {
        self.put(0, 1);
        // Of the code of lengths only that for 8, the twelfth.
        self.put(12 - 4, 4);
        for place in 0..12 {
            self.put(u32::from(place == 11), 3);
        }
        if is_green {
            self.put(1, 1);
            self.put(3, 3);
            self.put(256 - 2, 8);
        } else {
            self.put(0, 1);
        }
    }

    /// An image for blocks of 4 x 4 pixels, which names the group of each; then so many groups without any choice, and
    /// pixels that take no bits.
    fn groups(&mut self, names: impl Iterator<Item = u16>, groups: u32) {
        // No transform, no cache, several groups, blocks of 4, no cache.
        self.put(0b00_0100, 7);
        self.bytes(true);
        self.bytes(false);
        (0..3).for_each(|_| self.zero());
        for name in names {
            let [red, green] = name.to_be_bytes();
            self.put(green.reverse_bits().into(), 8);
            self.put(red.reverse_bits().into(), 8);
        }
        (0..groups * 5).for_each(|_| self.zero());
    }
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = [&kind[..], &(data.len() as u32).to_le_bytes(), data].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

fn file(chunks: &[u8]) -> Vec<u8> {
    [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", chunks].concat()
}

/// A lossless picture whose blocks go through so many groups.
fn lossless(width: u32, height: u32, groups: u32) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.size(width, height);
    let blocks = width.div_ceil(4) * height.div_ceil(4);
    writer.groups((0..blocks).map(|block| (block % groups) as u16), groups);
    writer.put(0, 64);
    file(&chunk(b"VP8L", &writer.bytes))
}

/// A lossy picture with such alpha, after one that does not count.
fn lossy(side: u32, groups: u32) -> Vec<u8> {
    let made = sample::webp(&sample::plain(side, side, Layout::Rgba, &[90, 80, 70, 60]), false);
    let at = made.windows(4).position(|name| name == b"VP8 ").unwrap();
    let mut writer = Writer::default();
    writer.groups((0..(side / 4).pow(2)).map(|block| (block % groups) as u16), groups);
    let alpha = [&[1], &writer.bytes[..], &[0; 8]].concat();
    let plain = [0].into_iter().chain(std::iter::repeat_n(9, (side * side) as usize)).collect::<Vec<u8>>();
    file(&[&made[12..30], &chunk(b"ALPH", &plain), &chunk(b"ALPH", &alpha), &made[at..]].concat())
}

fn front_of(file: &[u8]) -> Result<Front, Unread> {
    front(&Header::read(file).unwrap().frame, u64::MAX, &Cancel::new())
}

struct Count(u64);
impl RowSink for Count {
    fn begin(&mut self, _: Option<Embedded>) -> Result<(), ImageError> {
        Ok(())
    }
    fn rows(&mut self, rows: Samples<'_>) -> Result<(), ImageError> {
        if let Samples::Bits8(rows) = rows {
            self.0 += rows.len() as u64;
        }
        Ok(())
    }
}

fn decode(file: &[u8], info: &Info) -> Result<u64, ImageError> {
    let mut count = Count(0);
    Decoder.decode_rows(file, info, &View::whole(info.stored_size), &Cancel::new(), &mut count)?;
    Ok(count.0)
}

const RARE: ImageError = ImageError::Unsupported("a WebP of a rare kind");

#[test]
fn groups_are_counted_as_libwebp_counts_them() {
    for (groups, counted) in [(1, 1), (2, 2), (1000, 1000), (1001, 1001), (4096, 4096)] {
        let made = lossless(256, 256, groups);
        assert_eq!(front_of(&made), Ok(Front { groups: counted, images: 4096, cache_bits: 0 }));
        let info = probe(&made, &Limits::default()).unwrap();
        assert_eq!(decode(&made, &info), Ok(256 * 256 * 3));
        let alpha = lossy(256, groups);
        assert_eq!(front_of(&alpha).unwrap().groups, counted);
        let info = probe(&alpha, &Limits::default()).unwrap();
        assert_eq!(decode(&alpha, &info), Ok(256 * 256 * 4));
    }
    // Of many numbers those that are named.
    let mut writer = Writer::default();
    writer.size(8, 8);
    writer.groups([0, 7, 60_000, 7].into_iter(), 60_001);
    writer.put(0, 64);
    let made = file(&chunk(b"VP8L", &writer.bytes));
    assert_eq!(front_of(&made).unwrap().groups, 3);
    assert_eq!(decode(&made, &probe(&made, &Limits::default()).unwrap()), Ok(8 * 8 * 3));
}

#[test]
fn more_groups_than_any_encoder_makes_are_refused() {
    // 300 KB, for which libwebp would take 800 MB, 370 of them in use.
    let made = lossless(1024, 1024, 1 << 16);
    assert!(made.len() < 300_000, "{}", made.len());
    assert_eq!(front_of(&made).unwrap().groups, 1 << 16);
    assert_eq!(probe(&made, &Limits::default()), Err(RARE));
    assert_eq!(probe(&lossy(512, 9000), &Limits::default()), Err(RARE));
    // What is not counted when the header is read is when it is decoded.
    for (groups, expected) in [(2600, Ok(2048 * 1024 * 3)), (2601, Err(RARE))] {
        let made = lossless(2048, 1024, groups);
        let info = probe(&made, &Limits::default()).unwrap();
        assert_eq!(decode(&made, &info), expected);
    }
    // A file that names more groups than it has bits for.
    let mut writer = Writer::default();
    writer.size(2048, 1024);
    writer.groups((0..1 << 17_u32).map(|block: u32| (block % 2600) as u16), 0);
    writer.bytes.truncate(300);
    let made = file(&chunk(b"VP8L", &writer.bytes));
    let info = probe(&made, &Limits::default()).unwrap();
    assert_eq!(decode(&made, &info), Err(DAMAGED));
}

#[test]
fn what_libwebp_writes_is_read() {
    let mut random = Random::new(3);
    let mut most = Front::default();
    for (width, height) in [(1, 1), (17, 3), (64, 64), (200, 150)] {
        for colors in [2, 4, 16, 200, 0] {
            let mut pixels = drawing(width, height, Layout::Rgba).data().to_vec();
            if colors > 0 {
                let palette: Vec<[u8; 4]> =
                    (0..colors).map(|_| [(); 4].map(|()| random.below(256) as u8)).collect();
                let pixel = |at: usize| palette[(at / 5 + random.below(2)) % palette.len()];
                pixels =
                    (0..(width * height) as usize).map(pixel).collect::<Vec<_>>().as_flattened().to_vec();
            }
            let pixels = Pixels::new(Size::new(width, height), Layout::Rgba, pixels).unwrap();
            for profile in [QualityProfile::Fast, QualityProfile::Best] {
                for how in [sample::as_lossless_webp(), sample::as_webp(80)] {
                    let made = encode(&pixels, &Encoding { profile, ..how }, &Cancel::new()).unwrap();
                    let front = front_of(&made).unwrap();
                    most.groups = most.groups.max(front.groups);
                    most.images = most.images.max(front.images);
                    most.cache_bits = most.cache_bits.max(front.cache_bits);
                }
            }
        }
    }
    println!("{most:?}");
    assert!(most.groups > 1 && most.images > 256 && most.cache_bits > 0, "{most:?}");
}

/// What is refused here, and is not by libwebp, would be a file that is lost.
#[test]
fn nothing_is_refused_that_libwebp_reads() {
    let mut random = Random::new(9);
    let seeds = [
        sample::webp(&drawing(37, 29, Layout::Rgb), true),
        sample::webp(&drawing(200, 100, Layout::Rgba), true),
        lossless(64, 64, 50),
    ];
    let (mut read, mut refused) = (0, 0);
    for round in 0..6000 {
        let mut made = seeds[round % seeds.len()].clone();
        for _ in 0..=random.below(3) {
            let at = 25 + random.below(made.len().min(400) - 25);
            made[at] ^= 1 << random.below(8);
        }
        let Ok(header) = Header::read(&made) else { continue };
        let Frame { size, chunks, .. } = header.frame;
        let Some(chunks) = chunks else { continue };
        let other = Libwebp::new(chunks, size.width, size.height, Output::Rgb)
            .is_some_and(|mut libwebp| libwebp.feed(chunks.len()) == Progress::Done);
        match front(&header.frame, u64::MAX, &Cancel::new()) {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                assert!(!other, "{round}: {error:?} of {size:?}");
            }
        }
    }
    assert!(read > 500 && refused > 500, "{read} {refused}");
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
#[ignore = "run by the next test, in a process of its own"]
fn peak_of_one_file() {
    let Some(path) = std::env::var_os("WEBP_PEAK_OF") else { return };
    let made = std::fs::read(path).unwrap();
    let info = probe(&made, &Limits::default()).unwrap();
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS");
    decode(&made, &info).unwrap();
    println!("peak {} of {}", status("VmHWM").saturating_sub(before), info.work.at(Scale::Full));
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_within_what_was_said() {
    let files = [
        ("many groups", lossless(1024, 1024, 8000), 0.3),
        ("many groups of alpha", lossy(512, 8000), 0.3),
        ("many that are not counted before", lossless(2048, 1024, 2600), 0.2),
        ("a picture", sample::webp(&drawing(700, 500, Layout::Rgba), true), 0.3),
    ];
    for (name, made, least) in files {
        let path = std::env::temp_dir().join(format!("webp-peak-{}", std::process::id()));
        std::fs::write(&path, made).unwrap();
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["codec::webp::lossless::tests::peak_of_one_file", "--exact", "--ignored", "--nocapture"])
            .env("WEBP_PEAK_OF", &path)
            .output()
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| Some(line.split_once("peak ")?.1)).expect(&text);
        let (peak, said) = line.split_once(" of ").unwrap();
        let (peak, said) = (peak.parse::<f64>().unwrap(), said.trim().parse::<f64>().unwrap());
        println!("{name}: peak {:.1} MB, said {:.1} MB", peak / 1e6, said / 1e6);
        assert!(peak <= said && peak >= said * least, "{name}: {peak} of {said}");
    }
}
