//! Why a fetch failed: once in the log, in words to act on; never to the caller.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use safelight_local::{Settings, picture::sample};
use safelight_proto::reason::Reason;
use safelight_resizer::{
    Config, Resizer,
    origin::{Fetcher, check},
};
use safelight_tests::faulty_origin::{Behaviour, FaultyOrigin, Reply};
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{deliver::WEB_ROUTE, harness::*};

/// What this thread logs, as JSON lines. The stack of a test runs on the test's thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Begins to listen, until the guard is dropped.
    pub(crate) fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt::layer().json().with_writer(move || writer.clone());
        (log, tracing_subscriber::registry().with(lines).set_default())
    }

    /// The fields of every event since the last call whose message begins so.
    pub(crate) fn take(&self, message: &str) -> Vec<Json> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
        let fields = lines.map(|line| line["fields"].clone());
        fields.filter(|f| f["message"].as_str().is_some_and(|m| m.starts_with(message))).collect()
    }
}

/// S3's error document.
fn s3_error(status: u16, code: &str, more: &str) -> Reply {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>In words.</Message>{more}\
         <RequestId>4442587FB7D0A2F9</RequestId><StringToSign>AWS4-HMAC-SHA256 hush</StringToSign></Error>"
    );
    Reply::status(status).body(document).header("content-type", "application/xml")
}

/// Where a server listens that speaks HTTP alone, and at once, whatever is said to it.
async fn plain_server() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await });
        }
    });
    port
}

/// Origins that look at the faulty one in different ways, and some that look elsewhere.
fn origins(origin: &FaultyOrigin, closed: u16, plain: u16) -> String {
    let (url, port) = (origin.endpoint(), origin.address().port());
    let s3 = |name: &str, more: &str| {
        format!("[origins.{name}]\nkind = 's3'\nbucket = 'private-photos'\nregion = 'eu-west-1'\n{more}\n")
    };
    let http = |name: &str, base: &str, more: &str| {
        format!("[origins.{name}]\nkind = 'http'\nbase_url = '{base}'\n{more}\n")
    };
    let inside = "allow_private_network = true";
    s3("s3", &format!("endpoint = '{url}'\nsigning_key = 's3-photos'\n{inside}"))
        + &s3("unsigned", &format!("endpoint = '{url}'\n{inside}"))
        + &http("web", &url, inside)
        + &http("hasty", &url, &format!("{inside}\ntimeout = '300ms'"))
        + &http("closed", &format!("http://127.0.0.1:{closed}"), inside)
        + &http("private", &format!("http://localhost:{port}"), "")
        + &http("nowhere", "http://no-such-host.invalid", "")
        + &http("tls", &format!("https://127.0.0.1:{plain}"), inside)
}

