//! gzip (RFC 1952): members one after the other, and the zero bytes that `gzip` takes at the end, as tapes have them.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Undoes all members.
pub(super) struct Members<R> {
    /// `None` at the end.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(source: R) -> Self {
        Self { member: Some(GzDecoder::new(source)) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let length = member.read(into)?;
            if length > 0 || into.is_empty() {
                return Ok(length);
            }
            let source = self.member.take().map(GzDecoder::into_inner);
            if let Some(mut source) = source
                && !is_at_end(&mut source)?
            {
                self.member = Some(GzDecoder::new(source));
            }
        }
        Ok(0)
    }
}

/// Whether nothing follows, or nothing but zero bytes.
fn is_at_end(source: &mut impl BufRead) -> io::Result<bool> {
    let mut padded = false;
    loop {
        let buffer = source.fill_buf()?;
        match buffer.iter().position(|byte| *byte != 0) {
            None if buffer.is_empty() => return Ok(true),
            None => {
                let zeros = buffer.len();
                source.consume(zeros);
                padded = true;
            }
            Some(0) if !padded => return Ok(false),
            Some(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "bytes follow that are no gzip member",
                ));
            }
        }
    }
}
