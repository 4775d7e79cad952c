//! CloudFront: what AWS's SDK for JavaScript signed, both directions.

use safelight_signer::scheme::{
    cloudfront::{Algorithm, Key},
    url::{Carrier, Policy, Presented, Signed, UrlScheme, Wanted},
};
use serde_json::Value as Json;

use crate::{assert_counts, run, target, text};

const POLICY: Policy = Policy { require_expiry: true, clock_skew: 0, max_target_bytes: 8192 };

#[test]
fn cloudfront() {
    let counts = run("cloudfront", check);
    assert_counts(&counts, &[("sign_url", 4), ("sign_cookies", 1)]);
}

fn check(op: &str, case: &Json) {
    let (inputs, expected) = (&case["inputs"], &case["expected"]);
    let algorithm = match inputs["algorithm"].as_str() {
        None => Algorithm::RsaSha1,
        Some("SHA256") => Algorithm::RsaSha256,
        other => panic!("{other:?}"),
    };
    let pem = text(&case["key"]["private_key_pem"]);
    let key = Key::new(pem.as_bytes(), text(&case["key"]["key_pair_id"]), algorithm).unwrap();
    assert_eq!(key.is_legacy(), algorithm == Algorithm::RsaSha1);

    let url = text(&inputs["url"]);
    let expires = time(text(&inputs["dateLessThan"]));
    let starts = inputs["dateGreaterThan"].as_str().map(time);
    let wanted = Wanted {
        starts,
        client: inputs["ipAddress"].as_str().map(|range| range.parse().unwrap()),
        carrier: if op == "sign_cookies" { Carrier::Cookies } else { Carrier::Url },
        ..Wanted::plain(url, Some(expires))
    };
    let signed = key.sign(&POLICY, &wanted).unwrap();
    let sdk = if op == "sign_cookies" {
        let cookies = expected["cookies"].as_object().unwrap().iter();
        let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Signed {
            url: url.to_owned(),
            cookies: cookies.map(|(name, value)| (name.clone(), text(value))).collect(),
        }
    } else {
        Signed::url(text(&expected["url"]).to_owned())
    };
    assert_eq!(signed.url, sdk.url);
    let sorted = |signed: &Signed| {
        let mut cookies = signed.cookies.clone();
        cookies.sort_unstable();
        cookies
    };
    assert_eq!(sorted(&signed), sorted(&sdk));

    let cookies: Vec<_> = sdk.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let presented = Presented {
        target: target(&sdk.url),
        origin: Some(&url[..url.len() - target(url).len()]),
        client: wanted.client.map(|range| range.addr()),
        cookies: &cookies.join("; "),
        now: starts.unwrap_or(expires - 1),
    };
    let verified = Key::verify([&key], &POLICY, &presented).unwrap();
    assert_eq!(verified.expires, Some(expires));
    assert_eq!(verified.authenticated_target, target(url));
}

/// The vectors' times, all on one day: `2026-01-01Thh:mm:ss.000Z`.
fn time(iso: &str) -> u64 {
    let day = 1_767_225_600;
    let clock = iso.strip_prefix("2026-01-01T").unwrap().strip_suffix(".000Z").unwrap();
    day + clock.split(':').fold(0, |seconds, part| seconds * 60 + part.parse::<u64>().unwrap())
}
