//! PNG files to rows of pixels.

use std::io::{BufRead, Seek};

use png::{ColorType, DecodingError, InterlaceInfo, Transformations};

use super::header::{self, Header};
use crate::{
    cancel::Cancel,
    codec::{
        Decode,
        rows::{RowSink, RowSource, Samples},
    },
    colour::profile,
    error::ImageError,
    limits::Limits,
    pixels::Layout,
    probe::{Info, Work},
    sniff::Format,
    view::{Scale, View},
};

/// A profile that unpacks to more than this many times its size is not read. Real ones stay below 10.
const MAX_INFLATION: u64 = 64;

/// Rows are handed out when they are this many bytes: they are still in the processor's cache then.
const BAND: usize = 32 << 10;

/// Reads PNG.
pub(super) struct Decoder;

impl Decode for Decoder {
    fn probe(&self, bytes: &[u8], _limits: &Limits) -> Result<Info, ImageError> {
        let header = Header::read(bytes)?;
        let file_size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let layout = header.layout();
        let allowed = header.allowance();
        let profile = if header.has_icc_profile {
            // Unpacked, copied, and used.
            allowed * 2 + profile::memory(allowed)
        } else {
            0
        };
        let interlaced =
            if header.interlaced { header.line().saturating_mul(header.size.height.into()) } else { 0 };
        let work = header.rows() + header.band() + header.metadata_bytes * 4 + profile;
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
            work: Work::Whole(work.saturating_add(interlaced)),
        })
    }
}

impl RowSource for Decoder {
    /// A file is read to the end of its picture data whatever `view` says; the chunks behind it must be there and are not
    /// looked at. Rows come in bands of about 32 KiB. Of an interlaced picture they come when all has been decoded.
    fn decode_rows(
        &self,
        bytes: &[u8],
        info: &Info,
        view: &View,
        cancel: &Cancel,
        sink: &mut dyn RowSink,
    ) -> Result<(), ImageError> {
        header::check_end(bytes)?;
        let (header, file) = Header::needed(bytes)?;
        if header.size != info.stored_size || header.layout() != info.layout {
            return Err(ImageError::Internal("PNG of another header"));
        }
        let limits = png::Limits { bytes: usize::try_from(header.allowance()).unwrap_or(usize::MAX) };
        let mut decoder = png::Decoder::new_with_limits(file, limits);
        decoder.set_transformations(Transformations::EXPAND);
        let reader = decoder.read_info().map_err(|error| decode_error(&error))?;
        check(&reader, &header)?;
        let window = Window::new(&header, view)?;
        let profile = reader.info().icc_profile.as_ref().map(|profile| profile.to_vec());
        sink.begin(header.colors.choose(profile))?;
        let bands = Bands::new(window, header.bit_depth > 8, sink);
        if header.interlaced {
            interlaced(reader, &header, cancel, bands)
        } else {
            sequential(reader, &header, cancel, bands)
        }
    }
}

/// Whether the `png` crate understood the header as we did: buffers were made by ours.
fn check<R: BufRead + Seek>(reader: &png::Reader<R>, header: &Header) -> Result<(), ImageError> {
    let info = reader.info();
    let frame = info.frame_control.map(|frame| (frame.width, frame.height));
    let size = (header.size.width, header.size.height);
    if info.size() != size || frame.is_some_and(|frame| frame != size) || info.interlaced != header.interlaced
    {
        return Err(ImageError::Corrupt("it gives its size twice, and not the same"));
    }
    let (color, depth) = reader.output_color_type();
    let layout = match color {
        ColorType::Grayscale => Layout::Gray,
        ColorType::GrayscaleAlpha => Layout::GrayAlpha,
        ColorType::Rgb => Layout::Rgb,
        ColorType::Rgba => Layout::Rgba,
        ColorType::Indexed => return Err(ImageError::Internal("PNG pixels")),
    };
    if layout != header.layout() || (depth == png::BitDepth::Sixteen) != (header.bit_depth > 8) {
        return Err(ImageError::Corrupt("it gives its kind of pixels twice, and not the same"));
    }
    Ok(())
}

