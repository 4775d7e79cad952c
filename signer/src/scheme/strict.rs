//! The canonical spellings that a verifier accepts. Every other spelling of the same value is refused, so that
//! one signed value has one meaning everywhere.

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
}
