use super::{
    super::testing::{self, NOW, POLICY, any_target, assert_changed_is_invalid, sign, verify},
    *,
};
use proptest::prelude::*;

fn key() -> Key {
    Key::new(b"FOO123bar").unwrap()
}

/// A target with a good signature, whatever it is.
fn forge(target: &str) -> String {
    let separator = trailing::separator(target);
    format!("{target}{separator}s={}", key().signature(target).hex())
}

#[test]
fn keys() {
    assert!(Key::new(b"").is_err());
    assert!(key().is_legacy());
}

#[test]
fn what_would_not_verify_is_not_signed() {
    for (url, expires, error) in [
        ("https://h/p?s=1", None, SignError::Reserved("s")),
        ("https://h/p?%73", None, SignError::Reserved("s")),
        ("https://h/p?expires=5", None, SignError::Reserved("expires")),
        ("https://h/p?expires=5", Some(NOW), SignError::Reserved("expires")),
        ("https://h/p?e%78pires=5", Some(NOW), SignError::Reserved("expires")),
        ("https://h/p", Some(1_000_000_000_000), SignError::Invalid("would not verify")),
        ("https://h/p", Some(0), SignError::Invalid("would not verify")),
    ] {
        assert_eq!(key().sign(&POLICY, &Wanted::plain(url, expires)), Err(error), "{url}");
    }
    let strict = Policy { require_expiry: true, ..POLICY };
    assert_eq!(
        key().sign(&strict, &Wanted::plain("https://h/p", None)),
        Err(SignError::Unsupported("expire_time", "the key requires one"))
    );
}

#[test]
fn where_the_parameters_stand() {
    let expires = Some(1_800_000_000);
    for (url, expires, start) in [
        ("https://h/p", None, "/p?s="),
        ("https://h/p?", None, "/p?s="),
        ("https://h/p?w=1", None, "/p?w=1&s="),
        ("https://h/p", expires, "/p?expires=1800000000&s="),
        ("https://h/p?w=1&", expires, "/p?w=1&&expires=1800000000&s="),
    ] {
        let signed = sign(&key(), url, expires);
        assert!(signed.starts_with(start), "{signed}");
        let verified = verify(&key(), &signed, NOW).unwrap();
        assert_eq!(
            (verified.expires, verified.authenticated_target.as_str()),
            (expires, &start[..start.len() - 3])
        );
    }
}

#[test]
fn pitfall_03_the_expiry_is_read_after_the_signature() {
    for (target, refusal) in [
        ("/p?expires=1", Refusal::Expired),
        ("/p?expires=1700000000", Refusal::Expired),
        ("/p?expires=01800000000", Refusal::ExpiryMalformed),
        ("/p?expires=", Refusal::ExpiryMalformed),
        ("/p?expires", Refusal::ExpiryMalformed),
        ("/p?expires=1e10", Refusal::ExpiryMalformed),
        ("/p?%65xpires=1800000000", Refusal::ExpiryMalformed),
        ("/p?expires=1800000000&%65xpires=1", Refusal::DuplicateParameter),
        ("/p?expires=1800000000&expires=1800000000", Refusal::DuplicateParameter),
    ] {
        assert_eq!(verify(&key(), &forge(target), NOW), Err(refusal), "{target}");
        let forged = format!("{target}&s=00000000000000000000000000000000");
        let unread = [Refusal::SignatureMismatch, Refusal::DuplicateParameter];
        assert!(unread.contains(&verify(&key(), &forged, NOW).unwrap_err()), "{target}");
    }
    assert!(verify(&key(), &forge("/p?expires=1700000001"), NOW).is_ok());
    let strict = Policy { require_expiry: true, ..POLICY };
    let without = forge("/p");
    let answer = Key::verify([&key()], &strict, &Presented::target(&without, NOW));
    assert_eq!(answer, Err(Refusal::ExpiryMissing));
}

#[test]
fn pitfall_07_the_signature_is_last_and_covers_the_order() {
    let signed = sign(&key(), "https://h/users/1.png?w=400&h=300", None);
    assert!(signed.ends_with("&s=c7b86f666a832434dd38577e38cf86d1"));
    let swapped = signed.replace("w=400&h=300", "h=300&w=400");
    assert_eq!(verify(&key(), &swapped, NOW), Err(Refusal::SignatureMismatch));
    assert_eq!(verify(&key(), &format!("{signed}&w=1"), NOW), Err(Refusal::SignatureMalformed));
    let upper = signed.to_ascii_uppercase().replace("&S=", "&s=");
    assert_eq!(verify(&key(), &upper, NOW), Err(Refusal::SignatureMalformed));
}

proptest! {
    #[test]
    fn what_is_signed_verifies(url in testing::urls(), token in ".{1,40}", ttl in proptest::option::of(1_u64..1_000_000)) {
        let key = Key::new(token.as_bytes()).unwrap();
        let expires = ttl.map(|ttl| NOW + ttl);
        let signed = sign(&key, &url, expires);
        prop_assert_eq!(verify(&key, &signed, NOW).unwrap().expires, expires);
        if let Some(expires) = expires {
            prop_assert_eq!(verify(&key, &signed, expires), Err(Refusal::Expired));
        }
        let other = Key::new(format!("{token}!").as_bytes()).unwrap();
        prop_assert_eq!(verify(&other, &signed, NOW), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn a_change_of_one_byte_does_not_verify(url in testing::urls(), at: prop::sample::Index, to in 0_u8..128) {
        assert_changed_is_invalid(&key(), &sign(&key(), &url, Some(NOW + 60)), at, to);
    }

    #[test]
    fn any_text_gets_an_answer(target in any_target(), url in r"\PC*|https?://[ -~é]{0,40}", now: u64) {
        prop_assert!(verify(&key(), &target, now).is_err());
        if let Ok(signed) = key().sign(&POLICY, &Wanted::plain(&url, None)) {
            prop_assert!(verify(&key(), testing::target(&signed.url), now).is_ok());
        }
    }
}
