//! Reloads keys, grants and tokens when the configuration file or one of the secret files that it names has changed.
//!
//! The new keys replace the old ones in one step, calls in flight finish with those that they began with. Only keys, with
//! their deliveries, upload rules, grants and tokens are reloaded (TLS certificates reload by themselves). What else the configuration
//! says needs a restart, which the log says; so do flags such as the address to listen on.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use safelight_chassis::{
    access::Tokens,
    config::{ConfigErrors, Fixed},
    reload::Reload,
};

use crate::{
    access::Grants,
    audit::{Entry, Event, WeakAudit},
    config::Config,
    credentials::Tasks,
    delivery::Deliveries,
    keyring::{Keyring, seen::Digests},
    storing::Uploads,
};

/// What is replaced.
pub(crate) struct Held {
    pub(crate) keyring: Arc<ArcSwap<Keyring>>,
    pub(crate) deliveries: Arc<ArcSwap<Deliveries>>,
    pub(crate) uploads: Arc<ArcSwap<Uploads>>,
    pub(crate) grants: Arc<ArcSwap<Grants>>,
    pub(crate) tokens: Tokens,
}

/// What is read again, and where it goes.
pub(crate) struct Watched {
    pub(crate) held: Held,
    /// For providers of credentials that are new.
    pub(crate) tasks: Tasks,
    pub(crate) audit: WeakAudit,
    pub(crate) path: PathBuf,
    /// What the process was started with.
    pub(crate) fixed: Fixed,
}

impl Reload for Watched {
    type Config = Config;
    type Seen = Digests;

    fn read(&self) -> (Result<Config, ConfigErrors>, Digests) {
        Config::load_seen(&self.path)
    }

    fn apply(&mut self, mut config: Config) {
        config.warn_of_unknown_names();
        config.keyring.start_providers(Some(&self.held.keyring.load()), &self.tasks);
        let keys = config.keyring.all().len();
        self.held.keyring.store(Arc::new(config.keyring));
        self.held.deliveries.store(Arc::new(config.deliveries));
        self.held.uploads.store(Arc::new(config.uploads));
        self.held.tokens.replace(&config.security.tokens);
        self.held.grants.store(Arc::new(config.grants));
        self.audit.offer(Entry::new(Event::Reload));
        tracing::info!(keys, "keys, grants and tokens reloaded");
        self.fixed.warn_of_changes(&config.fixed);
    }

    fn refuse(&mut self) {
        let reason = "CONFIGURATION_INVALID".to_owned();
        self.audit.offer(Entry { reason, ..Entry::new(Event::Reload) });
    }
}
