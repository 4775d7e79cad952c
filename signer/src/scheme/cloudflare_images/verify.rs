//! Checks a request target as it was received.

use super::{Key, target::Target};
use crate::scheme::{
    strict,
    url::{Policy, Refusal, Verified},
};

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
pub(super) fn verify<'k>(
    keys: impl IntoIterator<Item = &'k Key>,
    target: &str,
    now: u64,
    policy: &Policy,
) -> Result<Verified, Refusal> {
    let target = Target::parse(target, policy.max_target_bytes)?;
    let signed = target.signed.concat();
    let key = strict::first_fit(keys, |key| key.signature(&signed).fits(&target.signature))
        .ok_or(Refusal::SignatureMismatch)?;

    let expires = match target.expiry {
        None if policy.require_expiry => return Err(Refusal::ExpiryMissing),
        None => None,
        Some(expiry) if !expiry.literal => return Err(Refusal::ExpiryMalformed),
        Some(expiry) => Some(strict::decimal(expiry.value).ok_or(Refusal::ExpiryMalformed)?),
    };
    if expires.is_some_and(|expires| policy.is_over(expires, now)) {
        return Err(Refusal::Expired);
    }
    Ok(Verified { key, expires, authenticated_target: signed, client_bound: false })
}
