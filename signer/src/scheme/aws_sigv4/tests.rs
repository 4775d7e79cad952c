use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_369_353_600;

fn get(url: &str) -> Request<'_> {
    Request { method: "GET", url, headers: &[], body: Body::Unsigned }
}

fn check(url: &str) -> Result<(), RequestError> {
    S3Request::new(get(url), "eu-west-1", false).map(|_| ())
}

#[test]
fn urls_that_arrive_as_they_were_signed() {
    for url in [
        "https://b.s3.eu-west-1.amazonaws.com/",
        "https://b.s3.eu-west-1.amazonaws.com/a/%20%2B%25%C3%A9.jpg",
        "http://127.0.0.1:9000/bucket//key",
        "http://[::1]:9000/k",
        "https://h:443/k",
        "http://h:80/k",
        "https://h/a/../b/./c",
        "https://h/~a-b_c.d",
        "https://h/?list-type=2&prefix=a/b&x",
        "https://h/k?versionId=%2B%c3%a9",
        "https://h/k?",
    ] {
        assert_eq!(check(url), Ok(()), "{url}");
    }
}

#[test]
fn urls_that_would_not() {
    for url in [
        "",
        "/k",
        "ftp://h/k",
        "HTTPS://h/k",
        "https://",
        "https:///k",
        "https://h",
        "https://h?x=1",
        "https://h#/k",
        "https://H/k",
        "https://127.1/k",
        "https://é.example/k",
        "https://%68/k",
        "https://u:p@h/k",
        "https://u@h/k",
        "https://h:/k",
        "https://h:0443/k",
        "https://h:99999/k",
        "https://h:x/k",
        "https://h\\x/k",
        "https://[::0001]/k",
        "https://h /k",
        "https://h/a b",
        "https://h/a+b",
        "https://h/a!b",
        "https://h/é",
        "https://h/a%2fb",
        "https://h/a%2Fb",
        "https://h/%c3%a9",
        "https://h/%41",
        "https://h/%",
        "https://h/%2",
        "https://h/%zz",
        "https://h/%é",
        "https://h/k#f",
        "https://h/\n",
        "https://h/k?a b",
        "https://h/k?a+b",
        "https://h/k?a=é",
        "https://h/k?a=%",
        "https://h/k?a=%f",
        "https://h/k?a=%ff",
        "https://h/k?a#b",
        "https://a\"b/k",
    ] {
        assert!(matches!(check(url), Err(RequestError::Url(_))), "{url}: {:?}", check(url));
    }
    assert_eq!(check("https://h/k?X-Amz-Signature=0"), Err(RequestError::ReservedParameter));
    assert_eq!(check("https://h/k?x-amz-%64ate=0"), Err(RequestError::ReservedParameter));
    assert_eq!(check(&format!("https://h/{}", "a".repeat(8192))), Err(RequestError::TooLong));
}

