//! What happens around every call, from the outside in.
//!
//! # Layout
//! - [`request_id`]: accepts or makes the id by which a call is found in the log
//! - `call_log`: one span and one log line for each call
//! - `reason`: sees to it that every error carries `ErrorInfo`
//! - `gate`: who may come in, and how many at once
//! - [`deadline`]: bounds head and body of the answer
//! - `panic`: turns panics into INTERNAL

pub(crate) mod call_log;
pub mod deadline;
pub(crate) mod gate;
pub(crate) mod panic;
pub(crate) mod reason;
pub mod request_id;

use std::sync::Arc;

use tonic::service::Routes;

use crate::{access::Authorise, metrics::calls::Calls, server::Limits};

pub(crate) type Stack = request_id::RequestIds<
    call_log::CallLog<reason::Reasons<gate::Gate<deadline::Deadlines<panic::Panics<Routes>>>>>,
>;

pub(crate) fn stack(
    routes: Routes,
    limits: &Limits,
    access: Option<Arc<dyn Authorise>>,
    services: &[&'static str],
    counts: Arc<Calls>,
) -> Stack {
    let panics = panic::Panics::new(routes.prepare());
    let deadlines = deadline::Deadlines::new(panics, limits.default_deadline, limits.max_deadline);
    let gate = gate::Gate::new(deadlines, access, services.into(), limits.max_calls);
    request_id::RequestIds::new(call_log::CallLog::new(reason::Reasons::new(gate), counts))
}
