//! Where originals come from, and where uploads go: private S3 buckets and hidden HTTP servers.
//!
//! # Layout
//! - [`config`]: the `[origins.*]` tables; each kind reads its own part
//! - [`s3`]: buckets: names, endpoints of every AWS partition, what refusals say
//! - [`http`]: plain servers
//! - [`base`]: absolute URLs of the configuration
//! - [`key`]: object keys as URL paths, encoded once and never resolved
//! - [`request`]: from origin and key to a request: URL and authorizing headers
//! - [`guard`]: which addresses may be connected to
//! - [`callback`]: outcomes of uploads, sent to a URL of the configuration
//! - [`fetch`]: the request on the wire: bounded, no redirects, retried where that is safe
//! - [`encoding`]: content codings, undone where they are real
//! - [`error`]: what the caller is told, and the cause for the log
//! - [`provenance`]: where bytes are from that are no picture, for the log
//! - [`text`]: text of others in the log
//! - [`check`]: whether an origin answers, before a roll-out
//!
//! Knows no image and no gRPC. It holds no credential: headers come signed from the signer, or from the caller.

pub mod base;
pub mod callback;
pub mod check;
pub mod config;
pub mod encoding;
pub mod error;
pub mod fetch;
pub mod guard;
pub mod http;
pub mod key;
pub mod provenance;
pub mod request;
pub mod s3;
pub mod text;

use std::collections::BTreeMap;

pub use callback::Callbacks;
pub use config::{Origin, OriginKind};
pub use error::{Kind, OriginError};
pub use fetch::{Body, Fetcher, Opened, Stat};
pub use provenance::Provenance;
pub use request::{CallerHeaders, InvalidHeader, SignedRequest, Trace};

/// The configured origins, by name.
pub type Origins = BTreeMap<String, Origin>;
