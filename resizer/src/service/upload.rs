//! The messages of an upload, into bytes.

use bytes::Bytes;
use safelight_proto::{
    CHUNK_SIZE,
    reason::{CallError, Reason},
    resizer::v1::{
        InspectOpen, InspectRequest, ResizeOpen, ResizeRequest, StoreOpen, StoreRequest, UploadFinish,
        inspect_request, resize_request, store_request,
    },
};
use tonic::{Code, Status, Streaming};

use crate::{
    admission::Reserved,
    app::{App, error, ingest::Begun},
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

impl Message for StoreRequest {
    type Open = StoreOpen;
    fn part(self) -> Part<StoreOpen> {
        match self.message {
            Some(store_request::Message::Open(open)) => Part::Open(open),
            Some(store_request::Message::Chunk(chunk)) => Part::Chunk(chunk),
            Some(store_request::Message::Finish(finish)) => Part::Finish(finish),
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
) -> Result<(Bytes, Reserved), Status> {
    let limit = app.limits().max_source_bytes;
    collect(stream, app.admission().upload(), limit, declared, None).await
}

/// The same of an upload that is to be stored.
pub(super) async fn receive_to_store<M: Message>(
    stream: &mut Streaming<M>,
    begun: &mut Begun,
    declared: Option<u64>,
) -> Result<(Bytes, Reserved), Status> {
    let (room, limit) = (begun.room(), begun.max_bytes());
    collect(stream, room, limit, declared, Some(begun)).await
}

async fn collect<M: Message>(
    stream: &mut Streaming<M>,
    mut reserved: Reserved,
    limit: u64,
    declared: Option<u64>,
    mut begun: Option<&mut Begun>,
) -> Result<(Bytes, Reserved), Status> {
    let refused = if begun.is_some() { error::receive_upload } else { error::receive };
    let mut upload = Upload::new(limit, declared).map_err(refused)?;
    reserved.grow_to(declared.unwrap_or(0)).map_err(error::rejected)?;
    loop {
        if let Some(begun) = &mut begun {
            begun.keep().await?;
        }
        match next(stream).await?.part() {
            Part::Chunk(chunk) => {
                if chunk.len() > CHUNK_SIZE {
                    return Err(CallError::field("chunk", "must have at most 65,536 bytes").into());
                }
                let total = upload.after(chunk.len()).map_err(refused)?;
                reserved.grow_to(total).map_err(error::rejected)?;
                upload.push(chunk).map_err(refused)?;
            }
            Part::Finish(UploadFinish { length, crc32c }) => {
                let bytes = upload.finish(length, crc32c).map_err(refused)?;
                return Ok((bytes, reserved));
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
