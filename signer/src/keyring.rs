//! The keys: versions, states and secrets, read from the configuration.
//!
//! # Layout
//! - [`Keyring`]: keys by name
//! - [`Key`]: a scheme, its policy, and versions of a secret
//! - [`UrlKey`]: what all keys for signed URLs have in common
//! - [`Versions`]: one primary, others that only verify, others that are disabled
//! - [`schedule`]: which of these a version is at a moment
//! - [`Scheme`], [`Algorithm`]: their names
//! - [`OriginHeaders`]: what every request to S3 carries
//! - [`Allowed`]: which URLs a key may be used for
//! - `load`: reads `[[keys]]`
//! - `secret`: reads a secret file
//! - `sealed`: secrets at rest, encrypted
//! - `fingerprint`: what tells secrets apart and says nothing about them
//! - `seen`: whether any of the files has changed
//!
//! A key of one scheme cannot be used for another: each scheme has a type of its own here, and so does its material.
//! A ring never changes once it is read: whoever reloads keys makes another one.

mod allowed;
mod fingerprint;
mod load;
mod names;
mod origin_headers;
#[cfg(test)]
mod scenarios;
pub mod schedule;
pub(crate) mod sealed;
pub(crate) mod secret;
pub(crate) mod seen;
#[cfg(test)]
mod tests;
mod url_key;
mod versions;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use allowed::{Allowed, climbs};
pub(crate) use load::is_name;
pub use load::{
    DEFAULT_MAX_TARGET_BYTES, MAX_CLOCK_SKEW, MAX_ELIGIBLE_VERSIONS, MAX_IDENTIFIER_BYTES,
    MAX_MAX_TARGET_BYTES, MAX_NAME_BYTES, MAX_VERSIONS, algorithms, identifier_option,
};
pub use names::{Algorithm, Scheme};
pub use origin_headers::OriginHeaders;
pub use schedule::{Schedule, State};
pub use secret::MAX_SECRET_BYTES;
pub(crate) use secret::read_secret;
pub use url_key::{UrlKey, UrlVersions};
pub use versions::{Version, VersionInfo, Versions};

use crate::{
    credentials::{self, Provider, Source, Tasks},
    scheme::cloudinary_upload,
};

/// Every key of the signer, by name. Holds secrets: has neither `Debug` nor `Clone`.
pub struct Keyring {
    keys: BTreeMap<String, Key>,
    /// The names of those that could not be read.
    unread: BTreeSet<String>,
}

/// A key. Its scheme is fixed for life.
pub enum Key {
    /// Signs and verifies URLs.
    Url(UrlKey),
    /// Signs and verifies Cloudinary uploads.
    CloudinaryUpload(CloudinaryUploadKey),
    /// Signs requests to S3.
    AwsSigv4(AwsSigv4Key),
}

/// A key for Cloudinary uploads.
pub struct CloudinaryUploadKey {
    /// Its secrets.
    pub versions: Versions<cloudinary_upload::Key>,
    /// What it demands of an upload.
    pub policy: cloudinary_upload::Policy,
    /// How Cloudinary may have signed webhooks and answers to uploads.
    pub notification_algorithms: Vec<cloudinary_upload::Algorithm>,
    /// The account's API key, the public half of the credential.
    pub api_key: Option<String>,
}

/// A key for requests to S3.
pub struct AwsSigv4Key {
    /// Its credentials. The access key id belongs to the version: AWS changes it with the secret.
    pub versions: Versions<Source>,
    /// Longest life of a presigned URL, in seconds; `None` for the seven days that AWS allows.
    pub max_ttl: Option<u64>,
    /// Which URLs it may sign.
    pub allowed: Allowed,
    /// Headers that every request gets, and that are signed with it.
    pub headers: OriginHeaders,
}

/// Why there is no such key for this use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key has this name.
    #[error("there is no key of that name")]
    NotFound,
    /// The key is of another scheme.
    #[error("the key is of another scheme")]
    SchemeMismatch,
}

impl Keyring {
    /// How many keys there are.
    pub(crate) fn count(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is a key of this name that could not be read, which was recorded.
    pub(crate) fn is_unread(&self, name: &str) -> bool {
        self.unread.contains(name)
    }

    /// The key of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Key> {
        self.keys.get(name)
    }

    /// Every key by name.
    #[must_use]
    pub const fn all(&self) -> &BTreeMap<String, Key> {
        &self.keys
    }

    /// The key of this name for signed URLs.
    ///
    /// # Errors
    /// There is none, or it is of a scheme for something else.
    pub fn url(&self, name: &str) -> Result<&UrlKey, KeyError> {
        match self.keys.get(name) {
            Some(Key::Url(key)) => Ok(key),
            other => Err(Self::refuse(other)),
        }
    }

    /// The key of this name for Cloudinary uploads.
    ///
    /// # Errors
    /// There is none, or it is of another scheme.
    pub fn cloudinary_upload(&self, name: &str) -> Result<&CloudinaryUploadKey, KeyError> {
        match self.keys.get(name) {
            Some(Key::CloudinaryUpload(key)) => Ok(key),
            other => Err(Self::refuse(other)),
        }
    }

    /// The key of this name for requests to S3.
    ///
    /// # Errors
    /// There is none, or it is of another scheme.
    pub fn aws_sigv4(&self, name: &str) -> Result<&AwsSigv4Key, KeyError> {
        match self.keys.get(name) {
            Some(Key::AwsSigv4(key)) => Ok(key),
            other => Err(Self::refuse(other)),
        }
    }

    /// Starts the providers of credentials. Those that `before` has with the same settings go on as they are.
    pub(crate) fn start_providers(&mut self, before: Option<&Self>, tasks: &Tasks) {
        let running = before.into_iter().flat_map(Self::providers).map(Arc::clone).collect();
        let sources = self.keys.iter_mut().filter_map(|(name, key)| match key {
            Key::AwsSigv4(key) => Some(key.versions.materials_mut().map(|source| (name.as_str(), source))),
            Key::Url(_) | Key::CloudinaryUpload(_) => None,
        });
        credentials::start_all(sources.flatten(), running, tasks);
    }

    /// What signs requests to S3 at `now`, of every key that does, with its name.
    pub(crate) fn credentials(&self, now: u64) -> impl Iterator<Item = (&str, &Source)> {
        self.keys.iter().filter_map(move |(name, key)| match key {
            Key::AwsSigv4(key) => Some((name.as_str(), &key.versions.primary(now).material)),
            Key::Url(_) | Key::CloudinaryUpload(_) => None,
        })
    }

    /// The providers of credentials.
    fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        let sources = self.keys.values().filter_map(|key| match key {
            Key::AwsSigv4(key) => Some(key.versions.materials()),
            Key::Url(_) | Key::CloudinaryUpload(_) => None,
        });
        sources.flatten().filter_map(|source| match source {
            Source::Provider(provider) => Some(provider),
            Source::Files(_) => None,
        })
    }

    const fn refuse(found: Option<&Key>) -> KeyError {
        if found.is_some() { KeyError::SchemeMismatch } else { KeyError::NotFound }
    }
}

impl Key {
    /// Its versions and their states at `now` (Unix seconds), lowest id first.
    #[must_use]
    pub fn states(&self, now: u64) -> Vec<(&VersionInfo, State)> {
        match self {
            Self::Url(key) => key.versions.states(now),
            Self::CloudinaryUpload(key) => key.versions.states(now),
            Self::AwsSigv4(key) => key.versions.states(now),
        }
    }
}
