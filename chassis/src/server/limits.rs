//! What a server bounds.

use std::time::Duration;

/// What a server bounds. Services define their own; [`Limits::DEFAULT`] fits small unary messages.
///
/// # Memory
/// HTTP/2's windows are credit, and nothing is set aside for them: bytes are held only while they have come and were not
/// read. So the parts are these, of the process and not of each connection times its windows:
///
/// - A connection that is idle and has made a call: 33 KiB (test `five_thousand_idle_connections`). 28 of them are h2's
///   buffers, which it sets aside and does not let us choose.
/// - Requests that are not read yet: those of calls that the gate let in, `max_calls` × (`stream_window` + the largest
///   request message + `max_header_list_size`). Calls that it refuses are answered and forgotten at once.
/// - Answers that the client does not read: at most `max_send_buffer` and a message for each call in progress, which its
///   deadline ends. A client that lets answers come and then stops reading keeps what HTTP/2 holds until its connection's
///   age ends it: errors of some 300 bytes to anyone, whole answers only to callers who are let in; at most
///   `max_concurrent_streams` × an answer on each of their connections.
/// - Header blocks that are on their way: up to `max_header_list_size` on each connection that sends one slowly, and 64
///   in the process of up to 256 KiB.
///
/// With the defaults: 8192 × 33 KiB = 264 MiB of idle connections, 256 × (20 + 64 + 16 KiB) = 25 MiB of requests, 16 MiB of
/// large headers. A caller that sends half a header block on every connection adds 8192 × 16 KiB = 128 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. Near it the longest idle ones are closed; beyond it new ones are refused. At most what the limit
    /// on open files allows.
    pub max_connections: usize,
    /// Calls at once on one connection. The client queues more.
    pub max_concurrent_streams: u32,
    /// Calls at once in the process, health checks apart. More are told BUSY.
    pub max_calls: usize,
    /// Bytes a client may send on one call before the handler has read them.
    pub stream_window: u32,
    /// Bytes a client may send on one connection before they are read. At least `max_concurrent_streams` ×
    /// `stream_window`, or one unread call can stall its neighbours.
    pub connection_window: u32,
    /// Largest HTTP/2 frame accepted, in bytes: 16 KiB to 16 MiB − 1.
    pub max_frame_size: u32,
    /// Bytes of answer buffered for one call whose client does not read.
    pub max_send_buffer: usize,
    /// Calls reset by the client before they were looked at; more end the connection (rapid reset).
    pub max_pending_accept_reset_streams: usize,
    /// Bytes of request metadata, names and values and 32 for each. A call with more is told METADATA_TOO_LARGE. A header
    /// block above 256 KiB, as sent, ends its connection, and the log says so.
    pub max_header_list_size: u32,
    /// How often a silent peer is pinged.
    pub keepalive_interval: Duration,
    /// How long it may take to answer that.
    pub keepalive_timeout: Duration,
    /// How long a new connection may take to send the HTTP/2 preface.
    pub preface_timeout: Duration,
    /// After this, ±10 % for each connection, the client is asked to connect anew (GOAWAY).
    pub max_connection_age: Duration,
    /// How long calls in flight may take after that. Above `max_deadline`, so that it ends none of them.
    pub max_connection_age_grace: Duration,
    /// Bytes of one request message. A service gives it to its generated server.
    pub max_decoding_message_size: usize,
    /// Bytes of one chunk, where the service takes streams of chunks: said to who sends a message that is too large.
    pub max_chunk: Option<usize>,
    /// Bytes of one answer message. A service gives it to its generated server.
    pub max_encoding_message_size: usize,
    /// How long a call may take when the caller sets no deadline.
    pub default_deadline: Duration,
    /// How long a call may take whatever the caller asks.
    pub max_deadline: Duration,
}

impl Limits {
    /// For small unary messages.
    pub const DEFAULT: Self = Self {
        // A connection from each process of a large deployment, and pools of proxies.
        max_connections: 8192,
        // As many as clients open before they have heard of a limit (RFC 9113, section 6.5.2).
        max_concurrent_streams: 100,
        // 256 × a message of 64 KiB: 16 MiB.
        max_calls: 256,
        // A small message in one go.
        stream_window: 20 * 1024,
        // 100 × 20 KiB.
        connection_window: 2 * 1024 * 1024,
        // HTTP/2's default and least.
        max_frame_size: 16 * 1024,
        max_send_buffer: 64 * 1024,
        // h2's own 20 ends connections of clients that merely cancel in a burst.
        max_pending_accept_reset_streams: 64,
        // As gRPC's C core; a token of 8 KiB, and baggage of as much.
        max_header_list_size: 16 * 1024,
        keepalive_interval: Duration::from_secs(60),
        keepalive_timeout: Duration::from_secs(20),
        preface_timeout: Duration::from_secs(5),
        max_connection_age: Duration::from_secs(300),
        // Twice `max_deadline`.
        max_connection_age_grace: Duration::from_secs(60),
        max_decoding_message_size: 64 * 1024,
        max_chunk: None,
        max_encoding_message_size: 256 * 1024,
        default_deadline: Duration::from_secs(10),
        max_deadline: Duration::from_secs(30),
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
