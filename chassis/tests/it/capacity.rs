//! The bound on calls in progress in the whole process.

use std::time::Duration;

use safelight_chassis::{server::Limits, shutdown::Drain};
use tokio::time::timeout;
use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::harness::{LONG, reason, start_with};

#[tokio::test]
async fn calls_above_the_cap_are_told_when_to_come_back() {
    let limits = Limits { max_calls: 2, ..Limits::DEFAULT };
    let running = start_with(limits, Drain::within(LONG)).await;
    // Two connections: the bound is the process's.
    let (client, other) = (running.client().await, running.client().await);
    // One place is held by a handler, the other by an answer whose body has not ended.
    let unary = tokio::spawn({
        let client = client.clone();
        async move { client.tell("wait").await }
    });
    let streaming = client.stream(Request::new("wait".to_owned())).await.unwrap();
    running.shared.until_waiting(2).await;

    let busy = other.tell("echo x").await.unwrap_err();
    assert_eq!((busy.code(), reason(&busy).as_str()), (Code::ResourceExhausted, "BUSY"));
    let delay = busy.get_details_retry_info().and_then(|info| info.retry_delay);
    assert!(delay.is_some_and(|delay| delay > Duration::ZERO), "{busy:?}");
    HealthClient::new(other.0.clone()).check(HealthCheckRequest::default()).await.expect("a probe's answer");

    // A client that goes gives its place back, ...
    drop(streaming);
    let served = async {
        while other.tell("echo x").await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, served).await.expect("the place of the one that went");
    // ... and so does a call that ends.
    running.shared.release();
    unary.await.unwrap().unwrap();
    for _ in 0..5 {
        other.tell("echo x").await.unwrap();
    }
}
