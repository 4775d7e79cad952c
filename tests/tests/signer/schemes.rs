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

/// The keys: name, scheme, options, the file of the secret, and what else a version has.
const KEYS: [(&str, &str, &str, &str, &str); 17] = [
    ("imgproxy", "imgproxy", "", "hex", "salt_file = 'DIR/salt'"),
    ("imgix", "imgix", "allow_legacy = true\nrequire_expiry = false", "hex", ""),
    (
        "imgix-bound",
        "imgix",
        "allow_legacy = true\nallowed_hosts = ['h']\nallowed_path_prefixes = ['/photos/']",
        "hex",
        "",
    ),
    ("thumbor", "thumbor", "allow_legacy = true", "hex", ""),
    ("fastly", "fastly", "allow_legacy = true", "16-bytes", ""),
    ("bunny", "bunny", "", "hex", ""),
    ("google", "google-cloud-cdn", "allow_legacy = true", "16-bytes", "key_name = 'fake-key'"),
    ("google-media", "google-media-cdn", "", "32-bytes", "key_name = 'fake-key'"),
    ("cloudfront", "cloudfront", "", "rsa", "key_pair_id = 'KFAKEOFTHETESTS'"),
    (
        "cloudfront-sha1",
        "cloudfront",
        "algorithm = 'rsa-sha1'\nallow_legacy = true",
        "rsa",
        "key_pair_id = 'KFAKEOFTHETESTS'",
    ),
    (
        "cloudfront-ecdsa",
        "cloudfront",
        "algorithm = 'ecdsa-sha256'",
        "ecdsa",
        "key_pair_id = 'KFAKEOFTHETESTS'",
    ),
    ("akamai", "akamai-edgeauth", "", "hex", ""),
    (
        "akamai-escaped",
        "akamai-edgeauth",
        "algorithm = 'hmac-sha1'\nallow_legacy = true\ntoken_name = 'hdnts'\nescape_early = true",
        "hex",
        "salt_file = 'DIR/salt'",
    ),
    ("akamai-md5", "akamai-edgeauth", "algorithm = 'hmac-md5'\nallow_legacy = true", "hex", ""),
    ("cloudinary", "cloudinary-delivery", "", "hex", ""),
    (
        "cloudinary-short",
        "cloudinary-delivery",
        "algorithm = 'sha1-suffix'\nallow_legacy = true\nsignatures = 'short'",
        "hex",
        "",
    ),
    ("cloudinary-token", "cloudinary-auth-token", "", "hex", ""),
];

/// The keys as the configuration has them; `DIR` stands for the folder of their secrets.
pub(crate) fn toml() -> String {
    let key = |(name, scheme, options, secret, more)| {
        let version = format!("id = 1\nstate = 'primary'\nsecret_file = 'DIR/{secret}'\n{more}");
        format!("[[keys]]\nname = '{name}'\nscheme = '{scheme}'\n{options}\n[[keys.versions]]\n{version}\n")
    };
    KEYS.map(key).concat()
}

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
