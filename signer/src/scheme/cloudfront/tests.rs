use std::sync::LazyLock;

use proptest::prelude::*;

use super::{
    super::{
        testing::{NOW, POLICY, any_target, target, urls},
        url::Carrier,
    },
    statement::Statement,
    *,
};

/// A key of the vectors; fake, as all of them.
const RSA: &str = include_str!("tests/rsa.pem");

/// Made for these tests with `openssl ecparam -name prime256v1 -genkey`.
const ECDSA: &str = include_str!("tests/ecdsa.pem");

const ORIGIN: &str = "https://example.com";
const ID: &str = "K2JCJMDEHXQW5F";
const END: Option<u64> = Some(NOW + 60);

/// One of each algorithm.
static KEYS: LazyLock<[Key; 3]> = LazyLock::new(|| {
    let new = |pem: &str, algorithm| Key::new(pem.as_bytes(), ID, algorithm).unwrap();
    [new(RSA, Algorithm::RsaSha256), new(RSA, Algorithm::RsaSha1), new(ECDSA, Algorithm::EcdsaSha256)]
});

fn presented<'p>(target: &'p str, cookies: &'p str) -> Presented<'p> {
    Presented { cookies, origin: Some(ORIGIN), ..Presented::target(target, NOW) }
}

fn verify(key: &Key, target: &str, cookies: &str) -> Result<Verified, Refusal> {
    Key::verify([key], &POLICY, &presented(target, cookies))
}

