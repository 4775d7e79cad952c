//! `SignUrl`.

use prost_types::Timestamp;
use safelight_proto::signer::v1::{SignUrlRequest, SignUrlResponse, sign_url_request::Expiry};
use tonic::Code;

use crate::harness::{NOW, Pair, URL_NEW, hmac, ok, refused, timestamp, url_request};

const URL: &str = "https://img.example.com/acct/beach.jpg/card?w=1";

#[tokio::test]
async fn a_url_is_signed_until_when_it_was_asked() {
    let pair = Pair::start().await;
    let at = |seconds, nanos| Some(Expiry::ExpireTime(Timestamp { seconds, nanos }));
    let lives = |seconds, nanos| Some(Expiry::Ttl(prost_types::Duration { seconds, nanos }));
    for (expiry, expires) in [
        (None, NOW + 3600), // the key's max_ttl
        (lives(1, 0), NOW + 1),
        (lives(60, 999_999_999), NOW + 60),
        (lives(3600, 0), NOW + 3600),
        (at(1_700_000_001, 0), NOW + 1),
        (at(1_700_000_060, 999_999_999), NOW + 60),
    ] {
        let request = SignUrlRequest {
            key: "url".to_owned(),
            url: URL.to_owned(),
            expiry,
            ..SignUrlRequest::default()
        };
        let signature = hmac(URL_NEW, &format!("/acct/beach.jpg/card?w=1&exp={expires}"));
        let expected = SignUrlResponse {
            signed_url: format!("{URL}&exp={expires}&sig={signature}"),
            expire_time: Some(timestamp(expires)),
            key_version: 2,
            cookies: Vec::new(),
        };
        assert_eq!(ok(pair.signer().sign_url(request.clone()).await), expected);
        // Pure: it may be asked again.
        assert_eq!(ok(pair.signer().sign_url(request).await), expected);
    }
}

#[tokio::test]
async fn a_key_that_needs_no_expiry_gives_none() {
    let pair = Pair::start().await;
    let signed = ok(pair.signer().sign_url(url_request("url-forever", "https://h/a", None)).await);
    assert_eq!(signed.signed_url, format!("https://h/a?sig={}", hmac(URL_NEW, "/a?")));
    assert_eq!((signed.expire_time, signed.key_version), (None, 7));
}

#[tokio::test]
async fn every_error() {
    let pair = Pair::start().await;
    let long = |length| format!("https://h/{}", "a".repeat(length));
    let invalid = Code::InvalidArgument;
    for (key, url, ttl, code, reason, fields) in [
        ("", URL, None, Code::NotFound, "KEY_NOT_FOUND", &[][..]),
        ("nope", URL, None, Code::NotFound, "KEY_NOT_FOUND", &[]),
        ("upload", URL, None, Code::FailedPrecondition, "KEY_SCHEME_MISMATCH", &[]),
        ("s3", URL, None, Code::FailedPrecondition, "KEY_SCHEME_MISMATCH", &[]),
        ("url", "", None, invalid, "URL_INVALID", &["url"]),
        ("url", "/acct/beach.jpg", None, invalid, "URL_INVALID", &["url"]),
        ("url", "//h/a", None, invalid, "URL_INVALID", &["url"]),
        ("url", "ftp://h/a", None, invalid, "URL_INVALID", &["url"]),
        ("url", "https://", None, invalid, "URL_INVALID", &["url"]),
        ("url", "https://h:99999/a", None, invalid, "URL_INVALID", &["url"]),
        ("url", "https://user@h/a", None, invalid, "URL_INVALID", &["url"]),
        ("url", "https://h/a?sig=1", None, invalid, "RESERVED_PARAMETER", &["url"]),
        ("url", "https://h/a?x=1&s%69g", None, invalid, "RESERVED_PARAMETER", &["url"]),
        ("url-forever", "https://h/a?exp=1", None, invalid, "RESERVED_PARAMETER", &["url"]),
        ("url", &long(8192), None, invalid, "INPUT_TOO_LONG", &["url"]),
        ("url", &long(8150), None, invalid, "INPUT_TOO_LONG", &["url"]), // with exp and sig it is
        ("url", URL, Some(0), invalid, "EXPIRY_OUT_OF_RANGE", &["ttl"]),
        ("url", URL, Some(-1), invalid, "EXPIRY_OUT_OF_RANGE", &["ttl"]),
        ("url", URL, Some(3601), invalid, "EXPIRY_OUT_OF_RANGE", &["ttl"]),
        ("url-strict", URL, Some(i64::MAX), invalid, "EXPIRY_OUT_OF_RANGE", &["ttl"]),
        ("url-strict", URL, None, invalid, "FIELD_INVALID", &["expiry"]),
    ] {
        refused(pair.signer().sign_url(url_request(key, url, ttl)).await, code, reason, fields);
    }
    for seconds in [i64::MIN, -1, 0, 1_699_999_999, 1_700_000_000, 1_700_003_601, i64::MAX] {
        let expiry = Some(Expiry::ExpireTime(Timestamp { seconds, nanos: 999_999_999 }));
        let request = SignUrlRequest {
            key: "url".to_owned(),
            url: URL.to_owned(),
            expiry,
            ..SignUrlRequest::default()
        };
        let answer = pair.signer().sign_url(request).await;
        refused(answer, invalid, "EXPIRY_OUT_OF_RANGE", &["expire_time"]);
    }
}
