//! What is refused, and how that is said.

use std::time::{Duration, Instant};

use hyper_util::rt::{TokioExecutor, TokioIo};
use safelight_local::{Settings, picture::sample};
use safelight_tests::faulty_origin::{Behaviour, FaultyOrigin, Reply};
use tokio::net::TcpStream;
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::{clients, wire::*};
use crate::{deliver::WEB_ROUTE, harness::*, http_origin::origins};

#[tokio::test]
async fn strange_targets_are_the_clients_fault() {
    let local = start_with("").await;
    local.put("a.jpg", sample::jpeg(96, 64).unwrap()).await;
    let signed = local.sign("/acct/a.jpg/card").await;
    for (target, status, reason) in [
        ("/", 404, "ROUTE_NOT_FOUND"),
        ("//", 404, "ROUTE_NOT_FOUND"),
        ("/favicon.ico", 404, "ROUTE_NOT_FOUND"),
        ("/acct/a.jpg/nothing", 404, "VARIANT_NOT_FOUND"),
        ("/acct/none.jpg/thumbnail", 404, "ORIGIN_NOT_FOUND"),
        ("/acct/a.jpg/width=0", 400, "FIELD_INVALID"),
        ("/acct/a.jpg/width=9,w=9,x=1", 400, "FIELD_INVALID"),
        // Nothing is resolved or decoded: these name other paths than the one that was signed.
        ("/x/../acct/a.jpg/card", 403, "URL_REFUSED"),
        ("/acct/%2e%2e/a.jpg/card", 403, "URL_REFUSED"),
        ("/acct/..%2f..%2fetc%2fpasswd/card", 403, "URL_REFUSED"),
        ("/acct/a.jpg/card?sig={|}^'", 403, "URL_REFUSED"),
        ("/acct/a%00.jpg/card", 403, "URL_REFUSED"),
        ("*", 400, "FIELD_INVALID"),
    ] {
        let raw = exchange(&local, head("GET", target, &[]).as_bytes()).await;
        let answer = parse(&raw);
        assert_eq!(answer.status, status, "{target}");
        answer.refused(status, reason);
    }
    for target in [
        format!("/x/..{signed}"),
        signed.replace("/acct/", "/%61cct/"),
        signed.replace("/acct/", "/acct/./"),
        format!("/{signed}"),
    ] {
        let answer = get(&local, &target, &[]).await;
        assert!([403, 404].contains(&answer.status), "{target}: {}", answer.status);
    }
    // The parser does not let these through, or not so that they would be taken for something else.
    for target in [
        "/acct/a .jpg/card",
        "/acct/a\0.jpg/card",
        "/acct/a\r.jpg/card",
        "acct/a.jpg/card",
        "/acct/a.jpg/card?sig=<script>",
        "?x",
        "",
        "/acct/\u{7f}/card",
    ] {
        let raw = exchange(&local, head("GET", target, &[]).as_bytes()).await;
        let text = String::from_utf8_lossy(&raw);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 40"), "{target:?}: {text}");
    }
    // A fragment is no part of a target: the parser drops it, and what is verified is what is answered.
    let [whole, with_fragment] = [signed.clone(), format!("{signed}#/acct/b.jpg/card")];
    let [whole, with_fragment] = [get(&local, &whole, &[]).await, get(&local, &with_fragment, &[]).await];
    assert_eq!((with_fragment.status, with_fragment.body), (200, whole.body));
    get(&local, &signed.replace("/card", "#/card"), &[]).await.refused(404, "ROUTE_NOT_FOUND");
    // HTTP/1.1 has a Host (RFC 9112, section 3.2), whatever the target says; 1.0 may have none.
    for target in [signed.clone(), format!("http://img.example.com{signed}"), "*".to_owned()] {
        let request = format!("GET {target} HTTP/1.1\r\nConnection: close\r\n\r\n");
        parse(&exchange(&local, request.as_bytes()).await).refused(400, "FIELD_INVALID");
    }
    let raw = exchange(&local, format!("GET {signed} HTTP/1.0\r\n\r\n").as_bytes()).await;
    assert_eq!(parse(&raw).status, 200);

    for (length, status) in [(8192, 404), (8193, 414), (20_000, 414)] {
        let target = format!("/{}", "a".repeat(length - 1));
        let answer = get(&local, &target, &[]).await;
        assert_eq!(answer.status, status, "{length}");
        answer.refused(status, if status == 404 { "ROUTE_NOT_FOUND" } else { "INPUT_TOO_LONG" });
    }
    let raw = exchange(&local, head("GET", &format!("/{}", "a".repeat(100_000)), &[]).as_bytes()).await;
    let text = String::from_utf8_lossy(&raw);
    assert!(
        text.is_empty() || text.starts_with("HTTP/1.1 431 ") || text.starts_with("HTTP/1.1 414 "),
        "{text}"
    );
    assert_eq!(get(&local, &signed, &[]).await.status, 200, "others are not harmed");
}

