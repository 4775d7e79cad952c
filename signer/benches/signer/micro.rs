//! Schemes alone, without a server: nanoseconds beside the bare primitive of each over the same target.

use std::{hint::black_box, rc::Rc, time::Instant};

use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, VerificationAlgorithm,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use safelight_signer::scheme::{
    akamai_edgeauth, aws_sigv4, bunny, cloudflare_images,
    cloudfront::{self, Algorithm},
    cloudinary_auth_token, cloudinary_delivery, fastly, google_cloud_cdn, google_media_cdn, imgix, imgproxy,
    material::KeyFormatError,
    thumbor,
    url::{Policy, Presented, UrlScheme, Wanted},
};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::median;

/// Hexadecimal text, long enough for every scheme.
const SECRET: &[u8] = b"fa4efa4efa4efa4efa4efa4efa4efa4e";
const ORIGIN: &str = "https://img.example.com";
const PATH: &str = "/cheeW4oKsx5ljh8e8BoL2A/bc27a117-9509-446b-8c69-c81bfeac0a01/mobile";
const DELIVERY: &str = "/demo/image/upload/w_200/bc27a117-9509-446b-8c69-c81bfeac0a01.jpg";
const NOW: u64 = 1_700_000_000;
const POLICY: Policy = Policy { require_expiry: false, clock_skew: 0, max_target_bytes: 8192 };
/// About how long a round takes, in seconds.
const ROUND: f64 = 0.5e-3;
const ROUNDS: usize = 31;

/// What is called over and over.
type Work = Box<dyn Fn()>;

/// A scheme's call, and the primitive without which it cannot be.
struct Case {
    name: String,
    ours: Work,
    peer: &'static str,
    theirs: Work,
}

/// A primitive, signing and verifying.
struct Bare {
    name: &'static str,
    sign: Work,
    verify: Work,
}

pub fn run(json: bool, wanted: impl Fn(&str) -> bool) {
    if !json {
        println!("{:<34} {:>10} {:>10} {:>7}  bare", "schemes", "ours, ns", "bare, ns", "ratio");
    }
    for Case { name, ours, peer, theirs } in cases().into_iter().filter(|case| wanted(&case.name)) {
        let (mut mine, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            mine.push(time(&ours));
            bare.push(time(&theirs));
        }
        let (ours, bare) = (median(mine), median(bare));
        if json {
            let line = serde_json::json!({
                "case": name, "unit": "ns", "ours": ours.round(), "peer": format!("{peer} alone"),
                "theirs": bare.round(), "ratio": (ours / bare * 1e4).round() / 1e4,
            });
            println!("{line}");
        } else {
            println!("{name:<34} {ours:>10.0} {bare:>10.0} {:>7.2}  {peer}", ours / bare);
        }
    }
}

/// Nanoseconds of one call.
fn time(work: &Work) -> f64 {
    let start = Instant::now();
    let mut calls = 0.0;
    while start.elapsed().as_secs_f64() < ROUND {
        // Between two looks at the clock, which takes as long as some of these calls.
        (0..16).for_each(|_| work());
        calls += 16.0;
    }
    start.elapsed().as_secs_f64() * 1e9 / calls
}

