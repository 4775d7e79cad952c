//! JPEG: read and written by our own crate, `safelight-jpeg`. Read as small as the outputs allow, and only the part
//! they show; written as baseline 4:2:0.

use std::ops::ControlFlow;

use safelight_jpeg::{
    decode::{self, Colour, Header, Options, Output, Rows},
    encode::{ColorEdges, PixelLayout, Profile, Sampling, Settings},
};

use super::{
    Codec, Decode, Encode, Writer,
    reader::CUT_OFF,
    rows::{RowSink, RowSource, Samples},
};
use crate::{
    accept::Encoding,
    cancel::Cancel,
    colour::{Embedded, profile},
    error::ImageError,
    limits::Limits,
    options::{Chroma, QualityProfile},
    orient::Orientation,
    pixels::{Layout, Pixels},
    probe::{Info, Work},
    size::Size,
    sniff::Format,
    step::Shape,
    view::{Scale, View},
};

mod icc;

pub(super) static CODEC: Codec = Codec {
    format: Format::Jpeg,
    name: "JPEG",
    media_type: "image/jpeg",
    extension: "jpg",
    max_side: 65_535,
    holds_alpha: false,
    starts: |bytes| bytes.starts_with(b"\xFF\xD8\xFF"),
    decoder: &Decoder,
    encoder: Some(&Encoder),
};

/// Reads JPEG.
struct Decoder;

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
        let work = Scale::ALL.map(|scale| {
            decoder.memory(&Options { scale: scaled(scale), output, ..Options::default() }).max(profile)
        });
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

/// From this quality on a JPEG has a color sample for each pixel, if it is not said otherwise. Below, one for four pixels scores
/// higher for the same bytes (SSIMULACRA2, eight photographs of 512 pixels).
const FULL_CHROMA_QUALITY: u8 = 93;

/// Bytes of rows that are looked at for sharp edges of color: a picture of 800 × 600 is looked at whole.
const LOOKED_AT: u64 = 3 << 19;

/// Writes JPEG.
struct Encoder;

impl Encoder {
    fn settings(
        shape: Shape,
        how: &Encoding,
        first: &[u8],
    ) -> Result<(PixelLayout, Settings<'static>), ImageError> {
        let layout = match shape.layout {
            Layout::Gray => PixelLayout::Gray8,
            Layout::Rgb => PixelLayout::Rgb8,
            _ => return Err(ImageError::Internal("JPEG of these pixels")),
        };
        let profile = match how.profile {
            QualityProfile::Fast => Profile::Fast,
            QualityProfile::Best => Profile::Best,
            QualityProfile::Balanced => Profile::Balanced,
        };
        let width = usize::try_from(shape.size.width).unwrap_or(usize::MAX);
        let full = match how.chroma {
            Chroma::Full => true,
            Chroma::Quarter => false,
            Chroma::Auto => {
                how.quality >= FULL_CHROMA_QUALITY
                    || layout == PixelLayout::Rgb8 && ColorEdges::of(first, width, layout).is_sharp()
            }
        };
        let sampling = if full { Sampling::Full } else { Sampling::default() };
        Ok((layout, Settings { sampling, ..Settings::profile(profile, how.quality) }))
    }
}

/// Bytes of a pixel in the file at most, of noise at the highest quality; of pictures a third of that.
const fn bytes(shape: Shape, how: &Encoding) -> u64 {
    let few =
        matches!(how.chroma, Chroma::Quarter) || matches!(shape.layout, Layout::Gray | Layout::GrayAlpha);
    match (how.quality, few) {
        (..=92, _) | (93..=95, true) => 1,
        (93..=95, false) | (_, true) => 2,
        _ => 4,
    }
}

const FAILED: ImageError = ImageError::Internal("JPEG encoder");

impl Encode for Encoder {
    fn memory(&self, shape: Shape, how: &Encoding) -> u64 {
        let size = shape.size;
        // Narrow pictures are mostly padding: pairs of MCUs of 4:2:0 have 32 by 16 pixels.
        let padded = u64::from(size.width).next_multiple_of(32) * u64::from(size.height).next_multiple_of(16);
        // Full chroma has twice the samples of 4:2:0.
        let samples = if how.chroma == Chroma::Quarter || shape.layout == Layout::Gray { 1 } else { 2 };
        let held = match how.profile {
            // A row of MCUs in planes and as coded bytes, which at worst are more than the samples.
            QualityProfile::Fast => 0,
            // Symbols of up to 1 MiB in a list that doubles, and a row of MCUs of them.
            QualityProfile::Balanced => (3 << 20) + u64::from(size.width.next_multiple_of(32)) * 96 * samples,
            // Coefficients of the whole picture, and symbols of 4 bytes for each at most in a list that doubles.
            QualityProfile::Best => padded * 22 * samples,
        };
        let strip = (u64::from(size.width) + 64) * 16 * 16;
        // The file grows in a buffer that doubles: both are held for a moment.
        held + strip + 3 * padded * bytes(shape, how)
    }

    fn length(&self, shape: Shape, how: &Encoding) -> u64 {
        shape.size.area() * bytes(shape, how)
    }

    fn looks_at(&self, how: &Encoding) -> Option<u64> {
        Some(if how.chroma == Chroma::Auto && how.quality < FULL_CHROMA_QUALITY { LOOKED_AT } else { 0 })
    }

    fn begin(&self, shape: Shape, how: &Encoding, first: &[u8]) -> Result<Box<dyn Writer>, ImageError> {
        let (layout, settings) = Self::settings(shape, how, first)?;
        let Size { width, height } = shape.size;
        let encoder = safelight_jpeg::encode::Encoder::new(Vec::new(), width, height, layout, &settings);
        Ok(Box::new(Written(encoder.map_err(|_| FAILED)?)))
    }

    fn encode(&self, pixels: &Pixels, how: &Encoding, cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
        let shape = Shape { size: pixels.size(), layout: pixels.layout() };
        let mut file = self.begin(shape, how, pixels.data())?;
        for rows in pixels.data().chunks(pixels.stride().saturating_mul(256)) {
            cancel.check()?;
            file.rows(rows)?;
        }
        file.finish()
    }
}

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
