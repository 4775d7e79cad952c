use proptest::prelude::*;

use super::{
    super::testing::{self, NOW, POLICY, any_target, assert_changed_is_invalid, sign, verify},
    *,
};

const SOON: u64 = NOW + 60;

fn key() -> Key {
    Key::new(b"SecurityKey").unwrap()
}

fn wanted(url: &str) -> Wanted<'_> {
    Wanted::plain(url, Some(SOON))
}

fn signed(wanted: &Wanted<'_>) -> String {
    testing::target(&key().sign(&POLICY, wanted).unwrap().url).to_owned()
}

fn refused(wanted: &Wanted<'_>) -> SignError {
    key().sign(&POLICY, wanted).unwrap_err()
}

/// Verifies as a client at an address.
fn from(client: &str, target: &str) -> Result<String, Refusal> {
    let client = client.parse().ok();
    Key::verify([&key()], &POLICY, &Presented { client, ..Presented::target(target, NOW) })
        .map(|verified| verified.authenticated_target)
}

/// A token over any message at all.
fn forge(message: &[u8]) -> String {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    format!("HS256-{}", key().signature(message).base64(&URL_SAFE_NO_PAD))
}

#[test]
fn keys() {
    assert!(Key::new(b"").is_err());
    assert!(!key().is_legacy());
}

#[test]
fn what_cannot_be_expressed_is_refused() {
    let plain = wanted("https://h/p?a=1");
    let network = |text: &str| Some(text.parse().unwrap());
    for (wanted, field) in [
        (Wanted { expires: None, ..plain }, "expire_time"),
        (Wanted { expires: Some(999_999_999), ..plain }, "expire_time"),
        (Wanted { expires: Some(10_000_000_000), ..plain }, "expire_time"),
        (Wanted { starts: Some(NOW), ..plain }, "start_time"),
        (Wanted { carrier: crate::scheme::url::Carrier::Cookies, ..plain }, "carrier"),
        (Wanted { client: network("10.0.0.0/8"), ..plain }, "client_ip"),
        (Wanted { client: network("2001:db8::/56"), ..plain }, "client_ip"),
        (Wanted { client: network("2001:db8::1/128"), ..plain }, "client_ip"),
        (Wanted { client: network("48.48.48.48/32"), ..plain }, "client_ip"),
        (Wanted { scope: &["/q"], ..plain }, "scope"),
        (Wanted { scope: &["p"], ..plain }, "scope"),
        (Wanted { scope: &["/p/.."], ..plain }, "scope"),
        (Wanted { scope: &["/p", "/"], ..plain }, "scope"),
        (Wanted { extra: &[("isDirectory", "yes")], ..plain }, "extra"),
        (Wanted { extra: &[("isDirectory", "true"), ("isDirectory", "true")], ..plain }, "extra"),
        (Wanted { extra: &[("countriesAllowed", "ca")], ..plain }, "extra"),
        (Wanted { extra: &[("countriesBlocked", "")], ..plain }, "extra"),
        (Wanted { extra: &[("speedLimit", "0")], ..plain }, "extra"),
        (Wanted { extra: &[("ignoreParams", "true")], ..plain }, "extra"),
        (Wanted { extra: &[("referer", "x")], ..plain }, "extra"),
    ] {
        assert!(matches!(refused(&wanted), SignError::Unsupported(found, _) if found == field), "{wanted:?}");
    }
    for url in
        ["https://h/p?limit=1", "https://h/p?token=1", "https://h/p?expires=1", "https://h/p?token_path=/"]
    {
        assert!(matches!(refused(&wanted(url)), SignError::Reserved(_)), "{url}");
    }
    assert_eq!(refused(&wanted("https://h/bcdn_token=x/p")), SignError::Reserved("bcdn_token"));
}

