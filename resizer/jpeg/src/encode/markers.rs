//! Marker segments (ITU-T T.81, Annex B.2).

use super::error::EncodeError;
use super::huffman::Spec;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const RST0: u8 = 0xD0;
const SOF0: u8 = 0xC0;
const SOF2: u8 = 0xC2;
const DHT: u8 = 0xC4;
const SOS: u8 = 0xDA;
const DQT: u8 = 0xDB;
const DRI: u8 = 0xDD;
const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;

const EXIF_NAME: &[u8] = b"Exif\0\0";
const ICC_NAME: &[u8] = b"ICC_PROFILE\0";
/// What a segment can hold beside its length field.
const PAYLOAD_MAX: usize = 65_533;
/// A segment of a profile starts with the name, its number and the count of segments.
const ICC_PART: usize = PAYLOAD_MAX - ICC_NAME.len() - 2;

/// One component as a frame header describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameComponent {
    /// Horizontal and vertical sampling factor.
    pub(super) factors: (usize, usize),
    /// Table number, for quantisation and (in baseline scans) Huffman tables alike.
    pub(super) table: u8,
}

/// Which coefficients a scan holds (ITU-T T.81, B.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Band {
    /// First zigzag index (Ss).
    pub(super) start: u8,
    /// Last zigzag index (Se).
    pub(super) end: u8,
    /// Bits already sent (Ah).
    pub(super) high: u8,
    /// Bits left out (Al).
    pub(super) low: u8,
}

impl Band {
    /// Everything, as a sequential scan has it.
    pub(super) const ALL: Self = Self { start: 0, end: 63, high: 0, low: 0 };
}

fn segment(out: &mut Vec<u8>, marker: u8, parts: &[&[u8]]) {
    let length: usize = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    out.extend_from_slice(&[0xFF, marker]);
    // Callers keep within PAYLOAD_MAX.
    out.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Start of image and the JFIF header: version 1.1, square pixels of no known density, no thumbnail.
pub(super) fn start(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xFF, SOI]);
    segment(out, APP0, &[b"JFIF\0", &[1, 1, 0, 0, 1, 0, 1, 0, 0]]);
}

/// EXIF data in one APP1 segment.
pub(super) fn exif(out: &mut Vec<u8>, data: &[u8]) -> Result<(), EncodeError> {
    if data.len() > PAYLOAD_MAX - EXIF_NAME.len() {
        return Err(EncodeError::ExifTooLong(data.len()));
    }
    segment(out, APP1, &[EXIF_NAME, data]);
    Ok(())
}

/// An ICC profile, split over APP2 segments (ICC.1:2022, Annex B.4).
pub(super) fn icc(out: &mut Vec<u8>, profile: &[u8]) -> Result<(), EncodeError> {
    let parts = profile.chunks(ICC_PART);
    let count = u8::try_from(parts.len()).map_err(|_| EncodeError::IccTooLong(profile.len()))?;
    for (number, part) in (1..=count).zip(parts) {
        segment(out, APP2, &[ICC_NAME, &[number, count], part]);
    }
    Ok(())
}

/// One quantisation table of 8-bit steps in zigzag order.
pub(super) fn quantisation_table(out: &mut Vec<u8>, number: u8, steps: &[u8; 64]) {
    segment(out, DQT, &[&[number], steps]);
}

/// The frame header; components are numbered from 1 as JFIF has it.
pub(super) fn frame(out: &mut Vec<u8>, progressive: bool, size: (u16, u16), components: &[FrameComponent]) {
    let mut list = Vec::with_capacity(9);
    for (id, component) in (1u8..).zip(components) {
        let (h, v) = component.factors;
        // Factors are 1 or 2.
        let factors = u8::try_from(h << 4 | v).unwrap_or(0x11);
        list.extend_from_slice(&[id, factors, component.table]);
    }
    let count = u8::try_from(components.len()).unwrap_or(u8::MAX);
    let ([w0, w1], [h0, h1]) = (size.0.to_be_bytes(), size.1.to_be_bytes());
    segment(out, if progressive { SOF2 } else { SOF0 }, &[&[8, h0, h1, w0, w1, count], &list]);
}

/// One Huffman table of class 0 (DC) or 1 (AC).
pub(super) fn huffman_table(out: &mut Vec<u8>, class: u8, number: u8, spec: &Spec) {
    segment(out, DHT, &[&[class << 4 | number], &spec.counts, &spec.symbols[..spec.len()]]);
}

/// MCUs between restart markers.
pub(super) fn restart_interval(out: &mut Vec<u8>, interval: u16) {
    segment(out, DRI, &[&interval.to_be_bytes()]);
}

/// A scan header: components as (index, DC table, AC table).
pub(super) fn scan(out: &mut Vec<u8>, components: &[(u8, u8, u8)], band: Band) {
    let mut list = Vec::with_capacity(6);
    for &(index, dc, ac) in components {
        list.extend_from_slice(&[index + 1, dc << 4 | ac]);
    }
    let count = u8::try_from(components.len()).unwrap_or(u8::MAX);
    segment(out, SOS, &[&[count], &list, &[band.start, band.end, band.high << 4 | band.low]]);
}

/// The n-th restart marker.
pub(super) fn restart(out: &mut Vec<u8>, n: u32) {
    out.extend_from_slice(&[0xFF, RST0 | (n & 7) as u8]);
}

/// End of image.
pub(super) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xFF, EOI]);
}
