//! What travels with a call to the signer.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

/// Longest value that is passed on, in bytes: an id of the chassis has 64, a `traceparent` 55.
const MAX_LENGTH: usize = 128;

/// How long a call may take, and by what ids its log lines are found.
///
/// ```
/// # use std::time::Duration;
/// # use safelight_client::Context;
/// let context = Context::within(Duration::from_secs(1)).request_id("5f2c-1");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Context {
    pub(crate) timeout: Duration,
    request_id: Option<MetadataValue<Ascii>>,
    traceparent: Option<MetadataValue<Ascii>>,
}

impl Context {
    /// A call that may take this long, its second try included.
    pub const fn within(timeout: Duration) -> Self {
        Self { timeout, request_id: None, traceparent: None }
    }

    /// Sends this `x-request-id`: the signer logs the call under it. What cannot be one is left out.
    pub fn request_id(mut self, id: &str) -> Self {
        self.request_id = value(id);
        self
    }

    /// Sends this `traceparent` (W3C Trace Context). What cannot be one is left out.
    pub fn traceparent(mut self, parent: &str) -> Self {
        self.traceparent = value(parent);
        self
    }

    pub(crate) fn write(&self, metadata: &mut MetadataMap) {
        let all = [("x-request-id", &self.request_id), ("traceparent", &self.traceparent)];
        for (name, value) in all {
            if let Some(value) = value {
                metadata.insert(name, value.clone());
            }
        }
    }
}

impl From<Duration> for Context {
    fn from(timeout: Duration) -> Self {
        Self::within(timeout)
    }
}

fn value(text: &str) -> Option<MetadataValue<Ascii>> {
    let fits = !text.is_empty() && text.len() <= MAX_LENGTH && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_travel_and_what_is_none_does_not() {
        let mut metadata = MetadataMap::new();
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        Context::within(Duration::ZERO).request_id("a-1").traceparent(parent).write(&mut metadata);
        let sent = |name: &str| metadata.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(sent("x-request-id").as_deref(), Some("a-1"));
        assert_eq!(sent("traceparent").as_deref(), Some(parent));
        for wrong in ["", "a b", "a\r\nb", "é", &"x".repeat(MAX_LENGTH + 1)] {
            let mut metadata = MetadataMap::new();
            Context::within(Duration::ZERO).request_id(wrong).traceparent(wrong).write(&mut metadata);
            assert!(metadata.is_empty(), "{wrong:?}");
        }
    }
}
