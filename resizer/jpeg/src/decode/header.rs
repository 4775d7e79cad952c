//! What stands before the first scan: size, components, sampling, colour, application segments.

use super::error::Error;
use super::options::Limits;
use super::segments::{ScanHeader, Segments, Tables, Walker};
use crate::common::marker;

/// One colour component of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// The identifier that scans name it by.
    pub id: u8,
    /// Horizontal sampling factor, 1 to 4.
    pub h: u8,
    /// Vertical sampling factor, 1 to 4.
    pub v: u8,
    /// Its quantisation table, 0 to 3.
    pub quantisation: u8,
}

/// What the components mean, decided as libjpeg does: from the JFIF and Adobe segments, then the identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Colour {
    /// One component of brightness.
    Gray,
    /// JFIF's YCbCr: BT.601 over the full range.
    YCbCr,
    /// Red, green and blue as they are (Adobe transform 0, or components named R, G and B).
    Rgb,
    /// Four inks as they are. Nearly all files hold them inverted, as Adobe's do: 255 is no ink.
    Cmyk,
    /// Adobe transform 2: YCbCr of the inverted first three inks, and K.
    Ycck,
    /// Any other number of components: only planes can be had.
    Other,
}

/// The file as far as its first scan.
#[derive(Debug, Clone)]
pub struct Header<'a> {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1; from a `DNL` segment where the frame leaves it open.
    pub height: u32,
    /// Whether the frame is progressive.
    pub progressive: bool,
    /// Whether the first scan holds every component, so that a sequential file can be decoded row by row.
    pub interleaved: bool,
    /// What the components mean.
    pub colour: Colour,
    /// MCUs between two restart markers; 0 for none. As it stands before the first scan.
    pub restart_interval: u16,
    /// The components in the frame's order, one to four.
    pub components: Vec<Component>,
    data: &'a [u8],
}

impl<'a> Header<'a> {
    /// The payloads of every segment with this marker (`0xE1` for APP1, `0xFE` for comments) before the first
    /// scan, in the file's order, without marker and length.
    pub fn segments(&self, marker: u8) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        Segments::new(self.data).filter(move |(code, _)| *code == marker).map(|(_, payload)| payload)
    }

    /// APP1 payloads: EXIF (`Exif\0\0`) and XMP.
    pub fn app1(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.segments(marker::APP0 + 1)
    }

    /// APP2 payloads: ICC profiles (`ICC_PROFILE\0`, number, count).
    pub fn app2(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.segments(marker::APP0 + 2)
    }

    /// APP14 payloads: Adobe's colour transform.
    pub fn app14(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.segments(marker::APP0 + 14)
    }

    /// The largest horizontal and vertical sampling factor.
    pub(crate) fn largest_factors(&self) -> (u32, u32) {
        let h = self.components.iter().map(|c| u32::from(c.h)).max().unwrap_or(1);
        let v = self.components.iter().map(|c| u32::from(c.v)).max().unwrap_or(1);
        (h, v)
    }
}

/// The header with what decoding goes on from.
#[derive(Debug, Clone)]
pub(crate) struct Parsed<'a> {
    pub(crate) header: Header<'a>,
    /// The tables in force at the first scan. Boxed: they are large, and moved from hand to hand.
    pub(crate) tables: Box<Tables>,
    /// The first scan.
    pub(crate) scan: ScanHeader,
    /// The first byte of its entropy-coded data.
    pub(crate) at: usize,
}

/// A frame segment's contents.
struct Frame {
    width: u32,
    height: u32,
    progressive: bool,
    components: Vec<Component>,
    at: usize,
}

/// Reads everything up to and with the first scan header.
pub(crate) fn parse<'a>(data: &'a [u8], limits: &Limits) -> Result<Parsed<'a>, Error> {
    if data.len() < 2 || data[0] != 0xFF || data[1] != marker::SOI {
        return Err(Error::NotJpeg);
    }
    let mut walker = Walker::new(data, 2);
    let mut tables: Box<Tables> = Box::default();
    let mut frame: Option<Frame> = None;
    let mut jfif = false;
    let mut adobe = None;
    loop {
        let segment = walker.next()?;
        match segment.code {
            marker::SOS => {
                let Some(frame) = frame else {
                    return Err(Error::Corrupt { at: segment.at, what: "a scan before any frame" });
                };
                let scan = ScanHeader::parse(&segment, &frame.components, frame.progressive)?;
                return finish(data, limits, frame, tables, scan, walker.at(), jfif, adobe);
            }
            marker::EOI => {
                return Err(Error::Truncated { at: segment.at, inside: "the header: no scan" });
            }
            marker::SOF0..=marker::SOF15
                if !matches!(segment.code, marker::DHT | marker::JPG | marker::DAC) =>
            {
                if frame.is_some() {
                    return Err(Error::Corrupt { at: segment.at, what: "a second frame" });
                }
                frame = Some(Frame::parse(&segment)?);
            }
            0xE0 => jfif |= segment.payload.starts_with(b"JFIF\0"),
            0xEE => {
                if segment.payload.len() >= 12 && segment.payload.starts_with(b"Adobe") {
                    adobe = Some(segment.payload[11]);
                }
            }
            _ => tables.read(&segment)?,
        }
    }
}

