use safelight_proto::signer::v1::{Header, SignatureLocation};

use super::*;

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

/// A PUT writes an object, and says nothing of who may do what with it.
#[tokio::test]
async fn a_put_gives_nothing_away() {
    let signer = signer();
    for (name, url) in [
        ("x-amz-acl", ""),
        ("x-amz-grant-read", ""),
        ("x-amz-copy-source", ""),
        ("x-amz-tagging", ""),
        ("x-amz-website-redirect-location", ""),
        ("x-amz-object-lock-mode", ""),
        ("content-type", "?acl"),
        ("content-type", "?tagging"),
        ("content-type", "?partNumber=1&versionId=x"),
    ] {
        for location in [SignatureLocation::Headers, SignatureLocation::Query] {
            let mut request = origin_request();
            request.method = "PUT".to_owned();
            request.location = location.into();
            request.headers = vec![Header { name: name.to_owned(), value: "x".to_owned() }];
            request.url += url;
            let (code, reason) = refused(signer.sign_origin_request(allowed(request.clone())).await);
            let expected = if url.is_empty() { "FIELD_INVALID" } else { "URL_INVALID" };
            assert_eq!((code, reason.as_str()), (Code::InvalidArgument, expected), "{name} {url}");
            // A GET may be asked with any of them: it changes nothing.
            request.method = "GET".to_owned();
            ok(signer.sign_origin_request(allowed(request)).await);
        }
    }
}

fn presigned_for(request: &mut pb::SignOriginRequestRequest, seconds: i64) {
    request.location = SignatureLocation::Query.into();
    request.ttl = Some(Duration { seconds, nanos: 0 });
}
