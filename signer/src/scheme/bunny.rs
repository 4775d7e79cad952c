//! Bunny: token authentication, HMAC-SHA256.
//!
//! ```text
//! message   = path || expires || address || "name=value" pairs, sorted by name, joined by "&"
//! token     = "HS256-" ["1-"] base64url-nopad(HMAC-SHA256(key, message))
//! URL       = origin path "?token=" token ["&" pairs] "&expires=" expires
//! directory = origin "/bcdn_token=" token ["&" pairs] "&expires=" expires path
//! ```
//!
//! `1-` marks a token for one client: `address` is its IPv4 address in 4 bytes, or its IPv6 network of 64 bits in 16;
//! otherwise it is nothing. With a `token_path`, that is the path of the message, and the token is good for all below
//! it. The pairs are the URL's own parameters and Bunny's, their values decoded. The key's bytes are used as they are.
//! Source: BunnyCDN.TokenAuthentication, tests included. (Its older form, SHA-256 over a joined text, is not supported.)
//!
//! # Layout
//! - `sign`: the request of the vendor's SDK, as a URL
//! - `message`: what is signed, and whether that can be read in one way only
//! - `token`: a request target, split at its token
//!
//! # Policy
//! Nothing separates the parts of the message. So the verifier takes only what has one reading, and the signer makes
//! nothing else: expiries of ten digits, paths without `=`, parameters with plain names and printable values, and no
//! message that could also be that of another path, expiry, address or parameter list (see `message`). IPv4
//! addresses of which all four bytes are printable characters cannot be told from text and get no token. (What other
//! software signs under the same key need not keep to this: a parameter `5x` that it signs is a forgery here.)
//!
//! A target has the one spelling that the vendor's code writes: the token first, the pairs sorted and encoded
//! canonically, `expires` last. With `ignoreParams`, other parameters may follow it; they are not signed, and cut from
//! `authenticated_target`. Countries and the speed limit are for whoever knows the country and has the wire: they are
//! signed, and stay in `authenticated_target`'s query. A `token_path` covers whole segments: `/abc` does not cover `/abcd`.

mod message;
mod sign;
#[cfg(test)]
mod tests;
mod token;

use std::net::IpAddr;

use hmac::{Hmac, KeyInit};
use sha2::Sha256;

use self::{
    message::{Address, Message},
    token::Target,
};
use super::{
    Tag,
    material::{self, KeyFormatError},
    strict,
    url::{Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted},
};

/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 32;

/// A key with its HMAC key schedule done, once. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key(Hmac<Sha256>);

impl Key {
    /// Prepares a key from the bytes of the pull zone's token authentication key.
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
        false
    }

    fn signature(&self, message: &[u8]) -> Tag {
        Tag::of_mac(&self.0, [message])
    }
}

impl UrlScheme for Key {
    const EXPIRY: Expiry = Expiry::Always;
    const SPENT_PARAMETERS: &'static [&'static str] = &["expires", "token_path", "token_ignore_params"];

    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
        sign::sign(self, policy, wanted)
    }

    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal> {
        let Target { path, token } = Target::parse(presented.target, policy)?;
        let address = match presented.client {
            _ if !token.for_one_client => Address::NONE,
            Some(client) => Address::of(client).ok_or(Refusal::ClientMismatch)?,
            None => return Err(Refusal::ClientMismatch),
        };
        let scope = token.parameter("token_path");
        let message =
            Message { path: scope.unwrap_or(path), expires: token.expires, address, pairs: &token.pairs };
        let message = message.bytes().ok_or(Refusal::SignatureMalformed)?;
        let key = strict::first_fit(keys, |key| key.signature(&message).fits(&token.signature))
            .ok_or(Refusal::SignatureMismatch)?;
        if policy.is_over(token.expires, presented.now) {
            return Err(Refusal::Expired);
        }
        if !scope.is_none_or(|scope| covers(scope, path)) {
            return Err(Refusal::ResourceMismatch);
        }
        let authenticated_target = format!("{path}?{}", token.authenticated);
        Ok(Verified {
            key,
            expires: Some(token.expires),
            authenticated_target,
            client_bound: token.for_one_client,
        })
    }
}

/// Whether the path is the scope, or below it.
fn covers(scope: &str, path: &str) -> bool {
    path.strip_prefix(scope)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || scope.ends_with('/'))
}

/// IPv4 addresses that came in IPv6 clothes are IPv4 addresses.
fn canonical(client: IpAddr) -> IpAddr {
    client.to_canonical()
}
