//! The messages of an upload, into bytes.

use bytes::Bytes;
use safelight_proto::{
    CHUNK_SIZE,
    reason::{CallError, Reason},
    resizer::v1::{
        InspectOpen, InspectRequest, ResizeOpen, ResizeRequest, UploadFinish, inspect_request, resize_request,
    },
};
use tonic::{Code, Status, Streaming};

use crate::{
    admission::Reserved,
    app::{App, error, source::SourceBytes},
    transfer::receive::Upload,
};

/// One message of an upload.
pub(super) enum Part<O> {
    Open(O),
    Chunk(Bytes),
    Finish(UploadFinish),
    Nothing,
}

/// A message of an upload, whichever method it belongs to.
pub(super) trait Message {
    /// What the first message holds.
    type Open;
    fn part(self) -> Part<Self::Open>;
}

impl Message for ResizeRequest {
    type Open = ResizeOpen;
    fn part(self) -> Part<ResizeOpen> {
        match self.message {
            Some(resize_request::Message::Open(open)) => Part::Open(open),
            Some(resize_request::Message::Chunk(chunk)) => Part::Chunk(chunk),
            Some(resize_request::Message::Finish(finish)) => Part::Finish(finish),
            None => Part::Nothing,
        }
    }
}

impl Message for InspectRequest {
    type Open = InspectOpen;
    fn part(self) -> Part<InspectOpen> {
        match self.message {
            Some(inspect_request::Message::Open(open)) => Part::Open(open),
            Some(inspect_request::Message::Chunk(chunk)) => Part::Chunk(chunk),
            Some(inspect_request::Message::Finish(finish)) => Part::Finish(finish),
            None => Part::Nothing,
        }
    }
}

/// Receives the first message.
pub(super) async fn open<M: Message>(stream: &mut Streaming<M>) -> Result<M::Open, Status> {
    match next(stream).await?.part() {
        Part::Open(open) => Ok(open),
        _ => Err(protocol("the first message must be `open`")),
    }
}

/// Receives the bytes that follow, up to `finish`. The reservation is for the bytes, and must live as long.
pub(super) async fn receive<M: Message>(
    stream: &mut Streaming<M>,
    app: &App,
    declared: Option<u64>,
) -> Result<(SourceBytes, Reserved), Status> {
    let mut upload = Upload::new(app.limits().max_source_bytes, declared).map_err(error::receive)?;
    let mut reserved = app.admission().upload();
    reserved.grow_to(declared.unwrap_or(0)).map_err(error::rejected)?;
    loop {
        match next(stream).await?.part() {
            Part::Chunk(chunk) => {
                if chunk.len() > CHUNK_SIZE {
                    return Err(CallError::field("chunk", "must have at most 65,536 bytes").into());
                }
                let total = upload.after(chunk.len()).map_err(error::receive)?;
                reserved.grow_to(total).map_err(error::rejected)?;
                upload.push(chunk).map_err(error::receive)?;
            }
            Part::Finish(UploadFinish { length, crc32c }) => {
                let bytes = upload.finish(length, crc32c).map_err(error::receive)?;
                return Ok((bytes.into(), reserved));
            }
            Part::Open(_) => return Err(protocol("`open` must come once")),
            Part::Nothing => return Err(protocol("a message must be `open`, `chunk` or `finish`")),
        }
    }
}

async fn next<M>(stream: &mut Streaming<M>) -> Result<M, Status> {
    let incomplete = || Reason::UploadIncomplete.error("the stream ended before `finish`").into();
    match stream.message().await {
        Ok(Some(message)) => Ok(message),
        // A cancelled stream looks like this as well: whatever came must not be used.
        Ok(None) => Err(incomplete()),
        Err(status) if matches!(status.code(), Code::Cancelled | Code::Unknown) => Err(incomplete()),
        Err(status) => Err(status),
    }
}

fn protocol(message: &str) -> Status {
    Reason::UploadProtocol.error(message).into()
}
