//! Signatures in the last parameter of a URL: `path?query&NAME=SIGNATURE`.

use super::{
    strict::{has_dot_segment, spells},
    url::{Policy, Refusal, SignError, UrlToSign},
};

/// A request target, split at its signature. Nothing in it is authentic yet.
pub(super) struct Target<'t> {
    /// Everything before the signature's pair and the `?` or `&` before that.
    pub(super) signed: &'t str,
    /// The value of the pair.
    pub(super) signature: &'t str,
}

impl<'t> Target<'t> {
    /// Splits at the pair `name`. It must be the last, where vendors write it: a target has one spelling.
    pub(super) fn parse(target: &'t str, name: &str, policy: &Policy) -> Result<Self, Refusal> {
        if target.len() > policy.max_target_bytes {
            return Err(Refusal::InputTooLong);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if has_dot_segment(path) {
            return Err(Refusal::AmbiguousPath);
        }
        match pairs(query).filter(|(other, _)| spells(other, name).is_some()).count() {
            0 => return Err(Refusal::SignatureMissing),
            1 => {}
            _ => return Err(Refusal::DuplicateParameter),
        }
        let (signed, last) = target.rsplit_once(['?', '&']).ok_or(Refusal::SignatureMissing)?;
        let (_, signature) =
            last.split_once('=').filter(|(last, _)| *last == name).ok_or(Refusal::SignatureMalformed)?;
        Ok(Self { signed, signature })
    }
}

/// The query of what is signed, in pairs of name and value as they are written.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The origin and the target to sign, without an empty query.
///
/// # Errors
/// It is not a URL as a client sends it, or has a parameter of one of these names.
pub(super) fn signable<'u>(
    url: UrlToSign<'u>,
    reserved: &[&'static str],
) -> Result<(&'u str, &'u str), SignError> {
    let (origin, target) = url.verbatim()?;
    let (_, query) = target.split_once('?').unwrap_or_default();
    for (name, _) in pairs(query) {
        if let Some(reserved) = reserved.iter().find(|reserved| spells(name, reserved).is_some()) {
            return Err(SignError::Reserved(reserved));
        }
    }
    Ok((origin, target.strip_suffix('?').filter(|_| query.is_empty()).unwrap_or(target)))
}

/// What stands between a target and a pair that is appended to it.
pub(super) fn separator(target: &str) -> char {
    if target.contains('?') { '&' } else { '?' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_last_pair() {
        let policy = Policy { require_expiry: false, clock_skew: 0, max_target_bytes: 40 };
        for (target, signed) in
            [("/p?s=1", "/p"), ("/p?a&s=1", "/p?a"), ("/p?&s=1", "/p?"), ("/p??a=/&&s=1", "/p??a=/&")]
        {
            assert_eq!(Target::parse(target, "s", &policy).map(|target| target.signed), Ok(signed));
        }
        for (target, refusal) in [
            ("/p", Refusal::SignatureMissing),
            ("/s=1", Refusal::SignatureMissing),
            ("/p?S=1", Refusal::SignatureMissing),
            ("/p?s=1&s=1", Refusal::DuplicateParameter),
            ("/p?%73=1&s=1", Refusal::DuplicateParameter),
            ("/p?s=1&a", Refusal::SignatureMalformed),
            ("/p?s=1&", Refusal::SignatureMalformed),
            ("/p?%73=1", Refusal::SignatureMalformed),
            ("/p?s", Refusal::SignatureMalformed),
            ("/p?s=1?", Refusal::SignatureMalformed),
            ("/%2e./p?s=1", Refusal::AmbiguousPath),
            ("/pppppppppppppppppppppppppppppppppppppppp?s=1", Refusal::InputTooLong),
        ] {
            assert_eq!(
                Target::parse(target, "s", &policy).map(|target| target.signed),
                Err(refusal),
                "{target}"
            );
        }
    }
}
