//! The schemes that sign URLs, each with a key and with another one that signed nothing.

use std::sync::LazyLock;

use safelight_signer::scheme::{
    akamai_edgeauth, bunny, cloudflare_images, cloudfront, cloudinary_auth_token, cloudinary_delivery,
    cloudinary_upload, fastly, google_cloud_cdn, google_media_cdn, imgix, imgproxy, thumbor,
    url::{Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted},
};

/// A key as text: also the hexadecimal and base64 of some bytes.
pub const SECRET: &str = "fa4efa4efa4efa4efa4efa4efa4efa4e";
/// Signs nothing.
const OTHER: &str = "0123456789abcdef0123456789abcdef";
/// imgproxy's salt.
pub const SALT: &str = "5a17";
/// Akamai's salt.
pub const AKAMAI_SALT: &str = "salted";
/// 16 bytes.
pub const GOOGLE_SECRET: &str = "nZtRohdNF9m3cKM24IcK4w==";
/// The name of Google's keys.
pub const KEY_NAME: &str = "my-key";
/// The id of CloudFront's key.
pub const KEY_PAIR_ID: &str = "K2JCJMDEHXQW5F";
/// CloudFront's key.
pub const ECDSA: &[u8] = include_bytes!("../../src/scheme/cloudfront/tests/ecdsa.pem");

/// What differs between schemes, for whoever forges or judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    CloudflareImages,
    Imgproxy,
    Thumbor,
    Imgix,
    Fastly,
    Bunny,
    DeliveryLong,
    DeliveryShort,
    GoogleCloudCdn,
    GoogleMediaCdn,
    Cloudfront,
    Akamai,
    AkamaiEarly,
    CloudinaryAuthToken,
}

/// A scheme's keys, whatever their type.
pub trait Keys: Send + Sync {
    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError>;

    /// With the key in the second place, behind the other one.
    fn verify(&self, policy: &Policy, presented: &Presented<'_>) -> Result<Verified, Refusal>;

    /// With the other key alone.
    fn verify_with_other(&self, policy: &Policy, presented: &Presented<'_>) -> Result<Verified, Refusal>;
}

struct Pair<K>(K, K);

impl<K: UrlScheme> Keys for Pair<K> {
    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError> {
        self.0.sign(policy, wanted)
    }

    fn verify(&self, policy: &Policy, presented: &Presented<'_>) -> Result<Verified, Refusal> {
        let verified = K::verify([&self.1, &self.0], policy, presented);
        assert_eq!(verified, K::verify([&self.1, &self.0], policy, presented), "verifying is pure");
        verified
    }

    fn verify_with_other(&self, policy: &Policy, presented: &Presented<'_>) -> Result<Verified, Refusal> {
        K::verify([&self.1], policy, presented)
    }
}

/// All of them. A new one goes to the end, or the corpus means other schemes.
pub static SCHEMES: LazyLock<Vec<(Kind, Box<dyn Keys>)>> = LazyLock::new(|| {
    fn pair<K: UrlScheme>(make: impl Fn(&[u8]) -> K) -> Box<dyn Keys> {
        Box::new(Pair(make(SECRET.as_bytes()), make(OTHER.as_bytes())))
    }
    let akamai = |escape_early: bool| {
        let settings = akamai_edgeauth::Settings {
            salt: escape_early.then_some(AKAMAI_SALT),
            escape_early,
            ..Default::default()
        };
        pair(move |secret| akamai_edgeauth::Key::new(secret, &settings).unwrap())
    };
    let delivery =
        |signatures| pair(move |secret| cloudinary_delivery::Key::new(secret, signatures).unwrap());
    let google = [GOOGLE_SECRET, "AAAAAAAAAAAAAAAAAAAAAA=="]
        .map(|secret| google_cloud_cdn::Key::new(secret.as_bytes(), KEY_NAME).unwrap());
    let media = [[7; 32], [8; 32]].map(|seed| {
        use base64::{Engine, engine::general_purpose::URL_SAFE};
        google_media_cdn::Key::new(URL_SAFE.encode(seed).as_bytes(), KEY_NAME).unwrap()
    });
    let cloudfront = [KEY_PAIR_ID, "KOTHER"]
        .map(|id| cloudfront::Key::new(ECDSA, id, cloudfront::Algorithm::EcdsaSha256).unwrap());
    fn both<K: UrlScheme>([key, other]: [K; 2]) -> Box<dyn Keys> {
        Box::new(Pair(key, other))
    }
    vec![
        (Kind::CloudflareImages, pair(cloudflare_images::Key::new)),
        (Kind::Imgproxy, pair(|secret| imgproxy::Key::new(secret, SALT.as_bytes(), 32).unwrap())),
        (Kind::Thumbor, pair(|secret| thumbor::Key::new(secret).unwrap())),
        (Kind::Imgix, pair(|secret| imgix::Key::new(secret).unwrap())),
        (Kind::Fastly, pair(|secret| fastly::Key::new(secret).unwrap())),
        (Kind::Bunny, pair(|secret| bunny::Key::new(secret).unwrap())),
        (Kind::DeliveryLong, delivery(cloudinary_delivery::Signatures::Long)),
        (
            Kind::DeliveryShort,
            delivery(cloudinary_delivery::Signatures::Short(cloudinary_upload::Algorithm::Sha256)),
        ),
        (Kind::GoogleCloudCdn, both(google)),
        (Kind::GoogleMediaCdn, both(media)),
        (Kind::Cloudfront, both(cloudfront)),
        (Kind::Akamai, akamai(false)),
        (Kind::AkamaiEarly, akamai(true)),
        (
            Kind::CloudinaryAuthToken,
            pair(|secret| {
                cloudinary_auth_token::Key::new(secret, cloudinary_auth_token::DEFAULT_NAME).unwrap()
            }),
        ),
    ]
});

/// The scheme that a byte chooses.
pub fn chosen(byte: u8) -> &'static (Kind, Box<dyn Keys>) {
    &SCHEMES[usize::from(byte) % SCHEMES.len()]
}

/// Policies that differ in all that a policy says.
pub fn policy(flag: bool) -> Policy {
    if flag {
        Policy { require_expiry: true, clock_skew: 60, max_target_bytes: 512 }
    } else {
        Policy { require_expiry: false, clock_skew: 0, max_target_bytes: 8192 }
    }
}

/// What must hold of everything that verifies.
pub fn assert_sound(verified: &Verified, policy: &Policy, now: u64) {
    assert_eq!(verified.key, 1);
    assert!(verified.expires.is_none_or(|expires| now < expires.saturating_add(policy.clock_skew)));
    let (path, _) =
        verified.authenticated_target.split_once('?').unwrap_or((&verified.authenticated_target, ""));
    assert!(!has_dot_segment(path), "a dot segment verifies: {path}");
}

/// Whether a client, or whoever stands before an origin, would resolve a segment of the path.
pub fn has_dot_segment(path: &str) -> bool {
    let plain = path.to_ascii_lowercase().replace("%2e", ".");
    plain.split(['/', '\\']).any(|segment| segment == "." || segment == "..")
}
