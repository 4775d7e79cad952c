//! Akamai EdgeAuth and Cloudinary's auth token: what the SDKs signed, both directions.

use safelight_signer::scheme::{
    akamai_edgeauth, cloudinary_auth_token,
    url::{Carrier, Policy, Presented, Signed, UrlScheme, Wanted},
};
use serde_json::Value as Json;

use crate::{assert_counts, is_exception, number, run, target, text};

const POLICY: Policy = Policy { require_expiry: true, clock_skew: 0, max_target_bytes: 8192 };

#[test]
fn akamai_edgeauth() {
    let counts = run("akamai_edgeauth", |_, case| {
        let inputs = &case["inputs"];
        let settings = akamai_edgeauth::Settings {
            salt: inputs["salt"].as_str(),
            escape_early: inputs["escape_early"].as_bool().unwrap_or_default(),
            ..Default::default()
        };
        let secret = text(&case["key"]["secret_hex"]);
        let key = akamai_edgeauth::Key::new(secret.as_bytes(), &settings).unwrap();
        let token = format!("{}={}", settings.name, text(&case["expected"]["token"]));
        check(case, &key, &token);
    });
    assert_counts(&counts, &[("sign", 4)]);
}

#[test]
fn cloudinary_auth_token() {
    let counts = run("cloudinary_auth_token", |_, case| {
        let name = case["inputs"]["token_name"].as_str().unwrap_or(cloudinary_auth_token::DEFAULT_NAME);
        let secret = text(&case["key"]["secret_hex"]);
        let key = cloudinary_auth_token::Key::new(secret.as_bytes(), name).unwrap();
        check(case, &key, text(&case["expected"]["token"]));
    });
    assert_counts(&counts, &[("sign", 7)]);
}

/// `token` is the cookie, or the parameter, that the SDK's answer makes.
fn check<K: UrlScheme>(case: &Json, key: &K, token: &str) {
    let inputs = &case["inputs"];
    let starts = inputs["start_time"].as_u64();
    let window = inputs["duration"].as_u64().or_else(|| inputs["window_seconds"].as_u64());
    let expires = window.map_or_else(
        || number(inputs.get("expiration").or_else(|| inputs.get("end_time")).unwrap()),
        |window| starts.unwrap() + window,
    );
    let scope: Vec<_> = match &inputs["acl"] {
        Json::Null => Vec::new(),
        Json::String(pattern) => vec![&**pattern],
        list => list.as_array().unwrap().iter().map(text).collect(),
    };
    // A token with an acl is for any URL that fits, whatever the SDK was told.
    let fitting = scope.first().map(|pattern| pattern.replace(['*', '?'], "x"));
    let url = fitting.as_deref().unwrap_or_else(|| text(&inputs["url"]));
    let url = if url.starts_with('/') { format!("https://example.com{url}") } else { url.to_owned() };
    let sent = target(&url);
    let client = inputs["ip"].as_str().map(|ip| format!("{ip}/32").parse().unwrap());

    // What the SDK signed verifies, in the query as in a cookie.
    let separator = if sent.contains('?') { '&' } else { '?' };
    for (target, cookies) in [(format!("{sent}{separator}{token}"), ""), (sent.to_owned(), token)] {
        let presented = Presented {
            target: &target,
            origin: url.strip_suffix(sent),
            client: client.map(|client: ipnet::IpNet| client.addr()),
            cookies,
            now: starts.unwrap_or(expires - 1),
        };
        let verified = K::verify([key], &POLICY, &presented).unwrap();
        assert_eq!(verified.expires, Some(expires));
        assert_eq!(verified.authenticated_target, sent);
    }

    let extra: Vec<_> = [("id", "session_id"), ("data", "payload")]
        .into_iter()
        .filter_map(|(field, input)| Some((field, inputs[input].as_str()?)))
        .collect();
    let wanted =
        Wanted { starts, client, scope: &scope, extra: &extra, ..Wanted::plain(&url, Some(expires)) };
    let [in_url, in_cookies] =
        [Carrier::Url, Carrier::Cookies].map(|carrier| key.sign(&POLICY, &Wanted { carrier, ..wanted }));
    if is_exception(case) {
        for signed in [in_url, in_cookies].into_iter().flatten() {
            assert_ne!(
                signed.cookies.first().map(|(_, value)| &**value),
                token.split_once('=').map(|(_, value)| value)
            );
        }
        return;
    }
    assert_eq!(in_url, Ok(Signed::url(format!("{url}{separator}{token}"))));
    let (name, value) = token.split_once('=').unwrap();
    assert_eq!(in_cookies, Ok(Signed { url, cookies: vec![(name.to_owned(), value.to_owned())] }));
}
