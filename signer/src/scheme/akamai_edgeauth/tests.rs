use std::slice;

use proptest::prelude::*;

use super::{
    super::{
        testing::{NOW, POLICY, any_target, target, urls},
        url::Carrier,
    },
    *,
};

const SECRET: &[u8] = b"52a152a152a152a152a152a152a1";
const END: Option<u64> = Some(NOW + 60);

fn key(settings: Settings<'_>) -> Key {
    Key::new(SECRET, &settings).unwrap()
}

fn plain() -> Key {
    key(Settings::default())
}

fn verify(key: &Key, target: &str, cookies: &str) -> Result<Verified, Refusal> {
    Key::verify([key], &POLICY, &Presented { cookies, ..Presented::target(target, NOW) })
}

/// A token over any fields.
fn forge(key: &Key, fields: &str, url: Option<&str>) -> String {
    format!("__token__={fields}~hmac={}", edge_token::mac(&key.0, fields, url).hex())
}

fn cookies(signed: &Signed) -> String {
    signed.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[test]
fn keys_are_taken_or_refused() {
    for (secret, settings) in [
        (&b""[..], Settings::default()),
        (b"52a", Settings::default()),
        (b"secret", Settings::default()),
        (SECRET, Settings { name: "", ..Settings::default() }),
        (SECRET, Settings { name: "a=b", ..Settings::default() }),
        (SECRET, Settings { salt: Some(""), ..Settings::default() }),
    ] {
        let error = Key::new(secret, &settings).err().unwrap();
        assert!(error.to_string().starts_with("expected "), "{error}");
    }
    for (algorithm, legacy) in [(Algorithm::Sha256, false), (Algorithm::Sha1, true), (Algorithm::Md5, true)] {
        assert_eq!(key(Settings { algorithm, ..Settings::default() }).is_legacy(), legacy);
    }
}

#[test]
fn all_fields_in_all_settings_verify() {
    let wanted = Wanted {
        starts: Some(NOW),
        client: "192.0.2.7"
            .parse::<std::net::Ipv4Addr>()
            .ok()
            .map(|ip| ipnet::IpNet::from(std::net::IpAddr::V4(ip))),
        scope: &["/x", "/a/*"],
        extra: &[("data", "p=1"), ("id", "s-1")],
        ..Wanted::plain("https://example.com/a/b?c=d", END)
    };
    for algorithm in [Algorithm::Sha256, Algorithm::Sha1, Algorithm::Md5] {
        for escape_early in [false, true] {
            for salt in [None, Some("pepper")] {
                let key = key(Settings { name: "hdnts", algorithm, salt, escape_early });
                for carrier in [Carrier::Url, Carrier::Cookies] {
                    for scope in [wanted.scope, &[]] {
                        let signed = key.sign(&POLICY, &Wanted { carrier, scope, ..wanted }).unwrap();
                        let cookies = cookies(&signed);
                        let presented = Presented {
                            client: "::ffff:192.0.2.7".parse().ok(),
                            cookies: &cookies,
                            ..Presented::target(target(&signed.url), NOW)
                        };
                        let at = |now| Key::verify([&key], &POLICY, &Presented { now, ..presented });
                        assert_eq!(at(NOW).unwrap().authenticated_target, "/a/b?c=d");
                        assert_eq!(at(NOW + 59).unwrap().expires, END);
                        assert_eq!(at(NOW + 60), Err(Refusal::Expired));
                        assert_eq!(at(NOW - 1), Err(Refusal::NotYetValid));
                        let other = Presented { client: "192.0.2.8".parse().ok(), ..presented };
                        assert_eq!(Key::verify([&key], &POLICY, &other), Err(Refusal::ClientMismatch));
                    }
                }
            }
        }
    }
}

#[test]
fn what_would_not_verify_is_not_signed() {
    let plain = Wanted::plain("https://example.com/p", END);
    let unsupported = SignError::Unsupported;
    let reserved = SignError::Invalid("already has a token, or a dot segment, or is too long");
    for (wanted, error) in [
        (Wanted { url: "https://example.com/p?__token__=x".into(), ..plain }, reserved),
        (Wanted { url: "https://example.com/p?__tok%65n__=x".into(), ..plain }, reserved),
        (Wanted { expires: Some(1_000_000_000_000), ..plain }, SignError::Invalid("would not verify")),
        (Wanted { expires: None, ..plain }, unsupported("expire_time", "this scheme always has one")),
        (Wanted { starts: END, ..plain }, unsupported("start_time", "is not before the expiry")),
        (
            Wanted { client: "192.0.2.0/24".parse().ok(), ..plain },
            unsupported("client_ip", "this scheme has one address, no range"),
        ),
        (Wanted { scope: &["/q/*"], ..plain }, unsupported("scope", "does not cover the URL")),
        (Wanted { extra: &[("ip", "1")], ..plain }, unsupported("extra", "this scheme does not have it")),
        (Wanted { extra: &[("id", "")], ..plain }, unsupported("extra", "is empty, or occurs twice")),
        (
            Wanted { extra: &[("id", "1"), ("id", "1")], ..plain },
            unsupported("extra", "is empty, or occurs twice"),
        ),
        (Wanted { extra: &[("id", "a&b")], ..plain }, SignError::Invalid("would not verify")),
        (
            Wanted { extra: &[("id", "a b")], ..plain },
            unsupported("carrier", "the token cannot stand in a URL as it is"),
        ),
        (
            Wanted { extra: &[("id", "a#b")], ..plain },
            unsupported("carrier", "the token cannot stand in a URL as it is"),
        ),
        (
            Wanted { extra: &[("id", "a;b")], carrier: Carrier::Cookies, ..plain },
            unsupported("carrier", "the token cannot stand in a cookie as it is"),
        ),
    ] {
        assert_eq!(self::plain().sign(&POLICY, &wanted), Err(error), "{wanted:?}");
    }
}

#[test]
fn the_order_of_the_checks() {
    let key = plain();
    let mac = "0".repeat(64);
    for (target, refusal) in [
        ("/a/../b?__token__=".to_owned(), Refusal::AmbiguousPath),
        ("/a".to_owned(), Refusal::SignatureMissing),
        ("/a?__token__=&__token__=".to_owned(), Refusal::DuplicateParameter),
        ("/a?__token__=exp=1".to_owned(), Refusal::SignatureMalformed),
        (format!("/a?__token__=exp=1~hmac={mac}"), Refusal::SignatureMismatch),
        (format!("/a?__token__=exp=x~hmac={mac}"), Refusal::SignatureMismatch),
        (format!("/a?__token__=exp=1~hmac={mac}0"), Refusal::SignatureMalformed),
        (format!("/a?__token__=exp=1~hmac={}", "A".repeat(64)), Refusal::SignatureMalformed),
        // p09: a MAC of another algorithm's length.
        (format!("/a?__token__=exp=1~hmac={}", "0".repeat(40)), Refusal::SignatureMalformed),
        (format!("/a?__token__=~hmac={mac}"), Refusal::SignatureMalformed),
        (format!("/a?__token__=hmac={mac}"), Refusal::SignatureMalformed),
    ] {
        assert_eq!(verify(&key, &target, ""), Err(refusal), "{target}");
    }
    for (fields, refusal) in [
        ("st=1", Refusal::ExpiryMissing),
        ("exp=01700000001", Refusal::ExpiryMalformed),
        ("exp=1e10", Refusal::ExpiryMalformed),
        ("exp=1", Refusal::Expired),
        ("st=x~exp=1700000001", Refusal::SignatureMalformed),
        ("st=1700000001~exp=1700000002", Refusal::NotYetValid),
        ("ip=192.0.2.1~exp=1700000001", Refusal::ClientMismatch),
        ("ip=192.0.2.01~exp=1700000001", Refusal::SignatureMalformed),
        ("ip=192.0.2.0/24~exp=1700000001", Refusal::SignatureMalformed),
        ("exp=1700000001~acl=/b", Refusal::ResourceMismatch),
        ("exp=1700000001~acl=/A", Refusal::ResourceMismatch),
    ] {
        let url = (!fields.contains("acl")).then_some("/a");
        assert_eq!(verify(&key, &format!("/a?{}", forge(&key, fields, url)), ""), Err(refusal), "{fields}");
    }
    let good = forge(&key, "exp=1700000001", Some("/a"));
    assert!(verify(&key, &format!("/a?{good}"), "").is_ok());
    assert!(verify(&key, "/a", &format!("x; {good}")).is_ok());
    assert_eq!(verify(&key, "/a?__token__", &good), Err(Refusal::SignatureMalformed));
}

#[test]
fn pitfall_12_separators_in_values_are_refused() {
    let key = plain();
    let wanted = Wanted::plain("https://example.com/a~exp=9999999999", END);
    let field = SignError::Unsupported("scope", "has a `~`, which separates the token's fields");
    let pattern =
        SignError::Unsupported("scope", "a pattern is not empty and has no `!`, which separates patterns");
    for early in [false, true] {
        let key = self::key(Settings { escape_early: early, ..Settings::default() });
        for (scope, error) in [("/a~exp=9999999999", field), ("/a!/*", pattern), ("", pattern)] {
            assert_eq!(key.sign(&POLICY, &Wanted { scope: &[scope], ..wanted }), Err(error), "{scope}");
        }
        for extra in [("id", "a~exp=9999999999"), ("data", "~acl=/*")] {
            let error = SignError::Unsupported("extra", "has a `~`, which separates the token's fields");
            assert_eq!(key.sign(&POLICY, &Wanted { extra: &[extra], ..wanted }), Err(error), "{extra:?}");
        }
    }
    // In the URL it separates nothing: the URL comes last, and a token has no such field.
    let signed = key.sign(&POLICY, &wanted).unwrap();
    assert_eq!(verify(&key, target(&signed.url), "").unwrap().expires, END);
    // Other signers may not be as careful; the MACs are good.
    for fields in [
        "exp=1700000001~acl=/a~exp=9999999999",
        "exp=1~acl=/b~id=x~acl=/*",
        "exp=1700000001~acl=/b~data=x~url=/a",
        "acl=/a~exp=1700000001",
        "exp=1700000001~acl=/a~",
        "exp=1700000001~~acl=/a",
        "exp=1700000001~acl=/a~x=1",
        "exp=1700000001~acl=",
        "exp=1700000001~acl=/a~data",
        "exp=1700000001~acl=/a~salt=x",
        "exp=1700000001~acl=/a~hmac=00",
    ] {
        let token = forge(&key, fields, None);
        assert_eq!(verify(&key, &format!("/a?{token}"), ""), Err(Refusal::SignatureMalformed), "{fields}");
    }
}

#[test]
fn pitfall_07_the_query_is_signed_with_a_url_and_not_with_an_acl() {
    let key = plain();
    let wanted = Wanted::plain("https://example.com/a/b?c=d", END);
    for (scope, open) in [(&[][..], false), (&["/a/*"], true)] {
        let signed = key.sign(&POLICY, &Wanted { scope, ..wanted }).unwrap();
        let (_, token) = signed.url.split_once("__token__=").unwrap();
        for asked in ["/a/b?c=e", "/a/b?c=d&x", "/a/c"] {
            let sent = format!("{asked}{}__token__={token}", if asked.contains('?') { '&' } else { '?' });
            assert_eq!(verify(&key, &sent, "").is_ok(), open, "{sent}");
        }
        assert!(verify(&key, &format!("/b?__token__={token}"), "").is_err());
    }
}

#[test]
fn the_key_that_signed_is_told() {
    let keys = [
        plain(),
        Key::new(b"00", &Settings::default()).unwrap(),
        key(Settings { salt: Some("x"), ..Settings::default() }),
    ];
    for (index, signer) in keys.iter().enumerate() {
        let signed = signer.sign(&POLICY, &Wanted::plain("https://example.com/a", END)).unwrap();
        let presented = Presented::target(target(&signed.url), NOW);
        assert_eq!(Key::verify(&keys, &POLICY, &presented).unwrap().key, index);
        let none: &[Key] = &[];
        assert_eq!(Key::verify(none, &POLICY, &presented), Err(Refusal::SignatureMismatch));
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies(url in urls(), early: bool, id in "[a-z ~!%&+é]{1,6}", carrier in prop_oneof![Just(Carrier::Url), Just(Carrier::Cookies)]) {
        let key = key(Settings { escape_early: early, ..Settings::default() });
        for (scope, extra) in [(&[][..], &[][..]), (&["/*"], &[]), (&[], &[("id", &*id)])] {
            let signed = match key.sign(&POLICY, &Wanted { carrier, scope, extra, ..Wanted::plain(&url, END) }) {
                Ok(signed) => signed,
                Err(_) => { prop_assert!(!extra.is_empty()); continue }
            };
            let verified = verify(&key, target(&signed.url), &cookies(&signed)).unwrap();
            prop_assert_eq!(verified.expires, END);
            prop_assert_eq!(verified.authenticated_target, target(&url));
        }
    }

    #[test]
    fn a_change_of_one_byte_does_not_verify(url in urls(), at: prop::sample::Index, to in proptest::char::range('\0', '\u{7f}')) {
        let key = plain();
        let change = |text: &str| {
            let at = at.index(text.len());
            let mut changed = text.to_owned();
            changed.replace_range(at..=at, to.encode_utf8(&mut [0; 4]));
            (changed != text).then_some(changed)
        };
        let signed = key.sign(&POLICY, &Wanted::plain(&url, END)).unwrap();
        if let Some(changed) = change(target(&signed.url)) {
            prop_assert!(verify(&key, &changed, "").is_err(), "{}", changed);
        }
        let signed = key.sign(&POLICY, &Wanted { carrier: Carrier::Cookies, scope: &["/*"], ..Wanted::plain(&url, END) }).unwrap();
        if let Some(changed) = change(&cookies(&signed)) {
            prop_assert!(verify(&key, target(&url), &changed).is_err(), "{}", changed);
        }
    }

    #[test]
    fn any_text_gets_an_answer_and_none_is_valid(target in any_target(), cookies in r"\PC*|__token__=(ip|st|exp|acl|id|[~=/*!0-9a-f]){0,20}(~hmac=[0-9a-f]{64})?", now: u64) {
        let key = plain();
        let presented = Presented { cookies: &cookies, ..Presented::target(&target, now) };
        prop_assert!(Key::verify(slice::from_ref(&key), &POLICY, &presented).is_err());
    }

    #[test]
    fn any_text_can_be_given_to_sign(url in r"\PC*|https?://[ -~é]{0,40}", scope in r"\PC*|/[ -~]{0,9}", id in r"\PC*", early: bool) {
        let key = key(Settings { escape_early: early, ..Settings::default() });
        for carrier in [Carrier::Url, Carrier::Cookies] {
            drop(key.sign(&POLICY, &Wanted { carrier, scope: &[&scope], extra: &[("id", &id)], ..Wanted::plain(&url, END) }));
        }
    }
}
