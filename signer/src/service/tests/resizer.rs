//! A signer with deliveries of every kind of key, and a resizer that may call what it needs and no more.

use safelight_chassis::{access::Caller, config};

use super::*;
use crate::access::{Grants, METHODS};

/// What stands before object keys.
pub(super) const BASE: &str = "https://photos.s3.eu-west-1.amazonaws.com/";

/// Deliveries; all but `foreign` and `open` are named after the key of their URLs.
pub(super) const NAMES: [&str; 16] = [
    "web",
    "google",
    "cloudfront",
    "akamai",
    "auth-token",
    "imgproxy",
    "prefixed",
    "thumbor",
    "bunny",
    "cloudinary",
    "foreign",
    "open",
    "imgproxy-whole",
    "prefixed-whole",
    "thumbor-whole",
    "cloudinary-whole",
];

/// The resizer's grant: not for `foreign`, whose keys are other ones, and not for `SignOriginRequest`.
const GRANTS: &str = "[[grants]]\ncaller = 'resizer'\nmethods = ['AuthorizeDelivery', 'ListDeliveries']\n\
    keys = ['web', 'google', 'cloudfront', 'akamai', 'auth-token', 'imgproxy', 'prefixed', 'thumbor', 'bunny', \
    'cloudinary', 's3']\n";

/// The content of a secret file.
pub(super) fn named(file: &str) -> &'static str {
    match file {
        "hex" => "00112233445566778899aabbccddeeff",
        "google" => "AAECAwQFBgcICQoLDA0ODw==",
        "pem" => include_str!("../../scheme/cloudfront/tests/rsa.pem"),
        "sse" => "ZmFrZS1zc2UtYy1rZXktZmFrZS1zc2UtYy1rZXktMTI=",
        "other" => "fake-other-secret",
        _ => SECRETS[0],
    }
}

