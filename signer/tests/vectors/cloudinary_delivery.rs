//! Cloudinary delivery URLs.

use safelight_signer::scheme::{
    cloudinary_delivery::{Key, Signatures},
    cloudinary_upload::Algorithm,
    url::{Policy, Presented, UrlScheme, Wanted},
};
use serde_json::Value as Json;

use crate::{assert_counts, number, run, target, text};

const POLICY: Policy = Policy { require_expiry: false, clock_skew: 0, max_target_bytes: 8192 };

#[test]
fn cloudinary_delivery_url() {
    let counts = run("cloudinary_delivery_url", |op, case| match op {
        "sign" => delivery_sign(case),
        "component" => {
            let url =
                format!("https://res.cloudinary.com/demo/image/upload/{}", text(&case["inputs"]["to_sign"]));
            let signed = delivery_key(case).sign(&POLICY, &Wanted::plain(&url, None)).unwrap().url;
            assert!(
                signed.contains(&format!("/upload/{}/", text(&case["expected"]["component"]))),
                "{signed}"
            );
        }
        other => panic!("{other}"),
    });
    assert_counts(&counts, &[("sign", 18), ("component", 5)]);
}

fn delivery_key(case: &Json) -> Key {
    let signatures = match (text(&case["inputs"]["algorithm"]), number(&case["inputs"]["length"])) {
        ("sha1", 8) => Signatures::Short(Algorithm::Sha1),
        ("sha256", 8) => Signatures::Short(Algorithm::Sha256),
        ("sha256", 32) => Signatures::Long,
        other => panic!("{other:?}"),
    };
    Key::new(text(&case["key"]["secret_utf8"]).as_bytes(), signatures).unwrap()
}

fn delivery_sign(case: &Json) {
    let key = delivery_key(case);
    let expected = &case["expected"];
    let (url, to_sign) = (text(&expected["url"]), text(&expected["to_sign"]));
    let component = format!("s--{}--/", text(&expected["signature"]));
    let unsigned = url.replacen(&component, "", 1);
    // A URL does not tell a public id that looks like a version from a version: whoever asks does.
    let in_public_id = url.ends_with(&format!("{component}{to_sign}"));
    let extra: &[_] = if in_public_id { &[("sign_version", "true")] } else { &[] };
    let signed = key.sign(&POLICY, &Wanted { extra, ..Wanted::plain(&unsigned, None) }).unwrap().url;
    assert_eq!(signed, url);

    let verify = |url| Key::verify([&key], &POLICY, &Presented::target(target(url), 0)).unwrap();
    assert_eq!(verify(&signed).authenticated_target, format!("/{to_sign}"));
    // Where the SDKs differ, what each of them signs verifies.
    let others = case["sdk_results"].as_object();
    assert_eq!(others.is_some(), case["sdks_disagree"] == true);
    for result in others.into_iter().flat_map(serde_json::Map::values) {
        verify(text(&result["url"]));
    }
}
