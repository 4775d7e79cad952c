//! Keys of every scheme that signs URLs.

use std::{fs, path::Path};

use rcgen::KeyPair;
use serde_json::Value as Json;

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
        ("salt", "5a17c0ffee".to_owned()),
        ("16-bytes", "AAECAwQFBgcICQoLDA0ODw==".to_owned()),
        ("32-bytes", "AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8=".to_owned()),
        ("rsa", vectors[0]["key"]["private_key_pem"].as_str().unwrap().to_owned()),
        ("ecdsa", KeyPair::generate().unwrap().serialize_pem()),
    ]
}
