//! Files of every format, made in code, with bytes in them that must go ([`PLACE`], [`OTHER`]) or stay ([`PLAIN`]).

use std::io::Cursor;

use image::{
    Delay, ExtendedColorType, Frame, ImageEncoder, RgbImage, RgbaImage,
    codecs::{gif::GifEncoder, png::PngEncoder, webp::WebPEncoder},
};
use safelight_image::sniff::Format;

/// Stands where a file tells a place, or may.
pub const PLACE: &[u8; 8] = b"plAce-48";

/// Stands in metadata that tells no place.
pub const PLAIN: &[u8; 8] = b"plain-77";

/// A file, with a name for messages.
pub struct Made {
    pub name: &'static str,
    pub format: Format,
    pub bytes: Vec<u8>,
    /// Its ICC profile as it is stored, which must stay.
    pub profile: Vec<u8>,
    /// Whether it holds [`PLAIN`] somewhere.
    pub has_plain: bool,
}

/// The order of an EXIF block's numbers.
#[derive(Clone, Copy)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    pub fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

/// A value of an EXIF entry.
pub enum Value {
    Short(u16),
    Long(u32),
    Text(Vec<u8>),
    Rationals(Vec<u8>),
    Undefined(Vec<u8>),
    Directory(Vec<(u16, Value)>),
    /// Where these bytes are.
    File(Vec<u8>),
}

/// Writes a TIFF structure: the first directory, and a second one after it.
pub fn tiff(order: Order, first: &[(u16, Value)], second: &[(u16, Value)]) -> Vec<u8> {
    let mut out = match order {
        Order::Little => b"II*\0".to_vec(),
        Order::Big => b"MM\0*".to_vec(),
    };
    out.extend(order.u32(8));
    let next = directory(&mut out, order, first);
    if !second.is_empty() {
        align(&mut out);
        let at = order.u32(out.len() as u32);
        out[next..next + 4].copy_from_slice(&at);
        directory(&mut out, order, second);
    }
    out
}

/// Makes the next value start at an even offset.
fn align(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(2), 0);
}

/// Writes a directory, and tells where the offset of the next one stands.
fn directory(out: &mut Vec<u8>, order: Order, entries: &[(u16, Value)]) -> usize {
    let mut at = out.len() + 2;
    out.extend(order.u16(entries.len() as u16));
    out.resize(at + entries.len() * 12 + 4, 0);
    for (tag, value) in entries {
        let (kind, count, field) = match value {
            Value::Short(value) => (3, 1, [&order.u16(*value)[..], &[0, 0]].concat()),
            Value::Long(value) => (4, 1, order.u32(*value).to_vec()),
            Value::Text(bytes) | Value::Rationals(bytes) | Value::Undefined(bytes) => {
                let (kind, size) = match value {
                    Value::Text(_) => (2, 1),
                    Value::Rationals(_) => (5, 8),
                    _ => (7, 1),
                };
                let mut field = bytes.clone();
                if bytes.len() > 4 {
                    align(out);
                    field = order.u32(out.len() as u32).to_vec();
                    out.extend(bytes);
                }
                field.resize(4, 0);
                (kind, bytes.len() / size, field)
            }
            Value::File(bytes) => {
                align(out);
                let field = order.u32(out.len() as u32).to_vec();
                out.extend(bytes);
                (4, 1, field)
            }
            Value::Directory(entries) => {
                align(out);
                let field = order.u32(out.len() as u32).to_vec();
                directory(out, order, entries);
                (4, 1, field)
            }
        };
        let entry = [&order.u16(*tag)[..], &order.u16(kind), &order.u32(count as u32), &field].concat();
        out[at..at + 12].copy_from_slice(&entry);
        at += 12;
    }
    at
}

/// The GPS directory of a phone.
pub fn gps() -> Value {
    Value::Directory(vec![
        (0x0000, Value::Undefined(vec![2, 3, 0, 0])),
        (0x0001, Value::Text(b"N\0".to_vec())),
        (0x0002, Value::Rationals(PLACE.repeat(3))),
        (0x0003, Value::Text(b"E\0".to_vec())),
        (0x0004, Value::Rationals(PLACE.repeat(3))),
        (0x001B, Value::Undefined(PLACE.to_vec())),
        (0x001D, Value::Text(PLACE.to_vec())),
    ])
}

