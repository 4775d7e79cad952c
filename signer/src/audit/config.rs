//! `[audit]` of the configuration.

use std::path::{Path, PathBuf};

use hmac::Hmac;
use safelight_chassis::config::Section;
use serde::Deserialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::keyring::read_secret;

/// Bytes of a key that is made where none is configured.
const KEY_BYTES: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SinkName {
    File,
    Stdout,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Required,
    BestEffort,
}

/// What `[audit]` says. Holds a secret: has neither `Debug` nor `Clone`.
pub struct Settings {
    /// The file; `None` for standard output.
    pub(super) path: Option<PathBuf>,
    pub(super) required: bool,
    key: Zeroizing<Vec<u8>>,
}

impl Settings {
    /// Settings for a file under a key, whose records are required.
    #[must_use]
    pub fn file(path: PathBuf, key: &[u8]) -> Self {
        Self { path: Some(path), required: true, key: key.to_vec().into() }
    }

    /// Reads `[audit]`; `None` if there is none. Whatever is wrong is recorded in the section.
    pub fn read(section: &mut Section) -> Option<Self> {
        section.table("audit", |section| {
            let sink = section.required::<Option<SinkName>>("sink");
            let path: Option<PathBuf> = section.optional("path");
            if sink.is_some() && path.is_some() != (sink == Some(SinkName::File)) {
                section.error("path", "belongs to sink = \"file\", and is needed there");
            }
            let required = section.or("mode", Mode::Required) == Mode::Required;
            let key = match section.optional::<PathBuf>("key_file") {
                Some(file) => read_secret(&file).unwrap_or_else(|error| {
                    section.error("key_file", error);
                    Zeroizing::default()
                }),
                None if path.is_some() || sink == Some(SinkName::File) => {
                    // A chain under a key that dies with the process could not be continued, nor verified.
                    section.error("key_file", "is needed for sink = \"file\"");
                    Zeroizing::default()
                }
                None => {
                    let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
                    if getrandom::fill(&mut key).is_err() {
                        section.error("key_file", "the system gives no randomness to do without");
                    }
                    key
                }
            };
            Self { path, required, key }
        })
    }

    /// The file, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(super) fn mac(&self, label: &[u8]) -> Hmac<Sha256> {
        super::mac(&self.key, label)
    }
}
