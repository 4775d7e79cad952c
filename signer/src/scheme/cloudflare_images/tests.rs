use proptest::prelude::*;

use super::{
    super::url::{HttpUrl, SignError},
    verify::verify,
    *,
};

const NOW: u64 = 1_700_000_000;

fn policy() -> Policy {
    Policy { require_expiry: true, clock_skew: 0, max_target_bytes: 8192 }
}

fn key(secret: &str) -> Key {
    Key::new(secret.as_bytes())
}

fn sign(key: &Key, url: &str, expires: Option<u64>, max_target_bytes: usize) -> Result<String, SignError> {
    sign::sign(key, &HttpUrl::parse(url)?, expires, max_target_bytes)
}

fn target(url: &str) -> &str {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let host = url.find("://").unwrap() + 3;
    &url[host + url[host..].find('/').unwrap()..]
}

/// A target with a good MAC, whatever its query is.
fn forge(key: &Key, message: &str) -> String {
    format!("{message}&sig={}", key.signature(message).hex())
}

#[test]
fn what_would_not_verify_is_not_signed() {
    let key = key("k");
    for (url, expires, error) in [
        ("https://h/p?sig=1", Some(NOW), SignError::Reserved("sig")),
        ("https://h/p?a=1&s%69g", Some(NOW), SignError::Reserved("sig")),
        ("https://h/p?exp=5", None, SignError::Reserved("exp")),
        ("https://h/p", Some(1_000_000_000_000), SignError::Invalid("would not verify")),
        ("/p", Some(NOW), SignError::Invalid("is not an absolute http or https URL")),
        ("ftp://h/p", Some(NOW), SignError::Invalid("is not an absolute http or https URL")),
        ("https:h/p", Some(NOW), SignError::Invalid("is not an absolute http or https URL")),
        (" https://h/p", Some(NOW), SignError::Invalid("is not an absolute http or https URL")),
        ("", Some(NOW), SignError::Invalid("is not an absolute http or https URL")),
        ("https://", Some(NOW), SignError::Invalid("cannot be parsed")),
        ("https://u:p@h/p", Some(NOW), SignError::Invalid("has credentials")),
    ] {
        assert_eq!(sign(&key, url, expires, 8192), Err(error), "{url}");
    }
    assert!(sign(&key, "https://h/p", Some(999_999_999_999), 8192).is_ok(), "the last time that is read");
    let endless = UrlScheme::sign(&key, &policy(), &Wanted::plain("https://h/p", None));
    assert_eq!(endless, Err(SignError::Unsupported("expire_time", "the key requires one")));
}

#[test]
fn pitfall_14_lengths() {
    let key = key("k");
    let url = |length: usize| format!("https://h/{}", "a".repeat(length - 10));
    assert_eq!(sign(&key, &url(8193), Some(NOW), 100_000), Err(SignError::TooLong));
    assert!(sign(&key, &url(8192), Some(NOW), 100_000).is_ok());
    // The signed target: `/`, the path, `?exp=1700000000`, `&sig=` and 64 digits.
    let target_bytes = |length: usize| length - 9 + 15 + 5 + 64;
    assert!(sign(&key, &url(100), Some(NOW), target_bytes(100)).is_ok());
    assert_eq!(sign(&key, &url(100), Some(NOW), target_bytes(100) - 1), Err(SignError::TooLong));
}

#[test]
fn pitfall_04_the_signature_is_checked_before_the_expiry() {
    let (key, other) = (key("k"), key("other"));
    let expired = forge(&other, "/p?exp=1");
    assert_eq!(verify([&key], &expired, NOW, &policy()), Err(Refusal::SignatureMismatch));
    assert_eq!(verify([&other], &expired, NOW, &policy()), Err(Refusal::Expired));
}

#[test]
fn pitfall_03_an_expiry_spelled_with_escapes_is_malformed_even_with_a_good_mac() {
    let key = key("k");
    for message in ["/p?%65xp=1800000000", "/p?ex%70=1800000000"] {
        assert_eq!(verify([&key], &forge(&key, message), NOW, &policy()), Err(Refusal::ExpiryMalformed));
    }
}

#[test]
fn the_order_of_the_checks() {
    let key = key("k");
    let long = Policy { max_target_bytes: 10, ..policy() };
    for (target, policy, refusal) in [
        ("/a/../b?sig=&sig=", &long, Refusal::InputTooLong),
        ("/a/../b?sig=&sig=", &policy(), Refusal::AmbiguousPath),
        ("/a?exp=&exp=", &policy(), Refusal::SignatureMissing),
        ("/a?sig=&exp=&exp=", &policy(), Refusal::DuplicateParameter),
        ("/a?sig=&exp=", &policy(), Refusal::SignatureMalformed),
    ] {
        assert_eq!(verify([&key], target, NOW, policy), Err(refusal), "{target}");
    }
}

#[test]
fn pitfall_04_boundaries_of_time() {
    let key = key("k");
    let signed = forge(&key, "/p?exp=1700000000");
    for (now, skew, valid) in [
        (NOW - 1, 0, true),
        (NOW, 0, false),
        (NOW + 299, 300, true),
        (NOW + 300, 300, false),
        (0, 0, true),
        (u64::MAX, u64::MAX, false),
    ] {
        let policy = Policy { clock_skew: skew, ..policy() };
        assert_eq!(verify([&key], &signed, now, &policy).is_ok(), valid, "{now} {skew}");
    }
    assert_eq!(verify([&key], &forge(&key, "/p?exp=0"), 0, &policy()), Err(Refusal::Expired));
}