/// A phone's EXIF block: with a place in every part of it that can hold one, and a thumbnail.
pub fn exif(order: Order, orientation: u16) -> Vec<u8> {
    let mut thumbnail = jpeg_encoded(16, 12, false, None);
    let inner = tiff(order, &[(0x8825, gps())], &[]);
    insert(&mut thumbnail, 2, &segment(0xE1, &[b"Exif\0\0", &inner[..]].concat()));
    insert(&mut thumbnail, 2, &segment(0xFE, PLACE));
    thumbnail.extend(PLACE);
    let length = thumbnail.len() as u32;
    let interop =
        vec![(0x0001, Value::Text(b"R98\0".to_vec())), (0x0002, Value::Undefined(b"0100".to_vec()))];
    let exif = vec![
        (0x829A, Value::Rationals(vec![1; 8])),
        (0x9003, Value::Text([PLAIN, &b" 12:00\0"[..]].concat())),
        (0x927C, Value::Undefined([b"Maker\0", &PLACE[..]].concat())),
        (0x9286, Value::Undefined([b"ASCII\0\0\0", &PLACE[..]].concat())),
        (0xA005, Value::Directory(interop)),
        (0xA40B, Value::Undefined(PLACE.to_vec())),
    ];
    let mut first = vec![
        (0x010E, Value::Text([PLAIN, &b" a cat\0"[..]].concat())),
        (0x010F, Value::Text(b"Phone & Sons\0".to_vec())),
        (0x0112, Value::Short(orientation)),
        (0x011A, Value::Rationals(vec![2; 8])),
        (0x02BC, Value::Undefined(PLACE.to_vec())),
        (0x83BB, Value::Undefined(PLACE.to_vec())),
        (0x8649, Value::Undefined(PLACE.to_vec())),
        (0x8769, Value::Directory(exif)),
        (0x8825, gps()),
        (0x9C9C, Value::Undefined(PLACE.to_vec())),
        (0xC4A5, Value::Undefined(PLACE.to_vec())),
    ];
    if orientation == 0 {
        first.remove(2);
    }
    let second = vec![
        (0x0103, Value::Short(6)),
        (0x0201, Value::File(thumbnail)),
        (0x0202, Value::Long(length)),
        (0x8825, gps()),
    ];
    let mut block = tiff(order, &first, &second);
    // A second GPS directory, as is left where only a reference to it was removed.
    directory(&mut block, order, &[(0x0002, Value::Rationals(PLACE.repeat(3)))]);
    block
}

/// A second block in a file. Readers differ in which one they go by.
fn other_exif() -> Vec<u8> {
    tiff(Order::Big, &[(0x0112, Value::Short(6)), (0x8825, gps())], &[])
}

/// An XMP packet with a place.
pub fn xmp() -> Vec<u8> {
    let place = std::str::from_utf8(PLACE).unwrap();
    format!("<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:Description exif:GPSLatitude='{place}'/></x:xmpmeta>")
        .into_bytes()
}

/// An XMP packet without one.
pub fn plain_xmp() -> Vec<u8> {
    let plain = std::str::from_utf8(PLAIN).unwrap();
    format!("<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:Description xmp:CreatorTool='{plain}'/></x:xmpmeta>")
        .into_bytes()
}

/// Something like a profile. Readers take it as it is.
pub fn profile() -> Vec<u8> {
    moxcms::ColorProfile::new_srgb().encode().unwrap()
}

pub fn drawing(width: u32, height: u32) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        image::Rgba([(x * 9) as u8, (y * 7) as u8, (x * y) as u8, if x > y { 255 } else { 90 }])
    })
}

fn rgb(width: u32, height: u32) -> RgbImage {
    image::DynamicImage::ImageRgba8(drawing(width, height)).to_rgb8()
}

/// Puts bytes into a file.
pub fn insert(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    file.splice(at..at, bytes.iter().copied());
}

/// A file's part, many times over: long enough to be found wherever one copy may be cut.
pub fn find(file: &[u8], part: &[u8]) -> Option<usize> {
    file.windows(part.len()).position(|window| window == part)
}

pub fn jpeg_encoded(width: u16, height: u16, progressive: bool, profile: Option<&[u8]>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 90);
    encoder.set_progressive(progressive);
    if let Some(profile) = profile {
        encoder.add_icc_profile(profile).unwrap();
    }
    let pixels = rgb(width.into(), height.into()).into_raw();
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    file
}

