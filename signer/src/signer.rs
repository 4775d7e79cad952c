//! The signer: keys, a clock and upload tokens, behind gRPC.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use safelight_chassis::{
    config::Fixed,
    reload::{self, Reloads},
    server::{Security, Server, Settings},
};

use tokio::runtime::Handle;

use crate::{
    access::{Door, Grants},
    audit::{self, Audit},
    clock::Clock,
    config::Config,
    credentials::Tasks,
    delivery::Deliveries,
    keyring::{Keyring, seen::Digests},
    metrics::Metrics,
    reload::{Held, Watched},
    service,
    storing::Uploads,
    upload::{UploadTokens, config::OpenError},
};

/// How often it is looked whether all credentials are there, while the signer is not ready for want of them.
const CREDENTIALS_INTERVAL: Duration = Duration::from_millis(50);

/// Why a signer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store of upload tokens.
    #[error(transparent)]
    UploadTokens(#[from] OpenError),
    /// The audit trail.
    #[error(transparent)]
    Audit(#[from] audit::OpenError),
}

/// Keys, a clock and, where they are configured, upload tokens. Clones share them.
#[derive(Clone)]
pub struct Signer {
    keyring: Arc<ArcSwap<Keyring>>,
    deliveries: Arc<ArcSwap<Deliveries>>,
    uploads: Arc<ArcSwap<Uploads>>,
    grants: Arc<ArcSwap<Grants>>,
    pub(crate) audit: Audit,
    security: Security,
    server: Settings,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) upload_tokens: Option<UploadTokens>,
    reloads: Reloads,
    reload_interval: Duration,
    fixed: Fixed,
    loaded: Option<Digests>,
}

impl Signer {
    /// A signer with the keys and grants of a configuration, without its upload tokens, its audit trail and what
    /// providers of credentials issue.
    #[must_use]
    pub fn new(config: Config, clock: Clock) -> Self {
        Self {
            keyring: Arc::new(ArcSwap::from_pointee(config.keyring)),
            deliveries: Arc::new(ArcSwap::from_pointee(config.deliveries)),
            uploads: Arc::new(ArcSwap::from_pointee(config.uploads)),
            grants: Arc::new(ArcSwap::from_pointee(config.grants)),
            audit: Audit::none(),
            security: config.security,
            server: config.server,
            clock,
            metrics: Metrics::default(),
            upload_tokens: None,
            reloads: Reloads::default(),
            reload_interval: config.reload_interval,
            fixed: config.fixed,
            loaded: config.seen,
        }
    }

    /// Reloads keys, grants and tokens whenever the configuration file or a secret file changes, for as long as the runtime lives; also
    /// on SIGHUP. `path` is where the configuration was loaded from. Call inside a tokio runtime.
    ///
    /// # Errors
    /// The system does not let us handle SIGHUP; or the configuration was not loaded from a file.
    pub fn reload_from(&self, path: PathBuf) -> io::Result<()> {
        let loaded = self.loaded.ok_or_else(|| io::Error::other("the configuration is not from a file"))?;
        let watched = Watched {
            held: Held {
                keyring: Arc::clone(&self.keyring),
                deliveries: Arc::clone(&self.deliveries),
                uploads: Arc::clone(&self.uploads),
                grants: Arc::clone(&self.grants),
                tokens: self.security.tokens.clone(),
            },
            tasks: Tasks { runtime: Handle::current(), clock: self.clock.clone() },
            audit: self.audit.downgrade(),
            path,
            fixed: self.fixed.clone(),
        };
        reload::watch(watched, self.reloads.clone(), self.reload_interval, loaded)
    }

    /// How often they were reloaded.
    #[must_use]
    pub fn reloads(&self) -> &Reloads {
        &self.reloads
    }

    /// The keys as they are now. A call takes them once and finishes with them.
    pub(crate) fn keyring(&self) -> Guard<Arc<Keyring>> {
        self.keyring.load()
    }

    /// The deliveries as they are now. To be taken before the keys: a reload stores them after the keys that they name.
    pub(crate) fn deliveries(&self) -> Guard<Arc<Deliveries>> {
        self.deliveries.load()
    }

    /// The upload rules as they are now. To be taken before the keys, as deliveries are.
    pub(crate) fn uploads(&self) -> Guard<Arc<Uploads>> {
        self.uploads.load()
    }

    /// Whether every key that needs credentials has some to sign with now. Those of a version that does not sign yet, or any
    /// more, are not asked for.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        have_credentials(&self.keyring, &self.clock)
    }

    /// Waits for that, by the keys as they are then: a reload may have brought others. Holds nothing of the signer but them.
    pub fn credentials(&self) -> impl Future<Output = ()> + Send + use<> {
        let (keyring, clock) = (Arc::clone(&self.keyring), self.clock.clone());
        async move {
            while !have_credentials(&keyring, &clock) {
                tokio::time::sleep(CREDENTIALS_INTERVAL).await;
            }
        }
    }

    /// A signer with all of a configuration. Must be called inside a tokio runtime, where expired upload tokens are swept and
    /// credentials refreshed.
    ///
    /// # Errors
    /// The embedded store of upload tokens, or the audit file, cannot be opened: most often because another process has it.
    pub fn open(mut config: Config, clock: Clock) -> Result<Self, StartError> {
        config.warn_of_unknown_names();
        let audit = match config.audit.take() {
            None => Audit::none(),
            Some(settings) => Audit::open(&settings)?,
        };
        let settings = config.upload_tokens.take();
        let upload_tokens =
            settings.map(|settings| UploadTokens::open(&settings, clock.clone())).transpose()?;
        config.keyring.start_providers(None, &Tasks { runtime: Handle::current(), clock: clock.clone() });
        Ok(Self { upload_tokens, audit, ..Self::new(config, clock) })
    }

    /// Adds `SignerService`, `VerifierService`, `UploadService`, Envoy's `Authorization`, `KeyService` and, where it is configured,
    /// `UploadTokenService`, each with
    /// its limits on messages, and lets in who has a grant.
    #[must_use]
    pub fn add_to(&self, server: Server) -> Server {
        let door = Door { grants: Arc::clone(&self.grants), audit: self.audit.clone() };
        let server = server.settings(self.server).security(self.security.clone()).authorise(Arc::new(door));
        let registry = server.metrics();
        self.metrics.register(&registry);
        registry.watch_reloads("configuration", self.reloads.clone());
        service::add(self, server)
    }
}

fn have_credentials(keyring: &ArcSwap<Keyring>, clock: &Clock) -> bool {
    let now = clock.now();
    keyring.load().credentials(now).all(|(_, source)| source.at(now).is_ok())
}
