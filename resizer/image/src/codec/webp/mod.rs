//! WebP, read and written by libwebp. Whether there is alpha or an animation is told by what is in the file, not by its
//! flags.

use self::{
    ffi::{
        Channels, Effort, Picture,
        decode::{Decoder as Libwebp, Output, Progress},
    },
    header::{Frame, Header, whole},
    rows::{PlaneReducer, Reducer, index},
};
use super::{
    Codec, Decode, Encode,
    rows::{RowSink, RowSource},
};
use crate::{
    accept::Encoding,
    cancel::Cancel,
    colour::{Embedded, profile},
    error::ImageError,
    limits::Limits,
    options::QualityProfile,
    pixels::{Layout, Pixels},
    probe::{Info, Work},
    sniff::Format,
    step::Shape,
    view::{Scale, View},
};

mod ffi;
pub(crate) mod header;
mod lossless;
mod memory;
mod rows;

pub(super) static CODEC: Codec = Codec {
    format: Format::Webp,
    name: "WebP",
    media_type: "image/webp",
    extension: "webp",
    max_side: 16_383,
    holds_alpha: true,
    starts: |bytes| bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
    decoder: &Decoder,
    encoder: Some(&Encoder),
};

/// Reads WebP.
struct Decoder;

impl Decode for Decoder {
    fn probe(&self, bytes: &[u8], limits: &Limits) -> Result<Info, ImageError> {
        let header = Header::read(bytes)?;
        let profile = header.profile.map_or(0, |profile| profile::memory(profile.len() as u64));
        // Nothing is decoded of what is refused for its size.
        let front = if limits.check_source(header.canvas).is_ok() {
            memory::expected(&header)?
        } else {
            memory::guess(&header.frame)
        };
        let work = Scale::ALL.map(|scale| memory::decoding(&header, front, scale).max(profile));
        Ok(Info {
            format: Format::Webp,
            stored_size: header.canvas,
            orientation: header.orientation,
            has_alpha: header.has_alpha,
            has_icc_profile: header.has_icc_profile,
            bit_depth: 8,
            animated: header.animated,
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            layout: layout(&header),
            // libwebp decodes at full size whatever is asked for; planes are what is made smaller at little cost.
            work: match work {
                work if planar(&header) => Work::Scaled(work),
                [full, ..] => Work::Whole(full),
            },
        })
    }
}

const fn layout(header: &Header<'_>) -> Layout {
    if header.has_alpha { Layout::Rgba } else { Layout::Rgb }
}

/// Data that libwebp refuses, or that ends before the picture does.
const DAMAGED: ImageError = ImageError::Corrupt("its data cannot be decoded");

impl RowSource for Decoder {
    fn decode_rows(
        &self,
        bytes: &[u8],
        info: &Info,
        view: &View,
        cancel: &Cancel,
        sink: &mut dyn RowSink,
    ) -> Result<(), ImageError> {
        let file = whole(bytes)?;
        let header = Header::read(file)?;
        if header.canvas != info.stored_size || layout(&header) != info.layout {
            return Err(ImageError::Internal("header of another source"));
        }
        memory::check(&header, cancel)?;
        sink.begin(header.profile.map(|profile| Embedded::Icc(profile.to_vec())))?;
        let Frame { size, chunks, .. } = header.frame;
        let chunks = chunks.ok_or(DAMAGED)?;
        // The reserved bits of alpha are to be ignored (RFC 9649, 2.7.1.2). libwebp refuses them.
        let cleared;
        let chunks = match chunks {
            head if head.get(8).is_some_and(|flags| head.starts_with(b"ALPH") && flags & RESERVED != 0) => {
                let mut copy = head.to_vec();
                copy.iter_mut().skip(8).take(1).for_each(|flags| *flags &= !RESERVED);
                cleared = copy;
                &cleared
            }
            chunks => chunks,
        };
        let output = output(&header, view.scale);
        let source = Libwebp::new(chunks, size.width, size.height, output).ok_or(DAMAGED)?;
        let pieces = (chunks.len(), piece(chunks.len(), header.frame.lossy));
        if output == Output::Yuv {
            let mut reducer = PlaneReducer::new(view, size.width, size.height);
            return feed(source, pieces, cancel, |source| reducer.pull(source, sink));
        }
        let mut canvas = Canvas::new(&header, view);
        feed(source, pieces, cancel, |source| canvas.pull(source, sink))?;
        canvas.finish(sink)
    }
}

