//! PNG: read and written by `image`. Palettes and fewer bits are widened to 8 bits a channel, 16 are reduced. Chunks that the
//! standard says to ignore do not come to the decoder.

use image::{
    ColorType, ExtendedColorType, ImageDecoder, ImageEncoder,
    codecs::png::{CompressionType, FilterType, PngDecoder, PngEncoder},
};

use self::header::Header;
use super::{rows::{RowSink, RowSource}, hand_out, Decode, Decoded, Encode, decode_error, decode_with};
use crate::{
    cancel::Cancel,
    colour::profile,
    error::ImageError,
    limits::Limits,
    pixels::{Layout, Pixels},
    probe::{Info, Work},
    sniff::Format,
    view::View,
};

pub(crate) mod header;

/// A profile that unpacks to more than this many times its size is not read. Real ones stay below 10.
const MAX_INFLATION: u64 = 64;

/// Reads PNG.
pub(super) struct Decoder;

impl Decode for Decoder {
    fn probe(&self, bytes: &[u8], _limits: &Limits) -> Result<Info, ImageError> {
        let header = Header::read(bytes)?;
        let file_size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let layout = header.layout();
        // Reducing 16 bits to 8 ends with a smaller copy.
        let reduced = if header.bit_depth > 8 {
            header.size.area().saturating_mul(layout.channels() as u64)
        } else {
            0
        };
        let allowed = header.allowance();
        let profile = if header.has_icc_profile {
            // Unpacked, copied, and used.
            allowed * 2 + profile::memory(allowed)
        } else {
            0
        };
        let work = header.rows() + header.metadata_bytes * 4 + profile;
        Ok(Info {
            format: Format::Png,
            stored_size: header.size,
            orientation: header.orientation,
            has_alpha: layout.has_alpha(),
            has_icc_profile: header.has_icc_profile,
            bit_depth: header.bit_depth,
            animated: header.animated,
            bytes: file_size,
            layout,
            work: Work::Whole(work.saturating_add(reduced)),
        })
    }
}

impl RowSource for Decoder {
    fn decode_rows(
        &self,
        bytes: &[u8],
        info: &Info,
        _view: &View,
        _cancel: &Cancel,
        sink: &mut dyn RowSink,
    ) -> Result<(), ImageError> {
        header::check_end(bytes)?;
        let (header, file) = Header::needed(bytes)?;
        let mut limits = image::Limits::no_limits();
        limits.max_alloc = Some(header.allowance());
        let decoder = PngDecoder::with_limits(file, limits).map_err(|error| decode_error(&error))?;
        let color = decoder.color_type();
        let (mut data, profile) = decode_with(decoder, info)?;
        let layout = match color {
            ColorType::L8 | ColorType::L16 => Layout::Gray,
            ColorType::La8 | ColorType::La16 => Layout::GrayAlpha,
            ColorType::Rgb8 | ColorType::Rgb16 => Layout::Rgb,
            ColorType::Rgba8 | ColorType::Rgba16 => Layout::Rgba,
            _ => return Err(ImageError::Internal("PNG pixels")),
        };
        if info.bit_depth > 8 {
            narrow(&mut data);
        }
        let decoded = Decoded {
            pixels: Pixels::new(info.stored_size, layout, data)?,
            colour: header.colors.choose(profile),
        };
        hand_out(decoded, sink)
    }
}

/// Reduces native-endian 16-bit samples to 8 bits, rounded to nearest, in place.
fn narrow(data: &mut Vec<u8>) {
    let samples = data.len() / 2;
    for index in 0..samples {
        if let Some(&[a, b]) = data.get(2 * index..).and_then(|rest| rest.first_chunk::<2>()) {
            let value = u32::from(u16::from_ne_bytes([a, b]));
            // 65535 / 255 = 257.
            let byte = u8::try_from((value + 128) / 257).unwrap_or(u8::MAX);
            if let Some(target) = data.get_mut(index) {
                *target = byte;
            }
        }
    }
    data.truncate(samples);
    data.shrink_to_fit();
}

impl Header {
    fn layout(&self) -> Layout {
        match self.color_type {
            0 if self.has_transparency => Layout::GrayAlpha,
            0 => Layout::Gray,
            4 => Layout::GrayAlpha,
            6 => Layout::Rgba,
            // True colour and palettes.
            _ if self.has_transparency => Layout::Rgba,
            _ => Layout::Rgb,
        }
    }

    /// Bytes of the decoder's rows: the one being unfiltered and the one above, in a buffer that grows to a few of them, and
    /// the output line.
    fn rows(&self) -> u64 {
        u64::from(self.size.width) * self.layout().channels() as u64 * 2 * 8 + (1 << 20)
    }

    /// What the decoder may allocate besides the picture: rows, chunks in a buffer that doubles, and a profile.
    fn allowance(&self) -> u64 {
        let profile = (self.metadata_bytes.saturating_mul(MAX_INFLATION)).min(profile::MAX_BYTES as u64);
        self.rows() + self.metadata_bytes * 3 + profile
    }
}

/// Writes PNG of 8 bits a channel. The filter is chosen row by row and compression is the encoder's fast one: pictures
/// for people, made while they wait.
pub(super) struct Encoder;

impl Encode for Encoder {
    fn encode(&self, pixels: &Pixels, _cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
        let color = match pixels.layout() {
            Layout::Gray => ExtendedColorType::L8,
            Layout::GrayAlpha => ExtendedColorType::La8,
            Layout::Rgb => ExtendedColorType::Rgb8,
            Layout::Rgba => ExtendedColorType::Rgba8,
            _ => return Err(ImageError::Internal("PNG of these pixels")),
        };
        let mut file = Vec::new();
        PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Adaptive)
            .write_image(pixels.data(), pixels.size().width, pixels.size().height, color)
            .map_err(|_| ImageError::Internal("PNG encoder"))?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_round_to_nearest() {
        let samples = [0u16, 128, 129, 257, 32_767, 32_768, 65_406, 65_407, 65_535];
        let mut data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
        narrow(&mut data);
        assert_eq!(data, [0, 0, 1, 1, 127, 128, 254, 255, 255]);
    }
}