/// Translates an error of the `png` crate. Its texts are not for callers.
fn decode_error(error: &DecodingError) -> ImageError {
    match error {
        DecodingError::LimitsExceeded => ImageError::Corrupt("a part of it is larger than its header says"),
        _ => ImageError::Corrupt("its data cannot be decoded"),
    }
}

/// Rows that are stored from top to bottom.
fn sequential<R: BufRead + Seek>(
    mut reader: png::Reader<R>,
    header: &Header,
    cancel: &Cancel,
    mut bands: Bands<'_>,
) -> Result<(), ImageError> {
    let mut until_look = 0_usize;
    for row in 0..header.size.height {
        if until_look == 0 {
            cancel.check()?;
            until_look = bands.rows;
        }
        until_look -= 1;
        let target = bands.next_row();
        let found = reader.read_row(target).map_err(|error| decode_error(&error))?;
        if found.is_none() {
            return Err(ImageError::Corrupt("its data cannot be decoded"));
        }
        bands.take(row)?;
    }
    bands.flush()?;
    // What is left of the picture data, and its checksums.
    reader.read_row(bands.next_row()).map_err(|error| decode_error(&error))?;
    Ok(())
}

/// Seven passes over a picture, which is put together in memory.
fn interlaced<R: BufRead + Seek>(
    mut reader: png::Reader<R>,
    header: &Header,
    cancel: &Cancel,
    mut bands: Bands<'_>,
) -> Result<(), ImageError> {
    let line = bands.window.line;
    let length = usize::try_from(header.size.height).ok().and_then(|height| line.checked_mul(height));
    let mut picture = vec![0; length.ok_or(ImageError::Internal("pixel buffer size"))?];
    let (color, depth) = reader.output_color_type();
    let bits = u8::try_from(color.samples()).unwrap_or(u8::MAX).saturating_mul(depth as u8);
    let mut read = BAND;
    while let Some(row) = reader.next_interlaced_row().map_err(|error| decode_error(&error))? {
        if let InterlaceInfo::Adam7(place) = row.interlace() {
            png::expand_interlaced_row(&mut picture, line, row.data(), place, bits);
        }
        read += row.data().len();
        if read >= BAND {
            cancel.check()?;
            read = 0;
        }
    }
    drop(reader);
    for (row, samples) in (0..header.size.height).zip(picture.chunks_exact(line)) {
        if bands.is_empty() {
            cancel.check()?;
        }
        bands.next_row().copy_from_slice(samples);
        bands.take(row)?;
    }
    bands.flush()
}

/// The part of each row that is wanted, and the rows.
#[derive(Clone, Copy)]
struct Window {
    /// Bytes of a stored row, widened.
    line: usize,
    /// First byte of a row that is wanted.
    from: usize,
    /// Number of bytes that are.
    length: usize,
    /// First row that is wanted.
    top: u32,
    /// The one after the last.
    bottom: u32,
}

impl Window {
    fn new(header: &Header, view: &View) -> Result<Self, ImageError> {
        let right = u64::from(view.left) + u64::from(view.size.width);
        let bottom = u64::from(view.top) + u64::from(view.size.height);
        let (width, height) = (u64::from(header.size.width), u64::from(header.size.height));
        if view.scale != Scale::Full || view.size.area() == 0 || right > width || bottom > height {
            return Err(ImageError::Internal("view of a PNG"));
        }
        let pixel = header.line() / width.max(1);
        let bytes = |pixels: u64| usize::try_from(pixels * pixel).ok();
        let all = || Some((bytes(width)?, bytes(view.left.into())?, bytes(view.size.width.into())?));
        let (line, from, length) = all().ok_or(ImageError::Internal("pixel buffer size"))?;
        let bottom = u32::try_from(bottom).unwrap_or(u32::MAX);
        Ok(Self { line, from, length, top: view.top, bottom })
    }
}

