//! A picture, into the body of an answer.
//!
//! A picture is complete before its head is sent: `Content-Length` is exact, and whatever fails has a status of its own.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream as _;
use http_body::{Frame, SizeHint};
use safelight_chassis::{BoxError, http::Body};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::{
    admission::Reserved,
    app::sink::Held,
    transfer::send::{Receiver, STALL_TIMEOUT, SendError, channel},
};

/// A picture of up to this many bytes gives its place back at once: sending it takes no more of us.
const SMALL: usize = 64 * 1024;
/// Bytes of one piece.
const PIECE: usize = 32 * 1024;

/// The body. The picture's memory stays reserved for as long as any of its bytes wait in the connection. The request's place
/// is given back when the last of a large one is on its way, or when its reader stalls: the answer is then broken off.
pub(super) fn body(bytes: Bytes, held: Held) -> Body {
    let left = bytes.len() as u64;
    let Held { memory, place } = held;
    let place = (bytes.len() > SMALL).then_some(place);
    let (unsent, sent) = oneshot::channel();
    let mut bytes = Bytes::from_owner(Unsent { bytes, _memory: memory, _unsent: unsent });
    let (sender, receiver) = channel(STALL_TIMEOUT, "the picture was not sent to its end");
    let task = async move {
        while !bytes.is_empty() {
            match sender.send(bytes.split_to(bytes.len().min(PIECE))).await {
                Ok(()) => {}
                Err(SendError::Gone) => return,
                Err(SendError::Stalled) => {
                    drop((bytes, place));
                    return sender.fail("the client stopped reading");
                }
            }
        }
        drop((bytes, place));
        // Over HTTP/2 an answer whose end was said can no longer be cut off, whatever of it still waits.
        tokio::select! {
            _ = sent => sender.finish(),
            () = sender.gone() => {}
        }
    };
    tokio::spawn(task.in_current_span());
    Body::new(Pieces { receiver, left })
}

/// Bytes of a picture with the memory that is reserved for them. Dropped with the last piece of them.
struct Unsent {
    bytes: Bytes,
    _memory: Arc<Reserved>,
    /// Tells the task of the drop.
    _unsent: oneshot::Sender<Infallible>,
}

impl AsRef<[u8]> for Unsent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
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

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        time::{Duration, Instant},
    };

    use http_body::Body as _;

    use super::*;
    use crate::admission::{Admission, Config};

    async fn next(body: &mut Body) -> Option<Bytes> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        frame.unwrap().into_data().ok()
    }

    #[tokio::test]
    async fn memory_is_reserved_until_the_last_byte_is_gone() {
        let admission = Admission::new(&Config::default()).unwrap();
        for (length, is_small) in [(1, true), (SMALL, true), (SMALL + 1, false), (10 * PIECE, false)] {
            let memory =
                admission.pixels(length as u64, Instant::now() + Duration::from_secs(9)).await.unwrap();
            let held = Held { memory: memory.into(), place: admission.enter().unwrap() };
            let mut body = body(vec![7; length].into(), held);
            assert_eq!(admission.requests() == 0, is_small, "{length}");
            assert_eq!(body.size_hint().exact(), Some(length as u64));
            let mut pieces = Vec::new();
            while body.size_hint().exact() != Some(0) {
                assert!(!body.is_end_stream());
                pieces.push(next(&mut body).await.unwrap());
            }
            assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), length);
            // The connection has it all, and the client none of it: the answer is not over.
            let last = pieces.pop();
            drop(pieces);
            let end = tokio::time::timeout(Duration::from_millis(20), next(&mut body)).await;
            assert!(end.is_err() && admission.pixel_budget().used() >= length as u64, "{length}");
            drop(last);
            assert_eq!(next(&mut body).await, None);
            assert_eq!((admission.requests(), admission.pixel_budget().used()), (0, 0), "{length}");
        }
    }
}
