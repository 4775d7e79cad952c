//! A gRPC server: listening, connections, health, reflection, drain.
//!
//! tonic gives codec, routing and status; the loop around it is ours, because tonic's own has no cap on
//! connections, no preface timeout, no jitter on their age, spins when file descriptors run out and can
//! wait forever when it drains.
//!
//! # Layout
//! - [`Limits`]: what a server bounds
//! - [`Server`]: put together; then [`Bound`]: listening; then serving until a [`Shutdown`]
//! - [`Health`]: whether it is ready
//! - `reflection`: the contract, for grpcurl
//! - [`Settings`]: what the configuration says of it
//! - `files`: how many connections the system allows
//! - `port`: what is listened on, and what is served there
//! - `accept`: from the listener to connections
//! - `census`: how many connections there are, and which must go
//! - `connection`: one connection, from its first byte to GOAWAY
//! - `broken`: how one ends before its time; `faults`: what the log says of it
//! - `wire`: its bytes
//! - `headers`: those of HTTP/2 requests, before the library sees them
//! - `stream`: one call's task, for as long as its deadline allows

pub(crate) mod accept;
mod bound;
mod broken;
pub(crate) mod census;
mod connection;
mod faults;
mod files;
pub(crate) mod headers;
pub(crate) mod health;
mod limits;
mod port;
mod reflection;
pub(crate) mod stream;
mod wire;

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use ::http::{Request, Response};
use bound::AtEnd;
pub use bound::{BindError, Bound, Undrained};
pub use health::Health;
pub use limits::Limits;
use tonic::{body::Body, server::NamedService, service::Routes};
use tower_service::Service;

pub(crate) use self::port::{Listening, Port};

#[cfg(doc)]
use crate::shutdown::Shutdown;
use crate::{
    access::{Authorise, Tokens},
    check::Finding,
    config::Section,
    http::{self as http_port, Handler},
    layer,
    metrics::{Expiry, Registry, calls::Calls, ports::Ports},
    reload::Reloads,
    shutdown::Drain,
    tls::Tls,
};

/// Largest request to health and reflection, in bytes: it names a service, a file or a symbol. tonic's own 4 MiB would
/// be set aside for whoever announces them.
const MAX_STOCK_REQUEST: usize = 4 * 1024;

/// A server that is being put together.
#[derive(Debug)]
pub struct Server {
    limits: Limits,
    routes: Routes,
    names: Vec<&'static str>,
    descriptors: Option<&'static [u8]>,
    has_reflection: bool,
    metrics: Registry,
    ports: Ports,
    max_connections: Option<usize>,
    health: Health,
    security: Security,
    access: Option<Arc<dyn Authorise>>,
    http: Option<Http>,
    at_end: AtEnd,
}

/// What is to be served over HTTP.
#[derive(Debug)]
struct Http {
    listen: SocketAddr,
    limits: http_port::Limits,
    service: http_port::Service,
}

/// What `[server]` says.
///
/// ```toml
/// [server]
/// max_connections = 8192     # on each port; at most as many as the limit on open files leaves
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// Connections at once on each port; `None`: as the service has it.
    pub max_connections: Option<usize>,
}

impl Settings {
    /// Reads `[server]`.
    pub fn read(section: &mut Section) -> Self {
        let max_connections = section.table("server", |section| {
            let max = section.optional("max_connections");
            if max.is_some_and(|max| !(1..=1_000_000).contains(&max)) {
                section.error("max_connections", "expected 1 to 1000000");
            }
            max
        });
        Self { max_connections: max_connections.flatten() }
    }
}

/// How callers are known, and whether the wire is encrypted.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// TLS; `None` for plaintext.
    pub tls: Option<Arc<Tls>>,
    /// Bearer tokens, for callers without a certificate.
    pub tokens: Tokens,
}

impl Security {
    /// Reads `[tls]` and `[[tokens]]`.
    pub fn read(section: &mut Section) -> Self {
        let security = Self { tls: Tls::read(section), tokens: Tokens::read(section) };
        if !security.tokens.is_empty()
            && security.tls.as_ref().is_some_and(|tls| tls.takes_client_certificates())
        {
            section.error("tokens", "cannot be used where every client must show a certificate");
        }
        security
    }

    /// What is wrong with its files although they can be used.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let expired = self.tls.as_ref().and_then(|tls| tls.expired());
        expired.into_iter().map(Finding::problem).collect()
    }
}

