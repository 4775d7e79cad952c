//! Drain: what is in flight completes, and what never ends does not hold it up.

use std::time::{Duration, Instant};

use safelight_chassis::{
    server::{Limits, Undrained},
    shutdown::Drain,
};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tonic::Request;

use crate::harness::{LONG, start, start_with};

#[tokio::test]
async fn calls_in_flight_complete() {
    let running = start().await;
    let client = running.client().await;
    let mut stream = client.stream(Request::new("wait".to_owned())).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("first"));
    let unary = tokio::spawn({
        let client = client.clone();
        async move { client.tell("wait").await }
    });
    running.shared.until_waiting(2).await;

    let (addr, shared) = (running.addr, running.shared.clone());
    let stopped = tokio::spawn(running.stop());
    // The listener is closed while calls are still running.
    timeout(LONG, async { while TcpStream::connect(addr).await.is_ok() {} }).await.expect("it to be closed");
    assert!(!stopped.is_finished());
    shared.release();
    assert_eq!(unary.await.unwrap().unwrap(), "released");
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("second"));
    assert_eq!(stream.message().await.unwrap(), None);
    assert_eq!(stopped.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_call_that_never_ends_is_cut_off() {
    let running = start_with(Limits::DEFAULT, Drain::within(Duration::from_millis(200))).await;
    let client = running.client().await;
    let call = tokio::spawn(async move { client.tell("wait").await });
    running.shared.until_waiting(1).await;
    let shared = running.shared.clone();
    let asked = Instant::now();
    assert_eq!(running.stop().await, Err(Undrained { connections: 1 }));
    assert!(asked.elapsed() >= Duration::from_millis(200));
    call.await.unwrap().unwrap_err();
    shared.until_over(1).await;
}

#[tokio::test]
async fn idle_connections_end_at_once() {
    let running = start().await;
    let client = running.client().await;
    client.tell("echo x").await.unwrap();
    assert_eq!(running.stop().await, Ok(()));
}

#[tokio::test]
async fn a_connection_without_preface_does_not_hold_it_up() {
    let running = start().await;
    let mut silent = TcpStream::connect(running.addr).await.unwrap();
    // It has been accepted once a later one is answered.
    running.client().await.tell("echo x").await.unwrap();
    assert_eq!(running.stop().await, Ok(()));
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_peer_that_never_acknowledges_goaway_is_cut_off() {
    let running = start_with(Limits::DEFAULT, Drain::within(Duration::from_millis(200))).await;
    let tcp = TcpStream::connect(running.addr).await.unwrap();
    // Greets, and then is never heard of again: nobody polls its connection.
    let (_send, _connection) = h2::client::handshake(tcp).await.unwrap();
    running.client().await.tell("echo x").await.unwrap();
    assert_eq!(running.stop().await, Err(Undrained { connections: 1 }));
}