#[tokio::test]
async fn the_cause_stands_once_in_the_log() {
    let (log, _guard) = Log::start();
    let origin = FaultyOrigin::start().await.unwrap();
    let closed = {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        gone.local_addr().unwrap().port()
    };
    let signer_toml = format!(
        "[[grants]]\ncaller = 'resizer'\nmethods = ['SignOriginRequest']\nkeys = ['*']\nurl_prefixes = ['{}/']\n",
        origin.endpoint()
    );
    let resizer_toml = origins(&origin, closed, plain_server().await);
    let limits = "max_source_bytes = '1MiB'".to_owned();
    let local = start(Settings { signer_toml, resizer_toml, limits, ..Settings::default() }).await;

    let long_ago = "Mon, 01 Jan 2024 00:00:00 GMT";
    type Case = (&'static str, Behaviour, Reason, &'static [(&'static str, &'static str)]);
    let cases: Vec<Case> = vec![
        (
            "s3",
            s3_error(403, "AccessDenied", "").into(),
            Reason::OriginDenied,
            &[("s3.code", "AccessDenied"), ("hint", "s3:ListBucket"), ("hint", "s3-photos")],
        ),
        (
            "s3",
            s3_error(400, "AuthorizationHeaderMalformed", "<Region>eu-central-1</Region>").into(),
            Reason::OriginDenied,
            &[("s3.code", "AuthorizationHeaderMalformed"), ("hint", "set region = \"eu-central-1\"")],
        ),
        (
            "s3",
            s3_error(403, "RequestTimeTooSkewed", "").header("date", long_ago).into(),
            Reason::OriginDenied,
            &[("s3.code", "RequestTimeTooSkewed"), ("hint", "s ahead of the store's")],
        ),
        (
            "s3",
            s3_error(403, "SignatureDoesNotMatch", "").into(),
            Reason::OriginDenied,
            &[
                ("s3.code", "SignatureDoesNotMatch"),
                ("s3.message", "In words."),
                ("hint", "the secret of key s3-photos"),
            ],
        ),
        (
            "s3",
            s3_error(404, "NoSuchBucket", "").into(),
            Reason::OriginNotFound,
            &[("s3.code", "NoSuchBucket"), ("s3.request_id", "4442587FB7D0A2F9"), ("hint", "check bucket")],
        ),
        ("s3", s3_error(404, "NoSuchKey", "").into(), Reason::OriginNotFound, &[("s3.code", "NoSuchKey")]),
        ("s3", s3_error(400, "ExpiredToken", "").into(), Reason::OriginDenied, &[("hint", "session token")]),
        (
            "s3",
            s3_error(301, "PermanentRedirect", "<Endpoint>s3.eu-north-1.amazonaws.com</Endpoint>")
                .header("location", "https://elsewhere.example.com/x?hush=1")
                .into(),
            Reason::OriginRedirected,
            &[("detail", "https://elsewhere.example.com"), ("hint", "s3.eu-north-1.amazonaws.com")],
        ),
        (
            "s3",
            s3_error(503, "SlowDown", "").header("x-amz-request-id", "HEADER-ID").into(),
            Reason::OriginUnavailable,
            &[("s3.code", "SlowDown"), ("s3.request_id", "HEADER-ID"), ("hint", "fewer requests")],
        ),
        (
            "unsigned",
            s3_error(403, "AccessDenied", "").into(),
            Reason::OriginDenied,
            &[("hint", "set signing_key")],
        ),
        (
            "unsigned",
            s3_error(403, "InvalidAccessKeyId", "").into(),
            Reason::OriginDenied,
            &[("hint", "has no signing_key")],
        ),
        (
            "s3",
            s3_error(412, "PreconditionFailed", "").into(),
            Reason::OriginUnavailable,
            &[("s3.code", "PreconditionFailed"), ("hint", "no condition")],
        ),
        ("s3", Reply::status(304).into(), Reason::OriginUnavailable, &[("hint", "no condition")]),
        ("web", Reply::status(304).into(), Reason::OriginUnavailable, &[("hint", "no condition")]),
        ("web", Reply::status(416).into(), Reason::OriginUnavailable, &[("hint", "no range")]),
        ("web", Reply::status(409).into(), Reason::OriginUnavailable, &[("hint", "being changed")]),
        ("web", Reply::status(500).body("hush").into(), Reason::OriginUnavailable, &[("host", "127.0.0.1:")]),
        (
            "web",
            Reply::redirect("http://elsewhere.example.com:81/hush").into(),
            Reason::OriginRedirected,
            &[("detail", "redirected to http://elsewhere.example.com:81")],
        ),
        (
            "web",
            Reply::ok("0123456789").declaring(20).into(),
            Reason::OriginInterrupted,
            &[("detail", "got 10 of 20 bytes"), ("address", "127.0.0.1:")],
        ),
        (
            "web",
            Reply::ok("x").declaring(1 << 30).into(),
            Reason::ImageTooLarge,
            &[("detail", "declares 1073741824 bytes"), ("hint", "max_source_bytes")],
        ),
        ("web", Behaviour::CloseAtOnce, Reason::OriginUnavailable, &[("detail", "no HTTP answer: ")]),
        (
            "hasty",
            Behaviour::Silent,
            Reason::OriginUnavailable,
            &[("detail", "no head of an answer within 300ms")],
        ),
        (
            "hasty",
            Reply::ok("0123456789").slow_body(4, Duration::from_millis(200)).into(),
            Reason::OriginUnavailable,
            &[("detail", "300ms passed in the body: got 4 of 10 bytes")],
        ),
        (
            "closed",
            Behaviour::Silent,
            Reason::OriginUnavailable,
            &[("detail", "connection refused"), ("hint", "host and port"), ("host", "127.0.0.1:")],
        ),
        (
            "private",
            Behaviour::Silent,
            Reason::OriginUnavailable,
            &[("detail", "on a private address, 127.0.0.1"), ("hint", "allow_private_network = true")],
        ),
        (
            "nowhere",
            Behaviour::Silent,
            Reason::OriginUnavailable,
            &[("detail", "does not resolve"), ("host", "no-such-host.invalid")],
        ),
        (
            "tls",
            Behaviour::Silent,
            Reason::OriginUnavailable,
            &[("detail", "TLS failed"), ("hint", "http://"), ("host", "127.0.0.1:")],
        ),
    ];
    for (name, behaviour, reason, expected) in cases {
        println!("{name} {expected:?}");
        origin.at("/a.png", behaviour.clone());
        origin.at("/private-photos/a.png", behaviour);
        log.take("");
        let status = refused(local.resize_object(object_of(name, "a.png")).await, reason);
        let events = log.take("origin.failed");
        let [event] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((event["origin"].as_str(), event["reason"].as_str()), (Some(name), Some(reason.as_str())));
        for (field, part) in expected {
            assert!(event[field].as_str().is_some_and(|text| text.contains(part)), "{field} {part}: {event}");
        }
        assert!(!event.to_string().contains("hush"), "{event}");
        // The caller learns none of it.
        let told = format!("{status:?}");
        for hidden in [
            "127.0.0.1",
            "localhost",
            "private-photos",
            "s3-photos",
            "invalid",
            "example",
            "4442587",
            "In words",
        ] {
            assert!(!told.contains(hidden), "{hidden}: {told}");
        }
    }
}

