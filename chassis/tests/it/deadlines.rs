//! Deadlines cover the head and the body.

use std::time::{Duration, Instant};

use safelight_chassis::{server::Limits, shutdown::Drain};
use tokio::time::timeout;
use tonic::{Code, Request, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    harness::{LONG, Raw, Running, framed, read, reason, start, start_with},
    probe::{DO, STREAM},
};

async fn start_bounded(default: Duration, max: Duration) -> Running {
    let limits = Limits { default_deadline: default, max_deadline: max, ..Limits::DEFAULT };
    start_with(limits, Drain::within(LONG)).await
}

#[track_caller]
fn check(error: &Status) {
    assert_eq!(
        (error.code(), reason(error).as_str()),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_dropped() {
    let running = start().await;
    let mut raw = Raw::connect(running.addr).await;
    let started = Instant::now();
    let (head, _, _) = read(raw.call(DO, &[("grpc-timeout", "100m")], &framed("wait")).await).await;
    check(&Status::from_header_map(&head).expect("trailers only"));
    assert!(started.elapsed() >= Duration::from_millis(100));
    running.shared.until_over(1).await;
}

#[tokio::test]
async fn a_body_that_takes_too_long_ends_with_trailers() {
    let running = start().await;
    let mut raw = Raw::connect(running.addr).await;
    let (head, body, trailers) =
        read(raw.call(STREAM, &[("grpc-timeout", "200m")], &framed("wait")).await).await;
    assert!(!head.contains_key("grpc-status"));
    assert_eq!(body, framed("first"));
    check(&Status::from_header_map(&trailers).expect("a status"));
    running.shared.until_over(1).await;
}

#[tokio::test]
async fn a_body_that_never_pauses_ends_too() {
    let running = start().await;
    let mut raw = Raw::connect(running.addr).await;
    let (_, body, trailers) =
        read(raw.call(STREAM, &[("grpc-timeout", "200m")], &framed("firehose")).await).await;
    assert!(body.len() >= 50_000);
    check(&Status::from_header_map(&trailers).expect("a status"));
}

#[tokio::test]
async fn a_client_that_stops_reading_frees_the_handler() {
    let running = start().await;
    let mut raw = Raw::connect(running.addr).await;
    // No window is given back: after 64 KiB the server may send no more, trailers included.
    let (_, body) =
        raw.call(STREAM, &[("grpc-timeout", "100m")], &framed("firehose")).await.await.unwrap().into_parts();
    running.shared.until_over(1).await;
    drop(body);
}

#[tokio::test]
async fn the_default_applies_and_the_cap_holds() {
    let running = start_bounded(Duration::from_millis(300), Duration::from_millis(600)).await;
    let client = running.client().await;
    check(&client.tell("wait").await.unwrap_err());
    let remaining = |text: String| text.parse::<u64>().unwrap();
    assert!(remaining(client.tell("remaining").await.unwrap()) <= 300);
    let mut request = Request::new("remaining".to_owned());
    request.set_timeout(Duration::from_secs(3600));
    let left = remaining(client.unary(DO, request).await.unwrap().into_inner());
    assert!(left <= 600, "{left}");
    let mut raw = Raw::connect(running.addr).await;
    let (_, body, trailers) = read(raw.call(STREAM, &[("grpc-timeout", "1H")], &framed("wait")).await).await;
    assert_eq!(body, framed("first"));
    check(&Status::from_header_map(&trailers).expect("a status"));
}

#[tokio::test]
async fn the_header_is_taken_out_and_a_past_deadline_starts_nothing() {
    let running = start().await;
    let mut raw = Raw::connect(running.addr).await;
    let (_, body, _) =
        read(raw.call(DO, &[("grpc-timeout", "9S")], &framed("header grpc-timeout")).await).await;
    assert_eq!(body, framed("None"));
    let (head, _, _) = read(raw.call(DO, &[("grpc-timeout", "0S")], &framed("wait")).await).await;
    check(&Status::from_header_map(&head).expect("trailers only"));
    assert_eq!(*running.shared.waiting.borrow(), 0);
}

#[tokio::test]
async fn watching_health_has_no_deadline_but_the_callers() {
    let running = start_bounded(Duration::from_millis(50), Duration::from_millis(50)).await;
    let mut client = HealthClient::new(running.client().await.0);
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap().expect("a first status");
    let quiet = timeout(Duration::from_millis(300), watch.message()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    running.health.ready().await;
    timeout(LONG, watch.message()).await.unwrap().unwrap().expect("another status");
}
