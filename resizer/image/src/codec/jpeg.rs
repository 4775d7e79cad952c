//! JPEG: read and written by our own crate, `safelight-jpeg`. Read as small as the outputs allow, and only the part
//! they show; written as baseline 4:2:0.

use std::ops::ControlFlow;

use safelight_jpeg::{
    decode::{self, Colour, Header, Options, Output, Rows},
    encode::{EncodeError, Huffman, PixelLayout, Settings},
};

use super::{Decode, Decoded, Encode, JPEG_MAX_SIDE, JPEG_OWN_TABLES, reader::CUT_OFF};
use crate::{
    cancel::Cancel,
    colour::{Embedded, profile},
    error::ImageError,
    limits::Limits,
    orient::Orientation,
    pixels::{Layout, Pixels, byte_len},
    probe::{Info, Work},
    size::Size,
    sniff::Format,
    view::{Scale, View},
};

mod icc;

/// Reads JPEG.
pub(super) struct Decoder;

impl Decode for Decoder {
    fn probe(&self, bytes: &[u8], _limits: &Limits) -> Result<Info, ImageError> {
        let decoder = open(bytes)?;
        let header = decoder.header();
        let (layout, output) = layout(header.colour)?;
        let profile: u64 = icc::parts(header).map_or(0, |parts| {
            let length = parts.iter().map(|part| part.len() as u64).sum();
            length + profile::memory(length)
        });
        // The profile is put together and used after decoding.
        let work = Scale::ALL
            .map(|scale| decoder.memory(&Options { scale: scaled(scale), output, ..Options::default() }).max(profile));
        Ok(Info {
            format: Format::Jpeg,
            stored_size: size(header),
            orientation: orientation(header),
            has_alpha: false,
            has_icc_profile: icc::is_embedded(header),
            bit_depth: 8,
            animated: false,
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            layout,
            work: Work::Scaled(work),
        })
    }

    fn decode(&self, bytes: &[u8], info: &Info, view: &View, cancel: &Cancel) -> Result<Decoded, ImageError> {
        let decoder = open(bytes)?;
        let header = decoder.header();
        let (layout, output) = layout(header.colour)?;
        if size(header) != info.stored_size || layout != info.layout {
            return Err(ImageError::Internal("header of another source"));
        }
        let stop = || cancel.check().is_err();
        let options = Options { scale: scaled(view.scale), output, cancel: Some(&stop), ..Options::default() };
        let mut data = vec![0; byte_len(view.size, layout)?];
        let stride = row_bytes(view.size.width, layout);
        let all = decoder.size(scaled(view.scale)) == (view.size.width, view.size.height);
        let summary = if all {
            decoder.picture(&options, &mut data, stride)
        } else {
            let left = row_bytes(view.left, layout);
            let mut targets = data.chunks_exact_mut(stride);
            decoder.rows(&options, |rows| {
                keep(&rows, view, left, &mut targets);
                ControlFlow::Continue(())
            })
        };
        let summary = summary.map_err(|error| match cancel.check() {
            Ok(()) => decode_error(&error),
            Err(stopped) => stopped,
        })?;
        if !summary.ended {
            return Err(CUT_OFF);
        }
        // Adobe's programs, and all others since, store inks inverted. Not all say so by Adobe's marker, and browsers, libvips
        // and Pillow do not ask for it.
        if layout == Layout::Cmyk {
            data.iter_mut().for_each(|ink| *ink = !*ink);
        }
        let colour = icc::parts(header).map(|parts| Embedded::Icc(parts.concat()));
        Ok(Decoded { pixels: Pixels::new(view.size, layout, data)?, colour })
    }
}

/// A JPEG that is valid but of a kind that is not decoded.
const RARE: ImageError = ImageError::Unsupported("a JPEG of a rare kind");

/// Reads the header. Sizes and memory are checked by who asks for pixels.
fn open(bytes: &[u8]) -> Result<decode::Decoder<'_>, ImageError> {
    let limits = decode::Limits { memory: u64::MAX, ..decode::Limits::default() };
    decode::Decoder::new(bytes, limits).map_err(|error| decode_error(&error))
}

