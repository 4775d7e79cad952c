//! gRPC handlers: they translate, and call the rooms below.
//!
//! # Layout
//! - [`server`]: the methods of `ResizerService`
//! - [`upload`]: the messages of an upload, into bytes
//! - [`deliver`]: a URL, into an entity tag and a source
//! - [`answer`]: a source and orders, into frames
//! - [`translate`]: messages ↔ values
//! - [`error`]: every room's errors → what the caller is told
//! - [`state`]: what the methods share

mod answer;
mod deliver;
mod error;
mod server;
mod state;
mod translate;
mod upload;

use std::{sync::Arc, time::Duration};

use safelight_chassis::server::{Limits, Server};
use safelight_proto::resizer::v1::resizer_service_server::ResizerServiceServer;

use crate::config::Config;
use state::State;

pub use state::StartError;

/// Longest message that is taken: a chunk of 64 KiB and its framing, with room for a large `open`.
const MAX_RECEIVED_MESSAGE: usize = 128 * 1024;
/// Longest message that is sent: a chunk of 64 KiB and its framing.
const MAX_SENT_MESSAGE: usize = 128 * 1024;

/// The resizer, ready to be served.
#[derive(Debug, Clone)]
pub struct Resizer {
    state: Arc<State>,
}

impl Resizer {
    /// Sets up threads, budgets and clients. Connects to nothing.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(config: Config) -> Result<Self, StartError> {
        Ok(Self { state: Arc::new(State::new(config)?) })
    }

    /// Adds the gRPC service.
    #[must_use]
    pub fn add_to(&self, server: Server) -> Server {
        server.service(
            ResizerServiceServer::new(server::Handlers::new(Arc::clone(&self.state)))
                .max_decoding_message_size(MAX_RECEIVED_MESSAGE)
                .max_encoding_message_size(MAX_SENT_MESSAGE),
        )
    }
}

/// The transport settings of the resizer (reference: grpc-practice.md, "HTTP/2 and messages").
#[must_use]
pub fn limits() -> Limits {
    const KIB: u32 = 1024;
    Limits {
        max_connections: 64,
        max_concurrent_streams: 32,
        max_calls: 512, // twice the places of admission, which answers first: unread messages take 64 MiB
        stream_window: 128 * KIB, // 1 Gbit/s at 1 ms
        connection_window: 4096 * KIB, // 32 × 128 KiB: a stream that is not read starves no other
        max_frame_size: 16 * KIB,
        max_send_buffer: 128 * 1024,
        max_pending_accept_reset_streams: 256, // bursts of cancellations are everyday here
        default_deadline: Duration::from_secs(30),
        max_deadline: Duration::from_secs(30),
        ..Limits::default()
    }
}
