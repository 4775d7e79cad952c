//! The canonical spellings that a verifier accepts. Every other spelling of the same value is refused, so that
//! one signed value has one meaning everywhere.

use base64::Engine;
use percent_encoding::percent_decode;
use subtle::Choice;

use super::tag::MAX_BYTES;

/// Most digits of a time in Unix seconds: reaches past the year 9999, and is far from overflowing.
const MAX_DIGITS: usize = 12;

/// The last time that is read.
pub(super) const MAX_DECIMAL: u64 = 999_999_999_999;

/// A decimal of at most 12 digits without sign, leading zero, or anything else around it.
pub(super) fn decimal(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > MAX_DIGITS || (text.starts_with('0') && text != "0") {
        return None;
    }
    text.bytes().try_fold(0, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + u64::from(digit))
    })
}

/// A time in Unix seconds of exactly ten digits: from 2001 to 2286. For schemes that join it to its neighbours
/// without a separator, where a free width lets digits move between them.
pub(super) fn ten_digits(text: &str) -> Option<u64> {
    decimal(text).filter(|_| text.len() == 10)
}

/// Exactly `N` bytes in the engine's base64, without spare bits. Not constant-time, as [`lower_hex`].
pub(super) fn base64<const N: usize>(engine: &impl Engine, text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = engine.decode_slice(text, &mut bytes).ok()?;
    (length == N).then_some(bytes)
}

/// The place of the first key that fits. All are tried in every case: time does not tell which key came near.
pub(super) fn first_fit<'k, K: 'k>(
    keys: impl IntoIterator<Item = &'k K>,
    fits: impl Fn(&K) -> Choice,
) -> Option<usize> {
    let mut found = None;
    for (index, key) in keys.into_iter().enumerate() {
        if fits(key).into() {
            found = found.or(Some(index));
        }
    }
    found
}

/// Exactly `N` bytes in lower-case hexadecimal.
///
/// Not constant-time: what is decoded is the signature that the caller sent, which is no secret to the caller.
pub(super) fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    const { assert!(N <= MAX_BYTES, "longer than any signature") };
    if text.len() != 2 * N {
        return None;
    }
    // One loop, without branches, for each step: one instruction does a step for many digits.
    let mut digits = [0; 2 * MAX_BYTES];
    digits.iter_mut().zip(text.bytes()).for_each(|(digit, byte)| *digit = value(byte));
    let all = digits.iter().fold(0, |all, digit| all | digit);
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks().0) {
        let pair = u16::from_be_bytes(*pair);
        [*byte, _] = (pair | pair >> 4).to_le_bytes();
    }
    (all < 16).then_some(bytes)
}

/// The value of a lower-case hexadecimal digit; 255 for all other bytes.
const fn value(byte: u8) -> u8 {
    let (digit, letter) = (byte.wrapping_sub(b'0'), byte.wrapping_sub(b'a'));
    if digit < 10 {
        digit
    } else if letter < 6 {
        letter + 10
    } else {
        255
    }
}

