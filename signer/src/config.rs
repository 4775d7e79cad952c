//! The configuration file.

use std::path::Path;

use safelight_chassis::{
    config::{self, ConfigErrors, Section},
    server::Security,
};

use crate::{access::Grants, keyring::Keyring, upload};

/// Everything that `signer.toml` says, with the secrets of the files that it names.
///
/// What may stand in it is described in `keyring/load.rs` and `upload/config.rs`. Holds secrets: has neither `Debug` nor `Clone`.
pub struct Config {
    pub(crate) keyring: Keyring,
    pub(crate) grants: Grants,
    pub(crate) security: Security,
    /// `None`: `UploadTokenService` is not served.
    pub(crate) upload_tokens: Option<upload::Settings>,
}

impl Config {
    /// Reads the file at `path` and the secret files that it names.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, at once. No error shows a value, let alone a secret.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        config::load(path, Self::read_section)
    }

    /// Reads TOML text and the secret files that it names.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(text: &str) -> Result<Self, ConfigErrors> {
        config::read(text, Self::read_section)
    }

    fn read_section(section: &mut Section) -> Self {
        Self {
            keyring: Keyring::read(section),
            grants: Grants::read(section),
            security: Security::read(section),
            upload_tokens: upload::Settings::read(section),
        }
    }
}
