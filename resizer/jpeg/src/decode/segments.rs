//! Marker segments: finding them, and reading the tables and scan headers they hold (ITU-T T.81, annex B).

use super::error::Error;
use super::header::Component;
use crate::common::marker;
use crate::common::standard;
use crate::common::zigzag::NATURAL;
use std::sync::LazyLock;

/// One marker segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    /// The byte after `0xFF`.
    pub(crate) code: u8,
    /// Where its `0xFF` stands in the file.
    pub(crate) at: usize,
    /// What follows the length; empty for markers without one.
    pub(crate) payload: &'a [u8],
}

/// What a file ends inside that ends between segments.
pub(crate) const NO_MORE: &str = "the markers";

/// Walks from segment to segment.
#[derive(Debug, Clone)]
pub(crate) struct Walker<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Walker<'a> {
    /// Starts at byte `at`.
    pub(crate) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at }
    }

    /// The byte behind the last segment.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The next segment; bytes that belong to none (junk, fill bytes, stray entropy-coded data) are skipped as
    /// libjpeg does.
    pub(crate) fn next(&mut self) -> Result<Segment<'a>, Error> {
        let end = self.data.len();
        let no_more = Error::Truncated { at: end, inside: NO_MORE };
        let cut = Error::Truncated { at: end, inside: "a marker segment" };
        loop {
            let rest = self.data.get(self.at..).unwrap_or_default();
            let Some(offset) = memchr::memchr(0xFF, rest) else { return Err(no_more) };
            let at = self.at + offset;
            let Some(&code) = self.data.get(at + 1) else { return Err(no_more) };
            match code {
                0 => self.at = at + 2,
                0xFF => self.at = at + 1,
                marker::SOI | marker::EOI | marker::TEM | marker::RST0..=marker::RST7 => {
                    self.at = at + 2;
                    return Ok(Segment { code, at, payload: &[] });
                }
                _ => {
                    let Some(length) = self.data.get(at + 2..at + 4) else { return Err(cut) };
                    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                    if length < 2 {
                        return Err(Error::Corrupt { at, what: "a segment length below 2" });
                    }
                    let Some(payload) = self.data.get(at + 4..at + 2 + length) else { return Err(cut) };
                    self.at = at + 2 + length;
                    return Ok(Segment { code, at, payload });
                }
            }
        }
    }
}

/// The segments before the first scan, as far as they are whole.
#[derive(Debug, Clone)]
pub(crate) struct Segments<'a>(Option<Walker<'a>>);

impl<'a> Segments<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(Some(Walker::new(data, 2)))
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let segment = self.0.as_mut()?.next();
        match segment {
            Ok(s) if s.code != marker::SOS => Some((s.code, s.payload)),
            _ => {
                self.0 = None;
                None
            }
        }
    }
}

/// A Huffman table as its segment gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HuffmanSpec {
    /// How many codes have 1, 2, … 16 bits.
    pub(crate) counts: [u8; 16],
    /// Their symbols, in order of rising codes; `count` are used.
    pub(crate) symbols: [u8; 256],
    /// The number of codes.
    pub(crate) count: usize,
}

/// Annex K's tables: DC of luma and chroma, then AC.
pub(crate) static STANDARD: LazyLock<[HuffmanSpec; 4]> = LazyLock::new(|| {
    [
        HuffmanSpec::new(standard::LUMA_DC, &standard::DC_SYMBOLS),
        HuffmanSpec::new(standard::CHROMA_DC, &standard::DC_SYMBOLS),
        HuffmanSpec::new(standard::LUMA_AC, &standard::LUMA_AC_SYMBOLS),
        HuffmanSpec::new(standard::CHROMA_AC, &standard::CHROMA_AC_SYMBOLS),
    ]
});

/// A code of a Huffman table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code {
    /// The code's bits, in the low end.
    pub(crate) bits: u32,
    /// How many, 1 to 16.
    pub(crate) length: u32,
    /// What it stands for.
    pub(crate) symbol: u8,
}

