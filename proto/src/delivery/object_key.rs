//! Object keys as URL paths.
//!
//! S3 signs the path as it is sent: every byte outside `A-Z a-z 0-9 - . _ ~ /` as `%XX`, once, with no dot
//! segments resolved and no slashes merged (reference: S3 API, "canonical URI"). An HTTP client that follows
//! the WHATWG URL standard resolves `.` and `..` segments before sending, so such a key would be signed as one
//! object and fetched as another. They are refused.

use std::fmt::Write as _;

/// Longest key S3 stores, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// Why a key cannot be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is empty.
    #[error("the key is empty")]
    Empty,
    /// It is longer than S3 stores.
    #[error("the key has more than {MAX_KEY_BYTES} bytes")]
    TooLong,
    /// It has a `.` or `..` segment, which HTTP clients resolve.
    #[error("the key has a `.` or `..` segment, which HTTP clients resolve to another object")]
    DotSegment,
}

/// Encodes a key as a URL path without a leading slash.
///
/// # Errors
/// [`KeyError`] for keys that cannot be fetched exactly.
pub fn encode(key: &str) -> Result<String, KeyError> {
    if key.is_empty() {
        return Err(KeyError::Empty);
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(KeyError::TooLong);
    }
    if key.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(KeyError::DotSegment);
    }
    let mut path = String::with_capacity(key.len() + 16);
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                path.push(char::from(byte));
            }
            _ => _ = write!(path, "%{byte:02X}"), // writing to a String cannot fail
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_once_and_keeps_slashes() {
        for (key, path) in [
            ("a b/c+d.jpg", "a%20b/c%2Bd.jpg"),
            ("100%.png", "100%25.png"),
            ("a%20b", "a%2520b"),
            ("a//b/", "a//b/"),
            ("/lead", "/lead"),
            ("ü/写真.webp", "%C3%BC/%E5%86%99%E7%9C%9F.webp"),
            ("~a-b_c.d", "~a-b_c.d"),
            ("%2e%2e/x", "%252e%252e/x"),
            ("..a/b..", "..a/b.."),
            ("back\\slash\t", "back%5Cslash%09"),
        ] {
            assert_eq!(encode(key).as_deref(), Ok(path), "{key}");
        }
    }

    #[test]
    fn refuses_what_would_be_resolved() {
        for key in ["..", ".", "a/../b", "./a", "a/.", "a/.."] {
            assert_eq!(encode(key), Err(KeyError::DotSegment), "{key}");
        }
        assert_eq!(encode(""), Err(KeyError::Empty));
        assert_eq!(encode(&"a".repeat(1025)), Err(KeyError::TooLong));
    }
}
