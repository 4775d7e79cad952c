//! The id by which a call is found in the log: taken from `x-request-id` or made here, and echoed. And the trace that it is
//! part of, if the caller says so.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};

use super::around::{Hooks, Layer};
pub use super::trace_parent::{HEADER as TRACE_PARENT, TraceParent};
use crate::random;

/// The metadata key, in requests and in every answer.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id accepted from a caller, in characters. Longer ones are replaced.
pub const MAX_LENGTH: usize = 64;

/// The id of a call; in the extensions of every request.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// At most [`MAX_LENGTH`] characters of `[A-Za-z0-9._-]`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The value of the header.
    pub(crate) const fn value(&self) -> &HeaderValue {
        &self.0
    }

    /// The caller's id, unless it could confuse a log or a shell.
    fn accept(value: &HeaderValue) -> Option<Self> {
        let safe = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let good = (1..=MAX_LENGTH).contains(&value.len()) && value.as_bytes().iter().all(safe);
        good.then(|| Self(value.clone()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Makes ids: a random number of the server, then a count. Unique, and cheap.
#[derive(Debug, Clone)]
pub(crate) struct Maker {
    server: u64,
    count: Arc<AtomicU64>,
}

impl Maker {
    pub(crate) fn new() -> Self {
        Self { server: random::bits(), count: Arc::default() }
    }

    /// The request's own id if it is acceptable, or a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> RequestId {
        headers.get(HEADER).and_then(RequestId::accept).unwrap_or_else(|| self.make())
    }

    fn make(&self) -> RequestId {
        let text = format!("{:016x}-{:x}", self.server, self.count.fetch_add(1, Ordering::Relaxed));
        RequestId(HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("none")))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct RequestIds {
    maker: Maker,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self { maker: Maker::new() }
    }
}

impl Layer for RequestIds {
    type Hooks = Echo;

    fn begin<B>(&self, request: &mut Request<B>) -> Result<Echo, Response<()>> {
        let headers = request.headers();
        let id = self.maker.of(headers);
        let parent = headers.get(TRACE_PARENT).and_then(TraceParent::accept);
        if let Some(parent) = parent {
            request.extensions_mut().insert(parent);
        }
        request.extensions_mut().insert(id.clone());
        Ok(Echo { id })
    }
}

#[derive(Debug)]
pub(crate) struct Echo {
    id: RequestId,
}

impl Hooks for Echo {
    fn head<B>(&mut self, response: &mut Response<B>) {
        response.headers_mut().insert(HEADER, self.id.0.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_and_safe_ids_are_accepted() {
        let accepted = |text: &str| RequestId::accept(&HeaderValue::from_str(text).unwrap()).is_some();
        assert!(accepted("a") && accepted("trace-1.2_3") && accepted(&"x".repeat(MAX_LENGTH)));
        assert!(!accepted("") && !accepted(&"x".repeat(MAX_LENGTH + 1)));
        assert!(
            !accepted("a b") && !accepted("a;b") && !accepted("a/b") && !accepted("\"") && !accepted("\t")
        );
    }

    #[test]
    fn made_ids_differ_and_would_be_accepted() {
        let maker = Maker::new();
        let (a, b) = (maker.make(), maker.make());
        assert_ne!(a, b);
        assert_eq!(RequestId::accept(&a.0), Some(a));
    }
}