#[test]
fn pitfall_11_parts_that_could_move_are_refused() {
    // Each message is that of another URL as well, which the second target shows. Where that one is beyond
    // reproach, it is the first that nobody may sign.
    let malformed = Err(Refusal::SignatureMalformed);
    for (url, message, other, verdict) in [
        ("https://h/a?5x=1", "/a17000000605x=1", "/a1?token=TOKEN&x=1&expires=7000000605", Ok(())),
        (
            "https://h/a9999999999b=1",
            "/a9999999999b=11700000060",
            "/a?token=TOKEN&b=11700000060&expires=9999999999",
            Ok(()),
        ),
        (
            "https://h/a9999999999b?x=1",
            "/a9999999999b1700000060x=1",
            "/a?token=TOKEN&b1700000060x=1&expires=9999999999",
            malformed,
        ),
        (
            "https://h/a?b9999999999c=1",
            "/a1700000060b9999999999c=1",
            "/a1700000060b?token=TOKEN&c=1&expires=9999999999",
            malformed,
        ),
        (
            "https://h/a?b=c%26d=1",
            "/a1700000060b=c&d=1",
            "/a?token=TOKEN&b=c%26d%3D1&expires=1700000060",
            malformed,
        ),
    ] {
        assert!(matches!(refused(&wanted(url)), SignError::Invalid(_)), "{url}");
        let other = other.replace("TOKEN", &forge(message.as_bytes()));
        assert_eq!(verify(&key(), &other, NOW).map(|_| ()), verdict, "{other}");
    }
    // Free widths.
    let token = forge(b"/img/11700000000");
    for target in ["/img/?token=TOKEN&expires=11700000000", "/img/11?token=TOKEN&expires=700000000"] {
        let target = target.replace("TOKEN", &token);
        assert_eq!(verify(&key(), &target, 0), Err(Refusal::ExpiryMalformed), "{target}");
    }
    assert!(verify(&key(), &format!("/img/1?token={token}&expires=1700000000"), 0).is_ok());
}

#[test]
fn splits_of_a_message_are_found() {
    assert_eq!(valid_splits(b"/img/11700000060w=1&x=a").len(), 1);
    assert_eq!(valid_splits(b"/img/11700000060\x01\x02\x03\x04w=1").len(), 1);
    assert_eq!(valid_splits(b"/a9999999999b1700000060x=1"), [""; 0]);
}

#[test]
fn pitfall_11_an_address_cannot_become_text_nor_text_an_address() {
    // "/a" until 1712345678 for 49.49.49.49 ("1111") reads as "/a1712" until 3456781111 for anyone.
    assert_eq!(forge(b"/a17123456781111"), forge(&[b"/a1712345678".as_slice(), &[49, 49, 49, 49]].concat()));
    let bound = forge(b"/a17123456781111").replace("HS256-", "HS256-1-");
    assert_eq!(
        from("49.49.49.49", &format!("/a?token={bound}&expires=1712345678")),
        Err(Refusal::ClientMismatch)
    );
    // "/a9" until 1700000060 for 10.0.0.66 with x=1 reads as "/a" until 9170000006 for 48.10.0.0 with Bx=1.
    let client = Some("10.0.0.66/32".parse().unwrap());
    assert!(matches!(refused(&Wanted { client, ..wanted("https://h/a9?x=1") }), SignError::Invalid(_)));
    assert!(key().sign(&POLICY, &Wanted { client, ..wanted("https://h/a?x=1") }).is_ok());
}

/// How many targets with a token over this very message are valid, however it is split.
fn valid_splits(message: &[u8]) -> Vec<String> {
    let token = forge(message);
    let mut valid = Vec::new();
    for start in 1..message.len().saturating_sub(9) {
        for length in [0, 4, 16] {
            let (path, rest) = message.split_at(start);
            let (expires, rest) = rest.split_at(10);
            let Some((address, pairs)) = rest.split_at_checked(length) else { continue };
            let texts = [path, expires, pairs].map(std::str::from_utf8);
            let [Ok(path), Ok(expires), Ok(pairs)] = texts else { continue };
            let pairs = pairs.split('&').filter(|pair| !pair.is_empty());
            let pairs: String = pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| format!("&{name}={}", token::encode(value)))
                .collect();
            let token = if length == 0 { token.clone() } else { token.replace("HS256-", "HS256-1-") };
            let target = format!("{path}?token={token}{pairs}&expires={expires}");
            let client = match *address {
                [a, b, c, d] => Some(IpAddr::from([a, b, c, d])),
                _ => <[u8; 16]>::try_from(address).ok().map(IpAddr::from),
            };
            let presented = Presented { client, ..Presented::target(&target, 0) };
            valid.extend(Key::verify([&key()], &POLICY, &presented).map(|_| format!("{client:?} {target}")));
        }
    }
    valid
}

#[test]
fn usual_paths_and_parameters_are_signed() {
    for url in [
        "https://h/",
        "https://h/img/1",
        "https://h/photos/1700000000123.jpg",
        "https://h/photos/1700000000.jpg?width=300&height=200",
        "https://h/1700000000/1800000000",
        "https://h/a.jpg?v=1700000000",
        "https://h/a.jpg?text=hello%20world%21&w=1",
        "https://h/caf%C3%A9/a~b.jpg",
    ] {
        let target = signed(&wanted(url));
        assert!(verify(&key(), &target, NOW).is_ok(), "{target}");
    }
}

