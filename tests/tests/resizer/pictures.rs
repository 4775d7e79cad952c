//! Sources that are not flat: noise, lying headers.

use std::io::{Cursor, Write as _};

use flate2::{Compression, Crc, write::ZlibEncoder};
use image::{DynamicImage, ImageFormat, RgbImage};

/// Pixels without any pattern, the same every time.
pub(crate) fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    RgbImage::from_fn(width, height, |_, _| {
        // xorshift64 (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [red, green, blue, ..] = state.to_le_bytes();
        image::Rgb([red, green, blue])
    })
}

/// Noise in a file.
pub(crate) fn noise_file(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(noise(width, height)).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Noise in a PNG without compression: three bytes for a pixel.
pub(crate) fn stored_png(width: u32, height: u32) -> Vec<u8> {
    let noise = noise(width, height);
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::none());
    for row in noise.as_raw().chunks(width as usize * 3) {
        rows.write_all(&[0]).unwrap();
        rows.write_all(row).unwrap();
    }
    png(width, height, &rows.finish().unwrap())
}

/// An RGB PNG that claims a size and has no pixels.
pub(crate) fn hollow_png(width: u32, height: u32) -> Vec<u8> {
    png(width, height, b"\x78\x9c\x03\0\0\0\0\x01")
}

/// An RGB PNG of deflated rows.
fn png(width: u32, height: u32, rows: &[u8]) -> Vec<u8> {
    let [width, height] = [width, height].map(u32::to_be_bytes);
    let header = [&width[..], &height, &[8, 2, 0, 0, 0]].concat();
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [(b"IHDR", &header[..]), (b"IDAT", rows), (b"IEND", b"")] {
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(data);
        bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(name);
        bytes.extend(data);
        bytes.extend(crc.sum().to_be_bytes());
    }
    bytes
}
