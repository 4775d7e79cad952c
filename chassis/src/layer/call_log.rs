//! One span and one log line for each call, at the boundary. Never what a request contains.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Code, Status, transport::server::TcpConnectInfo};
use tower_service::Service;
use tracing::{Span, field};

use super::request_id::RequestId;
use crate::{
    access::Identified,
    metrics::calls::{Call, Calls},
};

/// Longest path that is logged, in bytes; ours are far shorter.
const MAX_METHOD: usize = 128;

#[derive(Debug, Clone)]
pub(crate) struct CallLog<S> {
    inner: S,
    counts: Arc<Calls>,
}

impl<S> CallLog<S> {
    pub(crate) const fn new(inner: S, counts: Arc<Calls>) -> Self {
        Self { inner, counts }
    }
}

impl<S, B, R> Service<Request<B>> for CallLog<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    type Response = Response<Logged<R>>;
    type Error = Infallible;
    type Future = LoggedCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        // At the level of the worst line written in it: a filter that lets the line through must let its
        // fields through.
        let span = tracing::error_span!(
            "call",
            rpc.method = method(path), // asked for only where somebody listens
            request.id = field::Empty,
            peer = field::Empty,
            caller = field::Empty
        );
        if let Some(id) = request.extensions().get::<RequestId>() {
            span.record("request.id", id.as_str());
        }
        if let Some(peer) = request.extensions().get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr)
        {
            span.record("peer", field::display(peer));
        }
        if let Some(Identified(Ok(caller))) = request.extensions().get::<Identified>() {
            span.record("caller", caller.as_str());
        }
        let quiet = path == "/grpc.health.v1.Health/Check";
        let count = self.counts.start(path);
        let record = Record { span, start: Instant::now(), end: None, quiet, count };
        let inner = record.span.in_scope(|| self.inner.call(request));
        LoggedCall { inner, record: Some(record) }
    }
}

/// The bytes of names: letters, digits and `_`. A table, for every call's path is looked at.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        plain[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        byte += 1;
    }
    plain
};

/// `package.Service/Method`, if the path is of that form; anything else may hold what must not be logged.
fn method(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    let plain = |b: &u8| PLAIN[usize::from(*b)];
    match path.bytes().position(|b| b == b'/').and_then(|slash| path.as_bytes().split_at_checked(slash)) {
        Some((service, [_, method @ ..]))
            if path.len() <= MAX_METHOD
                && service.iter().all(|b| plain(b) || *b == b'.')
                && method.iter().all(plain) =>
        {
            path
        }
        _ => "other",
    }
}

/// A call that is being answered. Logs when dropped, for then it is over, in whichever way.
#[derive(Debug)]
struct Record {
    span: Span,
    start: Instant,
    /// Code and reason, once known.
    end: Option<(Code, Option<String>)>,
    /// Whether success is not worth a line: probes come every few seconds.
    quiet: bool,
    count: Call,
}

impl Record {
    /// Notes the status, if `headers` has one.
    fn note(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.end = Some((status.code(), safelight_proto::reason::of(&status)));
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // No status: the caller reset the stream, or its connection went away.
        let (code, reason) = self.end.take().unwrap_or_else(|| (Code::Cancelled, Some("GONE".to_owned())));
        let duration = self.start.elapsed();
        self.count.finish(code, duration.as_secs_f64());
        let duration_ms = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX) / 1000;
        let reason = reason.as_deref();
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(parent: &self.span, grpc.code = ?code, reason, duration_ms, "answered")
            };
        }
        match code {
            Code::Ok if self.quiet => line!(debug),
            Code::Internal | Code::Unknown | Code::DataLoss => line!(error),
            Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded => line!(warn),
            _ => line!(info),
        }
    }
}

pin_project! {
    pub(crate) struct LoggedCall<F> {
        #[pin]
        inner: F,
        record: Option<Record>,
    }
}

impl<F, R> Future for LoggedCall<F>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
{
    type Output = Result<Response<Logged<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let entered = this.record.as_ref().map(|record| record.span.enter());
        let Ok(response) = ready!(this.inner.poll(cx));
        drop(entered);
        let mut record = this.record.take();
        if let Some(record) = &mut record {
            record.note(response.headers());
        }
        Poll::Ready(Ok(response.map(|inner| Logged { inner, record })))
    }
}

pin_project! {
    pub(crate) struct Logged<B> {
        #[pin]
        inner: B,
        record: Option<Record>,
    }
}

impl<B: Body<Data = Bytes>> Body for Logged<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        let entered = this.record.as_ref().map(|record| record.span.enter());
        let frame = ready!(this.inner.poll_frame(cx));
        drop(entered);
        let trailers = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::trailers_ref);
        if let (Some(record), Some(trailers)) = (this.record.as_mut(), trailers) {
            record.note(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::method;

    #[test]
    fn only_what_looks_like_a_method_is_logged() {
        assert_eq!(method("/grpc.health.v1.Health/Check"), "grpc.health.v1.Health/Check");
        assert_eq!(method("/photos/cat.jpg"), "other");
        assert_eq!(method("/photos/2026/cat"), "other");
        assert_eq!(method("/"), "other");
        assert_eq!(method("/a b"), "other");
        assert_eq!(method(&format!("/x.Y/{}", "x".repeat(200))), "other");
    }
}
