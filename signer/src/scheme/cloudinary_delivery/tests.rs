use proptest::prelude::*;

use super::{
    super::{
        cloudinary_upload::{self, Version},
        testing::{self, NOW, POLICY, any_target, sign, verify},
    },
    *,
};

const UPLOAD: &str = "https://res.cloudinary.com/demo/image/upload";

fn key(signatures: Signatures) -> Key {
    Key::new(b"b", signatures).unwrap()
}

fn short() -> Key {
    key(Signatures::Short(Algorithm::Sha1))
}

fn long() -> Key {
    key(Signatures::Long)
}

/// The prefix, a signature and the rest.
fn present(key: &Key, rest: &str) -> Result<String, Refusal> {
    verify(key, &format!("/demo/image/upload/{rest}"), NOW).map(|verified| verified.authenticated_target)
}

#[test]
fn keys() {
    assert!(Key::new(b"", Signatures::Long).is_err());
    for (signatures, legacy) in [
        (Signatures::Long, false),
        (Signatures::LongOrShort(Algorithm::Sha256), false),
        (Signatures::LongOrShort(Algorithm::Sha1), true),
        (Signatures::Short(Algorithm::Sha256), false),
        (Signatures::Short(Algorithm::Sha1), true),
    ] {
        assert_eq!(key(signatures).is_legacy(), legacy);
    }
}

#[test]
fn what_would_not_verify_is_not_signed() {
    let refused = |url: &str| long().sign(&POLICY, &Wanted::plain(url, None)).unwrap_err();
    assert_eq!(refused(&format!("{UPLOAD}/s--12345678--/a.jpg")), SignError::Reserved("s--"));
    for rest in ["", "v1/", "a.jpg?_a=x", "public_id=a&version=1", "v1/timestamp=1"] {
        assert!(matches!(refused(&format!("{UPLOAD}/{rest}")), SignError::Invalid(_)), "{rest}");
    }
    assert!(matches!(refused("https://h/a.jpg"), SignError::Invalid(_)));
    let url = format!("{UPLOAD}/a.jpg");
    let plain = Wanted::plain(&url, None);
    for (wanted, field) in [
        (Wanted { expires: Some(NOW), ..plain }, "expire_time"),
        (Wanted { extra: &[("sign_version", "yes")], ..plain }, "extra"),
        (Wanted { extra: &[("version", "1")], ..plain }, "extra"),
        (Wanted { scope: &["/"], ..plain }, "scope"),
    ] {
        let refused = long().sign(&POLICY, &wanted).unwrap_err();
        assert!(matches!(refused, SignError::Unsupported(found, _) if found == field), "{field}");
    }
}

#[test]
fn pitfall_07_what_is_not_signed_is_never_authenticated() {
    let signed = sign(&long(), &format!("{UPLOAD}/c_fill/v12/a/b.jpg"), None);
    let prefix = "/demo/image/upload/";
    for (from, to) in [
        ("/v12/", "/v13/"),
        ("/v12/", "/"),
        (prefix, "/other/image/upload/"),
        (prefix, "/demo/raw/authenticated/"),
        (prefix, "/video/private/"),
        ("b.jpg", "b.jpg?_a=1"),
        ("c_fill/v12/a/", "v12/c_fill/a/"),
        ("a/b", "a%2Fb"), // what Ruby unescapes: authentic as what it means
    ] {
        let other = signed.replacen(from, to, 1);
        assert_eq!(verify(&long(), &other, NOW).unwrap().authenticated_target, "/c_fill/a/b.jpg", "{other}");
    }
    for (from, to) in [("c_fill", "c_fit"), ("a/b", "a//b"), ("/v12", "/v12/v13"), ("c_fill/", "")] {
        let other = signed.replacen(from, to, 1);
        assert_eq!(verify(&long(), &other, NOW), Err(Refusal::SignatureMismatch), "{other}");
    }
    let url = format!("{UPLOAD}/v12/a.jpg");
    let wanted = Wanted { extra: &[("sign_version", "true")], ..Wanted::plain(&url, None) };
    let signed = long().sign(&POLICY, &wanted).unwrap().url;
    let verified = verify(&long(), testing::target(&signed), NOW).unwrap();
    assert_eq!(verified.authenticated_target, "/v12/a.jpg");
    assert!(verify(&long(), &testing::target(&signed).replace("v12", "v13"), NOW).is_err());
}

#[test]
fn pitfall_08_signatures_of_uploads_and_responses_open_nothing() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    let secret = cloudinary_upload::Key::new(b"b");
    for params in
        [&[("folder", "x"), ("timestamp", "1700000000")][..], &[("public_id", "a"), ("version", "1")]]
    {
        let hash = cloudinary_upload::sign(&secret, Algorithm::Sha256, Version::V1, params.iter().copied());
        let signature = URL_SAFE_NO_PAD.encode(&hex::decode(hash).unwrap()[..24]);
        let message =
            params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        for rest in [message.clone(), message.replace('=', "%3D")] {
            assert!(present(&long(), &format!("s--{signature}--/{rest}")).is_err(), "{rest}");
        }
        assert_eq!(present(&long(), &format!("s--{signature}--/{message}")), Err(Refusal::ResourceMismatch));
    }
}

