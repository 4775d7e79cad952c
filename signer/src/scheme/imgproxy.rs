//! imgproxy: signed paths.
//!
//! ```text
//! signature = base64url-nopad(HMAC-SHA256(key, salt || path)[..size])
//! URL       = origin "/" signature path
//! ```
//!
//! `path` is everything after the signature, with its leading slash and as it stands in the URL. Key and salt are
//! written in hexadecimal. Sources: imgproxy's documentation ("Signing the URL") and its tests.
//!
//! Behind a prefix (`IMGPROXY_PATH_PREFIX`) it is `origin prefix "/" signature path`: the prefix stands before the signature
//! and is not signed, so that `authenticated_target` does not hold it.
//!
//! # Policy
//! imgproxy undoes what some proxies do to URLs (`%3A` in options, `http:/`) before it checks. We do not: what
//! was signed is what must arrive, so proxies that merge slashes break plain source URLs.
//!
//! The query is not signed. [`Key::sign`](UrlScheme::sign) refuses a URL that has one; the verifier cuts it off, so that
//! `authenticated_target` never holds it.
//!
//! Each key has one size of signature, and takes no other: a shorter one would be easier to guess. Nothing expires;
//! imgproxy's own option `exp` is one option like any other here.

#[cfg(test)]
mod tests;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{
    Tag,
    leading::{Target, signable},
    material::{self, KeyFormatError},
    strict::has_dot_segment,
    url::{Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted, checked},
};

/// Bytes of a signature that is not truncated: imgproxy's default, and the best choice.
pub const SIGNATURE_BYTES: usize = 32;

/// Fewest bytes of a truncated signature. imgproxy takes a single one, which two hundred requests guess.
pub const MIN_SIGNATURE_BYTES: usize = 8;

/// Most segments of a prefix: with the signature eight, [`safelight_proto::delivery::template::MAX_SIGNATURE_SEGMENTS`].
const MAX_PREFIX_SEGMENTS: usize = 7;

/// A key and its salt, with the HMAC of the salt done, once. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key {
    salted: Hmac<Sha256>,
    size: usize,
    prefix: Box<str>,
}

impl Key {
    /// Prepares a key from `IMGPROXY_KEY`, `IMGPROXY_SALT` (both in hexadecimal) and `IMGPROXY_SIGNATURE_SIZE`, which
    /// is how many bytes of a signature are written and demanded.
    ///
    /// # Errors
    /// Key or salt is not hexadecimal or is empty, or the size is not 8 to 32.
    pub fn new(key: &[u8], salt: &[u8], signature_size: usize) -> Result<Self, KeyFormatError> {
        if !(MIN_SIGNATURE_BYTES..=SIGNATURE_BYTES).contains(&signature_size) {
            return Err(KeyFormatError("expected a signature size of 8 to 32 bytes"));
        }
        let (key, salt) = (material::hexadecimal(key)?, material::hexadecimal(salt)?);
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, section 2)")]
        let mut salted = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        salted.update(&salt);
        Ok(Self { salted, size: signature_size, prefix: "".into() })
    }

    /// The same, behind this prefix of paths: one that [`is_path_prefix`] is true of.
    #[must_use]
    pub fn behind(self, prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Whether the algorithm is one that a key must allow by name.
    #[must_use]
    pub const fn is_legacy(&self) -> bool {
        false
    }

    fn signature(&self, path: &str) -> Tag {
        Tag::of_mac(&self.salted, [path]).truncated(self.size)
    }
}

/// Whether a key can stand behind this prefix: nothing, or a path of at most seven segments without a slash at its end.
#[must_use]
pub fn is_path_prefix(prefix: &str) -> bool {
    let is_path = prefix.starts_with('/')
        && !prefix.ends_with('/')
        && prefix.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\'))
        && prefix.matches('/').count() <= MAX_PREFIX_SEGMENTS
        && !has_dot_segment(prefix);
    prefix.is_empty() || is_path
}

impl UrlScheme for Key {
    const EXPIRY: Expiry = Expiry::Never;

    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
        let (origin, target) = signable(wanted)?;
        let prefix = &self.prefix;
        let path = target
            .strip_prefix(&**prefix)
            .filter(|path| path.starts_with('/'))
            .ok_or(SignError::Invalid("does not begin with the key's path_prefix"))?;
        let signature = self.signature(path).base64(&URL_SAFE_NO_PAD);
        checked(self, policy, origin, &format!("{prefix}/{signature}{path}"), None)
    }

    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal> {
        // The versions of a key share its settings.
        let mut keys = keys.into_iter().peekable();
        let prefix = keys.peek().map_or("", |key| &*key.prefix);
        let target = Target::parse(presented.target, prefix, policy)?;
        // Longer than any signature is not worth decoding.
        let signature = Some(target.signature)
            .filter(|text| text.len() <= 43)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .filter(|bytes| (MIN_SIGNATURE_BYTES..=SIGNATURE_BYTES).contains(&bytes.len()))
            .ok_or(Refusal::SignatureMalformed)?;
        let mut key = None;
        let mut has_size = false;
        for (index, candidate) in keys.enumerate() {
            has_size |= candidate.size == signature.len();
            // False for another size than the key's.
            if candidate.signature(target.path).fits(&signature).into() {
                key = key.or(Some(index));
            }
        }
        match key {
            Some(key) => Ok(Verified {
                key,
                expires: None,
                authenticated_target: target.path.to_owned(),
                client_bound: false,
            }),
            None if has_size => Err(Refusal::SignatureMismatch),
            None => Err(Refusal::SignatureMalformed),
        }
    }
}
