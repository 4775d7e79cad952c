//! Cloudinary's auth token (`__cld_token__`): for a URL or for access lists, in the URL or in a cookie. The format,
//! and our policy, is said in `edge_token`.
//!
//! HMAC-SHA256; the key is hexadecimal. The acl and the URL are escaped, ``space " # % & ' / : ; < = > ? @ [ \ ] ^ ` { |
//! } ~`` to lower-case `%xx`, all else raw (the Node SDK does not escape the backslash, which breaks its own tokens).
//! Sources: Cloudinary's SDKs for Python, Node and Ruby, which were run.
//!
//! A token without acl is for the path, which is what the SDKs sign in the URLs that they build. A token for an
//! absolute URL, which they make when they are given one, verifies too where the origin is known. A query is signed with
//! the path; the SDKs build URLs without one.

#[cfg(test)]
mod tests;

use super::{
    edge_token::{self, Mac, Spelling, TokenKey},
    material::{self, KeyFormatError},
    url::{Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted},
};

/// The name that the SDKs give the parameter or cookie, if they are not told another.
pub const DEFAULT_NAME: &str = "__cld_token__";

/// A key with its HMAC key schedule done, once. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key(TokenKey);

impl Key {
    /// Prepares a key from its hexadecimal, and the name of the parameter or cookie (see [`DEFAULT_NAME`]).
    ///
    /// # Errors
    /// It is not hexadecimal or empty, or the name has other characters than letters, digits, `-` and `_`.
    pub fn new(secret: &[u8], name: &str) -> Result<Self, KeyFormatError> {
        let mac = Mac::sha256(&material::hexadecimal(secret)?);
        TokenKey::new(name, mac, Spelling::Cloudinary, None).map(Self)
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
