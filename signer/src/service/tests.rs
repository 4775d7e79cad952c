use std::{fs, os::unix::fs::PermissionsExt};

use prost_types::{Duration, ListValue, Struct, Timestamp, Value, value::Kind};
use safelight_proto::{
    reason::of,
    signer::v1::{
        self as pb, FormField, Header, Reason, SignatureLocation, Verdict, key_service_server::KeyService,
        signer_service_server::SignerService, verifier_service_server::VerifierService,
    },
};
use tonic::{Code, Request, Response, Status};

use crate::{Clock, Config, Signer, access::Granted};

const NOW: u64 = 1_700_000_000;
const SECRETS: [&str; 4] =
    ["fake-web-secret-1", "fake-web-secret-2", "fake-shared-secret", "fake-session-token"];

/// A request of a caller who may do everything.
fn allowed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Granted::everything());
    request
}

/// A signer with a key of every kind, at [`NOW`].
fn signer() -> Signer {
    with_web_versions("verify-only", "primary")
}

fn with_web_versions(first: &str, second: &str) -> Signer {
    let directory = tempfile::tempdir().unwrap();
    for (index, secret) in SECRETS.iter().enumerate() {
        let path = directory.path().join(index.to_string());
        fs::write(&path, secret).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    }
    let text = format!(
        r#"
        [[keys]]
        name = "web"
        scheme = "cloudflare-images"
        max_ttl = "1h"
        versions = [
            {{ id = 1, state = "{first}", secret_file = "DIR/0" }},
            {{ id = 2, state = "{second}", secret_file = "DIR/1" }},
        ]
        [[keys]]
        name = "forever"
        scheme = "cloudflare-images"
        require_expiry = false
        versions = [{{ id = 7, state = "primary", secret_file = "DIR/0" }}]
        [[keys]]
        name = "strict"
        scheme = "cloudflare-images"
        clock_skew = "30s"
        versions = [{{ id = 1, state = "primary", secret_file = "DIR/0" }}]
        [[keys]]
        name = "uploads"
        scheme = "cloudinary-upload"
        identifier = "1234"
        versions = [{{ id = 5, state = "primary", secret_file = "DIR/2" }}]
        [[keys]]
        name = "uploads-sha1"
        scheme = "cloudinary-upload"
        algorithm = "sha1-suffix"
        allow_legacy = true
        versions = [{{ id = 1, state = "primary", secret_file = "DIR/2" }}]
        [[keys]]
        name = "s3"
        scheme = "aws-sigv4"
        max_ttl = "1d"
        [[keys.versions]]
        id = 3
        state = "primary"
        access_key_id = "AKIAFAKE"
        secret_file = "DIR/2"
        session_token_file = "DIR/3"
        [[grants]]
        caller = "anonymous"
        methods = ["*"]
        keys = ["*"]
        "#
    );
    let text = text.replace("DIR", &directory.path().display().to_string());
    Signer::new(Config::read(&text).unwrap_or_else(|errors| panic!("{errors}")), Clock::fixed(NOW))
}

fn ok<T>(answer: Result<Response<T>, Status>) -> T {
    answer.unwrap_or_else(|status| panic!("{status:?}")).into_inner()
}

/// The code and reason of an error, which shows no secret.
fn refused<T>(answer: Result<Response<T>, Status>) -> (Code, String) {
    let Err(status) = answer else { panic!("not refused") };
    let shown = format!("{status} {status:?}");
    assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{shown}");
    (status.code(), of(&status).unwrap())
}

fn timestamp(seconds: u64) -> Timestamp {
    Timestamp { seconds: seconds.cast_signed(), nanos: 0 }
}

fn url_request(key: &str, url: &str, ttl: Option<i64>) -> Request<pb::SignUrlRequest> {
    let expiry = ttl.map(|seconds| pb::sign_url_request::Expiry::Ttl(Duration { seconds, nanos: 0 }));
    allowed(pb::SignUrlRequest {
        key: key.to_owned(),
        url: url.to_owned(),
        expiry,
        ..pb::SignUrlRequest::default()
    })
}

async fn sign_url(
    signer: &Signer,
    key: &str,
    url: &str,
    ttl: Option<i64>,
) -> Result<Response<pb::SignUrlResponse>, Status> {
    signer.sign_url(url_request(key, url, ttl)).await
}

