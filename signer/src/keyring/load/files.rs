//! How the files of a configuration are read.

use std::path::Path;

use zeroize::Zeroizing;

use crate::keyring::{
    fingerprint::Fingerprints,
    sealed::{self, KeyEncryptionKey},
    secret::{self, SecretError},
    seen::Seen,
};

/// Reads files, and remembers what it has seen.
pub(super) struct Files<'a> {
    pub(super) allow_readable: bool,
    pub(super) fingerprints: Option<Fingerprints>,
    pub(super) key_encryption_key: Option<KeyEncryptionKey>,
    seen: &'a Seen,
}

impl<'a> Files<'a> {
    pub(super) const fn new(allow_readable: bool, seen: &'a Seen) -> Self {
        Self { allow_readable, fingerprints: None, key_encryption_key: None, seen }
    }

    /// A secret, byte for byte. One that is sealed is opened, if it was sealed for this use.
    pub(super) fn secret(
        &self,
        path: &Path,
        sealed_for: Option<&sealed::Use<'_>>,
    ) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let content = self.noted(secret::read(path, self.allow_readable))?;
        match sealed_for {
            Some(used) if sealed::is_sealed(&content) => {
                let key = self.key_encryption_key.as_ref().ok_or(SecretError::SealedWithoutKey)?;
                key.open(&content, used)
            }
            _ => Ok(content),
        }
    }

    /// Public text. Anyone may read it.
    pub(super) fn public(&self, path: &Path) -> Result<Zeroizing<String>, SecretError> {
        let content = secret::read_public(path);
        self.note(content.as_ref().map(|text| text.as_bytes()));
        content
    }

    fn noted(
        &self,
        content: Result<Zeroizing<Vec<u8>>, SecretError>,
    ) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        self.note(content.as_ref().map(|bytes| bytes.as_slice()));
        content
    }

    fn note(&self, content: Result<&[u8], &SecretError>) {
        match content {
            Ok(bytes) => self.seen.add(bytes),
            Err(error) => self.seen.add(error.to_string().as_bytes()),
        }
    }
}
