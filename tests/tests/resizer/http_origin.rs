//! Originals on a hidden HTTP server, and all that such a server can do wrong.

use std::time::Duration;

use bytes::Bytes;
use safelight_local::{Settings, Stack, StackError, picture::sample};
use safelight_proto::{
    reason::Reason,
    resizer::v1::{CallerHeaders, ObjectSource},
};
use safelight_tests::faulty_origin::{Behaviour, FaultyOrigin, Reply};

use crate::harness::*;

/// A time that never comes.
const NEVER: Duration = Duration::from_secs(3600);

/// The HTTP origin under three names: patient, hasty, and with a path of its own.
pub(crate) fn origins(origin: &FaultyOrigin) -> String {
    let url = origin.endpoint();
    format!(
        "[origins.web]\nkind = 'http'\nbase_url = '{url}'\nallow_private_network = true\n\
         [origins.hasty]\nkind = 'http'\nbase_url = '{url}/'\nallow_private_network = true\ntimeout = '300ms'\n\
         [origins.below]\nkind = 'http'\nbase_url = '{url}/raw%20files/v1'\nallow_private_network = true\n"
    )
}

async fn start_web() -> (FaultyOrigin, Local) {
    start_web_limited("").await
}

async fn start_web_limited(limits: &str) -> (FaultyOrigin, Local) {
    let origin = FaultyOrigin::start().await.unwrap();
    let settings = Settings { resizer_toml: origins(&origin), limits: limits.into(), ..Settings::default() };
    let local = start(settings).await;
    (origin, local)
}

fn picture() -> Vec<u8> {
    sample::png(48, 32).unwrap()
}

fn targets(origin: &FaultyOrigin) -> Vec<String> {
    origin.requests().into_iter().map(|request| String::from_utf8(request.target).unwrap()).collect()
}

#[tokio::test]
async fn the_request_is_exact() {
    let (origin, local) = start_web().await;
    for (name, key, target) in [
        ("web", "a.png", "/a.png"),
        ("web", "a b/ü+%2e.png", "/a%20b/%C3%BC%2B%252e.png"),
        ("web", "//a//", "///a//"),
        ("web", "what?q=1&r#f;x", "/what%3Fq%3D1%26r%23f%3Bx"),
        ("web", "http://169.254.169.254/x", "/http%3A//169.254.169.254/x"),
        ("web", "@evil.example.com/x", "/%40evil.example.com/x"),
        ("below", "%2e%2e/a\\..\\b", "/raw%20files/v1/%252e%252e/a%5C..%5Cb"),
        ("below", "/a", "/raw%20files/v1//a"),
    ] {
        origin.at(target, Reply::ok(picture()));
        let made = local.resize_object(object_of(name, key)).await;
        let made = made.unwrap_or_else(|status| panic!("{key}: {status}"));
        assert_eq!(size(&made), (48, 32));
        let request = origin.requests().pop().unwrap();
        assert_eq!(String::from_utf8(request.target.clone()).unwrap(), target, "{key}");
        assert_eq!(
            (request.method.as_str(), request.header("host")),
            ("GET", Some(origin.address().to_string().as_str()))
        );
        let mut names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["accept", "accept-encoding", "host", "user-agent", "x-request-id"],
            "and nothing else"
        );
        assert_eq!(request.header("accept-encoding"), Some("identity"));
    }
}

#[tokio::test]
async fn the_callers_headers_are_passed_exactly() {
    let (origin, local) = start_web().await;
    origin.at("/a.png", Reply::ok(picture()));
    let all = CallerHeaders {
        authorization: "Bearer a.b-c_d==".into(),
        cookie: "session=\"1; 2\"; x=%20; y=é".into(),
        x_amz_content_sha256: "UNSIGNED-PAYLOAD".into(),
        x_amz_date: "20260101T000000Z".into(),
        x_amz_security_token: "t/+=".repeat(500),
    };
    let source = ObjectSource { caller_headers: Some(all.clone()), ..object_of("web", "a.png") };
    local.resize_object(source).await.unwrap();
    let request = origin.requests().pop().unwrap();
    for (name, value) in [
        ("authorization", &all.authorization),
        ("cookie", &all.cookie),
        ("x-amz-content-sha256", &all.x_amz_content_sha256),
        ("x-amz-date", &all.x_amz_date),
        ("x-amz-security-token", &all.x_amz_security_token),
    ] {
        assert_eq!(request.header(name), Some(value.as_str()));
    }

    // Empty ones are not sent, and none stays for the next caller.
    let some = CallerHeaders { cookie: "a=b".into(), ..Default::default() };
    let source = ObjectSource { caller_headers: Some(some), ..object_of("web", "a.png") };
    local.resize_object(source).await.unwrap();
    let request = origin.requests().pop().unwrap();
    assert_eq!((request.header("cookie"), request.header("authorization")), (Some("a=b"), None));
    local.resize_object(object_of("web", "a.png")).await.unwrap();
    assert_eq!(origin.requests().pop().unwrap().header("cookie"), None);
}

