//! Buckets as operators write them, and what to do about refusals.

use reqwest::header::{DATE, HeaderMap};
use safelight_chassis::config;

use super::{
    super::{
        Origin, OriginKind,
        request::{Authority, SignedRequest},
    },
    refusal::Refusal,
};

fn origin(settings: &str) -> Result<Origin, String> {
    let text = format!(
        "[origins.o]\nkind = 's3'\nsigning_key = 'photos-key'\nallow_private_network = true\n{settings}"
    );
    let mut all = config::read(&text, super::super::config::read).map_err(|errors| errors.to_string())?;
    Ok(all.remove("o").unwrap())
}

#[test]
fn bases_and_regions() {
    for (settings, base, region) in [
        (
            "bucket = 'photos'\nregion = 'cn-north-1'",
            "https://photos.s3.cn-north-1.amazonaws.com.cn/",
            "cn-north-1",
        ),
        (
            "bucket = 'my.photos.example.com'\nregion = 'eu-west-1'",
            "https://s3.eu-west-1.amazonaws.com/my.photos.example.com/",
            "eu-west-1",
        ),
        (
            "bucket = 'MyPhotos'\nregion = 'us-east-1'",
            "https://s3.us-east-1.amazonaws.com/MyPhotos/",
            "us-east-1",
        ),
        (
            "bucket = 'arn:aws:s3:us-west-2:123456789012:accesspoint/ap'\nregion = 'us-east-1'",
            "https://ap-123456789012.s3-accesspoint.us-west-2.amazonaws.com/",
            "us-west-2",
        ),
        (
            "bucket = 'arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint/ap'\nfips = true\ndual_stack = true",
            "https://ap-123456789012.s3-accesspoint-fips.dualstack.us-gov-west-1.amazonaws.com/",
            "us-gov-west-1",
        ),
        (
            "bucket = 'photos'\nregion = 'eu-west-1'\ndual_stack = true",
            "https://photos.s3.dualstack.eu-west-1.amazonaws.com/",
            "eu-west-1",
        ),
        (
            "bucket = 'photos'\nregion = 'us-gov-east-1'\nfips = true",
            "https://photos.s3-fips.us-gov-east-1.amazonaws.com/",
            "us-gov-east-1",
        ),
        (
            "bucket = 'photos'\nregion = 'eu-west-1'\naccelerate = true",
            "https://photos.s3-accelerate.amazonaws.com/",
            "eu-west-1",
        ),
        (
            "bucket = 'photos'\nregion = 'us-east-1'\npath_style = true\nendpoint = 'http://127.0.0.1:9/storage/v1/s3'",
            "http://127.0.0.1:9/storage/v1/s3/photos/",
            "us-east-1",
        ),
        (
            "bucket = 'photos'\nregion = 'us-east-1'\nendpoint = 'https://s3.example.com/storage/'",
            "https://photos.s3.example.com/storage/",
            "us-east-1",
        ),
        (
            "bucket = 'my_photos'\nregion = 'garage_1'\nendpoint = 'https://s3.example.com'",
            "https://s3.example.com/my_photos/",
            "garage_1",
        ),
        (
            "bucket = 'My.Photos'\nregion = 'x'\nendpoint = 'http://s3.localhost:9'",
            "http://s3.localhost:9/My.Photos/",
            "x",
        ),
        (
            "bucket = 'my.photos'\nregion = 'x'\nendpoint = 'http://s3.localhost:9'",
            "http://my.photos.s3.localhost:9/",
            "x",
        ),
        // A name cannot stand before an address.
        (
            "bucket = 'photos'\nregion = 'x'\nendpoint = 'http://127.0.0.1:9'",
            "http://127.0.0.1:9/photos/",
            "x",
        ),
        ("bucket = 'photos'\nregion = 'x'\nendpoint = 'http://[::1]:9'", "http://[::1]:9/photos/", "x"),
    ] {
        let origin = origin(settings).unwrap_or_else(|errors| panic!("{settings}\n{errors}"));
        assert_eq!((origin.base.as_str(), origin.region()), (base, region), "{settings}");
    }
}

