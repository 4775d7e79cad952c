//! A key from its old secret to its new one: made, in use, and the old one switched off.

use safelight_proto::signer::v1::{
    FormField, GetKeyRequest, KeyVersionState, Reason, SignOriginRequestRequest, SignUploadRequest,
    VerifyUploadRequest, VerifyUrlRequest,
};
use safelight_signer::Clock;

use crate::harness::{NOW, Pair, ok, target, url_request};

/// What signs at one step, and what is known of it.
struct Signed {
    url: String,
    form: Vec<FormField>,
    /// `authorization` of a request to S3.
    authorization: String,
}

async fn step(old: &str, new: &str) -> Pair {
    let versions = |first: &str, second: &str, more: &str| {
        format!(
            r#"versions = [
                {{ id = 1, state = "{old}", secret_file = "DIR/{first}"{more} }},
                {{ id = 2, state = "{new}", secret_file = "DIR/{second}"{more} }},
            ]"#
        )
    };
    let keys = format!(
        r#"
        [[keys]]
        name = "url"
        scheme = "cloudflare-images"
        max_ttl = "1h"
        {url}
        [[keys]]
        name = "upload"
        scheme = "cloudinary-upload"
        {url}
        [[keys]]
        name = "s3"
        scheme = "aws-sigv4"
        {s3}
        "#,
        url = versions("url-old", "url-new", ""),
        s3 = versions("s3", "url-new", ", access_key_id = \"AKIA\""),
    );
    Pair::with(&keys, Clock::fixed(NOW)).await
}

/// Signs with each key; whoever signs must be this version.
async fn sign(pair: &Pair, version: u32) -> Signed {
    let url = ok(pair.signer().sign_url(url_request("url", "https://h/a", None)).await);
    let upload = SignUploadRequest { key: "upload".to_owned(), parameters: None };
    let upload = ok(pair.signer().sign_upload(upload).await);
    let origin = SignOriginRequestRequest {
        key: "s3".to_owned(),
        method: "GET".to_owned(),
        url: "https://h/a".to_owned(),
        region: "eu-west-1".to_owned(),
        ..SignOriginRequestRequest::default()
    };
    let origin = ok(pair.signer().sign_origin_request(origin).await);
    assert_eq!((url.key_version, upload.key_version, origin.key_version), (version, version, version));
    Signed {
        url: url.signed_url,
        form: upload.form_fields,
        authorization: origin
            .headers
            .into_iter()
            .find(|header| header.name == "authorization")
            .unwrap()
            .value,
    }
}

/// The version that verifies URL and upload: one and the same. `None`: neither does.
async fn verified_by(pair: &Pair, signed: &Signed) -> Option<u32> {
    let request = VerifyUrlRequest {
        key: "url".to_owned(),
        request_target: target(&signed.url).to_owned(),
        ..VerifyUrlRequest::default()
    };
    let url = ok(pair.verifier().verify_url(request).await);
    let request = VerifyUploadRequest { key: "upload".to_owned(), fields: signed.form.clone() };
    let upload = ok(pair.verifier().verify_upload(request).await);
    assert_eq!((url.reason, url.key_version), (upload.reason, upload.key_version));
    match url.reason() {
        Reason::Ok => Some(url.key_version),
        Reason::SignatureMismatch => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pitfall_18_a_key_is_rotated_without_a_gap() {
    // The new secret is there before it is used, so that every signer knows it when the first one signs with it.
    let before = step("primary", "verify-only").await;
    let old = sign(&before, 1).await;
    assert_eq!(verified_by(&before, &old).await, Some(1));

    let during = step("verify-only", "primary").await;
    let new = sign(&during, 2).await;
    assert_ne!(old.authorization, new.authorization);
    for pair in [&before, &during] {
        assert_eq!(verified_by(pair, &old).await, Some(1));
        assert_eq!(verified_by(pair, &new).await, Some(2));
    }

    let after = step("disabled", "primary").await;
    assert_eq!(sign(&after, 2).await.url, new.url);
    assert_eq!(verified_by(&after, &old).await, None);
    assert_eq!(verified_by(&after, &new).await, Some(2));
    let key = ok(after.keys().get_key(GetKeyRequest { name: "url".to_owned() }).await).key.unwrap();
    let states: Vec<_> = key.versions.iter().map(|version| (version.id, version.state())).collect();
    assert_eq!(states, [(1, KeyVersionState::Disabled), (2, KeyVersionState::Primary)]);
}
