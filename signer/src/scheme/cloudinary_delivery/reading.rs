//! The messages that a signature may stand for.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::scheme::strict::has_dot_segment;

/// Most rounds of unescaping, as in the Ruby SDK.
const ROUNDS: usize = 10;

/// What an unescaped message is encoded with, once: everything but the unreserved characters of RFC 3986 and those
/// that transformations are made of.
const ONCE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':')
    .remove(b',')
    .remove(b'!')
    .remove(b'$');

/// One of them.
#[derive(Debug, PartialEq)]
pub(super) struct Reading {
    /// What is hashed.
    pub(super) message: String,
    /// The target that it authenticates.
    pub(super) target: String,
}

/// At most four: with and without the first segment that looks like a version, raw and fully unescaped.
pub(super) fn all(rest: &str) -> Vec<Reading> {
    let mut readings = Vec::with_capacity(4);
    for raw in [Some(rest.to_owned()), without_version(rest)].into_iter().flatten() {
        if raw.is_empty() {
            continue;
        }
        let unescaped = unescape(&raw).filter(|message| *message != raw);
        readings.push(Reading { target: format!("/{raw}"), message: raw });
        if let Some(message) = unescaped {
            let target = format!("/{}", utf8_percent_encode(&message, ONCE));
            readings.push(Reading { message, target });
        }
    }
    readings
}

/// The text without the first segment that is `v` and digits; `None` if there is none.
pub(super) fn without_version(rest: &str) -> Option<String> {
    let is_version = |segment: &&str| {
        segment
            .strip_prefix('v')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let place = rest.split('/').position(|segment| is_version(&segment))?;
    let others = rest.split('/').enumerate().filter(|(at, _)| *at != place).map(|(_, segment)| segment);
    Some(others.collect::<Vec<_>>().join("/"))
}

/// The text unescaped until nothing is left to unescape. `None` if it does not end, is not UTF-8, or is not a path
/// that one would want: with dot segments or control characters.
fn unescape(text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        let unescaped = percent_decode_str(&text).decode_utf8().ok()?.into_owned();
        if unescaped == text {
            let clean = !has_dot_segment(&text) && !text.contains(char::is_control);
            return clean.then_some(text);
        }
        text = unescaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_four() {
        let read = |rest| all(rest).into_iter().map(|r| (r.message, r.target)).collect::<Vec<_>>();
        let pair = |message: &str, target: &str| (message.to_owned(), target.to_owned());
        assert_eq!(read("a.jpg"), [pair("a.jpg", "/a.jpg")]);
        assert_eq!(
            read("t/v1/a%2520b/v2"),
            [
                pair("t/v1/a%2520b/v2", "/t/v1/a%2520b/v2"),
                pair("t/v1/a b/v2", "/t/v1/a%20b/v2"),
                pair("t/a%2520b/v2", "/t/a%2520b/v2"),
                pair("t/a b/v2", "/t/a%20b/v2"),
            ]
        );
        assert_eq!(read("v1"), [pair("v1", "/v1")]);
        assert_eq!(read("v/va/v1a"), [pair("v/va/v1a", "/v/va/v1a")]);
        assert_eq!(read("a+%2B"), [pair("a+%2B", "/a+%2B"), pair("a++", "/a%2B%2B")]);
        assert!(read("").is_empty());
    }

    #[test]
    fn pitfall_06_what_unescapes_to_another_path_has_no_such_reading() {
        for raw in ["a/%252e%252e/b", "a/.%25252e", "a%00b", "a%250Ab", "%ff", "a%5C..%5Cb"] {
            assert_eq!(all(raw).len(), 1, "{raw}");
        }
        let deep = format!("%{}41", "25".repeat(ROUNDS));
        assert_eq!(all(&deep).len(), 1);
    }
}
