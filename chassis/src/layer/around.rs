//! The one adapter of all layers: a service around a service, whose future and body ask the layer's hooks. Nothing is boxed.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use safelight_proto::reason::CallError;
use tonic::Status;
use tower_service::Service;

/// What a layer does before a call.
pub(crate) trait Layer {
    /// What it does around the rest of it.
    type Hooks: Hooks;

    /// Looks at a request. `Err`: the call goes no further, and this is its answer.
    fn begin<B>(&self, request: &mut Request<B>) -> Result<Self::Hooks, Response<()>>;
}

/// What a layer does around one call, from its start until its answer's body is dropped. Dropped with the body.
pub(crate) trait Hooks {
    /// Runs a step of what is inside. `Err`: what is inside is dropped, and the call ends with this error.
    fn run<T>(&mut self, step: impl FnOnce() -> T) -> Result<T, CallError> {
        Ok(step())
    }

    /// Polls what is inside: for the answer's head, then for its body. `Err`: as for [`Self::run`].
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        inner: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, CallError>> {
        match self.run(|| inner(cx)) {
            Ok(poll) => poll.map(Ok),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Looks at the head of the answer.
    fn head<B>(&mut self, response: &mut Response<B>) {
        _ = response;
    }

    /// Looks at the trailers.
    fn trailers(&mut self, trailers: &mut HeaderMap) {
        _ = trailers;
    }
}

/// The head of an answer that is this error and nothing else.
pub(crate) fn refusal(error: CallError) -> Response<()> {
    Status::from(error).into_http()
}

/// The trailers that end an answer with this error.
fn ending(error: impl Into<Status>) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // Cannot fail: the message is percent-encoded and the details are base64.
    _ = error.into().add_header(&mut trailers);
    trailers
}

/// A layer around a service.
#[derive(Debug, Clone)]
pub(crate) struct Around<L, S> {
    layer: L,
    inner: S,
}

impl<L, S> Around<L, S> {
    pub(crate) const fn new(layer: L, inner: S) -> Self {
        Self { layer, inner }
    }
}

impl<L, S, B, R> Service<Request<B>> for Around<L, S>
where
    L: Layer,
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    type Response = Response<Answer<L::Hooks, R>>;
    type Error = Infallible;
    type Future = Call<L::Hooks, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.layer.begin(&mut request) {
            Ok(mut hooks) => match hooks.run(|| self.inner.call(request)) {
                Ok(inner) => Call { step: Step::Inside { inner }, hooks: Some(hooks) },
                Err(error) => Call { step: Step::Refused { head: Some(refusal(error)) }, hooks: Some(hooks) },
            },
            Err(head) => Call { step: Step::Refused { head: Some(head) }, hooks: None },
        }
    }
}

pin_project! {
    /// A call that is being answered.
    pub(crate) struct Call<H, F> {
        #[pin]
        step: Step<F>,
        hooks: Option<H>,
    }
}

pin_project! {
    #[project = StepNow]
    enum Step<F> {
        Inside {
            #[pin]
            inner: F,
        },
        // Taken when it is answered.
        Refused { head: Option<Response<()>> },
    }
}

impl<H, F, R> Future for Call<H, F>
where
    H: Hooks,
    F: Future<Output = Result<Response<R>, Infallible>>,
{
    type Output = Result<Response<Answer<H, R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let answered = match (this.step.as_mut().project(), &mut *this.hooks) {
            (StepNow::Inside { inner }, Some(hooks)) => {
                ready!(hooks.poll(cx, |cx| inner.poll(cx))).map_err(refusal)
            }
            (StepNow::Refused { head }, _) => Err(head.take().unwrap_or_default()),
            // Polled after its end, which never happens.
            (StepNow::Inside { .. }, None) => Err(Response::default()),
        };
        let mut response = match answered {
            Ok(Ok(response)) => response.map(Some),
            Err(head) => {
                // Frees what the call holds.
                this.step.set(Step::Refused { head: None });
                head.map(|()| None)
            }
        };
        let mut hooks = this.hooks.take();
        if let Some(hooks) = &mut hooks {
            hooks.head(&mut response);
        }
        Poll::Ready(Ok(response.map(|inner| Answer { inner, hooks })))
    }
}

pin_project! {
    /// The body of an answer.
    pub(crate) struct Answer<H, B> {
        // None: it has ended.
        #[pin]
        inner: Option<B>,
        hooks: Option<H>,
    }
}

impl<H: Hooks, B: Body<Data = Bytes, Error = Status>> Body for Answer<H, B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut this = self.project();
        let (Some(inner), Some(hooks)) = (this.inner.as_mut().as_pin_mut(), &mut *this.hooks) else {
            return Poll::Ready(None);
        };
        let mut trailers = match ready!(hooks.poll(cx, |cx| inner.poll_frame(cx))) {
            Ok(None) => return Poll::Ready(None),
            Ok(Some(Ok(mut frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    hooks.trailers(trailers);
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            // A body that fails instead of ending with trailers would reset the stream.
            Ok(Some(Err(status))) => ending(status),
            Err(error) => ending(error),
        };
        hooks.trailers(&mut trailers);
        // Frees what the body holds: permits, an origin's connection.
        this.inner.set(None);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
