//! A port that is listened on, and what is served there.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpSocket};

use super::{BindError, Limits, census::Census, faults::Faults};
use crate::{
    access::Tokens,
    http::{self, Service},
    layer::Stack,
    metrics::ports::Connections,
    tls::Tls,
};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 1024;

/// What is served on a port.
#[derive(Debug)]
pub(super) enum Door {
    Grpc { stack: Stack, tokens: Tokens },
    Http(Service),
}

/// How long an HTTP connection may take over things. gRPC has deadlines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From an answer's end to the end of the next request's head.
    pub(super) idle_timeout: Duration,
    /// From a request's head to its answer's end.
    pub(super) answer_timeout: Duration,
}

#[derive(Debug)]
pub(crate) struct Port {
    pub(super) door: Door,
    pub(super) limits: Limits,
    pub(super) patience: Option<Patience>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) census: Arc<Census>,
    pub(super) faults: Faults,
}

impl Port {
    pub(super) fn grpc(
        stack: Stack,
        tokens: Tokens,
        limits: Limits,
        tls: Option<Arc<Tls>>,
        connections: Connections,
    ) -> Self {
        let census = Arc::new(Census::new("grpc", limits.max_connections, connections));
        Self {
            door: Door::Grpc { stack, tokens },
            limits,
            patience: None,
            tls,
            census,
            faults: Faults::default(),
        }
    }

    pub(crate) fn http(
        name: &'static str,
        service: Service,
        limits: http::Limits,
        tls: Option<Arc<Tls>>,
        connections: Connections,
    ) -> Self {
        let http::Limits { idle_timeout, answer_timeout, .. } = limits;
        let census = Arc::new(Census::new(name, limits.max_connections, connections));
        let patience = Some(Patience { idle_timeout, answer_timeout });
        Self {
            door: Door::Http(service),
            limits: limits.transport(),
            patience,
            tls,
            census,
            faults: Faults::default(),
        }
    }
}

/// A port, and its listener.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(super) listener: TcpListener,
    pub(crate) addr: SocketAddr,
    pub(super) port: Arc<Port>,
}

impl Listening {
    pub(crate) fn bind(addr: SocketAddr, port: Port) -> Result<Self, BindError> {
        let failed = |source| BindError::Listen { port: port.census.port(), addr, source };
        let listener = listen(addr).map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, addr, port: Arc::new(port) })
    }
}

/// Listens on `addr`; `[::]` takes IPv4 as well, whatever the system's default is.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    if addr.is_ipv6() && addr.ip().is_unspecified() {
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}
