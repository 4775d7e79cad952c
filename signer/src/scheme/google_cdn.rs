//! What Google Cloud CDN and Google Media CDN have in common: the same strings, signed in two ways.
//!
//! ```text
//! URL     origin target [?&] "Expires=" E "&KeyName=" K "&Signature=" S        S over all that is before "&Signature"
//! prefix  origin target [?&] "URLPrefix=" P "&Expires=" E "&KeyName=" K "&Signature=" S     S over "URLPrefix=" … K
//! cookie  "URLPrefix=" P ":Expires=" E ":KeyName=" K ":Signature=" S           S over all that is before ":Signature"
//! ```
//!
//! P and S are in URL-safe base64 with padding, E is in Unix seconds. Sources: Google's documentation, "Use signed
//! URLs" and "Use signed cookies", and its samples (python-docs-samples), which were run.
//!
//! # Policy
//! Google documents no verifier; this is ours:
//! - The parameters stand at the end of the query, in the order and the spelling above, once; nothing follows them.
//! - The origin is signed, so the caller must tell it. It is compared byte for byte.
//! - `KeyName` must be the name of the key whose signature it is.
//! - A prefix is compared byte for byte, as Google does: `https://h/data` also gives access to `https://h/database`. It
//!   holds the whole origin and at least the first slash after it.
//! - With a prefix or a cookie, the query that the client asks for is **not signed**.

use base64::{Engine, engine::general_purpose::URL_SAFE};
use subtle::Choice;
use zeroize::Zeroizing;

use super::{
    carrier::{checked, cookies, take, without_reserved},
    material::KeyFormatError,
    strict::{decimal, first_fit},
    trailing::separator,
    url::{Carrier, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted},
};

const NAMES: [&str; 4] = ["URLPrefix", "Expires", "KeyName", "Signature"];

/// A key of one of the two.
pub(super) trait Key: UrlScheme {
    /// The cookie's name.
    const COOKIE: &'static str;

    /// Bytes that have the length of a signature.
    type Signature;

    /// The key's name at Google.
    fn name(&self) -> &str;

    /// Signs; answers the signature as it is written.
    fn signature(&self, message: &str) -> String;

    /// Whether this key made the signature, in constant time.
    fn fits(&self, message: &str, signature: &Self::Signature) -> Choice;

    /// A signature in its one spelling.
    fn decode(text: &str) -> Option<Self::Signature>;
}

/// A key from its URL-safe base64, with or without padding, of exactly so many bytes. On the heap: an array that is moved
/// leaves a copy behind.
pub(super) fn material(
    secret: &[u8],
    bytes: usize,
    error: KeyFormatError,
) -> Result<Zeroizing<Vec<u8>>, KeyFormatError> {
    let padding = secret.iter().rev().take_while(|byte| **byte == b'=').count();
    let unpadded = &secret[..secret.len() - padding];
    let mut padded = Zeroizing::new(vec![b'='; unpadded.len().next_multiple_of(4)]);
    padded[..unpadded.len()].copy_from_slice(unpadded);
    let mut key = Zeroizing::new(vec![0; bytes]);
    let canonical = padding == 0 || padded.len() == secret.len();
    match URL_SAFE.decode_slice(&padded, &mut key) {
        Ok(length) if length == bytes && canonical => Ok(key),
        _ => Err(error),
    }
}

/// A key's name, as Google allows them.
pub(super) fn key_name(name: &str) -> Result<Box<str>, KeyFormatError> {
    let known = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if known && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= 63 {
        Ok(name.into())
    } else {
        Err(KeyFormatError(
            "expected a key name of at most 63 letters, digits, - and _, beginning with a letter",
        ))
    }
}

/// The fields before the signature.
fn fields(prefix: Option<&str>, expires: &str, name: &str, separator: char) -> String {
    let fields = format!("Expires={expires}{separator}KeyName={name}");
    match prefix {
        Some(prefix) => format!("URLPrefix={prefix}{separator}{fields}"),
        None => fields,
    }
}