#[test]
fn a_token_for_one_client() {
    let for_v4 = signed(&Wanted { client: Some("1.2.3.4/32".parse().unwrap()), ..wanted("https://h/p") });
    assert!(for_v4.starts_with("/p?token=HS256-1-"));
    assert_eq!(from("1.2.3.4", &for_v4).unwrap(), "/p?expires=1700000060");
    assert!(from("::ffff:1.2.3.4", &for_v4).is_ok());
    assert_eq!(from("1.2.3.5", &for_v4), Err(Refusal::SignatureMismatch));
    assert_eq!(from("", &for_v4), Err(Refusal::ClientMismatch));
    assert!(from("1.2.3.4", &for_v4.replace("HS256-1-", "HS256-")).is_err());

    let for_v6 = signed(&Wanted { client: Some("2001:db8::/64".parse().unwrap()), ..wanted("https://h/p") });
    assert!(from("2001:db8::ffff:1", &for_v6).is_ok());
    assert_eq!(from("2001:db8:0:1::1", &for_v6), Err(Refusal::SignatureMismatch));
    let for_all = signed(&wanted("https://h/p"));
    assert!(from("1.2.3.4", &for_all).is_ok() && from("", &for_all).is_ok());
}

#[test]
fn a_path_covers_whole_segments() {
    for extra in [&[][..], &[("isDirectory", "true")]] {
        let target = signed(&Wanted { scope: &["/abc"], extra, ..wanted("https://h/abc/1.jpg") });
        assert_eq!(from("", &target).unwrap(), "/abc/1.jpg?token_path=%2Fabc&expires=1700000060");
        assert!(from("", &target.replace("/abc/1.jpg", "/abc/d/2.jpg")).is_ok());
        assert_eq!(from("", &target.replace("/abc/1.jpg", "/abcd")), Err(Refusal::ResourceMismatch));
        assert_eq!(from("", &target.replace("/abc/1.jpg", "/")), Err(Refusal::ResourceMismatch));
        assert_eq!(from("", &target.replace("/abc/1.jpg", "/abc/../d")), Err(Refusal::AmbiguousPath));
        assert_eq!(from("", &target.replace("%2Fabc", "%2F")), Err(Refusal::SignatureMismatch));
    }
}

#[test]
fn pitfall_07_what_is_not_signed_is_cut_or_refused() {
    let target = signed(&wanted("https://h/p?b=2&a=1"));
    assert_eq!(from("", &target).unwrap(), "/p?a=1&b=2&expires=1700000060");
    for (from_text, to) in
        [("&expires", "&c=3&expires"), ("&a=1", ""), ("a=1&b=2", "b=2&a=1"), ("a=1", "a=%31")]
    {
        assert!(from("", &target.replace(from_text, to)).is_err(), "{to}");
    }
    assert_eq!(from("", &format!("{target}&w=1")), Err(Refusal::SignatureMalformed));

    let free = signed(&Wanted { extra: &[("ignoreParams", "true")], ..wanted("https://h/p") });
    assert_eq!(
        from("", &format!("{free}&w=1&&x")).unwrap(),
        "/p?token_ignore_params=true&expires=1700000060"
    );
    assert_eq!(from("", &format!("{free}&expires=1")), Err(Refusal::DuplicateParameter));
    let extra = &[("ignoreParams", "true"), ("isDirectory", "true")];
    let free = signed(&Wanted { extra, ..wanted("https://h/p") });
    assert_eq!(from("", &format!("{free}?w=1")).unwrap(), "/p?token_ignore_params=true&expires=1700000060");
    assert_eq!(from("", &format!("{free}?token=1")), Err(Refusal::DuplicateParameter));
    let bound = signed(&Wanted { extra: &[("isDirectory", "true")], ..wanted("https://h/p") });
    assert_eq!(from("", &format!("{bound}?w=1")), Err(Refusal::SignatureMalformed));
}

