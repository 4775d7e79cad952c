//! What happens around every call, from the outside in.
//!
//! # Layout
//! - [`request_id`]: accepts or makes the id by which a call is found in the log
//! - `call_log`: one span and one log line for each call
//! - `reason`: sees to it that every error carries `ErrorInfo`
//! - `capacity`: bounds the calls in progress
//! - [`deadline`]: bounds head and body of the answer
//! - `panic`: turns panics into INTERNAL

pub(crate) mod call_log;
pub(crate) mod capacity;
pub mod deadline;
pub(crate) mod panic;
pub(crate) mod reason;
pub mod request_id;

use tonic::service::Routes;

use crate::server::Limits;

pub(crate) type Stack = request_id::RequestIds<
    call_log::CallLog<reason::Reasons<capacity::Capacity<deadline::Deadlines<panic::Panics<Routes>>>>>,
>;

pub(crate) fn stack(routes: Routes, limits: &Limits) -> Stack {
    let panics = panic::Panics::new(routes.prepare());
    let deadlines = deadline::Deadlines::new(panics, limits.default_deadline, limits.max_deadline);
    let capacity = capacity::Capacity::new(deadlines, limits.max_calls);
    request_id::RequestIds::new(call_log::CallLog::new(reason::Reasons::new(capacity)))
}
