//! What happens around every request: its id, its log line, its end in time, panics.

use std::{
    convert::Infallible,
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use safelight_proto::reason::{CallError, Reason};
use tracing::Span;

use super::{Body, Handler, Peer};
use crate::{
    BoxError,
    layer::request_id::{self, Maker, TRACE_PARENT, TraceParent},
    metrics::ports::Requests,
    server::{census::Busy, headers::TOO_LARGE, stream},
};

/// Why an answer broke off.
const BROKEN: &str = "BROKEN";
/// Why it was not heard to its end.
const GONE: &str = "GONE";

type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A handler of any type.
type Handle = dyn Fn(Request<Incoming>, Peer) -> Answering + Send + Sync;
type Refuse = dyn Fn(&CallError, &str) -> Response<Body> + Send + Sync;

/// How long an HTTP/2 client may leave no room for a part of an answer before the answer is reset.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);

/// A handler, and what is around it.
#[derive(Clone)]
pub(crate) struct Service {
    handle: Arc<Handle>,
    refuse: Arc<Refuse>,
    ids: Maker,
    counts: Requests,
    /// Whether success is not worth a line in the log.
    is_quiet: bool,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service {
    pub(crate) fn new(handler: impl Handler, counts: Requests) -> Self {
        let refusing = handler.clone();
        let refuse = move |error: &CallError, id: &str| refusing.refuse(error, id);
        let handle = move |request, peer| -> Answering {
            let handler = handler.clone();
            Box::pin(async move { handler.handle(request, peer).await })
        };
        Self {
            handle: Arc::new(handle),
            refuse: Arc::new(refuse),
            ids: Maker::new(),
            counts,
            is_quiet: false,
        }
    }

    /// Does not log success: probes come every few seconds.
    pub(crate) fn quiet(self) -> Self {
        Self { is_quiet: true, ..self }
    }

    /// Answers a request. `busy` is held until the answer's end, or for `limit` if the client reads it too slowly.
    pub(crate) fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: Peer,
        busy: Busy,
        limit: Duration,
    ) -> impl Future<Output = Result<Response<Logged>, Infallible>> + Send + use<> {
        let start = Instant::now();
        let end = start.checked_add(limit);
        let id = self.ids.of(request.headers());
        let method = method(request.method());
        let (is_head, is_http2) = (request.method() == Method::HEAD, request.version() == Version::HTTP_2);
        // At the level of the worst line written in it: a filter that lets the line through must let its fields through.
        let span = tracing::error_span!(
            "request",
            http.method = method,
            request.id = id.as_str(),
            trace.id = tracing::field::Empty,
            peer = peer.remote.map(tracing::field::display)
        );
        if let Some(parent) = request.headers().get(TRACE_PARENT).and_then(TraceParent::accept) {
            span.record("trace.id", parent.trace_id());
            request.extensions_mut().insert(parent);
        }
        request.extensions_mut().insert(id.clone());
        let (counts, is_quiet) = (self.counts.clone(), self.is_quiet);
        let mut record = Record {
            span,
            start,
            method,
            status: None,
            reason: None,
            cut: Some(GONE),
            counts,
            is_quiet,
            _busy: busy,
        };
        let (handle, refuse) = (Arc::clone(&self.handle), Arc::clone(&self.refuse));
        async move {
            // In the request's own task, of HTTP/2. An HTTP/1.1 connection is cut as a whole.
            stream::cut_at(end);
            let mut answering = None;
            // HTTP/1.1's are bounded by hyper.
            let is_large = request.headers().contains_key(TOO_LARGE);
            let mut request = Some(request).filter(|_| !is_large);
            let answer = poll_fn(|cx| {
                let _entered = record.span.enter();
                // Unwind safety: what a panic left half done is the future, and that is never touched again.
                catch_unwind(AssertUnwindSafe(|| {
                    if let Some(request) = request.take() {
                        answering = Some(handle(request, peer));
                    }
                    match &mut answering {
                        Some(answering) => answering.as_mut().poll(cx).map(Some),
                        None => Poll::Ready(None),
                    }
                }))
                .unwrap_or(Poll::Ready(None))
            })
            .await;
            drop(answering);
            let mut response = answer.unwrap_or_else(|| {
                let error = match is_large {
                    true => Reason::MetadataTooLarge.error("the request's head is too large"),
                    // It panicked. What it said is in the log (see `telemetry`).
                    false => Reason::Internal.error("the request could not be answered"),
                };
                refuse(&error, id.as_str())
            });
            response.headers_mut().insert(request_id::HEADER, id.value().clone());
            record.status = Some(response.status());
            record.reason = response.extensions_mut().remove();
            if is_head || http_body::Body::is_end_stream(response.body()) {
                record.cut = None;
            }
            let left = http_body::Body::size_hint(response.body()).exact().filter(|_| !is_http2);
            Ok(response.map(|body| Logged { body, left, end, record }))
        }
    }
}

/// The methods that there are. Others may hold what must not be logged.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// A request that is being answered. Logs when dropped, for then it is over, in whichever way.
#[derive(Debug)]
struct Record {
    span: Span,
    start: Instant,
    /// Once there is an answer.
    status: Option<StatusCode>,
    /// What the handler said of it.
    reason: Option<super::Reason>,
    /// Why the answer was not handed on whole; `None` if it was.
    cut: Option<&'static str>,
    method: &'static str,
    counts: Requests,
    is_quiet: bool,
    _busy: Busy,
}

impl Drop for Record {
    fn drop(&mut self) {
        let duration = self.start.elapsed();
        let duration_ms = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX) / 1000;
        let status = self.status.map(|status| status.as_u16());
        self.counts.count(self.method, status, duration.as_secs_f64());
        let reason = self.cut.or_else(|| self.reason.as_ref().map(|super::Reason(reason)| &**reason));
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(parent: &self.span, http.status = status, reason, duration_ms, "answered")
            };
        }
        match status {
            Some(200) if self.is_quiet => line!(debug),
            Some(500) => line!(error),
            Some(429 | 501..) => line!(warn),
            _ if self.cut == Some(BROKEN) => line!(warn),
            _ => line!(info),
        }
    }
}

/// The body of an answer, whose end is logged.
#[derive(Debug)]
pub(crate) struct Logged {
    body: Body,
    /// Bytes to come, where hyper asks no more once it has what was announced: over HTTP/1.1.
    left: Option<u64>,
    /// When it is cut off, however it is read.
    end: Option<Instant>,
    record: Record,
}

impl http_body::Body for Logged {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        stream::cut_at(this.end);
        let entered = this.record.span.enter();
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut this.body).poll_frame(cx)));
        drop(entered);
        let frame = match polled {
            Ok(poll) => ready!(poll),
            Err(_) => Some(Err("panicked".into())),
        };
        match &frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                this.left = this.left.map(|left| left.saturating_sub(length));
                // The connection asks for the next part once there was room for this one.
                let stalled = Instant::now().checked_add(STALL_TIMEOUT);
                stream::cut_at(stalled.into_iter().chain(this.end).min());
                if this.left == Some(0) || this.body.is_end_stream() {
                    this.record.cut = None;
                }
            }
            Some(Err(error)) => {
                this.record.cut = Some(BROKEN);
                tracing::warn!(parent: &this.record.span, %error, "the answer broke off");
            }
            None => this.record.cut = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
