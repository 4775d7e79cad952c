//! The names of schemes and algorithms.

use serde::Deserialize;

/// What a key signs. Fixed for life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Cloudflare Images signed URLs.
    CloudflareImages,
    /// Cloudinary uploads.
    CloudinaryUpload,
    /// Requests to S3.
    AwsSigv4,
}

/// How a key signs. Fixed for life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// HMAC-SHA256.
    HmacSha256,
    /// HMAC-SHA1.
    HmacSha1,
    /// HMAC-MD5.
    HmacMd5,
    /// SHA-256 of message and secret.
    Sha256Suffix,
    /// SHA-1 of message and secret.
    Sha1Suffix,
    /// SHA-256 of secret and message.
    Sha256Prefix,
    /// MD5 of secret and message.
    Md5Prefix,
    /// Ed25519.
    Ed25519,
    /// RSA PKCS #1 v1.5 with SHA-256.
    RsaSha256,
    /// RSA PKCS #1 v1.5 with SHA-1.
    RsaSha1,
    /// ECDSA on P-256 with SHA-256.
    EcdsaSha256,
    /// ECDSA on P-256 with SHA-1.
    EcdsaSha1,
}

impl Algorithm {
    /// Whether it is one that nobody would choose today: MD5, SHA-1, or a hash of the secret before the message, which
    /// can be continued. A key must say `allow_legacy`.
    #[must_use]
    pub const fn is_legacy(self) -> bool {
        match self {
            Self::HmacSha256 | Self::Sha256Suffix | Self::Ed25519 | Self::RsaSha256 | Self::EcdsaSha256 => {
                false
            }
            Self::HmacSha1
            | Self::HmacMd5
            | Self::Sha1Suffix
            | Self::Sha256Prefix
            | Self::Md5Prefix
            | Self::RsaSha1
            | Self::EcdsaSha1 => true,
        }
    }
}
