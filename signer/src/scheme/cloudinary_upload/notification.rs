//! The signature of a notification (webhook).
//!
//! ```text
//! message = body || X-Cld-Timestamp
//! ```
//!
//! Nothing separates the two: `{"amount":1` at 1700000000 has the message of `{"amount":11` at 700000000. So the timestamp has
//! exactly ten digits (2001 to 2286), and the body is JSON. The latter also tells notifications from uploads, which
//! are signed with the same secret: `folder=x&timestamp=` at 1700000000 has the message of an upload.
//! Source: Cloudinary's documentation, "Verifying notification signatures".

use serde::de::IgnoredAny;

use super::{
    Algorithm, Key, MAX_AHEAD, Verified,
    verify::{Refusal, decode_any},
};
use crate::scheme::strict;

/// The signature of a notification, in lower-case hexadecimal. `timestamp` is in Unix seconds, and its text goes with it.
#[must_use]
pub fn sign_notification(key: &Key, algorithm: Algorithm, body: &[u8], timestamp: u64) -> String {
    key.signature(algorithm, &[body, timestamp.to_string().as_bytes()]).hex()
}

/// How long a notification is accepted after its timestamp, in seconds: the SDKs' default, and the most here.
pub const MAX_NOTIFICATION_AGE: u64 = 7200;

/// A notification, as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Notification<'a> {
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// The `X-Cld-Timestamp` header.
    pub timestamp: &'a str,
    /// The `X-Cld-Signature` header.
    pub signature: &'a str,
}

/// Why a notification is not valid, in the order of the checks but for the body, which is looked at when the
/// signature is good, before the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotificationRefusal {
    /// The body is not JSON.
    #[error("the body is not JSON")]
    BodyMalformed,
    /// One of the signature or the timestamp, as for uploads; a timestamp has ten digits here.
    #[error(transparent)]
    Signature(#[from] Refusal),
}

/// Verifies a notification at the time `now`, in Unix seconds. It may be `max_age` seconds old, and no more than
/// [`MAX_NOTIFICATION_AGE`]. Its signature is by one of `algorithms`, which its length says.
///
/// All keys are tried in every case, and compared in constant time. Cloudinary's SDKs take any timestamp that is not
/// too old; the rest is our policy (reference/signing.md, section 1b). The body should be bounded by whoever reads it.
///
/// # Errors
/// The first check that fails: signature and timestamp malformed, mismatch, body, age.
pub fn verify_notification<'k>(
    keys: impl IntoIterator<Item = &'k Key>,
    algorithms: &[Algorithm],
    notification: &Notification<'_>,
    max_age: u64,
    now: u64,
) -> Result<Verified, NotificationRefusal> {
    let &Notification { body, timestamp, signature } = notification;
    if signature.is_empty() {
        return Err(Refusal::SignatureMissing.into());
    }
    let (algorithm, signature) = decode_any(signature, algorithms).ok_or(Refusal::SignatureMalformed)?;
    if timestamp.is_empty() {
        return Err(Refusal::TimestampMissing.into());
    }
    let seconds = strict::ten_digits(timestamp).ok_or(Refusal::TimestampMalformed)?;
    let key = strict::first_fit(keys, |key| {
        key.signature(algorithm, &[body, timestamp.as_bytes()]).fits(&signature)
    })
    .ok_or(Refusal::SignatureMismatch)?;
    if serde_json::from_slice::<IgnoredAny>(body).is_err() {
        return Err(NotificationRefusal::BodyMalformed);
    }
    if now.saturating_sub(seconds) > max_age.min(MAX_NOTIFICATION_AGE) {
        return Err(Refusal::Stale.into());
    }
    if seconds.saturating_sub(now) > MAX_AHEAD {
        return Err(Refusal::NotYetValid.into());
    }
    Ok(Verified { key })
}