pub(super) fn sign<K: Key>(key: &K, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
    let unsupported = |field, why| Err(SignError::Unsupported(field, why));
    if wanted.starts.is_some() {
        return unsupported("start_time", "this scheme does not have it");
    }
    if wanted.client.is_some() {
        return unsupported("client_ip", "this scheme does not have it");
    }
    if !wanted.extra.is_empty() {
        return unsupported("extra", "this scheme does not have it");
    }
    let Some(expires) = wanted.expires else {
        return unsupported("expire_time", "this scheme always has one");
    };
    let (origin, target) = wanted.url.verbatim()?;
    without_reserved(target, &NAMES)?;
    let prefix = match wanted.scope {
        [] => None,
        [prefix] if !prefix.contains(['?', '#']) => Some(URL_SAFE.encode(prefix)),
        [_] => return unsupported("scope", "a URL prefix has no query and no fragment"),
        _ => return unsupported("scope", "this scheme has one URL prefix"),
    };
    let (prefix, expires, name) = (prefix.as_deref(), expires.to_string(), key.name());
    let signed = match wanted.carrier {
        Carrier::Cookies if prefix.is_none() => return unsupported("scope", "a cookie is for a URL prefix"),
        Carrier::Cookies => {
            let fields = fields(prefix, &expires, name, ':');
            let value = format!("{fields}:Signature={}", key.signature(&fields));
            Signed { url: wanted.url.as_str().to_owned(), cookies: vec![(K::COOKIE.to_owned(), value)] }
        }
        Carrier::Url => {
            let fields = fields(prefix, &expires, name, '&');
            let url = format!("{origin}{target}{}{fields}", separator(target));
            let signature = key.signature(if prefix.is_some() { &fields } else { &url });
            Signed::url(format!("{url}&Signature={signature}"))
        }
    };
    checked(key, policy, wanted, signed)
}

/// What was presented, taken apart. Nothing in it is authentic yet.
struct Form<'p> {
    /// The target that the client asks for.
    asked: String,
    message: String,
    prefix: Option<String>,
    expires: &'p str,
    name: &'p str,
    signature: &'p str,
}

impl<'p> Form<'p> {
    fn read<K: Key>(policy: &Policy, presented: &Presented<'p>) -> Result<Self, Refusal> {
        let taken = take(presented.target, NAMES, policy)?;
        let in_url = taken.any();
        let [prefix, expires, name, signature] = if in_url {
            taken.values
        } else {
            let [value] = cookies(presented.cookies, [K::COOKIE], policy)?;
            parts(value.ok_or(Refusal::SignatureMissing)?).ok_or(Refusal::SignatureMalformed)?
        };
        let signature = signature.ok_or(Refusal::SignatureMissing)?;
        let (Some(expires), Some(name)) = (expires, name) else { return Err(Refusal::SignatureMalformed) };
        let asked = taken.rest;
        let fields = fields(prefix, expires, name, if in_url { '&' } else { ':' });
        let message = if in_url {
            // One spelling: at the end, in this order, and nothing else.
            let before = format!("{asked}{}{fields}", separator(&asked));
            if presented.target != format!("{before}&Signature={signature}") {
                return Err(Refusal::SignatureMalformed);
            }
            let origin = presented.origin.ok_or(Refusal::OriginMissing)?;
            if prefix.is_some() { fields } else { format!("{origin}{before}") }
        } else {
            fields
        };
        let prefix = match prefix {
            None => None,
            Some(prefix) => Some(url_prefix(prefix).ok_or(Refusal::SignatureMalformed)?),
        };
        Ok(Self { asked, message, prefix, expires, name, signature })
    }
}

/// The four fields of a cookie.
fn parts(value: &str) -> Option<[Option<&str>; 4]> {
    let mut fields = value.split(':');
    let mut field = |name| fields.next()?.strip_prefix(name)?.strip_prefix('=');
    let parts = [field(NAMES[0])?, field(NAMES[1])?, field(NAMES[2])?, field(NAMES[3])?];
    fields.next().is_none().then_some(parts.map(Some))
}

fn url_prefix(text: &str) -> Option<String> {
    String::from_utf8(URL_SAFE.decode(text).ok()?).ok()
}

pub(super) fn verify<'k, K: Key>(
    keys: impl IntoIterator<Item = &'k K>,
    policy: &Policy,
    presented: &Presented<'_>,
) -> Result<Verified, Refusal> {
    let form = Form::read::<K>(policy, presented)?;
    let signature = K::decode(form.signature).ok_or(Refusal::SignatureMalformed)?;
    let origin = presented.origin.ok_or(Refusal::OriginMissing)?;
    let key = first_fit(keys, |key| {
        key.fits(&form.message, &signature) & Choice::from(u8::from(key.name() == form.name))
    });
    let key = key.ok_or(Refusal::SignatureMismatch)?;

    let expires = decimal(form.expires).ok_or(Refusal::ExpiryMalformed)?;
    if policy.is_over(expires, presented.now) {
        return Err(Refusal::Expired);
    }
    if let Some(prefix) = form.prefix {
        // The target begins with a slash, so a prefix that is longer than the origin ends behind it.
        let url = format!("{origin}{}", form.asked);
        if !form.asked.starts_with('/') || prefix.len() <= origin.len() || !url.starts_with(&prefix) {
            return Err(Refusal::ResourceMismatch);
        }
    }
    Ok(Verified { key, expires: Some(expires), authenticated_target: form.asked, client_bound: false })
}
