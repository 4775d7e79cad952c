//! Who may come in, and how many at once: both are settled before a message is read.
//!
//! The server's [`Authorise`] is asked first. Then the calls in progress in the whole process are bounded: HTTP/2 bounds
//! them for each connection only, and each may hold a whole request message. A call beyond is told BUSY at once, with a
//! delay: waiting in a queue here would only make every answer late. Its place is held until the answer's body
//! has ended, not just its head.

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
use safelight_proto::reason::{CallError, Reason};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tower_service::Service;

use crate::access::{Authorise, Caller, Denied, Identified};

/// When to come back: some times as long as a call that never waits takes, not so long that it hurts.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Probes are answered at any load, and to anyone: to say "busy" to Kubernetes would take the process away from those
/// it serves.
pub(crate) const HEALTH: &str = "/grpc.health.v1.Health/";

/// The contract is public; whoever does not want to show it switches reflection off.
const REFLECTION: &str = "/grpc.reflection.";

/// Why a call is to be refused for what its connection is, or sent; in the extensions of such a request.
#[derive(Debug, Clone)]
pub(crate) struct Refused(pub(crate) CallError);

#[derive(Debug, Clone)]
pub(crate) struct Gate<S> {
    inner: S,
    access: Option<Arc<dyn Authorise>>,
    /// What is served besides health and reflection.
    services: Arc<[&'static str]>,
    calls: Arc<Semaphore>,
}

impl<S> Gate<S> {
    pub(crate) fn new(
        inner: S,
        access: Option<Arc<dyn Authorise>>,
        services: Arc<[&'static str]>,
        max_calls: usize,
    ) -> Self {
        Self { inner, access, services, calls: Arc::new(Semaphore::new(max_calls)) }
    }

    /// Lets a call in, or says why not.
    fn admit<B>(&self, request: &mut Request<B>) -> Result<Option<OwnedSemaphorePermit>, CallError> {
        if let Some(Refused(error)) = request.extensions_mut().remove() {
            return Err(error);
        }
        let path = request.uri().path();
        if path.starts_with(HEALTH) {
            return Ok(None);
        }
        if !path.starts_with(REFLECTION) {
            self.authorise(request)?;
        }
        match Arc::clone(&self.calls).try_acquire_owned() {
            Ok(permit) => Ok(Some(permit)),
            Err(_) => Err(Reason::Busy
                .error("as many calls as the process takes are in progress")
                .retry_after(RETRY_AFTER)),
        }
    }

    /// Asks whether the caller may call the method.
    fn authorise<B>(&self, request: &mut Request<B>) -> Result<(), CallError> {
        let Some(access) = &self.access else {
            return match request.extensions().get::<Identified>() {
                Some(Identified(Err(_))) => Err(unknown_token()),
                _ => Ok(()),
            };
        };
        // First of all: load balancers probe a method that does not exist, and expect to be told so.
        let method = access.methods().of_path(request.uri().path());
        let method = method.filter(|method| self.services.contains(&method.service));
        let method = method.ok_or_else(|| Reason::MethodUnknown.error("no such method here"))?;
        let caller = match request.extensions().get::<Identified>() {
            Some(Identified(Ok(caller))) => caller.clone(),
            Some(Identified(Err(_))) => {
                access.unknown(method, request.extensions());
                tracing::warn!("refused: the bearer token of a call of {} is in no [[tokens]]", method.name);
                return Err(unknown_token());
            }
            None => Caller::anonymous(),
        };
        if access.authorise(&caller, method, request.extensions_mut()) {
            return Ok(());
        }
        let denied = Denied { caller, method: Some(method), what: "method", name: String::new() };
        denied.log();
        Err(denied.into())
    }
}

fn unknown_token() -> CallError {
    Reason::CallerUnknown.error("the bearer token is not known here")
}

impl<S, B, R> Service<Request<B>> for Gate<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    type Response = Response<Held<R>>;
    type Error = Infallible;
    type Future = HeldCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.admit(&mut request) {
            Ok(permit) => HeldCall { inner: Some(self.inner.call(request)), permit, refusal: None },
            Err(refusal) => HeldCall { inner: None, permit: None, refusal: Some(refusal) },
        }
    }
}

pin_project! {
    pub(crate) struct HeldCall<F> {
        // None: it was refused.
        #[pin]
        inner: Option<F>,
        permit: Option<OwnedSemaphorePermit>,
        refusal: Option<CallError>,
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
            let refusal =
                this.refusal.take().unwrap_or_else(|| Reason::Internal.error("polled after its end"));
            let status = Status::from(refusal);
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
