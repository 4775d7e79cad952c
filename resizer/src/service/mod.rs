//! The gRPC door: translates requests into values of [`app`](crate::app), and its answers back.
//!
//! # Layout
//! - [`server`]: the methods of `ResizerService`
//! - [`upload`]: the messages of an upload, into bytes
//! - [`answer`]: outputs, into the messages of an answer
//! - [`translate`]: messages ↔ values
//! - [`options`]: transform options, both ways
//! - [`permits`]: what the caller may have

mod answer;
mod options;
mod permits;
mod server;
mod translate;
mod upload;

use std::{sync::Arc, time::Duration};

use safelight_chassis::{
    check::Finding,
    server::{Limits, Server, Settings},
};
use safelight_client::{ConnectError, SignerClient};
use safelight_proto::{CHUNK_SIZE, resizer::v1::resizer_service_server::ResizerServiceServer};
use tonic::codec::CompressionEncoding::Gzip;

use crate::{
    access::Access,
    app::{App, SetupError},
    config::Config,
    http,
    signer::RemoteSigner,
};

/// The resizer, ready to be served.
#[derive(Debug, Clone)]
pub struct Resizer {
    app: Arc<App>,
    server: Settings,
    http: Option<http::Config>,
    access: Access,
}

/// Why a resizer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The signer's endpoint is no URI, or a file that the connection needs cannot be used.
    #[error("the connection to the signer: {0}")]
    Signer(#[from] ConnectError),
    /// Threads or HTTP clients.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl Resizer {
    /// Sets up threads, budgets and clients. Connects to nothing.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(config: Config) -> Result<Self, StartError> {
        let client = SignerClient::connect_lazy(&config.signer_endpoint, &config.signer_credentials)?;
        let signer = RemoteSigner::new(client, config.signer_timeout);
        let (server, access, http) = (config.server, config.access.clone(), config.http.clone());
        Ok(Self { app: Arc::new(App::new(config, Arc::new(signer))?), server, access, http })
    }

    /// Asks signer and origins whether they answer as the configuration says.
    pub async fn check(&self) -> Vec<Finding> {
        self.app.check().await
    }

    /// Asks the signer alone.
    pub async fn check_signer(&self) -> Vec<Finding> {
        self.app.check_signer().await
    }

    /// Compares routes with the signer's deliveries for as long as the runtime lives, and says in the log what differs.
    pub fn watch_agreement(&self) {
        let app = Arc::clone(&self.app);
        tokio::spawn(async move { app.watch_agreement().await });
    }

    /// Does what is left of uploads, for as long as the runtime lives.
    pub fn do_upload_tasks(&self) {
        let app = Arc::clone(&self.app);
        tokio::spawn(async move { app.do_upload_tasks().await });
    }

    /// Adds the gRPC service, with TLS and tokens, and lets in who has a grant; and the HTTP port where one is configured.
    #[must_use]
    pub fn add_to(&self, server: Server) -> Server {
        let Limits { max_decoding_message_size, max_encoding_message_size, .. } = limits();
        let server = self.access.guard(server.settings(self.server));
        self.app.register_metrics(&server.metrics());
        let app = Arc::clone(&self.app);
        let server = server.at_end(async move { app.results_written().await });
        let server = match &self.http {
            Some(config) => http::add_to(server, Arc::clone(&self.app), config),
            None => server,
        };
        server.service(
            ResizerServiceServer::new(server::Handlers::new(Arc::clone(&self.app)))
                .accept_compressed(Gzip)
                .max_decoding_message_size(max_decoding_message_size)
                .max_encoding_message_size(max_encoding_message_size),
        )
    }
}

/// The transport settings of the resizer (reference: grpc-practice.md, "HTTP/2 and messages").
#[must_use]
pub const fn limits() -> Limits {
    Limits {
        // As many as clients open before they have heard of a limit (RFC 9113, 6.5.2): with less, a burst on a new
        // connection is refused, and not every client tries again.
        max_concurrent_streams: 100,
        // Twice the places of admission, which answers first: unread messages take 64 MiB.
        max_calls: 512,
        stream_window: 64 * 1024, // a chunk; 1 Gbit/s at 0.5 ms
        // 64 streams that are not read. Handlers read at once or are over, so fewer than all may stall a neighbour.
        connection_window: 4 * 1024 * 1024,
        max_send_buffer: 64 * 1024,
        max_pending_accept_reset_streams: 256, // bursts of cancellations are everyday here
        // A chunk of 64 KiB and its framing, with room for a large `open`.
        max_decoding_message_size: 128 * 1024,
        max_chunk: Some(CHUNK_SIZE),
        // A chunk of 64 KiB and its framing; a full page of variants.
        max_encoding_message_size: 256 * 1024,
        default_deadline: Duration::from_secs(30),
        max_deadline: Duration::from_secs(30),
        ..Limits::DEFAULT
    }
}
