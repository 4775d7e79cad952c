//! One line for each call, and nothing of what it contained.

use serde_json::Value;
use tonic::Request;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    harness::{Raw, framed, log, read, start},
    probe::{DO, PANIC_TEXT},
};

#[tokio::test]
async fn one_line_a_call() {
    let (sink, _guard) = log();
    let running = start().await;
    let client = running.client().await;
    for (id, what) in [("ok", "echo my-contents"), ("busy", "busy"), ("bare", "bare"), ("panic", "panic")] {
        let mut request = Request::new(what.to_owned());
        request.metadata_mut().insert("x-request-id", id.parse().unwrap());
        request.metadata_mut().insert("authorization", "my-credentials".parse().unwrap());
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
        _ = client.unary::<String, String>(DO, request).await;
    }
    // Probes come every few seconds: those that find all well leave no line.
    running.health.ready().await;
    for (id, service) in [("well", ""), ("unknown", "probe.v1.Nope")] {
        let mut request = Request::new(HealthCheckRequest { service: service.to_owned() });
        request.metadata_mut().insert("x-request-id", id.parse().unwrap());
        let checked = HealthClient::new(client.0.clone()).check(request).await;
        assert_eq!(checked.is_ok(), id == "well", "{checked:?}");
    }
    let mut raw = Raw::connect(running.addr).await;
    // Of the form of a method, and none.
    read(raw.call("/my-contents.v1/Secret_of_a_URL", &[("x-request-id", "formed")], b"").await).await;
    read(raw.call(&format!("{DO}?x=1"), &[("x-request-id", "query")], &framed("echo x")).await).await;
    read(raw.call("/photos/cat.jpg?sig=my-signature", &[("x-request-id", "stray")], b"").await).await;
    let json = http::Request::post(format!("http://probe{DO}")).header("x-request-id", "json");
    raw.send = raw.send.clone().ready().await.unwrap();
    raw.send.send_request(json.body(()).unwrap(), true).unwrap().0.await.unwrap();
    let call = raw.call(DO, &[("x-request-id", "gone")], &framed("wait")).await;
    running.shared.until_waiting(1).await;
    drop(call);
    running.shared.until_over(1).await;
    drop(client);
    raw.connection.abort();
    running.stop().await.unwrap();

    let text = sink.text();
    for secret in ["my-contents", "my-credentials", "my-signature", "cat.jpg", "Secret_of_a_URL", PANIC_TEXT]
    {
        assert!(!text.contains(secret), "{text}");
    }
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered: Vec<&Value> = lines.iter().filter(|line| line["message"] == "answered").collect();
    let found: Vec<_> = answered
        .iter()
        .map(|line| {
            assert!(line["duration_ms"].is_u64(), "{line}");
            assert!(
                line["span"]["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")),
                "{line}"
            );
            let field = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            [
                field(&line["span"]["request.id"]),
                field(&line["span"]["rpc.method"]),
                field(&line["grpc.code"]),
                field(&line["reason"]),
                field(&line["level"]),
            ]
            .join(" ")
        })
        .collect();
    assert_eq!(
        found,
        [
            "ok probe.v1.Probe/Do Ok - INFO",
            "busy probe.v1.Probe/Do ResourceExhausted BUSY WARN",
            "bare probe.v1.Probe/Do Internal INTERNAL ERROR",
            "panic probe.v1.Probe/Do Internal INTERNAL ERROR",
            "unknown grpc.health.v1.Health/Check NotFound SERVICE_UNKNOWN INFO",
            "formed other Unimplemented METHOD_UNKNOWN INFO",
            "query other Unimplemented METHOD_UNKNOWN INFO",
            "stray other Unimplemented METHOD_UNKNOWN INFO",
            "json probe.v1.Probe/Do Unimplemented HTTP_415 INFO",
            "gone probe.v1.Probe/Do Cancelled GONE INFO",
        ]
    );
    // What was hidden from the caller is in the log, in the span of its call.
    let hidden = lines.iter().find(|line| line["grpc.message"] == "internal text").expect("the hidden text");
    assert_eq!(hidden["span"]["request.id"], "bare");
    assert_eq!(hidden["span"]["trace.id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}
