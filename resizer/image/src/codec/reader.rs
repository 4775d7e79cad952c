//! Reading headers: numbers from a slice, one after another. And files whose start is another than the one that is stored.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use crate::error::ImageError;

/// A position in a file. Every read past the end is "cut off".
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// What was read since an earlier state of this reader.
    pub(crate) fn since(&self, earlier: &Self) -> &'a [u8] {
        let length = earlier.rest.len().saturating_sub(self.rest.len());
        earlier.rest.get(..length).unwrap_or_default()
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], ImageError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ImageError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ImageError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16_le(&mut self) -> Result<u16, ImageError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u24_le(&mut self) -> Result<u32, ImageError> {
        self.array().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    pub(crate) fn u32_be(&mut self) -> Result<u32, ImageError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u32_le(&mut self) -> Result<u32, ImageError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn fourcc(&mut self) -> Result<[u8; 4], ImageError> {
        self.array()
    }
}

/// What is said of a file that ends too early.
pub(crate) const CUT_OFF: ImageError = ImageError::Corrupt("it is cut off");

/// A file in two pieces: a start that was written anew, and the rest as it is stored.
pub(crate) struct Spliced<'a> {
    start: Vec<u8>,
    rest: &'a [u8],
    at: u64,
}

impl<'a> Spliced<'a> {
    pub(crate) const fn new(start: Vec<u8>, rest: &'a [u8]) -> Self {
        Self { start, rest, at: 0 }
    }

    /// What is left of the piece that the position is in.
    fn piece(&self) -> &[u8] {
        let at = usize::try_from(self.at).unwrap_or(usize::MAX);
        match at.checked_sub(self.start.len()) {
            None => self.start.get(at..).unwrap_or_default(),
            Some(at) => self.rest.get(at..).unwrap_or_default(),
        }
    }
}

impl Read for Spliced<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let read = self.piece().read(target)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Spliced<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.piece())
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.at.saturating_add(u64::try_from(amount).unwrap_or(u64::MAX));
    }
}

impl Seek for Spliced<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let length = u64::try_from(self.start.len().saturating_add(self.rest.len())).unwrap_or(u64::MAX);
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spliced_file_reads_and_seeks_as_one() {
        let whole: Vec<u8> = (0..200).collect();
        for cut in [0, 1, 77, 200] {
            let mut spliced = Spliced::new(whole[..cut].to_vec(), &whole[cut..]);
            let mut read = Vec::new();
            spliced.read_to_end(&mut read).unwrap();
            assert_eq!(read, whole);
            for (to, at) in
                [(SeekFrom::Start(150), 150), (SeekFrom::Current(-100), 50), (SeekFrom::End(-3), 197)]
            {
                assert_eq!(spliced.seek(to).unwrap(), at);
                let mut next = [0; 2];
                spliced.read_exact(&mut next).unwrap();
                assert_eq!(next, whole[usize::try_from(at).unwrap()..][..2]);
                spliced.seek(SeekFrom::Current(-2)).unwrap();
            }
            assert!(spliced.seek(SeekFrom::Current(-300)).is_err());
            spliced.seek(SeekFrom::Start(1000)).unwrap();
            assert_eq!(spliced.fill_buf().unwrap(), b"");
        }
    }
}