impl Frame {
    fn parse(segment: &super::segments::Segment<'_>) -> Result<Self, Error> {
        let at = segment.at;
        match segment.code {
            marker::SOF0 | marker::SOF1 | marker::SOF2 => {}
            0xC3 | 0xC7 | 0xCB | 0xCF => return Err(Error::Unsupported { at, what: "a lossless JPEG" }),
            0xC5 | 0xC6 | 0xCD | 0xCE => return Err(Error::Unsupported { at, what: "a hierarchical JPEG" }),
            _ => return Err(Error::Unsupported { at, what: "an arithmetic-coded JPEG" }),
        }
        let p = segment.payload;
        if p.len() < 6 {
            return Err(Error::Corrupt { at, what: "a frame segment that is too short" });
        }
        if p[0] != 8 {
            return Err(Error::Unsupported { at, what: "a JPEG of other than 8 bits a channel" });
        }
        let count = usize::from(p[5]);
        if p.len() < 6 + 3 * count {
            return Err(Error::Corrupt { at, what: "a frame segment that is too short" });
        }
        if count == 0 || count > 4 {
            return Err(Error::Unsupported { at, what: "a JPEG of other than 1 to 4 components" });
        }
        let mut components = Vec::with_capacity(count);
        for c in p[6..6 + 3 * count].chunks_exact(3) {
            let component = Component { id: c[0], h: c[1] >> 4, v: c[1] & 15, quantisation: c[2] };
            if !(1..=4).contains(&component.h) || !(1..=4).contains(&component.v) {
                return Err(Error::Corrupt { at, what: "a sampling factor outside 1 to 4" });
            }
            if component.quantisation > 3 {
                return Err(Error::Corrupt { at, what: "a quantisation table outside 0 to 3" });
            }
            components.push(component);
        }
        if let [only] = components.as_mut_slice() {
            // A.2.2: with one component there is no interleaving and the factors mean nothing.
            only.h = 1;
            only.v = 1;
        }
        let height = u32::from(u16::from_be_bytes([p[1], p[2]]));
        let width = u32::from(u16::from_be_bytes([p[3], p[4]]));
        if width == 0 {
            return Err(Error::Corrupt { at, what: "a width of 0" });
        }
        Ok(Self { width, height, progressive: segment.code == marker::SOF2, components, at })
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one parse, named once")]
fn finish<'a>(
    data: &'a [u8],
    limits: &Limits,
    mut frame: Frame,
    mut tables: Box<Tables>,
    scan: ScanHeader,
    at: usize,
    jfif: bool,
    adobe: Option<u8>,
) -> Result<Parsed<'a>, Error> {
    if frame.height == 0 {
        frame.height = lines_behind_scan(data, at)
            .ok_or(Error::Corrupt { at: frame.at, what: "a height of 0 and no DNL segment" })?;
    }
    limits.check_size(frame.width, frame.height)?;
    tables.or_standard();
    let colour = colour(&frame.components, jfif, adobe);
    let header = Header {
        width: frame.width,
        height: frame.height,
        progressive: frame.progressive,
        interleaved: scan.components.len() == frame.components.len(),
        colour,
        restart_interval: tables.restart_interval,
        components: frame.components,
        data,
    };
    Ok(Parsed { header, tables, scan, at })
}

/// The height that a `DNL` segment behind the first scan gives (B.2.5), skipping restart markers.
fn lines_behind_scan(data: &[u8], start: usize) -> Option<u32> {
    let mut at = start;
    loop {
        at += memchr::memchr(0xFF, data.get(at..)?)?;
        match *data.get(at + 1)? {
            0 | marker::RST0..=marker::RST7 => at += 2,
            0xFF => at += 1,
            marker::DNL => {
                let lines = data.get(at + 4..at + 6)?;
                return Some(u32::from(u16::from_be_bytes([lines[0], lines[1]]))).filter(|n| *n > 0);
            }
            _ => return None,
        }
    }
}

fn colour(components: &[Component], jfif: bool, adobe: Option<u8>) -> Colour {
    match components {
        [_] => Colour::Gray,
        [a, b, c] => match (jfif, adobe) {
            (true, _) => Colour::YCbCr,
            (false, Some(0)) => Colour::Rgb,
            (false, Some(_)) => Colour::YCbCr,
            (false, None) if [a.id, b.id, c.id] == *b"RGB" => Colour::Rgb,
            (false, None) => Colour::YCbCr,
        },
        [_, _, _, _] => match adobe {
            Some(2) => Colour::Ycck,
            _ => Colour::Cmyk,
        },
        _ => Colour::Other,
    }
}