#[tokio::test]
async fn what_is_no_header_is_refused() {
    let (origin, local) = start_web().await;
    for value in ["a\r\nx-evil: 1", "a\nb", "a\0b", "\u{7f}"] {
        let headers = CallerHeaders { x_amz_date: value.into(), ..Default::default() };
        let source = ObjectSource { caller_headers: Some(headers), ..object_of("web", "a.png") };
        let status = refused(local.resize_object(source).await, Reason::FieldInvalid);
        assert_eq!(fields(&status), ["source.caller_headers.x_amz_date"], "{value:?}");
        assert!(!format!("{status:?}").contains("evil"));
    }
    assert_eq!(origin.requests(), []);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (origin, local) = start_web().await;
    let elsewhere = FaultyOrigin::start().await.unwrap();
    elsewhere.at("/b.png", Reply::ok(picture()));
    origin.at("/b.png", Reply::ok(picture()));
    let headers = CallerHeaders { authorization: "Bearer secret".into(), ..Default::default() };
    for status in [301, 302, 303, 307, 308] {
        for to in [format!("{}/b.png", elsewhere.endpoint()), "/b.png".into()] {
            origin.at("/a.png", Reply::status(status).header("location", &to));
            let source = ObjectSource { caller_headers: Some(headers.clone()), ..object_of("web", "a.png") };
            refused(local.resize_object(source).await, Reason::OriginRedirected);
        }
    }
    assert_eq!(elsewhere.requests(), []);
    assert!(targets(&origin).iter().all(|target| target == "/a.png"));
}

#[tokio::test]
async fn statuses_become_reasons() {
    let (origin, local) = start_web().await;
    for (status, reason, requests) in [
        (401, Reason::OriginDenied, 1),
        (403, Reason::OriginDenied, 1),
        (400, Reason::OriginDenied, 1),
        (404, Reason::OriginNotFound, 1),
        (410, Reason::OriginNotFound, 1),
        (204, Reason::OriginUnavailable, 1),
        (206, Reason::OriginUnavailable, 1),
        (408, Reason::OriginUnavailable, 1),
        (429, Reason::OriginUnavailable, 1),
        // Tried again, once.
        (500, Reason::OriginUnavailable, 2),
        (503, Reason::OriginUnavailable, 2),
    ] {
        let path = format!("/{status}");
        origin.at(&path, Reply::status(status));
        refused(local.resize_object(object_of("web", &status.to_string())).await, reason);
        assert_eq!(targets(&origin).iter().filter(|target| **target == path).count(), requests, "{status}");
    }
}

#[tokio::test]
async fn a_failure_before_the_body_is_tried_again() {
    let (origin, local) = start_web().await;
    for status in [500, 502, 503, 504] {
        let then = Box::new(Reply::ok(picture()).into());
        origin.at("/a.png", Behaviour::Then { first: Reply::status(status), times: 1, then });
        local.resize_object(object_of("web", "a.png")).await.unwrap();
    }
    assert_eq!(origin.requests().len(), 8);
}

#[tokio::test]
async fn bodies_of_every_framing() {
    let (origin, local) = start_web().await;
    let bytes = picture();
    for (name, reply) in [
        ("length", Reply::ok(bytes.clone())),
        ("chunked", Reply::ok(bytes.clone()).chunked()),
        ("until-close", Reply::ok(bytes.clone()).until_close()),
        ("drip", Reply::ok(bytes.clone()).slow_body(bytes.len() / 4, Duration::from_millis(5))),
        ("identity", Reply::ok(bytes.clone()).header("content-encoding", "identity")),
        ("lying type", Reply::ok(bytes.clone()).header("content-type", "text/html")),
    ] {
        origin.at("/a.png", reply);
        let made = local.resize_object(object_of("web", "a.png")).await;
        assert_eq!(size(&made.unwrap_or_else(|status| panic!("{name}: {status}"))), (48, 32), "{name}");
    }
}