/// A JPEG segment.
pub fn segment(code: u8, payload: &[u8]) -> Vec<u8> {
    [&[0xFF, code][..], &(payload.len() as u16 + 2).to_be_bytes(), payload].concat()
}

/// The video that a phone puts behind a picture.
pub fn video() -> Vec<u8> {
    [&b"\0\0\0\x18ftypmp42\0\0\0\0isommp42\0\0\0\x28moov\0\0\0\x20udta\xA9xyz"[..], PLACE].concat()
}

/// A JPEG with this EXIF block, if any, and with a place in every other part that can hold one.
pub fn jpeg(exif: Option<&[u8]>, progressive: bool) -> Vec<u8> {
    let mut file = jpeg_encoded(37, 29, progressive, Some(&profile()));
    let thumbnail = [b"JFXX\0\x10", &PLACE[..]].concat();
    let mut segments = vec![
        segment(0xE0, &thumbnail),
        segment(0xE1, &[b"http://ns.adobe.com/xap/1.0/\0", &xmp()[..]].concat()),
        segment(0xE1, &[b"http://ns.adobe.com/xap/1.0/\0", &plain_xmp()[..]].concat()),
        segment(
            0xE1,
            &[b"http://ns.adobe.com/xmp/extension/\0", &[b'A'; 32][..], &[0, 0, 0, 8, 0, 0, 0, 0], PLACE]
                .concat(),
        ),
        segment(0xE1, PLACE),
        segment(0xE2, &[b"MPF\0II*\0", &PLACE[..]].concat()),
        segment(0xE2, &[b"FPXR\0", &PLACE[..]].concat()),
        segment(0xE4, &[b"Maker", &PLACE[..]].concat()),
        segment(0xEB, &[b"JP", &PLACE[..]].concat()),
        segment(0xED, &[b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\x0D\x1C\x02\x5A\0\x08", &PLACE[..]].concat()),
        segment(0xFE, PLACE),
        [&PLACE[..], b"\xFF\0\xFF\xFF\xFF"].concat(),
        segment(0xEE, &[b"Adobe\0\x64\0\0\0\0\x01", &PLACE[..]].concat()),
    ];
    if let Some(block) = exif {
        segments.insert(1, segment(0xE1, &[b"Exif\0\0", block].concat()));
        segments.push(segment(0xE1, &[b"Exif\0\0", &other_exif()[..]].concat()));
    }
    // Behind JFIF, and the same once more before the end.
    insert(&mut file, 20, &segments.concat());
    let end = file.len() - 2;
    insert(&mut file, end, &segments.concat());
    // A second picture, as of a gain map, and a video.
    let second = jpeg_encoded(16, 16, false, None);
    [file, second, segment(0xE1, PLACE), video()].concat()
}

/// PNG's checksum.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
    })
}

/// A PNG chunk.
pub fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind, data].concat();
    [&(data.len() as u32).to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
}

pub fn png_encoded(width: u32, height: u32, profile: Option<Vec<u8>>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    if let Some(profile) = profile {
        encoder.set_icc_profile(profile).unwrap();
    }
    let pixels = drawing(width, height);
    encoder.write_image(&pixels, width, height, ExtendedColorType::Rgba8).unwrap();
    file
}

/// Where IHDR ends.
pub const PNG_HEADER_END: usize = 33;

