//! Digests of lists of texts.

use sha2::{Digest as _, Sha256};

/// Lower-case hex SHA-256 of texts. Lengths keep them apart: no two lists make one message.
#[must_use]
pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}