impl Server {
    /// A server with health and nothing else.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let health = Health::new();
        let metrics = Registry::new();
        let routes = Routes::default().add_service(health.service());
        Self {
            limits,
            routes,
            names: Vec::new(),
            descriptors: None,
            has_reflection: true,
            ports: Ports::new(&metrics),
            metrics,
            max_connections: None,
            health,
            security: Security::default(),
            access: None,
            http: None,
            at_end: AtEnd::default(),
        }
    }

    /// Adds a generated server. Its name is known to health, and listed by reflection.
    #[must_use]
    pub fn service<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes = self.routes.add_service(service);
        self
    }

    /// Knows callers like this. Without it nothing is encrypted and every caller is anonymous.
    #[must_use]
    pub fn security(mut self, security: Security) -> Self {
        self.security = security;
        self
    }

    /// Asks `access` before every call but those of health and reflection. Without it everyone may call everything.
    #[must_use]
    pub fn authorise(mut self, access: Arc<dyn Authorise>) -> Self {
        self.access = Some(access);
        self
    }

    /// Serves `handler` over HTTP/1.1 and HTTP/2, on a port of its own, which is listened on, served and drained with
    /// that of gRPC. TLS is by the same files; certificates of clients are not asked for.
    #[must_use]
    pub fn http(mut self, listen: SocketAddr, limits: http_port::Limits, handler: impl Handler) -> Self {
        self.http = Some(Http {
            listen,
            limits,
            service: http_port::Service::new(handler, self.ports.requests("http")),
        });
        self
    }

    /// Waits for this as well, once all calls are over: for work that goes on when its call has been answered. Within the drain.
    #[must_use]
    pub fn at_end(mut self, work: impl Future<Output = ()> + Send + 'static) -> Self {
        self.at_end = AtEnd::new(work);
        self
    }

    /// Answers reflection, v1 and v1alpha, from an encoded `FileDescriptorSet` with all its imports.
    #[must_use]
    pub const fn reflection(mut self, descriptors: &'static [u8]) -> Self {
        self.descriptors = Some(descriptors);
        self
    }

    /// Takes [`Server::reflection`] back, for `--reflection off`.
    #[must_use]
    pub const fn without_reflection(mut self) -> Self {
        self.has_reflection = false;
        self
    }

    /// The handle by which the process says whether it is ready. It starts not ready.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// What the process counts; services add theirs.
    #[must_use]
    pub fn metrics(&self) -> Registry {
        self.metrics.clone()
    }

    /// Takes what the configuration says over the limits it was made with.
    #[must_use]
    pub const fn settings(mut self, settings: Settings) -> Self {
        self.max_connections = settings.max_connections;
        self
    }

    /// Listens on `addr`; port 0 picks a free one. Connections wait until [`Bound::serve`].
    ///
    /// # Errors
    /// The address is not loopback, there is no TLS and `plaintext` does not allow that, or it cannot be listened on; or the
    /// descriptors are not a descriptor set.
    pub async fn bind(self, addr: SocketAddr, plaintext: bool) -> Result<Bound, BindError> {
        for addr in [Some(addr), self.http.as_ref().map(|http| http.listen)].into_iter().flatten() {
            if self.security.tls.is_none() && !plaintext && !addr.ip().to_canonical().is_loopback() {
                return Err(BindError::Plaintext(addr));
            }
        }
        let counts = Arc::new(Calls::new(&self.metrics, self.descriptors, &self.names));
        let routes = match self.descriptors.filter(|_| self.has_reflection) {
            None => self.routes,
            Some(descriptors) => reflection::add(self.routes, descriptors, &self.names)?,
        };
        let mut limits = self.limits;
        let count = 1 + usize::from(self.http.is_some());
        let wanted = self.max_connections.unwrap_or(limits.max_connections);
        limits.max_connections = files::connections(wanted, count, limits.max_calls);
        let stack = layer::stack(routes, &limits, self.access, &self.names, counts);
        self.health.register(self.names);
        let Security { tls, tokens } = self.security;
        let reloads = Reloads::default();
        if let Some(tls) = &tls {
            self.metrics.register_collector(Expiry(Arc::clone(tls)));
            self.metrics.watch_reloads("tls", reloads.clone());
            tls.warn_if_expired();
        }
        let http = self.http.map(|http| {
            let max_connections = match self.max_connections {
                Some(_) => limits.max_connections,
                None => http.limits.max_connections.min(limits.max_connections),
            };
            let limits = http_port::Limits { max_connections, ..http.limits };
            (
                http.listen,
                Port::http("http", http.service, limits, tls.clone(), self.ports.connections("http")),
            )
        });
        Ok(Bound {
            grpc: Listening::bind(
                addr,
                Port::grpc(stack, tokens, limits, tls, self.ports.connections("grpc")),
            )?,
            http: http.map(|(addr, port)| Listening::bind(addr, port)).transpose()?,
            health: self.health,
            drain: Drain::default(),
            at_end: self.at_end,
            reloads,
        })
    }
}
