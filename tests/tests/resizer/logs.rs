//! What is logged, and what never is.

use std::{
    io,
    sync::{Arc, Mutex},
};

use safelight_local::picture::sample;
use safelight_proto::{
    reason::Reason,
    resizer::v1::{CallerHeaders, DeliverRequest, ObjectSource},
};
use safelight_tests::faulty_origin::{FaultyOrigin, Reply};
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{harness::*, http_origin::origins};

/// Everything that was logged, by whichever thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_and_no_signature() {
    let log = Log::default();
    let writer = log.clone();
    // The origin is not ours: it shows what it gets.
    let ours = Targets::new()
        .with_default(LevelFilter::DEBUG)
        .with_targets([("safelight", LevelFilter::TRACE), ("s3s", LevelFilter::OFF)]);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(ours));
    // Of the whole process: what other tests log meanwhile must hold no secret either.
    subscriber.init();

    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/moved", Reply::redirect("http://127.0.0.1:1/hush-location"));
    origin.at("/forbidden", Reply::status(403).body("hush-body"));
    let local = start_with(origins(&origin)).await;
    local.put("a.png", sample::png(48, 32).unwrap()).await;

    let signed = local.sign("/acct/a.png/w=20").await;
    local.get(&signed).await.unwrap();
    refused(local.get(&signed.replace("w=20", "w=21")).await, Reason::UrlRefused);
    refused(local.get("/acct/a.png/w=20?exp=12345678901&sig=hush-signature").await, Reason::UrlRefused);
    let headers = CallerHeaders {
        authorization: "Bearer hush-token".into(),
        cookie: "session=hush-cookie".into(),
        x_amz_security_token: "hush-session".into(),
        ..Default::default()
    };
    for (origin, key, reason) in [
        ("web", "moved", Reason::OriginRedirected),
        ("web", "forbidden", Reason::OriginDenied),
        ("web", "missing", Reason::OriginNotFound),
        ("photos", "a.png", Reason::OriginDenied),
    ] {
        let source = ObjectSource { caller_headers: Some(headers.clone()), ..object_of(origin, key) };
        refused(local.resize_object(source).await, reason);
    }
    let headers = CallerHeaders { cookie: "hush\ncookie".into(), ..Default::default() };
    let request = DeliverRequest {
        url: "/acct/a.png/thumbnail".into(),
        caller_headers: Some(headers),
        ..Default::default()
    };
    refused(local.deliver(request).await, Reason::FieldInvalid);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for expected in ["url.refused", "origin.failed", "ORIGIN_REDIRECTED", "ResizerService/Deliver"] {
        assert!(log.contains(expected), "{expected} is not in the log:\n{log}");
    }
    let signature = signed.split_once("sig=").unwrap().1;
    let secrets = std::fs::read_dir(local.stack.dir().join("secrets")).unwrap();
    let mut never: Vec<String> =
        secrets.map(|secret| std::fs::read_to_string(secret.unwrap().path()).unwrap()).collect();
    assert_eq!(never.len(), 4, "three keys, and the resizer's token");
    never.extend(["hush", "sig=", "Signature=", signature].map(Into::into));
    for never in never {
        assert!(!log.contains(&never), "{:?}", log.lines().find(|line| line.contains(&never)));
    }
}
