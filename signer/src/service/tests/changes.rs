//! Copies of an object onto itself, and deletions: only for those whose grant names them, and of nothing else.

use pb::{Header, SignatureLocation};
use safelight_chassis::{access::Caller, config};

use super::*;
use crate::access::{Grants, METHODS};

const BASE: &str = "https://photos.s3.eu-west-1.amazonaws.com/";
const PATH_STYLE: &str = "http://127.0.0.1:9000/photos/";
const ARN: &str = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine";

/// A grant with this besides the key.
fn granted(more: &str, message: pb::SignOriginRequestRequest) -> Request<pb::SignOriginRequestRequest> {
    let text =
        format!("[[grants]]\ncaller = 'c'\nmethods = ['SignOriginRequest']\nkeys = ['s3', 'sse']\n{more}\n");
    let grants = config::read(&text, Grants::read).unwrap_or_else(|errors| panic!("{errors}"));
    let granted = grants.granted(&Caller::new("c"), METHODS.of_name("SignOriginRequest").unwrap());
    let mut request = Request::new(message);
    request.extensions_mut().insert(granted.unwrap());
    request
}

fn both() -> String {
    format!(
        "http_methods = ['COPY', 'DELETE']\n\
         buckets = {{ photos = '{BASE}', '{ARN}' = 'https://mine-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/' }}"
    )
}

fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> pb::SignOriginRequestRequest {
    let header = |(name, value): &(&str, &str)| Header { name: (*name).into(), value: (*value).into() };
    pb::SignOriginRequestRequest {
        key: "s3".to_owned(),
        method: method.to_owned(),
        url: url.to_owned(),
        region: "eu-west-1".to_owned(),
        headers: headers.iter().map(header).collect(),
        ..pb::SignOriginRequestRequest::default()
    }
}

fn copy(url: &str, source: &str) -> pb::SignOriginRequestRequest {
    request("PUT", url, &[("x-amz-copy-source", source), ("x-amz-metadata-directive", "REPLACE")])
}

fn denied() -> (Code, String) {
    (Code::PermissionDenied, "CALLER_DENIED".to_owned())
}

fn invalid(reason: &str) -> (Code, String) {
    (Code::InvalidArgument, reason.to_owned())
}

