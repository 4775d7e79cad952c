//! imgproxy, imgix, thumbor and Fastly: signed, compared, and verified.

use safelight_signer::scheme::{
    fastly, imgix, imgproxy, thumbor,
    url::{Policy, Presented, Refusal, UrlScheme, Wanted},
};
use serde_json::Value as Json;

use crate::{assert_counts, number, run, target, text};

const POLICY: Policy = Policy { require_expiry: false, clock_skew: 0, max_target_bytes: 8192 };

/// Signs the target at a made-up host, verifies what came out, and answers its target.
fn round_trip<K: UrlScheme>(key: &K, unsigned: &str, expires: Option<u64>) -> String {
    let url = format!("https://example.com{unsigned}");
    let signed = key.sign(&POLICY, &Wanted::plain(&url, expires)).unwrap();
    let signed = target(&signed.url);
    let verified = K::verify([key], &POLICY, &Presented::target(signed, 0)).unwrap();
    assert_eq!((verified.expires, verified.authenticated_target.as_str()), (expires, unsigned));
    signed.to_owned()
}

#[test]
fn imgproxy() {
    let counts = run("imgproxy", |_, case| {
        let key = &case["key"];
        let size = usize::try_from(number(&key["signature_size"])).unwrap();
        let key =
            imgproxy::Key::new(text(&key["key_hex"]).as_bytes(), text(&key["salt_hex"]).as_bytes(), size);
        let signed = round_trip(&key.unwrap(), text(&case["inputs"]["path"]), None);
        assert_eq!(signed, text(&case["expected"]["signed_path"]));
    });
    assert_counts(&counts, &[("sign", 6)]);
}

#[test]
fn thumbor() {
    let counts = run("thumbor", |_, case| {
        let key = thumbor::Key::new(text(&case["key"]["secret_utf8"]).as_bytes()).unwrap();
        let path = text(&case["inputs"]["path_without_leading_slash"]);
        let signed = round_trip(&key, &format!("/{path}"), None);
        assert_eq!(signed, text(&case["expected"]["signed_path"]));
    });
    assert_counts(&counts, &[("sign", 3)]);
}

#[test]
fn imgix() {
    let counts = run("imgix", |_, case| {
        let key = imgix::Key::new(text(&case["key"]["token"]).as_bytes()).unwrap();
        let (inputs, expected) = (&case["inputs"], &case["expected"]);
        let unsigned = match text(&inputs["query"]) {
            "" => text(&inputs["path"]).to_owned(),
            query => format!("{}?{query}", text(&inputs["path"])),
        };
        let separator = if unsigned.contains('?') { '&' } else { '?' };
        let signed = round_trip(&key, &unsigned, None);
        assert_eq!(signed, format!("{unsigned}{separator}s={}", text(&expected["signature"])));
        if let Some(url) = expected["url"].as_str() {
            assert_eq!(signed, target(url));
        }
    });
    assert_counts(&counts, &[("sign", 8)]);
}

#[test]
fn fastly() {
    let counts = run("fastly_token", |op, case| {
        let key = fastly::Key::new(text(&case["key"]["key_b64"]).as_bytes()).unwrap();
        let inputs = &case["inputs"];
        match op {
            "sign" => {
                let unsigned = text(&inputs["url_without_token"]);
                let signed = round_trip(&key, unsigned, Some(number(&inputs["expires"])));
                let separator = if unsigned.contains('?') { '&' } else { '?' };
                let token = text(&case["expected"]["token"]);
                assert_eq!(signed, format!("{unsigned}{separator}token={token}"));
            }
            "ambiguity" => {
                let present = |part: &Json| {
                    let target = format!("{}?token={}", text(&part["url"]), text(&part["token"]));
                    fastly::Key::verify([&key], &POLICY, &Presented::target(&target, 0))
                        .map(|found| found.expires)
                };
                assert_eq!(present(&inputs["issued"]), Ok(Some(1_700_000_000)));
                assert_eq!(present(&inputs["forged"]), Err(Refusal::SignatureMalformed));
            }
            other => panic!("{other}"),
        }
    });
    assert_counts(&counts, &[("sign", 2), ("ambiguity", 1)]);
}
