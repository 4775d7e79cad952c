//! What is refused, and how that is said.

use std::time::{Duration, Instant};

use safelight_local::{Settings, picture::sample};
use safelight_tests::faulty_origin::{Behaviour, FaultyOrigin, Reply};

use super::wire::*;
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
    // A fragment is never sent. Where it is, it is not part of what is verified.
    let answer = get(&local, &format!("{signed}#x"), &[]).await;
    assert!([200, 400].contains(&answer.status), "{answer:?}");

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
