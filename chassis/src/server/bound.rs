//! A server that listens.

use std::{fmt, io, net::SocketAddr, pin::Pin};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{Health, accept, port::Listening};
use crate::{
    reload::Reloads,
    shutdown::{Drain, Shutdown},
};

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Others could reach the address, and nothing would be encrypted.
    #[error("{0} is not a loopback address: without TLS it needs --plaintext")]
    Plaintext(SocketAddr),
    /// The system refused.
    #[error("cannot listen on {addr} ({port}): {source}")]
    Listen {
        /// What for: `grpc`, `http` or `admin`.
        port: &'static str,
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The descriptors given to reflection are not a descriptor set.
    #[error("reflection: {0}")]
    Reflection(#[from] prost::DecodeError),
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
    pub(super) grpc: Listening,
    pub(super) http: Option<Listening>,
    pub(super) health: Health,
    pub(super) drain: Drain,
    pub(super) at_end: AtEnd,
    pub(super) reloads: Reloads,
}

impl Bound {
    /// The address that gRPC is served on, with the port that was picked.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.grpc.addr
    }

    /// The address that HTTP is served on, if it is.
    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|http| http.addr)
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
        let (mut connections, mut http_connections) = (JoinSet::new(), JoinSet::new());
        let watch = self.grpc.port.tls.clone().map(|tls| AbortOnDrop(tokio::spawn(tls.watch(self.reloads))));
        let http = async {
            match &self.http {
                None => std::future::pending().await,
                Some(http) => accept::accept(http, &stopped, &mut http_connections).await,
            }
        };
        tokio::select! {
            never = accept::accept(&self.grpc, &stopped, &mut connections) => match never {},
            never = http => match never {},
            () = lame_duck(&shutdown, &self.health, self.drain) => {}
        }
        drop((self.grpc, self.http, watch));
        self.health.end_watches();
        stop.send_replace(true);

        let drained = async {
            while connections.join_next().await.is_some() {}
            while http_connections.join_next().await.is_some() {}
            if let Some(work) = self.at_end.0 {
                work.await;
            }
        };
        if timeout(self.drain.timeout, drained).await.is_ok() {
            return Ok(());
        }
        let left = connections.len() + http_connections.len();
        connections.shutdown().await;
        http_connections.shutdown().await;
        if left == 0 { Ok(()) } else { Err(Undrained { connections: left }) }
    }
}

/// Work that goes on when its calls have been answered.
#[derive(Default)]
pub(super) struct AtEnd(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl AtEnd {
    pub(super) fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl fmt::Debug for AtEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "AtEnd(work)" } else { "AtEnd" })
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
    health.drain();
    sleep(drain.lame_duck).await;
}
