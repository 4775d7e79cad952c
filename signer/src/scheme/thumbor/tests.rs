use super::{
    super::testing::{self, NOW, POLICY, any_target, assert_changed_is_invalid, sign, verify},
    *,
};
use proptest::prelude::*;

fn key() -> Key {
    Key::new(b"my-security-key").unwrap()
}

#[test]
fn keys() {
    assert_eq!(Key::new(b"").err().unwrap().to_string(), "expected a key, found nothing");
    assert!(key().is_legacy());
}

#[test]
fn pitfall_07_the_query_is_not_signed_and_never_authenticated() {
    let signed = sign(&key(), "https://h/300x200/i.jpg", None);
    let verified = verify(&key(), &format!("{signed}?w=1"), NOW).unwrap();
    assert_eq!(verified.authenticated_target, "/300x200/i.jpg");
    let refused = key().sign(&POLICY, &Wanted::plain("https://h/300x200/i.jpg?v=1", None));
    assert_eq!(refused, Err(SignError::Invalid("has a query, which this scheme does not sign")));
}

#[test]
fn a_signature_has_one_spelling() {
    let signed = sign(&key(), "https://h/300x200/my.server.com/some/path/to/image.jpg", None);
    assert!(signed.starts_with("/8ammJH8D-7tXy6kU3lTvoXlhu4o=/300x200/"));
    for (from, to) in
        [("4o=/", "4o%3D/"), ("4o=/", "4o/"), ("4o=/", "4p=/"), ("D-7", "D+7"), ("4o=/", "4o==/")]
    {
        let other = signed.replacen(from, to, 1);
        assert_eq!(verify(&key(), &other, NOW), Err(Refusal::SignatureMalformed), "{other}");
    }
    assert_eq!(verify(&key(), "/unsafe/300x200/i.jpg", NOW), Err(Refusal::SignatureMalformed));
}

#[test]
fn the_slash_after_the_signature_is_there_once() {
    let signed = sign(&key(), "https://h/a", None);
    let doubled = signed.replacen("=/", "=//", 1);
    assert_eq!(verify(&key(), &doubled, NOW), Err(Refusal::SignatureMismatch));
    let none = signed.replacen("=/", "=", 1);
    assert_eq!(verify(&key(), &none, NOW), Err(Refusal::SignatureMissing));
}

proptest! {
    #[test]
    fn what_is_signed_verifies(url in testing::paths(), secret in ".{1,80}") {
        let key = Key::new(secret.as_bytes()).unwrap();
        let signed = sign(&key, &url, None);
        let verified = verify(&key, &signed, u64::MAX).unwrap();
        prop_assert_eq!((verified.expires, verified.authenticated_target.as_str()), (None, testing::target(&url)));
        let other = Key::new(format!("{secret}!").as_bytes()).unwrap();
        let both = Key::verify([&other, &key], &POLICY, &Presented::target(&signed, NOW));
        prop_assert_eq!(both.unwrap().key, 1);
    }

    #[test]
    fn a_change_of_one_byte_does_not_verify(url in testing::paths(), at: prop::sample::Index, to in 0_u8..128) {
        assert_changed_is_invalid(&key(), &sign(&key(), &url, None), at, to);
    }

    #[test]
    fn any_text_gets_an_answer(target in any_target(), url in r"\PC*|https?://[ -~é]{0,40}", now: u64) {
        prop_assert!(verify(&key(), &target, now).is_err());
        if let Ok(signed) = key().sign(&POLICY, &Wanted::plain(&url, None)) {
            prop_assert!(verify(&key(), testing::target(&signed.url), now).is_ok());
        }
    }
}