#[test]
fn the_order_of_the_checks() {
    let zeros = format!("HS256-{}", "A".repeat(43));
    let with = |text: &str| text.replace("ZEROS", &zeros);
    for (target, refusal) in [
        (format!("/../{}", "a".repeat(8192)), Refusal::InputTooLong),
        ("/%2e?token=".to_owned(), Refusal::AmbiguousPath),
        ("/p?expires=1".to_owned(), Refusal::SignatureMissing),
        ("/p?token=1".to_owned(), Refusal::ExpiryMissing),
        ("/p?token=&%74oken=&expires=".to_owned(), Refusal::DuplicateParameter),
        ("/p?token=x&expires=1".to_owned(), Refusal::SignatureMalformed),
        (with("/p?a=1&token=ZEROS&expires=1700000060"), Refusal::SignatureMalformed),
        (with("/p?token=ZEROS&expires=1"), Refusal::ExpiryMalformed),
        (with("/p?token=ZEROS&%65xpires=1700000060"), Refusal::ExpiryMalformed),
        (with("/bcdn_token=ZEROS&expires=1700000060"), Refusal::SignatureMalformed),
        (with("/p?token=ZEROS&expires=1700000060"), Refusal::SignatureMismatch),
        (with("/p?token=ZEROS&expires=1600000060"), Refusal::SignatureMismatch),
    ] {
        assert_eq!(verify(&key(), &target, NOW), Err(refusal), "{target}");
    }
    let target = signed(&wanted("https://h/p"));
    assert_eq!(verify(&key(), &target, SOON), Err(Refusal::Expired));
}

proptest! {
    #[test]
    fn pitfall_11_no_message_is_valid_in_two_splits(
        path in "/[a1]{0,2}[1-9]{0,11}[a/]?[1-9]{0,3}",
        expires in "[1-9][0-9]{9}",
        address in prop_oneof![Just(vec![]), proptest::collection::vec(prop_oneof![0_u8..3, 47_u8..66], 4)],
        pairs in proptest::option::of("[ab1][b1]{0,12}=[1a&=]{0,12}"),
    ) {
        let pairs = pairs.unwrap_or_default();
        let message = [path.as_bytes(), expires.as_bytes(), &address, pairs.as_bytes()].concat();
        let valid = valid_splits(&message);
        prop_assert!(valid.len() <= 1, "{valid:#?}");
    }

    #[test]
    fn what_is_signed_verifies(
        path in r"(/[a-z0-9_.-]{1,14}){1,3}",
        query in proptest::option::of(r"[a-z_][a-z0-9]{0,12}=[a-zA-Z0-9._~-]{0,12}"),
        v4 in proptest::option::of(any::<[u8; 4]>()),
        directory: bool,
    ) {
        let url = format!("https://h{path}{}", query.map(|query| format!("?{query}")).unwrap_or_default());
        let client = v4.map(IpAddr::from);
        let extra: &[_] = if directory { &[("isDirectory", "true")] } else { &[] };
        let wanted = Wanted { client: client.map(Into::into), extra, ..wanted(&url) };
        if let Ok(signed) = key().sign(&POLICY, &wanted) {
            let presented = Presented { client, ..Presented::target(testing::target(&signed.url), NOW) };
            let verified = Key::verify([&key()], &POLICY, &presented).unwrap();
            prop_assert_eq!(verified.expires, Some(SOON));
            let other = Key::new(b"other").unwrap();
            prop_assert_eq!(Key::verify([&other], &POLICY, &presented), Err(Refusal::SignatureMismatch));
        }
    }

    #[test]
    fn a_change_of_one_byte_does_not_verify(
        path in r"(/[a-z0-9_.-]{1,10}){1,3}", directory: bool, at: prop::sample::Index, to in 0_u8..128,
    ) {
        prop_assume!(!path.contains("/./") && !path.contains("/../") && !path.ends_with("/.") && !path.ends_with("/.."));
        let extra: &[_] = if directory { &[("isDirectory", "true"), ("speedLimit", "5000")] } else { &[] };
        let url = format!("https://h{path}");
        assert_changed_is_invalid(&key(), &signed(&Wanted { extra, ..wanted(&url) }), at, to);
    }

    #[test]
    fn any_text_gets_an_answer(target in any_target(), url in r"\PC*|https?://[ -~é]{0,40}", now: u64) {
        prop_assert!(verify(&key(), &target, now).is_err());
        if let Ok(found) = key().sign(&POLICY, &wanted(&url)) {
            prop_assert!(verify(&key(), testing::target(&found.url), 0).is_ok());
        }
    }
}

#[test]
fn a_signature_that_starts_like_the_mark_is_a_signature() {
    // Found by trying: the first path whose token has it.
    let target = (0..10_000).map(|n| sign(&key(), &format!("https://h/{n}"), Some(SOON)));
    let target = target.into_iter().find(|target| target.contains("token=HS256-1-")).unwrap();
    assert!(verify(&key(), &target, NOW).is_ok());
}
