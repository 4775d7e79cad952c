//! JPEG: read by zune-jpeg (the decoder inside `image`, used directly: no copy of the file, and CMYK is kept
//! for its profile), written as baseline 4:2:0.

use jpeg_encoder::{ColorType, EncodingError, QuantizationTableType, SamplingFactor};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

use self::header::{Header, Process};
use super::{Decode, Decoded, Encode, JPEG_MAX_SIDE};
use crate::image::{
    cancel::Cancel,
    colour::profile,
    error::ImageError,
    limits::Limits,
    pixels::{Layout, Pixels, byte_len},
    probe::Info,
    sniff::Format,
};

mod header;

/// Reads JPEG.
pub(super) struct Decoder;

impl Decode for Decoder {
    fn probe(&self, bytes: &[u8], _limits: &Limits) -> Result<Info, ImageError> {
        let header = Header::read(bytes)?;
        let file_size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(Info {
            format: Format::Jpeg,
            stored_size: header.size,
            orientation: header.orientation,
            has_alpha: false,
            has_icc_profile: header.has_icc_profile,
            bit_depth: 8,
            animated: false,
            bytes: file_size,
            layout: header.layout()?,
            work_bytes: header.work_bytes(),
        })
    }

    fn decode(&self, bytes: &[u8], info: &Info) -> Result<Decoded, ImageError> {
        let header = Header::read(bytes)?;
        header::check_end(bytes)?;
        let options = DecoderOptions::default()
            // Damage is an error, not gray blocks, as far as the decoder sees it: an early end marker it takes for one.
            .set_strict_mode(true)
            .set_max_width(usize::try_from(info.stored_size.width).unwrap_or(usize::MAX))
            .set_max_height(usize::try_from(info.stored_size.height).unwrap_or(usize::MAX));
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        decoder.decode_headers().map_err(|error| decode_error(&error))?;
        let (space, layout) = match decoder.input_colorspace() {
            Some(ColorSpace::Luma) => (ColorSpace::Luma, Layout::Gray),
            Some(ColorSpace::YCbCr | ColorSpace::RGB) => (ColorSpace::RGB, Layout::Rgb),
            Some(ColorSpace::CMYK) => (ColorSpace::CMYK, Layout::Cmyk),
            Some(ColorSpace::YCCK) => (ColorSpace::YCCK, Layout::Ycck),
            _ => return Err(RARE),
        };
        if layout != info.layout {
            return Err(RARE);
        }
        decoder.set_options(options.jpeg_set_out_colorspace(space));
        let mut data = vec![0; byte_len(info.stored_size, layout)?];
        if decoder.output_buffer_size() != Some(data.len()) {
            return Err(ImageError::Corrupt("it gives its size twice, and not the same"));
        }
        decoder.decode_into(&mut data).map_err(|error| decode_error(&error))?;
        // Adobe's programs, and all others since, store inks inverted and say so by their marker.
        match layout {
            Layout::Cmyk if header.is_adobe => data.iter_mut().for_each(|ink| *ink = !*ink),
            Layout::Ycck => {
                data.as_chunks_mut::<4>().0.iter_mut().for_each(|[_, _, _, k]| *k = !*k);
            }
            _ => {}
        }
        Ok(Decoded { pixels: Pixels::new(info.stored_size, layout, data)?, profile: decoder.icc_profile() })
    }
}

/// A JPEG that is valid but of a kind that is not decoded.
const RARE: ImageError = ImageError::Unsupported("a JPEG of a rare kind");

fn decode_error(error: &DecodeErrors) -> ImageError {
    match error {
        DecodeErrors::Unsupported(_) => RARE,
        _ => ImageError::Corrupt("its data cannot be decoded"),
    }
}

impl Header {
    /// How pixels are decoded. zune-jpeg decides by the same marks.
    fn layout(&self) -> Result<Layout, ImageError> {
        if !self.is_decoded_right() {
            return Err(RARE);
        }
        match (self.components.len(), self.adobe_transform) {
            (1, _) => Ok(Layout::Gray),
            (3, _) => Ok(Layout::Rgb),
            (4, Some(2)) => Ok(Layout::Ycck),
            (4, _) => Ok(Layout::Cmyk),
            _ => Err(RARE),
        }
    }

    /// zune-jpeg 0.5 makes wrong pixels, without an error, of some rare kinds: sequential pictures whose colours come in separate
    /// scans or with factors above 2 (4:1:1, 4:1:0), and CMYK whose inks have other factors than those below. A
    /// refusal is better than a wrong picture.
    fn is_decoded_right(&self) -> bool {
        let sequential = self.process == Process::Sequential;
        let factors: Vec<_> = self.components.iter().map(|c| (c.horizontal, c.vertical)).collect();
        if sequential && self.first_scan_components < factors.len() {
            return false;
        }
        match *factors {
            [_] => true,
            [y, cb, cr, k] => y == k && cb == cr && (cb == (1, 1) || cb == y) && y.0 <= 2 && y.1 <= 2,
            _ => {
                !sequential || factors.iter().all(|&(horizontal, vertical)| horizontal <= 2 && vertical <= 2)
            }
        }
    }

    /// zune-jpeg's memory besides the output: metadata (the segments, and put together), strips of samples, and where the picture comes in several scans all
    /// coefficients, 16 bits each, before the first pixel.
    fn work_bytes(&self) -> u64 {
        let (across, down) = self.mcus();
        let mut samples = 0;
        for component in &self.components {
            samples += across * down * u64::from(component.horizontal) * u64::from(component.vertical) * 64;
        }
        let several =
            self.process == Process::Progressive || self.first_scan_components < self.components.len();
        let whole = if several { samples * 2 } else { 0 };
        // A row of MCUs in each stage: coefficients, upsampled, the row before and after, all of 16 bits
        // and at full resolution.
        let width = across * 8 * u64::from(self.max_horizontal());
        let strip = width * 8 * u64::from(self.max_vertical()) * 2 * 4;
        let profile = if self.has_icc_profile { profile::memory(self.metadata_bytes) } else { 0 };
        whole + strip * 6 + self.metadata_bytes * 2 + profile
    }
}

/// Writes baseline JPEG, 4:2:0, in one scan, with the tables of ITU-T T.81 Annex K, quantisation scaled by libjpeg's rule.
///
/// Huffman tables are not made for the picture: with them, jpeg-encoder 0.7 writes a scan for each colour, which
/// some decoders (zune-jpeg among them) read wrong, and panics on some flat pictures.
pub(super) struct Encoder {
    /// 1 to 100.
    pub(super) quality: u8,
}

impl Encode for Encoder {
    fn encode(&self, pixels: &Pixels, _cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
        let color = match pixels.layout() {
            Layout::Gray => ColorType::Luma,
            Layout::Rgb => ColorType::Rgb,
            _ => return Err(ImageError::Internal("JPEG of these pixels")),
        };
        let size = pixels.size();
        let (Ok(width), Ok(height)) = (u16::try_from(size.width), u16::try_from(size.height)) else {
            return Err(ImageError::FormatTooSmall { format: Format::Jpeg, max_side: JPEG_MAX_SIDE });
        };
        let mut file = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut file, self.quality);
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        encoder.set_quantization_tables(QuantizationTableType::Default, QuantizationTableType::Default);
        encoder.set_optimized_huffman_tables(false);
        encoder
            .encode(pixels.data(), width, height, color)
            .map_err(|_: EncodingError| ImageError::Internal("JPEG encoder"))?;
        Ok(file)
    }
}
