//! Signatures that stand before the path: `/SIGNATURE/path?query`. The query is not signed.

use super::{
    strict::has_dot_segment,
    url::{Policy, Refusal, SignError, Wanted, only_url},
};

/// A request target, split at its signature. Nothing in it is authentic yet.
pub(super) struct Target<'t> {
    /// The first segment, as it was received.
    pub(super) signature: &'t str,
    /// What follows, with its leading slash and without the query.
    pub(super) path: &'t str,
}

impl<'t> Target<'t> {
    /// Splits at the segment that follows `prefix`, which ends no segment in its middle.
    pub(super) fn parse(target: &'t str, prefix: &str, policy: &Policy) -> Result<Self, Refusal> {
        if target.len() > policy.max_target_bytes {
            return Err(Refusal::InputTooLong);
        }
        let (path, _) = target.split_once('?').unwrap_or((target, ""));
        if has_dot_segment(path) {
            return Err(Refusal::AmbiguousPath);
        }
        let rest = path
            .strip_prefix(prefix)
            .and_then(|path| path.strip_prefix('/'))
            .ok_or(Refusal::SignatureMissing)?;
        let (signature, path) =
            rest.find('/').map(|slash| rest.split_at(slash)).ok_or(Refusal::SignatureMissing)?;
        if signature.is_empty() {
            return Err(Refusal::SignatureMissing);
        }
        Ok(Self { signature, path })
    }
}

/// The origin and the path to sign.
///
/// # Errors
/// More is wanted than a URL, it is not one as a client sends it, or it has a query, which would not be signed.
pub(super) fn signable<'w>(wanted: &Wanted<'w>) -> Result<(&'w str, &'w str), SignError> {
    only_url(wanted)?;
    let (origin, target) = wanted.url.verbatim()?;
    if target.contains('?') {
        return Err(SignError::Invalid("has a query, which this scheme does not sign"));
    }
    Ok((origin, target))
}