#[test]
fn what_does_not_go_together_is_said_at_the_start() {
    for (settings, key, word) in [
        ("bucket = 'photos'\nregion = 'eu-west-1'\nfips = true\naccelerate = true", "accelerate", "fips"),
        ("bucket = 'photos'\nregion = 'cn-north-1'\nfips = true", "fips", "China"),
        ("bucket = 'photos'\nregion = 'cn-north-1'\naccelerate = true", "accelerate", "China"),
        ("bucket = 'My'\nregion = 'eu-west-1'\naccelerate = true", "accelerate", "host"),
        (
            "bucket = 'photos'\nregion = 'x'\nendpoint = 'http://s'\ndual_stack = true",
            "dual_stack",
            "endpoint",
        ),
        ("bucket = 'photos'\nregion = 'x'\nendpoint = 'http://s'\nfips = true", "fips", "endpoint"),
        (
            "bucket = 'photos'\nregion = 'x'\nendpoint = 'http://s'\naccelerate = true",
            "accelerate",
            "endpoint",
        ),
        (
            "bucket = 'arn:aws:s3:us-west-2:123456789012:accesspoint/ap'\npath_style = true",
            "path_style",
            "access point",
        ),
        (
            "bucket = 'arn:aws:s3:us-west-2:123456789012:accesspoint/ap'\naccelerate = true",
            "accelerate",
            "access point",
        ),
        (
            "bucket = 'arn:aws:s3:us-west-2:123456789012:accesspoint/ap'\nregion = 'cn-north-1'",
            "region",
            "partition",
        ),
        ("bucket = 'arn:aws:s3::1:accesspoint/ap.mrap'\nregion = 'us-east-1'", "bucket", "multi-region"),
        (
            "bucket = 'arn:aws:s3:us-west-2:123456789012:accesspoint/ap'\nendpoint = 'http://127.0.0.1:9'",
            "endpoint",
            "address",
        ),
        ("bucket = 'photos'", "region", "missing"),
        ("bucket = 'photos'\nregion = 'garage_1'", "region", "endpoint"),
        ("bucket = 'photos'\nregion = 'aws-global'", "region", "eu-west-1"),
        ("bucket = 'photos'\nregion = 'x'\nendpoint = 'http://s/a?b'", "endpoint", "query"),
        ("bucket = 'photos'\nregion = 'x'\nendpoint = 'http://s/a/../b'", "endpoint", "change"),
        ("bucket = 'photos'\nregion = 'x'\nendpoint = 'HTTP://s'", "endpoint", "capitals"),
        ("bucket = 'xn--abc'\nregion = 'eu-west-1'", "bucket", "path_style"),
        ("bucket = 'xn--abc'\nregion = 'x'\nendpoint = 'https://s'", "bucket", "path_style"),
        ("bucket = 'photos'\nregion = 'x'\nendpoint = 'http://s/a:b'", "endpoint", "write http://s/a%3Ab/"),
        ("bucket = 'photos'\nregion = 'x'\nendpoint = 'http://s/a,b'", "endpoint", "write http://s/a%2Cb/"),
        ("bucket = 'photos'\nregion = 'x'\nendpoint = 'http://s/(a)'", "endpoint", "write http://s/%28a%29/"),
        (
            "bucket = 'photos'\nregion = 'x'\nendpoint = 'http://s/A~b/+c'",
            "endpoint",
            "write http://s/A~b/%2Bc/",
        ),
        ("bucket = 'photos'\nregion = 'x'\nendpoint = 'http://s/a%2bb'", "endpoint", "write http://s/a%2Bb/"),
        ("bucket = 'photos'\nregion = 'x'\nendpoint = 'http://s/%41'", "endpoint", "write http://s/A/"),
        ("bucket = 'photos'\nregion = 'x'\nendpoint = 'http://s/a%zz'", "endpoint", "write http://s/a%25zz/"),
    ] {
        let errors = origin(settings).map(|origin| origin.base).unwrap_err();
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(
            errors.contains(&format!("origins.o.{key}")) && errors.contains(word),
            "{settings}\n{errors}"
        );
    }
}