/// Bits of the first byte of an alpha chunk's content.
const RESERVED: u8 = 0b1100_0000;

/// Whether a picture can be had as planes: lossy, opaque, and covering its canvas.
const fn planar(header: &Header<'_>) -> bool {
    header.frame.lossy && !header.has_alpha
}

/// What libwebp is asked for. Planes need less memory and time than pixels, where they are made smaller.
fn output(header: &Header<'_>, scale: Scale) -> Output {
    if header.has_alpha {
        Output::Rgba
    } else if planar(header) && scale != Scale::Full {
        Output::Yuv
    } else {
        Output::Rgb
    }
}

/// Bytes that are decoded between two looks at whether to stop.
///
/// libwebp keeps what it needs to begin a piece anew: with lossless pictures that costs, in 64 pieces a tenth of the time and
/// in 16 nothing that can be measured. With lossy ones it costs nothing, and rows are used while they are in the cache.
fn piece(length: usize, lossy: bool) -> usize {
    if lossy { (length / 64).clamp(1 << 10, 64 << 10) } else { (length / 16).max(4 << 10) }
}

/// Decodes a picture piece by piece; `pull` takes the rows that are ready.
fn feed<'d>(
    mut source: Libwebp<'d>,
    (length, piece): (usize, usize),
    cancel: &Cancel,
    mut pull: impl FnMut(&Libwebp<'d>) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    let mut end = 0;
    loop {
        cancel.check()?;
        // Until the first rows come, libwebp begins anew with each piece: so these double, and the work does at most.
        end += if source.ready() == 0 { end.max(piece).max(4 << 10) } else { piece };
        let progress = source.feed(end);
        if progress == Progress::Failed || progress == Progress::More && end >= length {
            return Err(DAMAGED);
        }
        pull(&source)?;
        if progress == Progress::Done {
            return Ok(());
        }
    }
}

/// Lays a picture on its canvas, which is transparent around it, row by row.
struct Canvas {
    reducer: Reducer,
    /// A row of the canvas, if the picture does not cover it.
    row: Option<Vec<u8>>,
    channels: usize,
    left: usize,
    top: usize,
    height: usize,
    /// Rows taken of the picture.
    taken: usize,
    /// Rows made of the canvas.
    made: usize,
}

impl Canvas {
    fn new(header: &Header<'_>, view: &View) -> Self {
        let Header { canvas, frame, .. } = header;
        let channels = layout(header).channels();
        let covers = frame.size == *canvas;
        Self {
            reducer: Reducer::new(view, canvas.width, canvas.height, channels),
            row: (!covers).then(|| vec![0; index(canvas.width) * channels]),
            channels,
            left: index(frame.left),
            top: index(frame.top),
            height: index(canvas.height),
            taken: 0,
            made: 0,
        }
    }

    fn pull(&mut self, source: &Libwebp<'_>, sink: &mut dyn RowSink) -> Result<(), ImageError> {
        while self.taken < source.ready() {
            let pixels = source.rows(self.taken, self.taken + 1);
            let Some(row) = &mut self.row else {
                self.reducer.push(pixels, sink)?;
                self.taken += 1;
                self.made += 1;
                continue;
            };
            while self.made < self.top {
                self.reducer.push(row, sink)?;
                self.made += 1;
            }
            let start = self.left * self.channels;
            let target = row.get_mut(start..start + pixels.len());
            target.ok_or(ImageError::Internal("WebP frame"))?.copy_from_slice(pixels);
            self.reducer.push(row, sink)?;
            self.taken += 1;
            self.made += 1;
        }
        Ok(())
    }

    /// What is below the picture.
    fn finish(mut self, sink: &mut dyn RowSink) -> Result<(), ImageError> {
        if let Some(mut row) = self.row.take() {
            row.fill(0);
            for _ in self.made..self.height {
                self.reducer.push(&row, sink)?;
            }
        }
        Ok(())
    }
}

