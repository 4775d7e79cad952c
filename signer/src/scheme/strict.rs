//! The canonical spellings that a verifier accepts. Every other spelling of the same value is refused, so that
//! one signed value has one meaning everywhere.

use percent_encoding::percent_decode;

/// Most digits of a time in Unix seconds: reaches past the year 9999, and is far from overflowing.
const MAX_DIGITS: usize = 12;

/// A decimal of at most 12 digits without sign, leading zero, or anything else around it.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let canonical = text.len() <= MAX_DIGITS
        && text.bytes().all(|b| b.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

/// Exactly `N` bytes in lower-case hexadecimal.
///
/// Not constant-time: what is decoded is the signature that the caller sent, which is no secret to the caller.
pub(super) fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

/// Whether a parameter's name means `wanted` once decoded, and if so whether it is written so literally.
pub(super) fn spells(name: &str, wanted: &str) -> Option<bool> {
    if name == wanted {
        return Some(true);
    }
    // Only an escape can hide the name: `+` means a space, which neither name has.
    let aliased = name.contains('%') && percent_decode(name.as_bytes()).eq(wanted.bytes());
    aliased.then_some(false)
}

/// Whether a segment of the path is `.` or `..`, literally or with `%2e` in any case. A backslash also ends a
/// segment, as it does for WHATWG URL parsers.
pub(super) fn has_dot_segment(path: &str) -> bool {
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

    #[test]
    fn decimals() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("1700000000"), Some(1_700_000_000));
        assert_eq!(decimal("999999999999"), Some(999_999_999_999));
        for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "1.0", "1e9", "0x1", "1000000000000", "１", "1_0"]
        {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(lower_hex::<2>("0aff"), Some([10, 255]));
        for bad in ["", "0a", "0aF0", "0AFF", "0aff0", "0aff00", " aff", "0ag0", "é1"] {
            assert_eq!(lower_hex::<2>(bad), None, "{bad:?}");
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
