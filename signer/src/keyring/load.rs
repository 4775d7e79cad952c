//! Reads `[[keys]]` of the configuration, and the files that it names.
//!
//! ```toml
//! allow_readable_secrets = false     # whether secret files may be readable by everyone
//!
//! [[keys]]
//! name = "web"                       # 1 to 64 letters, digits, '.', '_' or '-'
//! scheme = "cloudflare-images"       # or "cloudinary-upload", "aws-sigv4"
//! algorithm = "hmac-sha256"          # default by scheme; "sha256-suffix" or "sha1-suffix" for Cloudinary
//! max_ttl = "24h"                    # cloudflare-images, aws-sigv4; default: no limit
//! require_expiry = true              # cloudflare-images; whether a URL without expiry is refused
//! clock_skew = "0s"                  # cloudflare-images; how long past its expiry a URL still verifies
//! max_target_bytes = 8192            # cloudflare-images; longest request target that is verified
//! identifier = "1234"                # cloudinary-upload; the API key (or identifier_file)
//! accept_signature_v1 = false        # cloudinary-upload
//!
//! [[keys.versions]]
//! id = 2
//! state = "primary"                  # exactly one; or "verify-only", "disabled"
//! secret_file = "/run/secrets/web-2"
//! access_key_id = "AKIA..."          # aws-sigv4 (or access_key_id_file)
//! session_token_file = "..."         # aws-sigv4, for temporary credentials
//! ```
//!
//! # Layout
//! - `options`: what a key says beside its versions, and whether that fits its scheme
//! - `version`: a version, its secret read

mod options;
mod version;

use std::collections::{BTreeMap, HashSet};

use safelight_chassis::config::Section;

use self::{
    options::{AlgorithmName, SchemeName, check_options, read_options},
    version::{Loaded, Material, check_versions, read_version},
};
use super::{AwsSigv4Key, CloudflareImagesKey, CloudinaryUploadKey, Key, Keyring, State, Version, Versions};
use crate::scheme::{
    cloudinary_upload::{self, Algorithm},
    url,
};

pub use options::{DEFAULT_MAX_TARGET_BYTES, MAX_CLOCK_SKEW, MAX_IDENTIFIER_BYTES, MAX_MAX_TARGET_BYTES};
pub use version::{MAX_ELIGIBLE_VERSIONS, MAX_VERSIONS};

/// Longest name of a key, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

impl Keyring {
    /// Reads `allow_readable_secrets` and `[[keys]]` with all the files that they name.
    ///
    /// Whatever is wrong is recorded in the section; the ring is then incomplete and must not be used.
    pub fn read(section: &mut Section) -> Self {
        let allow_readable = section.or("allow_readable_secrets", false);
        let mut names = HashSet::new();
        let keys = section.tables("keys", |section| {
            let name = read_name(section, &mut names);
            let key = read_key(section, allow_readable);
            Some((name?, key?))
        });
        if keys.is_empty() {
            section.error("keys", "at least one key is needed");
        }
        Self { keys: keys.into_iter().flatten().collect::<BTreeMap<_, _>>() }
    }
}

fn read_name(section: &mut Section, names: &mut HashSet<String>) -> Option<String> {
    let name = section.required::<Option<String>>("name")?;
    let legal = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if !legal {
        section.error("name", "expected 1 to 64 letters, digits, '.', '_' or '-'");
        return None;
    }
    if !names.insert(name.clone()) {
        section.error("name", "another key has this name");
    }
    Some(name)
}

fn read_key(section: &mut Section, allow_readable: bool) -> Option<Key> {
    let scheme = section.required::<Option<SchemeName>>("scheme");
    let options = read_options(section);
    let mut ids = HashSet::new();
    let versions = section.tables("versions", |section| {
        let version = read_version(section, scheme, allow_readable)?;
        if !ids.insert(version.id) {
            section.error("id", "another version has this id");
        }
        Some(version)
    });
    let versions = check_versions(section, versions);
    let scheme = scheme?;
    check_options(section, scheme, &options);
    let max_ttl = options.max_ttl.map(|ttl| ttl.as_secs());
    match scheme {
        SchemeName::CloudflareImages => Some(Key::CloudflareImages(CloudflareImagesKey {
            versions: arrange(versions?, |material| match material {
                Material::CloudflareImages(key) => Some(key),
                _ => None,
            })?,
            policy: url::Policy {
                require_expiry: options.require_expiry.unwrap_or(true),
                clock_skew: options.clock_skew.unwrap_or_default().as_secs(),
                max_target_bytes: options
                    .max_target_bytes
                    .and_then(|bytes| usize::try_from(bytes).ok())
                    .unwrap_or(DEFAULT_MAX_TARGET_BYTES),
            },
            max_ttl,
        })),
        SchemeName::CloudinaryUpload => Some(Key::CloudinaryUpload(CloudinaryUploadKey {
            versions: arrange(versions?, |material| match material {
                Material::CloudinaryUpload(key) => Some(key),
                _ => None,
            })?,
            policy: cloudinary_upload::Policy {
                algorithm: match options.algorithm {
                    Some(AlgorithmName::Sha1Suffix) => Algorithm::Sha1,
                    _ => Algorithm::Sha256,
                },
                accept_v1: options.accept_signature_v1.unwrap_or(false),
            },
            api_key: options.identifier,
        })),
        SchemeName::AwsSigv4 => Some(Key::AwsSigv4(AwsSigv4Key {
            versions: arrange(versions?, |material| match material {
                Material::AwsSigv4(credentials) => Some(credentials),
                _ => None,
            })?,
            max_ttl,
        })),
    }
}

fn arrange<M>(versions: Vec<Loaded>, unwrap: impl Fn(Material) -> Option<M>) -> Option<Versions<M>> {
    let mut primary = None;
    let mut verify_only = Vec::new();
    let mut disabled = Vec::new();
    for version in versions {
        let id = version.id;
        let usable = version.material.and_then(&unwrap).map(|material| Version { id, material });
        match version.state {
            State::Primary => primary = Some(usable?),
            State::VerifyOnly => verify_only.push(usable?),
            State::Disabled => disabled.push(id),
        }
    }
    Some(Versions::new(primary?, verify_only, disabled))
}
