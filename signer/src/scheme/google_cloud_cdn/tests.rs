//! Tests of both Google schemes: they differ in the signature alone.

use proptest::prelude::*;

use super::{
    super::{
        google_media_cdn,
        testing::{NOW, POLICY, any_target, paths, target, urls},
        url::Carrier,
    },
    *,
};

const SECRET: &str = "nZtRohdNF9m3cKM24IcK4w==";
const SEED: &str = "BxwXXNjeGaoWqjr7GHEymRJkP4SaOC12dTGixk7Yr8I=";
const ORIGIN: &str = "https://example.com";

fn key() -> Key {
    Key::new(SECRET.as_bytes(), "my-key").unwrap()
}

fn media() -> google_media_cdn::Key {
    google_media_cdn::Key::new(SEED.as_bytes(), "my-key").unwrap()
}

fn verify<K: UrlScheme>(key: &K, target: &str, cookies: &str, now: u64) -> Result<Verified, Refusal> {
    K::verify([key], &POLICY, &Presented { cookies, origin: Some(ORIGIN), ..Presented::target(target, now) })
}

fn sign<K: UrlScheme>(key: &K, url: &str, scope: &[&str], carrier: Carrier) -> Result<Signed, SignError> {
    key.sign(&POLICY, &Wanted { scope, carrier, ..Wanted::plain(url, Some(NOW + 60)) })
}

