//! A request target, split at its signature.

use super::SIGNATURE_BYTES;
use crate::scheme::{
    strict::{self, has_dot_segment, spells, split_once},
    url::Refusal,
};

/// A request target whose form is beyond doubt: one signature, at most one expiry, no dot segments.
/// Nothing in it is authentic yet.
#[derive(Debug, PartialEq)]
pub(super) struct Target<'t> {
    /// What is signed: what stands before the signature, and what stands after it.
    pub(super) signed: [&'t str; 2],
    pub(super) signature: [u8; SIGNATURE_BYTES],
    pub(super) expiry: Option<Expiry<'t>>,
}

/// The `exp` parameter. It is read only after the signature has been found good.
#[derive(Debug, PartialEq)]
pub(super) struct Expiry<'t> {
    /// Whether the name is written `exp`, not with escapes.
    pub(super) literal: bool,
    pub(super) value: &'t str,
}

impl<'t> Target<'t> {
    /// Checks 1 to 5 of the verification policy (see `super::verify`), in one pass over the query.
    pub(super) fn parse(target: &'t str, max_bytes: usize) -> Result<Self, Refusal> {
        if target.len() > max_bytes {
            return Err(Refusal::InputTooLong);
        }
        let (path, query) = split_once(target, b'?').unwrap_or((target, ""));
        if has_dot_segment(path) {
            return Err(Refusal::AmbiguousPath);
        }
        let mut signature = None;
        let mut expiry = None;
        let mut duplicate = false;
        let query_start = target.len() - query.len();
        let mut start = query_start;
        let ends = memchr::memchr_iter(b'&', query.as_bytes()).chain(std::iter::once(query.len()));
        for end in ends.map(|end| query_start + end) {
            let pair = target.get(start..end).unwrap_or_default();
            let (name, value) = split_once(pair, b'=').unwrap_or((pair, ""));
            if let Some(literal) = spells(name, "sig") {
                duplicate |= signature.replace((literal, value, start, end)).is_some();
            } else if let Some(literal) = spells(name, "exp") {
                duplicate |= expiry.replace(Expiry { literal, value }).is_some();
            }
            start = end + 1;
        }
        let (literal, value, start, end) = signature.ok_or(Refusal::SignatureMissing)?;
        if duplicate {
            return Err(Refusal::DuplicateParameter);
        }
        let signature =
            if literal { strict::lower_hex(value) } else { None }.ok_or(Refusal::SignatureMalformed)?;
        // With it goes the `&` before it, or the one after it if it is the first.
        let [before, after] = if start > query_start { [start - 1, end] } else { [start, end + 1] };
        let part = |range: Option<&'t str>| range.unwrap_or_default();
        Ok(Self { signed: [part(target.get(..before)), part(target.get(after..))], signature, expiry })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIG: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

    #[test]
    fn the_signature_is_cut_out_with_one_ampersand() {
        for (query, rest) in [
            ("sig=SIG", ""),
            ("sig=SIG&a=1", "a=1"),
            ("a=1&sig=SIG", "a=1"),
            ("a=1&sig=SIG&b=2", "a=1&b=2"),
            ("&sig=SIG", ""),
            ("&&sig=SIG&&", "&&&"),
            ("sig=SIG&", ""),
            ("a&sig=SIG&?b", "a&?b"),
        ] {
            let target = format!("/p?{query}").replace("SIG", SIG);
            let parsed = Target::parse(&target, 8192).unwrap();
            assert_eq!(parsed.signed.concat(), format!("/p?{rest}"), "{query}");
        }
    }
}
