//! What the tests of the schemes that sign URLs have in common.

use proptest::prelude::*;

use super::url::{Policy, Presented, Refusal, UrlScheme, Verified, Wanted};

/// When the tests take place, in Unix seconds.
pub(super) const NOW: u64 = 1_700_000_000;

pub(super) const POLICY: Policy = Policy { require_expiry: false, clock_skew: 0, max_target_bytes: 8192 };

/// What a client sends for this URL.
pub(super) fn target(url: &str) -> &str {
    let host = url.find("://").unwrap() + 3;
    &url[host + url[host..].find('/').unwrap()..]
}

pub(super) fn verify<K: UrlScheme>(key: &K, target: &str, now: u64) -> Result<Verified, Refusal> {
    K::verify([key], &POLICY, &Presented::target(target, now))
}

/// Signs a plain URL and answers its request target.
pub(super) fn sign<K: UrlScheme>(key: &K, url: &str, expires: Option<u64>) -> String {
    let signed = key.sign(&POLICY, &Wanted::plain(url, expires)).unwrap();
    assert!(signed.cookies.is_empty());
    target(&signed.url).to_owned()
}

/// URLs without a query, spelled as clients send them.
pub(super) fn paths() -> impl Strategy<Value = String> {
    r"https://example\.com(:8443)?(/([A-Za-z0-9_~!@$()*+,;:-]|%[2-9A-F][0-9A-D]|\.a){0,10}){1,4}"
}

/// URLs with a query, spelled as clients send them.
pub(super) fn urls() -> impl Strategy<Value = String> {
    (paths(), proptest::option::of(r"([a-d0-9]{0,2}(=([a-z0-9/?+~]|%[2-7][0-9]){0,4})?&?){0,4}"))
        .prop_map(|(path, query)| query.map_or_else(|| path.clone(), |query| format!("{path}?{query}")))
}

/// Request targets of any kind, many of them near to signed ones.
pub(super) fn any_target() -> impl Strategy<Value = String> {
    r"\PC*|[/?&=%.tokenspir0-9HS_-]{0,60}|/[A-Za-z0-9_=-]{11,44}/[a-z?&]{0,4}|/p\?(s|token)=[0-9a-f_]{32,51}"
}

/// Asserts that no change of one byte of what verifies is valid.
pub(super) fn assert_changed_is_invalid<K: UrlScheme>(
    key: &K,
    target: &str,
    at: prop::sample::Index,
    to: u8,
) {
    let mut changed = target.as_bytes().to_vec();
    let at = at.index(changed.len());
    if changed[at] != to {
        changed[at] = to;
        let changed = String::from_utf8(changed).unwrap();
        assert!(verify(key, &changed, NOW).is_err(), "{target} became {changed}");
    }
}
