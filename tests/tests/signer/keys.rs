//! `KeyService`: what keys there are, and nothing that signs.

use prost::Message as _;
use safelight_proto::signer::v1::{
    Algorithm, GetKeyRequest, Key, KeyVersion, KeyVersionState, ListKeysRequest, Scheme,
};
use safelight_signer::Clock;
use tonic::Code;

use crate::harness::{Pair, S3_ID, SECRETS, duration, ok, refused};

/// The keys of the stack and those of the tests.
const NAMES: [&str; 10] = [
    "s3",
    "s3-photos",
    "s3-temporary",
    "upload",
    "upload-sha1",
    "uploads",
    "url",
    "url-forever",
    "url-strict",
    "web",
];

/// All pages of this size: their sizes, and the keys.
async fn list(pair: &Pair, page_size: u32) -> (Vec<usize>, Vec<Key>) {
    let (mut sizes, mut all, mut page_token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = ok(pair.keys().list_keys(ListKeysRequest { page_size, page_token }).await);
        sizes.push(page.keys.len());
        all.extend(page.keys);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return (sizes, all);
        }
    }
}

async fn get(pair: &Pair, name: &str) -> Key {
    ok(pair.keys().get_key(GetKeyRequest { name: name.to_owned() }).await).key.unwrap()
}

fn versions(states: &[(u32, KeyVersionState)]) -> Vec<KeyVersion> {
    states
        .iter()
        .map(|(id, state)| KeyVersion { id: *id, state: (*state).into(), ..KeyVersion::default() })
        .collect()
}

#[tokio::test]
async fn keys_are_listed_by_name_in_pages() {
    let pair = Pair::start().await;
    for (page_size, sizes) in [
        (0, &[10][..]),
        (1, &[1; 10]),
        (3, &[3, 3, 3, 1]),
        (5, &[5, 5]),
        (10, &[10]),
        (11, &[10]),
        (u32::MAX, &[10]),
    ] {
        let (found, keys) = list(&pair, page_size).await;
        assert_eq!(found, sizes, "{page_size}");
        assert_eq!(keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), NAMES);
        for key in keys {
            assert_eq!(get(&pair, &key.name).await, key);
        }
    }
    let after = |token: &str| ListKeysRequest { page_size: 1, page_token: token.to_owned() };
    // A token is a place, not a key: one that is gone or was never there does no harm.
    assert_eq!(ok(pair.keys().list_keys(after("t")).await).keys[0].name, "upload");
    assert_eq!(ok(pair.keys().list_keys(after("zzz")).await).keys, []);
}

#[tokio::test]
async fn a_page_has_100_keys_unless_asked_and_1000_at_most() {
    let keys: String = (0..1100)
        .map(|n| {
            format!(
                "[[keys]]\nname = \"many-{n:04}-{}\"\nscheme = \"cloudflare-images\"\n\
                 versions = [{{ id = 1, state = \"primary\", secret_file = \"DIR/url-new\" }}]\n",
                "x".repeat(54) // a name of the greatest length
            )
        })
        .collect();
    let pair = Pair::with(&keys, Clock::system()).await;
    let (sizes, keys) = list(&pair, 0).await;
    assert_eq!(sizes, [&[100; 11][..], &[3]].concat());
    assert_eq!(list(&pair, 5000).await, (vec![1000, 103], keys));
}

#[tokio::test]
async fn a_key_is_described_without_what_signs() {
    let pair = Pair::start().await;
    let url = Key {
        name: "url".to_owned(),
        scheme: Scheme::CloudflareImages.into(),
        algorithm: Algorithm::HmacSha256.into(),
        identifier: String::new(),
        versions: versions(&[(1, KeyVersionState::VerifyOnly), (2, KeyVersionState::Primary)]),
        max_ttl: Some(duration(3600)),
        require_expiry: true,
        clock_skew: Some(duration(0)),
        ..Key::default()
    };
    let upload = Key {
        name: "upload".to_owned(),
        scheme: Scheme::CloudinaryUpload.into(),
        algorithm: Algorithm::Sha256Suffix.into(),
        identifier: "api-key-1234".to_owned(),
        versions: versions(&[(5, KeyVersionState::Primary)]),
        ..Key::default()
    };
    let one = versions(&[(1, KeyVersionState::Primary)]);
    for expected in [
        Key {
            name: "url-strict".to_owned(),
            versions: one.clone(),
            max_ttl: None,
            clock_skew: Some(duration(30)),
            ..url.clone()
        },
        Key {
            name: "upload-sha1".to_owned(),
            algorithm: Algorithm::Sha1Suffix.into(),
            identifier: String::new(),
            versions: one.clone(),
            ..upload.clone()
        },
        Key {
            name: "s3-temporary".to_owned(),
            scheme: Scheme::AwsSigv4.into(),
            algorithm: Algorithm::HmacSha256.into(),
            identifier: S3_ID.to_owned(),
            versions: vec![KeyVersion { identifier: S3_ID.to_owned(), ..one[0].clone() }],
            max_ttl: Some(duration(3600)),
            ..Key::default()
        },
        url,
        upload,
    ] {
        let mut found = get(&pair, &expected.name).await;
        for version in &mut found.versions {
            assert_eq!(std::mem::take(&mut version.fingerprint).len(), 16);
        }
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn no_answer_holds_a_secret() {
    let pair = Pair::start().await;
    let made_up = std::fs::read_dir(pair.stack.dir().join("secrets"))
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let secrets: Vec<String> = SECRETS.iter().map(|secret| (*secret).to_owned()).chain(made_up).collect();
    assert_eq!(secrets.len(), 9);
    let mut answers = vec![ok(pair.keys().list_keys(ListKeysRequest::default()).await).encode_to_vec()];
    for name in NAMES {
        let request = GetKeyRequest { name: name.to_owned() };
        answers.push(ok(pair.keys().get_key(request).await).encode_to_vec());
    }
    assert!(answers.iter().all(|answer| !answer.is_empty()));
    for secret in &secrets {
        // As it is, and any ten bytes of it.
        for part in secret.as_bytes().windows(10).chain([secret.as_bytes()]) {
            let leaks = |answer: &&Vec<u8>| answer.windows(part.len()).any(|window| window == part);
            assert!(!answers.iter().any(|answer| leaks(&answer)), "{secret}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_not_there_is_not_found() {
    let pair = Pair::start().await;
    for name in ["", "nope", "URL", &"x".repeat(10_000)] {
        let answer = pair.keys().get_key(GetKeyRequest { name: name.to_owned() }).await;
        refused(answer, Code::NotFound, "KEY_NOT_FOUND", &[]);
    }
}