#[tokio::test]
async fn both_are_signed_for_those_whose_grant_names_them() {
    let signer = signer();
    let url = format!("{BASE}a/b%20c.jpg");
    let mut asked = copy(&url, "/photos/a/b%20c.jpg");
    for (name, value) in [
        ("X-Amz-Meta-Creator", "me"),
        ("x-amz-copy-source-if-match", "\"0\""),
        ("x-amz-copy-source-if-unmodified-since", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ("content-type", "image/jpeg"),
        ("cache-control", "max-age=60"),
        ("x-amz-storage-class", "STANDARD_IA"),
    ] {
        asked.headers.push(Header { name: name.into(), value: value.into() });
    }
    let signed = ok(signer.sign_origin_request(granted(&both(), asked)).await);
    assert_eq!((signed.url.as_str(), signed.key_version), (url.as_str(), 3));
    let authorization = &signed.headers.iter().find(|header| header.name == "authorization").unwrap().value;
    for name in ["x-amz-copy-source;", "x-amz-copy-source-if-match;", "x-amz-metadata-directive;"] {
        assert!(authorization.contains(name), "{name} is signed: {authorization}");
    }
    for headers in [&[][..], &[("If-Match", "\"0\"")]] {
        ok(signer.sign_origin_request(granted(&both(), request("DELETE", &url, headers))).await);
    }
    // Without the slash at the beginning it is the same source; an access point's has `object` in it.
    ok(signer.sign_origin_request(granted(&both(), copy(&url, "photos/a/b%20c.jpg"))).await);
    let url = "https://mine-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/a";
    ok(signer.sign_origin_request(granted(&both(), copy(url, &format!("{ARN}/object/a")))).await);
    let asked = copy(url, &format!("{ARN}/a"));
    assert_eq!(refused(signer.sign_origin_request(granted(&both(), asked)).await), denied());
}

#[tokio::test]
async fn no_other_grant_includes_them() {
    let signer = signer();
    let url = format!("{BASE}a");
    let all = ["GET", "HEAD", "PUT", "COPY", "DELETE"];
    for set in 0..1_u32 << all.len() {
        let has =
            |method: &str| all.iter().zip(0..).any(|(of, place)| *of == method && set >> place & 1 == 1);
        let methods: Vec<_> = all.iter().filter(|method| has(method)).collect();
        let grant = format!("http_methods = {methods:?}\nbuckets = {{ photos = '{BASE}' }}");
        for (method, asked) in [
            ("COPY", copy(&url, "/photos/a")),
            ("DELETE", request("DELETE", &url, &[])),
            ("PUT", request("PUT", &url, &[("content-type", "image/png")])),
            ("GET", request("GET", &url, &[])),
        ] {
            let answer = signer.sign_origin_request(granted(&grant, asked)).await;
            if has(method) {
                ok(answer);
            } else {
                assert_eq!(refused(answer), denied(), "{method} of {methods:?}");
            }
        }
    }
    // A grant of everything that there was before.
    for asked in [copy(&url, "/photos/a"), request("DELETE", &url, &[])] {
        assert_eq!(refused(signer.sign_origin_request(allowed(asked)).await), denied());
    }
}

#[tokio::test]
async fn a_copy_is_of_the_object_onto_itself() {
    let signer = signer();
    let url = format!("{BASE}a/b%20c.jpg");
    for source in [
        "/other/a/b%20c.jpg",
        "/photos/a/other.jpg",
        "/photos/a/b c.jpg",
        "/photos/a/b+c.jpg",
        "/photos/a%2Fb%20c.jpg",
        "/photos%2Fa/b%20c.jpg",
        "/photos/%61/b%20c.jpg",
        "/photos/a/b%2520c.jpg",
        "/photos/a/x/../b%20c.jpg",
        "/photos/../photos/a/b%20c.jpg",
        "/photos//a/b%20c.jpg",
        "//photos/a/b%20c.jpg",
        "/PHOTOS/a/b%20c.jpg",
        "/photos/a/b%20c.jpg?versionId=1",
        "/photos/a/b%20c.jpg?",
        "/photos/a/b%20c.jpg ",
        "/a/b%20c.jpg",
        "a/b%20c.jpg",
        "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine/object/a/b%20c.jpg",
        "/",
        "",
    ] {
        let answer = signer.sign_origin_request(granted(&both(), copy(&url, source))).await;
        assert_eq!(refused(answer), denied(), "{source}");
    }
    // Of which bucket the URL is, the grant says: this one's host has no bucket in it.
    let path_style = format!("http_methods = ['COPY', 'DELETE']\nbuckets = {{ photos = '{PATH_STYLE}' }}");
    for (grant, url, source) in [
        (&path_style, format!("{PATH_STYLE}secret/a"), "/secret/a"),
        (&path_style, "http://127.0.0.1:9000/secret/a".to_owned(), "/secret/a"),
        (&both(), format!("{BASE}secret/a"), "/secret/a"),
        (&both(), format!("{BASE}secret/a"), "/photos.s3.eu-west-1.amazonaws.com/secret/a"),
        (&both(), "https://photos.example.com/a".to_owned(), "/photos/a"),
    ] {
        let answer = signer.sign_origin_request(granted(grant, copy(&url, source))).await;
        assert_eq!(refused(answer), denied(), "{url} {source}");
    }
    ok(signer.sign_origin_request(granted(&path_style, copy(&format!("{PATH_STYLE}a"), "/photos/a"))).await);
    // What a proxy would resolve is another object than the source.
    for key in ["a/../b", "./b", "a/.."] {
        let asked = copy(&format!("{BASE}{key}"), &format!("/photos/{key}"));
        assert_eq!(refused(signer.sign_origin_request(granted(&both(), asked)).await), denied(), "{key}");
        let asked = request("DELETE", &format!("{BASE}{key}"), &[]);
        assert_eq!(refused(signer.sign_origin_request(granted(&both(), asked)).await), denied(), "{key}");
    }
}

#[tokio::test]
async fn the_grants_prefixes_hold_as_everywhere() {
    let signer = signer();
    let grant = format!("{}\nurl_prefixes = ['{BASE}up/']", both());
    for (key, is_allowed) in [("up/a", true), ("down/a", false), ("up/../down/a", false)] {
        let url = format!("{BASE}{key}");
        for asked in [copy(&url, &format!("/photos/{key}")), request("DELETE", &url, &[])] {
            let answer = signer.sign_origin_request(granted(&grant, asked)).await;
            assert_eq!(answer.is_ok(), is_allowed, "{key}");
            if !is_allowed {
                assert_eq!(refused(answer), denied());
            }
        }
    }
    // One grant must allow all of it.
    let two = format!(
        "http_methods = ['PUT']\nbuckets = {{ photos = '{BASE}' }}\n[[grants]]\ncaller = 'c'\n\
         methods = ['SignOriginRequest']\nkeys = ['s3']\nhttp_methods = ['COPY']\nbuckets = {{ other = 'https://other.h/' }}"
    );
    let asked = copy(&format!("{BASE}a"), "/photos/a");
    assert_eq!(refused(signer.sign_origin_request(granted(&two, asked)).await), denied());
}

#[tokio::test]
async fn neither_does_more_than_it_is_for() {
    let signer = signer();
    let url = format!("{BASE}a");
    let source = ("x-amz-copy-source", "/photos/a");
    let replace = ("x-amz-metadata-directive", "REPLACE");
    let with = |more| request("PUT", &url, &[source, replace, more]);
    for (asked, reason) in [
        // Without REPLACE, or with other words.
        (request("PUT", &url, &[source]), "FIELD_INVALID"),
        (request("PUT", &url, &[source, ("x-amz-metadata-directive", "COPY")]), "FIELD_INVALID"),
        // What is given twice is one of the two to each reader.
        (with(("X-Amz-Copy-Source", "/photos/a")), "FIELD_INVALID"),
        (with(("X-Amz-Metadata-Directive", "REPLACE")), "FIELD_INVALID"),
        // Who may read it, with which key, for how long.
        (with(("x-amz-acl", "public-read")), "FIELD_INVALID"),
        (with(("x-amz-grant-read", "x")), "FIELD_INVALID"),
        (with(("x-amz-tagging", "a=b")), "FIELD_INVALID"),
        (with(("x-amz-tagging-directive", "REPLACE")), "FIELD_INVALID"),
        (with(("x-amz-server-side-encryption-customer-key", "eA==")), "FIELD_INVALID"),
        (with(("x-amz-server-side-encryption-aws-kms-key-id", "mine")), "FIELD_INVALID"),
        (with(("x-amz-copy-source-server-side-encryption-customer-key", "eA==")), "FIELD_INVALID"),
        (with(("x-amz-copy-source-range", "bytes=0-1")), "FIELD_INVALID"),
        (with(("x-amz-website-redirect-location", "https://h/")), "FIELD_INVALID"),
        (with(("x-amz-object-lock-mode", "COMPLIANCE")), "FIELD_INVALID"),
        (with(("x-amz-storage-class", "GLACIER")), "FIELD_INVALID"),
        (with(("x-amz-storage-class", " deep_archive ")), "FIELD_INVALID"),
        (with(("host", "h")), "RESERVED_PARAMETER"),
        (request("DELETE", &url, &[("x-amz-bypass-governance-retention", "true")]), "FIELD_INVALID"),
        (request("DELETE", &url, &[("x-minio-force-delete", "true")]), "FIELD_INVALID"),
        (request("DELETE", &url, &[("x-amz-mfa", "1 2")]), "FIELD_INVALID"),
        // A version, a part, a setting, a bucket.
        (request("DELETE", &format!("{url}?versionId=1"), &[]), "URL_INVALID"),
        (request("DELETE", &format!("{url}?tagging"), &[]), "URL_INVALID"),
        (request("DELETE", &format!("{url}?"), &[]), "URL_INVALID"),
        (copy(&format!("{url}?partNumber=1&uploadId=1"), "/photos/a"), "URL_INVALID"),
        (request("DELETE", BASE, &[]), "URL_INVALID"),
        (request("DELETE", PATH_STYLE, &[]), "URL_INVALID"),
        (copy(BASE, "/photos/"), "URL_INVALID"),
    ] {
        let what = format!("{asked:?}");
        let answer = signer.sign_origin_request(granted(&both(), asked)).await;
        assert_eq!(refused(answer), invalid(reason), "{what}");
    }
    // A bucket without a slash is below no bucket's URL.
    let path_style = format!("http_methods = ['DELETE']\nbuckets = {{ photos = '{PATH_STYLE}' }}");
    let asked = request("DELETE", "http://127.0.0.1:9000/photos", &[]);
    assert_eq!(refused(signer.sign_origin_request(granted(&path_style, asked)).await), denied());
    // Nobody can send either later than now.
    for mut asked in [copy(&url, "/photos/a"), request("DELETE", &url, &[])] {
        asked.location = SignatureLocation::Query.into();
        let answer = signer.sign_origin_request(granted(&both(), asked)).await;
        assert_eq!(refused(answer), invalid("FIELD_INVALID"));
    }
}

/// A copy reads with the key that it writes with; a deletion reads nothing.
#[tokio::test]
async fn the_keys_own_headers_are_those_of_the_request() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in
        [("secret", "fake-shared-secret"), ("sse", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")]
    {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    }
    let dir = directory.path().display();
    let text = format!(
        "[[keys]]\nname = 'sse'\nscheme = 'aws-sigv4'\nrequest_payer = true\nsse_customer_key_file = '{dir}/sse'\n\
         versions = [{{ id = 1, state = 'primary', access_key_id = 'A', secret_file = '{dir}/secret' }}]\n\
         [[grants]]\ncaller = 'anonymous'\nmethods = ['*']\nkeys = ['*']\n"
    );
    let config = Config::read(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let signer = Signer::new(config, Clock::fixed(NOW));
    let url = format!("{BASE}a");
    for (asked, count, of_source) in [(copy(&url, "/photos/a"), 7, 3), (request("DELETE", &url, &[]), 1, 0)] {
        let asked = pb::SignOriginRequestRequest { key: "sse".to_owned(), ..asked };
        let signed = ok(signer.sign_origin_request(granted(&both(), asked)).await);
        let value =
            |name| signed.headers.iter().find(|header| header.name == name).map(|header| &header.value);
        let added: Vec<_> = signed
            .headers
            .iter()
            .filter(|header| header.name.contains("customer") || header.name == "x-amz-request-payer")
            .collect();
        assert_eq!(added.len(), count, "{:?}", signed.headers);
        let sources = added.iter().filter(|header| header.name.starts_with("x-amz-copy-source-"));
        assert_eq!(sources.count(), of_source);
        let authorization = value("authorization").unwrap();
        for header in added {
            assert!(authorization.contains(&header.name), "{} is signed", header.name);
        }
        assert_eq!(
            value("x-amz-copy-source-server-side-encryption-customer-key"),
            value("x-amz-server-side-encryption-customer-key")
        );
    }
}
