//! Cloudflare Images signed URLs.

use hmac::{Hmac, KeyInit, Mac};
use safelight_signer::scheme::{
    cloudflare_images::Key,
    url::{Policy, Presented, Refusal, SignError, UrlScheme, Wanted},
};
use serde_json::Value as Json;
use sha2::Sha256;

use crate::{assert_counts, is_exception, number, run, target, text, upper_snake};

#[test]
fn cloudflare_images() {
    let counts = run("cloudflare_images", |op, case| match (op, case["inputs"]["dialect"].as_str()) {
        ("sign", Some("whatwg")) => cloudflare_sign(case),
        ("sign", Some("python_urlencode")) => cloudflare_python(case),
        ("sign_reserved", _) => {
            let key = cloudflare_key(&case["key"]);
            let (url, exp) = (text(&case["inputs"]["url"]), number(&case["inputs"]["exp"]));
            let refused = key.sign(&cloudflare_policy(), &Wanted::plain(url, Some(exp)));
            assert_eq!(refused, Err(SignError::Reserved("sig")));
        }
        ("verify", _) => cloudflare_verify(case),
        other => panic!("{other:?}"),
    });
    assert_counts(&counts, &[("sign", 45), ("sign_reserved", 1), ("verify", 54)]);
}

fn cloudflare_key(key: &Json) -> Key {
    Key::new(text(&key["secret_utf8"]).as_bytes())
}

fn cloudflare_policy() -> Policy {
    Policy { require_expiry: false, clock_skew: 0, max_target_bytes: 8192 }
}

fn cloudflare_sign(case: &Json) {
    let key = cloudflare_key(&case["key"]);
    let (url, exp) = (text(&case["inputs"]["url"]), case["inputs"]["exp"].as_u64());
    let signed = key.sign(&cloudflare_policy(), &Wanted::plain(url, exp)).unwrap().url;
    assert_eq!(signed, text(&case["expected"]["signed_url"]));

    let now = exp.map_or(0, |exp| exp - 1);
    let verified =
        Key::verify([&key], &cloudflare_policy(), &Presented::target(target(&signed), now)).unwrap();
    assert_eq!(verified.expires, exp);
    assert_eq!(verified.authenticated_target, text(&case["expected"]["string_to_sign"]));
}

/// The signer writes no Python dialect: what Python signed must verify.
fn cloudflare_python(case: &Json) {
    let key = cloudflare_key(&case["key"]);
    let (expected, exp) = (&case["expected"], number(&case["inputs"]["exp"]));
    let target = target(text(&expected["signed_url"]));
    assert!(expected["verifies_over_raw_target"].as_bool().unwrap());
    let verified = Key::verify([&key], &cloudflare_policy(), &Presented::target(target, exp - 1));
    if is_exception(case) {
        assert_eq!(verified, Err(Refusal::AmbiguousPath));
        let mut mac = Hmac::<Sha256>::new_from_slice(text(&case["key"]["secret_utf8"]).as_bytes()).unwrap();
        mac.update(target.rsplit_once("&sig=").unwrap().0.as_bytes());
        #[expect(clippy::disallowed_methods, reason = "a second implementation, to compare with")]
        let mac = mac.finalize().into_bytes();
        assert_eq!(hex::encode(mac), text(&expected["signature"]));
        return;
    }
    let verified = verified.unwrap();
    assert_eq!(verified.expires, Some(exp));
    assert_eq!(verified.authenticated_target, text(&expected["string_to_sign"]));
}

fn cloudflare_verify(case: &Json) {
    let (inputs, expected) = (&case["inputs"], &case["expected"]);
    let policy = Policy {
        require_expiry: inputs["policy"]["require_expiry"].as_bool().unwrap(),
        clock_skew: number(&inputs["policy"]["clock_skew_s"]),
        max_target_bytes: usize::try_from(number(&inputs["policy"]["max_target_bytes"])).unwrap(),
    };
    let keys: Vec<_> = case["key"]["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| matches!(text(&key["state"]), "PRIMARY" | "VERIFY_ONLY"))
        .map(|key| (text(&key["id"]), cloudflare_key(key)))
        .collect();
    let answer = Key::verify(
        keys.iter().map(|(_, key)| key),
        &policy,
        &Presented::target(text(&inputs["request_target"]), number(&inputs["now"])),
    );
    assert_eq!(answer.is_ok(), expected["valid"].as_bool().unwrap());
    assert_eq!(answer.as_ref().ok().map(|verified| keys[verified.key].0), expected["key_id"].as_str());
    let reason = answer.err().map_or_else(|| "OK".to_owned(), |refusal| upper_snake(&format!("{refusal:?}")));
    assert_eq!(reason, text(&expected["reason"]));
}
