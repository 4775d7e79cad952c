//! Zstandard (RFC 8878): frames one after the other, skippable ones among them, with their checksums.

use std::{
    error::Error,
    io::{self, BufRead, Read},
    iter,
};

use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// Undoes all frames.
pub(super) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
}

/// Whether the bytes can begin a frame. pzstd begins with a skippable one.
pub(super) fn begins(head: &[u8]) -> bool {
    matches!(head, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(source: R, max_window: u64) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(max_window);
        Self { source, decoder }
    }

    /// Begins the next frame, or skips it.
    fn begin(&mut self) -> io::Result<()> {
        match self.decoder.reset(&mut self.source) {
            Ok(()) => {}
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                let skipped = io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
                if skipped != u64::from(length) {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(error) => return Err(told(&error)),
        }
        Ok(())
    }

    fn is_intact(&self) -> bool {
        let told = self.decoder.get_checksum_from_data();
        told.is_none() || told == self.decoder.get_calculated_checksum()
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.decoder.read(into)?;
            if length > 0 || into.is_empty() {
                return Ok(length);
            }
            if !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.source, one).map_err(|error| told(&error))?;
            } else if !self.is_intact() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum is another"));
            } else if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            } else {
                self.begin()?;
            }
        }
    }
}

/// With the innermost error: the outer ones do not show it.
fn told(error: &FrameDecoderError) -> io::Error {
    let innermost = iter::successors(error.source(), |error| (*error).source()).last();
    io::Error::other(innermost.map_or_else(|| error.to_string(), |innermost| format!("{error}: {innermost}")))
}
