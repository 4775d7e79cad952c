//! Health: not ready, ready, not ready, draining.

use std::time::Duration;

use safelight_chassis::{
    server::{Limits, Server},
    shutdown::Drain,
};
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    harness::{Client, LONG, reason, start, start_with},
    probe::Probe,
};

async fn status(client: &Client, service: &str) -> Result<ServingStatus, tonic::Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let response = HealthClient::new(client.0.clone()).check(request).await?;
    Ok(response.into_inner().status())
}

#[tokio::test]
async fn the_whole_and_each_service_follow_readiness() {
    let running = start().await;
    let client = running.client().await;
    for name in ["", "probe.v1.Probe"] {
        assert_eq!(status(&client, name).await.unwrap(), ServingStatus::NotServing, "{name:?} to begin with");
    }
    running.health.ready().await;
    for name in ["", "probe.v1.Probe"] {
        assert_eq!(status(&client, name).await.unwrap(), ServingStatus::Serving, "{name:?} when ready");
    }
    running.health.not_ready().await;
    for name in ["", "probe.v1.Probe"] {
        assert_eq!(status(&client, name).await.unwrap(), ServingStatus::NotServing, "{name:?} when not");
    }
    let error = status(&client, "probe.v1.Nope").await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::NotFound, "SERVICE_UNKNOWN"));
}

#[tokio::test]
async fn readiness_said_before_listening_counts() {
    let server = Server::new(Limits::DEFAULT).service(Probe::new());
    server.health().ready().await;
    assert!(server.health().is_ready().await);
    let bound = server.bind(crate::harness::LOOPBACK, false).await.unwrap();
    let addr = bound.local_addr();
    let shutdown = safelight_chassis::shutdown::Shutdown::new();
    tokio::spawn(bound.serve(shutdown));
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{addr}")).unwrap().connect().await;
    let client = Client(channel.unwrap());
    assert_eq!(status(&client, "probe.v1.Probe").await.unwrap(), ServingStatus::Serving);
}

#[tokio::test]
async fn a_lame_duck_serves_but_is_not_ready_and_watches_end() {
    let lame_duck = Duration::from_millis(700);
    let running = start_with(Limits::DEFAULT, Drain { lame_duck, timeout: LONG }).await;
    running.health.ready().await;
    let client = running.client().await;
    let mut watch =
        HealthClient::new(client.0.clone()).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    let asked = std::time::Instant::now();
    running.shutdown.trigger();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(status(&client, "").await.unwrap(), ServingStatus::NotServing);
    // Too late to change that.
    running.health.ready().await;
    assert_eq!(status(&client, "").await.unwrap(), ServingStatus::NotServing);
    // New connections and calls are still served.
    assert_eq!(running.client().await.tell("echo quack").await.unwrap(), "quack");

    // The open watch does not hold up the drain: it ends, and without an error.
    assert_eq!(timeout(LONG, watch.message()).await.expect("the watch to end").unwrap(), None);
    timeout(LONG, running.served).await.expect("the drain").unwrap().unwrap();
    assert!(asked.elapsed() >= lame_duck);
}

/// `HealthListResponse`, as grpc-proto#143 has it: the client of the generated code does not know it.
#[derive(Clone, PartialEq, prost::Message)]
struct List {
    #[prost(map = "string, message", tag = "1")]
    statuses: std::collections::HashMap<String, tonic_health::pb::HealthCheckResponse>,
}

#[tokio::test]
async fn all_services_are_listed() {
    let running = start().await;
    running.health.ready().await;
    let client = running.client().await;
    let list = client.unary::<(), List>("/grpc.health.v1.Health/List", tonic::Request::new(())).await;
    let mut all: Vec<_> = list
        .unwrap()
        .into_inner()
        .statuses
        .into_iter()
        .map(|(name, answer)| (name, answer.status()))
        .collect();
    all.sort();
    let serving = |name: &str| (name.to_owned(), ServingStatus::Serving);
    assert_eq!(all, [serving(""), serving("probe.v1.Probe")]);
}

/// health.proto: `SERVICE_UNKNOWN`, and the stream stays open; it must not hold up the drain.
#[tokio::test]
async fn a_service_that_is_not_known_is_watched_all_the_same() {
    let running = start().await;
    running.health.ready().await;
    let request = HealthCheckRequest { service: "nope".to_owned() };
    let mut client = HealthClient::new(running.client().await.0);
    let mut watch = client.watch(request).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
    assert!(timeout(Duration::from_millis(300), watch.message()).await.is_err(), "it stays open");
    running.shutdown.trigger();
    assert_eq!(timeout(LONG, watch.message()).await.expect("the watch to end").unwrap(), None);
    timeout(LONG, running.served).await.expect("the drain").unwrap().unwrap();
}

#[tokio::test]
async fn a_name_of_any_length_is_not_taken_in() {
    let client = start().await.client().await;
    let error = status(&client, &"x".repeat(5000)).await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::InvalidArgument, "MESSAGE_INVALID"));
}
