//! HTTP/1.1 and HTTP/2 on a port of its own, for what is not gRPC. A [`Handler`] answers; the rest is as on the gRPC port:
//! limits, TLS, request ids, one log line for each request, panics, drain.
//!
//! # Layout
//! - [`Handler`], [`Peer`], [`Reason`]: what a service implements, and gets
//! - [`Limits`]: what the port bounds
//! - [`Body`]: of an answer
//! - `service`: what happens around every request

mod body;
mod limits;
mod service;

use std::{borrow::Cow, net::SocketAddr};

pub use body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
pub use limits::Limits;
pub(crate) use service::Service;

/// Answers requests. The [`RequestId`](crate::request_id::RequestId) is in their extensions.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers a request. Is dropped when the client is gone. An answer whose body fails is broken off, so that it
    /// cannot be taken for a whole one.
    fn handle(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;
}

/// The other end of a connection: a client, or a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address; `None` if it was gone too soon.
    pub remote: Option<SocketAddr>,
    /// Whether the connection is encrypted.
    pub is_tls: bool,
}

/// Why a request was refused, for its log line: into the extensions of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(pub Cow<'static, str>);