/// A PNG with this EXIF block, if any, animated or not, and with a place in every other part that can hold one.
pub fn png(exif: Option<&[u8]>, animated: bool) -> Vec<u8> {
    let mut file = png_encoded(31, 23, Some(profile()));
    let end = file.len() - 12;
    let mut chunks = vec![
        png_chunk(b"gAMA", &45_455_u32.to_be_bytes()),
        png_chunk(b"pHYs", &[0, 0, 11, 19, 0, 0, 11, 19, 1]),
        png_chunk(b"tEXt", &[b"Title\0", &PLAIN[..]].concat()),
        png_chunk(b"tEXt", &[b"Comment\0", &PLACE[..]].concat()),
        png_chunk(b"tEXt", &[b"exif:GPSLatitude\0", &PLACE[..]].concat()),
        png_chunk(b"zTXt", &[b"Raw profile type exif\0\0", &PLACE[..]].concat()),
        png_chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", &xmp()[..]].concat()),
        png_chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", &plain_xmp()[..]].concat()),
        png_chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\x01\0\0\0", &PLACE[..]].concat()),
        png_chunk(b"iTXt", &[b"Place\0\0\0\0\0", &PLACE[..]].concat()),
        png_chunk(b"tEXt", PLACE),
        png_chunk(b"tIME", &[7, 230, 1, 1, 1, 1, 1]),
        png_chunk(b"iDOT", PLACE),
        png_chunk(b"prVt", PLACE),
        png_chunk(b"caBX", PLACE),
    ];
    let later = chunks[2..].concat();
    if let Some(block) = exif {
        chunks.insert(3, png_chunk(b"eXIf", block));
        chunks.insert(4, png_chunk(b"eXIf", &other_exif()));
    }
    insert(&mut file, end, &later);
    if animated {
        let control = |number: u32| {
            let size = [31_u32, 23, 0, 0].map(u32::to_be_bytes).concat();
            png_chunk(b"fcTL", &[&number.to_be_bytes()[..], &size, &[0, 1, 0, 10, 0, 0]].concat())
        };
        // The other frame's data are those of the picture, with a number before them.
        let at = find(&file, b"IDAT").unwrap();
        let length = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
        let data = [&2_u32.to_be_bytes()[..], &file[at + 4..at + 4 + length]].concat();
        insert(&mut file, at + 8 + length, &[control(1), png_chunk(b"fdAT", &data)].concat());
        chunks.push(png_chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]));
        insert(&mut file, at - 4, &control(0));
    }
    insert(&mut file, PNG_HEADER_END, &chunks.concat());
    [file, video()].concat()
}

/// A WebP chunk.
pub fn riff_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = [kind, &(data.len() as u32).to_le_bytes()[..], data].concat();
    if data.len() % 2 == 1 {
        chunk.push(0);
    }
    chunk
}

/// A WebP of these chunks.
pub fn riff(chunks: &[u8]) -> Vec<u8> {
    [b"RIFF", &(chunks.len() as u32 + 4).to_le_bytes()[..], b"WEBP", chunks].concat()
}

/// A lossless picture's chunk.
pub fn vp8l(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    WebPEncoder::new_lossless(&mut file)
        .encode(&drawing(width, height), width, height, ExtendedColorType::Rgba8)
        .unwrap();
    file.split_off(12)
}

/// A VP8X chunk.
pub fn vp8x(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let [width, height] = [width, height].map(|side| (side - 1).to_le_bytes());
    riff_chunk(b"VP8X", &[&[flags, 0, 0, 0], &width[..3], &height[..3]].concat())
}

/// An ANMF chunk with more chunks in it.
pub fn anmf(at: u8, width: u32, height: u32, more: &[u8]) -> Vec<u8> {
    let [w, h] = [width, height].map(|side| (side - 1).to_le_bytes());
    let head = [&[at, 0, 0, at, 0, 0], &w[..3], &h[..3], &[100, 0, 0, 2]].concat();
    riff_chunk(b"ANMF", &[head, vp8l(width, height), more.to_vec()].concat())
}

/// A WebP with this EXIF block, if any, animated or not, and with a place in every other part that can hold one.
pub fn webp(exif: Option<&[u8]>, animated: bool) -> Vec<u8> {
    let odd = [b"x", &PLACE[..]].concat();
    let unknown = riff_chunk(b"ABCD", &odd);
    let mut chunks = vec![
        vp8x(0x34 | u8::from(exif.is_some()) << 3 | u8::from(animated) << 1, 30, 22),
        riff_chunk(b"ICCP", &profile()),
        riff_chunk(b"ICCP", PLACE),
        unknown.clone(),
    ];
    if animated {
        chunks.push(riff_chunk(b"ANIM", &[0; 6]));
        chunks.push(anmf(0, 30, 22, &unknown));
        chunks.push(anmf(3, 20, 10, &[]));
    } else {
        chunks.push(vp8l(30, 22));
    }
    chunks.push(riff_chunk(b"XMP ", &xmp()));
    if let Some(block) = exif {
        chunks.push(riff_chunk(b"EXIF", &other_exif()));
        chunks.push(riff_chunk(b"EXIF", block));
    }
    chunks.push(riff_chunk(b"XMP ", &plain_xmp()));
    chunks.push(unknown);
    [riff(&chunks.concat()), video()].concat()
}

