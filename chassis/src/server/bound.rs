//! A server that listens.

use std::{io, net::SocketAddr};

use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{Health, Limits, Security, accept};
use crate::{
    layer::Stack,
    shutdown::{Drain, Shutdown},
};

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Others could reach the address, and nothing would be encrypted.
    #[error("{0} is not a loopback address: without TLS it needs --plaintext")]
    Plaintext(SocketAddr),
    /// The system refused.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The descriptors given to reflection are not a descriptor set.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Calls were still running at the end of the drain, and were cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{connections} connections were cut off at the end of the drain")]
pub struct Undrained {
    /// Connections that were cut off.
    pub connections: usize,
}

/// A server that listens, and serves when told to.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    addr: SocketAddr,
    stack: Stack,
    security: Security,
    limits: Limits,
    health: Health,
    drain: Drain,
}

impl Bound {
    pub(super) async fn listen(
        addr: SocketAddr,
        stack: Stack,
        security: Security,
        limits: Limits,
        health: Health,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError::Listen { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, addr, stack, security, limits, health, drain: Drain::default() })
    }

    /// The address listened on, with the port that was picked.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The handle by which the process says whether it is ready.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Drains like this rather than by [`Drain::default`].
    #[must_use]
    pub const fn drain(mut self, drain: Drain) -> Self {
        self.drain = drain;
        self
    }

    /// Serves until `shutdown`, then drains: NOT_SERVING, lame duck, no new connections and GOAWAY to those
    /// there are, wait for calls in flight, cut off what is left.
    ///
    /// # Errors
    /// Something was left.
    pub async fn serve(self, shutdown: Shutdown) -> Result<(), Undrained> {
        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let security = self.security;
        let watch = security.tls.clone().map(|tls| AbortOnDrop(tokio::spawn(tls.watch())));
        tokio::select! {
            never = accept::accept(&self.listener, self.stack, security, self.limits, &stopped, &mut connections) => match never {},
            () = lame_duck(&shutdown, &self.health, self.drain) => {}
        }
        drop((self.listener, watch));
        self.health.end_watches().await;
        stop.send_replace(true);

        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(self.drain.timeout, drained).await.is_ok() {
            return Ok(());
        }
        let left = connections.len();
        connections.shutdown().await;
        if left == 0 { Ok(()) } else { Err(Undrained { connections: left }) }
    }
}

/// A task that ends with its owner.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns when connections are to be refused.
async fn lame_duck(shutdown: &Shutdown, health: &Health, drain: Drain) {
    shutdown.triggered().await;
    health.drain().await;
    sleep(drain.lame_duck).await;
}
