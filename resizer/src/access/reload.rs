//! Reloads tokens and grants when the configuration file has changed. TLS certificates reload by themselves; all else needs
//! a restart, which the log says.

use std::{io, path::PathBuf, time::Duration};

use safelight_chassis::{
    config::{self, ConfigErrors, Fixed},
    reload::{self, Reload, Reloads},
};

use super::Access;
use crate::config::Config;

/// What is watched: the file that tokens and grants were read from, and where they go.
#[derive(Debug)]
pub struct Watch {
    watched: Watched,
    interval: Duration,
    known: Result<String, ConfigErrors>,
}

impl Watch {
    /// A watch of the file at `path`, from which this was loaded.
    #[must_use]
    pub fn new(config: &Config, path: PathBuf) -> Self {
        Self {
            watched: Watched { path, access: config.access.clone(), fixed: config.fixed.clone() },
            interval: config.reload_interval,
            known: Ok(config.text.clone().unwrap_or_default()),
        }
    }

    /// Reloads them for as long as the runtime lives.
    ///
    /// # Errors
    /// The system does not let us handle SIGHUP, or gives no thread.
    pub fn start(self) -> io::Result<Reloads> {
        let reloads = Reloads::default();
        reload::watch(self.watched, reloads.clone(), self.interval, self.known)?;
        Ok(reloads)
    }
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    access: Access,
    /// What the process was started with.
    fixed: Fixed,
}

impl Reload for Watched {
    type Config = Config;
    /// The file holds no secret.
    type Seen = Result<String, ConfigErrors>;

    fn read(&self) -> (Result<Config, ConfigErrors>, Self::Seen) {
        let text = config::text(&self.path);
        (text.clone().and_then(|text| Config::read(&text)), text)
    }

    fn apply(&mut self, config: Config) {
        self.access.replace(&config.access);
        tracing::info!("grants and tokens reloaded");
        self.fixed.warn_of_changes(&config.fixed);
    }
}
