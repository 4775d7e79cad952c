//! Where originals come from: private S3 buckets and hidden HTTP servers.
//!
//! # Layout
//! - [`config`]: the `[origins.*]` tables
//! - [`key`]: object keys as URL paths, encoded once and never resolved
//! - [`guard`]: which addresses may be connected to
//! - [`request`]: from origin and key to a request: URL and authorising headers
//! - [`fetch`]: the request on the wire: bounded, no redirects, retried where that is safe
//!
//! Knows no image and no gRPC. It holds no credential: headers come signed from the signer, or from the caller.

pub mod config;
pub mod fetch;
pub mod guard;
pub mod key;
pub mod request;

use std::collections::BTreeMap;

pub use config::{Origin, OriginKind};
pub use fetch::{Fetcher, Opened};
pub use request::{CallerHeaders, InvalidHeader};

/// The configured origins, by name.
pub type Origins = BTreeMap<String, Origin>;

/// Why an object could not be fetched. Texts are fit for the caller: they hold no URL, header or address.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// The key cannot be sent over HTTP unchanged.
    #[error(transparent)]
    Key(#[from] key::KeyError),
    /// HTTP 404 or 410.
    #[error("the origin has no such object")]
    NotFound,
    /// HTTP 401, 403 or another 4xx.
    #[error("the origin refused the request (HTTP {0})")]
    Denied(u16),
    /// HTTP 3xx.
    #[error("the origin answered with a redirect (HTTP {0}), which is not followed")]
    Redirected(u16),
    /// HTTP 5xx, 408, 429 or an answer that is none.
    #[error("the origin failed (HTTP {0})")]
    Failed(u16),
    /// No connection, or one to an address that is not allowed.
    #[error("the origin could not be reached")]
    Unreachable,
    /// It took longer than it may.
    #[error("the origin did not answer in time")]
    Timeout,
    /// It took longer than the caller has time.
    #[error("the origin did not answer before the deadline")]
    Deadline,
    /// The body broke off.
    #[error("the origin broke off in the middle of the object")]
    Interrupted,
    /// The object has more bytes than are accepted.
    #[error("the object has more than {0} bytes")]
    TooLarge(u64),
    /// The object is stored compressed.
    #[error("the object is stored with a content encoding; store images as they are")]
    Encoded,
}

impl OriginError {
    /// Whether a second attempt may succeed at once.
    fn is_transient(&self) -> bool {
        matches!(self, Self::Failed(500 | 502..=504) | Self::Unreachable)
    }
}
