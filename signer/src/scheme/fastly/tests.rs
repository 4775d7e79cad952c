use super::{
    super::testing::{self, NOW, POLICY, any_target, assert_changed_is_invalid, sign, verify},
    *,
};
use proptest::prelude::*;

fn key() -> Key {
    Key::new(b"aXFGUGVOMnUrWjBMbTVJcnNLYU9GS1Jx").unwrap()
}

#[test]
fn keys() {
    assert_eq!(
        Key::new(b"no base64").err().unwrap().to_string(),
        "expected base64 of the standard alphabet, with padding"
    );
    assert!(Key::new(b"").is_err());
    assert!(key().is_legacy());
}

#[test]
fn what_would_not_verify_is_not_signed() {
    for expires in [None, Some(0), Some(999_999_999), Some(10_000_000_000), Some(u64::MAX)] {
        assert_eq!(
            key().sign(&POLICY, &Wanted::plain("https://h/p", expires)),
            Err(SignError::Unsupported("expire_time", "a token needs one between 2001 and 2286")),
        );
    }
    for url in ["https://h/p?token=1", "https://h/p?a&t%6Fken"] {
        assert_eq!(key().sign(&POLICY, &Wanted::plain(url, Some(NOW))), Err(SignError::Reserved("token")));
    }
}

#[test]
fn pitfall_04_the_time_is_looked_at_after_the_mac() {
    let signed = sign(&key(), "https://h/p?a=1", Some(NOW));
    assert_eq!(verify(&key(), &signed, NOW), Err(Refusal::Expired));
    let verified = verify(&key(), &signed, NOW - 1).unwrap();
    assert_eq!((verified.expires, verified.authenticated_target.as_str()), (Some(NOW), "/p?a=1"));
    assert_eq!(verify(&key(), &signed.replace("a=1", "a=2"), NOW), Err(Refusal::SignatureMismatch));
    let skewed = Policy { clock_skew: 5, ..POLICY };
    assert!(Key::verify([&key()], &skewed, &Presented::target(&signed, NOW + 4)).is_ok());
    assert!(Key::verify([&key()], &skewed, &Presented::target(&signed, NOW + 5)).is_err());
}

#[test]
fn pitfall_11_digits_cannot_move_between_the_path_and_the_expiry() {
    let mac = key().mac("/img/1", "1700000000").hex();
    assert_eq!(mac, key().mac("/img/", "11700000000").hex());
    assert_eq!(mac, key().mac("/img/11", "700000000").hex());
    assert!(verify(&key(), &format!("/img/1?token=1700000000_{mac}"), NOW - 1).is_ok());
    for target in ["/img/?token=11700000000_", "/img/11?token=700000000_"] {
        assert_eq!(
            verify(&key(), &format!("{target}{mac}"), 0),
            Err(Refusal::SignatureMalformed),
            "{target}"
        );
    }
}

#[test]
fn a_token_has_one_spelling() {
    let signed = sign(&key(), "https://h/p", Some(NOW));
    for (from, to) in
        [("_", "_0"), ("_", "%5F"), ("=1", "=+1"), ("_", ""), ("token", "t%6Fken"), ("=1", "=01")]
    {
        let other = signed.replacen(from, to, 1);
        assert_eq!(verify(&key(), &other, 0), Err(Refusal::SignatureMalformed), "{other}");
    }
    assert_eq!(verify(&key(), &format!("{signed}&token=1"), 0), Err(Refusal::DuplicateParameter));
}

proptest! {
    #[test]
    fn what_is_signed_verifies(url in testing::urls(), ttl in 1_u64..1_000_000) {
        let signed = sign(&key(), &url, Some(NOW + ttl));
        prop_assert_eq!(verify(&key(), &signed, NOW).unwrap().expires, Some(NOW + ttl));
        let other = Key::new(b"AAAA").unwrap();
        prop_assert_eq!(verify(&other, &signed, NOW), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn a_change_of_one_byte_does_not_verify(url in testing::urls(), at: prop::sample::Index, to in 0_u8..128) {
        assert_changed_is_invalid(&key(), &sign(&key(), &url, Some(NOW + 60)), at, to);
    }

    #[test]
    fn any_text_gets_an_answer(target in any_target(), url in r"\PC*|https?://[ -~é]{0,40}", now: u64) {
        prop_assert!(verify(&key(), &target, now).is_err());
        if let Ok(signed) = key().sign(&POLICY, &Wanted::plain(&url, Some(NOW))) {
            prop_assert!(verify(&key(), testing::target(&signed.url), 0).is_ok());
        }
    }
}
