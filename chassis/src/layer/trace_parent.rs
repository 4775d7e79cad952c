//! The trace that a call is part of: W3C Trace Context, `traceparent`.

use http::{HeaderName, HeaderValue};

/// The metadata key.
pub const HEADER: HeaderName = HeaderName::from_static("traceparent");

/// A `traceparent` that is one; in the extensions of every request that came with it, and to be passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(HeaderValue);

impl TraceParent {
    /// The whole value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id of the trace: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.as_str().get(3..35).unwrap_or_default()
    }

    /// Version `00`: `00-TRACE-PARENT-FLAGS`, in 2, 32, 16 and 2 lower-case digits. Those of later versions begin alike; what
    /// follows could hold anything and is not accepted.
    pub(crate) fn accept(value: &HeaderValue) -> Option<Self> {
        let mut parts = value.to_str().ok()?.split('-');
        let mut part = |digits: usize| {
            let part = parts.next()?;
            let is_hex = part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            (part.len() == digits && is_hex).then_some(part)
        };
        let (version, trace, parent, _flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let is_zero = |id: &str| id.bytes().all(|b| b == b'0');
        let good = version != "ff" && !is_zero(trace) && !is_zero(parent) && parts.next().is_none();
        good.then(|| Self(value.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_allows_is_accepted() {
        const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let accept = |text: &str| TraceParent::accept(&HeaderValue::from_str(text).unwrap());
        let parent = accept(GOOD).unwrap();
        assert_eq!((parent.as_str(), parent.trace_id()), (GOOD, "4bf92f3577b34da6a3ce929d0e0e4736"));
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(accept(bad), None, "{bad}");
        }
    }
}