#[tokio::test]
async fn broken_answers_become_reasons() {
    let (origin, local) = start_web_limited("max_source_bytes = '1MiB'").await;
    let bytes = picture();
    let length = bytes.len() as u64;
    let raw = |text: &'static str| Behaviour::Raw(Bytes::from_static(text.as_bytes()));
    let huge_head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let cases: [(&str, &str, Behaviour, Reason); 15] = [
        ("a huge head", "web", Behaviour::Raw(huge_head.into()), Reason::OriginUnavailable),
        ("slow head", "hasty", Reply::ok(bytes.clone()).slow_head(NEVER).into(), Reason::OriginUnavailable),
        (
            "slow body",
            "hasty",
            Reply::ok(bytes.clone()).slow_body(10, NEVER).into(),
            Reason::OriginUnavailable,
        ),
        (
            "steady, and too slow",
            "hasty",
            Reply::ok(bytes.clone()).slow_body(1, Duration::from_millis(40)).into(),
            Reason::OriginUnavailable,
        ),
        ("silent", "hasty", Behaviour::Silent, Reason::OriginUnavailable),
        ("closed at once", "web", Behaviour::CloseAtOnce, Reason::OriginUnavailable),
        ("no HTTP", "web", raw("220 mail.example.com ESMTP\r\n"), Reason::OriginUnavailable),
        ("half a head", "web", raw("HTTP/1.1 200 OK\r\ncontent-le"), Reason::OriginUnavailable),
        (
            "two lengths",
            "web",
            raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
            Reason::OriginUnavailable,
        ),
        (
            "no such length",
            "web",
            Reply::ok(bytes.clone()).declaring(u64::MAX).into(),
            Reason::OriginUnavailable,
        ),
        ("cut", "web", Reply::ok(bytes.clone()).declaring(length + 10).into(), Reason::OriginInterrupted),
        (
            "cut in a chunk",
            "web",
            raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"),
            Reason::OriginInterrupted,
        ),
        (
            "no chunk",
            "web",
            raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nab"),
            Reason::OriginInterrupted,
        ),
        ("a large length", "web", Reply::ok(bytes.clone()).declaring(1 << 40).into(), Reason::ImageTooLarge),
        ("endless", "web", Reply::ok(bytes.clone()).endless().into(), Reason::ImageTooLarge),
    ];
    for (name, through, behaviour, reason) in cases {
        println!("{name}");
        origin.at("/a.png", behaviour);
        refused(local.resize_object(object_of(through, "a.png")).await, reason);
    }
    // The resizer is none the worse for it.
    origin.at("/a.png", Reply::ok(bytes));
    local.resize_object(object_of("hasty", "a.png")).await.unwrap();
}

#[tokio::test]
async fn an_endless_body_is_let_go() {
    let (origin, local) = start_web_limited("max_source_bytes = '1MiB'").await;
    origin.at("/a.png", Reply::ok(picture()).endless());
    refused(local.resize_object(object_of("web", "a.png")).await, Reason::ImageTooLarge);
    // The limit and what lies in socket buffers; then the connection is gone and the count stands still.
    let mut before = u64::MAX;
    let sent = eventually("the origin can send no more", async || {
        let now = origin.body_bytes_sent();
        let stands = now == before;
        before = now;
        stands.then_some(now)
    })
    .await;
    assert!(sent < 64 << 20, "{sent}");
}

#[tokio::test]
async fn an_origin_that_is_not_there() {
    let (origin, local) = start_web().await;
    drop(origin);
    eventually("the port is closed", async || {
        let answer = local.resize_object(object_of("web", "a.png")).await;
        is(&answer, Reason::OriginUnavailable).then_some(())
    })
    .await;
}

#[tokio::test]
async fn addresses_of_the_inside_need_leave() {
    // As an address: refused at the start.
    for host in
        ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"]
    {
        let dir = tempfile::tempdir().unwrap();
        let toml = format!("[origins.inside]\nkind = 'http'\nbase_url = 'http://{host}:8080/'\n");
        let settings = Settings { resizer_toml: toml, ..Settings::default() };
        let error = Stack::start(dir.path(), settings).await.err();
        let Some(StackError::Config(errors)) = error else { panic!("{host} was accepted") };
        assert!(errors.to_string().contains("origins.inside.allow_private_network"), "{host}: {errors}");
    }
    // As a name: refused when it is resolved.
    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/a.png", Reply::ok(picture()));
    let port = origin.address().port();
    let mut toml = String::new();
    for (name, host, leave) in [
        ("local", "localhost", ""),
        ("label", "a.b.localhost", ""),
        ("leave", "localhost", "allow_private_network = true"),
    ] {
        toml += &format!("[origins.{name}]\nkind = 'http'\nbase_url = 'http://{host}:{port}/'\n{leave}\n");
    }
    let local = start_with(toml).await;
    for name in ["local", "label"] {
        refused(local.resize_object(object_of(name, "a.png")).await, Reason::OriginUnavailable);
    }
    assert_eq!(origin.requests(), []);
    local.resize_object(object_of("leave", "a.png")).await.unwrap();
}