/// Splits at the first of these ASCII bytes. As `str::split_once`, in less time: request targets are long.
pub(super) fn split_once(text: &str, at: u8) -> Option<(&str, &str)> {
    let end = memchr::memchr(at, text.as_bytes())?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// Whether a parameter's name means `wanted` once decoded, and if so whether it is written so literally.
pub(super) fn spells(name: &str, wanted: &str) -> Option<bool> {
    if name == wanted {
        return Some(true);
    }
    // Only an escape can hide the name: `+` means a space, which neither name has.
    let aliased = name.bytes().any(|byte| byte == b'%') && percent_decode(name.as_bytes()).eq(wanted.bytes());
    aliased.then_some(false)
}

/// Whether a segment of the path is `.` or `..`, literally or with `%2e` in any case. A backslash also ends a
/// segment, as it does for WHATWG URL parsers.
pub(crate) fn has_dot_segment(path: &str) -> bool {
    let bytes = path.as_bytes();
    // Most paths have no segment that begins so; this looks at many bytes at once, without a branch for each.
    let begins = |byte: u8| (byte == b'.') | (byte == b'%');
    let ends = |byte: u8| (byte == b'/') | (byte == b'\\');
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    let any = pairs.fold(false, |any, (before, byte)| any | (ends(*before) & begins(*byte)));
    (any || bytes.first().is_some_and(|byte| begins(*byte))) && bytes.split(|byte| ends(*byte)).any(is_dots)
}

fn is_dots(mut segment: &[u8]) -> bool {
    let mut dots = 0;
    while let [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] = segment {
        segment = rest;
        dots += 1;
    }
    segment.is_empty() && (dots == 1 || dots == 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pitfall_03_decimals() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("1700000000"), Some(1_700_000_000));
        assert_eq!(decimal("999999999999"), Some(MAX_DECIMAL));
        for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "1.0", "1e9", "0x1", "1000000000000", "１", "1_0"]
        {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn pitfall_11_times_of_a_fixed_width() {
        assert_eq!(ten_digits("1700000000"), Some(1_700_000_000));
        for bad in ["", "700000000", "11700000000", "0700000000", "+700000000", "17000000 0"] {
            assert_eq!(ten_digits(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn base64_has_one_spelling() {
        use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

        assert_eq!(base64::<4>(&URL_SAFE_NO_PAD, "-_-_AA"), Some([251, 255, 191, 0]));
        assert_eq!(base64::<4>(&URL_SAFE, "-_-_AA=="), Some([251, 255, 191, 0]));
        for bad in ["", "-_-_", "-_-_AAA", "-_-_AB", "-_-_AA==", "+/+/AA", "-_-_A ", "-_-_AA-_-_AA", "é"] {
            assert_eq!(base64::<4>(&URL_SAFE_NO_PAD, bad), None, "{bad:?}");
        }
    }

    #[test]
    fn pitfall_01_all_keys_are_tried() {
        let tried = std::cell::Cell::new(0);
        let found = first_fit(&[1_u8, 2, 2, 3], |key| {
            tried.set(tried.get() + 1);
            Choice::from(u8::from(*key == 2))
        });
        assert_eq!((found, tried.get()), (Some(1), 4));
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(lower_hex::<2>("0aff"), Some([10, 255]));
        for bad in ["", "0a", "0aF0", "0AFF", "0aff0", "0aff00", " aff", "0ag0", "é1"] {
            assert_eq!(lower_hex::<2>(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn hexadecimal_in_every_place() {
        fn assert_as_defined<const N: usize>() {
            let bytes = std::array::from_fn(|at| (at * 37 + 11).to_le_bytes()[0]);
            let text = hex::encode(bytes);
            assert_eq!(lower_hex::<N>(&text), Some(bytes));
            for at in 0..text.len() {
                for byte in (0..=127_u8).map(char::from) {
                    let mut other = text.clone();
                    other.replace_range(at..=at, byte.encode_utf8(&mut [0; 4]));
                    let is_lower = !other.bytes().any(|byte| byte.is_ascii_uppercase());
                    let wanted = hex::decode(&other).ok().filter(|_| is_lower);
                    assert_eq!(lower_hex::<N>(&other).map(Vec::from), wanted, "{other:?}");
                }
            }
        }
        assert_as_defined::<1>();
        assert_as_defined::<20>();
        assert_as_defined::<32>();
    }

    proptest! {
        #[test]
        fn pitfall_03_a_decimal_is_what_is_written_for_it(
            text in r"0?[0-9]{0,13}|[0-9]{0,6}[^0-9][0-9]{0,6}|\PC{0,3}",
        ) {
            let written = text.parse().ok().filter(|number: &u64| number.to_string() == text && text.len() <= 12);
            prop_assert_eq!(decimal(&text), written);
        }
    }

    #[test]
    fn pitfall_06_dot_segments() {
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
    fn pitfall_02_names_are_found_behind_escapes() {
        assert_eq!(spells("sig", "sig"), Some(true));
        for alias in ["s%69g", "%73%69%67", "si%67", "%73ig"] {
            assert_eq!(spells(alias, "sig"), Some(false), "{alias}");
        }
        for other in ["", "SIG", "sigs", "si", "s%2569g", "sig%00", "+sig", "s%6", "s%6xg"] {
            assert_eq!(spells(other, "sig"), None, "{other}");
        }
    }
}