impl HuffmanSpec {
    /// A table from counts and symbols that are known to fit.
    pub(crate) fn new(counts: [u8; 16], list: &[u8]) -> Self {
        let mut symbols = [0; 256];
        symbols[..list.len()].copy_from_slice(list);
        Self { counts, symbols, count: list.len() }
    }

    /// The codes in rising order (annex C).
    pub(crate) fn codes(&self) -> impl Iterator<Item = Code> + '_ {
        let mut next = 0_u32;
        let mut used = 0;
        (1..=16_u32).zip(self.counts).flat_map(move |(length, count)| {
            let first = next;
            let from = used;
            used += usize::from(count);
            next = (next + u32::from(count)) << 1;
            (first..first + u32::from(count))
                .zip(&self.symbols[from.min(256)..])
                .map(move |(bits, symbol)| Code { bits, length, symbol: *symbol })
        })
    }

    /// Whether the lengths can be those of a prefix code.
    fn fits(&self) -> bool {
        let mut room = 1_i32;
        for count in self.counts {
            room = room * 2 - i32::from(count);
            if room < 0 {
                return false;
            }
        }
        true
    }
}

/// A quantisation table, in natural order.
pub(crate) type Quantisation = [u16; 64];

/// The tables in force; each new segment replaces what it names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    /// Quantisation tables.
    pub(crate) quantisation: [Option<Quantisation>; 4],
    /// Huffman tables of DC differences.
    pub(crate) dc: [Option<HuffmanSpec>; 4],
    /// Huffman tables of AC coefficients.
    pub(crate) ac: [Option<HuffmanSpec>; 4],
    /// MCUs between restart markers; 0 for none.
    pub(crate) restart_interval: u16,
}

impl Tables {
    /// Puts the typical tables where the file has none, as libjpeg-turbo does for Motion JPEG frames.
    pub(crate) fn or_standard(&mut self) {
        let [dc0, dc1, ..] = &mut self.dc;
        let [ac0, ac1, ..] = &mut self.ac;
        for (slot, spec) in [dc0, dc1, ac0, ac1].into_iter().zip(STANDARD.iter()) {
            slot.get_or_insert(*spec);
        }
    }

    /// Takes in a table segment; any other segment changes nothing.
    pub(crate) fn read(&mut self, segment: &Segment<'_>) -> Result<(), Error> {
        match segment.code {
            marker::DQT => self.read_quantisation(segment),
            marker::DHT => self.read_huffman(segment),
            marker::DRI => match *segment.payload {
                [high, low, ..] => {
                    self.restart_interval = u16::from_be_bytes([high, low]);
                    Ok(())
                }
                _ => Err(Error::Corrupt {
                    at: segment.at,
                    what: "a restart interval segment that is too short",
                }),
            },
            _ => Ok(()),
        }
    }

    fn read_quantisation(&mut self, segment: &Segment<'_>) -> Result<(), Error> {
        let corrupt = |what| Error::Corrupt { at: segment.at, what };
        let mut rest = segment.payload;
        while let Some((&head, tail)) = rest.split_first() {
            let wide = usize::from(head >> 4 != 0);
            let slot = self
                .quantisation
                .get_mut(usize::from(head & 15))
                .ok_or_else(|| corrupt("a quantisation table outside 0 to 3"))?;
            let size = 64 << wide;
            if tail.len() < size {
                return Err(corrupt("a quantisation table that is too short"));
            }
            let (values, tail) = tail.split_at(size);
            let mut table = [0_u16; 64];
            for (k, natural) in NATURAL.iter().enumerate() {
                table[usize::from(*natural)] = if wide == 1 {
                    u16::from_be_bytes([values[2 * k], values[2 * k + 1]])
                } else {
                    u16::from(values[k])
                };
            }
            *slot = Some(table);
            rest = tail;
        }
        Ok(())
    }