#[test]
fn methods_regions_headers_and_bodies() {
    let check = |method, region, header: (&str, &str), body, presigned| {
        let request =
            Request { method, url: "https://h/k", headers: &[("range", "bytes=0-9"), header], body };
        S3Request::new(request, region, presigned).map(|_| ())
    };
    let (fine, empty) = (("x-a", "b c"), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(check("HEAD", "us-east-1", fine, Body::Sha256(empty), false), Ok(()));
    for method in ["POST", "DELETE", "put", "get", "", "GET "] {
        assert_eq!(check(method, "us-east-1", fine, Body::Unsigned, false), Err(RequestError::Method));
    }
    let long = "a".repeat(65);
    for region in ["", "eu/west", "eu west", "é", &long] {
        assert_eq!(check("GET", region, fine, Body::Unsigned, false), Err(RequestError::Region));
    }
    for name in ["host", "Authorization", "X-Amz-Date", "x-amz-content-sha256", "x-amz-security-token"] {
        let refused = check("GET", "auto", (name, ""), Body::Unsigned, false);
        assert_eq!(refused, Err(RequestError::ReservedHeader(1)));
    }
    for header in
        [("", "v"), ("a b", "v"), ("a:", "v"), ("é", "v"), ("a", "é"), ("a", "b\r\nc: d"), ("a", "\0")]
    {
        let refused = check("GET", "auto", header, Body::Unsigned, false);
        assert!(matches!(refused, Err(RequestError::Header(1, _))), "{header:?}");
    }
    let agent = ("X-Amz-User-Agent", "v");
    assert_eq!(check("GET", "auto", agent, Body::Unsigned, false), Ok(()));
    assert!(matches!(check("GET", "auto", agent, Body::Unsigned, true), Err(RequestError::Header(1, _))));
    let upper = empty.to_uppercase();
    for digest in ["", "E3B0", &upper, &empty[1..]] {
        assert_eq!(check("GET", "auto", fine, Body::Sha256(digest), false), Err(RequestError::BodyHash));
    }
}

#[test]
fn a_put_writes_an_object_and_nothing_else() {
    let check = |method, url, header: (&str, &str)| {
        let request = Request { method, url, headers: &[header], body: Body::Unsigned };
        S3Request::new(request, "eu-west-1", true).map(|_| ())
    };
    let kind = ("content-type", "image/png");
    for url in ["https://b.h/k", "https://h/b/k?", "https://h/b/k?partNumber=1&uploadId=a%2Bb"] {
        assert_eq!(check("PUT", url, kind), Ok(()), "{url}");
    }
    for url in [
        "https://b.h/",
        "https://h/b/k?acl",
        "https://h/b/k?%61cl=",
        "https://h/b?policy",
        "https://h/b/k?partNumber=1&tagging",
        "https://h/b/k?partnumber=1",
        "https://h/b/k?=",
    ] {
        assert!(matches!(check("PUT", url, kind), Err(RequestError::Url(_))), "{url}");
        assert_eq!(check("GET", url, kind), Ok(()), "{url}");
    }
    for name in [
        "x-amz-copy-source",
        "X-Amz-Copy-Source",
        "x-amz-copy-source-range",
        "x-amz-acl",
        "X-AMZ-ACL",
        "x-amz-grant-full-control",
        "x-amz-grant-read",
        "x-amz-tagging",
        "x-amz-website-redirect-location",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-legal-hold",
        "x-amz-bypass-governance-retention",
    ] {
        let copy = (name, "/other/secret");
        assert!(matches!(check("PUT", "https://h/b/k", copy), Err(RequestError::Header(0, _))), "{name}");
        assert_eq!(check("GET", "https://h/b/k", copy), Ok(()), "{name}");
    }
    let credentials = Credentials::new("AKIAFAKE", "fake-secret", None);
    let put = Request { method: "PUT", ..get("https://h/b/k") };
    let signed = |request: &Request<'_>| presign(&credentials, request, &Scope::s3("auto"), NOW, 60).unwrap();
    assert_ne!(signed(&put), signed(&get("https://h/b/k")));
}

#[test]
fn what_is_signed_covers_every_part() {
    let credentials = Credentials::new("AKIAFAKE", "fake-secret", Some("fake-token"));
    let authorization = |request: &Request<'_>, region, now| {
        let headers = sign_headers(&credentials, request, &Scope::s3(region), now).unwrap();
        headers.into_iter().find(|(name, _)| *name == "authorization").unwrap().1
    };
    let base = get("http://h:9000/k");
    let signed = authorization(&base, "auto", NOW);
    assert!(signed.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token"));
    for (request, region, now) in [
        (get("http://h:9001/k"), "auto", NOW),
        (get("http://i:9000/k"), "auto", NOW),
        (get("http://h:9000/k/"), "auto", NOW),
        (get("http://h:9000/k?a"), "auto", NOW),
        (Request { method: "HEAD", ..base.clone() }, "auto", NOW),
        (Request { headers: &[("user-agent", "x")], ..base.clone() }, "auto", NOW),
        (base.clone(), "eu-west-1", NOW),
        (base, "auto", NOW + 1),
    ] {
        let other = authorization(&request, region, now);
        assert_ne!(signed.rsplit('=').next(), other.rsplit('=').next(), "{request:?}");
    }
}

#[test]
fn headers_that_s3_would_not_take_are_refused() {
    let check = |length: usize| {
        let value = "v".repeat(length);
        let headers = [("x-a", value.as_str()), ("x-b", "v")];
        S3Request::new(Request { headers: &headers, ..get("https://h/k") }, "auto", false).map(|_| ())
    };
    assert_eq!(check(MAX_HEADER_BYTES - 7), Ok(()));
    assert_eq!(check(MAX_HEADER_BYTES - 6), Err(RequestError::HeadersTooLong));
}

#[test]
fn a_default_port_is_not_part_of_the_host_header() {
    let credentials = Credentials::new("AKIAFAKE", "fake-secret", None);
    let signed = |url| sign_headers(&credentials, &get(url), &Scope::s3("auto"), NOW).unwrap();
    assert_eq!(signed("https://h:443/k"), signed("https://h/k"));
    assert_eq!(signed("http://h:80/k"), signed("http://h/k"));
    assert_ne!(signed("https://h:80/k"), signed("https://h/k"));
}

#[test]
fn a_presigned_url_keeps_what_was_given() {
    let credentials = Credentials::new("AKIAFAKE", "fake-secret", None);
    for (url, start) in [
        ("https://h/a//b/../c", "https://h/a//b/../c?X-Amz-Algorithm="),
        ("https://h/k?", "https://h/k?X-Amz-Algorithm="),
        ("https://h/k?b=%2b&a", "https://h/k?b=%2b&a&X-Amz-Algorithm="),
    ] {
        let presigned = presign(&credentials, &get(url), &Scope::s3("auto"), NOW, 60).unwrap();
        assert!(presigned.starts_with(start), "{presigned}");
        assert!(presigned.rsplit('&').next().unwrap().starts_with("X-Amz-Signature="), "{presigned}");
    }
}

/// The crate logs canonical requests, session tokens in the query included, at trace level.
#[test]
fn pitfall_19_signing_logs_nothing_at_any_level() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    struct Count(Arc<AtomicUsize>);
    impl tracing::Subscriber for Count {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    let events = Arc::new(AtomicUsize::new(0));
    tracing::subscriber::with_default(Count(events.clone()), || {
        tracing::trace!("the subscriber is there");
        let credentials = Credentials::new("AKIAFAKE", "fake-secret", Some("fake-token"));
        presign(&credentials, &get("https://h/k"), &Scope::s3("auto"), NOW, 60).unwrap();
        sign_headers(&credentials, &get("https://h/k"), &Scope::s3("auto"), NOW).unwrap();
    });
    assert_eq!(events.load(Ordering::Relaxed), 1);
}

proptest! {
    #[test]
    fn what_is_checked_can_be_signed(url in r"https?://(h|h:9000|\[::1\])/[ -~é]{0,30}", value in "[ -~]{0,20}") {
        let headers = [("x-a", value.as_str())];
        let request = Request { headers: &headers, ..get(&url) };
        if let Ok(checked) = S3Request::new(request, "auto", false) {
            let credentials = Credentials::new("AKIAFAKE", "fake-secret", None);
            prop_assert!(sign_headers(&credentials, &checked.request, &Scope::s3("auto"), NOW).is_ok());
            prop_assert!(presign(&credentials, &checked.request, &Scope::s3("auto"), NOW, 60).is_ok());
        }
    }

    #[test]
    fn any_text_gets_an_answer(url in r"\PC*|https?://\PC*", region in r"\PC*", name in r"\PC*", value in r"\PC*") {
        let headers = [(name.as_str(), value.as_str())];
        let request = Request { headers: &headers, ..get(&url) };
        let _ = S3Request::new(request.clone(), &region, true);
        let credentials = Credentials::new("AKIAFAKE", "fake-secret", None);
        if let Ok(checked) = S3Request::new(request, "auto", true) {
            prop_assert!(presign(&credentials, &checked.request, &Scope::s3("auto"), NOW, 60).is_ok());
        }
    }
}
