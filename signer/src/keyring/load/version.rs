//! What `[[keys.versions]]` says, with the files that it names.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use safelight_chassis::config::Section;
use zeroize::Zeroizing;

use super::options::{SchemeName, text_or_file};
use crate::{
    keyring::{
        State,
        secret::{self, SecretError},
    },
    scheme::{aws_sigv4, cloudflare_images, cloudinary_upload},
};

/// Most versions of a key that verify: each is tried for every signature.
pub const MAX_ELIGIBLE_VERSIONS: usize = 8;

/// Most versions of a key, disabled ones included.
pub const MAX_VERSIONS: usize = 64;

/// What stands in `[[keys.versions]]`, its secret read.
pub(super) struct Loaded {
    pub(super) id: u32,
    pub(super) state: State,
    pub(super) material: Option<Material>,
}

pub(super) enum Material {
    CloudflareImages(cloudflare_images::Key),
    CloudinaryUpload(cloudinary_upload::Key),
    AwsSigv4(aws_sigv4::Credentials),
}

pub(super) fn read_version(
    section: &mut Section,
    scheme: Option<SchemeName>,
    allow_readable: bool,
) -> Option<Loaded> {
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
    secret: Option<Zeroizing<String>>,
    token: Option<Zeroizing<String>>,
) -> Option<Material> {
    let token = token.as_ref().map(|token| token.as_str());
    Some(Material::AwsSigv4(aws_sigv4::Credentials::new(&access_key_id?, &secret?, token)))
}

fn read_secret<T>(
    section: &mut Section,
    key: &str,
    path: Option<PathBuf>,
    allow_readable: bool,
    read: impl FnOnce(&Path, bool) -> Result<T, SecretError>,
) -> Option<T> {
    let Some(path) = path else {
        section.error(key, "missing");
        return None;
    };
    match read(&path, allow_readable) {
        Ok(secret) => Some(secret),
        Err(error) => {
            // Without the path: it may be the secret itself, pasted where its file was to be named.
            section.error(key, error.to_string());
            None
        }
    }
}

/// Checks the versions together. `None` if any of them is bad.
pub(super) fn check_versions(section: &mut Section, versions: Vec<Option<Loaded>>) -> Option<Vec<Loaded>> {
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
