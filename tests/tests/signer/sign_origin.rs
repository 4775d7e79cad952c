//! `SignOriginRequest`, and the embedded S3 server that says whether its signatures are good.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use safelight_local::{
    Settings,
    s3::{Credentials, EmbeddedS3, REGION},
    stack::BUCKET,
};
use safelight_proto::signer::v1::{
    Header, SignOriginRequestRequest, SignOriginRequestResponse, SignatureLocation,
};
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::harness::{NOW, Pair, S3, S3_ID, S3_TOKEN, duration, ok, refused, timestamp};

const URL: &str = "https://photos.s3.eu-west-1.amazonaws.com/a%20b.jpg";

/// Keys that HTTP clients, servers and signatures like to disagree about. None has a dot segment: `reqwest` resolves
/// those, whatever was signed.
const ODD_KEYS: [&str; 10] = [
    "plain.jpg",
    "with space.jpg",
    "plus+plus.jpg",
    "percent%.jpg",
    "percent%2B.jpg",
    "été/写真/🌹.jpg",
    "a//b",
    "//a",
    "a/",
    "q;'\"<>[]{}|\\^`~!@$*():,=?#&.jpg",
];

fn request(key: &str, method: &str, url: &str) -> SignOriginRequestRequest {
    SignOriginRequestRequest {
        key: key.to_owned(),
        method: method.to_owned(),
        url: url.to_owned(),
        region: REGION.to_owned(),
        ..SignOriginRequestRequest::default()
    }
}

fn presigned(key: &str, method: &str, url: &str, ttl: Option<i64>) -> SignOriginRequestRequest {
    let mut request = request(key, method, url);
    request.set_location(SignatureLocation::Query);
    request.ttl = ttl.map(duration);
    request
}