async fn verify_url(signer: &Signer, key: &str, target: &str) -> pb::VerifyUrlResponse {
    let request = pb::VerifyUrlRequest {
        key: key.to_owned(),
        request_target: target.to_owned(),
        ..pb::VerifyUrlRequest::default()
    };
    ok(signer.verify_url(allowed(request)).await)
}

fn target(url: &str) -> &str {
    url.strip_prefix("https://h").unwrap()
}

#[tokio::test]
async fn a_url_is_signed_and_verified() {
    let signer = signer();
    let signed = ok(sign_url(&signer, "web", "https://h/a/b?w=1", Some(60)).await);
    assert_eq!(signed.expire_time, Some(timestamp(NOW + 60)));
    assert_eq!(signed.key_version, 2);
    let verified = verify_url(&signer, "web", target(&signed.signed_url)).await;
    assert_eq!(
        verified,
        pb::VerifyUrlResponse {
            verdict: Verdict::Valid.into(),
            reason: Reason::Ok.into(),
            key_version: 2,
            expire_time: Some(timestamp(NOW + 60)),
            authenticated_target: "/a/b?w=1&exp=1700000060".to_owned(),
        }
    );
    signer.clock.set(NOW + 60);
    let expired = verify_url(&signer, "web", target(&signed.signed_url)).await;
    let invalid = |reason: Reason| pb::VerifyUrlResponse {
        verdict: Verdict::Invalid.into(),
        reason: reason.into(),
        ..pb::VerifyUrlResponse::default()
    };
    assert_eq!(expired, invalid(Reason::Expired));
}

#[tokio::test]
async fn every_reason_of_a_url() {
    let signer = signer();
    let good = ok(sign_url(&signer, "strict", "https://h/a", Some(60)).await).signed_url;
    let good = target(&good);
    let zeros = "0".repeat(64);
    for (key, target, reason) in [
        ("strict", good.to_owned(), Reason::Ok),
        ("strict", "/a?exp=1".to_owned(), Reason::SignatureMissing),
        ("strict", "/a?exp=1&sig=x".to_owned(), Reason::SignatureMalformed),
        ("strict", format!("/a?exp=1&sig={zeros}"), Reason::SignatureMismatch),
        ("strict", format!("{good}&sig=0"), Reason::DuplicateParameter),
        ("strict", "/a/../b?sig=0".to_owned(), Reason::AmbiguousPath),
        ("strict", "a".repeat(8193), Reason::InputTooLong),
        ("web", good.to_owned(), Reason::Ok), // version 1 of "web" has the secret of "strict"
        ("strict", String::new(), Reason::SignatureMissing),
        ("strict", "\0\u{feff}?sig&".to_owned(), Reason::SignatureMalformed),
    ] {
        let verified = verify_url(&signer, key, &target).await;
        assert_eq!(verified.reason(), reason, "{target}");
        assert_eq!(verified.verdict() == Verdict::Valid, reason == Reason::Ok);
    }
    // No expiry, made by a key that needs none and has the same secret.
    let eternal = ok(sign_url(&signer, "forever", "https://h/a", None).await);
    assert_eq!(eternal.expire_time, None);
    let eternal = target(&eternal.signed_url);
    assert_eq!(verify_url(&signer, "forever", eternal).await.reason(), Reason::Ok);
    assert_eq!(verify_url(&signer, "forever", eternal).await.expire_time, None);
    assert_eq!(verify_url(&signer, "strict", eternal).await.reason(), Reason::ExpiryMissing);
    // Expired, within and past the skew of 30 s.
    signer.clock.set(NOW + 89);
    assert_eq!(verify_url(&signer, "strict", good).await.reason(), Reason::Ok);
    signer.clock.set(NOW + 90);
    assert_eq!(verify_url(&signer, "strict", good).await.reason(), Reason::Expired);
}

