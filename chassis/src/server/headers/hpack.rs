//! HPACK (RFC 7541), the decoder's side: blocks into fields, with the dynamic table; and fields into plain literals.

use std::collections::VecDeque;

use super::huffman;

/// Size of the dynamic table unless the client makes it smaller, in bytes: what HTTP/2 begins with, and hyper leaves.
const TABLE: usize = 4096;

/// What a field counts beyond its name and value, in tables and in the limit on headers.
pub(super) const OVERHEAD: usize = 32;

/// Most bytes that one block may decode to, names and values and 32 for each. A table makes much of few bytes: two name an
/// entry of 4 KiB anew.
const MAX_DECODED: usize = 1024 * 1024;

/// Why a block is not decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It is no HPACK.
    Malformed,
    /// It decodes to more than [`MAX_DECODED`].
    TooLarge,
}

use Bad::Malformed;

#[derive(Debug, PartialEq, Eq, Clone)]
pub(super) struct Entry {
    /// Name, then value.
    bytes: Box<[u8]>,
    name: usize,
}

impl Entry {
    pub(super) const fn size(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }

    fn split(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at(self.name)
    }
}

/// A client's dynamic table.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The newest first.
    pub(super) entries: VecDeque<Entry>,
    pub(super) size: usize,
    pub(super) max: usize,
    /// What it takes to undo the last block: older entries that it evicted, how many of its own are in the table, `max`
    /// before it. Not more than the table, whatever a block holds.
    pub(super) evicted: Vec<Entry>,
    inserted: usize,
    max_before: usize,
    /// Where literals are decoded to: name, then value.
    scratch: Vec<u8>,
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            max: TABLE,
            evicted: Vec::new(),
            inserted: 0,
            max_before: TABLE,
            scratch: Vec::new(),
        }
    }

    /// Hands each field of a whole block to `field`: name, value, and whether it is new, not in a table.
    pub(super) fn decode(
        &mut self,
        mut block: &[u8],
        mut field: impl FnMut(&[u8], &[u8], bool),
    ) -> Result<(), Bad> {
        self.forget();
        let mut decoded = 0;
        let mut field = |name: &[u8], value: &[u8], is_new| {
            field(name, value, is_new);
            decoded += name.len() + value.len() + OVERHEAD;
            if decoded > MAX_DECODED { Err(Bad::TooLarge) } else { Ok(()) }
        };
        while let Some(first) = block.first() {
            match first.leading_zeros() {
                0 => {
                    let (name, value) = self.entry(integer(&mut block, 7)?)?;
                    field(name, value, false)?;
                }
                1 => self.literal(&mut block, 6, &mut field)?,
                2 => {
                    let max = integer(&mut block, 5)?;
                    if max > TABLE {
                        return Err(Malformed);
                    }
                    self.max = max;
                    self.evict();
                }
                // Without indexing, or never indexed.
                _ => self.literal(&mut block, 4, &mut field)?,
            }
        }
        Ok(())
    }

    /// What was decoded is not to be undone.
    pub(super) fn forget(&mut self) {
        self.evicted.clear();
        (self.inserted, self.max_before) = (0, self.max);
        if self.scratch.capacity() > TABLE {
            self.scratch = Vec::new();
        }
    }

    /// Puts the table back to where it was before the last block.
    pub(super) fn undo(&mut self) {
        // What was evicted is older than what is left, and the last of it is the youngest.
        while let Some(entry) = self.evicted.pop() {
            self.size += entry.size();
            self.entries.push_back(entry);
        }
        for entry in self.entries.drain(..self.inserted.min(self.entries.len())) {
            self.size -= entry.size();
        }
        self.inserted = 0;
        self.max = self.max_before;
    }

    /// A literal field; with a `prefix` of 6 bits it also goes into the table.
    fn literal(
        &mut self,
        block: &mut &[u8],
        prefix: u32,
        field: &mut impl FnMut(&[u8], &[u8], bool) -> Result<(), Bad>,
    ) -> Result<(), Bad> {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        match integer(block, prefix)? {
            0 => string(block, &mut text)?,
            index => text.extend_from_slice(self.entry(index)?.0),
        }
        let name = text.len();
        string(block, &mut text)?;
        let (key, value) = text.split_at(name);
        field(key, value, true)?;
        if prefix == 6 {
            let entry = Entry { bytes: text.as_slice().into(), name };
            self.size += entry.size();
            self.inserted += 1;
            self.entries.push_front(entry);
            self.evict();
        }
        self.scratch = text;
        Ok(())
    }

    fn evict(&mut self) {
        while self.size > self.max
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.size();
            if self.entries.len() < self.inserted {
                self.inserted -= 1;
            } else {
                self.evicted.push(entry);
            }
        }
    }

    fn entry(&self, index: usize) -> Result<(&[u8], &[u8]), Bad> {
        let index = index.checked_sub(1).ok_or(Malformed)?;
        if let Some((name, value)) = STATIC.get(index) {
            return Ok((name.as_bytes(), value.as_bytes()));
        }
        self.entries.get(index - STATIC.len()).map(Entry::split).ok_or(Malformed)
    }
}

/// An integer whose first `prefix` bits stand in the first byte.
fn integer(block: &mut &[u8], prefix: u32) -> Result<usize, Bad> {
    let mask = (1 << prefix) - 1;
    let mut value = usize::from(take(block)? & mask);
    if value < usize::from(mask) {
        return Ok(value);
    }
    // Four more bytes at most: 2^28, more than any block has.
    for shift in [0, 7, 14, 21] {
        let byte = take(block)?;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

fn take(block: &mut &[u8]) -> Result<u8, Bad> {
    block.split_off_first().copied().ok_or(Malformed)
}

fn string(block: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Bad> {
    let is_coded = block.first().ok_or(Malformed)? & 0x80 != 0;
    let length = integer(block, 7)?;
    let text = block.split_off(..length).ok_or(Malformed)?;
    if is_coded {
        return huffman::decode(text, out).ok_or(Malformed);
    }
    out.extend_from_slice(text);
    Ok(())
}

/// Writes a field as a literal that goes into no table.
pub(super) fn encode(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(0);
    for text in [name, value] {
        write_length(text.len(), out);
        out.extend_from_slice(text);
    }
}

pub(super) fn write_length(mut length: usize, out: &mut Vec<u8>) {
    if length < 0x7f {
        out.push(length.to_le_bytes()[0]);
        return;
    }
    out.push(0x7f);
    length -= 0x7f;
    while length >= 0x80 {
        out.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    out.push(length.to_le_bytes()[0]);
}

/// RFC 7541, appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];
