//! Cloudflare Images signed URLs.
//!
//! ```text
//! message = path "?" query       every parameter except sig, exp included
//! sig     = lower-hex(HMAC-SHA256(key, message))
//! ```
//!
//! Scheme, host, port and fragment are not signed, and the key's bytes are used as they are (they are text, never
//! decoded). Source: Cloudflare's documented example, "Serve private images".
//!
//! # Layout
//! - `sign`: writes a URL as the documented example does
//! - `verify`: checks a request target as it was received, never re-written
//! - `target`: a request target, split at its signature
//!
//! Signing and verifying are asymmetric on purpose. The signer serialises as the WHATWG URL does; the verifier
//! takes the bytes as they came, cuts out `sig`, and authenticates the rest. So it accepts other dialects of the
//! same scheme (Python's `urlencode`), and what was authenticated is byte for byte what is acted on.

mod sign;
mod target;
#[cfg(test)]
mod tests;
mod verify;

use hmac::{Hmac, KeyInit};
use sha2::Sha256;

use super::{
    Tag,
    url::{
        Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted,
        only_url_and_expiry,
    },
};

/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 32;

/// A key with its HMAC key schedule done, once. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key(Hmac<Sha256>);

impl Key {
    /// Prepares a key from the bytes of its text.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, section 2)")]
        Self(Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"))
    }

    fn signature(&self, message: &str) -> Tag {
        Tag::of_mac(&self.0, [message])
    }
}

impl UrlScheme for Key {
    const EXPIRY: Expiry = Expiry::Optional;
    const SPENT_PARAMETERS: &'static [&'static str] = &["exp"];

    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
        only_url_and_expiry(wanted)?;
        if policy.require_expiry && wanted.expires.is_none() {
            return Err(SignError::Unsupported("expire_time", "the key requires one"));
        }
        sign::sign(self, &*wanted.url.parsed()?, wanted.expires, policy.max_target_bytes).map(Signed::url)
    }

    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal> {
        verify::verify(keys, presented.target, presented.now, policy)
    }
}