#[tokio::test]
async fn urls_that_are_not_signed() {
    let signer = signer();
    let url = "https://h/a";
    for (key, url, ttl, code, reason) in [
        ("nope", url, None, Code::NotFound, "KEY_NOT_FOUND"),
        ("", url, None, Code::NotFound, "KEY_NOT_FOUND"),
        ("s3", url, None, Code::FailedPrecondition, "KEY_SCHEME_MISMATCH"),
        ("web", "/a", None, Code::InvalidArgument, "URL_INVALID"),
        ("web", "https://h/a?sig=1", None, Code::InvalidArgument, "RESERVED_PARAMETER"),
        ("forever", "https://h/a?exp=1", None, Code::InvalidArgument, "RESERVED_PARAMETER"),
        ("web", &format!("https://h/{}", "a".repeat(8192)), None, Code::InvalidArgument, "INPUT_TOO_LONG"),
        ("web", &format!("https://h/{}", "a".repeat(8150)), None, Code::InvalidArgument, "INPUT_TOO_LONG"),
        ("web", url, Some(3601), Code::InvalidArgument, "EXPIRY_OUT_OF_RANGE"),
        ("web", url, Some(0), Code::InvalidArgument, "EXPIRY_OUT_OF_RANGE"),
        ("strict", url, None, Code::InvalidArgument, "FIELD_INVALID"),
    ] {
        let answer = sign_url(&signer, key, url, ttl).await;
        assert_eq!(refused(answer), (code, reason.to_owned()), "{key}");
    }
    let default = ok(sign_url(&signer, "web", url, None).await);
    assert_eq!(default.expire_time, Some(timestamp(NOW + 3600)));
    let verify = pb::VerifyUrlRequest {
        key: "uploads".to_owned(),
        request_target: "/".to_owned(),
        ..pb::VerifyUrlRequest::default()
    };
    let answer = signer.verify_url(allowed(verify)).await;
    assert_eq!(refused(answer), (Code::FailedPrecondition, "KEY_SCHEME_MISMATCH".to_owned()));
}

#[tokio::test]
async fn versions_rotate() {
    let old = with_web_versions("primary", "disabled");
    let signed = ok(sign_url(&old, "web", "https://h/a", Some(60)).await);
    assert_eq!(signed.key_version, 1);
    let signed = target(&signed.signed_url);

    let rotated = with_web_versions("verify-only", "primary");
    let verified = verify_url(&rotated, "web", signed).await;
    assert_eq!((verified.verdict(), verified.key_version), (Verdict::Valid, 1));
    let anew = ok(sign_url(&rotated, "web", "https://h/a", Some(60)).await);
    assert_eq!(anew.key_version, 2);
    assert_ne!(target(&anew.signed_url), signed);

    let retired = with_web_versions("disabled", "primary");
    let verified = verify_url(&retired, "web", signed).await;
    assert_eq!((verified.verdict(), verified.reason()), (Verdict::Invalid, Reason::SignatureMismatch));
    assert_eq!(verify_url(&retired, "web", target(&anew.signed_url)).await.key_version, 2);
}

#[tokio::test]
async fn a_batch_keeps_order_and_each_item_stands_for_itself() {
    let signer = signer();
    let item = |url: &str, ttl: Option<i64>| pb::BatchSignUrlsItem {
        url: url.to_owned(),
        expiry: ttl.map(|seconds| pb::batch_sign_urls_item::Expiry::Ttl(Duration { seconds, nanos: 0 })),
    };
    let batch = |key: &str, items| {
        signer.batch_sign_urls(allowed(pb::BatchSignUrlsRequest {
            key: key.to_owned(),
            items,
            ..pb::BatchSignUrlsRequest::default()
        }))
    };
    let items = vec![item("https://h/a", Some(60)), item("nope", None), item("https://h/b", Some(9999))];
    let results = ok(batch("web", items).await).results;
    let results: Vec<_> = results.into_iter().map(|result| result.result.unwrap()).collect();
    let single = ok(sign_url(&signer, "web", "https://h/a", Some(60)).await);
    assert_eq!(results[0], pb::batch_sign_urls_result::Result::Signed(single));
    for (result, reason) in results[1..].iter().zip(["URL_INVALID", "EXPIRY_OUT_OF_RANGE"]) {
        let pb::batch_sign_urls_result::Result::Error(error) = result else { panic!("{result:?}") };
        assert_eq!(error.reason, reason);
        assert!(!error.message.is_empty());
    }
    assert_eq!(ok(batch("web", vec![item("https://h/a", None); 256]).await).results.len(), 256);
    for (key, count, code, reason) in [
        ("web", 0, Code::InvalidArgument, "FIELD_INVALID"),
        ("web", 257, Code::InvalidArgument, "FIELD_INVALID"),
        ("nope", 1, Code::NotFound, "KEY_NOT_FOUND"),
        ("uploads", 1, Code::FailedPrecondition, "KEY_SCHEME_MISMATCH"),
    ] {
        let answer = batch(key, vec![item("https://h/a", None); count]).await;
        assert_eq!(refused(answer), (code, reason.to_owned()));
    }
}

