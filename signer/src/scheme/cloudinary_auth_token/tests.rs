use proptest::prelude::*;

use super::{
    super::{
        testing::{NOW, POLICY, any_target, target, urls},
        url::Carrier,
    },
    *,
};

const END: Option<u64> = Some(NOW + 60);

fn key() -> Key {
    Key::new(b"00112233FF99", DEFAULT_NAME).unwrap()
}

fn verify(key: &Key, target: &str, cookies: &str) -> Result<Verified, Refusal> {
    Key::verify([key], &POLICY, &Presented { cookies, ..Presented::target(target, NOW) })
}

/// A token over any fields.
fn forge(fields: &str, url: Option<&str>) -> String {
    format!("__cld_token__={fields}~hmac={}", edge_token::mac(&key().0, fields, url).hex())
}

#[test]
fn keys_are_taken_or_refused() {
    assert!(!key().is_legacy());
    for (secret, name) in [(&b"0"[..], "t"), (b"", "t"), (b"0g", "t"), (b"00", ""), (b"00", "t t")] {
        assert!(Key::new(secret, name).is_err());
    }
}

#[test]
fn pitfall_12_separators_are_escaped_or_refused() {
    let key = key();
    let plain = Wanted::plain("https://example.com/a~exp=9999999999", END);
    let signed = key.sign(&POLICY, &Wanted { scope: &["/a~exp=9999999999"], ..plain }).unwrap();
    assert!(signed.url.contains("~acl=%2fa%7eexp%3d9999999999~hmac="));
    assert_eq!(verify(&key, target(&signed.url), "").unwrap().expires, END);
    let refused = key.sign(&POLICY, &Wanted { scope: &["/a!/*"], ..plain });
    assert!(matches!(refused, Err(SignError::Unsupported("scope", _))));
    for extra in [("id", "1"), ("data", "1")] {
        let refused = key.sign(&POLICY, &Wanted { extra: &[extra], ..plain });
        assert_eq!(refused, Err(SignError::Unsupported("extra", "this scheme does not have it")));
    }
    for fields in [
        "exp=1700000001~acl=/a",
        "exp=1700000001~acl=%2Fa",
        "exp=1700000001~acl=%2fa~id=1",
        "exp=1700000001~acl=%2fb~acl=%2fa",
        "exp=1700000001~acl=%2fa%21%2fb",
    ] {
        let sent = format!("/a?{}", forge(fields, None));
        assert_eq!(verify(&key, &sent, ""), Err(Refusal::SignatureMalformed), "{fields}");
    }
}

#[test]
fn a_token_is_for_the_path_or_for_the_url() {
    let key = key();
    let path = forge("exp=1700000001", Some("/a"));
    let url = forge("exp=1700000001", Some("https://example.com/a"));
    for (token, origin, valid) in [
        (&path, None, true),
        (&path, Some("https://example.org"), true),
        (&url, Some("https://example.com"), true),
        (&url, Some("https://example.org"), false),
        (&url, None, false),
    ] {
        let sent = format!("/a?{token}");
        let presented = Presented { origin, ..Presented::target(&sent, NOW) };
        assert_eq!(Key::verify([&key], &POLICY, &presented).is_ok(), valid, "{token} {origin:?}");
        assert!(verify(&key, &format!("/b?{token}"), "").is_err());
        assert!(verify(&key, &format!("/a?x&{token}"), "").is_err());
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies(url in urls(), carrier in prop_oneof![Just(Carrier::Url), Just(Carrier::Cookies)]) {
        let key = key();
        for scope in [&[][..], &["/x", "/*"]] {
            let signed = key.sign(&POLICY, &Wanted { carrier, scope, ..Wanted::plain(&url, END) }).unwrap();
            let cookies: String = signed.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let verified = verify(&key, target(&signed.url), &cookies).unwrap();
            prop_assert_eq!(verified.expires, END);
            prop_assert_eq!(verified.authenticated_target, target(&url));
        }
    }

    #[test]
    fn a_change_of_one_byte_does_not_verify(url in urls(), at: prop::sample::Index, to in 0_u8..128) {
        let key = key();
        let signed = key.sign(&POLICY, &Wanted::plain(&url, END)).unwrap();
        let mut changed = target(&signed.url).as_bytes().to_vec();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != to);
        changed[at] = to;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(verify(&key, &changed, "").is_err(), "{}", changed);
    }

    #[test]
    fn any_text_gets_an_answer_and_none_is_valid(target in any_target(), cookies in r"\PC*|__cld_token__=(ip|st|exp|acl|[~=%!0-9a-f]){0,20}(~hmac=[0-9a-f]{64})?") {
        prop_assert!(verify(&key(), &target, &cookies).is_err());
    }

    #[test]
    fn any_text_can_be_given_to_sign(url in r"\PC*|https?://[ -~é]{0,40}", scope in r"\PC*|/[ -~]{0,9}") {
        for carrier in [Carrier::Url, Carrier::Cookies] {
            drop(key().sign(&POLICY, &Wanted { carrier, scope: &[&scope], ..Wanted::plain(&url, END) }));
        }
    }
}
