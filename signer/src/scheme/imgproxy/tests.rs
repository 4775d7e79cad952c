use super::{
    super::testing::{self, NOW, POLICY, any_target, assert_changed_is_invalid, sign, verify},
    *,
};
use proptest::prelude::*;

fn key(size: usize) -> Key {
    Key::new(b"736563726574", b"68656C6C6F", size).unwrap()
}

#[test]
fn keys_that_cannot_be_used() {
    let refused =
        |key: &[u8], salt: &[u8], size| Key::new(key, salt, size).err().map(|error| error.to_string());
    assert_eq!(refused(b"00", b"00", 7).unwrap(), "expected a signature size of 8 to 32 bytes");
    assert!(refused(b"00", b"00", 33).is_some());
    assert_eq!(refused(b"secret", b"00", 32).unwrap(), "expected an even number of hexadecimal digits");
    assert_eq!(refused(b"00", b"", 32).unwrap(), "expected a key, found nothing");
    assert!(refused(b"", b"00", 32).is_some());
    assert!(refused(b"00", b"00", 8).is_none());
}

#[test]
fn behind_a_prefix_the_signature_follows_it_and_does_not_cover_it() {
    let url = |prefix: &str, signature: &str| {
        format!("https://ip.example.com{prefix}{signature}/rs:fit:300:300/plain/http://img.example.com/a.jpg")
    };
    let plain = sign(&key(32), &url("", ""), None);
    for prefix in ["/imgproxy", "/a/b"] {
        let behind = key(32).behind(prefix);
        let signed = sign(&behind, &url(prefix, ""), None);
        assert_eq!(signed, format!("{prefix}{plain}"));
        let verified = verify(&behind, &signed, NOW).unwrap();
        assert_eq!(verified.authenticated_target, testing::target(&url("", "")));
        for other in [plain.clone(), format!("{prefix}x{plain}"), format!("/x{signed}")] {
            assert_eq!(verify(&behind, &other, NOW), Err(Refusal::SignatureMissing), "{other}");
        }
        for other in
            [url("", ""), url("/other", ""), format!("https://h{prefix}x/a"), format!("https://h{prefix}")]
        {
            assert!(
                matches!(behind.sign(&POLICY, &Wanted::plain(&other, None)), Err(SignError::Invalid(_))),
                "{other}"
            );
        }
    }
    for good in ["", "/imgproxy", "/a/b/c/d/e/f/g"] {
        assert!(is_path_prefix(good), "{good}");
    }
    for bad in ["imgproxy", "/", "/a/", "/a b", "/a?b", "/a/../b", "/1/2/3/4/5/6/7/8", "/é"] {
        assert!(!is_path_prefix(bad), "{bad}");
    }
}

#[test]
fn what_has_no_meaning_here_is_refused() {
    let refused = |wanted: &Wanted<'_>| key(32).sign(&POLICY, wanted).unwrap_err();
    let plain = Wanted::plain("https://h/w:10/plain/local:///x.png", None);
    assert_eq!(
        refused(&Wanted { expires: Some(NOW), ..plain }),
        SignError::Unsupported("expire_time", "this scheme's signatures do not expire")
    );
    assert!(matches!(refused(&Wanted { scope: &["/"], ..plain }), SignError::Unsupported("scope", _)));
    assert!(matches!(refused(&Wanted { extra: &[("a", "b")], ..plain }), SignError::Unsupported("extra", _)));
    let target_bytes = plain.url.as_str().len() - "https://h".len() + 44;
    let policy = |max_target_bytes| Policy { max_target_bytes, ..POLICY };
    assert!(key(32).sign(&policy(target_bytes), &plain).is_ok());
    assert_eq!(key(32).sign(&policy(target_bytes - 1), &plain), Err(SignError::TooLong));
}

#[test]
fn pitfall_07_the_query_is_not_signed_and_never_authenticated() {
    let signed = sign(&key(32), "https://h/w:10/plain/local:///x.png", None);
    let verified = verify(&key(32), &format!("{signed}?w=1&/../"), NOW).unwrap();
    assert_eq!(verified.authenticated_target, "/w:10/plain/local:///x.png");
    let refused = key(32).sign(&POLICY, &Wanted::plain("https://h/w:10/plain/local:///x.png?v=1", None));
    assert_eq!(refused, Err(SignError::Invalid("has a query, which this scheme does not sign")));
}