fn cookie(signed: &Signed) -> String {
    signed.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// A target with a good signature over whatever is before it.
fn forge(key: &Key, before: &str) -> String {
    let signature = google_cdn::Key::signature(key, &format!("{ORIGIN}{before}"));
    format!("{before}&Signature={signature}")
}

#[test]
fn keys_are_taken_or_refused() {
    for good in [SECRET, "nZtRohdNF9m3cKM24IcK4w"] {
        assert!(Key::new(good.as_bytes(), "my-key").is_ok(), "{good}");
    }
    for (secret, name) in [
        ("", "my-key"),
        ("nZtRohdNF9m3cKM24IcK4w=", "my-key"),
        ("nZtRohdNF9m3cKM24IcK4x", "my-key"),
        ("nZtRohdNF9m3cKM24IcK", "my-key"),
        ("+/tRohdNF9m3cKM24IcK4w==", "my-key"),
        (SEED, "my-key"),
        (SECRET, ""),
        (SECRET, "1key"),
        (SECRET, "my&key"),
        (SECRET, "my:key"),
    ] {
        let error = Key::new(secret.as_bytes(), name).err().unwrap();
        assert!(!error.to_string().contains("nZtR"), "{secret} {name}");
    }
    assert!(google_media_cdn::Key::new(SECRET.as_bytes(), "my-key").is_err());
    assert!(key().is_legacy() && !media().is_legacy());
}

#[test]
fn what_would_not_verify_is_not_signed() {
    let key = key();
    let plain = Wanted::plain("https://example.com/p", Some(NOW));
    for (wanted, error) in [
        (Wanted { url: "https://example.com/p?KeyName=x".into(), ..plain }, SignError::Reserved("KeyName")),
        (Wanted { url: "https://example.com/p?%45xpires".into(), ..plain }, SignError::Reserved("Expires")),
        (Wanted { expires: Some(1_000_000_000_000), ..plain }, SignError::Invalid("would not verify")),
        (
            Wanted { expires: None, ..plain },
            SignError::Unsupported("expire_time", "this scheme always has one"),
        ),
        (
            Wanted { starts: Some(1), ..plain },
            SignError::Unsupported("start_time", "this scheme does not have it"),
        ),
        (
            Wanted { extra: &[("id", "1")], ..plain },
            SignError::Unsupported("extra", "this scheme does not have it"),
        ),
        (
            Wanted { client: "192.0.2.1/32".parse().ok(), ..plain },
            SignError::Unsupported("client_ip", "this scheme does not have it"),
        ),
        (
            Wanted { scope: &["https://example.com/q"], ..plain },
            SignError::Unsupported("scope", "does not cover the URL"),
        ),
        (
            Wanted { scope: &["https://example.com"], ..plain },
            SignError::Unsupported("scope", "does not cover the URL"),
        ),
        (
            Wanted { scope: &["https://example.com/p?"], ..plain },
            SignError::Unsupported("scope", "a URL prefix has no query and no fragment"),
        ),
        (
            Wanted { scope: &["a", "b"], ..plain },
            SignError::Unsupported("scope", "this scheme has one URL prefix"),
        ),
        (
            Wanted { carrier: Carrier::Cookies, ..plain },
            SignError::Unsupported("scope", "a cookie is for a URL prefix"),
        ),
    ] {
        assert_eq!(key.sign(&POLICY, &wanted), Err(error), "{wanted:?}");
    }
    let short = Policy { max_target_bytes: 20, ..POLICY };
    assert_eq!(key.sign(&short, &plain), Err(SignError::TooLong));
}

#[test]
fn the_order_of_the_checks() {
    let key = key();
    for (target, refusal) in [
        ("/a/../b?Expires=", Refusal::AmbiguousPath),
        ("/a", Refusal::SignatureMissing),
        ("/a?Expires=1&KeyName=my-key", Refusal::SignatureMissing),
        ("/a?Signature=&Signature=", Refusal::DuplicateParameter),
        ("/a?Signature=x", Refusal::SignatureMalformed),
        ("/a?KeyName=my-key&Expires=1&Signature=CRFqQnVfFyiUyR63OQf-HRUpIwc=", Refusal::SignatureMalformed),
        ("/a?Expires=1&KeyName=my-key&Signature=CRFqQnVfFyiUyR63OQf-HRUpIwc", Refusal::SignatureMalformed),
        ("/a?Expires=1&KeyName=my-key&Signature=CRFqQnVfFyiUyR63OQf-HRUpIwd=", Refusal::SignatureMalformed),
        ("/a?Expires=1&KeyName=my-key&Signature=CRFqQnVfFyiUyR63OQf-HRUpIwc=", Refusal::SignatureMismatch),
        ("/a?Expires=x&KeyName=my-key&Signature=CRFqQnVfFyiUyR63OQf-HRUpIwc=", Refusal::SignatureMismatch),
        (
            "/a?URLPrefix=a&Expires=1&KeyName=my-key&Signature=CRFqQnVfFyiUyR63OQf-HRUpIwc=",
            Refusal::SignatureMalformed,
        ),
    ] {
        assert_eq!(verify(&key, target, "", NOW), Err(refusal), "{target}");
    }
    for (before, refusal) in [
        ("/a?Expires=1&KeyName=my-key", Refusal::Expired),
        ("/a?Expires=01700000001&KeyName=my-key", Refusal::ExpiryMalformed),
        ("/a?Expires=+1700000001&KeyName=my-key", Refusal::ExpiryMalformed),
        ("/a?Expires=1700000001&KeyName=other", Refusal::SignatureMismatch),
    ] {
        assert_eq!(verify(&key, &forge(&key, before), "", NOW), Err(refusal), "{before}");
    }
    let good = forge(&key, "/a?Expires=1700000001&KeyName=my-key");
    assert!(verify(&key, &good, "", NOW).is_ok());
    assert_eq!(Key::verify([&key], &POLICY, &Presented::target(&good, NOW)), Err(Refusal::OriginMissing));
    assert_eq!(verify(&key, &format!("{good}&x"), "", NOW), Err(Refusal::SignatureMalformed));
}

#[test]
fn a_prefix_covers_what_begins_with_it() {
    let key = key();
    let signed = sign(&key, "https://example.com/a/b?c=d", &["https://example.com/a"], Carrier::Url).unwrap();
    let fields = signed.url.split_once("c=d&").unwrap().1;
    // p07: the query is not signed with a prefix.
    for asked in ["/a", "/abc", "/a/b?c=e", "/a?&x"] {
        let target = format!("{asked}{}{fields}", if asked.contains('?') { '&' } else { '?' });
        assert_eq!(verify(&key, &target, "", NOW).unwrap().authenticated_target, asked);
    }
    assert_eq!(verify(&key, &format!("/b?{fields}"), "", NOW), Err(Refusal::ResourceMismatch));
    assert_eq!(verify(&key, &format!("/a/../b?{fields}"), "", NOW), Err(Refusal::AmbiguousPath));
    let target = format!("/a?{fields}");
    let elsewhere = Presented { origin: Some("https://example.org"), ..Presented::target(&target, NOW) };
    assert_eq!(Key::verify([&key], &POLICY, &elsewhere), Err(Refusal::ResourceMismatch));
}

#[test]
fn a_signed_url_is_judged_without_the_cookies() {
    let key = key();
    let signed = sign(&key, "https://example.com/a", &["https://example.com/"], Carrier::Cookies).unwrap();
    let cookies = format!("x=y; {}; z", cookie(&signed));
    assert_eq!(verify(&key, "/a?b", &cookies, NOW).unwrap().authenticated_target, "/a?b");
    assert_eq!(verify(&key, "/a", &cookies, NOW + 60), Err(Refusal::Expired));
    assert_eq!(verify(&key, "/a?Signature=", &cookies, NOW), Err(Refusal::SignatureMalformed));
    assert_eq!(verify(&key, "/a", &format!("{cookies}; {cookies}"), NOW), Err(Refusal::DuplicateParameter));
    assert_eq!(
        verify(&key, "/a", &format!("{}:x=y", cookie(&signed)), NOW),
        Err(Refusal::SignatureMalformed)
    );
}

#[test]
fn pitfall_08_a_cookie_is_no_url_and_a_prefix_no_url() {
    let key = key();
    let signed = sign(&key, "https://example.com/a", &["https://example.com/"], Carrier::Cookies).unwrap();
    let fields = signed.cookies[0].1.replace(':', "&");
    assert_eq!(verify(&key, &format!("/a?{fields}"), "", NOW), Err(Refusal::SignatureMismatch));
    let without_prefix = &fields[fields.find("Expires").unwrap()..];
    assert_eq!(verify(&key, &format!("/a?{without_prefix}"), "", NOW), Err(Refusal::SignatureMismatch));
}

#[test]
fn the_key_that_signed_is_told() {
    let keys = [
        key(),
        Key::new(b"AAAAAAAAAAAAAAAAAAAAAA==", "my-key").unwrap(),
        Key::new(SECRET.as_bytes(), "b").unwrap(),
    ];
    for (index, signer) in keys.iter().enumerate() {
        let signed = sign(signer, "https://example.com/a", &[], Carrier::Url).unwrap();
        let presented = Presented { origin: Some(ORIGIN), ..Presented::target(target(&signed.url), NOW) };
        assert_eq!(Key::verify(&keys, &POLICY, &presented).unwrap().key, index);
    }
}

fn round_trip<K: UrlScheme>(key: &K, url: &str) -> Result<(), TestCaseError> {
    let host = &url[..url.len() - target(url).len()];
    let prefix = format!("{host}/");
    for (scope, carrier) in
        [(&[][..], Carrier::Url), (&[&*prefix], Carrier::Url), (&[&*prefix], Carrier::Cookies)]
    {
        let signed = sign(key, url, scope, carrier).unwrap();
        let cookies = cookie(&signed);
        let at = |now| {
            let presented = Presented {
                cookies: &cookies,
                origin: Some(host),
                ..Presented::target(target(&signed.url), now)
            };
            K::verify([key], &POLICY, &presented)
        };
        let verified = at(NOW + 59).unwrap();
        prop_assert_eq!(verified.expires, Some(NOW + 60));
        prop_assert_eq!(verified.authenticated_target, target(url));
        prop_assert_eq!(at(NOW + 60), Err(Refusal::Expired));
    }
    Ok(())
}

/// With any byte of the target (of a URL) or of the cookie changed, nothing verifies.
fn changed<K: UrlScheme>(key: &K, url: &str, at: prop::sample::Index, to: char) -> Result<(), TestCaseError> {
    let change = |text: &str| {
        let at = at.index(text.len());
        let mut changed = text.to_owned();
        changed.replace_range(at..=at, to.encode_utf8(&mut [0; 4]));
        (changed != text).then_some(changed)
    };
    let signed = sign(key, url, &[], Carrier::Url).unwrap();
    if let Some(target) = change(target(&signed.url)) {
        prop_assert!(verify(key, &target, "", NOW).is_err(), "{}", target);
    }
    let signed = sign(key, url, &["https://example.com/"], Carrier::Cookies).unwrap();
    if let Some(cookies) = change(&cookie(&signed)) {
        prop_assert!(verify(key, target(url), &cookies, NOW).is_err(), "{}", cookies);
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_signed_verifies(url in urls()) {
        round_trip(&key(), &url)?;
        round_trip(&media(), &url)?;
    }

    #[test]
    fn a_change_of_one_byte_does_not_verify(
        url in urls().prop_filter("one host", |url| url.starts_with("https://example.com/")),
        at: prop::sample::Index,
        to in proptest::char::range('\0', '\u{7f}'),
    ) {
        changed(&key(), &url, at, to)?;
        changed(&media(), &url, at, to)?;
    }

    #[test]
    fn another_key_does_not_verify(url in paths(), other: [u8; 16]) {
        let signed = sign(&key(), &url, &[], Carrier::Url).unwrap();
        let other = Key::new(base64::Engine::encode(&URL_SAFE, other).as_bytes(), "my-key").unwrap();
        let origin = &url[..url.len() - target(&url).len()];
        let presented = Presented { origin: Some(origin), ..Presented::target(target(&signed.url), NOW) };
        prop_assert_eq!(Key::verify([&other], &POLICY, &presented), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn any_text_gets_an_answer_and_none_is_valid(
        target in any_target(),
        cookies in r"\PC*|(Cloud-CDN|Edge-Cache)-Cookie=[A-Za-z=:0-9]{0,40}",
        now: u64,
    ) {
        prop_assert!(verify(&key(), &target, &cookies, now).is_err());
        prop_assert!(verify(&media(), &target, &cookies, now).is_err());
    }

    #[test]
    fn any_text_can_be_given_to_sign(url in r"\PC*|https?://[ -~é]{0,40}", scope in r"\PC*|https://[ -~]{0,9}") {
        for scope in [&[][..], &[&*scope]] {
            drop(sign(&key(), &url, scope, Carrier::Url));
            drop(sign(&key(), &url, scope, Carrier::Cookies));
        }
    }
}
