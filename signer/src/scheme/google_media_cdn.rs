//! Google Media CDN: signed URLs, URL prefixes and cookies, with Ed25519.
//!
//! ```text
//! signature = base64url(Ed25519(key, message))          88 characters, padded
//! cookie    = Edge-Cache-Cookie
//! ```
//!
//! What is signed, and our policy, is said in `google_cdn`. The key is the 32-byte seed of RFC 8032 in URL-safe
//! base64; its public half, in the same spelling, goes into the keyset at Google.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE};
use subtle::Choice;

use super::{
    google_cdn,
    material::KeyFormatError,
    strict,
    url::{Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted},
};
use crate::stack;

const SEED: KeyFormatError = KeyFormatError("expected an Ed25519 seed: 32 bytes in URL-safe base64");

/// A key pair. Wiped on drop (by AWS-LC); has neither `Debug` nor `Clone`.
pub struct Key {
    name: Box<str>,
    pair: Ed25519KeyPair,
    public: ParsedPublicKey,
}

impl Key {
    /// Prepares a key from its URL-safe base64 (with or without padding) and the name of its keyset at Google.
    ///
    /// # Errors
    /// It is not 32 bytes in URL-safe base64, or the name is not one that Google allows.
    pub fn new(secret: &[u8], name: &str) -> Result<Self, KeyFormatError> {
        let seed = google_cdn::material(secret, 32, SEED)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| SEED)?;
        let public = ParsedPublicKey::new(&ED25519, pair.public_key().as_ref()).map_err(|_| SEED)?;
        Ok(Self { name: google_cdn::key_name(name)?, pair, public })
    }

    /// The public half: 32 bytes in URL-safe base64, padded.
    #[must_use]
    pub fn public_key(&self) -> String {
        URL_SAFE.encode(self.pair.public_key())
    }

    /// Whether the algorithm is one that a key must allow by name.
    #[must_use]
    pub const fn is_legacy(&self) -> bool {
        false
    }
}

impl google_cdn::Key for Key {
    const COOKIE: &'static str = "Edge-Cache-Cookie";

    type Signature = [u8; 64];

    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self, message: &str) -> String {
        URL_SAFE.encode(stack::wiped::<{ stack::KEY_PAIR }, _>(|| self.pair.sign(message.as_bytes())))
    }

    fn fits(&self, message: &str, signature: &[u8; 64]) -> Choice {
        Choice::from(u8::from(self.public.verify_sig(message.as_bytes(), signature).is_ok()))
    }

    fn decode(text: &str) -> Option<[u8; 64]> {
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