#[test]
fn pitfall_06_paths_are_what_they_look_like() {
    let key = key(32);
    let signed = sign(&key, "https://h/plain/http://a//b", None);
    assert_eq!(verify(&key, &signed, NOW).unwrap().authenticated_target, "/plain/http://a//b");
    let merged = signed.replace("//", "/");
    assert_eq!(verify(&key, &merged, NOW), Err(Refusal::SignatureMismatch));
    for path in ["/a/../b", "/a/%2E%2e/b", "/a\\..\\b", "/."] {
        let signature = key.signature(path).base64(&URL_SAFE_NO_PAD);
        assert_eq!(verify(&key, &format!("/{signature}{path}"), NOW), Err(Refusal::AmbiguousPath), "{path}");
    }
}

#[test]
fn pitfall_05_other_spellings_are_other_paths() {
    let key = key(32);
    let signed = sign(&key, "https://h/a~b/%7E/%41", None);
    for (from, to) in [("~", "%7E"), ("%7E", "%7e"), ("%7E", "~"), ("%41", "A"), ("a~", "%61~")] {
        assert_eq!(verify(&key, &signed.replacen(from, to, 1), NOW), Err(Refusal::SignatureMismatch), "{to}");
    }
}

#[test]
fn pitfall_13_a_key_takes_one_size_of_signature() {
    let (long, short) = (sign(&key(32), "https://h/asd", None), sign(&key(8), "https://h/asd", None));
    assert_eq!((long.len(), short.len()), (1 + 43 + 4, 1 + 11 + 4));
    assert_eq!(verify(&key(32), &short, NOW), Err(Refusal::SignatureMalformed));
    assert_eq!(verify(&key(8), &long, NOW), Err(Refusal::SignatureMalformed));
    let both = [key(8), key(32)];
    assert_eq!(Key::verify(&both, &POLICY, &Presented::target(&long, NOW)).unwrap().key, 1);
    assert_eq!(Key::verify(&both, &POLICY, &Presented::target(&short, NOW)).unwrap().key, 0);
    for signature in ["a", "oA", "oKfUtQ", "AAAAAAAAAA", "AAAAAAAAAAA=", "AAAAAAAAAAB"] {
        assert_eq!(verify(&key(8), &format!("/{signature}/asd"), NOW), Err(Refusal::SignatureMalformed));
    }
}

#[test]
fn the_order_of_the_checks() {
    let long = format!("/a/../{}", "a".repeat(8192));
    for (target, refusal) in [
        (long.as_str(), Refusal::InputTooLong),
        ("/..", Refusal::AmbiguousPath),
        ("", Refusal::SignatureMissing),
        ("/", Refusal::SignatureMissing),
        ("//asd", Refusal::SignatureMissing),
        ("/asd", Refusal::SignatureMissing),
        ("/asd?/x/", Refusal::SignatureMissing),
        ("/unsafe/asd", Refusal::SignatureMalformed),
        ("/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/asd", Refusal::SignatureMismatch),
    ] {
        assert_eq!(verify(&key(32), target, NOW), Err(refusal), "{target}");
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies(url in testing::paths(), size in 8_usize..=32) {
        let signed = sign(&key(size), &url, None);
        let verified = verify(&key(size), &signed, u64::MAX).unwrap();
        prop_assert_eq!(verified.authenticated_target, testing::target(&url));
        let other = Key::new(b"736563726575", b"68656C6C6F", size).unwrap();
        prop_assert_eq!(verify(&other, &signed, NOW), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn a_change_of_one_byte_does_not_verify(url in testing::paths(), at: prop::sample::Index, to in 0_u8..128) {
        assert_changed_is_invalid(&key(32), &sign(&key(32), &url, None), at, to);
    }

    #[test]
    fn any_text_gets_an_answer(target in any_target(), url in r"\PC*|https?://[ -~é]{0,40}", now: u64) {
        prop_assert!(verify(&key(32), &target, now).is_err());
        if let Ok(signed) = key(32).sign(&POLICY, &Wanted::plain(&url, None)) {
            prop_assert!(verify(&key(32), testing::target(&signed.url), now).is_ok());
        }
    }
}