/// A GIF extension with one block of data after its first, if any.
pub fn extension(label: u8, blocks: &[&[u8]]) -> Vec<u8> {
    let mut extension = vec![0x21, label];
    for block in blocks {
        extension.push(block.len() as u8);
        extension.extend(*block);
    }
    extension.push(0);
    extension
}

pub fn gif_encoded(frames: u32) -> Vec<u8> {
    let mut file = Vec::new();
    {
        let mut encoder = GifEncoder::new_with_speed(Cursor::new(&mut file), 30);
        encoder.set_repeat(image::codecs::gif::Repeat::Infinite).unwrap();
        for number in 0..frames {
            let pixels = drawing(20 + number, 17);
            let delay = Delay::from_numer_denom_ms(100 * (number + 1), 1);
            encoder.encode_frame(Frame::from_parts(pixels, 0, 0, delay)).unwrap();
        }
    }
    file
}

/// A GIF with a place in every part that can hold one.
pub fn gif(frames: u32) -> Vec<u8> {
    let mut file = gif_encoded(frames);
    let extensions = [
        extension(0xFE, &[PLACE, PLACE]),
        extension(0x01, &[&[0; 12], PLACE]),
        extension(0xFF, &[b"MAKER   1.0", PLACE]),
        extension(0xFF, &[b"ANIMEXTS1.0", PLACE, b"\x01\0\0", b"\x02\x40\x42\x0F\0"]),
        extension(0xFF, &[b"ICCRGBG1012", &profile()[..200]]),
        // XMP is no chain of blocks, but its end makes one of it from any byte on.
        [&b"\x21\xFF\x0BXMP DataXMP"[..], &xmp(), &[1], &(0..=255).rev().collect::<Vec<u8>>(), &[0]].concat(),
    ]
    .concat();
    let start = find(&file, b"\x21\xFF\x0BNETSCAPE2.0").unwrap();
    let end = file.len() - 1;
    insert(&mut file, end, &extensions);
    insert(&mut file, start, &extensions);
    [file, video()].concat()
}

/// One file of every kind, all full of metadata. Those that can are to be turned by 90 degrees.
pub fn files() -> Vec<Made> {
    let exif = [exif(Order::Little, 6), exif(Order::Big, 6)];
    let prefixed = [b"Exif\0\0", &exif[0][..]].concat();
    let made = |name, format, bytes, has_plain| {
        let profile = match format {
            Format::Gif => profile()[..200].to_vec(),
            // Compressed, but always in the same way.
            Format::Png => {
                let file = png_encoded(31, 23, Some(profile()));
                let at = find(&file, b"iCCP").unwrap();
                let length = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
                file[at..at + 8 + length].to_vec()
            }
            _ => profile(),
        };
        Made { name, format, bytes, profile, has_plain }
    };
    vec![
        made("JPEG", Format::Jpeg, jpeg(Some(&exif[0]), false), true),
        made("progressive JPEG", Format::Jpeg, jpeg(Some(&exif[1]), true), true),
        made("JPEG without EXIF", Format::Jpeg, jpeg(None, false), true),
        made("PNG", Format::Png, png(Some(&exif[1]), false), true),
        made("animated PNG", Format::Png, png(Some(&exif[0]), true), true),
        made("PNG without EXIF", Format::Png, png(None, false), true),
        made("WebP", Format::Webp, webp(Some(&exif[0]), false), true),
        made("animated WebP", Format::Webp, webp(Some(&prefixed), true), true),
        made("WebP without EXIF", Format::Webp, webp(None, false), true),
        made("GIF", Format::Gif, gif(1), false),
        made("animated GIF", Format::Gif, gif(3), false),
    ]
}

/// The same pictures as they leave an encoder.
pub fn bare_files() -> Vec<(Format, Vec<u8>)> {
    let profile = profile();
    vec![
        (Format::Jpeg, jpeg_encoded(37, 29, false, None)),
        (Format::Jpeg, jpeg_encoded(37, 29, true, Some(&profile))),
        (Format::Png, png_encoded(31, 23, None)),
        (Format::Png, png_encoded(31, 23, Some(profile.clone()))),
        (Format::Webp, riff(&vp8l(30, 22))),
        (Format::Webp, riff(&[vp8x(0x30, 30, 22), riff_chunk(b"ICCP", &profile), vp8l(30, 22)].concat())),
        (Format::Gif, gif_encoded(1)),
        (Format::Gif, gif_encoded(3)),
    ]
}
