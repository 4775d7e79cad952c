//! Listening and connections: addresses, the cap, the preface, age.

use std::time::{Duration, Instant};

use safelight_chassis::{
    server::{BindError, Limits, Server},
    shutdown::Drain,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    harness::{LONG, LOOPBACK, Raw, framed, read, start, start_with},
    probe::STREAM,
};

#[tokio::test]
async fn others_are_not_served_in_plaintext_unless_told_so() {
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
        let refused = Server::new(Limits::DEFAULT).bind(addr.parse().unwrap(), false).await;
        assert!(matches!(refused, Err(BindError::Plaintext(_))), "{addr}");
    }
    let bound = Server::new(Limits::DEFAULT).bind("0.0.0.0:0".parse().unwrap(), true).await.unwrap();
    assert_ne!(bound.local_addr().port(), 0);
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let first = Server::new(Limits::DEFAULT).bind(LOOPBACK, false).await.unwrap();
    let second = Server::new(Limits::DEFAULT).bind(first.local_addr(), false).await;
    assert!(matches!(second, Err(BindError::Listen { .. })));
}

#[tokio::test]
async fn two_servers_run_in_one_process() {
    let (a, b) = (start().await, start().await);
    assert_ne!(a.addr, b.addr);
    assert_eq!(a.client().await.tell("echo a").await.unwrap(), "a");
    a.stop().await.unwrap();
    assert_eq!(b.client().await.tell("echo b").await.unwrap(), "b");
}

#[tokio::test]
async fn handlers_know_the_peer() {
    let peer = start().await.client().await.tell("peer").await.unwrap();
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
}

#[tokio::test]
async fn connections_above_the_cap_wait() {
    let limits = Limits { max_connections: 1, ..Limits::DEFAULT };
    let running = start_with(limits, Drain::within(LONG)).await;
    let first = running.client().await;
    first.tell("echo x").await.unwrap();
    let mut second = tokio::spawn({
        let addr = running.addr;
        async move {
            let mut raw = Raw::connect(addr).await;
            read(raw.call(crate::probe::DO, &[], &framed("echo my turn")).await).await.1
        }
    });
    assert!(timeout(Duration::from_millis(300), &mut second).await.is_err(), "there is one permit only");
    drop(first);
    assert_eq!(timeout(LONG, second).await.expect("its turn").unwrap(), framed("my turn"));
}

#[tokio::test]
async fn a_preface_must_come_and_in_time() {
    let limits = Limits { preface_timeout: Duration::from_millis(100), ..Limits::DEFAULT };
    let running = start_with(limits, Drain::within(LONG)).await;
    let started = Instant::now();
    let mut silent = TcpStream::connect(running.addr).await.unwrap();
    assert_eq!(timeout(LONG, silent.read(&mut [0])).await.expect("to be closed").unwrap(), 0);
    assert!(started.elapsed() >= Duration::from_millis(100));

    let mut slow = TcpStream::connect(running.addr).await.unwrap();
    slow.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    // Closed with or without a reset; what matters is that it is.
    timeout(LONG, slow.read(&mut [0])).await.expect("to be closed").unwrap_or(0);

    let limits = Limits { preface_timeout: LONG, ..Limits::DEFAULT };
    let running = start_with(limits, Drain::within(LONG)).await;
    let mut http1 = TcpStream::connect(running.addr).await.unwrap();
    http1.write_all(b"GET /index.html HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    timeout(LONG, http1.read(&mut [0])).await.expect("to be closed").unwrap_or(0);
}

/// Row 1 of grpc-practice.md: with tonic's own server this combination sends no GOAWAY at all.
#[tokio::test]
async fn age_sends_goaway_while_a_call_in_flight_completes() {
    let limits = Limits {
        max_connection_age: Duration::from_millis(300),
        max_connection_age_grace: LONG,
        ..Limits::DEFAULT
    };
    let running = start_with(limits, Drain::within(LONG)).await;
    let mut raw = Raw::connect(running.addr).await;
    let response = raw.call(STREAM, &[], &framed("wait")).await;
    running.shared.until_waiting(1).await;
    // GOAWAY: the client may start nothing new here.
    let told = async {
        while raw.send.clone().ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, told).await.expect("GOAWAY");
    assert!(!raw.connection.is_finished());
    running.shared.release();
    let (_, body, trailers) = read(response).await;
    assert_eq!(body, [framed("first"), framed("second")].concat());
    assert_eq!(trailers["grpc-status"], "0");
    // Then the connection ends, without an error.
    timeout(LONG, raw.connection).await.expect("its end").unwrap().unwrap();
    assert_eq!(running.client().await.tell("echo anew").await.unwrap(), "anew");
}

#[tokio::test]
async fn an_aged_connection_that_will_not_end_is_cut_off() {
    let limits = Limits {
        max_connection_age: Duration::from_millis(100),
        max_connection_age_grace: Duration::from_millis(100),
        ..Limits::DEFAULT
    };
    let running = start_with(limits, Drain::within(LONG)).await;
    let mut raw = Raw::connect(running.addr).await;
    let response = raw.call(STREAM, &[], &framed("wait")).await;
    running.shared.until_over(1).await;
    _ = timeout(LONG, raw.connection).await.expect("its end").unwrap();
    drop(response);
}

#[tokio::test]
async fn requests_that_are_not_grpc_are_answered_and_leave_nothing_behind() {
    let running = start().await;
    let mut raw = Raw::connect(running.addr).await;
    for request in [
        http::Request::get("http://probe/index.html").body(()).unwrap(),
        http::Request::get(format!("http://probe{STREAM}")).body(()).unwrap(),
        http::Request::connect("elsewhere:443").body(()).unwrap(),
    ] {
        raw.send = raw.send.clone().ready().await.unwrap();
        let (response, _stream) = raw.send.send_request(request, true).unwrap();
        let (head, _) = timeout(LONG, response).await.expect("an answer").unwrap().into_parts();
        assert_ne!(head.headers["grpc-status"], "0");
    }
    assert_eq!(running.stop().await, Ok(()));
}

#[tokio::test]
async fn streams_are_limited() {
    let limits = Limits { max_concurrent_streams: 2, ..Limits::DEFAULT };
    let running = start_with(limits, Drain::within(LONG)).await;
    let mut raw = Raw::connect(running.addr).await;
    // The server's SETTINGS have arrived once a call is answered.
    read(raw.call(crate::probe::DO, &[], &framed("echo x")).await).await;
    assert_eq!(raw.send.current_max_send_streams(), 2);
}
