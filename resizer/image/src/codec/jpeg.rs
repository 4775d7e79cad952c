//! JPEG: read and written by our own crate, `safelight-jpeg`. Read as small as the outputs allow, and only the part
//! they show; written as baseline 4:2:0.

use std::ops::ControlFlow;

use safelight_jpeg::{
    decode::{self, Colour, Header, Options, Output, Rows},
    encode::{Huffman, PixelLayout, Settings},
};

use super::{
    Decode, Encode, JPEG_MAX_SIDE, JPEG_OWN_TABLES, Writer,
    reader::CUT_OFF,
    rows::{RowSink, RowSource, Samples},
};
use crate::{
    cancel::Cancel,
    colour::{Embedded, profile},
    error::ImageError,
    limits::Limits,
    orient::Orientation,
    pixels::{Layout, Pixels},
    probe::{Info, Work},
    size::Size,
    sniff::Format,
    step::Shape,
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
}

impl RowSource for Decoder {
    fn decode_rows(
        &self,
        bytes: &[u8],
        info: &Info,
        view: &View,
        cancel: &Cancel,
        sink: &mut dyn RowSink,
    ) -> Result<(), ImageError> {
        let decoder = open(bytes)?;
        let header = decoder.header();
        let (layout, output) = layout(header.colour)?;
        if size(header) != info.stored_size || layout != info.layout {
            return Err(ImageError::Internal("header of another source"));
        }
        sink.begin(icc::parts(header).map(|parts| Embedded::Icc(parts.concat())))?;
        let stop = || cancel.check().is_err();
        let options =
            Options { scale: scaled(view.scale), output, cancel: Some(&stop), ..Options::default() };
        let mut failed = None;
        let mut part = Part { view, layout, kept: Vec::new() };
        let summary = decoder.rows(&options, |rows| match part.hand_out(&rows, sink) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        });
        let summary = match (failed, summary) {
            (Some(error), _) => return Err(error),
            (None, Err(error)) => return Err(cancel.check().err().unwrap_or_else(|| decode_error(&error))),
            (None, Ok(summary)) => summary,
        };
        if summary.ended { Ok(()) } else { Err(CUT_OFF) }
    }
}

/// The part of decoded rows that is wanted.
struct Part<'v> {
    view: &'v View,
    layout: Layout,
    kept: Vec<u8>,
}

impl Part<'_> {
    fn hand_out(&mut self, rows: &Rows<'_>, sink: &mut dyn RowSink) -> Result<(), ImageError> {
        let view = self.view;
        let bottom = view.top.saturating_add(view.size.height);
        let first = view.top.max(rows.y).saturating_sub(rows.y).min(rows.count);
        let end = bottom.max(rows.y).saturating_sub(rows.y).min(rows.count);
        if first >= end {
            return Ok(());
        }
        let at = |row: u32| usize::try_from(row).unwrap_or(usize::MAX).saturating_mul(rows.stride);
        let wanted = rows.bytes.get(at(first)..at(end)).ok_or(ImageError::Internal("JPEG rows"))?;
        let width = row_bytes(view.size.width, self.layout);
        let inverted = self.layout == Layout::Cmyk;
        if width == rows.stride && !inverted {
            return sink.rows(Samples::Bits8(wanted));
        }
        let left = row_bytes(view.left, self.layout);
        self.kept.clear();
        for row in wanted.chunks_exact(rows.stride.max(1)) {
            self.kept.extend_from_slice(row.get(left..left + width).ok_or(ImageError::Internal("JPEG row"))?);
        }
        // Adobe's programs, and all others since, store inks inverted. Not all say so by Adobe's marker, and browsers, libvips
        // and Pillow do not ask for it.
        if inverted {
            self.kept.iter_mut().for_each(|ink| *ink = !*ink);
        }
        sink.rows(Samples::Bits8(&self.kept))
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

/// Writes baseline JPEG, 4:2:0, in one scan, with quantisation scaled by libjpeg's rule and, up to
/// [`JPEG_OWN_TABLES`], Huffman tables made for the picture. (A progressive file would have 2 to 3 % fewer bytes for
/// four times the encoder's time.)
pub(super) struct Encoder {
    /// 1 to 100.
    pub(super) quality: u8,
}

impl Encoder {
    /// Begins a file of a picture that has no alpha.
    pub(super) fn begin(&self, shape: Shape) -> Result<Box<dyn Writer>, ImageError> {
        let layout = match shape.layout {
            Layout::Gray => PixelLayout::Gray8,
            Layout::Rgb => PixelLayout::Rgb8,
            _ => return Err(ImageError::Internal("JPEG of these pixels")),
        };
        let size = shape.size;
        if size.longest() > JPEG_MAX_SIDE {
            return Err(ImageError::FormatTooSmall { format: Format::Jpeg, max_side: JPEG_MAX_SIDE });
        }
        let huffman = if size.area() <= JPEG_OWN_TABLES { Huffman::Optimised } else { Huffman::Standard };
        let settings = Settings { quality: self.quality, huffman, ..Settings::default() };
        let encoder =
            safelight_jpeg::encode::Encoder::new(Vec::new(), size.width, size.height, layout, &settings);
        Ok(Box::new(Written(encoder.map_err(|_| FAILED)?)))
    }
}

const FAILED: ImageError = ImageError::Internal("JPEG encoder");

/// A file that is being written.
struct Written(safelight_jpeg::encode::Encoder<Vec<u8>>);

impl Writer for Written {
    fn rows(&mut self, rows: &[u8]) -> Result<(), ImageError> {
        self.0.push_rows(rows).map_err(|_| FAILED)
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, ImageError> {
        self.0.finish().map_err(|_| FAILED)
    }
}

impl Encode for Encoder {
    fn encode(&self, pixels: &Pixels, cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
        let mut file = self.begin(Shape { size: pixels.size(), layout: pixels.layout() })?;
        for rows in pixels.data().chunks(pixels.stride().saturating_mul(256)) {
            cancel.check()?;
            file.rows(rows)?;
        }
        file.finish()
    }
}
