//! The table of schemes: the one place where a scheme's name, its options and its constructor meet.
//!
//! A new scheme is a name in [`Scheme`], an entry in [`read`], and its options in [`KEY_OPTIONS`] or
//! [`VERSION_OPTIONS`]. What an entry does not take is refused.

use std::sync::Arc;

use safelight_chassis::config::Section;
use serde::Deserialize;

use super::{
    files::Files,
    options::{algorithm, allowed_urls, max_ttl, text_or_file, url_options},
    origin_headers::read_origin_headers,
    version::{Common, VersionReader, read_versions},
};
use crate::{
    credentials::{Issued, Source},
    keyring::{
        Algorithm::{
            self, EcdsaSha256, Ed25519, HmacMd5, HmacSha1, HmacSha256, Md5Prefix, RsaSha1, RsaSha256,
            Sha1Suffix, Sha256Suffix,
        },
        AwsSigv4Key, CloudinaryUploadKey, Key, Scheme, UrlKey,
    },
    scheme::{
        akamai_edgeauth,
        aws_sigv4::{self, MAX_PRESIGNED_LIFETIME},
        bunny, cloudflare_images, cloudfront, cloudinary_auth_token, cloudinary_delivery, cloudinary_upload,
        fastly, google_cloud_cdn, google_media_cdn, imgix, imgproxy, thumbor,
        url::UrlScheme,
    },
};

/// Every option of `[[keys]]` that not all schemes have.
pub(super) const KEY_OPTIONS: &[&str] = &[
    "algorithm",
    "allow_legacy",
    "max_ttl",
    "require_expiry",
    "clock_skew",
    "max_target_bytes",
    "allowed_hosts",
    "allowed_path_prefixes",
    "identifier",
    "identifier_file",
    "accept_signature_v1",
    "notification_algorithms",
    "request_payer",
    "sse_customer_key_file",
    "path_prefix",
    "signature_size",
    "signatures",
    "token_name",
    "escape_early",
];

/// Every option of `[[keys.versions]]` that not all schemes have, or that a disabled version need not have.
pub(super) const VERSION_OPTIONS: &[&str] = &[
    "secret_file",
    "salt_file",
    "key_name",
    "key_name_file",
    "key_pair_id",
    "key_pair_id_file",
    "access_key_id",
    "access_key_id_file",
    "session_token_file",
    "credentials",
];

/// The algorithms that a scheme has, its default first.
#[must_use]
pub const fn algorithms(scheme: Scheme) -> &'static [Algorithm] {
    match scheme {
        Scheme::CloudflareImages
        | Scheme::AwsSigv4
        | Scheme::Imgproxy
        | Scheme::Bunny
        | Scheme::CloudinaryAuthToken => &[HmacSha256],
        Scheme::AkamaiEdgeauth => &[HmacSha256, HmacSha1, HmacMd5],
        Scheme::CloudinaryUpload | Scheme::CloudinaryDelivery => &[Sha256Suffix, Sha1Suffix],
        Scheme::Cloudfront => &[RsaSha256, RsaSha1, EcdsaSha256],
        Scheme::GoogleMediaCdn => &[Ed25519],
        Scheme::Imgix => &[Md5Prefix],
        Scheme::Thumbor | Scheme::Fastly | Scheme::GoogleCloudCdn => &[HmacSha1],
    }
}

/// The option of a version that says the public half of the credential, if the scheme has one.
#[must_use]
pub const fn identifier_option(scheme: Scheme) -> Option<&'static str> {
    match scheme {
        Scheme::GoogleCloudCdn | Scheme::GoogleMediaCdn => Some("key_name"),
        Scheme::Cloudfront => Some("key_pair_id"),
        Scheme::AwsSigv4 => Some("access_key_id"),
        _ => None,
    }
}