fn decode_error(error: &decode::Error) -> ImageError {
    match error {
        decode::Error::NotJpeg => ImageError::NotAnImage,
        decode::Error::Truncated { .. } => CUT_OFF,
        decode::Error::Unsupported { what, .. } => ImageError::Unsupported(what),
        // Of its limits those on sizes and memory are open: it has hundreds of scans.
        decode::Error::Limit { .. } => RARE,
        decode::Error::Cancelled => ImageError::Cancelled,
        decode::Error::Buffer { .. } => ImageError::Internal("JPEG pixel buffer"),
        _ => ImageError::Corrupt("its data cannot be decoded"),
    }
}

/// How pixels are decoded.
const fn layout(colour: Colour) -> Result<(Layout, Output), ImageError> {
    match colour {
        Colour::Gray => Ok((Layout::Gray, Output::Gray8)),
        Colour::YCbCr | Colour::Rgb => Ok((Layout::Rgb, Output::Rgb8)),
        Colour::Cmyk | Colour::Ycck => Ok((Layout::Cmyk, Output::Cmyk8)),
        _ => Err(RARE),
    }
}

const fn scaled(scale: Scale) -> decode::Scale {
    match scale {
        Scale::Full => decode::Scale::Full,
        Scale::Half => decode::Scale::Half,
        Scale::Quarter => decode::Scale::Quarter,
        Scale::Eighth => decode::Scale::Eighth,
    }
}

const fn size(header: &Header<'_>) -> Size {
    Size::new(header.width, header.height)
}

/// What the first EXIF block says.
fn orientation(header: &Header<'_>) -> Orientation {
    let block = header.app1().find(|segment| segment.starts_with(b"Exif\0\0"));
    block.map(Orientation::from_exif_block).unwrap_or_default()
}

/// Bytes of so many pixels side by side.
fn row_bytes(width: u32, layout: Layout) -> usize {
    // Of a picture whose whole length is known to fit.
    usize::try_from(width).unwrap_or(usize::MAX).saturating_mul(layout.channels())
}

/// Copies what lies in the view from rows that were decoded to the next ones to keep.
fn keep<'t>(rows: &Rows<'_>, view: &View, left: usize, targets: &mut impl Iterator<Item = &'t mut [u8]>) {
    let below = (view.top + view.size.height).saturating_sub(rows.y);
    let wanted = rows.bytes.chunks_exact(rows.stride).zip(0..below);
    let above = usize::try_from(view.top.saturating_sub(rows.y)).unwrap_or(usize::MAX);
    for (row, _) in wanted.skip(above) {
        if let Some(target) = targets.next()
            && let Some(part) = row.get(left..left + target.len())
        {
            target.copy_from_slice(part);
        }
    }
}

/// Rows that are encoded between two looks at whether to stop.
const ROWS_AT_ONCE: usize = 256;

/// Writes baseline JPEG, 4:2:0, in one scan, with quantisation scaled by libjpeg's rule and, up to
/// [`JPEG_OWN_TABLES`], Huffman tables made for the picture. (A progressive file would have 2 to 3 % fewer bytes for
/// four times the encoder's time.)
pub(super) struct Encoder {
    /// 1 to 100.
    pub(super) quality: u8,
}

impl Encode for Encoder {
    fn encode(&self, pixels: &Pixels, cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
        let layout = match pixels.layout() {
            Layout::Gray => PixelLayout::Gray8,
            Layout::Rgb => PixelLayout::Rgb8,
            _ => return Err(ImageError::Internal("JPEG of these pixels")),
        };
        let size = pixels.size();
        if size.longest() > JPEG_MAX_SIDE {
            return Err(ImageError::FormatTooSmall { format: Format::Jpeg, max_side: JPEG_MAX_SIDE });
        }
        let huffman = if size.area() <= JPEG_OWN_TABLES { Huffman::Optimised } else { Huffman::Standard };
        let settings = Settings { quality: self.quality, huffman, ..Settings::default() };
        let failed = |_: EncodeError| ImageError::Internal("JPEG encoder");
        let mut encoder =
            safelight_jpeg::encode::Encoder::new(Vec::new(), size.width, size.height, layout, &settings)
                .map_err(failed)?;
        for rows in pixels.data().chunks(pixels.stride().saturating_mul(ROWS_AT_ONCE)) {
            cancel.check()?;
            encoder.push_rows(rows).map_err(failed)?;
        }
        encoder.finish().map_err(failed)
    }
}
