//! The signature in Cloudinary's answer to an upload.
//!
//! ```text
//! message = "public_id=" public_id "&version=" version      always version 1 of the format: nothing is escaped
//! ```
//!
//! The version ends the message and is a plain decimal, so the message has one reading. It is also the message of an upload
//! with the same two parameters, and an upload of a `public_id` and a `version` has that of a response whose public
//! id holds the timestamp: such a public id is refused. (The other way round, [`verify`](super::verify()) demands a timestamp.)
//!
//! Nothing says when a response was made: it is no proof of a recent upload. Source: Cloudinary's documentation,
//! "Verify the signature of responses".

use super::{
    Algorithm, Key, Verified, Version, sign,
    verify::{Refusal, decode_any},
};
use crate::scheme::strict;

/// What an answer to an upload says.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// `public_id`, as decoded from the answer's JSON.
    pub public_id: &'a str,
    /// `version`, in decimal.
    pub version: &'a str,
    /// `signature`.
    pub signature: &'a str,
}

/// Why a response is not authentic, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseRefusal {
    /// The public id is empty, or could be that of a signed upload.
    #[error("the public id is not one")]
    PublicIdInvalid,
    /// The version is not a plain decimal of at most 12 digits.
    #[error("the version is malformed")]
    VersionMalformed,
    /// [`Refusal::SignatureMalformed`] or [`Refusal::SignatureMismatch`].
    #[error(transparent)]
    Signature(#[from] Refusal),
}

/// The signature of a response, in lower-case hexadecimal.
#[must_use]
pub fn sign_response(key: &Key, algorithm: Algorithm, public_id: &str, version: u64) -> String {
    let version = version.to_string();
    sign(key, algorithm, Version::V1, [("public_id", public_id), ("version", version.as_str())])
}

/// Verifies a response, signed by one of `algorithms`. All keys are tried in every case, and compared in constant time.
///
/// Cloudinary's SDKs compare with `==` and check no form; this is our policy.
///
/// # Errors
/// The first check that fails, in the order of [`ResponseRefusal`].
pub fn verify_response<'k>(
    keys: impl IntoIterator<Item = &'k Key>,
    algorithms: &[Algorithm],
    response: &Response<'_>,
) -> Result<Verified, ResponseRefusal> {
    let &Response { public_id, version, signature } = response;
    if public_id.is_empty() || public_id.contains("&timestamp=") {
        return Err(ResponseRefusal::PublicIdInvalid);
    }
    if strict::decimal(version).is_none() {
        return Err(ResponseRefusal::VersionMalformed);
    }
    let (algorithm, signature) = decode_any(signature, algorithms).ok_or(Refusal::SignatureMalformed)?;
    let message = super::message([("public_id", public_id), ("version", version)], Version::V1);
    let key = strict::first_fit(keys, |key| key.signature(algorithm, &[message.as_bytes()]).fits(&signature))
        .ok_or(Refusal::SignatureMismatch)?;
    Ok(Verified { key })
}