#[tokio::test]
async fn what_an_object_is_that_is_no_picture_stands_once_in_the_log() {
    let (log, _guard) = Log::start();
    let origin = FaultyOrigin::start().await.unwrap();
    let closed = 1;
    let local = start_with(origins(&origin, closed, closed) + WEB_ROUTE).await;
    let jpeg = sample::jpeg(96, 64).unwrap();
    let cut = |at: usize| jpeg[..at].to_vec();
    let document = s3_error(200, "InternalError", "");
    type Case = (Reply, Reason, &'static [(&'static str, &'static str)]);
    let cases: Vec<Case> = vec![
        (
            Reply::ok("<!doctype html>\n<title>Log in</title>")
                .header("content-type", "text/html; charset=utf-8"),
            Reason::FormatUnsupported,
            &[("first_bytes", "html"), ("content_type", "text/html; charset=utf-8"), ("hint", "a page")],
        ),
        (Reply::ok(""), Reason::FormatUnsupported, &[("first_bytes", "empty"), ("hint", "upload it again")]),
        (
            Reply::ok("<svg xmlns='http://www.w3.org/2000/svg'/>"),
            Reason::FormatUnsupported,
            &[("first_bytes", "image"), ("error", "SVG")],
        ),
        (
            Reply::ok("iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB").header("content-encoding", "base64"),
            Reason::FormatUnsupported,
            &[("first_bytes", "text"), ("content_encoding", "base64")],
        ),
        (Reply::ok(&b"\xfd7zXZ\0\0"[..]), Reason::FormatUnsupported, &[("first_bytes", "unknown")]),
        (
            document,
            Reason::FormatUnsupported,
            &[
                ("first_bytes", "xml"),
                ("s3.code", "InternalError"),
                ("s3.request_id", "4442587FB7D0A2F9"),
                ("hint", "HTTP 200"),
            ],
        ),
        (Reply::ok(cut(30)), Reason::ImageCorrupt, &[("first_bytes", "image")]),
    ];
    for (reply, reason, expected) in cases {
        println!("{expected:?}");
        origin.at("/a.png", reply);
        log.take("");
        refused(local.resize_object(object_of("web", "a.png")).await, reason);
        let by_object = log.take("image.refused");
        refused(local.get("/web/a.png/thumbnail").await, reason);
        let by_url = log.take("image.refused");
        let ([event], [other]) = (by_object.as_slice(), by_url.as_slice()) else {
            panic!("{by_object:?} {by_url:?}")
        };
        assert_eq!(event, other);
        assert_eq!(
            (event["origin"].as_str(), event["reason"].as_str()),
            (Some("web"), Some(reason.as_str()))
        );
        let more = [("host", "127.0.0.1:"), ("error", "")];
        for (field, part) in expected.iter().chain(&more) {
            assert!(event[field].as_str().is_some_and(|text| text.contains(part)), "{field} {part}: {event}");
        }
        assert!(!event.to_string().contains("hush"), "{event}");
    }
    // The caller that sends the bytes gets the cause.
    refused(local.resize_one(png(), "<html>").await, Reason::FormatUnsupported);
    refused(local.inspect("<html>").await, Reason::FormatUnsupported);
    assert_eq!(log.take("image.refused"), [""; 0]);
}

#[tokio::test]
async fn an_endpoint_that_names_the_bucket_is_said_at_the_start() {
    let (log, _guard) = Log::start();
    let config = Config::read(
        "[origins.o]\nkind = 's3'\nbucket = 'photos'\nregion = 'x'\nendpoint = 'https://photos.s3.example.com'\n",
    );
    let config = config.unwrap();
    let text = "the endpoint already names the bucket \"photos\"";
    assert!(config.summary().contains(&format!("warning: origins.o: {text}")), "{}", config.summary());
    Resizer::new(config).unwrap();
    let events = log.take("origin.doubtful");
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event["origin"], "o");
    assert!(event["message"].as_str().is_some_and(|message| message.contains(text)), "{event}");
}

