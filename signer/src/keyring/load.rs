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

use std::{
    collections::{BTreeMap, HashSet},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

use safelight_chassis::config::Section;
use serde::Deserialize;

use super::{
    AwsSigv4Key, CloudflareImagesKey, CloudinaryUploadKey, Key, Keyring, State, Version, Versions,
    secret::{self, SecretError},
};
use crate::scheme::{
    aws_sigv4::{self, MAX_PRESIGNED_LIFETIME},
    cloudflare_images,
    cloudinary_upload::{self, Algorithm},
};

/// Longest name of a key, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Most versions of a key that verify: each is tried for every signature.
pub const MAX_ELIGIBLE_VERSIONS: usize = 8;

/// Most versions of a key, disabled ones included.
pub const MAX_VERSIONS: usize = 64;

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
enum SchemeName {
    CloudflareImages,
    CloudinaryUpload,
    AwsSigv4,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AlgorithmName {
    HmacSha256,
    Sha256Suffix,
    Sha1Suffix,
}

/// What stands in `[[keys]]`, before it is known whether it fits the scheme.
struct Options {
    algorithm: Option<AlgorithmName>,
    max_ttl: Option<Duration>,
    require_expiry: Option<bool>,
    clock_skew: Option<Duration>,
    max_target_bytes: Option<u64>,
    identifier: Option<String>,
    accept_signature_v1: Option<bool>,
}

/// What stands in `[[keys.versions]]`, its secret read.
struct Loaded {
    id: u32,
    state: State,
    material: Option<Material>,
}

enum Material {
    CloudflareImages(cloudflare_images::Key),
    CloudinaryUpload(cloudinary_upload::Key),
    AwsSigv4(aws_sigv4::Credentials),
}

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
            policy: cloudflare_images::Policy {
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

fn read_options(section: &mut Section) -> Options {
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
fn check_options(section: &mut Section, scheme: SchemeName, options: &Options) {
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

fn read_version(section: &mut Section, scheme: Option<SchemeName>, allow_readable: bool) -> Option<Loaded> {
    let id = section.required::<Option<NonZeroU32>>("id");
    let state = section.required::<Option<State>>("state");
    let secret_file = section.optional::<PathBuf>("secret_file");
    let access_key_id = text_or_file(section, "access_key_id", "access_key_id_file");
    let session_token_file = section.optional::<PathBuf>("session_token_file");
    if scheme.is_some_and(|scheme| scheme != SchemeName::AwsSigv4) {
        for (option, is_set) in
            [("access_key_id", access_key_id.is_some()), ("session_token_file", session_token_file.is_some())]
        {
            if is_set {
                section.error(option, "does not belong to this scheme");
            }
        }
    }
    if state == Some(State::Disabled) {
        // Its secret is not read: it need not even be there any more.
        return Some(Loaded { id: id?.get(), state: State::Disabled, material: None });
    }
    let material = match scheme {
        Some(SchemeName::AwsSigv4) => {
            if access_key_id.is_none() {
                section.error("access_key_id", "missing (or access_key_id_file)");
            }
            let secret = read_secret(section, "secret_file", secret_file, allow_readable, secret::read_text);
            let token = session_token_file.map(|path| {
                read_secret(section, "session_token_file", Some(path), allow_readable, secret::read_text)
            });
            match token {
                Some(None) => None,
                token => aws_sigv4_material(access_key_id, secret, token.flatten()),
            }
        }
        scheme => {
            let secret = read_secret(section, "secret_file", secret_file, allow_readable, secret::read);
            match (scheme, secret) {
                (Some(SchemeName::CloudflareImages), Some(secret)) => {
                    Some(Material::CloudflareImages(cloudflare_images::Key::new(&secret)))
                }
                (Some(SchemeName::CloudinaryUpload), Some(secret)) => {
                    Some(Material::CloudinaryUpload(cloudinary_upload::Key::new(&secret)))
                }
                _ => None,
            }
        }
    };
    Some(Loaded { id: id?.get(), state: state?, material })
}

fn aws_sigv4_material(
    access_key_id: Option<String>,
    secret: Option<zeroize::Zeroizing<String>>,
    token: Option<zeroize::Zeroizing<String>>,
) -> Option<Material> {
    let token = token.as_ref().map(|token| token.as_str());
    Some(Material::AwsSigv4(aws_sigv4::Credentials::new(&access_key_id?, &secret?, token)))
}

fn read_secret<T>(
    section: &mut Section,
    key: &str,
    path: Option<PathBuf>,
    allow_readable: bool,
    read: impl FnOnce(&std::path::Path, bool) -> Result<T, SecretError>,
) -> Option<T> {
    let Some(path) = path else {
        section.error(key, "missing");
        return None;
    };
    match read(&path, allow_readable) {
        Ok(secret) => Some(secret),
        Err(error) => {
            section.error(key, format!("{} {error}", path.display()));
            None
        }
    }
}

/// Public text, given in place or in a file.
fn text_or_file(section: &mut Section, text: &str, file: &str) -> Option<String> {
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
                section.error(file, format!("{} {error}", path.display()));
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

/// Checks the versions together. `None` if any of them is bad.
fn check_versions(section: &mut Section, versions: Vec<Option<Loaded>>) -> Option<Vec<Loaded>> {
    let versions: Option<Vec<_>> = versions.into_iter().collect();
    // With one version unreadable, its state is not known: what follows would be guesswork.
    let versions = versions?;
    match versions.iter().filter(|version| version.state == State::Primary).count() {
        1 => {}
        0 => section.error("versions", "exactly one version must be primary, and none is"),
        _ => section.error("versions", "exactly one version must be primary, and several are"),
    }
    if versions.iter().filter(|version| version.state != State::Disabled).count() > MAX_ELIGIBLE_VERSIONS {
        section.error("versions", "at most 8 versions may be primary or verify-only");
    }
    if versions.len() > MAX_VERSIONS {
        section.error("versions", "at most 64 versions");
    }
    Some(versions)
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