/// Puts rows together to bands.
struct Bands<'s> {
    window: Window,
    /// Rows of a band.
    rows: usize,
    /// Room for a band of what is wanted, and for one whole row behind it.
    bytes: Vec<u8>,
    /// Bytes in it.
    filled: usize,
    /// The band again, for files of 16 bits.
    wide: Option<Vec<u16>>,
    sink: &'s mut dyn RowSink,
}

impl<'s> Bands<'s> {
    fn new(window: Window, is_wide: bool, sink: &'s mut dyn RowSink) -> Self {
        let rows = (BAND / window.line.max(1)).max(1);
        let bytes = vec![0; (rows - 1) * window.length + window.line];
        Self { window, rows, bytes, filled: 0, wide: is_wide.then(Vec::new), sink }
    }

    fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Where the next row goes, whole.
    fn next_row(&mut self) -> &mut [u8] {
        self.bytes
            .get_mut(self.filled..)
            .and_then(|rest| rest.get_mut(..self.window.line))
            .unwrap_or_default()
    }

    /// Keeps of the row that lies there, which is number `row` of the picture, what is wanted.
    fn take(&mut self, row: u32) -> Result<(), ImageError> {
        let Window { from, length, top, bottom, .. } = self.window;
        if !(top..bottom).contains(&row) {
            return Ok(());
        }
        if from > 0 {
            let start = self.filled + from;
            self.bytes.copy_within(start..start + length, self.filled);
        }
        self.filled += length;
        if self.filled >= self.rows * length { self.flush() } else { Ok(()) }
    }

    /// Hands the rows out.
    fn flush(&mut self) -> Result<(), ImageError> {
        let band = self.bytes.get(..self.filled).unwrap_or_default();
        self.filled = 0;
        if band.is_empty() {
            return Ok(());
        }
        match &mut self.wide {
            None => self.sink.rows(Samples::Bits8(band)),
            Some(wide) => {
                wide.clear();
                wide.extend(band.as_chunks::<2>().0.iter().map(|bytes| u16::from_be_bytes(*bytes)));
                self.sink.rows(Samples::Bits16(wide))
            }
        }
    }
}

impl Header {
    pub(super) fn layout(&self) -> Layout {
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

    /// Bytes of a row as it is handed out.
    fn line(&self) -> u64 {
        let sample = if self.bit_depth > 8 { 2 } else { 1 };
        u64::from(self.size.width) * self.layout().channels() as u64 * sample
    }

    /// Bytes of a stored row, with its filter.
    fn stored_line(&self) -> u64 {
        let channels = match self.color_type {
            2 => 3,
            4 => 2,
            6 => 4,
            _ => 1,
        };
        (u64::from(self.size.width) * channels * u64::from(self.bit_depth)).div_ceil(8) + 1
    }

    /// Bytes that the `png` crate holds for rows: it unpacks 8 KiB at a time into a buffer, whose rows move to its start
    /// when those that are done take the larger of 128 KiB and 4 rows; the window of 32 KiB and the row above stay. The
    /// buffer grows as a vector does (old and doubled new one, for a moment). An interlaced row is widened in another one.
    /// Tables, the buffer for chunks and the palette take the rest.
    fn rows(&self) -> u64 {
        let row = self.stored_line();
        let unpacked = (4 * row + 64).max(128 << 10) + 2 * row + (48 << 10);
        3 * unpacked + self.line() + (128 << 10)
    }

    /// Bytes of a band, and of its copy if it has 16 bits: one row at least.
    fn band(&self) -> u64 {
        (self.line() + BAND as u64) * 2
    }

    /// What the decoder may allocate besides the picture: rows, chunks in a buffer that doubles, and a profile.
    fn allowance(&self) -> u64 {
        let profile = (self.metadata_bytes.saturating_mul(MAX_INFLATION)).min(profile::MAX_BYTES as u64);
        self.rows() + self.metadata_bytes * 3 + profile
    }
}