#[test]
fn pitfall_13_a_key_says_how_long_signatures_are() {
    let url = format!("{UPLOAD}/sample.jpg");
    let (brief, full) = (sign(&short(), &url, None), sign(&long(), &url, None));
    assert!(brief.contains("/s--v2fTPYTu--/") && full.contains("/s--2hbrSMPOjj5BJ4xV7SgFbRDevFaQNUFf--/"));
    assert_eq!(verify(&long(), &brief, NOW), Err(Refusal::SignatureMalformed));
    assert!(verify(&short(), &full, NOW).is_ok());
    let moving = key(Signatures::LongOrShort(Algorithm::Sha1));
    assert!(verify(&moving, &brief, NOW).is_ok());
    assert_eq!(sign(&moving, &url, None), full);
    // The key decides the algorithm of a short one.
    let sha256 = key(Signatures::Short(Algorithm::Sha256));
    assert_eq!(verify(&sha256, &brief, NOW), Err(Refusal::SignatureMismatch));
    let cut = full.replace("Ojj5BJ4xV7SgFbRDevFaQNUFf", "O");
    assert!(verify(&sha256, &cut, NOW).is_ok(), "the short form is the start of the long one");
    assert_eq!(verify(&short(), &cut, NOW), Err(Refusal::SignatureMismatch));
    assert_eq!(Key::verify([&long(), &short()], &POLICY, &Presented::target(&brief, NOW)).unwrap().key, 1);
}

#[test]
fn signatures_are_found_by_length() {
    assert_eq!(present(&short(), "s----SjmNDA--/v1234/image.jpg").unwrap(), "/image.jpg");
    assert_eq!(present(&short(), "s--FWla8Zy---/doc.pdf").unwrap(), "/doc.pdf");
    for (rest, refusal) in [
        ("image.jpg", Refusal::SignatureMissing),
        ("S----SjmNDA--/image.jpg", Refusal::SignatureMissing),
        ("t/s----SjmNDA--/image.jpg", Refusal::SignatureMissing),
        ("s----SjmNDA--", Refusal::SignatureMalformed),
        ("s----SjmNDA-/image.jpg", Refusal::SignatureMalformed),
        ("s----SjmND--/image.jpg", Refusal::SignatureMalformed),
        ("s----SjmN+A--/image.jpg", Refusal::SignatureMalformed),
        ("s--%2D-SjmNDA--/image.jpg", Refusal::SignatureMalformed),
        ("s----SjmNDB--/image.jpg", Refusal::SignatureMismatch),
        ("s----SjmNDA--/", Refusal::SignatureMalformed),
        ("s----SjmNDA--/../image.jpg", Refusal::AmbiguousPath),
    ] {
        assert_eq!(present(&short(), rest), Err(refusal), "{rest}");
    }
    assert_eq!(verify(&short(), "/a.jpg", NOW), Err(Refusal::SignatureMissing));
    assert_eq!(verify(&short(), &"a".repeat(8193), NOW), Err(Refusal::InputTooLong));
}

#[test]
fn pitfall_05_an_unescaped_message_authenticates_one_spelling() {
    // Ruby's signature of "my image.jpg".
    for name in ["my%20image.jpg", "my%2520image.jpg", "m%79%20image.jpg"] {
        assert_eq!(present(&short(), &format!("s--b5Zxp91i--/{name}")).unwrap(), "/my%20image.jpg");
    }
    // Python's and Node's, of "my%20image.jpg".
    assert_eq!(present(&short(), "s--VqxC4nFW--/my%20image.jpg").unwrap(), "/my%20image.jpg");
    assert_eq!(present(&short(), "s--VqxC4nFW--/my%2520image.jpg"), Err(Refusal::SignatureMismatch));
}

fn deliveries() -> impl Strategy<Value = String> {
    testing::paths().prop_map(|url| {
        let target = testing::target(&url);
        format!("{UPLOAD}/c_fill{target}x")
    })
}

proptest! {
    #[test]
    fn what_is_signed_verifies(url in deliveries(), is_long: bool) {
        let key = if is_long { long() } else { short() };
        let signed = sign(&key, &url, None);
        prop_assert!(verify(&key, &signed, u64::MAX).is_ok());
        let other = Key::new(b"c", key.signatures).unwrap();
        prop_assert_eq!(verify(&other, &signed, NOW), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn a_change_of_one_byte_that_is_signed_does_not_verify(url in deliveries(), at: prop::sample::Index, to in 0_u8..128) {
        let signed = sign(&long(), &url, None);
        let mut changed = signed.clone().into_bytes();
        let start = "/demo/image/upload/".len();
        let at = start + at.index(changed.len() - start);
        prop_assume!(changed[at] != to);
        changed[at] = to;
        let changed = String::from_utf8(changed).unwrap();
        // A digit of a version is not signed: then what is authentic is the same.
        let authentic = verify(&long(), &signed, NOW).unwrap().authenticated_target;
        if let Ok(verified) = verify(&long(), &changed, NOW) {
            prop_assert_eq!(verified.authenticated_target, authentic, "{}", changed);
        }
    }

    #[test]
    fn any_text_gets_an_answer(target in any_target(), rest in r"\PC*|s--[a-z-]{8}--/\PC*", url in r"\PC*|https?://[ -~é]{0,40}") {
        prop_assert!(verify(&long(), &target, NOW).is_err());
        prop_assert!(present(&short(), &rest).is_err());
        if let Ok(signed) = long().sign(&POLICY, &Wanted::plain(&url, None)) {
            prop_assert!(verify(&long(), testing::target(&signed.url), NOW).is_ok());
        }
    }
}

#[test]
fn every_byte_after_the_prefix_of_a_plain_url_is_signed() {
    let signed = sign(&long(), &format!("{UPLOAD}/c_fill/a.jpg"), None);
    for at in "/demo/image/upload/".len()..signed.len() {
        let mut changed = signed.clone();
        changed.replace_range(at..=at, "!");
        assert!(verify(&long(), &changed, NOW).is_err(), "{changed}");
    }
}
