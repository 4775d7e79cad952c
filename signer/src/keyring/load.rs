//! Reads `[[keys]]` of the configuration, and the files that it names.
//!
//! ```toml
//! allow_readable_secrets = false     # whether secret files may be readable by everyone
//! key_encryption_key_file = "..."    # 64 hexadecimal digits; opens secret files that `safelight-signer seal` made
//! fingerprint_key_file = "..."       # key of the fingerprints; without it they are good for one process only
//!
//! [[keys]]
//! name = "web"                       # 1 to 64 letters, digits, '.', '_' or '-'
//! scheme = "cloudflare-images"       # see `schemes`, which also says what options each has
//! algorithm = "hmac-sha256"          # default by scheme
//! allow_legacy = false               # whether MD5 and SHA-1 may be used
//! max_ttl = "24h"                    # longest life of what is signed; default: no limit
//! require_expiry = true              # whether a URL without expiry is refused
//! clock_skew = "0s"                  # how long past its expiry a URL still verifies; at most 300 s
//! max_target_bytes = 8192            # longest request target that is verified
//! allowed_hosts = ["img.example.com"]    # hosts of URLs that may be signed and verified; default: any
//! allowed_path_prefixes = ["/photos/"]   # what their paths start with; default: anything
//!
//! [[keys.versions]]
//! id = 2
//! state = "primary"                  # exactly one; or "pending", "verify-only", "disabled"
//! primary_from = 2026-12-01T00:00:00Z    # pending: it is the primary from then on
//! verify_until = 2026-12-02T00:00:00Z    # from then on it is disabled
//! secret_file = "/run/secrets/web-2"
//! # For aws-sigv4 access_key_id and session_token_file beside it, or instead of these `credentials`: see
//! # `credentials/settings.rs`.
//! ```
//!
//! # Layout
//! - `schemes`: the table of schemes: what options each has, and what its keys are made of
//! - `options`: options that several schemes have
//! - `origin_headers`: what every request to S3 carries
//! - `version`: versions, their secrets read

mod files;
mod options;
mod origin_headers;
mod schemes;
mod version;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::PathBuf,
};

use safelight_chassis::config::Section;

use self::{files::Files, version::read_versions};
use super::{Key, Keyring, Scheme, fingerprint::Fingerprints, sealed::KeyEncryptionKey, seen::Seen};

pub use options::{DEFAULT_MAX_TARGET_BYTES, MAX_CLOCK_SKEW, MAX_IDENTIFIER_BYTES, MAX_MAX_TARGET_BYTES};
pub use schemes::{algorithms, identifier_option};
pub use version::{MAX_ELIGIBLE_VERSIONS, MAX_VERSIONS};

/// Longest name of a key, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

impl Keyring {
    /// Reads `allow_readable_secrets` and `[[keys]]` with all the files that they name.
    ///
    /// Whatever is wrong is recorded in the section; the ring is then incomplete and must not be used. What was read is
    /// added to `seen`.
    pub(crate) fn read(section: &mut Section, seen: &Seen) -> Self {
        let files = read_files(section, seen);
        let (mut names, mut unread) = (HashSet::new(), BTreeSet::new());
        let keys = section.tables("keys", |section| {
            let name = read_name(section, &mut names);
            let key = read_key(section, &files, name.as_deref().unwrap_or_default());
            match (name?, key) {
                (name, Some(key)) => Some((name, key)),
                (name, None) => {
                    unread.insert(name);
                    None
                }
            }
        });
        if keys.is_empty() {
            section.error("keys", "at least one key is needed");
        }
        Self { keys: keys.into_iter().flatten().collect::<BTreeMap<_, _>>(), unread }
    }
}

/// How files are read, and the two files that all keys share.
fn read_files<'a>(section: &mut Section, seen: &'a Seen) -> Files<'a> {
    let mut files = Files::new(section.or("allow_readable_secrets", false), seen);
    let mut read = |option: &str| {
        let path = section.optional::<PathBuf>(option)?;
        let content = files.secret(&path, None);
        content.map_err(|error| section.error(option, error.to_string())).ok()
    };
    let (sealing, fingerprints) = (read("key_encryption_key_file"), read("fingerprint_key_file"));
    if let Some(key) = sealing {
        files.key_encryption_key = KeyEncryptionKey::new(&key);
        if files.key_encryption_key.is_none() {
            section.error("key_encryption_key_file", "expected 64 hexadecimal digits");
        }
    }
    files.fingerprints = match fingerprints {
        Some(key) => Some(Fingerprints::of_deployment(&key)),
        None => Fingerprints::of_process()
            .map_err(|_| {
                section.error("fingerprint_key_file", "missing, and the system gives no random numbers")
            })
            .ok(),
    };
    files
}

fn read_name(section: &mut Section, names: &mut HashSet<String>) -> Option<String> {
    let name = section.required::<Option<String>>("name")?;
    if !is_name(&name) {
        section.error("name", "expected 1 to 64 letters, digits, '.', '_' or '-'");
        return None;
    }
    if !names.insert(name.clone()) {
        section.error("name", "another key has this name");
    }
    Some(name)
}

/// Whether a key, or a delivery, may have this name.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn read_key(section: &mut Section, files: &Files<'_>, name: &str) -> Option<Key> {
    let scheme = section.required::<Option<Scheme>>("scheme");
    let key = match scheme {
        Some(scheme) => schemes::read(section, files, name, scheme),
        None => {
            // Which options belong to it is not known, but what every key has can be looked at.
            read_versions::<()>(section, files, None);
            None
        }
    };
    options::take_strangers(section, schemes::KEY_OPTIONS, scheme.is_some());
    key
}
