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
    url::{Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted, checked},
};

/// Bytes of a signature that is not truncated: imgproxy's default, and the best choice.
pub const SIGNATURE_BYTES: usize = 32;

/// Fewest bytes of a truncated signature. imgproxy takes a single one, which two hundred requests guess.
pub const MIN_SIGNATURE_BYTES: usize = 8;

/// A key and its salt, with the HMAC of the salt done, once. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key {
    salted: Hmac<Sha256>,
    size: usize,
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
        Ok(Self { salted, size: signature_size })
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

impl UrlScheme for Key {
    const EXPIRY: Expiry = Expiry::Never;

    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
        let (origin, path) = signable(wanted)?;
        let signature = self.signature(path).base64(&URL_SAFE_NO_PAD);
        checked(self, policy, origin, &format!("/{signature}{path}"), None)
    }

    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal> {
        let target = Target::parse(presented.target, policy)?;
        // Longer than any signature is not worth decoding.
        let signature = Some(target.signature)
            .filter(|text| text.len() <= 43)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .filter(|bytes| (MIN_SIGNATURE_BYTES..=SIGNATURE_BYTES).contains(&bytes.len()))
            .ok_or(Refusal::SignatureMalformed)?;
        let mut key = None;
        let mut has_size = false;
        for (index, candidate) in keys.into_iter().enumerate() {
            has_size |= candidate.size == signature.len();
            // False for another size than the key's.
            if candidate.signature(target.path).fits(&signature).into() {
                key = key.or(Some(index));
            }
        }
        match key {
            Some(key) => Ok(Verified { key, expires: None, authenticated_target: target.path.to_owned() }),
            None if has_size => Err(Refusal::SignatureMismatch),
            None => Err(Refusal::SignatureMalformed),
        }
    }
}
