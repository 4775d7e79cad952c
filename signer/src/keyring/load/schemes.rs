//! The table of schemes: the one place where a scheme's name, its options and its constructor meet.
//!
//! A new scheme is a name in [`Scheme`], an entry in [`read`], and its options in [`KEY_OPTIONS`] or
//! [`VERSION_OPTIONS`]. What an entry does not take is refused.

use safelight_chassis::config::Section;

use super::{
    Files,
    options::{algorithm, max_ttl, text_or_file, url_options},
    version::{VersionReader, read_versions},
};
use crate::{
    keyring::{Algorithm, AwsSigv4Key, CloudinaryUploadKey, Key, Scheme, UrlKey},
    scheme::{
        aws_sigv4::{self, MAX_PRESIGNED_LIFETIME},
        cloudflare_images, cloudinary_upload,
        url::UrlScheme,
    },
};

/// Every option of `[[keys]]` that not all schemes have.
pub(super) const KEY_OPTIONS: [&str; 9] = [
    "algorithm",
    "allow_legacy",
    "max_ttl",
    "require_expiry",
    "clock_skew",
    "max_target_bytes",
    "identifier",
    "identifier_file",
    "accept_signature_v1",
];

/// Every option of `[[keys.versions]]` that not all schemes have, or that a disabled version need not have.
pub(super) const VERSION_OPTIONS: [&str; 4] =
    ["secret_file", "access_key_id", "access_key_id_file", "session_token_file"];

/// Reads a key of this scheme. Errors are recorded in the section.
pub(super) fn read(section: &mut Section, files: &Files, scheme: Scheme) -> Option<Key> {
    match scheme {
        Scheme::CloudflareImages => url(section, files, scheme, &[Algorithm::HmacSha256], |version, _| {
            Some(cloudflare_images::Key::new(&version.secret()?))
        }),
        Scheme::CloudinaryUpload => {
            let algorithm = algorithm(section, &[Algorithm::Sha256Suffix, Algorithm::Sha1Suffix]);
            let api_key = text_or_file(section, "identifier");
            let accept_v1 = section.or("accept_signature_v1", false);
            let versions = read_versions(
                section,
                files,
                Some(&|version| Some(cloudinary_upload::Key::new(&version.secret()?))),
            );
            let algorithm = match algorithm? {
                Algorithm::Sha1Suffix => cloudinary_upload::Algorithm::Sha1,
                _ => cloudinary_upload::Algorithm::Sha256,
            };
            let policy = cloudinary_upload::Policy { algorithm, accept_v1 };
            Some(Key::CloudinaryUpload(CloudinaryUploadKey { versions: versions?, policy, api_key }))
        }
        Scheme::AwsSigv4 => {
            let algorithm = algorithm(section, &[Algorithm::HmacSha256]);
            let longest = (MAX_PRESIGNED_LIFETIME, "expected at most 7 days, the most that AWS allows");
            let max_ttl = max_ttl(section, Some(longest));
            let versions = read_versions(
                section,
                files,
                Some(&|version| {
                    let id = version.identifier("access_key_id");
                    let secret = version.secret_text("secret_file");
                    let token = version.optional_secret_text("session_token_file")?;
                    let token = token.as_ref().map(|token| token.as_str());
                    Some(aws_sigv4::Credentials::new(&id?, &secret?, token))
                }),
            );
            algorithm?;
            Some(Key::AwsSigv4(AwsSigv4Key { versions: versions?, max_ttl }))
        }
    }
}

/// Reads a key of a scheme that signs URLs. `algorithms` are those that the scheme has, its default first; `build` makes
/// a version's key of its secret.
fn url<S: UrlScheme>(
    section: &mut Section,
    files: &Files,
    scheme: Scheme,
    algorithms: &[Algorithm],
    build: impl Fn(&mut VersionReader<'_>, Algorithm) -> Option<S>,
) -> Option<Key> {
    let algorithm = algorithm(section, algorithms);
    let options = url_options(section, S::EXPIRY);
    // With a bad algorithm the versions are looked at all the same: everything that is wrong is said at once.
    let assumed = algorithm.or_else(|| algorithms.first().copied())?;
    let versions = read_versions(section, files, Some(&|version| build(version, assumed)))?;
    Some(Key::Url(UrlKey {
        scheme,
        algorithm: algorithm?,
        policy: options.policy,
        max_ttl: options.max_ttl,
        versions: Box::new(versions),
    }))
}
