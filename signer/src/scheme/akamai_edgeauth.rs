//! Akamai EdgeAuth (Auth Token 2.0): tokens in the URL or in a cookie. The format, and our policy, is said in
//! `edge_token`.
//!
//! HMAC-SHA256; SHA-1 and MD5 are **legacy**. The key is hexadecimal. What only Akamai has: `id` (a session) and `data`
//! (a payload), which a token carries and nothing here acts on; a salt, which is signed and not carried; `escape_early`,
//! which escapes all values but the acl. Source: `akamai-edgeauth` 0.3.2 (Python), which was run.
//!
//! The SDK's URL token is for whatever text it is given. Here it is for the request target as it is sent, with the
//! query; `escape_early` escapes that once more.

#[cfg(test)]
mod tests;

use super::{
    edge_token::{self, Mac, Spelling, TokenKey},
    material::{self, KeyFormatError},
    url::{Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted},
};

/// The name that the SDKs give the parameter or cookie. Akamai's own examples also have `hdnts`.
pub const DEFAULT_NAME: &str = "__token__";

/// The hash under the HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-1: legacy.
    Sha1,
    /// MD5: legacy.
    Md5,
}

/// What a key's tokens look like.
#[derive(Clone, Copy)]
pub struct Settings<'s> {
    /// The name of the query parameter or cookie: letters, digits, `-` and `_`.
    pub name: &'s str,
    /// The hash under the HMAC.
    pub algorithm: Algorithm,
    /// Signed and not carried; a secret like the key.
    pub salt: Option<&'s str>,
    /// Whether all values but the acl are escaped.
    pub escape_early: bool,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self { name: DEFAULT_NAME, algorithm: Algorithm::default(), salt: None, escape_early: false }
    }
}

/// A key with its HMAC key schedule done, once. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key(TokenKey);

impl Key {
    /// Prepares a key from its hexadecimal.
    ///
    /// # Errors
    /// It is not hexadecimal or empty, or a setting cannot be used.
    pub fn new(secret: &[u8], settings: &Settings<'_>) -> Result<Self, KeyFormatError> {
        let secret = material::hexadecimal(secret)?;
        let mac = match settings.algorithm {
            Algorithm::Sha256 => Mac::sha256(&secret),
            Algorithm::Sha1 => Mac::sha1(&secret),
            Algorithm::Md5 => Mac::md5(&secret),
        };
        let spelling = if settings.escape_early { Spelling::Early } else { Spelling::Plain };
        TokenKey::new(settings.name, mac, spelling, settings.salt).map(Self)
    }

    /// Whether the algorithm is one that a key must allow by name.
    #[must_use]
    pub const fn is_legacy(&self) -> bool {
        self.0.is_legacy()
    }
}

impl UrlScheme for Key {
    const EXPIRY: Expiry = Expiry::Always;

    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
        edge_token::sign(self, &self.0, policy, wanted)
    }

    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal> {
        edge_token::verify(keys.into_iter().map(|key| &key.0), policy, presented)
    }
}
