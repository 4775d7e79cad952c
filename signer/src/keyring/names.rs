//! The names of schemes and algorithms.

use serde::Deserialize;

macro_rules! names {
    ($(#[doc = $about:literal])+ $type:ident { $($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        pub enum $type {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name in the configuration.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

names! {
    /// What a key signs. Fixed for life.
    Scheme {
        /// Cloudflare Images signed URLs.
        CloudflareImages = "cloudflare-images",
        /// Cloudinary uploads.
        CloudinaryUpload = "cloudinary-upload",
        /// Requests to S3.
        AwsSigv4 = "aws-sigv4",
        /// imgproxy URLs.
        Imgproxy = "imgproxy",
        /// imgix URLs.
        Imgix = "imgix",
        /// thumbor URLs.
        Thumbor = "thumbor",
        /// Fastly's token authentication.
        Fastly = "fastly",
        /// Bunny CDN's token authentication.
        Bunny = "bunny",
        /// Cloudinary delivery URLs.
        CloudinaryDelivery = "cloudinary-delivery",
        /// Google Cloud CDN signed URLs, prefixes and cookies.
        GoogleCloudCdn = "google-cloud-cdn",
        /// Google Media CDN signed URLs, prefixes and cookies.
        GoogleMediaCdn = "google-media-cdn",
        /// Amazon CloudFront signed URLs and cookies.
        Cloudfront = "cloudfront",
        /// Akamai EdgeAuth tokens.
        AkamaiEdgeauth = "akamai-edgeauth",
        /// Cloudinary's token-based authentication.
        CloudinaryAuthToken = "cloudinary-auth-token",
    }
}

impl Scheme {
    /// Whether signatures stand in the path, so that the path that was sent is not the one that is authenticated. Bunny's do
    /// in its directory form.
    #[must_use]
    pub const fn signs_in_path(self) -> bool {
        matches!(self, Self::Imgproxy | Self::Thumbor | Self::CloudinaryDelivery | Self::Bunny)
    }
}

names! {
    /// How a key signs. Fixed for life.
    Algorithm {
        /// HMAC-SHA256.
        HmacSha256 = "hmac-sha256",
        /// HMAC-SHA1.
        HmacSha1 = "hmac-sha1",
        /// HMAC-MD5.
        HmacMd5 = "hmac-md5",
        /// SHA-256 of message and secret.
        Sha256Suffix = "sha256-suffix",
        /// SHA-1 of message and secret.
        Sha1Suffix = "sha1-suffix",
        /// SHA-256 of secret and message.
        Sha256Prefix = "sha256-prefix",
        /// MD5 of secret and message.
        Md5Prefix = "md5-prefix",
        /// Ed25519.
        Ed25519 = "ed25519",
        /// RSA PKCS #1 v1.5 with SHA-256.
        RsaSha256 = "rsa-sha256",
        /// RSA PKCS #1 v1.5 with SHA-1.
        RsaSha1 = "rsa-sha1",
        /// ECDSA on P-256 with SHA-256.
        EcdsaSha256 = "ecdsa-sha256",
        /// ECDSA on P-256 with SHA-1.
        EcdsaSha1 = "ecdsa-sha1",
    }
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
