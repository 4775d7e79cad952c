//! Panics in a handler, or in the body it answered with, become INTERNAL. The connection, its other calls
//! and the process go on. What the panic said stands in the log only (see `telemetry`).

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;
use tower_service::Service;

use super::{reason, request_id::RequestId};

#[derive(Debug, Clone)]
pub(crate) struct Panics<S> {
    inner: S,
}

impl<S> Panics<S> {
    pub(crate) const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B, R> Service<Request<B>> for Panics<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    type Response = Response<Caught<R>>;
    type Error = Infallible;
    type Future = CaughtCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let id = request.extensions().get::<RequestId>().cloned();
        // Unwind safety: what a panic left half done is the future, and that is never touched again.
        let inner = catch_unwind(AssertUnwindSafe(|| self.inner.call(request))).ok();
        CaughtCall { inner, id }
    }
}

pin_project! {
    pub(crate) struct CaughtCall<F> {
        // None: it panicked.
        #[pin]
        inner: Option<F>,
        id: Option<RequestId>,
    }
}

impl<F, R> Future for CaughtCall<F>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
{
    type Output = Result<Response<Caught<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(inner) = this.inner.as_mut().as_pin_mut()
            && let Ok(poll) = catch_unwind(AssertUnwindSafe(|| inner.poll(cx)))
        {
            let Ok(response) = ready!(poll);
            let id = this.id.take();
            return Poll::Ready(Ok(response.map(|inner| Caught { inner: Some(inner), id })));
        }
        this.inner.set(None);
        let status = Status::from(reason::internal(this.id.as_ref()));
        Poll::Ready(Ok(status.into_http::<()>().map(|()| Caught { inner: None, id: None })))
    }
}

pin_project! {
    pub(crate) struct Caught<B> {
        // None: it panicked, and there is nothing more to say.
        #[pin]
        inner: Option<B>,
        id: Option<RequestId>,
    }
}

impl<B: Body<Data = Bytes>> Body for Caught<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        if let Ok(poll) = catch_unwind(AssertUnwindSafe(|| inner.poll_frame(cx))) {
            return poll;
        }
        this.inner.set(None);
        Poll::Ready(Some(Ok(Frame::trailers(reason::trailers(reason::internal(this.id.as_ref()))))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
