//! Reloads keys and grants when the configuration file or one of the secret files that it names has changed.
//!
//! Files are read again every few seconds and on SIGHUP, and their contents compared: nothing is missed that a watch
//! on names would miss, such as the swap of a symbolic link far above (`..data` of a Kubernetes volume) or an editor that
//! writes another file and renames it. A change is taken only once two readings agree, so that a file that is being
//! written is not taken half.
//!
//! The new keys replace the old ones in one step, calls in flight finish with those that they began with. Files with
//! anything wrong in them change nothing: the errors are logged, without values, and the old keys stay.
//!
//! Only keys and grants are reloaded (TLS certificates reload by themselves). What else the configuration says, and flags such as the address to listen on, need a restart.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    access::Grants,
    audit::{Entry, Event, WeakAudit},
    config::Config,
    credentials::Tasks,
    delivery::Deliveries,
    keyring::{Keyring, seen::Digests},
};

/// How often files are read again unless `reload_interval` says otherwise.
pub(crate) const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// Shortest `reload_interval`.
pub(crate) const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// The time between the two readings that must agree.
const SETTLE: Duration = Duration::from_millis(50);

/// How often keys were reloaded, since the process began.
#[derive(Debug, Default)]
pub struct Reloads {
    applied: AtomicU64,
    refused: AtomicU64,
}

impl Reloads {
    /// How many changes were taken.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Relaxed)
    }

    /// How many changes were refused, because of something wrong in them.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Replaces what is held from the file at `path` for as long as the runtime lives. `loaded` is what was read there for the
/// keys that it holds now.
///
/// # Errors
/// The system does not let us handle SIGHUP, or gives no thread.
pub(crate) fn watch(
    held: Held,
    tasks: Tasks,
    audit: WeakAudit,
    reloads: Arc<Reloads>,
    path: PathBuf,
    interval: Duration,
    loaded: Digests,
) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut watcher = Watcher { held, tasks, audit, reloads, path, known: loaded };
    let (ask, asked) = mpsc::channel();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if ask.send(()).is_err() {
                return;
            }
        }
    });
    // A thread of its own: files may be slow, and those who serve must never wait.
    std::thread::Builder::new().name("reload".to_owned()).spawn(move || {
        loop {
            match asked.recv_timeout(interval) {
                Ok(()) => watcher.step(true),
                Err(RecvTimeoutError::Timeout) => watcher.step(false),
                // The runtime has ended, and with it the task that listens to signals.
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    })?;
    Ok(())
}

/// What is replaced.
pub(crate) struct Held {
    pub(crate) keyring: Arc<ArcSwap<Keyring>>,
    pub(crate) deliveries: Arc<ArcSwap<Deliveries>>,
    pub(crate) grants: Arc<ArcSwap<Grants>>,
}

struct Watcher {
    held: Held,
    /// For providers of credentials that are new.
    tasks: Tasks,
    audit: WeakAudit,
    reloads: Arc<Reloads>,
    path: PathBuf,
    /// What was read when it was last decided whether to take it.
    known: Digests,
}

impl Watcher {
    fn step(&mut self, asked: bool) {
        let (_, mut read) = Config::load_seen(&self.path);
        if read == self.known {
            if asked {
                tracing::info!("asked to reload: nothing has changed");
            }
            return;
        }
        let config = loop {
            std::thread::sleep(SETTLE);
            let (config, again) = Config::load_seen(&self.path);
            if again == read {
                break config;
            }
            read = again;
        };
        self.known = read;
        match config {
            Ok(mut config) => {
                config.keyring.start_providers(Some(&self.held.keyring.load()), &self.tasks);
                let keys = config.keyring.all().len();
                self.held.keyring.store(Arc::new(config.keyring));
                self.held.deliveries.store(Arc::new(config.deliveries));
                self.held.grants.store(Arc::new(config.grants));
                self.audit.offer(Entry::new(Event::Reload));
                self.reloads.applied.fetch_add(1, Ordering::Relaxed);
                tracing::info!(keys, "keys and grants reloaded");
            }
            Err(errors) => {
                self.reloads.refused.fetch_add(1, Ordering::Relaxed);
                let reason = "CONFIGURATION_INVALID".to_owned();
                self.audit.offer(Entry { reason, ..Entry::new(Event::Reload) });
                for error in &errors.errors {
                    tracing::error!(
                        config.path = error.path,
                        "configuration not reloaded, the old keys stay: {error}"
                    );
                }
            }
        }
    }
}