#[test]
fn the_answer_to_the_largest_batch_fits_the_limits() {
    use prost::Message;

    let url = format!("https://h/{}", "é".repeat(983));
    assert_eq!(url.len(), 1976);
    let expiry =
        pb::batch_sign_urls_item::Expiry::ExpireTime(Timestamp { seconds: i64::MAX, nanos: i32::MAX });
    let item = pb::BatchSignUrlsItem { url, expiry: Some(expiry) };
    let request = pb::BatchSignUrlsRequest {
        key: "k".repeat(64),
        items: vec![item; super::MAX_BATCH],
        ..pb::BatchSignUrlsRequest::default()
    };
    let room = super::MAX_SIGNER_REQUEST.checked_sub(request.encoded_len());
    assert!(room.is_some_and(|room| room < 16 * 1024), "256 URLs of 2 KiB just fit: {room:?}");

    let signed_url = "a".repeat(3 * 2048 + "?exp=253402300799&sig=".len() + 64);
    let signed = pb::SignUrlResponse {
        signed_url,
        expire_time: Some(timestamp(NOW)),
        key_version: u32::MAX,
        ..pb::SignUrlResponse::default()
    };
    let result = pb::BatchSignUrlsResult { result: Some(pb::batch_sign_urls_result::Result::Signed(signed)) };
    let response = pb::BatchSignUrlsResponse { results: vec![result; super::MAX_BATCH] };
    assert!(response.encoded_len() <= super::MAX_SIGNER_ANSWER, "{}", response.encoded_len());
}

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

async fn sign_upload(
    signer: &Signer,
    key: &str,
    parameters: &[(&str, Value)],
) -> Result<Response<pb::SignUploadResponse>, Status> {
    let fields = parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let parameters = Some(Struct { fields });
    signer.sign_upload(allowed(pb::SignUploadRequest { key: key.to_owned(), parameters })).await
}

async fn verify_upload(signer: &Signer, key: &str, fields: Vec<FormField>) -> pb::VerifyUploadResponse {
    let request = pb::VerifyUploadRequest { key: key.to_owned(), fields };
    ok(signer.verify_upload(allowed(request)).await)
}

fn field(name: &str, value: &str) -> FormField {
    FormField { name: name.to_owned(), value: value.to_owned() }
}

#[tokio::test]
async fn an_upload_is_signed_and_its_form_verifies() {
    let signer = signer();
    let tags = Value { kind: Some(Kind::ListValue(ListValue { values: vec![text("a"), text("b&c")] })) };
    let parameters = [("folder", text("u/1")), ("tags", tags), ("context", text("")), ("file", text("x"))];
    for (key, api_key, algorithm, digits) in
        [("uploads", Some("1234"), "sha256", 64), ("uploads-sha1", None, "sha1", 40)]
    {
        signer.clock.set(NOW);
        let signed = ok(sign_upload(&signer, key, &parameters).await);
        assert_eq!(signed.expire_time, Some(timestamp(NOW + 3600)));
        assert_eq!(signed.signature.len(), digits);
        let form: Vec<_> =
            signed.form_fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
        let mut expected = vec![("folder", "u/1"), ("tags", "a,b&c"), ("timestamp", "1700000000")];
        expected.extend(api_key.map(|api_key| ("api_key", api_key)));
        expected.extend([("signature_algorithm", algorithm), ("signature", signed.signature.as_str())]);
        assert_eq!(form, expected);

        let mut posted = signed.form_fields;
        posted.push(field("file", "<bytes>"));
        let verified = verify_upload(&signer, key, posted.clone()).await;
        let valid = pb::VerifyUploadResponse {
            verdict: Verdict::Valid.into(),
            reason: Reason::Ok.into(),
            key_version: signed.key_version,
        };
        assert_eq!(verified, valid);
        for (now, reason) in
            [(NOW + 3600, Reason::Ok), (NOW + 3601, Reason::Stale), (NOW - 301, Reason::NotYetValid)]
        {
            signer.clock.set(now);
            assert_eq!(verify_upload(&signer, key, posted.clone()).await.reason(), reason);
        }
        signer.clock.set(NOW);
        posted[0].value = "u/2".to_owned();
        let verified = verify_upload(&signer, key, posted).await;
        assert_eq!((verified.verdict(), verified.reason()), (Verdict::Invalid, Reason::SignatureMismatch));
        assert_eq!(verified.key_version, 0);
    }
}