#[tokio::test]
async fn a_problem_says_what_to_do_and_nothing_to_a_forger() {
    let local = start_with("").await;
    local.put("a.jpg", sample::jpeg(96, 64).unwrap()).await;
    let answer = get(&local, "/acct/a.jpg/width=0,quality=x", &["X-Request-Id: id-1"]).await;
    let problem = answer.problem();
    assert_eq!(problem["type"], "tag:safelight.dev,2026:FIELD_INVALID");
    assert_eq!((problem["request_id"].as_str(), problem["status"].as_u64()), (Some("id-1"), Some(400)));
    assert!(problem["title"].as_str().unwrap().len() > 10 && problem["detail"].is_string());
    let fields: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|field| &field["field"]).collect();
    assert_eq!(fields, ["url.width", "url.quality"]);
    for name in ["x-content-type-options", "content-security-policy", "cross-origin-resource-policy"] {
        assert!(answer.header(name).is_some(), "{name}");
    }
    // Whatever is wrong with a signature, the answer is the same.
    let signed = local.sign("/acct/a.jpg/card").await;
    let expired = local.sign_with("web", "/acct/a.jpg/card", 1).await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let mut bodies = Vec::new();
    for target in [
        "/acct/a.jpg/card".to_owned(),
        expired,
        signed.replace("sig=", "sig=0"),
        format!("{signed}&y=1"),
        signed.split_once("&sig").unwrap().0.to_owned(),
    ] {
        let answer = get(&local, &target, &["X-Request-Id: same"]).await;
        answer.refused(403, "URL_REFUSED");
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_a_problem_over_http2() {
    let local = start_with("").await;
    let tcp = TcpStream::connect(address(&local)).await.unwrap();
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://h/acct/a.jpg/card").header("x-request-id", "large-1");
    let request = request.header("large", "x".repeat(40_000)).body(String::new()).unwrap();
    let (head, body) = send.send_request(request).await.unwrap().into_parts();
    assert_eq!(head.status, 431);
    for (name, value) in [
        ("content-type", "application/problem+json"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(head.headers[name], value, "{name}");
    }
    let problem: serde_json::Value = serde_json::from_slice(&clients::read(body).await.unwrap()).unwrap();
    assert_eq!(
        (&problem["reason"], &problem["request_id"]),
        (&"METADATA_TOO_LARGE".into(), &"large-1".into())
    );
}

#[tokio::test]
async fn a_refused_request_is_found_in_the_log_by_its_id() {
    // What this thread logs: the stack of a test runs on the test's thread.
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines = tracing_subscriber::fmt::layer().json().with_writer(file.reopen().unwrap());
    let lines = lines.with_filter(Targets::new().with_target("safelight", LevelFilter::INFO));
    // With a single one in the process, what another thread meets first is never logged by this one: tracing asks the
    // dispatcher of that thread.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing_subscriber::registry().with(lines).set_default();
    let local = start_with("").await;
    for (id, target, status, reason) in [
        ("line-1", "/acct/a.jpg/card?exp=99999999999&sig=00", 403, "URL_REFUSED"),
        ("line-2", "/nowhere", 404, "ROUTE_NOT_FOUND"),
        ("line-3", "/acct/a.jpg/width=0", 400, "FIELD_INVALID"),
    ] {
        let parent = "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        get(&local, target, &[&format!("X-Request-Id: {id}"), parent]).await.refused(status, reason);
        let found = eventually("the line", async || {
            let text = std::fs::read_to_string(file.path()).unwrap();
            let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let mut of_request = lines.filter(|line| {
                // The signer's line has the same id.
                line["span"]["request.id"] == id && line["target"] == "safelight_chassis::http::service"
            });
            let found = of_request.next();
            assert_eq!(of_request.next(), None, "one line for each request");
            found
        })
        .await;
        assert_eq!(found["fields"]["http.status"], status, "{found}");
        assert_eq!(found["fields"]["reason"], reason, "{found}");
        assert_eq!(found["span"]["http.method"], "GET", "{found}");
        assert_eq!(found["span"]["trace.id"], "4bf92f3577b34da6a3ce929d0e0e4736", "{found}");
        assert!(found["fields"]["duration_ms"].is_u64(), "{found}");
    }
    assert!(!std::fs::read_to_string(file.path()).unwrap().contains("sig="));
}

#[tokio::test]
async fn what_went_wrong_behind_the_door_has_its_status() {
    let origin = FaultyOrigin::start().await.unwrap();
    let picture = sample::png(48, 32).unwrap();
    origin.at("/text", Reply::ok("no picture"));
    origin.at("/cut", Reply::ok(picture.clone()).declaring(picture.len() as u64 + 9));
    origin.at("/broken", Reply::ok(picture[..picture.len() / 2].to_vec()));
    origin.at("/failing", Reply::status(500));
    origin.at("/moved", Reply::redirect("/x"));
    origin.at("/denied", Reply::status(403));
    origin.at("/silent", Behaviour::Silent);
    let local = start(Settings {
        resizer_toml: origins(&origin) + WEB_ROUTE,
        http: "deadline = '3s'".into(),
        ..Settings::default()
    })
    .await;
    for (key, status, reason) in [
        ("text", 415, "FORMAT_UNSUPPORTED"),
        // A body that breaks off is no picture, and nothing of it was sent as one.
        ("cut", 502, "ORIGIN_INTERRUPTED"),
        ("broken", 422, "IMAGE_CORRUPT"),
        ("failing", 502, "ORIGIN_UNAVAILABLE"),
        ("moved", 502, "ORIGIN_REDIRECTED"),
        ("denied", 403, "ORIGIN_DENIED"),
        ("none", 404, "ORIGIN_NOT_FOUND"),
    ] {
        get(&local, &format!("/web/{key}/thumbnail"), &[]).await.refused(status, reason);
    }
    let began = Instant::now();
    get(&local, "/web/silent/thumbnail", &[]).await.refused(504, "DEADLINE_EXCEEDED");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn busy_and_away_say_when_to_come_back() {
    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/silent", Behaviour::Silent);
    let local = start(Settings {
        resizer_toml: origins(&origin) + WEB_ROUTE,
        limits: "max_requests = 1".into(),
        ..Settings::default()
    })
    .await;
    let waiting = get(&local, "/web/silent/thumbnail", &[]);
    let asking = async {
        eventually("the place is taken", async || origin.requests().pop()).await;
        get(&local, "/web/none/thumbnail", &[]).await
    };
    let busy = tokio::select! {
        busy = asking => busy,
        answer = waiting => panic!("{answer:?}"),
    };
    busy.refused(429, "BUSY");
    assert_eq!(busy.header("retry-after"), Some("1"));

    local.stack.signer.begin_stop();
    let away = eventually("the signer is away", async || {
        let answer = get(&local, "/acct/a.jpg/card?sig=1", &[]).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    away.refused(503, "SIGNER_UNAVAILABLE");
    assert_eq!(away.header("retry-after"), Some("1"));
}