#[tokio::test]
async fn why_a_url_is_not_served_stands_once_in_the_log() {
    let (log, _guard) = Log::start();
    let local = start_with("").await;
    for (url, reason, route) in [
        ("/a", Reason::RouteNotFound, None),
        ("/acct/a.png/none", Reason::VariantNotFound, Some("/{account}/{key...}/{variant}")),
        ("/acct/a.png/w=0", Reason::FieldInvalid, Some("/{account}/{key...}/{variant}")),
    ] {
        log.take("");
        refused(local.get(url).await, reason);
        let events = log.take("url.not_served");
        let [event] = events.as_slice() else { panic!("{url}: {events:?}") };
        assert_eq!((event["reason"].as_str(), event["route"].as_str()), (Some(reason.as_str()), route));
        assert!(event["cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{event}");
    }
}

#[tokio::test]
async fn an_origin_is_checked_before_a_roll_out() {
    let origin = FaultyOrigin::start().await.unwrap();
    let closed = {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        gone.local_addr().unwrap().port()
    };
    let config = Config::read(&origins(&origin, closed, plain_server().await)).unwrap();
    let there = Reply::status(403);
    for (name, reply, is_problem, words) in [
        ("s3", there.clone(), false, "127.0.0.1"),
        ("s3", there.clone().header("x-amz-bucket-region", "eu-west-1"), false, "(HTTP 403)"),
        ("s3", there.header("x-amz-bucket-region", "eu-north-1"), true, "set region = \"eu-north-1\""),
        ("s3", Reply::status(301), true, "elsewhere"),
        ("s3", Reply::status(404), true, "no such bucket"),
        ("s3", Reply::status(500), true, "fails"),
        ("web", Reply::status(404), false, "(HTTP 404)"),
        ("closed", Reply::status(200), true, "connection refused; nothing listens there"),
        ("private", Reply::status(200), true, "set allow_private_network = true"),
        ("nowhere", Reply::status(200), true, "does not resolve"),
        ("tls", Reply::status(200), true, "TLS failed"),
    ] {
        origin.at("/private-photos/", reply.clone());
        origin.at("/", reply);
        let of = &config.origins[name];
        let findings = check::check(of, &Fetcher::new(of).unwrap()).await;
        let last = findings.last().unwrap();
        assert!(last.is_problem == is_problem && last.text.contains(words), "{name}: {findings:?}");
    }
    let request = origin.requests().pop().unwrap();
    assert_eq!((request.method.as_str(), request.header("authorization")), ("HEAD", None));
}