    fn read_huffman(&mut self, segment: &Segment<'_>) -> Result<(), Error> {
        let corrupt = |what| Error::Corrupt { at: segment.at, what };
        let mut rest = segment.payload;
        while let Some((&head, tail)) = rest.split_first() {
            let Some((counts, tail)) = tail.split_first_chunk::<16>() else {
                return Err(corrupt("a Huffman table that is too short"));
            };
            let count = counts.iter().map(|c| usize::from(*c)).sum::<usize>();
            if count > 256 || count > tail.len() {
                return Err(corrupt("a Huffman table that is too short"));
            }
            let (list, tail) = tail.split_at(count);
            let spec = HuffmanSpec::new(*counts, list);
            if !spec.fits() {
                return Err(corrupt("a Huffman table whose lengths make no code"));
            }
            let kind = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(corrupt("a Huffman table class outside 0 and 1")),
            };
            let slot = kind
                .get_mut(usize::from(head & 15))
                .ok_or_else(|| corrupt("a Huffman table outside 0 to 3"))?;
            *slot = Some(spec);
            rest = tail;
        }
        Ok(())
    }
}

/// A component's place in a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScanComponent {
    /// Its index in the frame.
    pub(crate) index: usize,
    /// Its DC table.
    pub(crate) dc: usize,
    /// Its AC table.
    pub(crate) ac: usize,
}

/// A scan header (B.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScanHeader {
    /// The components in the scan's order.
    pub(crate) components: Vec<ScanComponent>,
    /// The first coefficient, in zigzag order.
    pub(crate) first: u8,
    /// The last coefficient.
    pub(crate) last: u8,
    /// The bit position before this scan; 0 for the first of its coefficients.
    pub(crate) high: u8,
    /// The bit position after this scan.
    pub(crate) low: u8,
    /// Where the segment stands.
    pub(crate) at: usize,
}

impl ScanHeader {
    pub(crate) fn parse(
        segment: &Segment<'_>,
        frame: &[Component],
        progressive: bool,
    ) -> Result<Self, Error> {
        let at = segment.at;
        let corrupt = |what| Error::Corrupt { at, what };
        let p = segment.payload;
        let count = usize::from(*p.first().ok_or_else(|| corrupt("an empty scan header"))?);
        if count == 0 || count > frame.len() {
            return Err(corrupt("a scan with no component or more than the frame has"));
        }
        if p.len() < 4 + 2 * count {
            return Err(corrupt("a scan header that is too short"));
        }
        let mut components: Vec<ScanComponent> = Vec::with_capacity(count);
        for c in p[1..=2 * count].chunks_exact(2) {
            let taken = |index: &usize| components.iter().any(|other| other.index == *index);
            // The first of that name that the scan does not hold yet: files exist whose components share one.
            let index = (0..frame.len())
                .find(|i| frame[*i].id == c[0] && !taken(i))
                .ok_or_else(|| corrupt("a scan of a component that the frame does not have"))?;
            let (dc, ac) = (usize::from(c[1] >> 4), usize::from(c[1] & 15));
            if dc > 3 || ac > 3 {
                return Err(corrupt("a Huffman table outside 0 to 3"));
            }
            components.push(ScanComponent { index, dc, ac });
        }
        let blocks: u32 =
            components.iter().map(|c| u32::from(frame[c.index].h) * u32::from(frame[c.index].v)).sum();
        if count > 1 && blocks > 10 {
            return Err(corrupt("more than 10 blocks in an MCU"));
        }
        let tail = &p[1 + 2 * count..];
        let (first, last, high, low) = (tail[0], tail[1], tail[2] >> 4, tail[2] & 15);
        if !progressive {
            // Sequential scans hold everything, whatever these say (libjpeg warns and goes on).
            return Ok(Self { components, first: 0, last: 63, high: 0, low: 0, at });
        }
        let band = if first == 0 { last == 0 } else { first <= last && last <= 63 && count == 1 };
        // G.1.1.1.1: each refinement adds one bit. 13 is the most a 12-bit sample needs.
        if !band || low > 13 || (high != 0 && high != low + 1) {
            return Err(corrupt("progressive parameters that the standard does not allow"));
        }
        Ok(Self { components, first, last, high, low, at })
    }
}
