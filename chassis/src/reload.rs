//! Reads a configuration again when its files have changed.
//!
//! Files are read again every few seconds and on SIGHUP, and their contents compared: nothing is missed that a watch
//! on names would miss, such as the swap of a symbolic link far above (`..data` of a Kubernetes volume) or an editor that
//! writes another file and renames it. A change is taken only once two readings agree, so that a file that is being
//! written is not taken half. Files with anything wrong in them change nothing: the errors are logged, without values, and
//! what was there stays.

use std::{
    io,
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{ConfigErrors, Section};

/// How often files are read again unless `reload_interval` says otherwise.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

/// Shortest `reload_interval`.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// The time between the two readings that must agree.
const SETTLE: Duration = Duration::from_millis(50);

/// Reads `reload_interval`.
pub fn read_interval(section: &mut Section) -> Duration {
    let interval = section.duration("reload_interval").unwrap_or(DEFAULT_INTERVAL);
    if interval < MIN_INTERVAL {
        section.error("reload_interval", "expected at least 100ms");
    }
    interval
}

/// How often something was read again, since the process began. A handle: clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct Reloads {
    applied: Counter,
    refused: Counter,
}

impl Reloads {
    /// How many changes were taken.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied.get()
    }

    /// How many changes were refused, because of something wrong in them.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// A change was taken.
    pub(crate) fn apply(&self) {
        self.applied.inc();
    }

    /// A change was refused.
    pub(crate) fn refuse(&self) {
        self.refused.inc();
    }
}

/// What is read again, and where it goes.
pub trait Reload: Send + 'static {
    /// What is read.
    type Config;

    /// What was found in the files, good or bad, to be compared: their content, or a hash of it.
    type Seen: PartialEq + Send;

    /// Reads the files.
    fn read(&self) -> (Result<Self::Config, ConfigErrors>, Self::Seen);

    /// Takes what is new, in one step: calls in flight finish with what they began with.
    fn apply(&mut self, config: Self::Config);

    /// Something is wrong with what is new, which was logged.
    fn refuse(&mut self) {}
}

/// Reloads for as long as the runtime lives. `known` is what was found when what is held now was read.
///
/// # Errors
/// The system does not let us handle SIGHUP, or gives no thread.
pub fn watch<R: Reload>(reload: R, reloads: Reloads, interval: Duration, known: R::Seen) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut watcher = Watcher { reload, reloads, known };
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

struct Watcher<R: Reload> {
    reload: R,
    reloads: Reloads,
    /// What was read when it was last decided whether to take it.
    known: R::Seen,
}

impl<R: Reload> Watcher<R> {
    fn step(&mut self, asked: bool) {
        let (_, mut read) = self.reload.read();
        if read == self.known {
            if asked {
                tracing::info!("asked to reload: nothing has changed");
            }
            return;
        }
        let config = loop {
            std::thread::sleep(SETTLE);
            let (config, again) = self.reload.read();
            if again == read {
                break config;
            }
            read = again;
        };
        self.known = read;
        match config {
            Ok(config) => {
                self.reload.apply(config);
                self.reloads.apply();
            }
            Err(errors) => {
                self.reloads.refuse();
                self.reload.refuse();
                for error in &errors.errors {
                    tracing::error!(
                        config.path = error.path,
                        "configuration not reloaded, the old one stays: {error}"
                    );
                }
            }
        }
    }
}