/// Every scheme.
fn cases() -> Vec<Case> {
    use Algorithm::{EcdsaSha256, RsaSha1, RsaSha256};

    let rsa = Rc::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"));
    let p256 = Rc::new(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key"));
    let ed25519 = Rc::new(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key"));
    let cloudfront = |pem, algorithm| cloudfront::Key::new(pem, "K1", algorithm);
    let rsa_pem = pem(rsa.as_der().expect("a key").as_ref());
    let p256_pem = pem(p256.to_pkcs8v1().expect("a key").as_ref());
    let google = |bytes: &[u8]| URL_SAFE.encode(bytes).into_bytes();
    let delivery = cloudinary_delivery::Key::new(SECRET, cloudinary_delivery::Signatures::Long);
    let akamai = akamai_edgeauth::Settings::default();
    [
        pair("cloudflare-images", Ok(cloudflare_images::Key::new(SECRET)), PATH, hmac_sha256()),
        pair("cloudinary-delivery", delivery, DELIVERY, hash::<Sha256>("SHA-256")),
        pair("cloudinary-auth-token", cloudinary_auth_token::Key::new(SECRET, "t"), PATH, hmac_sha256()),
        pair("imgproxy", imgproxy::Key::new(SECRET, b"5a17", 32), PATH, hmac_sha256()),
        pair("imgix", imgix::Key::new(SECRET), PATH, hash::<Md5>("MD5")),
        pair("thumbor", thumbor::Key::new(SECRET), PATH, hmac_sha1()),
        pair("google-cloud-cdn", google_cloud_cdn::Key::new(&google(&[7; 16]), "k"), PATH, hmac_sha1()),
        pair(
            "google-media-cdn",
            google_media_cdn::Key::new(&google(&[7; 32]), "k"),
            PATH,
            bare_ed25519(&ed25519),
        ),
        pair("cloudfront, ECDSA", cloudfront(&p256_pem, EcdsaSha256), PATH, bare_ecdsa(&p256)),
        pair("cloudfront, RSA-2048", cloudfront(&rsa_pem, RsaSha256), PATH, bare_rsa(&rsa)),
        pair("cloudfront, RSA-2048, SHA-1", cloudfront(&rsa_pem, RsaSha1), PATH, bare_rsa(&rsa)),
        pair("akamai-edgeauth", akamai_edgeauth::Key::new(SECRET, &akamai), PATH, hmac_sha256()),
        pair("fastly", fastly::Key::new(SECRET), PATH, hmac_sha1()),
        pair("bunny", bunny::Key::new(SECRET), PATH, hmac_sha256()),
        s3(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Signing and verifying a URL.
fn pair<K: UrlScheme>(name: &str, key: Result<K, KeyFormatError>, path: &str, bare: Bare) -> [Case; 2] {
    let key = Rc::new(key.expect("a key"));
    let url = format!("{ORIGIN}{path}");
    // With an expiry where there can be one.
    let (expires, signed) = [Some(NOW + 60), None]
        .into_iter()
        .find_map(|expires| Some((expires, key.sign(&POLICY, &Wanted::plain(&url, expires)).ok()?.url)))
        .expect("a URL that can be signed");
    let accepts = {
        let key = Rc::clone(&key);
        let target = signed.trim_start_matches(ORIGIN).to_owned();
        move || {
            let presented = Presented { origin: Some(ORIGIN), ..Presented::target(black_box(&target), NOW) };
            K::verify([&*key], &POLICY, &presented).is_ok()
        }
    };
    assert!(accepts(), "{name}: what is measured works");
    let sign = move || {
        black_box(key.sign(&POLICY, &Wanted::plain(black_box(&url), expires)).is_ok());
    };
    let verify = move || {
        black_box(accepts());
    };
    [
        Case { name: format!("{name} sign"), ours: Box::new(sign), peer: bare.name, theirs: bare.sign },
        Case { name: format!("{name} verify"), ours: Box::new(verify), peer: bare.name, theirs: bare.verify },
    ]
}

/// Signing a GET to S3, in its headers and in its URL.
fn s3() -> [Case; 2] {
    use aws_sigv4::{Body, Credentials, Request, Scope};

    let credentials =
        || Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None);
    let request = Request {
        method: "GET",
        url: "https://photos.s3.eu-west-1.amazonaws.com/bc27a117-9509-446b-8c69-c81bfeac0a01.jpg",
        headers: &[],
        body: Body::Unsigned,
    };
    let (presigned, scope) = (request.clone(), Scope::s3("eu-west-1"));
    let case = |name: &str, ours: Work| {
        let Bare { name: peer, sign: theirs, .. } = hmac_sha256();
        Case { name: format!("aws-sigv4 {name}"), ours, peer, theirs }
    };
    let (key, other) = (credentials(), credentials());
    let headers = move || {
        black_box(aws_sigv4::sign_headers(&key, black_box(&request), &scope, NOW).is_ok());
    };
    let query = move || {
        black_box(aws_sigv4::presign(&other, black_box(&presigned), &scope, NOW, 60).is_ok());
    };
    [case("headers", Box::new(headers)), case("presign", Box::new(query))]
}

fn hmac_sha256() -> Bare {
    hmac::<Hmac<Sha256>>("HMAC-SHA256")
}

fn hmac_sha1() -> Bare {
    hmac::<Hmac<Sha1>>("HMAC-SHA1")
}

/// With its key prepared, as ours are.
fn hmac<M: Mac + KeyInit + Clone + 'static>(name: &'static str) -> Bare {
    let key = <M as KeyInit>::new_from_slice(SECRET).expect("a key");
    let work = || {
        let key = key.clone();
        Box::new(move || {
            black_box(key.clone().chain_update(black_box(PATH)).finalize());
        })
    };
    Bare { name, sign: work(), verify: work() }
}

fn hash<D: Digest + 'static>(name: &'static str) -> Bare {
    let work = || {
        Box::new(|| {
            black_box(D::new().chain_update(SECRET).chain_update(black_box(PATH)).finalize());
        })
    };
    Bare { name, sign: work(), verify: work() }
}

fn bare_ed25519(key: &Rc<Ed25519KeyPair>) -> Bare {
    let sign = |key: &Ed25519KeyPair, message: &[u8]| key.sign(message).as_ref().to_vec();
    asymmetric("Ed25519", key, &ED25519, key.public_key().as_ref(), sign)
}

fn bare_ecdsa(key: &Rc<EcdsaKeyPair>) -> Bare {
    let sign = |key: &EcdsaKeyPair, message: &[u8]| {
        key.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    };
    asymmetric("ECDSA P-256", key, &ECDSA_P256_SHA256_ASN1, key.public_key().as_ref(), sign)
}

fn bare_rsa(key: &Rc<RsaKeyPair>) -> Bare {
    let sign = |key: &RsaKeyPair, message: &[u8]| {
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect("a signature");
        signature
    };
    asymmetric("RSA-2048, SHA-256", key, &RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref(), sign)
}

fn asymmetric<K: 'static>(
    name: &'static str,
    key: &Rc<K>,
    algorithm: &'static dyn VerificationAlgorithm,
    public: &[u8],
    sign: impl Fn(&K, &[u8]) -> Vec<u8> + 'static,
) -> Bare {
    let public = ParsedPublicKey::new(algorithm, public).expect("a key");
    let signature = sign(key, PATH.as_bytes());
    let verify = move || {
        black_box(public.verify_sig(black_box(PATH.as_bytes()), &signature).is_ok());
    };
    let key = Rc::clone(key);
    let sign = move || {
        black_box(sign(&key, black_box(PATH.as_bytes())));
    };
    Bare { name, sign: Box::new(sign), verify: Box::new(verify) }
}

/// A private key in PKCS#8, as the configuration has it.
fn pem(der: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n").into_bytes()
}
