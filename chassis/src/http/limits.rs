//! What the HTTP port bounds.

use std::time::Duration;

use crate::server;

/// What the HTTP port bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. Near it the longest idle ones are closed; beyond it new ones are refused.
    pub max_connections: usize,
    /// Requests at once on one HTTP/2 connection. The client queues more.
    pub max_concurrent_streams: u32,
    /// Bytes of a request's head, the target included. More is answered with 431.
    pub max_header_list_size: u32,
    /// Bytes of an answer buffered for one request whose client does not read. At least 8 KiB. A client of HTTP/2 that leaves
    /// no room for more within 20 s is given up.
    pub max_send_buffer: usize,
    /// How long a connection may wait: from an answer's end, or its beginning, to the end of the next request's head.
    pub idle_timeout: Duration,
    /// How long a request may take, from its head to the end of its answer, however slowly the client reads.
    pub answer_timeout: Duration,
    /// After this, ±10 % for each connection, the client is asked to connect anew.
    pub max_connection_age: Duration,
}

impl Limits {
    /// For pictures, to browsers and CDNs.
    pub const DEFAULT: Self = Self {
        max_connections: server::Limits::DEFAULT.max_connections,
        max_concurrent_streams: 100,
        max_header_list_size: 16 * 1024,
        max_send_buffer: 64 * 1024,
        // Above the 60 s that nginx keeps connections to its upstreams: nginx closes first, and so never sends into a closed one.
        idle_timeout: Duration::from_secs(75),
        // 10 MiB at 1 Mbit/s.
        answer_timeout: Duration::from_secs(90),
        max_connection_age: Duration::from_secs(600),
    };

    /// The port's HTTP/2, in the terms of gRPC's.
    pub(crate) fn transport(self) -> server::Limits {
        server::Limits {
            max_connections: self.max_connections,
            max_concurrent_streams: self.max_concurrent_streams,
            max_header_list_size: self.max_header_list_size,
            max_send_buffer: self.max_send_buffer,
            stream_window: 64 * 1024,
            connection_window: 1024 * 1024,
            max_connection_age: self.max_connection_age,
            max_connection_age_grace: self.answer_timeout,
            ..server::Limits::DEFAULT
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
