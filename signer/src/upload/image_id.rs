//! Ids of images: what one may be, and those that are made here.
//!
//! An id becomes a part of an object's key and of URLs. Two ids are two keys, byte for byte; what could be taken for another
//! id, or for a way out of its folder, is none: by a program that resolves dots or turns backslashes, by one that normalizes
//! Unicode, or by a person who reads it.

/// Longest id, in characters.
pub const MAX_CHARACTERS: usize = 1024;

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageIdError {
    /// It has a part that is none, or a character that is not for ids.
    #[error(
        "an image id has no empty part, no part `.` or `..`, no backslash, and no character that cannot be seen or that looks \
         like a slash, a backslash or dots"
    )]
    Invalid,
    /// It is too long.
    #[error("an image id has at most 1024 characters")]
    TooLong,
}

/// Checks an id.
///
/// # Errors
/// [`ImageIdError`].
pub fn check(id: &str) -> Result<(), ImageIdError> {
    // Bytes first: counting the characters of a long text costs more.
    if id.len() > 4 * MAX_CHARACTERS || id.chars().count() > MAX_CHARACTERS {
        return Err(ImageIdError::TooLong);
    }
    let is_bad = |c: char| c == '\\' || c.is_control() || is_invisible(c) || is_look_alike(c);
    if id.contains(is_bad) || id.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(ImageIdError::Invalid);
    }
    Ok(())
}

/// Format characters and line separators: general categories Cf, Zl and Zp of Unicode 16.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// What is drawn like a slash, a backslash or one or two dots, or is made one by normalization (NFKC).
const fn is_look_alike(c: char) -> bool {
    let slash = matches!(
        c,
        '\u{2044}'
            | '\u{2215}'
            | '\u{2571}'
            | '\u{27cb}'
            | '\u{29f8}'
            | '\u{ff0f}'
            | '\u{2100}'
            | '\u{2101}'
            | '\u{2105}'
            | '\u{2106}'
    );
    let backslash =
        matches!(c, '\u{2216}' | '\u{2572}' | '\u{27cd}' | '\u{29f5}' | '\u{29f9}' | '\u{fe68}' | '\u{ff3c}');
    let dots = matches!(c, '\u{2024}' | '\u{2025}' | '\u{fe30}' | '\u{fe52}' | '\u{ff0e}');
    slash || backslash || dots
}

/// Whether a text is a UUID in its hyphenated form, in any case.
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A random UUID (RFC 9562, version 4), for an image that was given no id.
pub(super) fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(uuid(u128::from_be_bytes(bytes), 4))
}

/// A UUID of these bits and this version.
pub(crate) fn uuid(bits: u128, version: u8) -> String {
    // The version in the top four bits of octet 6, variant 10 in the top two of octet 8.
    let bits = bits & !(0xf000 << 64) | u128::from(version & 0xf) << 76;
    let bits = bits & !(0b11 << 62) | 0b10 << 62;
    let digits = format!("{bits:032x}");
    let (a, rest) = digits.split_at(8);
    let (b, rest) = rest.split_at(4);
    let (c, rest) = rest.split_at(4);
    let (d, e) = rest.split_at(4);
    format!("{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        let longest = "é".repeat(1024);
        for id in [
            "a",
            "a/b",
            "a b",
            "..a/b..",
            "...",
            "%2e%2e/x",
            "été/写真",
            "a…b",
            "e\u{301}",
            "🌹\u{fe0f}",
            "ノ丿",
            &longest,
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        ] {
            assert_eq!(check(id), Ok(()), "{id:?}");
        }
        for id in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\\b", "a\nb", "\u{7f}", "\u{85}"] {
            assert_eq!(check(id), Err(ImageIdError::Invalid), "{id:?}");
        }
        // Bidirectional controls, zero width, soft hyphen, tags; then what looks like a slash, a backslash, dots.
        for c in "\u{202e}\u{2066}\u{200b}\u{200d}\u{feff}\u{ad}\u{e0041}\u{2028}\u{2044}\u{2215}\u{29f8}\u{ff0f}\u{2571}\u{2100}\
            \u{ff3c}\u{fe68}\u{29f5}\u{2216}\u{29f9}\u{2024}\u{2025}\u{fe30}\u{fe52}\u{ff0e}"
            .chars()
        {
            assert_eq!(check(&format!("a{c}b")), Err(ImageIdError::Invalid), "{c:?}");
        }
        assert_eq!(check(&"é".repeat(1025)), Err(ImageIdError::TooLong));
        assert_eq!(check(&"a".repeat(100_000)), Err(ImageIdError::TooLong));
    }

    #[test]
    fn made_ids_are_uuids() {
        let ids: std::collections::HashSet<_> = (0..64).map(|_| random().unwrap()).collect();
        assert_eq!(ids.len(), 64);
        for (version, id) in
            ids.into_iter().map(|id| (b'4', id)).chain([(b'8', uuid(u128::MAX, 8)), (b'8', uuid(0, 8))])
        {
            assert!(is_uuid(&id), "{id}");
            assert_eq!(id.as_bytes()[14], version, "{id}");
            assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
        }
    }
}
