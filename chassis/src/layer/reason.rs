//! Sees to it that every error carries `ErrorInfo`.
//!
//! Our handlers make errors from [`Reason`]; tonic makes its own without a reason: an unknown method, a
//! message that is too large or cannot be decoded, an unknown service in the health protocol. Those are
//! recognised by code and text (pinned by tests) and given the reason, code and message of our table.
//! Whatever is not recognised is a fault of ours: INTERNAL, with the text in the log only.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use safelight_proto::reason::{CallError, Reason};
use tonic::{Code, Status};
use tower_service::Service;

use super::request_id::RequestId;

/// What tonic and prost say when they cannot take a message, all with code INTERNAL. The texts tell only
/// sizes and field names, so they are passed on.
const UNREADABLE: &[&str] = &[
    "failed to decode Protobuf message",
    "protocol error: received message",
    "Missing request message",
    "Unexpected EOF decoding stream",
];

/// Most bytes of tonic's texts that are passed on. Some repeat what the caller sent, and an answer whose trailers are
/// longer than the caller's limit on headers reaches it without a status at all.
const MAX_TEXT: usize = 256;

/// A fault of ours: the caller gets nothing but the id to ask about.
pub(crate) fn internal(id: Option<&RequestId>) -> CallError {
    match id {
        None => Reason::Internal.error("internal error"),
        Some(id) => {
            Reason::Internal.error(format!("internal error; request id {id}")).with("request_id", id.as_str())
        }
    }
}

/// The trailers that end an answer with this error.
pub(crate) fn trailers(error: CallError) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    write(error, &mut trailers);
    trailers
}

/// Puts the error into a head or trailers, in place of the one there.
fn write(error: CallError, headers: &mut HeaderMap) {
    // Cannot fail: the message is percent-encoded and the details are base64.
    _ = Status::from(error).add_header(headers);
}

/// Gives the status in a head or trailers a reason, if it is an error without one.
fn complete(headers: &mut HeaderMap, id: Option<&RequestId>) {
    if headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return;
    }
    match Status::from_header_map(headers) {
        Some(status) if status.code() != Code::Ok => write(explain(&status, id), headers),
        _ => {}
    }
}

fn explain(status: &Status, id: Option<&RequestId>) -> CallError {
    let text = shortened(status.message());
    match status.code() {
        Code::Unimplemented if text.is_empty() => Reason::MethodUnknown.error("no such method here"),
        // tonic refuses a compression, or a handler a method, and says which.
        Code::Unimplemented => Reason::MethodUnknown.error(text),
        // Oversize is OUT_OF_RANGE in tonic, which promises that a smaller range would do; ours says that the
        // message is wrong. An answer that is too large ("encoded") is our fault.
        Code::OutOfRange if text.starts_with("Error, decoded message length too large") => {
            Reason::MessageInvalid.error(text)
        }
        Code::Internal if UNREADABLE.iter().any(|known| text.starts_with(known)) => {
            Reason::MessageInvalid.error(text)
        }
        // The caller's stream broke while a handler read it.
        Code::Internal if text.starts_with("h2 protocol error") => {
            Reason::Cancelled.error("the stream broke off")
        }
        Code::Cancelled => Reason::Cancelled.error("cancelled"),
        Code::DeadlineExceeded => Reason::DeadlineExceeded.error("the deadline passed"),
        // Health and reflection.
        Code::NotFound => Reason::ServiceUnknown.error(text),
        code => {
            tracing::error!(grpc.code = ?code, grpc.message = text, "an error without a reason was hidden");
            internal(id)
        }
    }
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default()
}

#[derive(Debug, Clone)]
pub(crate) struct Reasons<S> {
    inner: S,
}

impl<S> Reasons<S> {
    pub(crate) const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B, R> Service<Request<B>> for Reasons<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    type Response = Response<Completed<R>>;
    type Error = Infallible;
    type Future = CompletedCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let id = request.extensions().get::<RequestId>().cloned();
        CompletedCall { inner: self.inner.call(request), id }
    }
}

pin_project! {
    pub(crate) struct CompletedCall<F> {
        #[pin]
        inner: F,
        id: Option<RequestId>,
    }
}

impl<F, R> Future for CompletedCall<F>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
{
    type Output = Result<Response<Completed<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.inner.poll(cx));
        complete(response.headers_mut(), this.id.as_ref());
        let id = this.id.take();
        Poll::Ready(Ok(response.map(|inner| Completed { inner, id })))
    }
}

pin_project! {
    pub(crate) struct Completed<B> {
        #[pin]
        inner: B,
        id: Option<RequestId>,
    }
}

impl<B: Body<Data = Bytes, Error = Status>> Body for Completed<B> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.project();
        let Some(frame) = ready!(this.inner.poll_frame(cx)) else { return Poll::Ready(None) };
        let frame = match frame {
            Ok(mut frame) => {
                if let Some(trailers) = frame.trailers_mut() {
                    complete(trailers, this.id.as_ref());
                }
                frame
            }
            // A body that fails instead of ending with trailers would reset the stream.
            Err(status) => {
                let mut trailers = HeaderMap::new();
                _ = status.add_header(&mut trailers);
                complete(&mut trailers, this.id.as_ref());
                Frame::trailers(trailers)
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
