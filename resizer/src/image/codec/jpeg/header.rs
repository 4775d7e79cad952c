//! JPEG's marker segments (ITU-T T.81, annex B), up to the first scan.

use super::RARE;
use crate::image::{
    codec::reader::{CUT_OFF, Reader},
    error::ImageError,
    orient::Orientation,
    size::Size,
};

/// What the segments before the first scan say.
pub(super) struct Header {
    pub(super) size: Size,
    pub(super) process: Process,
    pub(super) components: Vec<Component>,
    /// How many components the first scan holds; where that is all of them, a baseline picture needs one scan.
    pub(super) first_scan_components: usize,
    pub(super) orientation: Orientation,
    pub(super) has_icc_profile: bool,
    /// Bytes of the application segments before the first scan.
    pub(super) metadata_bytes: u64,
    /// Whether there is an Adobe APP14 segment: inks are then stored inverted.
    pub(super) is_adobe: bool,
    /// Its colour transform: 0 none, 1 YCbCr, 2 YCCK.
    pub(super) adobe_transform: Option<u8>,
}

/// How coefficients are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// Baseline or extended sequential.
    Sequential,
    /// Progressive.
    Progressive,
}

/// Sampling factors of one component, 1 to 4.
pub(super) struct Component {
    pub(super) horizontal: u8,
    pub(super) vertical: u8,
}

/// Most segments before the first scan: a file of the default limit of 64 MiB full of the longest metadata has 1024.
/// zune-jpeg 0.5 goes through all parts of an extended XMP packet again after every segment: with half a million
/// small ones it is busy for minutes.
const MAX_SEGMENTS: usize = 4096;

/// Most bytes of application segments after the first scan has begun. Nobody writes any there, and the decoder's copies of
/// them are not in its estimate.
const MAX_LATE_METADATA: usize = 64 * 1024;

mod marker {
    pub(super) const SOI: u8 = 0xD8;
    pub(super) const EOI: u8 = 0xD9;
    pub(super) const SOS: u8 = 0xDA;
    /// Application segments: metadata.
    pub(super) const APP: std::ops::RangeInclusive<u8> = 0xE0..=0xEF;
    pub(super) const APP1: u8 = 0xE1;
    pub(super) const APP2: u8 = 0xE2;
    pub(super) const APP14: u8 = 0xEE;
    pub(super) const TEM: u8 = 0x01;
    /// Restart markers.
    pub(super) const RST: std::ops::RangeInclusive<u8> = 0xD0..=0xD7;
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let mut reader = Reader::new(bytes);
        let mut frame = None;
        let (mut orientation, mut has_icc_profile, mut adobe) = (None, false, None);
        let (mut segments, mut metadata_bytes) = (0, 0);
        loop {
            let code = next_marker(&mut reader)?;
            if is_alone(code) {
                if code == marker::EOI {
                    return Err(ImageError::Corrupt("it has no picture data"));
                }
                continue;
            }
            let segment = segment(&mut reader)?;
            segments += 1;
            if segments > MAX_SEGMENTS {
                return Err(RARE);
            }
            if marker::APP.contains(&code) {
                metadata_bytes += u64::try_from(segment.len()).unwrap_or(u64::MAX);
            }
            match code {
                0xC0..=0xC2 => frame = Some(Frame::read(code, segment)?),
                0xC3 => return Err(ImageError::Unsupported("a lossless JPEG")),
                0xC5..=0xC7 | 0xDE | 0xDF => return Err(ImageError::Unsupported("a hierarchical JPEG")),
                0xC9..=0xCB | 0xCD..=0xCF => return Err(ImageError::Unsupported("an arithmetic-coded JPEG")),
                marker::APP1 if orientation.is_none() && segment.starts_with(b"Exif\0\0") => {
                    orientation = Some(Orientation::from_exif_block(segment));
                }
                marker::APP2 if segment.starts_with(b"ICC_PROFILE\0") => has_icc_profile = true,
                marker::APP14 if segment.starts_with(b"Adobe") => adobe = Some(segment.get(11).copied()),
                marker::SOS => {
                    let Frame { size, process, components } =
                        frame.ok_or(ImageError::Corrupt("it has no frame header"))?;
                    let first_scan_components = usize::from(Reader::new(segment).u8()?);
                    return Ok(Self {
                        size,
                        process,
                        components,
                        first_scan_components,
                        orientation: orientation.unwrap_or_default(),
                        has_icc_profile,
                        metadata_bytes,
                        is_adobe: adobe.is_some(),
                        adobe_transform: adobe.flatten(),
                    });
                }
                _ => {}
            }
        }
    }

    pub(super) fn max_horizontal(&self) -> u8 {
        self.components.iter().map(|component| component.horizontal).max().unwrap_or(1)
    }

    pub(super) fn max_vertical(&self) -> u8 {
        self.components.iter().map(|component| component.vertical).max().unwrap_or(1)
    }

    /// Minimum coded units across and down.
    pub(super) fn mcus(&self) -> (u64, u64) {
        let units = |side: u32, factor: u8| u64::from(side).div_ceil(8 * u64::from(factor));
        (units(self.size.width, self.max_horizontal()), units(self.size.height, self.max_vertical()))
    }
}

