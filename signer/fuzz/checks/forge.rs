//! Right signatures for any text, made without the crate: what a verifier reads after it has found a MAC good.

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use percent_encoding::percent_decode_str;
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::schemes::{AKAMAI_SALT, ECDSA, GOOGLE_SECRET, KEY_NAME, KEY_PAIR_ID, Kind, SALT, SECRET};

/// What is presented.
pub struct Forged {
    pub target: String,
    pub cookies: String,
    /// What must be authenticated, if it is accepted at all; `None` where only a part of the text says so.
    pub authentic: Option<String>,
    /// Whether its form is such that a verifier must find the signature good.
    pub must_match: bool,
}

fn mac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn key_bytes() -> Vec<u8> {
    hex::decode(SECRET).unwrap()
}

const fn separator(has_query: bool) -> char {
    if has_query { '&' } else { '?' }
}

/// Signs `text` (and `asked`, what the client asks for, where a scheme has the two apart) as the scheme's documentation
/// says it is signed. `in_url`: not in a cookie, where there is a choice. `expires` has ten digits.
pub fn forge(kind: Kind, text: &str, asked: &str, in_url: bool, expires: u64) -> Forged {
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let in_target = |target: String, authentic: &str| Forged {
        target,
        cookies: String::new(),
        authentic: Some(authentic.to_owned()),
        must_match: true,
    };
    match kind {
        Kind::CloudflareImages => {
            let message = format!("{path}?{}", query.unwrap_or_default());
            let sig = hex::encode(mac::<Hmac<Sha256>>(SECRET.as_bytes(), message.as_bytes()));
            let ampersand = if query.is_none_or(str::is_empty) { "" } else { "&" };
            in_target(format!("{message}{ampersand}sig={sig}"), &message)
        }
        Kind::Imgix => {
            let s = Md5::new().chain_update(SECRET).chain_update(text).finalize();
            in_target(format!("{text}{}s={}", separator(query.is_some()), hex::encode(s)), text)
        }
        Kind::Fastly => {
            let key = STANDARD.decode(SECRET).unwrap();
            let token = hex::encode(mac::<Hmac<Sha1>>(&key, format!("{text}{expires}").as_bytes()));
            in_target(format!("{text}{}token={expires}_{token}", separator(query.is_some())), text)
        }
        Kind::Imgproxy => {
            let salted = [&hex::decode(SALT).unwrap(), path.as_bytes()].concat();
            let signature = URL_SAFE_NO_PAD.encode(mac::<Hmac<Sha256>>(&key_bytes(), &salted));
            Forged { must_match: path.starts_with('/'), ..in_target(format!("/{signature}{text}"), path) }
        }
        Kind::Thumbor => {
            let signed = path.strip_prefix('/').unwrap_or(path);
            let signature = URL_SAFE.encode(mac::<Hmac<Sha1>>(SECRET.as_bytes(), signed.as_bytes()));
            Forged { must_match: path.starts_with('/'), ..in_target(format!("/{signature}{text}"), path) }
        }
        Kind::DeliveryLong | Kind::DeliveryShort => {
            let hash = Sha256::new().chain_update(path).chain_update(SECRET).finalize();
            let bytes = if kind == Kind::DeliveryLong { 24 } else { 6 };
            let signature = URL_SAFE_NO_PAD.encode(&hash[..bytes]);
            let forged =
                in_target(format!("/demo/image/upload/s--{signature}--/{text}"), &format!("/{path}"));
            Forged { must_match: !path.is_empty(), ..forged }
        }
        Kind::Bunny => {
            // `asked` holds the pairs as they are written.
            let decoded: Option<Vec<_>> = asked
                .split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=')?;
                    Some(format!("{name}={}", percent_decode_str(value).decode_utf8().ok()?))
                })
                .collect();
            let scope = asked.split('&').find_map(|pair| pair.strip_prefix("token_path="));
            let scope = scope.map(|scope| percent_decode_str(scope).decode_utf8_lossy().into_owned());
            let message = format!(
                "{}{expires}{}",
                scope.as_deref().unwrap_or(path),
                decoded.unwrap_or_default().join("&")
            );
            let token = URL_SAFE_NO_PAD.encode(mac::<Hmac<Sha256>>(SECRET.as_bytes(), message.as_bytes()));
            let pairs = if asked.is_empty() { String::new() } else { format!("&{asked}") };
            let token = format!("token=HS256-{token}{pairs}&expires={expires}");
            let target = if in_url { format!("{path}?{token}") } else { format!("/bcdn_{token}{path}") };
            let authentic = format!(
                "{path}?{}expires={expires}",
                pairs.get(1..).map_or(String::new(), |pairs| format!("{pairs}&"))
            );
            Forged { must_match: false, ..in_target(target, &authentic) }
        }
        Kind::GoogleCloudCdn | Kind::GoogleMediaCdn => {
            let sign = |message: &str| {
                URL_SAFE.encode(if kind == Kind::GoogleCloudCdn {
                    mac::<Hmac<Sha1>>(&URL_SAFE.decode(GOOGLE_SECRET).unwrap(), message.as_bytes())
                } else {
                    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
                    pair.sign(message.as_bytes()).as_ref().to_vec()
                })
            };
            // `text` is a prefix, in a cookie or beside the target, or the whole target.
            let between = if in_url { '&' } else { ':' };
            let fields = format!("Expires={expires}{between}KeyName={KEY_NAME}");
            let prefixed = format!("URLPrefix={}{between}{fields}", URL_SAFE.encode(text));
            if !in_url {
                let name =
                    if kind == Kind::GoogleCloudCdn { "Cloud-CDN-Cookie" } else { "Edge-Cache-Cookie" };
                let cookies = format!("{name}={prefixed}:Signature={}", sign(&prefixed));
                return Forged { cookies, ..in_target(asked.to_owned(), asked) };
            }
            let (target, fields) = if asked.is_empty() { (text, fields) } else { (asked, prefixed) };
            let before = format!("{target}{}{fields}", separator(target.contains('?')));
            let message = if asked.is_empty() { format!("https://h{before}") } else { fields };
            in_target(format!("{before}&Signature={}", sign(&message)), target)
        }
        Kind::Cloudfront => {
            static PAIR: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
                let der = PrivateKeyDer::from_pem_slice(ECDSA).unwrap();
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der.secret_der()).unwrap()
            });
            let encode =
                |bytes: &[u8]| STANDARD.encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~");
            let signature = PAIR.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
            let [start, between] = if in_url { ["", "&"] } else { ["CloudFront-", "; "] };
            let pairs = [
                ("Policy", encode(text.as_bytes())),
                ("Key-Pair-Id", KEY_PAIR_ID.to_owned()),
                ("Signature", encode(signature.as_ref())),
                ("Hash-Algorithm", "SHA256".to_owned()),
            ]
            .map(|(name, value)| format!("{start}{name}={value}"))
            .join(between);
            if in_url {
                in_target(format!("{asked}{}{pairs}", separator(asked.contains('?'))), asked)
            } else {
                Forged { cookies: pairs, ..in_target(asked.to_owned(), asked) }
            }
        }
        Kind::Akamai | Kind::AkamaiEarly | Kind::CloudinaryAuthToken => {
            let salt = if kind == Kind::AkamaiEarly { format!("~salt={AKAMAI_SALT}") } else { String::new() };
            let token = hex::encode(mac::<Hmac<Sha256>>(&key_bytes(), format!("{text}{salt}").as_bytes()));
            let name = if kind == Kind::CloudinaryAuthToken { "__cld_token__" } else { "__token__" };
            let token = format!("{name}={text}~hmac={token}");
            // Without an acl the URL would have to be part of the message.
            let must_match = text.starts_with("acl=") || text.contains("~acl=");
            let forged = Forged { must_match, ..in_target(asked.to_owned(), asked) };
            if in_url {
                Forged { target: format!("{asked}{}{token}", separator(asked.contains('?'))), ..forged }
            } else {
                // A cookie's value has no `;` and no spaces around it.
                let is_value = text.trim() == text && !text.contains(';');
                Forged { cookies: token, must_match: must_match && is_value, ..forged }
            }
        }
    }
}