fn cookies(signed: &Signed) -> String {
    signed.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

/// A target with a good signature over any policy.
fn forge(key: &Key, asked: &str, policy: &str) -> String {
    let signature = encode(&key.signature(policy.as_bytes()).unwrap());
    let hash = key.hash().map_or_else(String::new, |hash| format!("&Hash-Algorithm={hash}"));
    format!("{asked}?Policy={}&Key-Pair-Id={ID}&Signature={signature}{hash}", encode(policy.as_bytes()))
}

#[test]
fn keys_are_taken_or_refused() {
    for (pem, id, algorithm) in [
        (RSA, "", Algorithm::RsaSha1),
        (RSA, "K&x", Algorithm::RsaSha1),
        ("", ID, Algorithm::RsaSha1),
        ("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", ID, Algorithm::RsaSha256),
        (RSA, ID, Algorithm::EcdsaSha256),
        (ECDSA, ID, Algorithm::RsaSha1),
        (ECDSA, ID, Algorithm::RsaSha256),
    ] {
        let error = Key::new(pem.as_bytes(), id, algorithm).err().unwrap();
        assert!(error.to_string().starts_with("expected "), "{error}");
    }
    assert!(KEYS.iter().map(Key::is_legacy).eq([false, true, false]));
    assert_eq!(KEYS[0].public_key(), KEYS[1].public_key());
    for key in &*KEYS {
        let pem = key.public_key();
        assert!(
            pem.starts_with("-----BEGIN PUBLIC KEY-----\nM") && pem.ends_with("\n-----END PUBLIC KEY-----\n")
        );
    }
}

#[test]
fn all_forms_verify_in_their_window() {
    let url = "https://example.com/a/b.jpg?c=d";
    for key in &*KEYS {
        for carrier in [Carrier::Url, Carrier::Cookies] {
            for wanted in [
                Wanted::plain(url, END),
                Wanted { starts: Some(NOW), ..Wanted::plain(url, END) },
                Wanted { client: "192.0.2.0/24".parse().ok(), ..Wanted::plain(url, END) },
                Wanted { scope: &["http*://example.com/a/*"], ..Wanted::plain(url, END) },
            ] {
                let signed = key.sign(&POLICY, &Wanted { carrier, ..wanted }).unwrap();
                let cookies = cookies(&signed);
                let presented = Presented {
                    client: "192.0.2.7".parse().ok(),
                    ..presented(target(&signed.url), &cookies)
                };
                let at = |now| Key::verify([key], &POLICY, &Presented { now, ..presented });
                assert_eq!(at(NOW).unwrap().expires, END);
                assert_eq!(at(NOW + 59).unwrap().authenticated_target, "/a/b.jpg?c=d");
                assert_eq!(at(NOW + 60), Err(Refusal::Expired));
                assert_eq!(at(NOW - 1).err(), wanted.starts.map(|_| Refusal::NotYetValid));
                let elsewhere = Presented { client: "192.0.3.7".parse().ok(), ..presented };
                let refusal = wanted.client.map(|_| Refusal::ClientMismatch);
                assert_eq!(Key::verify([key], &POLICY, &elsewhere).err(), refusal);
                let nowhere = Presented { origin: None, ..presented };
                assert_eq!(Key::verify([key], &POLICY, &nowhere), Err(Refusal::OriginMissing));
            }
        }
    }
}

#[test]
fn what_would_not_verify_is_not_signed() {
    let plain = Wanted::plain("https://example.com/p", END);
    let unsupported = SignError::Unsupported;
    for (wanted, error) in [
        (Wanted { url: "https://example.com/p?Policy=x".into(), ..plain }, SignError::Reserved("Policy")),
        (
            Wanted { url: "https://example.com/*".into(), ..plain },
            SignError::Invalid("has a `*`, which could be read as a pattern: write %2A"),
        ),
        (Wanted { expires: Some(1_000_000_000_000), ..plain }, SignError::Invalid("would not verify")),
        (Wanted { expires: None, ..plain }, unsupported("expire_time", "this scheme always has one")),
        (Wanted { starts: END, ..plain }, unsupported("start_time", "is not before the expiry")),
        (Wanted { extra: &[("id", "1")], ..plain }, unsupported("extra", "this scheme does not have it")),
        (
            Wanted { client: "2001:db8::/32".parse().ok(), ..plain },
            unsupported("client_ip", "CloudFront's policies know IPv4 only"),
        ),
        (
            Wanted { scope: &["https://example.com/q*"], ..plain },
            unsupported("scope", "does not cover the URL"),
        ),
        (
            // Without `*` a policy is of one URL.
            Wanted { scope: &["https://example.com/?"], ..plain },
            unsupported("scope", "does not cover the URL"),
        ),
        (Wanted { scope: &["*", "*"], ..plain }, unsupported("scope", "this scheme has one pattern")),
    ] {
        assert_eq!(KEYS[0].sign(&POLICY, &wanted), Err(error), "{wanted:?}");
    }
}

#[test]
fn the_order_of_the_checks() {
    let key = &KEYS[2];
    for (target, refusal) in [
        ("/a/../b?Policy=", Refusal::AmbiguousPath),
        ("/a", Refusal::SignatureMissing),
        ("/a?Expires=1&Key-Pair-Id=K", Refusal::SignatureMissing),
        ("/a?Signature=&Signature=", Refusal::DuplicateParameter),
        ("/a?Signature=AA%3D%3D&Key-Pair-Id=K&Expires=1", Refusal::SignatureMalformed),
        ("/a?Signature=AA==&Key-Pair-Id=K&Expires=1", Refusal::SignatureMalformed),
        ("/a?Signature=AB__&Key-Pair-Id=K&Expires=1", Refusal::SignatureMalformed),
        ("/a?Signature=AA__&Expires=1", Refusal::SignatureMalformed),
        ("/a?Signature=AA__&Key-Pair-Id=K", Refusal::SignatureMalformed),
        ("/a?Signature=AA__&Key-Pair-Id=K&Expires=1&Policy=AA__", Refusal::SignatureMalformed),
        ("/a?Signature=AA__&Key-Pair-Id=K&Expires=01", Refusal::SignatureMalformed),
        ("/a?Signature=AA__&Key-Pair-Id=K&Expires=1", Refusal::SignatureMismatch),
        ("/a?Signature=AA__&Key-Pair-Id=K&Policy=AA__", Refusal::SignatureMismatch),
    ] {
        assert_eq!(verify(key, target, ""), Err(refusal), "{target}");
    }
}

#[test]
fn only_known_policies_are_read_once_they_are_authentic() {
    let key = &KEYS[2];
    let statement = |condition: &str| {
        format!(r#"{{"Statement":[{{"Resource":"https://example.com/*","Condition":{{{condition}}}}}]}}"#)
    };
    let time = r#""DateLessThan":{"AWS:EpochTime":1700000060}"#;
    for good in [
        statement(time),
        statement(&format!(r#""IpAddress": {{"AWS:SourceIp":"0.0.0.0/0"}}, {time}"#)),
        statement(&format!(r#"{time},"IpAddress":{{"AWS:SourceIp":"192.0.2.7"}}"#)),
        statement(time).replace("https://example.com/", "https:\\/\\/example.com/"),
    ] {
        let target = forge(key, "/a", &good);
        let presented = Presented { client: "192.0.2.7".parse().ok(), ..presented(&target, "") };
        assert_eq!(
            Key::verify([key], &POLICY, &presented).map(|verified| verified.expires),
            Ok(END),
            "{good}"
        );
    }
    for bad in [
        String::new(),
        "{}".to_owned(),
        statement(""),
        statement(&format!("{time},{time}")),
        statement(&format!(r#"{time},"DateLessThen":{{"AWS:EpochTime":1}}"#)),
        statement(&time.replace("1700000060", "1700000060.5")),
        statement(&time.replace("1700000060", "\"1700000060\"")),
        statement(&time.replace("1700000060", "-1")),
        statement(&format!(r#"{time},"IpAddress":{{"AWS:SourceIp":"2001:db8::/32"}}"#)),
        statement(&format!(r#"{time},"IpAddress":{{"AWS:SourceIp":"*"}}"#)),
        format!("{} x", statement(time)),
        statement(time).replace("]}", r#",{"Resource":"*","Condition":{}}]}"#),
    ] {
        assert_eq!(verify(key, &forge(key, "/a", &bad), ""), Err(Refusal::SignatureMalformed), "{bad}");
    }
    let other = statement(time).replace("/*", "/b*");
    assert_eq!(verify(key, &forge(key, "/a", &other), ""), Err(Refusal::ResourceMismatch));
}

#[test]
fn pitfall_07_the_parameters_may_stand_anywhere_and_all_others_are_signed() {
    let key = &KEYS[0];
    let signed = key.sign(&POLICY, &Wanted::plain("https://example.com/a?b=c", END)).unwrap();
    let (asked, reserved) = signed.url[ORIGIN.len()..].split_once("&Expires").unwrap();
    let mut pairs: Vec<_> = reserved.split('&').collect();
    pairs[0] = "Expires=1700000060";
    pairs.reverse();
    let reordered = format!("/a?{}&b=c", pairs.join("&"));
    assert_eq!(verify(key, &reordered, "").unwrap().authenticated_target, asked);
    for changed in
        [format!("{reordered}&x"), format!("/a?&b=c&{}", pairs.join("&")), reordered.replace("b=c", "b=%63")]
    {
        assert_eq!(verify(key, &changed, ""), Err(Refusal::SignatureMismatch), "{changed}");
    }
}

#[test]
fn pitfall_08_a_canned_signature_gives_no_more_as_a_custom_policy() {
    let key = &KEYS[0];
    let signed = key.sign(&POLICY, &Wanted::plain("https://example.com/a.jpg?b=c", END)).unwrap();
    let policy = Statement::new("https://example.com/a.jpg?b=c", NOW + 60, None, None).into_json();
    let (_, reserved) = signed.url.split_once("&Expires=1700000060").unwrap();
    let custom = |asked: &str| format!("{asked}&Policy={}{reserved}", encode(policy.as_bytes()));
    assert!(verify(key, &custom("/a.jpg?b=c"), "").is_ok());
    for other in ["/a.jpg?b=d", "/a.jpg?b=c&d", "/b.jpg?b=c", "/a.jpg?"] {
        assert_eq!(verify(key, &custom(other), ""), Err(Refusal::ResourceMismatch), "{other}");
    }
    for other in ["/a.jpg/b=c", "/a.jpgxb=c"] {
        let custom = custom(other).replacen('&', "?", 1);
        assert_eq!(verify(key, &custom, ""), Err(Refusal::ResourceMismatch), "{custom}");
    }
    // Quotes do not get out of the text that they stand in.
    let url = format!(
        r#"/a","Condition":{{"DateLessThan":{{"AWS:EpochTime":9}}}}}}]}}?x&Expires=1700000060{reserved}"#
    );
    assert_eq!(verify(key, &url, ""), Err(Refusal::SignatureMismatch));
}

#[test]
fn pitfall_09_the_key_decides_the_algorithm() {
    for (index, key) in KEYS.iter().enumerate() {
        let signed = key.sign(&POLICY, &Wanted::plain("https://example.com/a", END)).unwrap();
        let presented = presented(target(&signed.url), "");
        assert_eq!(Key::verify(&*KEYS, &POLICY, &presented).unwrap().key, index);
        let others = KEYS.iter().filter(|other| !std::ptr::eq(*other, key));
        assert_eq!(Key::verify(others, &POLICY, &presented), Err(Refusal::SignatureMismatch));
        let without = signed.url[ORIGIN.len()..].replace("&Hash-Algorithm=SHA256", "");
        assert_eq!(verify(key, &without, "").is_ok(), key.is_legacy());
        let other_hash = format!("{without}&Hash-Algorithm=SHA1");
        assert_eq!(verify(key, &other_hash, ""), Err(Refusal::SignatureMismatch));
    }
    let renamed = Key::new(RSA.as_bytes(), "K2", Algorithm::RsaSha256).unwrap();
    let signed = KEYS[0].sign(&POLICY, &Wanted::plain("https://example.com/a", END)).unwrap();
    assert_eq!(verify(&renamed, target(&signed.url), ""), Err(Refusal::SignatureMismatch));
}

/// URLs that are signed as they stand.
fn signable() -> impl Strategy<Value = String> {
    urls().prop_filter("one host, no pattern", |url| {
        url.starts_with("https://example.com/") && !url.contains('*')
    })
}

proptest! {
    // Private operations take milliseconds in debug builds.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_signed_verifies(url in signable(), which in 0_usize..3) {
        let key = &KEYS[which];
        for carrier in [Carrier::Url, Carrier::Cookies] {
            let signed = key.sign(&POLICY, &Wanted { carrier, ..Wanted::plain(&url, END) }).unwrap();
            let verified = verify(key, target(&signed.url), &cookies(&signed)).unwrap();
            prop_assert_eq!(verified.expires, END);
            prop_assert_eq!(verified.authenticated_target, target(&url));
        }
    }

    #[test]
    fn a_change_of_one_byte_does_not_verify(
        url in signable(),
        which in 0_usize..3,
        starts in proptest::option::of(Just(NOW)),
        at: prop::sample::Index,
        to in proptest::char::range('\0', '\u{7f}'),
    ) {
        let key = &KEYS[which];
        let change = |text: &str| {
            let at = at.index(text.len());
            let mut changed = text.to_owned();
            changed.replace_range(at..=at, to.encode_utf8(&mut [0; 4]));
            (changed != text).then_some(changed)
        };
        let wanted = Wanted { starts, ..Wanted::plain(&url, END) };
        let signed = key.sign(&POLICY, &wanted).unwrap();
        let sent = target(&signed.url);
        if let Some(changed) = change(sent) {
            prop_assert!(verify(key, &changed, "").is_err(), "{}", changed);
        }
        let signed = key.sign(&POLICY, &Wanted { carrier: Carrier::Cookies, ..wanted }).unwrap();
        let cookies = cookies(&signed);
        if let Some(changed) = change(&cookies) {
            // Spaces around cookies mean nothing.
            prop_assume!(!changed.split(';').map(str::trim).eq(cookies.split(';').map(str::trim)));
            prop_assert!(verify(key, target(&url), &changed).is_err(), "{}", changed);
        }
    }

    #[test]
    fn any_text_gets_an_answer_and_none_is_valid(
        target in any_target(),
        cookies in r"\PC*|(CloudFront-(Policy|Expires|Signature|Key-Pair-Id)=[A-Za-z0-9_~-]{0,8}; ){0,4}",
        now: u64,
    ) {
        let presented = Presented { now, ..presented(&target, &cookies) };
        prop_assert!(Key::verify(&*KEYS, &POLICY, &presented).is_err());
    }

    #[test]
    fn any_text_can_be_given_to_sign(url in r"\PC*|https?://[ -~é]{0,40}", scope in r"\PC*|https://[ -~]{0,9}") {
        for scope in [&[][..], &[&*scope]] {
            drop(KEYS[2].sign(&POLICY, &Wanted { scope, ..Wanted::plain(&url, END) }));
        }
    }
}

#[test]
fn pitfall_14_whether_there_is_room_is_not_chance() {
    let [rsa, _, ecdsa] = &*KEYS;
    assert_eq!([ecdsa.spare(&[0; 69]), ecdsa.spare(&[0; 72]), rsa.spare(&[0; 69])], [3, 0, 0]);
    // About one of 500 signatures is shorter than the others; none of them is let through.
    for carrier in [Carrier::Url, Carrier::Cookies] {
        let wanted = Wanted { carrier, ..Wanted::plain("https://example.com/a", END) };
        let fits = |max_target_bytes| ecdsa.sign(&Policy { max_target_bytes, ..POLICY }, &wanted).is_ok();
        let limit = (0..1000).find(|limit| fits(*limit)).unwrap();
        assert!((0..2000).all(|_| !fits(limit - 1)), "{carrier:?}");
        assert!((0..100).all(|_| fits(limit)), "{carrier:?}");
    }
}
