//! Pictures as messages: an upload cut into chunks, and an answer's frames put together again.

use bytes::{Bytes, BytesMut};

use crate::{
    CHUNK_SIZE,
    resizer::v1::{
        Frame, InspectOpen, InspectRequest, OutputHeader, ResizeOpen, ResizeRequest, Summary, UploadFinish,
        frame, inspect_request, resize_request,
    },
};

/// The messages of a `Resize`: `open`, chunks, and `finish` with length and checksum.
pub fn resize(open: ResizeOpen, bytes: Bytes) -> impl Iterator<Item = ResizeRequest> + Send {
    use resize_request::Message;
    let finish = finish(&bytes);
    let message = |message| ResizeRequest { message: Some(message) };
    std::iter::once(message(Message::Open(open)))
        .chain(chunks(bytes).map(move |chunk| message(Message::Chunk(chunk))))
        .chain(std::iter::once(message(Message::Finish(finish))))
}

/// The messages of an `Inspect` of bytes.
pub fn inspect(open: InspectOpen, bytes: Bytes) -> impl Iterator<Item = InspectRequest> + Send {
    use inspect_request::Message;
    let finish = finish(&bytes);
    let message = |message| InspectRequest { message: Some(message) };
    std::iter::once(message(Message::Open(open)))
        .chain(chunks(bytes).map(move |chunk| message(Message::Chunk(chunk))))
        .chain(std::iter::once(message(Message::Finish(finish))))
}

/// Cuts bytes into chunks of [`CHUNK_SIZE`], without copying.
pub fn chunks(mut bytes: Bytes) -> impl Iterator<Item = Bytes> + Send {
    std::iter::from_fn(move || {
        let length = bytes.len().min(CHUNK_SIZE);
        (length > 0).then(|| bytes.split_to(length))
    })
}

fn finish(bytes: &Bytes) -> UploadFinish {
    UploadFinish { length: bytes.len() as u64, crc32c: Some(crc32c::crc32c(bytes)) }
}

/// One picture of an answer, complete and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// What the resizer says of it.
    pub header: OutputHeader,
    /// The file.
    pub bytes: Bytes,
}

/// Why frames do not make an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// A frame that this version does not know, or an empty one.
    #[error("an unknown frame")]
    Unknown,
    /// A chunk that does not continue the output begun last.
    #[error("a chunk that does not continue the output begun last")]
    OutOfOrder,
    /// An output with another length or checksum than its header says.
    #[error("an output does not have the length and checksum of its header")]
    Damaged,
    /// The frames end before the summary.
    #[error("the answer is incomplete")]
    Incomplete,
}

/// Puts the frames of an answer together.
#[derive(Debug, Default)]
pub struct Assembler {
    pictures: Vec<Picture>,
    current: Option<(OutputHeader, BytesMut)>,
    summary: Option<Summary>,
}

impl Assembler {
    /// Takes the next frame.
    ///
    /// # Errors
    /// [`FramingError`]: the answer is not to be used.
    pub fn push(&mut self, frame: Frame) -> Result<(), FramingError> {
        match frame.frame.ok_or(FramingError::Unknown)? {
            frame::Frame::Header(header) => {
                self.complete()?;
                self.current = Some((header, BytesMut::new()));
            }
            frame::Frame::Chunk(chunk) => {
                let (header, bytes) = self.current.as_mut().ok_or(FramingError::OutOfOrder)?;
                if chunk.output != header.output || chunk.offset != bytes.len() as u64 {
                    return Err(FramingError::OutOfOrder);
                }
                bytes.extend_from_slice(&chunk.data);
            }
            frame::Frame::Summary(summary) => {
                self.complete()?;
                self.summary = Some(summary);
            }
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<(), FramingError> {
        let Some((header, bytes)) = self.current.take() else { return Ok(()) };
        if header.size != bytes.len() as u64 || header.crc32c != crc32c::crc32c(&bytes) {
            return Err(FramingError::Damaged);
        }
        self.pictures.push(Picture { header, bytes: bytes.freeze() });
        Ok(())
    }

    /// The pictures in the order asked, and the summary.
    ///
    /// # Errors
    /// [`FramingError::Incomplete`] when a picture or the summary has not come.
    pub fn finish(mut self) -> Result<(Vec<Picture>, Summary), FramingError> {
        let summary = self.summary.ok_or(FramingError::Incomplete)?;
        if u32::try_from(self.pictures.len()) != Ok(summary.outputs) {
            return Err(FramingError::Incomplete);
        }
        self.pictures.sort_by_key(|picture| picture.header.output);
        Ok((self.pictures, summary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resizer::v1::OutputChunk;

    fn frame(frame: frame::Frame) -> Frame {
        Frame { frame: Some(frame) }
    }

    fn output(number: u32, bytes: &'static [u8]) -> Vec<Frame> {
        let header = OutputHeader {
            output: number,
            size: bytes.len() as u64,
            crc32c: crc32c::crc32c(bytes),
            ..Default::default()
        };
        let mut frames = vec![frame(frame::Frame::Header(header))];
        let mut offset = 0;
        for data in bytes.chunks(4) {
            let data = Bytes::from_static(data);
            let length = data.len() as u64;
            frames.push(frame(frame::Frame::Chunk(OutputChunk { output: number, offset, data })));
            offset += length;
        }
        frames
    }

    fn assemble(frames: Vec<Frame>) -> Result<Vec<Bytes>, FramingError> {
        let mut assembler = Assembler::default();
        for frame in frames {
            assembler.push(frame)?;
        }
        assembler.finish().map(|(pictures, _)| pictures.into_iter().map(|picture| picture.bytes).collect())
    }

    #[test]
    fn frames_make_pictures_in_the_order_asked() {
        let summary = frame(frame::Frame::Summary(Summary { outputs: 2, ..Default::default() }));
        let frames = [output(1, b"second"), output(0, b"the first one"), vec![summary]].concat();
        assert_eq!(assemble(frames.clone()).unwrap(), [&b"the first one"[..], b"second"]);

        for cut in 0..frames.len() {
            assert!(assemble(frames[..cut].to_vec()).is_err(), "{cut}");
            let mut without = frames.clone();
            without.remove(cut);
            assert!(assemble(without).is_err(), "without {cut}");
        }
        let mut swapped = frames;
        swapped.swap(4, 5);
        assert_eq!(assemble(swapped), Err(FramingError::OutOfOrder));
    }

    #[test]
    fn an_upload_is_open_chunks_finish() {
        let bytes = Bytes::from(vec![7; CHUNK_SIZE + 1]);
        let messages: Vec<_> = resize(ResizeOpen::default(), bytes).filter_map(|m| m.message).collect();
        let [
            resize_request::Message::Open(_),
            resize_request::Message::Chunk(first),
            resize_request::Message::Chunk(second),
            resize_request::Message::Finish(finish),
        ] = &messages[..]
        else {
            panic!("{messages:?}")
        };
        assert_eq!((first.len(), second.len(), finish.length), (CHUNK_SIZE, 1, CHUNK_SIZE as u64 + 1));
    }
}
