//! A key of every scheme, with secrets that are random and known here.

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};

use super::forms::{
    Forms, Hash, base64, base64url, hexadecimal, of_bytes, of_ed25519, of_hmac_key, of_pem, of_sigv4,
};

/// How a secret is written, and used.
#[derive(Clone, Copy)]
enum Kind {
    /// Text that is hashed with the message.
    Text,
    /// Text that is the key of an HMAC.
    TextKey(Hash),
    /// In hexadecimal; and so is a salt beside it.
    HexKey(Hash),
    /// In base64.
    Base64Key(Hash),
    /// 16 bytes in base64 for URLs.
    ShortKey(Hash),
    /// A seed in base64 for URLs.
    Ed25519,
    P256,
    Rsa,
    Sigv4,
}

/// A key of the configuration.
pub(crate) struct Tested {
    /// Its name.
    pub(crate) name: &'static str,
    pub(crate) scheme: &'static str,
    /// What the key says beside name and scheme.
    pub(crate) options: &'static str,
    /// What each version says beside its secret.
    pub(crate) version_options: &'static str,
    kind: Kind,
    /// Whether a version has a salt beside its secret: text that is signed too.
    pub(crate) has_salt: bool,
    /// Whether its files are sealed.
    pub(crate) is_sealed: bool,
    /// Whether what it signs has an expiry.
    pub(crate) expires: bool,
}

const fn key(name: &'static str, scheme: &'static str, kind: Kind) -> Tested {
    Tested {
        name,
        scheme,
        options: "",
        version_options: "",
        kind,
        has_salt: false,
        is_sealed: false,
        expires: true,
    }
}

const LEGACY: &str = "allow_legacy = true";

/// Every scheme, and every algorithm that has code of its own.
pub(crate) const KEYS: [Tested; 19] = [
    key("images", "cloudflare-images", Kind::TextKey(Hash::Sha256)),
    Tested { is_sealed: true, ..key("sealed", "cloudflare-images", Kind::TextKey(Hash::Sha256)) },
    key("uploads", "cloudinary-upload", Kind::Text),
    Tested { is_sealed: true, ..key("sealed-uploads", "cloudinary-upload", Kind::Text) },
    Tested { version_options: "access_key_id = 'AKIAFAKE'", ..key("s3", "aws-sigv4", Kind::Sigv4) },
    Tested { has_salt: true, expires: false, ..key("imgproxy", "imgproxy", Kind::HexKey(Hash::Sha256)) },
    Tested { options: LEGACY, ..key("imgix", "imgix", Kind::Text) },
    Tested { options: LEGACY, expires: false, ..key("thumbor", "thumbor", Kind::TextKey(Hash::Sha1)) },
    Tested { options: LEGACY, ..key("fastly", "fastly", Kind::Base64Key(Hash::Sha1)) },
    key("bunny", "bunny", Kind::TextKey(Hash::Sha256)),
    Tested { expires: false, ..key("delivery", "cloudinary-delivery", Kind::Text) },
    Tested {
        options: LEGACY,
        version_options: "key_name = 'name'",
        ..key("cloud-cdn", "google-cloud-cdn", Kind::ShortKey(Hash::Sha1))
    },
    Tested { version_options: "key_name = 'name'", ..key("media-cdn", "google-media-cdn", Kind::Ed25519) },
    Tested {
        options: "algorithm = 'ecdsa-sha256'",
        version_options: "key_pair_id = 'KFAKE'",
        ..key("cloudfront-ec", "cloudfront", Kind::P256)
    },
    Tested {
        options: "allow_legacy = true\nalgorithm = 'rsa-sha1'",
        version_options: "key_pair_id = 'KFAKE'",
        ..key("cloudfront-sha1", "cloudfront", Kind::Rsa)
    },
    Tested { version_options: "key_pair_id = 'KFAKE'", ..key("cloudfront-rsa", "cloudfront", Kind::Rsa) },
    Tested {
        is_sealed: true,
        has_salt: true,
        ..key("akamai", "akamai-edgeauth", Kind::HexKey(Hash::Sha256))
    },
    Tested {
        options: "allow_legacy = true\nalgorithm = 'hmac-md5'",
        ..key("akamai-md5", "akamai-edgeauth", Kind::HexKey(Hash::Md5))
    },
    key("auth-token", "cloudinary-auth-token", Kind::HexKey(Hash::Sha256)),
];

/// The secret of a version: what its file holds, and all forms of it.
pub(crate) struct Secret {
    pub(crate) file: String,
    pub(crate) forms: Forms,
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// Of as many characters as AWS's secrets have.
fn text() -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    random::<40>().map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()])).iter().collect()
}

fn written(file: String, mut forms: Forms) -> Secret {
    forms.push(("in its file", file.clone().into_bytes()));
    Secret { file, forms }
}

fn of_der(der: &[u8], is_rsa: bool) -> Secret {
    let text = base64(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    let file = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    let forms = of_pem(&file, is_rsa);
    Secret { file, forms }
}

impl Tested {
    /// Names of the forms in which a signer holds the secret, for it signs with them.
    pub(crate) const fn held(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Text | Kind::Sigv4 | Kind::Ed25519 => &["as it is"],
            Kind::TextKey(_) | Kind::HexKey(_) | Kind::Base64Key(_) | Kind::ShortKey(_) => {
                &["inner state", "outer state"]
            }
            Kind::P256 | Kind::Rsa => &["as a number"],
        }
    }

    /// A new secret. What is derived from it for one day is good on any of `days`.
    pub(crate) fn secret(&self, days: &[String], region: &str) -> Secret {
        match self.kind {
            Kind::Text => {
                let text = text();
                let forms = of_bytes(text.as_bytes());
                Secret { file: text, forms }
            }
            Kind::TextKey(hash) => {
                let text = text();
                let forms = of_hmac_key(hash, text.as_bytes());
                Secret { file: text, forms }
            }
            Kind::HexKey(hash) => {
                let key = random::<32>();
                written(hexadecimal(&key), of_hmac_key(hash, &key))
            }
            Kind::Base64Key(hash) => {
                let key = random::<32>();
                written(base64(&key), of_hmac_key(hash, &key))
            }
            Kind::ShortKey(hash) => {
                let key = random::<16>();
                written(base64url(&key), of_hmac_key(hash, &key))
            }
            Kind::Ed25519 => {
                let seed = random::<32>();
                written(base64url(&seed), of_ed25519(&seed))
            }
            Kind::P256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
                of_der(pair.to_pkcs8v1().unwrap().as_ref(), false)
            }
            Kind::Rsa => {
                let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
                let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
                of_der(der.as_ref(), true)
            }
            Kind::Sigv4 => {
                let text = text();
                let forms = of_sigv4(text.as_bytes(), days, region);
                Secret { file: text, forms }
            }
        }
    }

    /// A salt, as its option wants it.
    pub(crate) fn salt(&self) -> Secret {
        if self.scheme == "imgproxy" {
            let salt = random::<32>();
            written(hexadecimal(&salt), of_bytes(&salt))
        } else {
            let text = text();
            let forms = of_bytes(text.as_bytes());
            Secret { file: text, forms }
        }
    }
}
