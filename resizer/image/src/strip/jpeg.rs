//! JPEG (ITU-T T.81, annex B): segments are kept by name, scans whole.

use super::Keep;
use crate::{codec::reader::CUT_OFF, error::ImageError};

/// Marker codes: the byte after `0xFF`.
mod marker {
    pub(super) const TEM: u8 = 0x01;
    pub(super) const SOF0: u8 = 0xC0;
    pub(super) const SOF15: u8 = 0xCF;
    pub(super) const JPG: u8 = 0xC8;
    pub(super) const RST0: u8 = 0xD0;
    pub(super) const RST7: u8 = 0xD7;
    pub(super) const SOI: u8 = 0xD8;
    pub(super) const EOI: u8 = 0xD9;
    pub(super) const SOS: u8 = 0xDA;
    pub(super) const DQT: u8 = 0xDB;
    pub(super) const DNL: u8 = 0xDC;
    pub(super) const DRI: u8 = 0xDD;
    pub(super) const DHP: u8 = 0xDE;
    pub(super) const EXP: u8 = 0xDF;
    pub(super) const APP0: u8 = 0xE0;
    pub(super) const APP1: u8 = 0xE1;
    pub(super) const APP2: u8 = 0xE2;
    pub(super) const APP14: u8 = 0xEE;
}

const EXIF: &[u8] = b"Exif\0\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const PROFILE: &[u8] = b"ICC_PROFILE\0";

/// Bytes of a JFIF segment's content up to the thumbnail's size, which is two more.
const JFIF_LEN: usize = 12;

/// Bytes of an Adobe segment's content.
const ADOBE_LEN: usize = 12;

/// The file without the segments that go, bytes between segments, and what follows its end.
pub(super) fn strip(bytes: &[u8], keep: Keep) -> Result<Vec<u8>, ImageError> {
    walk(bytes, Some(keep))
}

/// A thumbnail without any metadata and trailing bytes. Its orientation is the picture's.
pub(super) fn thumbnail(bytes: &[u8]) -> Result<Vec<u8>, ImageError> {
    walk(bytes, None)
}

/// Copies what stays; no EXIF at all for `None`.
fn walk(bytes: &[u8], keep: Option<Keep>) -> Result<Vec<u8>, ImageError> {
    if !bytes.starts_with(&[0xFF, marker::SOI]) {
        return Err(ImageError::NotAnImage);
    }
    let mut walker = Walker { bytes, at: 2 };
    let mut out = Vec::with_capacity(bytes.len());
    out.extend([0xFF, marker::SOI]);
    let mut header = Header { keep, has_jfif: false, has_exif: false };
    let mut has_scan = false;
    loop {
        let segment = walker.next()?;
        match segment.code {
            marker::EOI if has_scan => {
                out.extend([0xFF, marker::EOI]);
                return Ok(out);
            }
            marker::EOI => return Err(ImageError::Corrupt("it has no picture data")),
            marker::SOS => {
                has_scan = true;
                out.extend_from_slice(segment.raw);
                out.extend_from_slice(walker.scan());
            }
            // Frames, tables, and numbers of lines, in any scan.
            marker::SOF0..=marker::SOF15 if segment.code != marker::JPG => out.extend_from_slice(segment.raw),
            marker::DQT | marker::DNL => out.extend_from_slice(segment.raw),
            marker::DRI if segment.payload.len() == 2 => out.extend_from_slice(segment.raw),
            marker::DRI => return Err(ImageError::Corrupt("a restart interval of another length")),
            // Of hierarchical pictures, which are not read.
            marker::DHP | marker::EXP => {}
            // Readers take no notice of others once a scan has begun.
            _ if !has_scan => header.segment(&segment, &mut out),
            _ => {}
        }
    }
}

/// What is known of the segments before the first scan.
struct Header {
    keep: Option<Keep>,
    has_jfif: bool,
    has_exif: bool,
}

