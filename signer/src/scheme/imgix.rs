//! imgix: signed URLs. **Legacy**: MD5, with the token before the message.
//!
//! ```text
//! s   = lower-hex(MD5(token || target))      target: path, and "?" query where there is one
//! URL = origin target [?&] "s=" s
//! ```
//!
//! The target is signed as it stands in the URL, percent-encoded. `expires` (Unix seconds) is imgix' own parameter for
//! the end of a URL's life, signed like any other. Source: imgix-blueprint, "Securing images".
//!
//! # Policy
//! `s` is the last parameter and written literally; `expires` is a plain decimal of at most 12 digits, once.
//!
//! Whoever has MD5 of a secret prefix and a message can make that of the message, its padding, and more. Here it buys
//! nothing: padding starts with a byte 0x80 that no request target can hold, for targets are UTF-8 and signed ones ASCII.

#[cfg(test)]
mod tests;

use md5::Md5;
use zeroize::Zeroizing;

use super::{
    Tag,
    material::{self, KeyFormatError},
    strict::{self, spells},
    trailing::{self, Target},
    url::{
        Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted, checked,
        only_url_and_expiry,
    },
};

/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 16;

/// The secure URL token of a source. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key(Zeroizing<Vec<u8>>);

impl Key {
    /// Takes the bytes of the token's text.
    ///
    /// # Errors
    /// It is empty.
    pub fn new(token: &[u8]) -> Result<Self, KeyFormatError> {
        Ok(Self(Zeroizing::new(material::text(token)?.to_vec())))
    }

    /// Whether the algorithm is one that a key must allow by name.
    #[must_use]
    pub const fn is_legacy(&self) -> bool {
        true
    }

    fn signature(&self, target: &str) -> Tag {
        Tag::of_hash::<Md5>([&self.0, target.as_bytes()])
    }
}

impl UrlScheme for Key {
    const EXPIRY: Expiry = Expiry::Optional;
    const SPENT_PARAMETERS: &'static [&'static str] = &["expires"];

    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
        only_url_and_expiry(wanted)?;
        // An `expires` that nobody asked for would become the expiry without anyone having checked it.
        let (origin, target) = trailing::signable(wanted.url, &["s", "expires"])?;
        let mut target = target.to_owned();
        if let Some(expires) = wanted.expires {
            let separator = trailing::separator(&target);
            target.push_str(&format!("{separator}expires={expires}"));
        }
        let signature = self.signature(&target).hex();
        let separator = trailing::separator(&target);
        checked(self, policy, origin, &format!("{target}{separator}s={signature}"), None)
    }

    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal> {
        let Target { signed, signature } = Target::parse(presented.target, "s", policy)?;
        let expires = expiry(signed)?;
        let signature = strict::lower_hex::<SIGNATURE_BYTES>(signature).ok_or(Refusal::SignatureMalformed)?;
        let key = strict::first_fit(keys, |key| key.signature(signed).fits(&signature))
            .ok_or(Refusal::SignatureMismatch)?;
        let expires = match expires {
            None if policy.require_expiry => return Err(Refusal::ExpiryMissing),
            None => None,
            Some(("expires", value)) => Some(strict::decimal(value).ok_or(Refusal::ExpiryMalformed)?),
            Some(_) => return Err(Refusal::ExpiryMalformed),
        };
        if expires.is_some_and(|expires| policy.is_over(expires, presented.now)) {
            return Err(Refusal::Expired);
        }
        Ok(Verified { key, expires, authenticated_target: signed.to_owned(), client_bound: false })
    }
}

/// The pair that means `expires`, as it is written. It is read only after the signature has been found good.
fn expiry(target: &str) -> Result<Option<(&str, &str)>, Refusal> {
    let (_, query) = target.split_once('?').unwrap_or_default();
    let mut found = trailing::pairs(query).filter(|(name, _)| spells(name, "expires").is_some());
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Refusal::DuplicateParameter),
    }
}
