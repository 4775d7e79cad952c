//! Entity tags, conditional requests, cache lifetime (RFC 9110 and 9111).

use std::time::{Duration, SystemTime};

use safelight_image::ENGINE;
use sha2::{Digest, Sha256};

/// Bytes of the digest that make the tag: 128 bits, beyond chance.
const TAG_BYTES: usize = 16;

/// What the original is known by.
#[derive(Debug, Clone, Copy)]
pub enum Original<'a> {
    /// The origin's own entity tag.
    Tag(&'a str),
    /// Its bytes, where the origin gives no tag.
    Bytes(&'a [u8]),
}

/// The strong entity tag of an output, quotes included: of the original, and of all that decides the bytes.
#[must_use]
pub fn entity_tag(original: Original<'_>, origin: &str, object_key: &str, identity: &str) -> String {
    let mut hasher = Sha256::new();
    let (kind, original) = match original {
        Original::Tag(tag) => (&b"tag"[..], tag.as_bytes()),
        Original::Bytes(bytes) => (&b"bytes"[..], bytes),
    };
    // With the engine's version: where the same options make other bytes, caches ask again.
    let engine = ENGINE.to_string();
    for part in
        [engine.as_bytes(), kind, original, origin.as_bytes(), object_key.as_bytes(), identity.as_bytes()]
    {
        // Lengths keep the parts apart: no two lists of parts make one message.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    format!("\"{}\"", hex::encode(digest.get(..TAG_BYTES).unwrap_or(&digest)))
}

/// Whether an `If-None-Match` header holds the tag (weak comparison, RFC 9110 section 13.1.2).
#[must_use]
pub fn none_match_holds(header: &str, etag: &str) -> bool {
    header.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// How long an answer may be cached: `max_age`, but never beyond the URL's expiry. Whole seconds.
#[must_use]
pub fn lifetime(max_age: Duration, expires: Option<SystemTime>, now: SystemTime) -> Duration {
    let lifetime = expires.map_or(max_age, |expires| max_age.min(left(expires, now)));
    Duration::from_secs(lifetime.as_secs())
}

/// How long a cache may serve what expires, stale or not. A second less than is left: nginx, for one, counts in whole
/// seconds and to the end of the last, and an answer may reach it in the second after the one it was made in.
#[must_use]
pub fn left(expires: SystemTime, now: SystemTime) -> Duration {
    expires.duration_since(now).unwrap_or_default().saturating_sub(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_changes_the_tag() {
        let tag = |original, origin, key, identity| entity_tag(original, origin, key, identity);
        let all = [
            tag(Original::Tag("\"1\""), "o", "k", "w=1"),
            tag(Original::Bytes(b"\"1\""), "o", "k", "w=1"),
            tag(Original::Tag("\"2\""), "o", "k", "w=1"),
            tag(Original::Tag("\"1\""), "ok", "", "w=1"),
            tag(Original::Tag("\"1\""), "o", "kw", "=1"),
            tag(Original::Tag("\"1\""), "o", "k", "w=2"),
        ];
        for (index, one) in all.iter().enumerate() {
            assert_eq!(all.iter().filter(|other| *other == one).count(), 1, "{index}");
        }
        assert_eq!(all.first().map(String::len), Some(34));
    }

    #[test]
    fn none_match() {
        for (header, holds) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(none_match_holds(header, "\"a\""), holds, "{header}");
        }
    }

    #[test]
    fn pitfall_16_never_cached_beyond_expiry() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let day = Duration::from_secs(86_400);
        assert_eq!(lifetime(day, None, now), day);
        assert_eq!(lifetime(day, at(1_700_000_060), now), Duration::from_secs(58));
        assert_eq!(lifetime(day, at(1_700_000_001), now), Duration::ZERO);
        assert_eq!(lifetime(day, at(1_699_999_999), now), Duration::ZERO);
        assert_eq!(lifetime(day, at(1_800_000_000), now), day);
    }
}