/// Reads a key of this scheme. Errors are recorded in the section.
pub(super) fn read(section: &mut Section, files: &Files<'_>, name: &str, scheme: Scheme) -> Option<Key> {
    let key = &mut KeyReader { section, files, name, scheme };
    match scheme {
        // Beside the URL's own options: none. A key as text.
        Scheme::CloudflareImages => {
            key.url(|version| Some(cloudflare_images::Key::new(&version.secret("secret_file")?)))
        }
        // signature_size: bytes of a signature, 8 to 32. path_prefix: IMGPROXY_PATH_PREFIX, which stands before the signature
        // and is not signed. Versions: key and `salt_file`, both in hexadecimal.
        Scheme::Imgproxy => {
            let size = key.section.or("signature_size", imgproxy::SIGNATURE_BYTES);
            let prefix = key.section.or("path_prefix", String::new());
            if !imgproxy::is_path_prefix(&prefix) {
                key.section.error(
                    "path_prefix",
                    "expected the start of a path such as /imgproxy, without / at its end",
                );
            }
            key.url(|version| {
                let (secret, salt) = (version.secret("secret_file"), version.secret("salt_file"));
                version.made(imgproxy::Key::new(&secret?, &salt?, size).map(|key| key.behind(&prefix)))
            })
        }
        // The source's token as text.
        Scheme::Imgix => key.url(|version| {
            let secret = version.secret("secret_file")?;
            version.made(imgix::Key::new(&secret))
        }),
        // SECURITY_KEY as text.
        Scheme::Thumbor => key.url(|version| {
            let secret = version.secret("secret_file")?;
            version.made(thumbor::Key::new(&secret))
        }),
        // The VCL's key in base64.
        Scheme::Fastly => key.url(|version| {
            let secret = version.secret("secret_file")?;
            version.made(fastly::Key::new(&secret))
        }),
        // The pull zone's key as text.
        Scheme::Bunny => key.url(|version| {
            let secret = version.secret("secret_file")?;
            version.made(bunny::Key::new(&secret))
        }),
        // The API secret as text. signatures: "long", "short", or "long-or-short", which makes long ones and takes both.
        Scheme::CloudinaryDelivery => {
            let signatures = key.section.or("signatures", SignatureLength::Long);
            key.url(|version| {
                let secret = version.secret("secret_file")?;
                let signatures = signatures.of(version.algorithm());
                version.made(cloudinary_delivery::Key::new(&secret, signatures))
            })
        }
        // key_name: the name that Google Cloud has for the key. 16 bytes in URL-safe base64.
        Scheme::GoogleCloudCdn => key.url(|version| {
            let (name, secret) = (version.identifier("key_name"), version.secret("secret_file"));
            version.made(google_cloud_cdn::Key::new(&secret?, &name?))
        }),
        // key_name: that of the keyset. The seed of the private key, 32 bytes in URL-safe base64.
        Scheme::GoogleMediaCdn => key.url(|version| {
            let (name, secret) = (version.identifier("key_name"), version.secret("secret_file"));
            let key = version.made(google_media_cdn::Key::new(&secret?, &name?))?;
            version.set_public_key(key.public_key());
            Some(key)
        }),
        // key_pair_id: what CloudFront calls the public key. The private key in PEM.
        Scheme::Cloudfront => key.url(|version| {
            let algorithm = match version.algorithm() {
                RsaSha1 => cloudfront::Algorithm::RsaSha1,
                EcdsaSha256 => cloudfront::Algorithm::EcdsaSha256,
                _ => cloudfront::Algorithm::RsaSha256,
            };
            let (id, secret) = (version.identifier("key_pair_id"), version.secret("secret_file"));
            let key = version.made(cloudfront::Key::new(&secret?, &id?, algorithm))?;
            version.set_public_key(key.public_key());
            Some(key)
        }),
        // token_name: of the parameter or cookie. escape_early: as in the SDKs. The key in hexadecimal; salt_file: text.
        Scheme::AkamaiEdgeauth => {
            let name = key.section.or("token_name", akamai_edgeauth::DEFAULT_NAME.to_owned());
            let escape_early = key.section.or("escape_early", false);
            key.url(|version| {
                let algorithm = match version.algorithm() {
                    HmacSha1 => akamai_edgeauth::Algorithm::Sha1,
                    HmacMd5 => akamai_edgeauth::Algorithm::Md5,
                    _ => akamai_edgeauth::Algorithm::Sha256,
                };
                let secret = version.secret("secret_file");
                let salt = match version.optional_secret("salt_file")? {
                    Some(salt) => Some(version.text("salt_file", &salt)?),
                    None => None,
                };
                let salt = salt.as_ref().map(|salt| salt.as_str());
                let settings = akamai_edgeauth::Settings { name: &name, algorithm, salt, escape_early };
                version.made(akamai_edgeauth::Key::new(&secret?, &settings))
            })
        }
        // token_name: of the parameter or cookie. The key in hexadecimal.
        Scheme::CloudinaryAuthToken => {
            let name = key.section.or("token_name", cloudinary_auth_token::DEFAULT_NAME.to_owned());
            key.url(|version| {
                let secret = version.secret("secret_file")?;
                version.made(cloudinary_auth_token::Key::new(&secret, &name))
            })
        }
        // notification_algorithms: how Cloudinary signs webhooks and answers to uploads, "sha1" and "sha256"; default: as the key
        // does. Cloudinary signs them with SHA-1 unless the account is set to SHA-256, whatever uploads are signed with.
        Scheme::CloudinaryUpload => key.cloudinary_upload(),
        // request_payer: see `OriginHeaders`; sse_customer_key_file: 32 bytes in base64.
        Scheme::AwsSigv4 => key.aws_sigv4(),
    }
}

/// The lengths of Cloudinary's delivery signatures.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SignatureLength {
    Long,
    LongOrShort,
    Short,
}