#[tokio::test]
async fn every_other_reason_of_an_upload() {
    let signer = signer();
    let zeros = "0".repeat(64);
    for (fields, reason) in [
        (vec![], Reason::SignatureMissing),
        (vec![field("A", "")], Reason::ParameterNameInvalid),
        (vec![field("a", ""), field("a", "")], Reason::DuplicateParameter),
        (vec![field("signature", "0")], Reason::SignatureMalformed),
        (vec![field("signature", &zeros)], Reason::TimestampMissing),
        (vec![field("signature", &zeros), field("timestamp", "-1")], Reason::TimestampMalformed),
    ] {
        let verified = verify_upload(&signer, "uploads", fields).await;
        assert_eq!((verified.verdict(), verified.reason()), (Verdict::Invalid, reason));
    }
    let request = pb::VerifyUploadRequest { key: "web".to_owned(), fields: vec![] };
    let answer = signer.verify_upload(allowed(request)).await;
    assert_eq!(refused(answer), (Code::FailedPrecondition, "KEY_SCHEME_MISMATCH".to_owned()));
}

#[tokio::test]
async fn uploads_that_are_not_signed() {
    let signer = signer();
    for (key, parameter, code, reason) in [
        ("nope", ("a", text("b")), Code::NotFound, "KEY_NOT_FOUND"),
        ("web", ("a", text("b")), Code::FailedPrecondition, "KEY_SCHEME_MISMATCH"),
        ("uploads", ("signature", text("b")), Code::InvalidArgument, "RESERVED_PARAMETER"),
        ("uploads", ("a b", text("b")), Code::InvalidArgument, "FIELD_INVALID"),
        ("uploads", ("timestamp", text("5")), Code::InvalidArgument, "EXPIRY_OUT_OF_RANGE"),
    ] {
        assert_eq!(refused(sign_upload(&signer, key, &[parameter]).await), (code, reason.to_owned()));
    }
}

/// Whatever is signed can be verified: a form that is larger than a message to `VerifyUpload` is not signed.
#[tokio::test]
async fn the_largest_upload_that_is_signed_fits_a_message_to_the_verifier() {
    use prost::Message;

    let signer = signer();
    let names: Vec<_> = (0..1000).map(|n| format!("n{n:03}")).collect();
    let form = async |padding: usize| {
        let (padding, empty) = (text(&"x".repeat(padding)), "é".repeat(11));
        let named = names.iter().map(|name| (name.as_str(), text(&empty)));
        let parameters: Vec<_> = named.chain([("padding", padding)]).collect();
        sign_upload(&signer, "uploads", &parameters).await
    };
    // 1,000 fields of 4 + 22 + 12 bytes, and one of 7 + 12 with its padding.
    let room = 60 * 1024 - 1000 * 38 - 19;
    let fields = ok(form(room).await).form_fields;
    let request = pb::VerifyUploadRequest { key: "k".repeat(64), fields: fields.clone() };
    assert!(request.encoded_len() <= crate::limits().max_decoding_message_size, "{}", request.encoded_len());
    assert_eq!(verify_upload(&signer, "uploads", fields).await.verdict(), Verdict::Valid);
    assert_eq!(refused(form(room + 1).await), (Code::InvalidArgument, "INPUT_TOO_LONG".to_owned()));
}

fn origin_request() -> pb::SignOriginRequestRequest {
    pb::SignOriginRequestRequest {
        key: "s3".to_owned(),
        method: "GET".to_owned(),
        url: "https://b.s3.eu-west-1.amazonaws.com/a%20b".to_owned(),
        region: "eu-west-1".to_owned(),
        headers: vec![Header { name: "Range".to_owned(), value: "bytes=0-9".to_owned() }],
        ..pb::SignOriginRequestRequest::default()
    }
}

