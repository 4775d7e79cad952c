//! Panics in a handler, or in the body it answered with, become INTERNAL. The connection, its other calls
//! and the process go on. What the panic said stands in the log only (see `telemetry`).

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::{Request, Response};
use safelight_proto::reason::CallError;

use super::{
    around::{Hooks, Layer},
    reason,
    request_id::RequestId,
};

#[derive(Debug, Clone)]
pub(crate) struct Panics;

impl Layer for Panics {
    type Hooks = Caught;

    fn begin<B>(&self, request: &mut Request<B>) -> Result<Caught, Response<()>> {
        Ok(Caught { id: request.extensions().get::<RequestId>().cloned() })
    }
}

#[derive(Debug)]
pub(crate) struct Caught {
    id: Option<RequestId>,
}

impl Hooks for Caught {
    fn run<T>(&mut self, step: impl FnOnce() -> T) -> Result<T, CallError> {
        // Unwind safety: what a panic left half done is the future or the body, and that is never touched again.
        catch_unwind(AssertUnwindSafe(step)).map_err(|_| reason::internal(self.id.as_ref()))
    }
}
