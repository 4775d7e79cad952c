//! Checks a request target as it was received.

use subtle::ConstantTimeEq;

use super::{Key, target::Target};
use crate::scheme::strict;

/// What a key demands of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether a URL without `exp` is refused.
    pub require_expiry: bool,
    /// How long past its expiry a URL still verifies, in seconds.
    pub clock_skew: u64,
    /// Longest request target that is looked at, in bytes.
    pub max_target_bytes: usize,
}

/// Why a URL is not valid, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The target is longer than the policy allows.
    #[error("the request target is too long")]
    InputTooLong,
    /// A segment of the path is `.` or `..`.
    #[error("the path has a dot segment")]
    AmbiguousPath,
    /// There is no `sig`.
    #[error("there is no signature")]
    SignatureMissing,
    /// `sig` or `exp` occurs twice.
    #[error("a reserved parameter occurs twice")]
    DuplicateParameter,
    /// `sig` is written with escapes, or is not 64 lower-case hexadecimal digits.
    #[error("the signature is malformed")]
    SignatureMalformed,
    /// No key makes this signature.
    #[error("no key makes this signature")]
    SignatureMismatch,
    /// There is no `exp`, and the policy requires one.
    #[error("there is no expiry")]
    ExpiryMissing,
    /// `exp` is written with escapes, or is not a plain decimal of at most 12 digits.
    #[error("the expiry is malformed")]
    ExpiryMalformed,
    /// The time is over.
    #[error("expired")]
    Expired,
}

/// A URL that is authentic and in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which of the keys signed: its place among those given.
    pub key: usize,
    /// When the URL expires, in Unix seconds (without the skew).
    pub expires: Option<u64>,
    /// The target without its signature, byte for byte what was authenticated.
    pub authenticated_target: String,
}

/// Verifies a request target (path and query, as received) at the time `now`, in Unix seconds.
///
/// All keys are tried in every case, and compared in constant time: time does not tell how much of a forged
/// signature was right, nor which key came near.
///
/// The vendor documents no verifier; this is our policy (reference/signing.md, section 1a). Nothing is decoded or
/// written anew: `~` and `%7E` are different targets.
///
/// # Errors
/// The first check that fails, in the order of [`Refusal`]. The signature is checked before the expiry, so that
/// an expired forgery is a forgery.
pub fn verify<'k>(
    keys: impl IntoIterator<Item = &'k Key>,
    target: &str,
    now: u64,
    policy: &Policy,
) -> Result<Verified, Refusal> {
    let target = Target::parse(target, policy.max_target_bytes)?;
    let mut key = None;
    for (index, candidate) in keys.into_iter().enumerate() {
        if candidate.signature(&target.signed).ct_eq(&target.signature).into() {
            key = key.or(Some(index));
        }
    }
    let key = key.ok_or(Refusal::SignatureMismatch)?;

    let expires = match target.expiry {
        None if policy.require_expiry => return Err(Refusal::ExpiryMissing),
        None => None,
        Some(expiry) if !expiry.literal => return Err(Refusal::ExpiryMalformed),
        Some(expiry) => Some(strict::decimal(expiry.value).ok_or(Refusal::ExpiryMalformed)?),
    };
    if expires.is_some_and(|expires| now >= expires.saturating_add(policy.clock_skew)) {
        return Err(Refusal::Expired);
    }
    Ok(Verified { key, expires, authenticated_target: target.signed.concat() })
}
