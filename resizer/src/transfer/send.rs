//! The answer: a bounded channel from the task that has it to the stream that the transport reads.
//!
//! The task, not the stream, owns what is sent (buffers and reservations): a transport whose peer has stopped
//! reading does not poll the stream, and only a task can give up on its own.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use tokio::sync::mpsc;

/// Messages under way between task and transport: one being sent, one ready.
const DEPTH: usize = 2;
/// How long a reader may take for one message before the answer is given up.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Why sending ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The reader is gone.
    #[error("the caller went away")]
    Gone,
    /// The reader took nothing for [`STALL_TIMEOUT`].
    #[error("the caller stopped reading")]
    Stalled,
}

/// The task's end.
#[derive(Debug)]
pub struct Sender<T, E> {
    messages: mpsc::Sender<T>,
    end: Arc<OnceLock<Option<E>>>,
    stall_timeout: Duration,
}

/// The transport's end: the messages, then how it ended.
#[derive(Debug)]
pub struct Receiver<T, E> {
    messages: mpsc::Receiver<T>,
    end: Arc<OnceLock<Option<E>>>,
    /// What the reader gets from a task that neither finished nor failed: it panicked.
    abandoned: Option<E>,
}

/// A channel for one answer.
#[must_use]
pub fn channel<T, E>(stall_timeout: Duration, abandoned: E) -> (Sender<T, E>, Receiver<T, E>) {
    let (send, receive) = mpsc::channel(DEPTH);
    let end = Arc::new(OnceLock::new());
    (
        Sender { messages: send, end: Arc::clone(&end), stall_timeout },
        Receiver { messages: receive, end, abandoned: Some(abandoned) },
    )
}

impl<T, E> Sender<T, E> {
    /// Sends one message, waiting for the reader.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, message: T) -> Result<(), SendError> {
        match tokio::time::timeout(self.stall_timeout, self.messages.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(SendError::Gone),
            Err(_) => Err(SendError::Stalled),
        }
    }

    /// Sends one message if it can be taken at once; answers whether it was.
    #[must_use]
    pub fn try_send(&self, message: T) -> bool {
        self.messages.try_send(message).is_ok()
    }

    /// Returns when the reader is gone.
    pub async fn gone(&self) {
        self.messages.closed().await;
    }

    /// Ends the answer with a failure, which the reader gets after the messages already sent, however late.
    pub fn fail(self, failure: E) {
        _ = self.end.set(Some(failure)); // set once: `self` is consumed
    }

    /// Ends the answer: it is complete.
    pub fn finish(self) {
        _ = self.end.set(None);
    }
}

impl<T, E: Clone + Unpin> Stream for Receiver<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(message) = std::task::ready!(self.messages.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(message)));
        }
        // `abandoned` is taken in any case: what follows the end is nothing.
        let abandoned = self.abandoned.take();
        let end = abandoned.and_then(|abandoned| self.end.get().cloned().unwrap_or(Some(abandoned)));
        Poll::Ready(end.map(Err))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn messages_then_the_end() {
        for (end, last) in
            [("finish", None), ("fail", Some(Err("broken"))), ("panic", Some(Err("abandoned")))]
        {
            let (send, mut receive) = channel::<u32, &str>(STALL_TIMEOUT, "abandoned");
            send.send(1).await.unwrap();
            match end {
                "finish" => send.finish(),
                "fail" => send.fail("broken"),
                _ => drop(send),
            }
            assert_eq!(receive.next().await, Some(Ok(1)));
            assert_eq!(receive.next().await, last, "{end}");
            assert_eq!(receive.next().await, None, "{end}");
        }
    }

    #[tokio::test]
    async fn a_reader_that_stalls_or_goes_is_noticed() {
        let (send, mut receive) = channel::<u32, &str>(Duration::from_millis(20), "abandoned");
        for message in 0..2 {
            send.send(message).await.unwrap();
        }
        assert_eq!(send.send(2).await, Err(SendError::Stalled));
        assert_eq!(receive.next().await, Some(Ok(0)));
        drop(receive);
        assert_eq!(send.send(3).await, Err(SendError::Gone));
    }
}
