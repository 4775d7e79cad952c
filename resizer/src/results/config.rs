//! The `[results]` table.
//!
//! ```toml
//! [results]
//! origin = "results"      # an S3 origin with a signing_key
//! prefix = "results/"     # default; of every object that is written there
//! ttl = "60s"             # default; how long this process trusts what it knows of an original: its entity tag, whether it
//!                         # is private, when it was purged. After that it asks the origin again
//! max_bytes = "16MiB"     # default; larger results are made anew for every request
//! ```
//!
//! The signer must let the resizer sign GET and PUT below the prefix, with a grant for `SignOriginRequest`. The key must have
//! `s3:ListBucket`: without it S3 answers 403 where an object is missing, which looks like a store that refuses.

use std::time::Duration;

use safelight_chassis::config::Section;

use crate::origin::{Origins, key};

/// Where results are in their bucket unless configured.
const DEFAULT_PREFIX: &str = "results/";
/// How long an original is trusted to be as it was.
const DEFAULT_TTL: Duration = Duration::from_secs(60);
/// Large enough for every picture that is meant for a screen.
const DEFAULT_MAX_BYTES: u64 = 16 << 20;
/// Longest prefix: with the rest a key stays far below S3's 1,024 bytes.
const MAX_PREFIX: usize = 512;

/// Where results are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Name of the origin.
    pub origin: String,
    /// What the key of every object of ours begins with. Ends with a slash.
    pub prefix: String,
    /// How long what is known of an original counts.
    pub ttl: Duration,
    /// Most bytes of a stored result.
    pub max_bytes: u64,
}

impl Config {
    /// Reads the table.
    pub fn read(section: &mut Section, origins: &Origins) -> Self {
        let origin: String = section.required("origin");
        match origins.get(&origin) {
            None if origin.is_empty() => {} // already reported as missing
            None => section.error("origin", "no origin of that name is configured"),
            Some(found) if !found.is_signed() => {
                section.error("origin", "must be of kind \"s3\" and have a signing_key");
            }
            Some(_) => {}
        }
        let prefix = section.or("prefix", DEFAULT_PREFIX.to_owned());
        let is_key = prefix.len() <= MAX_PREFIX && key::encode(&format!("{prefix}a")).is_ok();
        if !prefix.ends_with('/') || prefix.starts_with('/') || !is_key {
            section.error("prefix", "expected the begin of an object key that ends with /, such as results/");
        }
        let max_bytes = section.bytes("max_bytes").unwrap_or(DEFAULT_MAX_BYTES);
        if max_bytes == 0 {
            section.error("max_bytes", "must be at least 1");
        }
        Self { origin, prefix, ttl: section.duration("ttl").unwrap_or(DEFAULT_TTL), max_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let origins = "[origins.s3]\nkind = 's3'\nbucket = 'photos'\nregion = 'eu-west-1'\nsigning_key = 'k'\n\
            [origins.open]\nkind = 's3'\nbucket = 'photos'\nregion = 'eu-west-1'\n";
        crate::Config::read(&format!("{origins}[results]\n{text}"))
            .map(|config| config.results.unwrap())
            .map_err(|errors| errors.to_string())
    }

    #[test]
    fn an_origin_is_enough() {
        let config = read("origin = 's3'").unwrap();
        assert_eq!((config.prefix.as_str(), config.ttl), ("results/", Duration::from_secs(60)));
        assert_eq!(read("origin = 's3'\nprefix = 'a/b/'\nttl = '5m'").unwrap().ttl, Duration::from_secs(300));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, key) in [
            ("", "results.origin"),
            ("origin = 'x'", "results.origin"),
            ("origin = 'open'", "results.origin: must be of kind"),
            ("origin = 's3'\nprefix = 'a'", "results.prefix"),
            ("origin = 's3'\nprefix = ''", "results.prefix"),
            ("origin = 's3'\nprefix = '/'", "results.prefix"),
            ("origin = 's3'\nprefix = 'a/../'", "results.prefix"),
            ("origin = 's3'\nmax_bytes = 0", "results.max_bytes"),
            ("origin = 's3'\ncolour = 0", "results.colour"),
        ] {
            let errors = read(text).unwrap_err();
            assert!(errors.contains(key), "{text}: {errors}");
        }
    }
}
