use safelight_proto::signer::v1::key_service_server::KeyService;

use super::*;

#[tokio::test]
async fn pitfall_19_keys_are_described_without_their_secrets() {
    let signer = signer();
    let get = |name: &str| signer.get_key(allowed(pb::GetKeyRequest { name: name.to_owned() }));
    let state = |id, state: pb::KeyVersionState| pb::KeyVersion {
        id,
        state: state.into(),
        ..pb::KeyVersion::default()
    };
    let web = pb::Key {
        name: "web".to_owned(),
        scheme: pb::Scheme::CloudflareImages.into(),
        algorithm: pb::Algorithm::HmacSha256.into(),
        identifier: String::new(),
        versions: vec![state(1, pb::KeyVersionState::VerifyOnly), state(2, pb::KeyVersionState::Primary)],
        max_ttl: Some(Duration { seconds: 3600, nanos: 0 }),
        require_expiry: true,
        clock_skew: Some(Duration::default()),
        ..pb::Key::default()
    };
    let mut found = ok(get("web").await).key.unwrap();
    let prints: Vec<_> =
        found.versions.iter_mut().map(|version| std::mem::take(&mut version.fingerprint)).collect();
    assert!(prints.iter().all(|print| print.len() == 16) && prints[0] != prints[1], "{prints:?}");
    assert_eq!(found, web);
    let s3 = ok(get("s3").await).key.unwrap();
    assert_eq!((s3.scheme(), s3.identifier.as_str()), (pb::Scheme::AwsSigv4, "AKIAFAKE"));
    let uploads = ok(get("uploads-sha1").await).key.unwrap();
    assert_eq!(uploads.algorithm(), pb::Algorithm::Sha1Suffix);
    assert_eq!(refused(get("nope").await), (Code::NotFound, "KEY_NOT_FOUND".to_owned()));

    let all = ok(signer.list_keys(allowed(pb::ListKeysRequest::default())).await);
    let shown = format!("{all:?}");
    assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{shown}");
}

#[tokio::test]
async fn keys_are_listed_by_pages() {
    let signer = signer();
    let names = ["forever", "s3", "strict", "uploads", "uploads-sha1", "web"];
    for page_size in [1, 2, 5, 6, 7, 0, u32::MAX] {
        let mut seen = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListKeysRequest { page_size, page_token };
            let page = ok(signer.list_keys(allowed(request)).await);
            assert!(page_size == 0 || page.keys.len() <= page_size as usize);
            seen.extend(page.keys.into_iter().map(|key| key.name));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, names, "{page_size}");
    }
}
