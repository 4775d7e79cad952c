//! Bounds the calls in progress in the whole process. HTTP/2 bounds them for each connection only, and each may
//! hold a whole request message.
//!
//! A call beyond is told BUSY at once, with a delay: waiting in a queue here would only make every answer late. Its
//! place is held until the answer's body has ended, not just its head.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use safelight_proto::reason::Reason;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tower_service::Service;

/// When to come back: some times as long as a call that never waits takes, not so long that it hurts.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Probes are answered at any load: to say "busy" to Kubernetes would take the process away from those it serves.
const EXEMPT: &str = "/grpc.health.v1.Health/";

#[derive(Debug, Clone)]
pub(crate) struct Capacity<S> {
    inner: S,
    calls: Arc<Semaphore>,
}

impl<S> Capacity<S> {
    pub(crate) fn new(inner: S, max_calls: usize) -> Self {
        Self { inner, calls: Arc::new(Semaphore::new(max_calls)) }
    }
}

impl<S, B, R> Service<Request<B>> for Capacity<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    type Response = Response<Held<R>>;
    type Error = Infallible;
    type Future = HeldCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let permit = if request.uri().path().starts_with(EXEMPT) {
            None
        } else {
            match Arc::clone(&self.calls).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => return HeldCall { inner: None, permit: None },
            }
        };
        HeldCall { inner: Some(self.inner.call(request)), permit }
    }
}

pin_project! {
    pub(crate) struct HeldCall<F> {
        // None: there was no place.
        #[pin]
        inner: Option<F>,
        permit: Option<OwnedSemaphorePermit>,
    }
}

impl<F, R> Future for HeldCall<F>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
{
    type Output = Result<Response<Held<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            let busy = Reason::Busy.error("as many calls as the process takes are in progress");
            let status = Status::from(busy.retry_after(RETRY_AFTER));
            return Poll::Ready(Ok(status.into_http::<()>().map(|()| Held { inner: None, permit: None })));
        };
        let Ok(response) = ready!(inner.poll(cx));
        let permit = this.permit.take();
        Poll::Ready(Ok(response.map(|inner| Held { inner: Some(inner), permit })))
    }
}

pin_project! {
    /// An answer's body, and its place; given back when the body is dropped.
    pub(crate) struct Held<B> {
        #[pin]
        inner: Option<B>,
        permit: Option<OwnedSemaphorePermit>,
    }
}

impl<B: Body<Data = Bytes>> Body for Held<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.project().inner.as_pin_mut().map_or(Poll::Ready(None), |inner| inner.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
