//! The configuration file.

use std::{path::Path, time::Duration};

use safelight_chassis::{
    config::{self, ConfigErrors, Fixed, Section},
    reload,
    server::{Security, Settings},
};

use crate::{
    access::Grants,
    audit,
    delivery::Deliveries,
    keyring::{
        Keyring,
        seen::{Digests, Seen},
    },
    stack,
    storing::Uploads,
    upload,
};

/// What is reloaded.
const RELOADED: [&str; 8] = [
    "allow_readable_secrets",
    "deliveries",
    "fingerprint_key_file",
    "grants",
    "key_encryption_key_file",
    "keys",
    "tokens",
    "uploads",
];

/// Everything that `signer.toml` says, with the secrets of the files that it names.
///
/// What may stand in it is described in `keyring/load.rs`, `delivery/config.rs`, `storing/config.rs`, `access.rs` and `upload/config.rs`. Holds secrets: has neither `Debug` nor `Clone`.
pub struct Config {
    pub(crate) keyring: Keyring,
    pub(crate) deliveries: Deliveries,
    pub(crate) uploads: Uploads,
    pub(crate) grants: Grants,
    pub(crate) security: Security,
    pub(crate) server: Settings,
    /// `None`: no audit trail.
    pub(crate) audit: Option<audit::Settings>,
    /// `None`: `UploadTokenService` is not served.
    pub(crate) upload_tokens: Option<upload::Settings>,
    /// How often keys are read again.
    pub(crate) reload_interval: Duration,
    /// All that is not reloaded.
    pub(crate) fixed: Fixed,
    /// What was read, to find out whether it changes.
    pub(crate) seen: Option<Digests>,
}

impl Config {
    /// Reads the file at `path` and the secret files that it names.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, at once. No error shows a value, let alone a secret.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::load_seen(path).0
    }

    /// The same, and a hash of all that was read, good or bad.
    pub(crate) fn load_seen(path: &Path) -> (Result<Self, ConfigErrors>, Digests) {
        stack::wiped::<{ stack::READING }, _>(|| Self::load_and_leave(path))
    }

    /// The same, and parts of secrets on the stack.
    fn load_and_leave(path: &Path) -> (Result<Self, ConfigErrors>, Digests) {
        let seen = Seen::default();
        let config = match std::fs::read_to_string(path) {
            Ok(text) => {
                seen.add(text.as_bytes());
                config::read(&text, |section| Self::read_section(section, &seen))
            }
            Err(error) => {
                seen.add(error.kind().to_string().as_bytes());
                Err(ConfigErrors::one(
                    path.display().to_string(),
                    format!("cannot be read: {}", error.kind()),
                ))
            }
        };
        let digests = seen.finish();
        (config.map(|config| Self { seen: Some(digests), ..config }), digests)
    }

    /// Reads TOML text and the secret files that it names.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(text: &str) -> Result<Self, ConfigErrors> {
        config::read(text, |section| Self::read_section(section, &Seen::default()))
    }

    /// Reads TOML text that holds keys and nothing else.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn read_keys(text: &str) -> Result<Keyring, ConfigErrors> {
        config::read(text, |section| Keyring::read(section, &Seen::default()))
    }

    fn read_section(section: &mut Section, seen: &Seen) -> Self {
        let fixed = section.fixed(&RELOADED);
        let reload_interval = reload::read_interval(section);
        let keyring = Keyring::read(section, seen);
        let deliveries = Deliveries::read(section, &keyring);
        let upload_tokens = upload::Settings::read_table(section);
        let uploads = Uploads::read(section, &keyring, upload_tokens.is_some());
        Self {
            grants: Grants::read(section).with_known(&keyring, &deliveries, &uploads),
            keyring,
            deliveries,
            uploads,
            security: Security::read(section),
            server: Settings::read(section),
            audit: audit::Settings::read(section),
            upload_tokens: upload_tokens.flatten(),
            reload_interval,
            fixed,
            seen: None,
        }
    }
}
