//! A request target, split at its signature.

use percent_encoding::percent_decode;

use super::{Refusal, SIGNATURE_BYTES};
use crate::scheme::strict;

/// A request target whose form is beyond doubt: one signature, at most one expiry, no dot segments.
/// Nothing in it is authentic yet.
#[derive(Debug, PartialEq)]
pub(super) struct Target<'t> {
    /// What is signed, in four parts: path, `?`, the query before the signature, the query after it.
    pub(super) signed: [&'t str; 4],
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
    /// Checks 1 to 5 of the verification policy (see [`super::verify()`]), in one pass over the query.
    pub(super) fn parse(target: &'t str, max_bytes: usize) -> Result<Self, Refusal> {
        if target.len() > max_bytes {
            return Err(Refusal::InputTooLong);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if has_dot_segment(path) {
            return Err(Refusal::AmbiguousPath);
        }
        let mut signature = None;
        let mut expiry = None;
        let mut duplicate = false;
        let mut start = 0;
        for pair in query.split('&') {
            let end = start + pair.len();
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
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
        Ok(Self { signed: cut(path, query, start, end), signature, expiry })
    }
}

/// The target without the pair at `start..end` of its query, and without one of the `&` beside it.
fn cut<'t>(path: &'t str, query: &'t str, start: usize, end: usize) -> [&'t str; 4] {
    let part = |range: std::ops::Range<usize>| query.get(range).unwrap_or_default();
    match start.checked_sub(1) {
        Some(ampersand) => [path, "?", part(0..ampersand), part(end..query.len())],
        None => [path, "?", "", part(end + 1..query.len())],
    }
}

/// Whether a parameter's name means `wanted` once decoded, and if so whether it is written so literally.
fn spells(name: &str, wanted: &str) -> Option<bool> {
    if name == wanted {
        return Some(true);
    }
    // Only an escape can hide the name: `+` means a space, which neither name has.
    let aliased = name.contains('%') && percent_decode(name.as_bytes()).eq(wanted.bytes());
    aliased.then_some(false)
}

/// Whether a segment of the path is `.` or `..`, literally or with `%2e` in any case. A backslash also ends a
/// segment, as it does for WHATWG URL parsers.
fn has_dot_segment(path: &str) -> bool {
    path.split(['/', '\\']).any(|segment| {
        let mut dots = 0;
        let mut rest = segment;
        while !rest.is_empty() {
            rest = match rest.strip_prefix('.') {
                Some(after) => after,
                None => match rest.split_at_checked(3) {
                    Some((escape, after)) if escape.eq_ignore_ascii_case("%2e") => after,
                    _ => return false,
                },
            };
            dots += 1;
        }
        dots == 1 || dots == 2
    })
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

    #[test]
    fn dot_segments() {
        for path in
            ["/.", "/..", "/a/../b", "/a/./b", "/a/%2e%2E/b", "/.%2e", "/%2E", "..", "/a\\..\\b", "/a/.."]
        {
            assert!(has_dot_segment(path), "{path}");
        }
        for path in
            ["", "/", "//", "/...", "/a.b", "/.a", "/a.", "/%2e%2e%2e", "/%2", "/%2ea", "/é.", "/%252e"]
        {
            assert!(!has_dot_segment(path), "{path}");
        }
    }

    #[test]
    fn names_are_found_behind_escapes() {
        assert_eq!(spells("sig", "sig"), Some(true));
        for alias in ["s%69g", "%73%69%67", "si%67", "%73ig"] {
            assert_eq!(spells(alias, "sig"), Some(false), "{alias}");
        }
        for other in ["", "SIG", "sigs", "si", "s%2569g", "sig%00", "+sig", "s%6", "s%6xg"] {
            assert_eq!(spells(other, "sig"), None, "{other}");
        }
    }
}
