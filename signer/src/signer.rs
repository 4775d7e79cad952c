//! The signer: keys and a clock, behind gRPC.

use std::sync::Arc;

use safelight_chassis::server::Server;

use crate::{clock::Clock, config::Config, keyring::Keyring, service};

/// Keys and a clock. Clones share them.
#[derive(Clone)]
pub struct Signer {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) clock: Clock,
}

impl Signer {
    /// A signer with the keys of a configuration.
    #[must_use]
    pub fn new(config: Config, clock: Clock) -> Self {
        Self { keyring: Arc::new(config.keyring), clock }
    }

    /// Adds `SignerService`, `VerifierService` and `KeyService`, each with its limits on messages.
    #[must_use]
    pub fn add_to(&self, server: Server) -> Server {
        service::add(self, server)
    }
}
