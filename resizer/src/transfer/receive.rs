//! An upload: bounded, with length, checksum and an explicit end.
//!
//! A cancelled stream looks to the server like a clean end of stream (reference: grpc-practice.md, row 8), so
//! an upload is complete only when its sender says so, and says how long it was.

use bytes::{Bytes, BytesMut};

/// Why an upload was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// More bytes than are accepted, declared or sent.
    #[error("the upload has more than {0} bytes")]
    TooLarge(u64),
    /// More bytes than were declared.
    #[error("more bytes came than the {declared} that were declared")]
    TooLong {
        /// Length declared at the start.
        declared: u64,
    },
    /// `finish` names another length than was received.
    #[error("{received} bytes came, and {expected} were declared")]
    LengthMismatch {
        /// Length declared at the start or by `finish`.
        expected: u64,
        /// Bytes received.
        received: u64,
    },
    /// The bytes have another checksum.
    #[error("the bytes do not have the declared CRC-32C")]
    ChecksumMismatch,
}

/// An upload in progress.
#[derive(Debug)]
pub struct Upload {
    bytes: BytesMut,
    /// The first chunk, kept as it came: an upload of one chunk is never copied.
    first: Option<Bytes>,
    declared: Option<u64>,
    limit: u64,
}

impl Upload {
    /// Begins an upload of at most `limit` bytes, of exactly `declared` if that is known.
    ///
    /// # Errors
    /// [`ReceiveError::TooLarge`] when more is declared than is accepted.
    pub fn new(limit: u64, declared: Option<u64>) -> Result<Self, ReceiveError> {
        if declared.is_some_and(|length| length > limit) {
            return Err(ReceiveError::TooLarge(limit));
        }
        Ok(Self { bytes: BytesMut::new(), first: None, declared, limit })
    }

    /// Bytes received.
    #[must_use]
    pub fn received(&self) -> u64 {
        (self.bytes.len() + self.first.as_ref().map_or(0, Bytes::len)) as u64
    }

    /// How many bytes there will be after a chunk of `more`, if they may come.
    ///
    /// # Errors
    /// [`ReceiveError::TooLarge`], [`ReceiveError::TooLong`].
    pub fn after(&self, more: usize) -> Result<u64, ReceiveError> {
        let total = self.received() + more as u64;
        match self.declared {
            Some(declared) if total > declared => Err(ReceiveError::TooLong { declared }),
            _ if total > self.limit => Err(ReceiveError::TooLarge(self.limit)),
            _ => Ok(total),
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// As [`Self::after`].
    pub fn push(&mut self, chunk: Bytes) -> Result<(), ReceiveError> {
        self.after(chunk.len())?;
        if self.received() == 0 {
            self.first = Some(chunk);
            return Ok(());
        }
        if let Some(first) = self.first.take() {
            let expected = self.declared.and_then(|n| usize::try_from(n).ok());
            self.bytes.reserve(expected.unwrap_or(first.len() + chunk.len()));
            self.bytes.extend_from_slice(&first);
        }
        self.bytes.extend_from_slice(&chunk);
        Ok(())
    }

    /// Ends the upload: `length` and `crc32c` as the sender says.
    ///
    /// # Errors
    /// [`ReceiveError::LengthMismatch`], [`ReceiveError::ChecksumMismatch`].
    pub fn finish(self, length: u64, crc32c: Option<u32>) -> Result<Bytes, ReceiveError> {
        let received = self.received();
        for expected in self.declared.into_iter().chain([length]) {
            if expected != received {
                return Err(ReceiveError::LengthMismatch { expected, received });
            }
        }
        let bytes = self.first.unwrap_or_else(|| self.bytes.freeze());
        if crc32c.is_some_and(|crc| crc != crc32c::crc32c(&bytes)) {
            return Err(ReceiveError::ChecksumMismatch);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(limit: u64, declared: Option<u64>, chunks: &[&'static str]) -> Result<Upload, ReceiveError> {
        let mut upload = Upload::new(limit, declared)?;
        for chunk in chunks {
            upload.push(Bytes::from_static(chunk.as_bytes()))?;
        }
        Ok(upload)
    }

    #[test]
    fn chunks_add_up() {
        for chunks in [&["123456789"][..], &["1234", "56789"], &["", "1", "2345678", "", "9"]] {
            let upload = upload(9, None, chunks).unwrap();
            // 0xE3069283 is CRC-32C's published check value of "123456789".
            assert_eq!(upload.finish(9, Some(0xE306_9283)).as_deref(), Ok(&b"123456789"[..]));
        }
    }

    #[test]
    fn limits_hold_while_receiving() {
        assert_eq!(upload(3, Some(4), &[]).err(), Some(ReceiveError::TooLarge(3)));
        assert_eq!(upload(3, None, &["12", "34"]).err(), Some(ReceiveError::TooLarge(3)));
        assert_eq!(upload(9, Some(3), &["12", "34"]).err(), Some(ReceiveError::TooLong { declared: 3 }));
    }

    #[test]
    fn length_and_checksum_must_agree() {
        let short = |declared| upload(9, declared, &["12"]).unwrap();
        let mismatch = ReceiveError::LengthMismatch { expected: 3, received: 2 };
        assert_eq!(short(Some(3)).finish(2, None), Err(mismatch));
        assert_eq!(short(None).finish(3, None), Err(mismatch));
        assert_eq!(short(Some(2)).finish(2, Some(1)), Err(ReceiveError::ChecksumMismatch));
        assert_eq!(upload(9, None, &[]).unwrap().finish(0, Some(0)).as_deref(), Ok(&b""[..]));
    }
}
