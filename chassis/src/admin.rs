//! The admin port: what a pod's network asks, over plaintext HTTP/1.1 (or HTTP/2), whatever the other ports use.
//!
//! - `/livez`: the process answers
//! - `/readyz`: 503 with a line that says why, while it is not ready or drains
//! - `/metrics`: Prometheus' text format
//!
//! It is served before the server is there and to the end of its drain. Any caller that reaches the port may ask: it belongs on no
//! address that the world reaches.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use prometheus_client::encoding::prometheus_text;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    http::{Body, Handler, Limits, Peer, Service},
    metrics::{Registry, ports::Ports},
    server::{BindError, Health, Listening, Port, Server, accept},
};

/// For probes and a scraper or two.
const LIMITS: Limits = Limits {
    max_connections: 32,
    max_concurrent_streams: 8,
    idle_timeout: Duration::from_secs(75),
    answer_timeout: Duration::from_secs(10),
    ..Limits::DEFAULT
};

/// An admin port that is listened on, and served until dropped.
#[derive(Debug)]
pub struct Admin {
    addr: SocketAddr,
    view: View,
    // Ends with this.
    _serving: JoinSet<()>,
}

/// What is shown, once it is there.
#[derive(Debug, Clone, Default)]
struct View(Arc<OnceLock<(Health, Registry)>>);

impl Admin {
    /// Listens, and serves from now on. Call inside a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn bind(addr: SocketAddr) -> Result<Self, BindError> {
        let view = View::default();
        // Counted nowhere: the registry comes later, and who asks for it is no news.
        let ports = Ports::new(&Registry::new());
        let service = Service::new(view.clone(), ports.requests("admin")).quiet();
        let port = Port::http("admin", service, LIMITS, None, ports.connections("admin"));
        let listening = Listening::bind(addr, port)?;
        let addr = listening.addr;
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let (_running, stop) = watch::channel(false);
            let mut connections = JoinSet::new();
            match accept::accept(&listening, &stop, &mut connections).await {}
        });
        Ok(Self { addr, view, _serving: serving })
    }

    /// The address, with the port that was picked.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Shows this server's readiness and metrics. Only the first call has an effect.
    pub fn show(&self, server: &Server) {
        _ = self.view.0.set((server.health(), server.metrics()));
    }
}

impl View {
    /// Why the process is not ready; `None` if it is.
    async fn unready(&self) -> Option<&'static str> {
        match self.0.get() {
            None => Some("starting"),
            Some((health, _)) => health.unready().await,
        }
    }
}

impl Handler for View {
    async fn handle(&self, request: Request<Incoming>, _: Peer) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "ok"),
            "/readyz" => match self.unready().await {
                None => text(StatusCode::OK, "ok"),
                Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, why),
            },
            "/metrics" => match self.0.get().map(|(_, registry)| registry.text()) {
                None => metrics(String::new()),
                Some(Ok(text)) => metrics(text),
                Some(Err(_)) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written"),
            },
            _ => text(StatusCode::NOT_FOUND, "here are /livez, /readyz and /metrics"),
        }
    }
}

fn metrics(text: String) -> Response<Body> {
    let mut response = Response::new(Body::full(text));
    let media_type = HeaderValue::from_static(prometheus_text::CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

fn text(status: StatusCode, line: &str) -> Response<Body> {
    let mut response = Response::new(Body::full(format!("{line}\n")));
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}