#[test]
fn the_key_that_signed_is_told() {
    let keys = [key("a"), key("b"), key("c")];
    for (index, signer) in keys.iter().enumerate() {
        let verified = verify(&keys, &forge(signer, "/p?exp=1800000000"), NOW, &policy()).unwrap();
        assert_eq!(verified.key, index);
        assert_eq!(verified.expires, Some(1_800_000_000));
        assert_eq!(verified.authenticated_target, "/p?exp=1800000000");
    }
    let none: [Key; 0] = [];
    let orphan = forge(&keys[0], "/p?exp=1800000000");
    assert_eq!(verify(&none, &orphan, NOW, &policy()), Err(Refusal::SignatureMismatch));
}

prop_compose! {
    /// URLs with all that is odd in them.
    fn odd_url()(
        path in r"(/[ -~é%.+;@:~]{0,12}){1,4}",
        query in proptest::option::of(r"([a-dA-D%+=~*é ;/?]{0,8}&?){0,5}"),
        fragment in proptest::option::of("[a-z]{0,4}"),
    ) -> String {
        let path = path.replace(['?', '#'], "_");
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
        format!("https://example.com{path}{query}{fragment}")
    }
}

proptest! {
    /// Nothing is verified when it is signed: what comes out must do so by the way it is made.
    #[test]
    fn pitfall_02_what_is_signed_verifies_whatever_the_names_are(
        path in r"(/|\\|\.|%2e|%2E|%5c|a|;|=|&|sig=|%3Fsig=|\t|é){0,8}",
        query in r"(\?(&|=|\+|\?|%|%00|%26|%3d|%3F|%FF|é| |1|a|sig|exp|s%69g|%65xp|SIG|%ef%bc%9d){0,12})?",
        fragment in "(#(sig=|exp=1|&|\\?){0,3})?",
        expires in proptest::option::of(prop_oneof![Just(0), Just(1), Just(999_999_999_999), NOW..2 * NOW, any::<u64>()]),
        spare in 0_usize..200,
    ) {
        let (key, url) = (key("k"), format!("https://h/{path}{query}{fragment}"));
        let policy = Policy { require_expiry: false, clock_skew: 1, max_target_bytes: url.len() + spare };
        match sign(&key, &url, expires, policy.max_target_bytes) {
            Ok(signed) => {
                let now = expires.unwrap_or(NOW);
                let verified = verify([&key], target(&signed), now, &policy);
                prop_assert_eq!(verified.as_ref().map(|verified| verified.expires), Ok(expires), "{}", signed);
                // The longest that is taken: one byte less is too long.
                let limit = target(&signed).len();
                prop_assert_eq!(sign(&key, &url, expires, limit), Ok(signed));
                prop_assert_eq!(sign(&key, &url, expires, limit - 1), Err(SignError::TooLong));
            }
            Err(SignError::Reserved(name)) => {
                let parsed = HttpUrl::parse(&url).unwrap();
                prop_assert!(form_urlencoded::parse(parsed.query().as_bytes()).any(|(other, _)| other == name));
                prop_assert!(name == "sig" || (name == "exp" && expires.is_none()));
            }
            Err(SignError::TooLong) => prop_assert!(sign(&key, &url, expires, 8192).is_ok()),
            Err(error) => prop_assert!(error == SignError::Invalid("would not verify") && expires > Some(999_999_999_999)),
        }
    }

    #[test]
    fn pitfall_22_what_is_signed_verifies(url in odd_url(), secret in ".{1,80}", ttl in 1_u64..1_000_000) {
        let key = key(&secret);
        let signed = sign(&key, &url, Some(NOW + ttl), 8192).unwrap();
        let verified = verify([&key], target(&signed), NOW + ttl - 1, &policy()).unwrap();
        prop_assert_eq!(verified.expires, Some(NOW + ttl));
        prop_assert_eq!(verify([&key], target(&signed), NOW + ttl, &policy()), Err(Refusal::Expired));
    }

    #[test]
    fn pitfall_22_a_change_of_one_byte_does_not_verify(url in odd_url(), at: prop::sample::Index, to in 0_u8..128) {
        let key = key("secret");
        let signed = sign(&key, &url, Some(NOW + 60), 8192).unwrap();
        let mut changed = target(&signed).as_bytes().to_vec();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != to);
        changed[at] = to;
        let changed = String::from_utf8_lossy(&changed);
        prop_assert!(verify([&key], &changed, NOW, &policy()).is_err());
    }

    #[test]
    fn another_key_does_not_verify(secret in "[a-z]{1,70}", at: prop::sample::Index, to in "[A-Z]") {
        let signed = sign(&key(&secret), "https://h/p?a=1", Some(NOW + 60), 8192).unwrap();
        let at = at.index(secret.len());
        let mut other = secret;
        other.replace_range(at..=at, &to);
        prop_assert_eq!(verify([&key(&other)], target(&signed), NOW, &policy()), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn pitfall_22_any_text_gets_an_answer_and_none_is_valid(target in r"\PC*|[/?&=%.sigexp0-9]{0,60}", now: u64, skew in 0_u64..=300) {
        let policy = Policy { require_expiry: false, clock_skew: skew, max_target_bytes: 8192 };
        prop_assert!(verify([&key("secret")], &target, now, &policy).is_err());
    }

    #[test]
    fn pitfall_22_any_text_can_be_given_to_sign(url in r"\PC*|https?://[ -~é]{0,40}") {
        let key = key("secret");
        if let Ok(signed) = sign(&key, &url, Some(NOW + 1), 8192) {
            prop_assert!(verify([&key], target(&signed), NOW, &policy()).is_ok(), "{signed}");
        }
    }
}