#[tokio::test]
async fn an_origin_request_is_signed_in_its_headers() {
    let signer = signer();
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (body, expected) in [("", "UNSIGNED-PAYLOAD"), (digest, digest)] {
        let request = pb::SignOriginRequestRequest { body_sha256: body.to_owned(), ..origin_request() };
        let url = request.url.clone();
        let signed = ok(signer.sign_origin_request(allowed(request)).await);
        assert_eq!((signed.url, signed.key_version), (url, 3));
        assert_eq!(signed.expire_time, Some(timestamp(NOW + 900)));
        let header = |name| {
            &signed
                .headers
                .iter()
                .find(|header| header.name == name)
                .unwrap_or_else(|| panic!("{name}"))
                .value
        };
        assert_eq!(signed.headers.len(), 4);
        assert_eq!(header("x-amz-date"), "20231114T221320Z");
        assert_eq!(header("x-amz-content-sha256"), expected);
        assert_eq!(header("x-amz-security-token"), "fake-session-token");
        let authorization = header("authorization");
        let start = "AWS4-HMAC-SHA256 Credential=AKIAFAKE/20231114/eu-west-1/s3/aws4_request, \
                     SignedHeaders=host;range;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=";
        assert!(authorization.starts_with(start), "{authorization}");
    }
}

#[tokio::test]
async fn an_origin_request_is_presigned() {
    let signer = signer();
    for (ttl, lifetime) in [(None, 900), (Some(1), 1), (Some(86400), 86400)] {
        let request = pb::SignOriginRequestRequest {
            method: "HEAD".to_owned(),
            location: SignatureLocation::Query.into(),
            ttl: ttl.map(|seconds| Duration { seconds, nanos: 0 }),
            ..origin_request()
        };
        let start = format!("{}?X-Amz-Algorithm=AWS4-HMAC-SHA256&", request.url);
        let signed = ok(signer.sign_origin_request(allowed(request)).await);
        assert!(signed.headers.is_empty());
        assert!(signed.url.starts_with(&start), "{}", signed.url);
        for part in [
            &format!("&X-Amz-Expires={lifetime}&"),
            "&X-Amz-SignedHeaders=host%3Brange&",
            "&X-Amz-Security-Token=fake-session-token&X-Amz-Signature=",
        ] {
            assert!(signed.url.contains(part), "{}", signed.url);
        }
        assert_eq!(signed.expire_time, Some(timestamp(NOW + lifetime)));
    }
}

#[tokio::test]
async fn origin_requests_that_are_not_signed() {
    type Change = fn(&mut pb::SignOriginRequestRequest);

    let signer = signer();
    let cases: [(Change, Code, &str); 17] = [
        (|r| r.key = "nope".to_owned(), Code::NotFound, "KEY_NOT_FOUND"),
        (|r| r.key = "web".to_owned(), Code::FailedPrecondition, "KEY_SCHEME_MISMATCH"),
        (|r| r.method = "POST".to_owned(), Code::InvalidArgument, "FIELD_INVALID"),
        (|r| r.url = "/k".to_owned(), Code::InvalidArgument, "URL_INVALID"),
        (|r| r.url = "https://h/a b".to_owned(), Code::InvalidArgument, "URL_INVALID"),
        (|r| r.url = format!("https://h/{}", "a".repeat(8192)), Code::InvalidArgument, "INPUT_TOO_LONG"),
        (|r| r.url += "?X-Amz-Expires=1", Code::InvalidArgument, "RESERVED_PARAMETER"),
        (|r| r.region = String::new(), Code::InvalidArgument, "FIELD_INVALID"),
        (|r| r.headers[0].name = "host".to_owned(), Code::InvalidArgument, "RESERVED_PARAMETER"),
        (|r| r.headers[0].value = "a\nb".to_owned(), Code::InvalidArgument, "FIELD_INVALID"),
        (|r| r.body_sha256 = "abc".to_owned(), Code::InvalidArgument, "FIELD_INVALID"),
        (|r| r.location = 9, Code::InvalidArgument, "FIELD_INVALID"),
        (|r| r.ttl = Some(Duration { seconds: 60, nanos: 0 }), Code::InvalidArgument, "FIELD_INVALID"),
        (
            |r| {
                r.location = SignatureLocation::Query.into();
                r.body_sha256 = "abc".to_owned();
            },
            Code::InvalidArgument,
            "FIELD_INVALID",
        ),
        (|r| presigned_for(r, 0), Code::InvalidArgument, "EXPIRY_OUT_OF_RANGE"),
        (|r| presigned_for(r, 604_801), Code::InvalidArgument, "EXPIRY_OUT_OF_RANGE"),
        (|r| presigned_for(r, 86401), Code::InvalidArgument, "EXPIRY_OUT_OF_RANGE"),
    ];
    for (index, (change, code, reason)) in cases.into_iter().enumerate() {
        let mut request = origin_request();
        change(&mut request);
        let answer = signer.sign_origin_request(allowed(request)).await;
        assert_eq!(refused(answer), (code, reason.to_owned()), "case {index}");
    }
}

