//! Google Cloud CDN and Google Media CDN: the samples' own answers, both directions.

use safelight_signer::scheme::{
    google_cloud_cdn, google_media_cdn,
    url::{Carrier, Policy, Presented, Signed, UrlScheme, Wanted},
};
use serde_json::Value as Json;

use crate::{assert_counts, number, run, target, text};

const POLICY: Policy = Policy { require_expiry: true, clock_skew: 0, max_target_bytes: 8192 };

#[test]
fn google_cloud_cdn() {
    let counts = run("google_cloud_cdn", |op, case| {
        let (secret, name) = (text(&case["key"]["key_b64url"]), text(&case["key"]["name"]));
        check(op, case, &google_cloud_cdn::Key::new(secret.as_bytes(), name).unwrap());
    });
    assert_counts(&counts, &[("sign_url", 2), ("sign_prefix", 1), ("sign_cookie", 1)]);
}

#[test]
fn google_media_cdn() {
    let counts = run("google_media_cdn", |op, case| {
        let (secret, name) = (text(&case["key"]["key_b64url"]), text(&case["key"]["name"]));
        let key = google_media_cdn::Key::new(secret.as_bytes(), name).unwrap();
        assert_eq!(key.public_key(), text(&case["key"]["public_key_b64url"]));
        check(op, case, &key);
    });
    assert_counts(&counts, &[("sign_url", 2), ("sign_prefix", 1), ("sign_cookie", 1)]);
}

fn check<K: UrlScheme>(op: &str, case: &Json, key: &K) {
    let (inputs, output) = (&case["inputs"], text(&case["expected"]["output"]));
    let prefix = inputs["url_prefix"].as_str();
    // The cookie's case has no URL: any under the prefix will do.
    let url = inputs["url"].as_str().or(prefix).unwrap();
    let expires = number(&inputs["expires"]);
    let expected = match op {
        "sign_cookie" => {
            let (name, value) = output.split_once('=').unwrap();
            Signed { url: url.to_owned(), cookies: vec![(name.to_owned(), value.to_owned())] }
        }
        _ => Signed::url(output.to_owned()),
    };
    let wanted = Wanted {
        scope: prefix.as_slice(),
        carrier: if op == "sign_cookie" { Carrier::Cookies } else { Carrier::Url },
        ..Wanted::plain(url, Some(expires))
    };
    assert_eq!(key.sign(&POLICY, &wanted), Ok(expected.clone()));

    let presented = Presented {
        target: target(&expected.url),
        origin: Some(&url[..url.len() - target(url).len()]),
        client: None,
        cookies: if op == "sign_cookie" { output } else { "" },
        now: expires - 1,
    };
    let verified = K::verify([key], &POLICY, &presented).unwrap();
    assert_eq!(verified.expires, Some(expires));
    assert_eq!(verified.authenticated_target, target(url));
}
