//! What every request carries.

use std::time::{Duration, Instant};

use crate::origin::Trace;

/// How long a request may take unless its door says otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// Deadline and identity of one request. The identity travels to the signer and to the origin, so that the logs of all
/// three can be joined.
#[derive(Debug, Clone)]
pub struct Context {
    /// When the answer must be complete.
    pub deadline: Instant,
    /// The id by which the request is found in the logs.
    pub request_id: Option<String>,
    /// The W3C `traceparent` that the caller sent.
    pub trace_parent: Option<String>,
}

impl Context {
    /// A request with this deadline and no identity.
    #[must_use]
    pub const fn until(deadline: Instant) -> Self {
        Self { deadline, request_id: None, trace_parent: None }
    }

    /// The same, from now on.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self::until(Instant::now() + time)
    }

    /// What makes the logs of others joinable with ours.
    pub(super) fn trace(&self) -> Trace {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Trace::new(&text(&self.request_id), &text(&self.trace_parent))
    }

    /// The time left; zero when the deadline has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}
