//! Fastly: signed URLs, by the token validation in VCL that Fastly documents. **Legacy**: HMAC-SHA1.
//!
//! ```text
//! token = expires "_" lower-hex(HMAC-SHA1(key, target || expires))      target: path and query without the token
//! URL   = origin target [?&] "token=" token
//! ```
//!
//! The key is written in base64. `expires` is in Unix seconds. Older VCL signs the path alone; that form is the same
//! for a URL without a query, and is not supported for others. Source: Fastly's documentation, "Enabling URL token
//! validation".
//!
//! # Policy
//! The target and the expiry are joined without a separator: `/img/1` until 1700000000 has the MAC of `/img/` until
//! 11700000000. So an expiry has exactly ten digits (2001 to 2286), on both sides. The token is the last parameter
//! and written literally.

#[cfg(test)]
mod tests;

use hmac::{Hmac, KeyInit};
use sha1::Sha1;

use super::{
    Tag,
    material::{self, KeyFormatError},
    strict,
    trailing::{self, Target},
    url::{
        Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted, checked,
        only_url_and_expiry,
    },
};

/// Bytes of a MAC.
const MAC_BYTES: usize = 20;

/// A key with its HMAC key schedule done, once. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key(Hmac<Sha1>);

impl Key {
    /// Prepares a key from its base64, as the VCL has it.
    ///
    /// # Errors
    /// It is not padded base64 of the standard alphabet, or it is empty.
    pub fn new(secret: &[u8]) -> Result<Self, KeyFormatError> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104, section 2)")]
        Ok(Self(Hmac::new_from_slice(&material::base64(secret)?).expect("HMAC takes keys of any length")))
    }

    /// Whether the algorithm is one that a key must allow by name.
    #[must_use]
    pub const fn is_legacy(&self) -> bool {
        true
    }

    fn mac(&self, target: &str, expires: &str) -> Tag {
        Tag::of_mac(&self.0, [target, expires])
    }
}

impl UrlScheme for Key {
    const EXPIRY: Expiry = Expiry::Always;

    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
        only_url_and_expiry(wanted)?;
        let expires = wanted
            .expires
            .map(|seconds| seconds.to_string())
            .filter(|text| strict::ten_digits(text).is_some())
            .ok_or(SignError::Unsupported("expire_time", "a token needs one between 2001 and 2286"))?;
        let (origin, target) = trailing::signable(wanted.url, &["token"])?;
        let mac = self.mac(target, &expires).hex();
        let separator = trailing::separator(target);
        checked(self, policy, origin, &format!("{target}{separator}token={expires}_{mac}"), None)
    }

    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal> {
        let Target { signed, signature } = Target::parse(presented.target, "token", policy)?;
        let (text, mac) = signature.split_once('_').ok_or(Refusal::SignatureMalformed)?;
        let expires = strict::ten_digits(text).ok_or(Refusal::SignatureMalformed)?;
        let mac = strict::lower_hex::<MAC_BYTES>(mac).ok_or(Refusal::SignatureMalformed)?;
        let key = strict::first_fit(keys, |key| key.mac(signed, text).fits(&mac))
            .ok_or(Refusal::SignatureMismatch)?;
        if policy.is_over(expires, presented.now) {
            return Err(Refusal::Expired);
        }
        Ok(Verified {
            key,
            expires: Some(expires),
            authenticated_target: signed.to_owned(),
            client_bound: false,
        })
    }
}