/// A key as S3 wants it in a path: unreserved characters and `/` as they are, the rest as %XX.
fn encode(key: &str) -> String {
    key.bytes()
        .map(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Status and body of what was signed, sent as it was signed.
async fn send(
    method: &str,
    signed: &SignOriginRequestResponse,
    extra: &[(&str, &str)],
) -> (StatusCode, String) {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let mut request = client.request(method.parse().unwrap(), &signed.url);
    for Header { name, value } in &signed.headers {
        request = request.header(name, value);
    }
    for (name, value) in extra {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

#[tokio::test]
async fn headers_say_who_when_and_what() {
    let pair = Pair::start().await;
    let signed = ok(pair.signer().sign_origin_request(request("s3", "GET", URL)).await);
    let mut names: Vec<_> = signed.headers.iter().map(|header| header.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "x-amz-content-sha256", "x-amz-date"]);
    let value = |name| &signed.headers.iter().find(|header| header.name == name).unwrap().value;
    assert_eq!(value("x-amz-date"), "20231114T221320Z");
    assert_eq!(value("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
    let scope = format!("AWS4-HMAC-SHA256 Credential={S3_ID}/20231114/eu-west-1/s3/aws4_request, ");
    assert!(value("authorization").starts_with(&scope));
    assert_eq!(signed.url, URL);
    assert_eq!((signed.key_version, signed.expire_time), (3, Some(timestamp(NOW + 900))));
}

#[tokio::test]
async fn a_presigned_url_says_it_itself() {
    let pair = Pair::start().await;
    for (key, ttl, lifetime) in [
        ("s3", None, 900),
        ("s3", Some(1), 1),
        ("s3", Some(604_800), 604_800),
        ("s3-temporary", None, 900),
        ("s3-temporary", Some(3600), 3600),
    ] {
        let signed = ok(pair.signer().sign_origin_request(presigned(key, "GET", URL, ttl)).await);
        assert_eq!(signed.headers, []);
        assert!(signed.url.starts_with(&format!("{URL}?X-Amz-")), "{}", signed.url);
        assert!(signed.url.contains(&format!("&X-Amz-Expires={lifetime}&")), "{}", signed.url);
        assert_eq!(signed.url.contains("&X-Amz-Security-Token=fake%2Fsession%2B"), key == "s3-temporary");
        assert_eq!(signed.expire_time, Some(timestamp(NOW + lifetime)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_fetched_from_an_origin_that_verifies() {
    let pair = Pair::in_real_time().await;
    for key in ODD_KEYS {
        pair.stack.s3.put(BUCKET, key, key.as_bytes()).await.unwrap();
    }
    for key in ODD_KEYS {
        let url = format!("{}/{BUCKET}/{}", pair.stack.s3.endpoint(), encode(key));
        let signed = ok(pair.signer().sign_origin_request(request("s3-photos", "GET", &url)).await);
        assert_eq!(send("GET", &signed, &[]).await, (StatusCode::OK, key.to_owned()), "{url}");
        let signed = ok(pair.signer().sign_origin_request(presigned("s3-photos", "GET", &url, None)).await);
        assert_eq!(send("GET", &signed, &[]).await, (StatusCode::OK, key.to_owned()), "{}", signed.url);
        let signed = ok(pair.signer().sign_origin_request(request("s3-photos", "HEAD", &url)).await);
        assert_eq!(send("HEAD", &signed, &[]).await.0, StatusCode::OK, "{url}");
    }
    assert_eq!(pair.stack.s3.refused(), 0);

    let url = format!("{}/{BUCKET}/plain.jpg", pair.stack.s3.endpoint());
    let mut ranged = request("s3-photos", "GET", &url);
    ranged.headers = vec![Header { name: "Range".to_owned(), value: "bytes=1-3".to_owned() }];
    let signed = ok(pair.signer().sign_origin_request(ranged).await);
    let part = send("GET", &signed, &[("range", "bytes=1-3")]).await;
    assert_eq!(part, (StatusCode::PARTIAL_CONTENT, "lai".to_owned()));

    // The same signatures for anything else are refused.
    let other = send("GET", &signed, &[("range", "bytes=0-3")]).await.0;
    assert_eq!(other, StatusCode::FORBIDDEN, "another range");
    let signed = ok(pair.signer().sign_origin_request(request("s3-photos", "GET", &url)).await);
    assert_eq!(send("HEAD", &signed, &[]).await.0, StatusCode::FORBIDDEN, "another method");
    let moved = SignOriginRequestResponse { url: url.replace("plain.jpg", "a//b"), ..signed };
    assert_eq!(send("GET", &moved, &[]).await.0, StatusCode::FORBIDDEN, "another key");
    let presigned = ok(pair.signer().sign_origin_request(presigned("s3-photos", "GET", &url, Some(1))).await);
    let longer = presigned.url.replace("X-Amz-Expires=1&", "X-Amz-Expires=9&");
    let longer = SignOriginRequestResponse { url: longer, ..presigned.clone() };
    assert_eq!(send("GET", &longer, &[]).await.0, StatusCode::FORBIDDEN, "another lifetime");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(send("GET", &presigned, &[]).await.0, StatusCode::FORBIDDEN, "past its lifetime");
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_credentials_are_accepted_with_their_token() {
    let pair = Pair::in_real_time().await;
    let root = tempfile::tempdir().unwrap();
    let credentials = Credentials { session_token: Some(S3_TOKEN.to_owned()), ..Credentials::new(S3_ID, S3) };
    let s3 = EmbeddedS3::start(root.path(), &credentials).await.unwrap();
    s3.create_bucket(BUCKET).await.unwrap();
    s3.put(BUCKET, "plain.jpg", "plain").await.unwrap();
    let url = format!("{}/{BUCKET}/plain.jpg", s3.endpoint());
    for (key, status) in [("s3-temporary", StatusCode::OK), ("s3", StatusCode::FORBIDDEN)] {
        for request in [request(key, "GET", &url), presigned(key, "GET", &url, None)] {
            let signed = ok(pair.signer().sign_origin_request(request).await);
            assert_eq!(send("GET", &signed, &[]).await.0, status, "{key}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_written_to_an_origin_that_verifies() {
    let pair = Pair::in_real_time().await;
    let body = "the bytes of a picture";
    let url = |key: &str| format!("{}/{BUCKET}/{}", pair.stack.s3.endpoint(), encode(key));
    for key in ODD_KEYS {
        // A presigned URL does not say what is to be written; headers may.
        let mut signed_body = request("s3-photos", "PUT", &url(key));
        signed_body.body_sha256 = hex::encode(Sha256::digest(body));
        for (request, written) in [
            (presigned("s3-photos", "PUT", &url(key), None), "presigned"),
            (request("s3-photos", "PUT", &url(key)), "unsigned body"),
            (signed_body, body),
        ] {
            let signed = ok(pair.signer().sign_origin_request(request).await);
            assert_eq!(write(&signed, written).await, StatusCode::OK, "{key}");
            let read =
                ok(pair.signer().sign_origin_request(self::request("s3-photos", "GET", &url(key))).await);
            assert_eq!(send("GET", &read, &[]).await, (StatusCode::OK, written.to_owned()), "{key}");
        }
    }
    assert_eq!(pair.stack.s3.refused(), 0);

    let signed = ok(pair.signer().sign_origin_request(presigned("s3-photos", "PUT", &url("a"), None)).await);
    assert_eq!(send("GET", &signed, &[]).await.0, StatusCode::FORBIDDEN, "another method");
    let moved = SignOriginRequestResponse { url: signed.url.replace("/a?", "/b?"), ..signed };
    assert_eq!(write(&moved, body).await, StatusCode::FORBIDDEN, "another key");
    let mut request = request("s3-photos", "PUT", &url("a"));
    request.body_sha256 = hex::encode(Sha256::digest("other bytes"));
    let signed = ok(pair.signer().sign_origin_request(request).await);
    // S3 says 400; in s3s the store sees a stream that breaks.
    assert_eq!(write(&signed, body).await, StatusCode::INTERNAL_SERVER_ERROR, "another body");
    let read = ok(pair.signer().sign_origin_request(self::request("s3-photos", "GET", &url("a"))).await);
    assert_eq!(send("GET", &read, &[]).await.0, StatusCode::NOT_FOUND, "nothing of it was written");
}

/// Status of a PUT of what was signed.
async fn write(signed: &SignOriginRequestResponse, body: &str) -> StatusCode {
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let mut request = client.put(&signed.url).body(body.to_owned());
    for Header { name, value } in &signed.headers {
        request = request.header(name, value);
    }
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_refused_by_the_origin() {
    let wrong = Settings { wrong_origin_secret: Some("not-the-secret".to_owned()), ..Settings::default() };
    let pair = Pair::started(wrong).await;
    pair.stack.s3.put(BUCKET, "plain.jpg", "plain").await.unwrap();
    let url = format!("{}/{BUCKET}/plain.jpg", pair.stack.s3.endpoint());
    for request in [request("s3-photos", "GET", &url), presigned("s3-photos", "GET", &url, None)] {
        let signed = ok(pair.signer().sign_origin_request(request).await);
        let (status, body) = send("GET", &signed, &[]).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(body.contains("SignatureDoesNotMatch"), "{body}");
    }
    assert_eq!(pair.stack.s3.refused(), 2);
}

#[tokio::test]
async fn every_error() {
    let pair = Pair::start().await;
    let invalid = Code::InvalidArgument;
    let plain = || request("s3", "GET", URL);
    let with = |change: fn(&mut SignOriginRequestRequest)| {
        let mut request = plain();
        change(&mut request);
        request
    };
    let header = |name: &str, value: &str| {
        let good = Header { name: "range".to_owned(), value: "bytes=0-9".to_owned() };
        let bad = Header { name: name.to_owned(), value: value.to_owned() };
        SignOriginRequestRequest { headers: vec![good, bad], ..plain() }
    };
    let url = |url: &str| request("s3", "GET", url);
    let long = format!("https://h/{}", "a".repeat(8192));
    for (request, code, reason, fields) in [
        (request("nope", "GET", URL), Code::NotFound, "KEY_NOT_FOUND", &[][..]),
        (request("url", "GET", URL), Code::FailedPrecondition, "KEY_SCHEME_MISMATCH", &[]),
        (request("s3", "POST", URL), invalid, "FIELD_INVALID", &["method"]),
        (request("s3", "get", URL), invalid, "FIELD_INVALID", &["method"]),
        (request("s3", "", URL), invalid, "FIELD_INVALID", &["method"]),
        (with(|request| request.region.clear()), invalid, "FIELD_INVALID", &["region"]),
        (with(|request| request.region = "eu west".to_owned()), invalid, "FIELD_INVALID", &["region"]),
        (with(|request| request.location = 99), invalid, "FIELD_INVALID", &["location"]),
        (with(|request| request.ttl = Some(duration(60))), invalid, "FIELD_INVALID", &["ttl"]),
        (with(|request| request.body_sha256 = "abc".to_owned()), invalid, "FIELD_INVALID", &["body_sha256"]),
        (
            SignOriginRequestRequest { body_sha256: "0".repeat(64), ..presigned("s3", "GET", URL, None) },
            invalid,
            "FIELD_INVALID",
            &["body_sha256"],
        ),
        (header("not a name", "x"), invalid, "FIELD_INVALID", &["headers[1]"]),
        (header("x-note", "é"), invalid, "FIELD_INVALID", &["headers[1]"]),
        (header("x-note", "a\r\nhost: b"), invalid, "FIELD_INVALID", &["headers[1]"]),
        (header("Authorization", "x"), invalid, "RESERVED_PARAMETER", &["headers[1]"]),
        (header("host", "x"), invalid, "RESERVED_PARAMETER", &["headers[1]"]),
        (header("X-Amz-Security-Token", "x"), invalid, "RESERVED_PARAMETER", &["headers[1]"]),
        (url("https://h/a?X-Amz-Signature=1"), invalid, "RESERVED_PARAMETER", &["url"]),
        (url("https://h/a?x-amz-%64ate=1"), invalid, "RESERVED_PARAMETER", &["url"]),
        (url("/a"), invalid, "URL_INVALID", &["url"]),
        (url("https://h"), invalid, "URL_INVALID", &["url"]),
        (url("https://H/a"), invalid, "URL_INVALID", &["url"]),
        (url("https://user:password@h/a"), invalid, "URL_INVALID", &["url"]),
        (url("https://h/a b"), invalid, "URL_INVALID", &["url"]),
        (url("https://h/%c3%a9"), invalid, "URL_INVALID", &["url"]),
        (url("https://h/%61"), invalid, "URL_INVALID", &["url"]),
        (url("https://h/a?b=c+d"), invalid, "URL_INVALID", &["url"]),
        (url("https://h/a#b"), invalid, "URL_INVALID", &["url"]),
        (url(&long), invalid, "INPUT_TOO_LONG", &["url"]),
        (presigned("s3", "GET", URL, Some(0)), invalid, "EXPIRY_OUT_OF_RANGE", &["ttl"]),
        (presigned("s3", "GET", URL, Some(-1)), invalid, "EXPIRY_OUT_OF_RANGE", &["ttl"]),
        (presigned("s3", "GET", URL, Some(604_801)), invalid, "EXPIRY_OUT_OF_RANGE", &["ttl"]),
        (presigned("s3-temporary", "GET", URL, Some(3601)), invalid, "EXPIRY_OUT_OF_RANGE", &["ttl"]),
    ] {
        let told = format!("{} {} {}", request.method, request.url, request.region);
        println!("{told}: {reason}");
        refused(pair.signer().sign_origin_request(request).await, code, reason, fields);
    }
    // What belongs to the other way is refused all at once.
    let both = with(|request| {
        request.location = 99;
        request.ttl = Some(duration(60));
    });
    let answer = pair.signer().sign_origin_request(both).await;
    refused(answer, invalid, "FIELD_INVALID", &["location"]);
}
