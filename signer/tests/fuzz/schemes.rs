//! What holds between all schemes that sign URLs.

use safelight_signer::scheme::url::{Policy, Presented, Refusal, Wanted};

use crate::checks::{
    NOW,
    forge::forge,
    schemes::{Keys, Kind, SCHEMES, policy},
};

/// What a client presents of a signed URL: origin, target and cookies.
type Parts = (String, String, String);

fn signed(kind: Kind, keys: &dyn Keys) -> Vec<Parts> {
    let is_delivery = matches!(kind, Kind::DeliveryLong | Kind::DeliveryShort);
    let path = if is_delivery { "/demo/image/upload/a.jpg" } else { "/a.jpg" };
    let url = format!("https://h{path}");
    let mut signed = Vec::new();
    for expires in [None, Some(NOW + 60)] {
        if let Ok(made) = keys.sign(&policy(false), &Wanted::plain(&url, expires)) {
            signed.push(("https://h".to_owned(), made.url["https://h".len()..].to_owned(), String::new()));
        }
    }
    assert!(!signed.is_empty(), "{kind:?}");
    signed
}

fn presented((origin, target, cookies): &Parts) -> Presented<'_> {
    Presented { target, origin: Some(origin), client: None, cookies, now: NOW }
}

#[test]
fn pitfall_08_one_secret_in_every_scheme_and_no_signature_passes_for_another() {
    for (kind, keys) in SCHEMES.iter() {
        for parts in signed(*kind, &**keys) {
            assert!(keys.verify(&policy(false), &presented(&parts)).is_ok(), "{kind:?}");
            for (other, others) in SCHEMES.iter().filter(|(other, _)| other != kind) {
                // A key that makes short signatures takes long ones too.
                if (kind, other) == (&Kind::DeliveryLong, &Kind::DeliveryShort) {
                    continue;
                }
                assert!(others.verify(&policy(false), &presented(&parts)).is_err(), "{kind:?} for {other:?}");
            }
        }
    }
}

#[test]
fn pitfall_14_what_is_too_long_is_refused_before_anything_is_looked_at() {
    let policy = Policy { max_target_bytes: 1000, ..policy(false) };
    for (kind, keys) in SCHEMES.iter() {
        for (origin, target, cookies) in signed(*kind, &**keys) {
            // A good signature and a dot segment are behind it.
            let long = format!("{target}{}/../", "&a=b".repeat(250));
            let verified = keys.verify(&policy, &presented(&(origin, long, cookies)));
            assert_eq!(verified, Err(Refusal::InputTooLong), "{kind:?}");
        }
        let url = format!("https://h/{}", "a".repeat(8200));
        assert!(keys.sign(&policy, &Wanted::plain(&url, None)).is_err(), "{kind:?}");
    }
}

#[test]
fn pitfall_06_a_dot_segment_is_refused_under_a_good_signature() {
    for (kind, keys) in SCHEMES.iter() {
        for path in ["/a/../b", "/a/./b", "/a/%2e%2E/b", "/a/.%2e", "/a\\..\\b"] {
            // Where path and signed text are two things, the path is what the client asks for.
            let text = match kind {
                Kind::Cloudfront => {
                    r#"{"Statement":[{"Resource":"*","Condition":{"DateLessThan":{"AWS:EpochTime":1700000100}}}]}"#
                }
                Kind::Akamai | Kind::AkamaiEarly | Kind::CloudinaryAuthToken => "exp=1700000100~acl=*",
                Kind::GoogleCloudCdn | Kind::GoogleMediaCdn => "https://h/",
                _ => path,
            };
            let asked = |path| if text == path || matches!(kind, Kind::Bunny) { "" } else { path };
            let forged = forge(*kind, text, asked(path), true, NOW + 100);
            let parts = ("https://h".to_owned(), forged.target, forged.cookies);
            assert_eq!(
                keys.verify(&policy(false), &presented(&parts)),
                Err(Refusal::AmbiguousPath),
                "{kind:?}: {path}"
            );
            // It is the path, and not the signature: the same without dots verifies.
            let plain = if text == path { "/a/b" } else { text };
            let forged = forge(*kind, plain, asked("/a/b"), true, NOW + 100);
            let parts = ("https://h".to_owned(), forged.target, forged.cookies);
            assert!(keys.verify(&policy(false), &presented(&parts)).is_ok(), "{kind:?}");
        }
    }
}

#[test]
fn pitfall_05_a_signed_path_has_one_spelling() {
    for (kind, keys) in SCHEMES.iter() {
        // Cloudinary's SDKs sign escaped or unescaped, so both mean one thing there.
        if matches!(kind, Kind::DeliveryLong | Kind::DeliveryShort) {
            continue;
        }
        let spellings = ["~", "%7E", "%7e", "+", "%20", "%2B", "%252B"];
        for one in spellings {
            let wanted = format!("https://h/a{one}b");
            let expires = [None, Some(NOW + 60)];
            let made =
                expires.iter().find_map(|at| keys.sign(&policy(false), &Wanted::plain(&wanted, *at)).ok());
            let target = made.unwrap().url["https://h".len()..].to_owned();
            for other in spellings.into_iter().filter(|other| *other != one) {
                let target = target.replace(&format!("/a{one}b"), &format!("/a{other}b"));
                let parts = ("https://h".to_owned(), target, String::new());
                assert_eq!(
                    keys.verify(&policy(false), &presented(&parts)),
                    Err(Refusal::SignatureMismatch),
                    "{kind:?}: {one} as {other}"
                );
            }
        }
    }
}