/// A signer with these options of the key `s3`.
pub(super) fn signer(s3: &str) -> Signer {
    let directory = tempfile::tempdir().unwrap();
    for file in ["text", "hex", "google", "pem", "sse", "other"] {
        let path = directory.path().join(file);
        fs::write(&path, named(file)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    }
    let key = |name: &str, scheme: &str, options: &str, version: &str| {
        format!(
            "[[keys]]\nname = '{name}'\nscheme = '{scheme}'\n{options}\n\
             versions = [{{ id = 1, state = 'primary', {version} }}]\n"
        )
    };
    let text = "secret_file = 'DIR/text'";
    let hex = "secret_file = 'DIR/hex'";
    let salted = "secret_file = 'DIR/hex', salt_file = 'DIR/hex'";
    let access = "access_key_id = 'AKIAFAKE', secret_file = 'DIR/text'";
    let mut config = [
        key("web", "cloudflare-images", "max_ttl = '1h'", text),
        key("other", "cloudflare-images", "max_ttl = '1h'", "secret_file = 'DIR/other'"),
        key(
            "google",
            "google-cloud-cdn",
            "max_ttl = '1h'\nallow_legacy = true",
            "key_name = 'n', secret_file = 'DIR/google'",
        ),
        key(
            "cloudfront",
            "cloudfront",
            "max_ttl = '1h'\nallowed_hosts = ['h']",
            "key_pair_id = 'KFAKE', secret_file = 'DIR/pem'",
        ),
        key("any-host", "cloudfront", "max_ttl = '1h'", "key_pair_id = 'KFAKE', secret_file = 'DIR/pem'"),
        key("akamai", "akamai-edgeauth", "max_ttl = '1h'", hex),
        key("auth-token", "cloudinary-auth-token", "max_ttl = '1h'", hex),
        key("imgproxy", "imgproxy", "", salted),
        key("prefixed", "imgproxy", "path_prefix = '/imgproxy'", salted),
        key("thumbor", "thumbor", "allow_legacy = true", text),
        key("bunny", "bunny", "max_ttl = '1h'", text),
        key("cloudinary", "cloudinary-delivery", "", text),
        key("s3", "aws-sigv4", s3, access),
        key("s3-other", "aws-sigv4", "", access),
    ]
    .concat();
    for name in NAMES {
        let (path, object_key) = match name {
            "open" => {
                config.push_str(
                    "[[deliveries]]\nname = 'open'\npath = '/open/{key...}'\nvariant = 'thumb'\n\
                     public_variants = ['thumb']\nbase_url = 'http://origin.example/'\n",
                );
                continue;
            }
            "imgproxy" | "prefixed" | "thumbor" | "bunny" | "cloudinary" => {
                ("/ip/{key...}/{variant}", "{key}")
            }
            "imgproxy-whole" | "thumbor-whole" => ("/{sig}/ip/{key...}/{variant}", "{key}"),
            "prefixed-whole" => ("/imgproxy/{sig}/{key...}/{variant}", "{key}"),
            "cloudinary-whole" => ("/demo/image/upload/{sig}/{key...}/{variant}", "{key}"),
            _ => ("/{account}/{key...}/{variant}", "originals/{account}/{key}"),
        };
        let (url_key, signing_key) = match name {
            "foreign" => ("other", "s3-other"),
            _ => (name.trim_end_matches("-whole"), "s3"),
        };
        config.push_str(&format!(
            "[[deliveries]]\nname = '{name}'\npath = '{path}'\nobject_key = '{object_key}'\nurl_key = '{url_key}'\n\
             public_variants = ['thumb']\nsigning_key = '{signing_key}'\nregion = 'eu-west-1'\nbase_url = '{BASE}'\n"
        ));
    }
    let config = format!("{config}{GRANTS}").replace("DIR", &directory.path().display().to_string());
    Signer::new(Config::read(&config).unwrap_or_else(|errors| panic!("{errors}")), Clock::fixed(NOW))
}

/// A request of the resizer, as the gate lets it in.
pub(super) fn resizer<T>(method: &str, message: T) -> Request<T> {
    granted_by(GRANTS, method, message)
}

/// A request of a resizer that has these grants.
pub(super) fn granted_by<T>(grants: &str, method: &str, message: T) -> Request<T> {
    let grants = config::read(grants, Grants::read).unwrap();
    let granted = grants.granted(&Caller::new("resizer"), METHODS.of_name(method).unwrap());
    let mut request = Request::new(message);
    request.extensions_mut().insert(granted.unwrap_or_else(|| panic!("no grant for {method}")));
    request
}

/// The digest of a delivery.
pub(super) fn digest(signer: &Signer, name: &str) -> String {
    signer.deliveries().all()[name].digest.clone()
}

/// Asks for the delivery of a target of `https://h`.
pub(super) fn request(signer: &Signer, name: &str, target: &str) -> pb::AuthorizeDeliveryRequest {
    pb::AuthorizeDeliveryRequest {
        delivery_digest: digest(signer, name),
        request_target: target.to_owned(),
        origin: "https://h".to_owned(),
        ..Default::default()
    }
}

/// The same, by the resizer.
pub(super) async fn ask(
    signer: &Signer,
    name: &str,
    target: &str,
) -> Result<Response<pb::AuthorizeDeliveryResponse>, Status> {
    signer.authorize_delivery(resizer("AuthorizeDelivery", request(signer, name, target))).await
}

/// A target of `https://h` that a backend had signed, for what `scope` covers besides.
pub(super) async fn signed(signer: &Signer, key: &str, path: &str, scope: &[&str]) -> String {
    let request = pb::SignUrlRequest {
        key: key.to_owned(),
        url: format!("https://h{path}"),
        scope: scope.iter().map(|scope| (*scope).to_owned()).collect(),
        ..Default::default()
    };
    target(&ok(signer.sign_url(allowed(request)).await).signed_url).to_owned()
}
