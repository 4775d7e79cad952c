//! New files: written whole, readable by their owner alone, never over another.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use zeroize::Zeroizing;

use super::CommandError;
use crate::keyring::{
    read_secret,
    sealed::{KeyEncryptionKey, Use},
};

/// Writes a file that must not be there yet, and waits until it is on the disk.
pub(super) fn create(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    let write = || {
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|error: std::io::Error| CommandError::File(path.to_owned(), error.kind().to_string()))
}

/// Writes a secret, sealed if there is a key for that.
pub(super) fn create_secret(
    path: &Path,
    secret: &[u8],
    sealing: Option<&KeyEncryptionKey>,
    used: &Use<'_>,
) -> Result<(), CommandError> {
    match sealing {
        None => create(path, secret),
        Some(key) => match key.seal(secret, used) {
            Some(sealed) => create(path, sealed.as_bytes()),
            None => super::refused("the system gives no random numbers"),
        },
    }
}

/// Reads a secret file, under the same rules as the signer.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    read_secret(path).map_err(|error| CommandError::File(path.to_owned(), error))
}

/// Reads a key-encryption key.
pub(super) fn key_encryption_key(path: Option<&Path>) -> Result<Option<KeyEncryptionKey>, CommandError> {
    let Some(path) = path else { return Ok(None) };
    match KeyEncryptionKey::new(&read(path)?) {
        Some(key) => Ok(Some(key)),
        None => Err(CommandError::File(path.to_owned(), "expected 64 hexadecimal digits".to_owned())),
    }
}
