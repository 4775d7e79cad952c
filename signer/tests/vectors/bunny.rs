//! Bunny token authentication.

use ipnet::IpNet;
use safelight_signer::scheme::{
    bunny::Key,
    url::{Policy, Presented, UrlScheme, Wanted},
};

use crate::{assert_counts, number, run, target, text};

#[test]
fn bunny() {
    let counts = run("bunny_token", |_, case| {
        let key = Key::new(text(&case["key"]["secret_utf8"]).as_bytes()).unwrap();
        let inputs = &case["inputs"];
        let url = format!("{}{}", text(&inputs["host"]), text(&inputs["path"]));
        let client = text(&inputs["userIp"]).parse().ok();
        // Bunny cuts IPv6 addresses to their network; here whoever asks says so.
        let network = client.map(|client: std::net::IpAddr| {
            IpNet::new(client, if client.is_ipv4() { 32 } else { 64 }).unwrap()
        });
        let limit = number(&inputs["speedLimit"]).to_string();
        let mut extra = Vec::new();
        for name in ["countriesAllowed", "countriesBlocked"] {
            extra.extend(Some((name, text(&inputs[name]))).filter(|(_, value)| !value.is_empty()));
        }
        for name in ["isDirectory", "ignoreParams"] {
            extra.extend(inputs[name].as_bool().unwrap().then_some((name, "true")));
        }
        extra.extend((limit != "0").then_some(("speedLimit", limit.as_str())));
        let scope: Vec<_> =
            Some(text(&inputs["pathAllowed"])).into_iter().filter(|path| !path.is_empty()).collect();
        let expires = Some(number(&inputs["expires"]));
        let wanted = Wanted { client: network, scope: &scope, extra: &extra, ..Wanted::plain(&url, expires) };

        let policy = Policy { require_expiry: false, clock_skew: 0, max_target_bytes: 8192 };
        let signed = key.sign(&policy, &wanted).unwrap().url;
        assert_eq!(signed, text(&case["expected"]["signed_url"]));
        let presented = Presented { client, ..Presented::target(target(&signed), 0) };
        let verified = Key::verify([&key], &policy, &presented).unwrap();
        assert_eq!(verified.expires, expires);
        assert!(verified.authenticated_target.starts_with(&format!("{}?", text(&inputs["path"]))));
    });
    assert_counts(&counts, &[("sign", 9)]);
}