/// A frame header (SOF).
struct Frame {
    size: Size,
    process: Process,
    components: Vec<Component>,
}

impl Frame {
    fn read(code: u8, segment: &[u8]) -> Result<Self, ImageError> {
        let mut reader = Reader::new(segment);
        if reader.u8()? != 8 {
            return Err(ImageError::Unsupported("a JPEG with more than 8 bits a channel"));
        }
        let (height, width) = (reader.u16_be()?, reader.u16_be()?);
        if height == 0 {
            // The height then follows the first scan (DNL).
            return Err(RARE);
        }
        let count = reader.u8()?;
        if !(1..=4).contains(&count) {
            return Err(RARE);
        }
        let mut components = Vec::new();
        for _ in 0..count {
            let (_id, sampling, _table) = (reader.u8()?, reader.u8()?, reader.u8()?);
            let (horizontal, vertical) = (sampling >> 4, sampling & 15);
            if !(1..=4).contains(&horizontal) || !(1..=4).contains(&vertical) {
                return Err(ImageError::Corrupt("its sampling factors are invalid"));
            }
            components.push(Component { horizontal, vertical });
        }
        let process = if code == 0xC2 { Process::Progressive } else { Process::Sequential };
        Ok(Self { size: Size::new(width.into(), height.into()), process, components })
    }
}

/// Checks that the picture's own end (EOI) is there, and that there is no more metadata on the way than is expected. Pictures inside segments (thumbnails) and after the end (previews, gain
/// maps) do not count.
pub(super) fn check_end(bytes: &[u8]) -> Result<(), ImageError> {
    let mut reader = Reader::new(bytes);
    let (mut begun, mut late_metadata) = (false, 0);
    loop {
        match next_marker(&mut reader)? {
            marker::EOI => return Ok(()),
            code if is_alone(code) => {}
            // After a scan's header come its data, in which 0xFF is followed by 0 or by a restart marker: the search
            // for the next marker skips both.
            code => {
                let segment = segment(&mut reader)?;
                begun |= code == marker::SOS;
                if begun && marker::APP.contains(&code) {
                    late_metadata += segment.len();
                }
                if late_metadata > MAX_LATE_METADATA {
                    return Err(RARE);
                }
            }
        }
    }
}

/// Goes behind the next marker and returns its code. Bytes before it are skipped.
fn next_marker(reader: &mut Reader<'_>) -> Result<u8, ImageError> {
    loop {
        let position = reader.rest().iter().position(|&byte| byte == 0xFF).ok_or(CUT_OFF)?;
        reader.take(position)?;
        // A marker is any number of 0xFF and a code; 0xFF 0x00 is a data byte.
        while reader.rest().first() == Some(&0xFF) {
            reader.u8()?;
        }
        let code = reader.u8()?;
        if code != 0 {
            return Ok(code);
        }
    }
}

/// Whether a marker stands alone, without a segment.
fn is_alone(code: u8) -> bool {
    matches!(code, marker::SOI | marker::EOI | marker::TEM) || marker::RST.contains(&code)
}

/// A segment's content; its length counts itself.
fn segment<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], ImageError> {
    let length = reader.u16_be()?.checked_sub(2).ok_or(ImageError::Corrupt("a segment has no length"))?;
    reader.take(usize::from(length))
}
