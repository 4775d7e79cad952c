//! Google Cloud CDN: signed URLs, URL prefixes and cookies. **Legacy**: HMAC-SHA1 is the only algorithm there is.
//!
//! ```text
//! signature = base64url(HMAC-SHA1(key, message))        28 characters, padded
//! cookie    = Cloud-CDN-Cookie
//! ```
//!
//! What is signed, and our policy, is said in `google_cdn`. The key is 16 bytes in URL-safe base64, as
//! `gcloud compute backend-services add-signed-url-key` takes it.

#[cfg(test)]
mod tests;

use base64::engine::general_purpose::URL_SAFE;
use hmac::{Hmac, KeyInit};
use sha1::Sha1;
use subtle::Choice;

use super::{
    Tag, google_cdn,
    material::KeyFormatError,
    strict,
    url::{Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted},
};

/// A key with its HMAC key schedule done, once. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key {
    name: Box<str>,
    mac: Hmac<Sha1>,
}

impl Key {
    /// Prepares a key from its URL-safe base64 (with or without padding) and the name it has at Google.
    ///
    /// # Errors
    /// It is not 16 bytes in URL-safe base64, or the name is not one that Google allows.
    pub fn new(secret: &[u8], name: &str) -> Result<Self, KeyFormatError> {
        let secret =
            google_cdn::material(secret, 16, KeyFormatError("expected 16 bytes in URL-safe base64"))?;
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, section 2)")]
        let mac = Hmac::new_from_slice(&secret).expect("HMAC takes keys of any length");
        Ok(Self { name: google_cdn::key_name(name)?, mac })
    }

    /// Whether the algorithm is one that a key must allow by name.
    #[must_use]
    pub const fn is_legacy(&self) -> bool {
        true
    }

    fn tag(&self, message: &str) -> Tag {
        Tag::of_mac(&self.mac, [message])
    }
}

impl google_cdn::Key for Key {
    const COOKIE: &'static str = "Cloud-CDN-Cookie";

    type Signature = [u8; 20];

    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self, message: &str) -> String {
        self.tag(message).base64(&URL_SAFE)
    }

    fn fits(&self, message: &str, signature: &[u8; 20]) -> Choice {
        self.tag(message).fits(signature)
    }

    fn decode(text: &str) -> Option<[u8; 20]> {
        strict::base64(&URL_SAFE, text)
    }
}

impl UrlScheme for Key {
    const EXPIRY: Expiry = Expiry::Always;

    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
        google_cdn::sign(self, policy, wanted)
    }

    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal> {
        google_cdn::verify(keys, policy, presented)
    }
}
