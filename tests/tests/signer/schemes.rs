//! Keys of every scheme that signs URLs.

use std::{fs, path::Path};

use rcgen::KeyPair;
use safelight_proto::signer::v1::{SignUrlRequest, SignatureCarrier, Verdict, VerifyUrlRequest};
use serde_json::Value as Json;

use crate::harness::{Pair, cookie_header, url_request, verify_request};

/// What CloudFront calls the keys.
pub(crate) const KEY_PAIR_ID: &str = "KFAKEOFTHETESTS";
/// What Google calls the keys.
pub(crate) const KEY_NAME: &str = "fake-key";

/// The keys; `DIR` stands for the folder of their secrets.
pub(crate) const KEYS: &str = r#"
[[keys]]
name = "imgproxy"
scheme = "imgproxy"
versions = [{ id = 1, state = "primary", secret_file = "DIR/hex", salt_file = "DIR/salt" }]
[[keys]]
name = "imgix"
scheme = "imgix"
allow_legacy = true
require_expiry = false
versions = [{ id = 1, state = "primary", secret_file = "DIR/hex" }]
[[keys]]
name = "imgix-bound"
scheme = "imgix"
allow_legacy = true
allowed_hosts = ["h"]
allowed_path_prefixes = ["/photos/"]
versions = [{ id = 1, state = "primary", secret_file = "DIR/hex" }]
[[keys]]
name = "thumbor"
scheme = "thumbor"
allow_legacy = true
versions = [{ id = 1, state = "primary", secret_file = "DIR/hex" }]
[[keys]]
name = "fastly"
scheme = "fastly"
allow_legacy = true
versions = [{ id = 1, state = "primary", secret_file = "DIR/16-bytes" }]
[[keys]]
name = "bunny"
scheme = "bunny"
versions = [{ id = 1, state = "primary", secret_file = "DIR/hex" }]
[[keys]]
name = "google"
scheme = "google-cloud-cdn"
allow_legacy = true
versions = [{ id = 1, state = "primary", key_name = "fake-key", secret_file = "DIR/16-bytes" }]
[[keys]]
name = "google-media"
scheme = "google-media-cdn"
versions = [{ id = 1, state = "primary", key_name = "fake-key", secret_file = "DIR/32-bytes" }]
[[keys]]
name = "cloudfront"
scheme = "cloudfront"
versions = [{ id = 1, state = "primary", key_pair_id = "KFAKEOFTHETESTS", secret_file = "DIR/rsa" }]
[[keys]]
name = "cloudfront-sha1"
scheme = "cloudfront"
algorithm = "rsa-sha1"
allow_legacy = true
versions = [{ id = 1, state = "primary", key_pair_id = "KFAKEOFTHETESTS", secret_file = "DIR/rsa" }]
[[keys]]
name = "cloudfront-ecdsa"
scheme = "cloudfront"
algorithm = "ecdsa-sha256"
versions = [{ id = 1, state = "primary", key_pair_id = "KFAKEOFTHETESTS", secret_file = "DIR/ecdsa" }]
[[keys]]
name = "akamai"
scheme = "akamai-edgeauth"
versions = [{ id = 1, state = "primary", secret_file = "DIR/hex" }]
[[keys]]
name = "akamai-escaped"
scheme = "akamai-edgeauth"
algorithm = "hmac-sha1"
allow_legacy = true
token_name = "hdnts"
escape_early = true
versions = [{ id = 1, state = "primary", secret_file = "DIR/hex", salt_file = "DIR/salt" }]
[[keys]]
name = "akamai-md5"
scheme = "akamai-edgeauth"
algorithm = "hmac-md5"
allow_legacy = true
versions = [{ id = 1, state = "primary", secret_file = "DIR/hex" }]
[[keys]]
name = "cloudinary"
scheme = "cloudinary-delivery"
versions = [{ id = 1, state = "primary", secret_file = "DIR/hex" }]
[[keys]]
name = "cloudinary-token"
scheme = "cloudinary-auth-token"
versions = [{ id = 1, state = "primary", secret_file = "DIR/hex" }]
"#;

/// Their secrets, by the names of their files.
pub(crate) fn secrets() -> Vec<(&'static str, String)> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/cloudfront.json");
    let vectors: Json = serde_json::from_str(&fs::read_to_string(vectors).unwrap()).unwrap();
    vec![
        ("hex", "00112233445566778899aabbccddeeff".to_owned()),
        ("salt", "5a17c0ffee5a17c0ffee5a17".to_owned()),
        ("16-bytes", "AAECAwQFBgcICQoLDA0ODw==".to_owned()),
        ("32-bytes", "AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8=".to_owned()),
        ("rsa", vectors[0]["key"]["private_key_pem"].as_str().unwrap().to_owned()),
        ("ecdsa", KeyPair::generate().unwrap().serialize_pem()),
    ]
}

/// Signs with every key, in URLs and in cookies, and verifies what is good and what is not. Answers what nobody may see in a
/// log: the secrets, and the signatures.
pub(crate) async fn use_all(pair: &Pair) -> Vec<String> {
    let mut hidden = Vec::new();
    for (name, _) in secrets() {
        let secret = pair.secret(name);
        hidden.extend(secret.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned));
    }
    for (key, ttl, cookie_scope) in [
        ("imgproxy", None, None),
        ("imgix", Some(60), None),
        ("thumbor", None, None),
        ("fastly", Some(60), None),
        ("bunny", Some(60), None),
        ("google", Some(60), Some("https://h/")),
        ("google-media", Some(60), Some("https://h/")),
        ("cloudfront", Some(60), Some("https://h/*")),
        ("cloudfront-sha1", Some(60), Some("https://h/*")),
        ("cloudfront-ecdsa", Some(60), Some("https://h/*")),
        ("akamai", Some(60), Some("/*")),
        ("akamai-escaped", Some(60), Some("/*")),
        ("cloudinary", None, None),
        ("cloudinary-token", Some(60), Some("/*")),
    ] {
        let url = "https://h/demo/image/upload/a.jpg";
        let mut requests = vec![url_request(key, url, ttl)];
        requests.extend(cookie_scope.map(|scope| SignUrlRequest {
            scope: vec![scope.to_owned()],
            carrier: SignatureCarrier::Cookies.into(),
            ..url_request(key, url, ttl)
        }));
        for request in requests {
            let signed = pair.sign(request).await;
            let cookies = cookie_header(&signed.cookies);
            let good =
                VerifyUrlRequest { cookies: cookies.clone(), ..verify_request(key, &signed.signed_url) };
            assert_eq!(pair.verify(good.clone()).await.verdict(), Verdict::Valid, "{key}");
            let elsewhere = VerifyUrlRequest { origin: "ftp://other".to_owned(), ..good.clone() };
            let moved = VerifyUrlRequest { request_target: format!("/x{}", good.request_target), ..good };
            for bad in [elsewhere, moved] {
                // Some are good at any origin, or at any path.
                pair.verify(bad).await;
            }
            let parts = |text: &str| -> Vec<String> {
                text.split(['/', '?', '&', '=', ';', ':', ' ']).map(str::to_owned).collect()
            };
            let public = parts(url);
            let made = parts(&format!("{} {cookies}", signed.signed_url)).into_iter();
            let made: Vec<_> = made.filter(|part| part.len() >= 22 && !public.contains(part)).collect();
            assert!(!made.is_empty(), "{key}: {}", signed.signed_url);
            hidden.extend(made);
        }
    }
    hidden
}
