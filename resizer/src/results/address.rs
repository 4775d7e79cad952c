//! The keys of objects in the result store.
//!
//! A result's key is a digest of all that decides its bytes. So nothing that is stored is ever out of date: a changed original
//! has another entity tag, a purged one another epoch, and both lead to other keys. What is not asked for any more stays until
//! the bucket's lifecycle rule deletes it.

use safelight_image::ENGINE;
use sha2::{Digest, Sha256};

/// How an address is made: to be raised with every change of that.
const GRAMMAR: &str = "1";

/// An original as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Original<'a> {
    /// Name of its origin.
    pub origin: &'a str,
    /// Its key.
    pub key: &'a str,
    /// Its strong entity tag.
    pub etag: &'a str,
    /// Its epoch; empty where it was never purged.
    pub epoch: &'a str,
}

/// The key of a result. `identity` is of the options, the negotiated format and the bounds.
#[must_use]
pub fn result(prefix: &str, original: Original<'_>, identity: &str) -> String {
    let Original { origin, key, etag, epoch } = original;
    let engine = ENGINE.to_string();
    let digest = digest(&[GRAMMAR, origin, key, etag, epoch, identity, &engine]);
    // Two digits of their own, for those who look at the bucket with tools that list folders.
    format!("{prefix}{}/{digest}", digest.get(..2).unwrap_or_default())
}

/// The key of an original's epoch.
#[must_use]
pub fn epoch(prefix: &str, origin: &str, key: &str) -> String {
    format!("{prefix}epochs/{}", digest(&[origin, key]))
}

/// Lower-case hex SHA-256 of a list of texts.
#[must_use]
pub fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        // Lengths keep the parts apart: no two lists of parts make one message.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_changes_the_address() {
        let plain = Original { origin: "o", key: "k", etag: "\"1\"", epoch: "" };
        let all = [
            result("p/", plain, "w=1"),
            result("q/", plain, "w=1"),
            result("p/", plain, "w=2"),
            result("p/", Original { etag: "\"2\"", ..plain }, "w=1"),
            result("p/", Original { epoch: "1", ..plain }, "w=1"),
            result("p/", Original { origin: "ok", key: "", ..plain }, "w=1"),
            result("p/", Original { key: "k2", ..plain }, "w=1"),
        ];
        for (index, one) in all.iter().enumerate() {
            assert_eq!(all.iter().filter(|other| *other == one).count(), 1, "{index}");
        }
        let (prefix, digest) = all[0].rsplit_once('/').unwrap();
        assert_eq!((prefix, digest.len()), (format!("p/{}", &digest[..2]).as_str(), 64));
        assert_ne!(epoch("p/", "o", "k"), epoch("p/", "ok", ""));
    }
}
