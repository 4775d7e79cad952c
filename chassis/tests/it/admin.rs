//! The admin port: probes, and metrics whose number does not grow with what is sent.

use std::net::SocketAddr;

use safelight_chassis::{
    admin::Admin,
    server::{Limits, Server},
    shutdown::{Drain, Shutdown},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{LONG, LOOPBACK, Raw, framed, read};

async fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn probes_are_answered_before_readiness_and_through_the_drain() {
    let admin = Admin::bind(LOOPBACK).unwrap();
    assert_eq!(get(admin.addr(), "/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(get(admin.addr(), "/readyz").await, (503, "starting\n".to_owned()));
    assert_eq!(get(admin.addr(), "/metrics").await, (200, String::new()));
    assert_eq!(get(admin.addr(), "/secrets").await.0, 404);

    let server = Server::new(Limits::DEFAULT);
    admin.show(&server);
    let health = server.health();
    assert!(get(admin.addr(), "/readyz").await.1.starts_with("not ready"));
    health.ready().await;
    assert_eq!(get(admin.addr(), "/readyz").await, (200, "ok\n".to_owned()));

    let bound = server.bind(LOOPBACK, false).await.unwrap().drain(Drain { lame_duck: LONG, timeout: LONG });
    let shutdown = Shutdown::new();
    let served = tokio::spawn(bound.serve(shutdown.clone()));
    shutdown.trigger();
    while get(admin.addr(), "/readyz").await != (503, "draining\n".to_owned()) {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(admin.addr(), "/livez").await.0, 200);
    served.abort();
}

#[tokio::test]
async fn the_number_of_series_does_not_grow_with_what_is_sent() {
    let admin = Admin::bind(LOOPBACK).unwrap();
    let server = Server::new(Limits::DEFAULT);
    admin.show(&server);
    let bound = server.bind(LOOPBACK, false).await.unwrap();
    let addr = bound.local_addr();
    tokio::spawn(bound.serve(Shutdown::new()));

    let mut raw = Raw::connect(addr).await;
    read(raw.call("/grpc.health.v1.Health/Check", &[], &framed("")).await).await;
    read(raw.call("/x/y", &[], &framed("")).await).await;
    let (_, text) = get(admin.addr(), "/metrics").await;
    for line in [
        "safelight_calls_total{method=\"grpc.health.v1.Health/Check\",code=\"OK\"} 1\n",
        "safelight_calls_total{method=\"other\",code=\"UNIMPLEMENTED\"} 1\n",
        "safelight_calls_started_total{method=\"other\"} 1\n",
        "safelight_call_duration_seconds_count{method=\"other\"} 1\n",
        "safelight_connections{port=\"grpc\"} 1\n",
        "safelight_connections_refused_total{port=\"grpc\"} 0\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    for index in 0..300 {
        let path = format!("/grpc.health.v1.Health/Check{index}");
        read(raw.call(&path, &[("x-request-id", &index.to_string())], &framed("secret")).await).await;
        read(raw.call(&format!("/secret.{index}.S/M"), &[], &framed("")).await).await;
    }
    let (_, after) = get(admin.addr(), "/metrics").await;
    assert_eq!(text.lines().count(), after.lines().count(), "{after}");
    assert!(!after.contains("secret"), "{after}");
    assert!(
        after.contains("safelight_calls_total{method=\"other\",code=\"UNIMPLEMENTED\"} 601\n"),
        "{after}"
    );
}
