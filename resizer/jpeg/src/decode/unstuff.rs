//! Entropy-coded segments without their stuffed zeros (B.1.1.5), a window at a time.

use super::entropy::PADDING;
use crate::common::marker;

/// A window over the current entropy-coded segment: bit positions in it are simple.
pub(crate) struct Window<'a> {
    file: &'a [u8],
    /// The next byte of the file to take in; the marker's, once the segment has ended.
    next: usize,
    /// The file's byte that the window's first one comes from.
    origin: usize,
    bytes: Vec<u8>,
    /// Bytes that hold data; [`PADDING`] zeros follow.
    length: usize,
    /// Whether the segment ends within the window.
    ended: bool,
}

impl<'a> Window<'a> {
    /// A window of `capacity` bytes on the segment that starts at byte `at` of the file.
    pub(crate) fn new(file: &'a [u8], at: usize, capacity: usize) -> Self {
        let bytes = vec![0; capacity + PADDING];
        let mut window = Self { file, next: at, origin: at, bytes, length: 0, ended: false };
        window.extend();
        window
    }

    /// The window's bytes, with zeros behind its data.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bits of data in the window.
    pub(crate) fn bits(&self) -> usize {
        self.length * 8
    }

    /// Whether the segment ends with the window's data.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Drops what stands before bit `at` and takes in more; `at` in the new window.
    pub(crate) fn advance(&mut self, at: usize) -> usize {
        let whole = (at / 8).min(self.length);
        self.origin = self.file_position(whole * 8);
        self.bytes.copy_within(whole..self.length, 0);
        self.length -= whole;
        self.extend();
        at - whole * 8
    }

    /// The byte of the file that holds a bit of the window.
    pub(crate) fn file_position(&self, at: usize) -> usize {
        let whole = (at / 8).min(self.length);
        let stuffed = memchr::memchr_iter(0xFF, &self.bytes[..whole]).count();
        self.origin + whole + stuffed
    }

    /// The end of the file.
    pub(crate) fn end(&self) -> usize {
        self.file.len()
    }

    /// The marker that ends the segment and the byte it stands at; `None` at the end of the file.
    pub(crate) fn marker(&self) -> Option<(u8, usize)> {
        self.file.get(self.next + 1).map(|code| (*code, self.next))
    }

    /// Skips the rest of the segment.
    pub(crate) fn skip(&mut self) {
        while !self.ended {
            self.length = 0;
            self.extend();
        }
    }

    /// Starts on the segment behind the marker.
    pub(crate) fn follow(&mut self) {
        self.next = (self.next + 2).min(self.file.len());
        self.origin = self.next;
        self.length = 0;
        self.ended = false;
        self.extend();
    }

    fn extend(&mut self) {
        let capacity = self.bytes.len() - PADDING;
        while !self.ended && self.length < capacity {
            let rest = &self.file[self.next..];
            let rest = &rest[..rest.len().min(capacity - self.length)];
            let plain = memchr::memchr(0xFF, rest).unwrap_or(rest.len());
            self.bytes[self.length..self.length + plain].copy_from_slice(&rest[..plain]);
            self.length += plain;
            self.next += plain;
            if plain < rest.len() {
                match self.file.get(self.next + 1) {
                    Some(0) => {
                        self.bytes[self.length] = 0xFF;
                        self.length += 1;
                        self.next += 2;
                    }
                    // A fill byte (B.1.1.2): the marker's own 0xFF comes later.
                    Some(0xFF) => self.next += 1,
                    _ => self.ended = true,
                }
            } else if self.next == self.file.len() {
                self.ended = true;
            }
        }
        self.bytes[self.length..self.length + PADDING].fill(0);
    }
}

/// The first marker at or behind byte `at` that is neither a restart marker nor stuffing.
pub(crate) fn skip_scan(file: &[u8], mut at: usize) -> usize {
    while let Some(offset) = memchr::memchr(0xFF, file.get(at..).unwrap_or_default()) {
        at += offset;
        match file.get(at + 1) {
            Some(0 | marker::RST0..=marker::RST7) => at += 2,
            Some(0xFF) => at += 1,
            Some(_) => return at,
            None => break,
        }
    }
    file.len()
}
