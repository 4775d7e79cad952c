//! What may come in, from whom, and how many at once: all is settled before a message is read.
//!
//! What is not gRPC goes no further. The server's [`Authorise`] is asked next. Then the calls in progress in the whole
//! process are bounded: HTTP/2 bounds them for each connection only, and each may hold a whole request message. A call beyond
//! is told BUSY at once, with a delay: waiting in a queue here would only make every answer late. Its place is held until the
//! answer's body has ended, not just its head.

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use safelight_proto::reason::{CallError, Reason};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    around::{Hooks, Layer, refusal},
    protocol,
};
use crate::access::{Authorise, Caller, Denied, Identified, Name, Unidentified};

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
pub(crate) struct Gate {
    access: Option<Arc<dyn Authorise>>,
    /// What is served besides health and reflection.
    services: Arc<[&'static str]>,
    calls: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new(
        access: Option<Arc<dyn Authorise>>,
        services: Arc<[&'static str]>,
        max_calls: usize,
    ) -> Self {
        Self { access, services, calls: Arc::new(Semaphore::new(max_calls)) }
    }

    /// Lets a call in, or says why not.
    fn admit<B>(&self, request: &mut Request<B>) -> Result<Option<OwnedSemaphorePermit>, CallError> {
        if request.uri().query().is_some() {
            // The name of a method has none, and what follows it would be ignored.
            return Err(method_unknown());
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
                Some(Identified(Err(why))) => Err(unidentified(*why)),
                _ => Ok(()),
            };
        };
        // First of all: load balancers probe a method that does not exist, and expect to be told so.
        let method = access.methods().of_path(request.uri().path());
        let method = method.filter(|method| self.services.contains(&method.service));
        let method = method.ok_or_else(method_unknown)?;
        let caller = match request.extensions().get::<Identified>() {
            Some(Identified(Ok(caller))) => caller.clone(),
            Some(Identified(Err(why))) => {
                access.unknown(method, request.extensions());
                tracing::warn!("refused a call of {}: {why}; see [[tokens]]", method.name);
                return Err(unidentified(*why));
            }
            None => Caller::anonymous(),
        };
        if access.authorise(&caller, method, request.extensions_mut()) {
            return Ok(());
        }
        let denied = Denied { caller, method: Some(method), what: "method", name: Name::None };
        Err(denied.refuse())
    }
}

fn method_unknown() -> CallError {
    Reason::MethodUnknown.error("no such method here")
}

fn unidentified(why: Unidentified) -> CallError {
    Reason::CallerUnknown.error(why.to_string())
}

impl Layer for Gate {
    type Hooks = Held;

    fn begin<B>(&self, request: &mut Request<B>) -> Result<Held, Response<()>> {
        if let Some(Refused(error)) = request.extensions_mut().remove() {
            return Err(refusal(error));
        }
        if let Some(refusal) = protocol::refuse(request) {
            return Err(refusal);
        }
        let permit = self.admit(request).map_err(refusal)?;
        Ok(Held { _permit: permit })
    }
}

/// A call's place; given back when its answer's body is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Hooks for Held {}