/// Writes WebP.
struct Encoder;

impl Encode for Encoder {
    fn memory(&self, shape: Shape, how: &Encoding) -> u64 {
        let bytes = match (how.lossless, shape.layout.has_alpha()) {
            // libwebp's lossless encoder holds ARGB twice, hash chains (8) and three lists of references (up to 8 each);
            // measured: 22 for photographs, 36 for noise.
            (true, _) => 48,
            // YUV 4:2:0 (1.5), one record for a block of 16 x 16, the bit stream twice (measured: 4.5 for photographs).
            (false, false) => {
                if how.profile == QualityProfile::Best {
                    20
                } else {
                    10
                }
            }
            // Alpha is compressed by the lossless encoder (measured: 32 for noise).
            (false, true) => 48,
        };
        shape.size.area() * bytes
    }

    fn length(&self, shape: Shape, how: &Encoding) -> u64 {
        shape.size.area()
            * if how.lossless {
                4
            } else if how.quality <= 95 {
                1
            } else {
                3
            }
    }

    fn looks_at(&self, _how: &Encoding) -> Option<u64> {
        None
    }

    fn encode(&self, pixels: &Pixels, how: &Encoding, cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
        encode(pixels, how, cancel)
    }
}

/// Writes a picture with the effort of a profile. Without loss all is kept but the color of what is fully transparent.
fn encode(pixels: &Pixels, how: &Encoding, cancel: &Cancel) -> Result<Vec<u8>, ImageError> {
    let size = pixels.size();
    let mode = if how.lossless {
        ffi::Mode::Lossless(level(how.profile))
    } else {
        ffi::Mode::Lossy(how.quality.min(100), effort(how.profile))
    };
    let planes = matches!(mode, ffi::Mode::Lossy(..));
    let widened;
    let (pixels, channels) = match pixels.layout() {
        Layout::Rgb => (pixels, Channels::Rgb),
        Layout::Rgba => (pixels, Channels::Rgba),
        Layout::Gray if planes => (pixels, Channels::Gray),
        Layout::Gray => {
            widened = pixels.clone().into_layout(Layout::Rgb)?;
            (&widened, Channels::Rgb)
        }
        Layout::GrayAlpha => {
            widened = pixels.clone().into_layout(Layout::Rgba)?;
            (&widened, Channels::Rgba)
        }
        Layout::Cmyk => return Err(ImageError::Internal("WebP of these pixels")),
    };
    // There is no chroma to sharpen in gray.
    let mode = match mode {
        ffi::Mode::Lossy(quality, effort) if channels == Channels::Gray => {
            ffi::Mode::Lossy(quality, Effort { sharp_yuv: false, ..effort })
        }
        mode => mode,
    };
    let picture = Picture::new(pixels.data(), size.width, size.height, channels);
    let file = picture.and_then(|picture| ffi::encode(&picture, mode, cancel));
    cancel.check()?; // the likeliest reason for there being none
    file.ok_or(ImageError::Internal("WebP encoder"))
}

/// Method 4 is libwebp's own default. Method 2 takes 0.42 of its time; for the same SSIMULACRA2 its files are 1 to 5 % larger
/// (20 photographs of 512 and 800 pixels): at quality 75 it scores 0.6 higher and is 4.3 % larger; at quality 80, lowered by
/// 0.8, it is as large and scores 0.8 lower.
const fn effort(profile: QualityProfile) -> Effort {
    match profile {
        QualityProfile::Fast => Effort { method: 2, sharp_yuv: false },
        QualityProfile::Balanced => Effort { method: 4, sharp_yuv: false },
        QualityProfile::Best => Effort { method: 6, sharp_yuv: true },
    }
}

/// Levels of lossless compression.
const fn level(profile: QualityProfile) -> u8 {
    match profile {
        QualityProfile::Fast => 1,
        QualityProfile::Balanced => 3,
        QualityProfile::Best => 6,
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "test pictures of known sizes"
)]
mod tests;
