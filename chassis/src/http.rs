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
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
pub use limits::Limits;
use safelight_proto::reason::CallError;
pub(crate) use service::Service;

/// Answers requests. The [`RequestId`](crate::request_id::RequestId) is in their extensions, and the
/// [`TraceParent`](crate::request_id::TraceParent) of those that came with one.
pub trait Handler: Clone + Send + Sync + 'static {
    /// Answers a request. Is dropped when the client is gone. An answer whose body fails is broken off, so that it
    /// cannot be taken for a whole one.
    fn handle(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;

    /// Answers a request that [`handle`](Self::handle) was not given or panicked at: a line of text, unless it is said in
    /// another way.
    fn refuse(&self, error: &CallError, _request_id: &str) -> Response<Body> {
        let reason = error.reason().as_str();
        let mut response =
            Response::new(Body::full(format!("{reason}; the log knows it by its x-request-id\n")));
        // The table has no status that is none.
        *response.status_mut() =
            StatusCode::from_u16(error.reason().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response.extensions_mut().insert(Reason(reason.into()));
        response
    }
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
