//! A request's body: its pace, and its end when it is refused.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, header};
use http_body::Body as _;
use hyper::body::Incoming as Body;
use safelight_proto::reason::{CallError, Reason};
use tokio::{
    sync::mpsc,
    time::{timeout, timeout_at},
};

use super::{super::request::only, form};

/// How long a client may send nothing.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// For so long a client may be as slow as it is.
const GRACE: Duration = Duration::from_secs(10);
/// Bytes a second that come after that, at least, on average from the start: 64 kbit/s. Slower ones hold a place and memory that
/// others could use.
const LEAST_RATE: u64 = 8 * 1024;
/// Most bytes of a form besides its file, but for the piece that they end in: names, values, and what stands between.
pub(super) const MAX_FORM_OVERHEAD: u64 = 64 * 1024;
/// Most bytes that are read and thrown away of an upload that was refused.
const MAX_DISCARDED: u64 = 32 * 1024 * 1024;
/// How long that may take.
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// The body of a request that may be refused before it has come to its end.
pub(super) struct Incoming {
    body: Option<Body>,
    /// Whether the client waits to be asked for it: then a refusal costs nothing.
    is_waiting: bool,
    pieces: Option<mpsc::Receiver<Result<Bytes, CallError>>>,
}

impl Incoming {
    /// Reads nothing yet.
    pub(super) fn new(body: Body, headers: &HeaderMap) -> Self {
        let expects = only(headers, &header::EXPECT);
        let is_waiting = expects.is_some_and(|text| text.eq_ignore_ascii_case("100-continue"));
        Self { body: Some(body), is_waiting, pieces: None }
    }

    /// Refuses a body that is declared to be longer than `limit`.
    pub(super) fn check_length(&self, limit: u64, declared: Option<u64>) -> Result<(), CallError> {
        if declared.is_some_and(|length| length > limit) {
            return Err(Reason::UploadTooLarge.error(format!("the upload has more than {limit} bytes")));
        }
        Ok(())
    }

    /// Begins to read. A client that waits is told to send.
    pub(super) fn start(&mut self, until: Instant) {
        if let Some(body) = self.body.take() {
            let (sender, receiver) = mpsc::channel(1);
            self.pieces = Some(receiver);
            tokio::spawn(pump(body, sender, until));
        }
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        let Some(pieces) = &mut self.pieces else { return Ok(None) };
        pieces.recv().await.transpose()
    }

    /// The rest of it, for a parser of forms, and what is to be told of the parser's progress.
    pub(super) fn stream(&mut self) -> (Pieces, Progress) {
        let progress = Progress::default();
        let pieces =
            Pieces { pieces: self.pieces.take(), read: 0, progress: progress.clone(), is_to_rest: false };
        (pieces, progress)
    }

    /// Reads what is left of a body that was never begun, and throws it away. One that was begun is read on by its own task.
    pub(super) fn discard(&mut self) {
        if let Some(body) = self.body.take().filter(|_| !self.is_waiting) {
            tokio::spawn(discard(body));
        }
    }
}

/// How many bytes of a form were taken as its file's. The rest is what the parser holds, or has made fields of.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Bytes of the file have been taken.
    pub(super) fn take(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Pieces of a form. After each it lets its reader work on what there is.
pub(super) struct Pieces {
    pieces: Option<mpsc::Receiver<Result<Bytes, CallError>>>,
    /// Bytes handed on.
    read: u64,
    progress: Progress,
    is_to_rest: bool,
}

impl Stream for Pieces {
    type Item = Result<Bytes, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // The parser reads until nothing is ready, and keeps it all: without this a fast client's file would be there twice.
        if std::mem::take(&mut self.is_to_rest) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.read.saturating_sub(self.progress.0.load(Ordering::Relaxed)) > MAX_FORM_OVERHEAD {
            let text = format!("the form has more than {MAX_FORM_OVERHEAD} bytes besides its file");
            return Poll::Ready(Some(Err(form::invalid(text))));
        }
        let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
        let piece = ready!(pieces.poll_recv(cx));
        if let Some(Ok(bytes)) = &piece {
            self.read += bytes.len() as u64;
            self.is_to_rest = true;
        }
        Poll::Ready(piece)
    }
}

/// Reads a body to its end, for as long as someone takes it; then reads what still comes and throws it away.
async fn pump(mut body: Body, sender: mpsc::Sender<Result<Bytes, CallError>>, until: Instant) {
    let began = Instant::now();
    let mut received = 0_u64;
    loop {
        let least = tokio::time::Instant::from_std((Instant::now() + STALL_TIMEOUT).min(until));
        let frame = tokio::select! {
            frame = timeout_at(least, next(&mut body)) => frame,
            () = sender.closed() => break,
        };
        let piece = match frame {
            Ok(Some(Ok(bytes))) => {
                received += bytes.len() as u64;
                let slow = began.elapsed().saturating_sub(GRACE).as_secs() * LEAST_RATE > received;
                if slow { Err(late("the file comes too slowly")) } else { Ok(bytes) }
            }
            Ok(Some(Err(()))) => Err(Reason::UploadIncomplete.error("the upload broke off")),
            Ok(None) => return,
            Err(_) => Err(late("the file did not come in time")),
        };
        let is_over = piece.is_err();
        if sender.send(piece).await.is_err() || is_over {
            break;
        }
    }
    drop(sender);
    discard(body).await;
}

fn late(text: &str) -> CallError {
    Reason::UploadTimeout.error(text)
}

async fn discard(mut body: Body) {
    let mut left = MAX_DISCARDED;
    let read = async {
        while let Some(Ok(bytes)) = next(&mut body).await {
            left = left.saturating_sub(bytes.len() as u64);
            if left == 0 {
                break;
            }
        }
    };
    _ = timeout(DISCARD_TIME, read).await;
}

/// The next bytes of a body. Trailers are none.
async fn next(body: &mut Body) -> Option<Result<Bytes, ()>> {
    loop {
        match poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await? {
            Ok(frame) => {
                if let Ok(bytes) = frame.into_data() {
                    return Some(Ok(bytes));
                }
            }
            Err(_) => return Some(Err(())),
        }
    }
}