impl SignatureLength {
    fn of(self, algorithm: Algorithm) -> cloudinary_delivery::Signatures {
        use cloudinary_delivery::Signatures;

        let algorithm = cloudinary_algorithm(algorithm);
        match self {
            Self::Long => Signatures::Long,
            Self::LongOrShort => Signatures::LongOrShort(algorithm),
            Self::Short => Signatures::Short(algorithm),
        }
    }
}

/// A digest, as Cloudinary names it.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Digest {
    Sha1,
    Sha256,
}

impl Digest {
    const fn algorithm(self) -> cloudinary_upload::Algorithm {
        match self {
            Self::Sha1 => cloudinary_upload::Algorithm::Sha1,
            Self::Sha256 => cloudinary_upload::Algorithm::Sha256,
        }
    }
}

const fn cloudinary_algorithm(algorithm: Algorithm) -> cloudinary_upload::Algorithm {
    match algorithm {
        Sha1Suffix => cloudinary_upload::Algorithm::Sha1,
        _ => cloudinary_upload::Algorithm::Sha256,
    }
}

/// A key that is being read.
struct KeyReader<'k, 'f> {
    section: &'k mut Section,
    files: &'k Files<'f>,
    name: &'k str,
    scheme: Scheme,
}

impl<'k> KeyReader<'k, '_> {
    /// A scheme that signs URLs; `build` makes a version's key.
    fn url<S: UrlScheme>(&mut self, build: impl Fn(&mut VersionReader<'_>) -> Option<S>) -> Option<Key> {
        let algorithm = algorithm(self.section, algorithms(self.scheme));
        let options = url_options(self.section, S::EXPIRY);
        let common = self.common(algorithm)?;
        let versions = read_versions(self.section, self.files, Some((common, &build)))?;
        Some(Key::Url(UrlKey {
            scheme: self.scheme,
            algorithm: algorithm?,
            policy: options.policy,
            max_ttl: options.max_ttl,
            allowed: options.allowed,
            versions: Box::new(versions),
        }))
    }

    fn cloudinary_upload(&mut self) -> Option<Key> {
        let algorithm = algorithm(self.section, algorithms(self.scheme));
        let api_key = text_or_file(self.section, self.files, "identifier");
        let accept_v1 = self.section.or("accept_signature_v1", false);
        // To name SHA-1 here is to allow it here, and nowhere else.
        let notifications = self.section.optional::<Vec<Digest>>("notification_algorithms");
        if notifications.as_ref().is_some_and(Vec::is_empty) {
            self.section.error("notification_algorithms", "expected \"sha1\", \"sha256\" or both");
        }
        let common = self.common(algorithm)?;
        let build = |version: &mut VersionReader<'_>| {
            Some(cloudinary_upload::Key::new(&version.secret("secret_file")?))
        };
        let versions = read_versions(self.section, self.files, Some((common, &build)));
        let algorithm = cloudinary_algorithm(algorithm?);
        let policy = cloudinary_upload::Policy { algorithm, accept_v1 };
        let notification_algorithms = match notifications {
            Some(digests) => digests.into_iter().map(Digest::algorithm).collect(),
            None => vec![algorithm],
        };
        Some(Key::CloudinaryUpload(CloudinaryUploadKey {
            versions: versions?,
            policy,
            notification_algorithms,
            api_key,
        }))
    }

    fn aws_sigv4(&mut self) -> Option<Key> {
        let algorithm = algorithm(self.section, algorithms(self.scheme));
        let longest = (MAX_PRESIGNED_LIFETIME, "expected at most 7 days, the most that AWS allows");
        let max_ttl = max_ttl(self.section, Some(longest));
        let allowed = allowed_urls(self.section);
        let common = self.common(algorithm)?;
        let headers = read_origin_headers(self.section, self.files, common);
        let build = |version: &mut VersionReader<'_>| {
            if let Some(provider) = version.provider()? {
                return Some(Source::Provider(Arc::new(provider)));
            }
            let id = version.identifier("access_key_id");
            let secret = version.secret("secret_file");
            let secret = secret.and_then(|secret| version.text("secret_file", &secret));
            let token = match version.optional_secret("session_token_file")? {
                Some(token) => Some(version.text("session_token_file", &token)?),
                None => None,
            };
            let token = token.as_ref().map(|token| token.as_str());
            let credentials = aws_sigv4::Credentials::new(&id?, &secret?, token);
            Some(Source::Files(Arc::new(Issued { credentials, expires: None })))
        };
        let versions = read_versions(self.section, self.files, Some((common, &build)));
        algorithm?;
        Some(Key::AwsSigv4(AwsSigv4Key { versions: versions?, max_ttl, allowed, headers: headers? }))
    }

    /// With a bad algorithm the versions are looked at all the same: everything that is wrong is said at once.
    fn common(&self, algorithm: Option<Algorithm>) -> Option<Common<'k>> {
        let algorithm = algorithm.or_else(|| algorithms(self.scheme).first().copied())?;
        Some(Common { key: self.name, scheme: self.scheme, algorithm })
    }
}
