//! A picture, into the body of an answer.
//!
//! A picture is complete before its head is sent: `Content-Length` is exact, and whatever fails has a status of its own.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream as _;
use http_body::{Frame, SizeHint};
use safelight_chassis::{BoxError, http::Body};
use tracing::Instrument as _;

use crate::{
    app::sink::{Held, OutputHead, Sink, Summary},
    transfer::send::{Receiver, STALL_TIMEOUT, SendError, channel},
};

/// Up to this many bytes are left to the connection, whose buffer for an answer is as large.
const BUFFERED: usize = 64 * 1024;
/// Bytes of one piece of a larger picture.
const PIECE: usize = 32 * 1024;

/// A sink that keeps the only output of an order.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) head: Option<OutputHead>,
    pub(super) bytes: Bytes,
    pub(super) end: Option<(Summary, Held)>,
}

impl Sink for Collected {
    async fn head(&mut self, head: OutputHead) -> Result<(), SendError> {
        self.head = Some(head);
        Ok(())
    }

    async fn bytes(&mut self, bytes: Bytes) -> Result<(), SendError> {
        self.bytes = bytes;
        Ok(())
    }

    async fn end(&mut self, summary: Summary, held: Held) -> Result<(), SendError> {
        self.end = Some((summary, held));
        Ok(())
    }
}

/// The body. What the picture occupies is given back once it has been read, or when its reader stalls: the answer is
/// then broken off.
pub(super) fn body(mut bytes: Bytes, held: Held) -> Body {
    if bytes.len() <= BUFFERED {
        return Body::full(bytes);
    }
    let left = bytes.len() as u64;
    let (sender, receiver) = channel(STALL_TIMEOUT, "the picture was not sent to its end");
    let task = async move {
        let held = held;
        while !bytes.is_empty() {
            // Copied: a piece that waits in the connection must not keep the whole picture.
            let piece = Bytes::copy_from_slice(&bytes.split_to(bytes.len().min(PIECE)));
            match sender.send(piece).await {
                Ok(()) => {}
                Err(SendError::Gone) => return,
                Err(SendError::Stalled) => {
                    drop((bytes, held));
                    return sender.fail("the client stopped reading");
                }
            }
        }
        sender.finish();
    };
    tokio::spawn(task.in_current_span());
    Body::new(Pieces { receiver, left })
}

/// A body of known length, in pieces.
struct Pieces {
    receiver: Receiver<Bytes, &'static str>,
    left: u64,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let piece = ready!(Pin::new(&mut self.receiver).poll_next(cx));
        Poll::Ready(piece.map(|piece| {
            let piece = piece?;
            self.left = self.left.saturating_sub(piece.len() as u64);
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
