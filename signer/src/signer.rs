//! The signer: keys, a clock and upload tokens, behind gRPC.

use std::sync::Arc;

use safelight_chassis::server::{Security, Server};

use crate::{
    access::Grants,
    clock::Clock,
    config::Config,
    keyring::Keyring,
    service,
    upload::{UploadTokens, config::OpenError},
};

/// Keys, a clock and, where they are configured, upload tokens. Clones share them.
#[derive(Clone)]
pub struct Signer {
    pub(crate) keyring: Arc<Keyring>,
    grants: Arc<Grants>,
    security: Security,
    pub(crate) clock: Clock,
    pub(crate) upload_tokens: Option<UploadTokens>,
}

impl Signer {
    /// A signer with the keys of a configuration, and without its upload tokens.
    #[must_use]
    pub fn new(config: Config, clock: Clock) -> Self {
        Self {
            keyring: Arc::new(config.keyring),
            grants: Arc::new(config.grants),
            security: config.security,
            clock,
            upload_tokens: None,
        }
    }

    /// A signer with all of a configuration. Must be called inside a tokio runtime, where expired upload tokens are swept.
    ///
    /// # Errors
    /// The embedded store of upload tokens cannot be opened: most often because another process has it.
    pub fn open(mut config: Config, clock: Clock) -> Result<Self, OpenError> {
        let settings = config.upload_tokens.take();
        let upload_tokens =
            settings.map(|settings| UploadTokens::open(&settings, clock.clone())).transpose()?;
        Ok(Self { upload_tokens, ..Self::new(config, clock) })
    }

    /// Adds `SignerService`, `VerifierService`, `KeyService` and, where it is configured, `UploadTokenService`, each with
    /// its limits on messages, and lets in who has a grant.
    #[must_use]
    pub fn add_to(&self, server: Server) -> Server {
        let server = server.security(self.security.clone()).authorise(self.grants.clone());
        service::add(self, server)
    }
}