#[test]
fn an_endpoint_that_names_the_bucket_is_doubted() {
    for (endpoint, is_doubted) in [
        ("https://photos.s3.eu-west-1.amazonaws.com", true),
        ("https://s3.example.com/photos", true),
        ("https://s3.example.com/photos/", true),
        ("https://s3.example.com", false),
        ("https://photos-store.example.com", false),
        ("https://s3.example.com/storage/v1", false),
        ("https://s3.example.com/a%20b", false),
    ] {
        let origin = origin(&format!("bucket = 'photos'\nregion = 'x'\nendpoint = '{endpoint}'")).unwrap();
        assert_eq!(origin.doubt.is_some(), is_doubted, "{endpoint}: {:?}", origin.doubt);
    }
    assert_eq!(origin("bucket = 'photos'\nregion = 'eu-west-1'").unwrap().doubt, None);
}

fn hint(authority: Authority, status: u16, document: &str) -> String {
    let mut origin = origin("bucket = 'photos'\nregion = 'us-east-1'").unwrap();
    if authority == Authority::Unsigned {
        origin.kind = OriginKind::S3 { bucket: "b".into(), region: "us-east-1".into(), signing_key: None };
    }
    let mut headers = HeaderMap::new();
    headers.insert(DATE, "Thu, 01 Jan 2026 00:16:00 GMT".parse().unwrap());
    let mut request =
        SignedRequest { url: origin.base.parse().unwrap(), headers: HeaderMap::new(), authority };
    request.headers.insert("x-amz-date", "20260101T000000Z".parse().unwrap());
    let refusal = Refusal::read(&headers, document.as_bytes(), &request.headers);
    refusal.hint(status, &origin, &request, &headers).unwrap_or_default()
}

#[test]
fn each_refusal_has_a_way_out() {
    for (status, code, more, words) in [
        (403, "AccessDenied", "", "s3:ListBucket"),
        (400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>", "set region = \"eu-west-1\""),
        (
            301,
            "PermanentRedirect",
            "<Endpoint>s3.eu-west-1.amazonaws.com</Endpoint>",
            "s3.eu-west-1.amazonaws.com",
        ),
        (403, "RequestTimeTooSkewed", "", "960 s behind"),
        (
            403,
            "RequestTimeTooSkewed",
            "<RequestTime>20260101T000000Z</RequestTime><ServerTime>2026-01-01T00:20:00Z</ServerTime>",
            "1200 s behind",
        ),
        (
            403,
            "RequestTimeTooSkewed",
            "<RequestTime>20260101T003000Z</RequestTime><ServerTime>2026-01-01T00:10:00Z</ServerTime>",
            "1200 s ahead",
        ),
        // What the answer says cannot be the cause.
        (403, "RequestTimeTooSkewed", "<ServerTime>2026-01-01T00:00:00Z</ServerTime>", "differ too much"),
        (412, "PreconditionFailed", "", "no condition"),
        (416, "InvalidRange", "", "no range"),
        (409, "OperationAborted", "", "being changed"),
        (304, "", "", "no condition"),
        (403, "SignatureDoesNotMatch", "", "the secret of key photos-key"),
        (403, "InvalidAccessKeyId", "", "photos-key"),
        (400, "ExpiredToken", "", "session token"),
        (404, "NoSuchBucket", "", "path_style"),
        (503, "SlowDown", "", "fewer requests"),
        (403, "InvalidObjectState", "", "archived"),
        (400, "KMS.DisabledException", "", "KMS"),
        (400, "InvalidRequest", "<Message>stored using a form of Server Side Encryption</Message>", "SSE-C"),
    ] {
        let document = format!("<Error><Code>{code}</Code>{more}</Error>");
        let hint = hint(Authority::Signer, status, &document);
        assert!(hint.contains(words), "{code}: {hint}");
    }
    assert_eq!(hint(Authority::Signer, 404, "<Error><Code>NoSuchKey</Code></Error>"), "");
    assert!(hint(Authority::Unsigned, 403, "<Code>AccessDenied</Code>").contains("signing_key"));
    for code in ["SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken", "KMS.DisabledException"] {
        let told = hint(Authority::Unsigned, 403, &format!("<Code>{code}</Code>"));
        assert!(told.contains("has no signing_key"), "{code}: {told}");
    }
    assert!(hint(Authority::Caller, 403, "<Code>AccessDenied</Code>").contains("caller"));
    assert!(hint(Authority::Signer, 403, "").contains("s3:ListBucket"));
}