fn presigned_for(request: &mut pb::SignOriginRequestRequest, seconds: i64) {
    request.location = SignatureLocation::Query.into();
    request.ttl = Some(Duration { seconds, nanos: 0 });
}

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

fn with_key(key: &str) -> Signer {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    fs::write(&path, SECRETS[0]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let version = format!("versions = [{{ id = 1, state = 'primary', secret_file = '{}' }}]", path.display());
    let grant = "[[grants]]\ncaller = 'anonymous'\nmethods = ['*']\nkeys = ['*']";
    let text = format!("[[keys]]\nname = 'k'\n{key}\n{version}\n{grant}");
    Signer::new(Config::read(&text).unwrap_or_else(|errors| panic!("{errors}")), Clock::fixed(NOW))
}

async fn verify_at(signer: &Signer, origin: &str, target: &str) -> Reason {
    let request = pb::VerifyUrlRequest {
        key: "k".to_owned(),
        request_target: target.to_owned(),
        origin: origin.to_owned(),
        ..pb::VerifyUrlRequest::default()
    };
    ok(signer.verify_url(allowed(request)).await).reason()
}

#[tokio::test]
async fn a_key_is_used_for_its_hosts_and_paths_alone() {
    let restricted = "scheme = 'cloudflare-images'\nmax_ttl = '1h'\nallowed_hosts = ['h']\n\
                      allowed_path_prefixes = ['/photos/']";
    let signer = with_key(restricted);
    let not_allowed = (Code::PermissionDenied, "URL_NOT_ALLOWED".to_owned());
    for url in ["https://evil/photos/a", "https://h/a", "https://h:1/photos/a", "https://h/photos/../a"] {
        assert_eq!(refused(sign_url(&signer, "k", url, None).await), not_allowed, "{url}");
    }
    assert_eq!(
        refused(sign_url(&signer, "k", "/photos/", None).await),
        (Code::InvalidArgument, "URL_INVALID".to_owned())
    );
    // What the scheme normalises to is what counts.
    let good = ok(sign_url(&signer, "k", "https://H/a/../photos/b", None).await).signed_url;
    let good = target(&good);
    assert_eq!(verify_at(&signer, "https://h", good).await, Reason::Ok);
    assert_eq!(verify_at(&signer, "https://evil", good).await, Reason::UrlNotAllowed);
    assert_eq!(verify_at(&signer, "", good).await, Reason::OriginMissing);
    // Authentic, by the same secret without the restriction.
    let other = ok(sign_url(&with_key("scheme = 'cloudflare-images'"), "k", "https://h/a", Some(60)).await);
    assert_eq!(verify_at(&signer, "https://h", target(&other.signed_url)).await, Reason::UrlNotAllowed);
    assert_eq!(verify_at(&signer, "https://evil", "/a?sig=0").await, Reason::SignatureMalformed, "first");
    // A scheme that signs less than the path is held to what it signs.
    let delivery = with_key("scheme = 'cloudinary-delivery'\nallowed_path_prefixes = ['/photos/']");
    let signed = ok(sign_url(&delivery, "k", "https://h/demo/image/upload/photos/a.jpg", None).await);
    assert_eq!(verify_at(&delivery, "", target(&signed.signed_url)).await, Reason::Ok);
    let other = sign_url(&delivery, "k", "https://h/demo/image/upload/other/a.jpg", None).await;
    assert_eq!(refused(other), not_allowed);
}

#[tokio::test]
async fn what_a_scheme_cannot_say_is_refused_by_its_field() {
    type Change = fn(&mut pb::SignUrlRequest);

    let signer = with_key("scheme = 'cloudflare-images'\nmax_ttl = '1h'");
    let cases: [(Change, &str); 7] = [
        (|r| r.start_time = Some(timestamp(NOW)), "start_time"),
        (|r| r.start_time = Some(timestamp(NOW + 3600)), "start_time"),
        (|r| r.client_ip = "192.0.2.7".to_owned(), "client_ip"),
        (|r| r.client_ip = "nonsense".to_owned(), "client_ip"),
        (|r| r.scope = vec!["https://h/*".to_owned()], "scope"),
        (|r| r.carrier = 9, "carrier"),
        (|r| drop(r.extra.insert("x".to_owned(), "y".to_owned())), "extra"),
    ];
    for (change, field) in cases {
        let mut request =
            pb::SignUrlRequest { key: "k".to_owned(), url: "https://h/a".to_owned(), ..Default::default() };
        change(&mut request);
        let status = signer.sign_url(allowed(request)).await.unwrap_err();
        assert_eq!(of(&status).as_deref(), Some("FIELD_INVALID"), "{field}");
        assert!(status.message().starts_with(field), "{field}: {status:?}");
    }
    let never = with_key("scheme = 'thumbor'\nallow_legacy = true");
    assert_eq!(
        refused(sign_url(&never, "k", "https://h/a", Some(60)).await),
        (Code::InvalidArgument, "FIELD_INVALID".to_owned())
    );
    assert_eq!(ok(sign_url(&never, "k", "https://h/a", None).await).expire_time, None);
}

async fn notified(signer: &Signer, notification: pb::verify_notification_request::Notification) -> Reason {
    let request = pb::VerifyNotificationRequest {
        key: "uploads".to_owned(),
        notification: Some(notification),
        max_age: None,
    };
    let answer = ok(signer.verify_notification(allowed(request)).await);
    assert_eq!(answer.verdict() == Verdict::Valid, answer.reason() == Reason::Ok);
    assert_eq!(answer.key_version, if answer.reason() == Reason::Ok { 5 } else { 0 });
    answer.reason()
}

#[tokio::test]
async fn notifications() {
    use pb::verify_notification_request::Notification;
    use sha2::{Digest, Sha256};

    let signer = signer();
    let hash = |text: &str| hex::encode(Sha256::digest(format!("{text}{}", SECRETS[2])));
    let webhook = |body: &str, signature: String| {
        let body = body.as_bytes().to_vec().into();
        Notification::Webhook(pb::Webhook { body, timestamp: NOW.to_string(), signature })
    };
    let good = webhook("{}", hash(&format!("{{}}{NOW}")));
    assert_eq!(notified(&signer, good.clone()).await, Reason::Ok);
    assert_eq!(
        notified(&signer, webhook("[]", hash(&format!("{{}}{NOW}")))).await,
        Reason::SignatureMismatch
    );
    assert_eq!(notified(&signer, webhook("{", hash(&format!("{{{NOW}")))).await, Reason::BodyMalformed);
    signer.clock.set(NOW + 7201);
    assert_eq!(notified(&signer, good).await, Reason::Stale);

    let answer = |public_id: &str, version: &str, signature: String| {
        let (public_id, version) = (public_id.to_owned(), version.to_owned());
        Notification::UploadAnswer(pb::UploadAnswer { public_id, version, signature })
    };
    let signature = hash("public_id=a&version=1");
    assert_eq!(notified(&signer, answer("a", "1", signature.clone())).await, Reason::Ok);
    assert_eq!(notified(&signer, answer("a", "2", signature.clone())).await, Reason::SignatureMismatch);
    assert_eq!(notified(&signer, answer("", "1", signature.clone())).await, Reason::PublicIdInvalid);
    assert_eq!(notified(&signer, answer("a", "x", signature)).await, Reason::VersionMalformed);

    let empty = pb::VerifyNotificationRequest { key: "uploads".to_owned(), ..Default::default() };
    let answer = signer.verify_notification(allowed(empty.clone())).await;
    assert_eq!(refused(answer), (Code::InvalidArgument, "FIELD_INVALID".to_owned()));
    let other = pb::VerifyNotificationRequest { key: "web".to_owned(), ..empty };
    let answer = signer.verify_notification(allowed(other)).await;
    assert_eq!(refused(answer), (Code::FailedPrecondition, "KEY_SCHEME_MISMATCH".to_owned()));
}
