//! Cloudinary upload signatures (`api_sign_request`).
//!
//! ```text
//! message   = name=value pairs, sorted by name (bytewise), joined by "&"
//! signature = lower-hex(SHA(message || secret))       SHA-1 or SHA-256: a plain hash, not an HMAC
//! ```
//!
//! Version 2 of the format writes every `&` inside a pair as `%26`, so that a value cannot smuggle in another
//! parameter; version 1 does not. Sources: Cloudinary's documentation ("Generating authentication signatures") and
//! its SDKs; where these disagree, this follows Ruby (reference/signing.md, section 1b).
//!
//! # Layout
//! - [`Value`]: a parameter's value, and the text of it that is signed
//! - [`verify`](verify()): checks the fields of a form as they were received
//! - [`sign_response`], [`verify_response`]: the signature in the answer to an upload
//! - [`sign_notification`], [`verify_notification`]: the signature of a webhook

mod notification;
mod response;
#[cfg(test)]
mod tests;
mod value;
mod verify;

use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Tag;

pub use notification::{
    MAX_NOTIFICATION_AGE, Notification, NotificationRefusal, sign_notification, verify_notification,
};
pub use response::{Response, ResponseRefusal, sign_response, verify_response};
pub use value::Value;
pub use verify::{Policy, Refusal, Verified, verify};

/// Parameters that are never signed: anyone who holds a signature may change them.
///
/// The first four are those of the documentation. `signature_algorithm` is posted beside the signature and says
/// how to read it; the key decides the algorithm here, so changing it gains nothing.
pub const UNSIGNED: [&str; 5] = ["file", "cloud_name", "resource_type", "api_key", "signature_algorithm"];

/// How long an upload is accepted after its timestamp, in seconds: Cloudinary answers "Stale request" past one hour.
pub const MAX_AGE: u64 = 3600;

/// How far ahead a timestamp may be, in seconds. Not documented by Cloudinary: our policy, for clocks that differ.
pub const MAX_AHEAD: u64 = 300;

/// How a signature is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1: 40 digits. Collisions can be made without the secret; only for accounts that cannot do better.
    Sha1,
    /// SHA-256: 64 digits.
    Sha256,
}

impl Algorithm {
    /// The value of `signature_algorithm` for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

/// Which format the message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `&` inside a pair is not escaped. Only ever verified, and only where a key allows it.
    V1,
    /// `&` inside a pair is `%26`. The SDKs' default since 2025-06.
    V2,
}

/// An API secret. Wiped on drop; has neither `Debug` nor `Clone`.
pub struct Key(Zeroizing<Vec<u8>>);

impl Key {
    /// Takes the bytes of the secret's text.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(Zeroizing::new(secret.to_vec()))
    }

    /// The hash of the parts, one after the other, and the secret.
    fn signature(&self, algorithm: Algorithm, parts: &[&[u8]]) -> Tag {
        let parts = parts.iter().copied().chain([self.0.as_slice()]);
        match algorithm {
            Algorithm::Sha1 => Tag::of_hash::<Sha1>(parts),
            Algorithm::Sha256 => Tag::of_hash::<Sha256>(parts),
        }
    }
}

/// Whether an upload with this timestamp is accepted at `now`, both in Unix seconds.
///
/// # Errors
/// [`Refusal::Stale`] or [`Refusal::NotYetValid`].
pub const fn check_age(timestamp: u64, now: u64) -> Result<(), Refusal> {
    if now.saturating_sub(timestamp) > MAX_AGE {
        Err(Refusal::Stale)
    } else if timestamp.saturating_sub(now) > MAX_AHEAD {
        Err(Refusal::NotYetValid)
    } else {
        Ok(())
    }
}

/// A timestamp in its canonical spelling: a decimal of at most 12 digits.
#[must_use]
pub fn timestamp(text: &str) -> Option<u64> {
    super::strict::decimal(text)
}

/// Whether a parameter may have this name: `[a-z][a-z0-9_]*`. Others could collide with a value (`a=b` as a name),
/// or be sorted differently by the SDKs.
#[must_use]
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The signature of `params`, in lower-case hexadecimal: all that are given, except empty ones.
///
/// This is the SDKs' `api_sign_request`: it leaves out no name. Leave out [`UNSIGNED`] and `signature` first.
#[must_use]
pub fn sign<'p>(
    key: &Key,
    algorithm: Algorithm,
    version: Version,
    params: impl IntoIterator<Item = (&'p str, &'p str)>,
) -> String {
    key.signature(algorithm, &[message(params, version).as_bytes()]).hex()
}

/// The message of `params`, sorted here; empty values are left out.
fn message<'p>(params: impl IntoIterator<Item = (&'p str, &'p str)>, version: Version) -> String {
    let mut params: Vec<_> = params.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    params.sort_unstable();
    let mut message = String::new();
    for (name, value) in params {
        if !message.is_empty() {
            message.push('&');
        }
        match version {
            Version::V1 => message.extend([name, "=", value]),
            Version::V2 => {
                message.extend([&*name.replace('&', "%26"), "=", &*value.replace('&', "%26")]);
            }
        }
    }
    message
}