impl Header {
    /// Writes what stays of an application segment or comment.
    fn segment(&mut self, segment: &Segment<'_>, out: &mut Vec<u8>) {
        let payload = segment.payload;
        match segment.code {
            marker::APP0 if payload.starts_with(b"JFIF\0") && !self.has_jfif => {
                self.has_jfif = true;
                match payload.get(..JFIF_LEN) {
                    Some(start) if payload.len() >= JFIF_LEN + 2 => {
                        write(out, segment.code, &[start, &[0, 0]])
                    }
                    _ => out.extend_from_slice(segment.raw),
                }
            }
            marker::APP1 if payload.starts_with(EXIF) => {
                // Readers go by the first.
                if !self.has_exif
                    && let Some(block) = self.keep.and_then(|keep| keep.exif(payload))
                {
                    write(out, segment.code, &[EXIF, &block]);
                }
                self.has_exif = true;
            }
            marker::APP1 => {
                if let Some(packet) = payload.strip_prefix(XMP)
                    && self.keep.is_some_and(|keep| keep.xmp(packet))
                {
                    out.extend_from_slice(segment.raw);
                }
            }
            marker::APP2 if payload.starts_with(PROFILE) => out.extend_from_slice(segment.raw),
            marker::APP14 if payload.starts_with(b"Adobe") => {
                write(out, segment.code, &[payload.get(..ADOBE_LEN).unwrap_or(payload)]);
            }
            _ => {}
        }
    }
}

/// Writes a segment that is no longer than one of the source.
fn write(out: &mut Vec<u8>, code: u8, parts: &[&[u8]]) {
    let length = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    // A block of a segment's length, or 26 bytes: it fits.
    if let Ok(length) = u16::try_from(length) {
        out.extend([0xFF, code]);
        out.extend(length.to_be_bytes());
        parts.iter().for_each(|part| out.extend_from_slice(part));
    }
}

/// One marker segment.
struct Segment<'a> {
    /// The byte after `0xFF`.
    code: u8,
    /// What follows the length; empty for markers without one.
    payload: &'a [u8],
    /// With marker and length.
    raw: &'a [u8],
}

/// Walks from segment to segment, as the decoder does.
struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walker<'a> {
    /// Moves to the next `0xFF` and gives the byte after it.
    fn find(&mut self) -> Option<u8> {
        let rest = self.bytes.get(self.at..)?;
        self.at += rest.iter().position(|byte| *byte == 0xFF)?;
        self.bytes.get(self.at + 1).copied()
    }

    /// The next segment. Bytes that belong to none are skipped.
    fn next(&mut self) -> Result<Segment<'a>, ImageError> {
        loop {
            match self.find().ok_or(CUT_OFF)? {
                0 => self.at += 2,
                0xFF => self.at += 1,
                code => {
                    let rest = self.bytes.get(self.at..).unwrap_or_default();
                    let (raw, payload) = match code {
                        marker::TEM | marker::RST0..=marker::RST7 | marker::SOI | marker::EOI => {
                            (rest.get(..2), &[][..])
                        }
                        _ => {
                            let Some(&[high, low]) = rest.get(2..4) else { return Err(CUT_OFF) };
                            let length = usize::from(u16::from_be_bytes([high, low]));
                            if length < 2 {
                                return Err(ImageError::Corrupt("a segment of it is too short"));
                            }
                            let raw = rest.get(..2 + length);
                            (raw, raw.and_then(|raw| raw.get(4..)).unwrap_or_default())
                        }
                    };
                    let raw = raw.ok_or(CUT_OFF)?;
                    self.at += raw.len();
                    return Ok(Segment { code, payload, raw });
                }
            }
        }
    }

    /// A scan's data: up to the next marker that is no restart marker.
    fn scan(&mut self) -> &'a [u8] {
        let start = self.at;
        loop {
            match self.find() {
                Some(0 | marker::RST0..=marker::RST7) => self.at += 2,
                Some(0xFF) => self.at += 1,
                Some(_) => break,
                None => {
                    self.at = self.bytes.len();
                    break;
                }
            }
        }
        self.bytes.get(start..self.at).unwrap_or_default()
    }
}
