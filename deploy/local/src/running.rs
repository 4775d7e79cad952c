//! A server in the process.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use safelight_chassis::{
    server::{BindError, Server, Undrained},
    shutdown::{Drain, Shutdown},
};
use tokio::task::JoinHandle;

/// How long calls in flight may take when a local server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// A server that serves in a task of this process. Dropping it stops it.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    http: Option<SocketAddr>,
    shutdown: Shutdown,
    task: Option<JoinHandle<Result<(), Undrained>>>,
}

impl Running {
    /// Listens on `port` of the loopback interface (0: any that is free) and serves.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(server: Server, port: u16) -> Result<Self, BindError> {
        let health = server.health();
        let bound = server.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), false).await?;
        let (address, http) = (bound.local_addr(), bound.http_addr());
        let shutdown = Shutdown::new();
        let task = tokio::spawn(bound.drain(Drain::within(DRAIN)).serve(shutdown.clone()));
        health.ready().await;
        Ok(Self { address, http, shutdown, task: Some(task) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for HTTP, if it does.
    #[must_use]
    pub const fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Its URI.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks it to stop, without waiting.
    pub fn begin_stop(&self) {
        self.shutdown.trigger();
    }

    /// Stops it: calls in flight are finished.
    ///
    /// # Errors
    /// Some were not, and were cut off.
    pub async fn stop(mut self) -> io::Result<()> {
        self.shutdown.trigger();
        match self.task.take() {
            Some(task) => task.await.map_err(io::Error::other)?.map_err(io::Error::other),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}
