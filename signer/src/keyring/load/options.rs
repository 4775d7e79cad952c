//! Options that several schemes have.

use std::{path::PathBuf, time::Duration};

use safelight_chassis::config::Section;
use serde::de::IgnoredAny;

use super::files::Files;
use crate::{
    keyring::{Algorithm, Allowed, allowed},
    scheme::url::{Expiry, Policy},
};

/// Longest public half of a credential, in bytes. AWS's have 20, Cloudinary's 15.
pub const MAX_IDENTIFIER_BYTES: usize = 128;

/// Longest time that a URL may verify past its expiry.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Longest request target that is verified, in bytes, unless a key says otherwise.
pub const DEFAULT_MAX_TARGET_BYTES: usize = 8192;

/// Largest `max_target_bytes`: the longest target that fits a message of 64 KiB with room for the rest of it.
pub const MAX_MAX_TARGET_BYTES: usize = 60 * 1024;

/// The options of a key that signs URLs.
pub(super) struct UrlOptions {
    pub(super) policy: Policy,
    pub(super) max_ttl: Option<u64>,
    pub(super) allowed: Allowed,
}

/// Most entries of `allowed_hosts` and of `allowed_path_prefixes`, each.
const MAX_ALLOWED: usize = 64;

/// Longest entry of these, in bytes.
const MAX_ALLOWED_BYTES: usize = 256;

/// Reads the options of a key that signs URLs, as far as the scheme's expiry gives them a meaning.
pub(super) fn url_options(section: &mut Section, expiry: Expiry) -> UrlOptions {
    let expires = expiry != Expiry::Never;
    let max_ttl = if expires { max_ttl(section, None) } else { None };
    let require_expiry = match expiry {
        Expiry::Optional => section.or("require_expiry", true),
        Expiry::Always => true,
        Expiry::Never => false,
    };
    let clock_skew =
        if expires { section.duration("clock_skew").unwrap_or_default() } else { Duration::ZERO };
    if clock_skew > MAX_CLOCK_SKEW || clock_skew.subsec_nanos() != 0 {
        section.error("clock_skew", "expected whole seconds, at most 300s");
    }
    let max_target_bytes = section.bytes("max_target_bytes");
    let fits = |bytes| (1..=MAX_MAX_TARGET_BYTES as u64).contains(&bytes);
    if max_target_bytes.is_some_and(|bytes| !fits(bytes)) {
        section.error("max_target_bytes", "expected 1 to 60KiB");
    }
    let max_target_bytes =
        max_target_bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(DEFAULT_MAX_TARGET_BYTES);
    let policy = Policy { require_expiry, clock_skew: clock_skew.as_secs(), max_target_bytes };
    UrlOptions { policy, max_ttl, allowed: allowed_urls(section) }
}

/// Which URLs a key may be used for.
pub(super) fn allowed_urls(section: &mut Section) -> Allowed {
    let mut read = |option: &str, is_legal: fn(&str) -> bool, expected: &str| {
        let texts = section.or(option, Vec::<String>::new());
        if texts.len() > MAX_ALLOWED {
            section.error(option, "at most 64 entries");
        }
        for (index, text) in texts.iter().enumerate() {
            if text.len() > MAX_ALLOWED_BYTES || !is_legal(text) {
                section.error(option, format!("entry {index}: {expected}"));
            }
        }
        texts
    };
    let hosts = read(
        "allowed_hosts",
        allowed::is_host,
        "expected a host in lower case such as img.example.com, with a port only if URLs show it",
    );
    let path_prefixes = read(
        "allowed_path_prefixes",
        allowed::is_path_prefix,
        "expected the start of a path as URLs have it, such as /photos/",
    );
    Allowed { hosts, path_prefixes }
}

/// Longest life in seconds. `longest` is the scheme's own limit, and its words.
pub(super) fn max_ttl(section: &mut Section, longest: Option<(u64, &str)>) -> Option<u64> {
    let ttl = section.duration("max_ttl")?;
    if ttl.is_zero() || ttl.subsec_nanos() != 0 {
        section.error("max_ttl", "expected whole seconds, at least one");
    } else if let Some((_, words)) = longest.filter(|(longest, _)| ttl.as_secs() > *longest) {
        section.error("max_ttl", words);
    }
    Some(ttl.as_secs())
}

/// The algorithm: one of these, the first by default. A legacy one only where the key allows it.
pub(super) fn algorithm(section: &mut Section, choices: &[Algorithm]) -> Option<Algorithm> {
    let allow_legacy = section.or("allow_legacy", false);
    let asked = section.optional::<Algorithm>("algorithm");
    let algorithm = asked.or_else(|| choices.first().copied())?;
    if !choices.contains(&algorithm) {
        section.error("algorithm", "does not fit the scheme");
        return None;
    }
    if algorithm.is_legacy() && !allow_legacy {
        section.error("algorithm", "is legacy: choose another, or set allow_legacy = true");
        return None;
    }
    Some(algorithm)
}

/// Takes the options that some scheme has and this one has not.
pub(super) fn take_strangers(section: &mut Section, options: &[&str], refuse: bool) {
    for option in options {
        if section.optional::<IgnoredAny>(option).is_some() && refuse {
            section.error(option, "does not belong to this scheme");
        }
    }
}

/// Public text, given in place or in a file whose option's name ends in `_file`.
pub(super) fn text_or_file(section: &mut Section, files: &Files<'_>, text: &str) -> Option<String> {
    let file = &format!("{text}_file");
    let given = section.optional::<String>(text);
    let path = section.optional::<PathBuf>(file);
    let (key, content) = match (given, path) {
        (None, None) => return None,
        (Some(_), Some(_)) => {
            section.error(file, format!("either this or {text}, not both"));
            return None;
        }
        (Some(given), None) => (text, given),
        (None, Some(path)) => match files.public(&path) {
            Ok(content) => (file.as_str(), content.to_string()),
            Err(error) => {
                section.error(file, error.to_string());
                return None;
            }
        },
    };
    let legal =
        (1..=MAX_IDENTIFIER_BYTES).contains(&content.len()) && content.bytes().all(|b| b.is_ascii_graphic());
    if !legal {
        section.error(key, "expected 1 to 128 characters of printable ASCII, without spaces");
        return None;
    }
    Some(content)
}
