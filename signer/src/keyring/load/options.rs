//! What `[[keys]]` says beside its versions, and whether it fits the scheme.

use std::{path::PathBuf, time::Duration};

use safelight_chassis::config::Section;
use serde::Deserialize;

use crate::{keyring::secret, scheme::aws_sigv4::MAX_PRESIGNED_LIFETIME};

/// Longest public half of a credential, in bytes. AWS's have 20, Cloudinary's 15.
pub const MAX_IDENTIFIER_BYTES: usize = 128;

/// Longest time that a URL may verify past its expiry.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Longest request target that is verified, in bytes, unless a key says otherwise.
pub const DEFAULT_MAX_TARGET_BYTES: usize = 8192;

/// Largest `max_target_bytes`: the longest target that fits a message of 64 KiB with room for the rest of it.
pub const MAX_MAX_TARGET_BYTES: usize = 60 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SchemeName {
    CloudflareImages,
    CloudinaryUpload,
    AwsSigv4,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AlgorithmName {
    HmacSha256,
    Sha256Suffix,
    Sha1Suffix,
}

/// What stands in `[[keys]]`, before it is known whether it fits the scheme.
pub(super) struct Options {
    pub(super) algorithm: Option<AlgorithmName>,
    pub(super) max_ttl: Option<Duration>,
    pub(super) require_expiry: Option<bool>,
    pub(super) clock_skew: Option<Duration>,
    pub(super) max_target_bytes: Option<u64>,
    pub(super) identifier: Option<String>,
    pub(super) accept_signature_v1: Option<bool>,
}

pub(super) fn read_options(section: &mut Section) -> Options {
    Options {
        algorithm: section.optional("algorithm"),
        max_ttl: section.duration("max_ttl"),
        require_expiry: section.optional("require_expiry"),
        clock_skew: section.duration("clock_skew"),
        max_target_bytes: section.bytes("max_target_bytes"),
        identifier: text_or_file(section, "identifier", "identifier_file"),
        accept_signature_v1: section.optional("accept_signature_v1"),
    }
}

/// Refuses options of other schemes, and values out of range.
pub(super) fn check_options(section: &mut Section, scheme: SchemeName, options: &Options) {
    use SchemeName::{AwsSigv4, CloudflareImages, CloudinaryUpload};

    for (option, is_set, schemes) in [
        ("max_ttl", options.max_ttl.is_some(), &[CloudflareImages, AwsSigv4][..]),
        ("require_expiry", options.require_expiry.is_some(), &[CloudflareImages]),
        ("clock_skew", options.clock_skew.is_some(), &[CloudflareImages]),
        ("max_target_bytes", options.max_target_bytes.is_some(), &[CloudflareImages]),
        ("identifier", options.identifier.is_some(), &[CloudinaryUpload]),
        ("accept_signature_v1", options.accept_signature_v1.is_some(), &[CloudinaryUpload]),
    ] {
        if is_set && !schemes.contains(&scheme) {
            section.error(option, "does not belong to this scheme");
        }
    }
    let algorithms: &[_] = match scheme {
        CloudflareImages | AwsSigv4 => &[AlgorithmName::HmacSha256],
        CloudinaryUpload => &[AlgorithmName::Sha256Suffix, AlgorithmName::Sha1Suffix],
    };
    if options.algorithm.is_some_and(|algorithm| !algorithms.contains(&algorithm)) {
        section.error("algorithm", "does not fit the scheme");
    }
    if let Some(ttl) = options.max_ttl {
        let longest = (scheme == AwsSigv4).then_some(Duration::from_secs(MAX_PRESIGNED_LIFETIME));
        if ttl.is_zero() || ttl.subsec_nanos() != 0 {
            section.error("max_ttl", "expected whole seconds, at least one");
        } else if longest.is_some_and(|longest| ttl > longest) {
            section.error("max_ttl", "expected at most 7 days, the most that AWS allows");
        }
    }
    if options.clock_skew.is_some_and(|skew| skew > MAX_CLOCK_SKEW || skew.subsec_nanos() != 0) {
        section.error("clock_skew", "expected whole seconds, at most 300s");
    }
    let fits = |bytes| (1..=MAX_MAX_TARGET_BYTES as u64).contains(&bytes);
    if options.max_target_bytes.is_some_and(|bytes| !fits(bytes)) {
        section.error("max_target_bytes", "expected 1 to 60KiB");
    }
}

/// Public text, given in place or in a file.
pub(super) fn text_or_file(section: &mut Section, text: &str, file: &str) -> Option<String> {
    let given = section.optional::<String>(text);
    let path = section.optional::<PathBuf>(file);
    let (key, content) = match (given, path) {
        (None, None) => return None,
        (Some(_), Some(_)) => {
            section.error(file, format!("either this or {text}, not both"));
            return None;
        }
        (Some(given), None) => (text, given),
        (None, Some(path)) => match secret::read_public(&path) {
            Ok(content) => (file, content.to_string()),
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
