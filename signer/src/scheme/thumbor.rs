//! thumbor: signed paths. **Legacy**: HMAC-SHA1.
//!
//! ```text
//! signature = base64url(HMAC-SHA1(key, path))      with padding
//! URL       = origin "/" signature "/" path
//! ```
//!
//! `path` is everything after the signature and its slash, as it stands in the URL. The key's bytes are used as they
//! are. Sources: thumbor's documentation ("Security") and libthumbor.
//!
//! # Policy
//! The padding is written `=`, not `%3D` (which thumbor also takes). The query is not signed:
//! [`Key::sign`](UrlScheme::sign) refuses a URL that has one; the verifier cuts it off, so that `authenticated_target`
//! never holds it. Nothing expires.

#[cfg(test)]
mod tests;

use base64::engine::general_purpose::URL_SAFE;
use hmac::{Hmac, KeyInit};
use sha1::Sha1;

use super::{
    Tag,
    leading::{Target, signable},
    material::{self, KeyFormatError},
    strict,
    url::{Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted, checked},
};

/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 20;

/// A key with its HMAC key schedule done, once. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key(Hmac<Sha1>);

impl Key {
    /// Prepares a key from the bytes of `SECURITY_KEY`.
    ///
    /// # Errors
    /// It is empty.
    pub fn new(secret: &[u8]) -> Result<Self, KeyFormatError> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, section 2)")]
        Ok(Self(Hmac::new_from_slice(material::text(secret)?).expect("HMAC takes keys of any length")))
    }

    /// Whether the algorithm is one that a key must allow by name.
    #[must_use]
    pub const fn is_legacy(&self) -> bool {
        true
    }

    /// The signature of a path with its leading slash, which is not signed.
    fn signature(&self, path: &str) -> Tag {
        let path = path.strip_prefix('/').unwrap_or(path);
        Tag::of_mac(&self.0, [path])
    }
}

impl UrlScheme for Key {
    const EXPIRY: Expiry = Expiry::Never;

    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
        let (origin, path) = signable(wanted)?;
        let signature = self.signature(path).base64(&URL_SAFE);
        checked(self, policy, origin, &format!("/{signature}{path}"), None)
    }

    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal> {
        let target = Target::parse(presented.target, "", policy)?;
        let signature = strict::base64::<SIGNATURE_BYTES>(&URL_SAFE, target.signature)
            .ok_or(Refusal::SignatureMalformed)?;
        let key = strict::first_fit(keys, |key| key.signature(target.path).fits(&signature))
            .ok_or(Refusal::SignatureMismatch)?;
        Ok(Verified { key, expires: None, authenticated_target: target.path.to_owned(), client_bound: false })
    }
}
