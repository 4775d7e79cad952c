//! What happens around every call, from the outside in.
//!
//! # Layout
//! - `around`: the adapter that makes services of them
//! - [`request_id`]: accepts or makes the id by which a call is found in the log; `trace_parent`: the trace that it is part of
//! - `call_log`: one span and one log line for each call
//! - `reason`: sees to it that every error carries `ErrorInfo`
//! - `gate`: what may come in, from whom, and how many at once; `protocol`: what is not gRPC
//! - [`deadline`]: bounds head and body of the answer
//! - `panic`: turns panics into INTERNAL

mod around;
pub(crate) mod call_log;
pub mod deadline;
pub(crate) mod gate;
pub(crate) mod panic;
mod protocol;
pub(crate) mod reason;
pub mod request_id;
mod trace_parent;

use std::sync::Arc;

use tonic::service::Routes;

use self::{
    around::Around, call_log::CallLog, deadline::Deadlines, gate::Gate, panic::Panics, reason::Reasons,
    request_id::RequestIds,
};
use crate::{access::Authorise, metrics::calls::Calls, server::Limits};

pub(crate) type Stack = Around<
    RequestIds,
    Around<CallLog, Around<Reasons, Around<Gate, Around<Deadlines, Around<Panics, Routes>>>>>,
>;

pub(crate) fn stack(
    routes: Routes,
    limits: &Limits,
    access: Option<Arc<dyn Authorise>>,
    services: &[&'static str],
    counts: Arc<Calls>,
) -> Stack {
    let inner = Around::new(Panics, routes.prepare());
    let inner = Around::new(Deadlines::new(limits.default_deadline, limits.max_deadline), inner);
    let inner = Around::new(Gate::new(access, services.into(), limits.max_calls), inner);
    let inner = Around::new(Reasons::new(limits.max_chunk), inner);
    Around::new(RequestIds::new(), Around::new(CallLog::new(counts), inner))
}
