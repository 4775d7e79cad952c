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
//! - `port`: what is listened on, and what is served there
//! - `accept`: from the listener to connections
//! - `census`: how many connections there are, and which must go
//! - `connection`: one connection, from its first byte to GOAWAY
//! - `wire`: its bytes
//! - `stream`: one call's task, for as long as its deadline allows

mod accept;
mod bound;
pub(crate) mod census;
mod connection;
mod health;
mod limits;
mod port;
mod reflection;
pub(crate) mod stream;
mod wire;

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use ::http::{Request, Response};
pub use bound::{BindError, Bound, Undrained};
pub use health::Health;
pub use limits::Limits;
use tonic::{body::Body, server::NamedService, service::Routes};
use tower_service::Service;

use self::port::{Listening, Port};

#[cfg(doc)]
use crate::shutdown::Shutdown;
use crate::{
    access::{Authorise, Tokens},
    config::Section,
    http::{self as http_port, Handler},
    layer,
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
    health: Health,
    security: Security,
    access: Option<Arc<dyn Authorise>>,
    http: Option<Http>,
}

/// What is to be served over HTTP.
#[derive(Debug)]
struct Http {
    listen: SocketAddr,
    limits: http_port::Limits,
    service: http_port::Service,
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
}

impl Server {
    /// A server with health and nothing else.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let health = Health::new();
        let routes = Routes::default().add_service(health.service());
        Self {
            limits,
            routes,
            names: Vec::new(),
            descriptors: None,
            health,
            security: Security::default(),
            access: None,
            http: None,
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
        self.http = Some(Http { listen, limits, service: http_port::Service::new(handler) });
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
        self.descriptors = None;
        self
    }

    /// The handle by which the process says whether it is ready. It starts not ready.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
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
        let routes = match self.descriptors {
            None => self.routes,
            Some(descriptors) => reflection::add(self.routes, descriptors, &self.names)?,
        };
        let stack = layer::stack(routes, &self.limits, self.access, &self.names);
        self.health.register(self.names).await;
        let Security { tls, tokens } = self.security;
        let http = self.http.map(|Http { listen, limits, service }| {
            (listen, Port::http("http", service, limits, tls.clone()))
        });
        Ok(Bound {
            grpc: Listening::bind(addr, Port::grpc(stack, tokens, self.limits, tls))?,
            http: http.map(|(addr, port)| Listening::bind(addr, port)).transpose()?,
            health: self.health,
            drain: Drain::default(),
        })
    }
}
