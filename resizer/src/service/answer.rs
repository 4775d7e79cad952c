//! Outputs, into the messages of an answer.

use std::sync::Arc;

use bytes::Bytes;
use safelight_proto::{
    CHUNK_SIZE,
    reason::Reason,
    resizer::v1::{Frame, OutputChunk, frame},
};
use tonic::Status;
use tracing::Instrument as _;

use super::translate::{self, FromFrame};
use crate::{
    app::{
        App, Context,
        deliver::Content,
        sink::{Held, OutputHead, Sink, Summary},
    },
    transfer::send::{Receiver, STALL_TIMEOUT, SendError, Sender, channel},
};

/// The frames of an answer, and ahead of them what `first` says once the first output has been made: an answer that
/// begins is one that can be given. They come from a task of their own: see [`crate::transfer::send`].
pub(super) fn stream<T>(
    app: Arc<App>,
    content: Content,
    context: Context,
    first: impl FnOnce() -> Option<T> + Send + 'static,
) -> Receiver<T, Status>
where
    T: FromFrame + Send + 'static,
{
    let abandoned: Status = Reason::Internal.error("the picture could not be made").into();
    let (sender, receiver) = channel(STALL_TIMEOUT, abandoned);
    let task = async move {
        let mut frames = Frames { sender: &sender, first: Some(first), output: 0 };
        let made = tokio::select! {
            made = app.answer(content, &context, &mut frames) => made,
            () = sender.gone() => return,
        };
        match made {
            Ok(()) => sender.finish(),
            Err(error) => sender.fail(error.into()),
        }
    };
    tokio::spawn(task.in_current_span());
    receiver
}

/// An answer of one message.
pub(super) fn only<T: Send + 'static>(message: T) -> Receiver<T, Status> {
    let abandoned: Status = Reason::Internal.error("the answer could not be sent").into();
    let (sender, receiver) = channel(STALL_TIMEOUT, abandoned);
    // The channel is empty, so the message fits; only a receiver that is gone could not take it.
    if sender.try_send(message) {
        sender.finish();
    }
    receiver
}

/// A sink of frames.
struct Frames<'a, T, F> {
    sender: &'a Sender<T, Status>,
    /// What is sent ahead of the first head.
    first: Option<F>,
    /// Position of the output begun last.
    output: u32,
}

async fn send<T: FromFrame>(sender: &Sender<T, Status>, frame: frame::Frame) -> Result<(), SendError> {
    sender.send(T::from_frame(Frame { frame: Some(frame) })).await
}

impl<T, F> Sink for Frames<'_, T, F>
where
    T: FromFrame + Send,
    F: FnOnce() -> Option<T> + Send,
{
    async fn head(&mut self, head: OutputHead) -> Result<(), SendError> {
        if let Some(message) = self.first.take().and_then(|first| first()) {
            self.sender.send(message).await?;
        }
        self.output = translate::count(head.index);
        send(self.sender, frame::Frame::Header(translate::output_header(head))).await
    }

    async fn bytes(&mut self, mut bytes: Bytes) -> Result<(), SendError> {
        let mut offset = 0;
        while !bytes.is_empty() {
            let data = bytes.split_to(bytes.len().min(CHUNK_SIZE));
            let length = data.len() as u64;
            send(self.sender, frame::Frame::Chunk(OutputChunk { output: self.output, offset, data })).await?;
            offset += length;
        }
        Ok(())
    }

    async fn end(&mut self, summary: Summary, _held: Held) -> Result<(), SendError> {
        send(self.sender, frame::Frame::Summary(translate::summary(&summary))).await
    }
}
