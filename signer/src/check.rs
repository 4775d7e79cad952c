//! Whether what a configuration names is there, before a roll-out: for `check-config`, and `check-config --connect`.
//!
//! Opens nothing for writing: another signer may have audit file and token store open.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use safelight_chassis::check::Finding;
use tokio::runtime::Handle;

use crate::{clock::Clock, config::Config, credentials::Tasks};

/// How long providers of credentials may take: their first attempt and a second.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two looks at what they issued.
const INTERVAL: Duration = Duration::from_millis(50);

impl Config {
    /// What is in it, in a line.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} keys, {} deliveries, {} upload rules, audit trail {}, upload tokens {}",
            self.keyring.count(),
            self.deliveries.all().len(),
            self.uploads.all().len(),
            on_or_off(self.audit.is_some()),
            on_or_off(self.upload_tokens.is_some()),
        )
    }

    /// What is there to say without asking: of the names in grants, the files that are written to, and the server's certificate.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.security.findings();
        findings.extend(self.unknown_names().into_iter().map(Finding::problem));
        let audit = self.audit.as_ref().and_then(|audit| audit.path());
        let upload_tokens = self.upload_tokens.as_ref().and_then(|upload_tokens| upload_tokens.path());
        findings.extend(audit.map(|path| writable("audit.path", path)));
        findings.extend(upload_tokens.map(|path| writable("upload_tokens.path", path)));
        findings
    }

    /// Where grants name what is not configured.
    fn unknown_names(&self) -> Vec<String> {
        self.grants.unknown_names(&self.keyring, &self.deliveries, &self.uploads)
    }

    /// Says so in the log.
    pub(crate) fn warn_of_unknown_names(&self) {
        for name in self.unknown_names() {
            tracing::warn!("configuration: {name}");
        }
    }

    /// Asks the providers of credentials and the database of upload tokens. Call inside a tokio runtime.
    pub async fn check(mut self, clock: Clock) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(upload_tokens) = &self.upload_tokens
            && upload_tokens.path().is_none()
        {
            findings.push(upload_tokens.ask().await);
        }
        self.keyring.start_providers(None, &Tasks { runtime: Handle::current(), clock: clock.clone() });
        let until = Instant::now() + CREDENTIALS_TIMEOUT;
        loop {
            let now = clock.now();
            let providers = self.keyring.credentials(now).filter(|(_, source)| source.is_provider());
            let (there, missing): (Vec<_>, Vec<_>) =
                providers.partition(|(_, source)| source.at(now).is_ok());
            if missing.is_empty() || Instant::now() >= until {
                findings.extend(
                    there
                        .iter()
                        .map(|(key, _)| Finding::fine(format!("key {key}: its provider issued credentials"))),
                );
                findings.extend(missing.iter().map(|(key, _)| {
                    Finding::problem(format!(
                        "key {key}: its provider issued no credentials; the log says why"
                    ))
                }));
                return findings;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

const fn on_or_off(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

/// Whether a file could be appended to, or made.
fn writable(key: &str, path: &Path) -> Finding {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if path.exists() {
        return match std::fs::OpenOptions::new().append(true).open(path) {
            Ok(_) => Finding::fine(format!("{key}: can be written")),
            Err(error) => Finding::problem(format!("{key}: cannot be written: {}", error.kind())),
        };
    }
    if folder.is_dir() {
        Finding::fine(format!("{key}: not there yet; a start makes it"))
    } else {
        Finding::problem(format!(
            "{key}: the folder {} is not there; it is not made at start",
            folder.display()
        ))
    }
}
