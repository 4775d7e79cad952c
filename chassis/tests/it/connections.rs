//! Listening and connections: addresses, the cap, the preface, age.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

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
    harness::{LONG, LOOPBACK, Raw, framed, log, read, start, start_with},
    probe::{DO, STREAM},
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
async fn at_the_limit_the_longest_idle_connection_makes_room() {
    let limits = Limits { max_connections: 2, ..Limits::DEFAULT };
    let running = start_with(limits, Drain::within(LONG)).await;
    let mut first = Raw::connect(running.addr).await;
    read(first.call(DO, &[], &framed("echo x")).await).await;
    let mut second = Raw::connect(running.addr).await;
    read(second.call(DO, &[], &framed("echo x")).await).await;
    let mut third = Raw::connect(running.addr).await;
    assert_eq!(read(third.call(DO, &[], &framed("echo my turn")).await).await.1, framed("my turn"));
    // GOAWAY, not an error.
    timeout(LONG, first.connection).await.expect("its end").unwrap().unwrap();
    assert_eq!(read(second.call(DO, &[], &framed("echo still here")).await).await.1, framed("still here"));
}

#[tokio::test]
async fn where_all_connections_are_busy_health_is_answered_and_the_rest_is_told_so() {
    let limits = Limits { max_connections: 1, ..Limits::DEFAULT };
    let running = start_with(limits, Drain::within(LONG)).await;
    let mut first = Raw::connect(running.addr).await;
    let response = first.call(STREAM, &[], &framed("wait")).await;
    running.shared.until_waiting(1).await;

    let mut second = Raw::connect(running.addr).await;
    let (_, _, trailers) = read(second.call("/grpc.health.v1.Health/Check", &[], &framed("")).await).await;
    assert_eq!(trailers["grpc-status"], "0");
    let (head, ..) = read(second.call(DO, &[], &framed("echo x")).await).await;
    assert_eq!(head["grpc-status"], "8", "{head:?}");

    running.shared.release();
    read(response).await;
    drop(first);
    // There is room again, for this connection too.
    for _ in 0..100 {
        let (head, body, _) = read(second.call(DO, &[], &framed("echo x")).await).await;
        if body == framed("x") {
            return;
        }
        assert_eq!(head["grpc-status"], "8");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never let in");
}

#[tokio::test]
async fn beyond_the_reserve_connections_are_refused_at_once() {
    let limits = Limits { max_connections: 1, ..Limits::DEFAULT };
    let running = start_with(limits, Drain::within(LONG)).await;
    let mut held = Vec::new();
    for _ in 0..65 {
        let mut raw = Raw::connect(running.addr).await;
        let response = raw.call("/grpc.health.v1.Health/Watch", &[], &framed("")).await;
        held.push((raw, response));
    }
    let mut tcp = TcpStream::connect(running.addr).await.unwrap();
    let end = timeout(LONG, tcp.read(&mut [0])).await.expect("a refusal");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

/// All at once: those that make room are still there when the next ones come.
#[tokio::test]
async fn a_probe_is_answered_after_a_burst_of_idle_connections() {
    let (sink, _guard) = log();
    let limits = Limits { max_connections: 64, ..Limits::DEFAULT };
    let running = start_with(limits, Drain::within(LONG)).await;
    running.health.ready().await;
    // Without a pause: the server, which is on this thread, accepts none before all are there.
    let idle: Vec<_> = (0..200)
        .map(|_| {
            let mut tcp = std::net::TcpStream::connect(running.addr).unwrap();
            tcp.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
            tcp
        })
        .collect();
    let mut probe = Raw::connect(running.addr).await;
    let (_, _, trailers) = read(probe.call("/grpc.health.v1.Health/Check", &[], &framed("")).await).await;
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(sink.lines("near the limit on connections").len(), 1, "{}", sink.text());
    assert_eq!(sink.lines("new ones are refused").len(), 0, "{}", sink.text());
    drop(idle);
}

/// More than is waited for: the connection ends, and the log says why, once.
#[tokio::test]
async fn a_header_block_above_the_limit_is_logged() {
    let (sink, _guard) = log();
    let running = start().await;
    for _ in 0..3 {
        let mut tcp = TcpStream::connect(running.addr).await.unwrap();
        tcp.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        // HEADERS without END_HEADERS, then CONTINUATION.
        for kind in [1].into_iter().chain([9; 17]) {
            let frame = [&[0, 0x40, 0, kind, 0, 0, 0, 0, 1][..], &[0; 0x4000]].concat();
            if tcp.write_all(&frame).await.is_err() {
                break;
            }
        }
        let mut rest = Vec::new();
        _ = timeout(LONG, tcp.read_to_end(&mut rest)).await.expect("the connection's end");
    }
    let line = sink.line("more than 256 KiB of headers").await;
    assert_eq!(
        (&line["level"], &line["port"], &line["left_out"]),
        (&"WARN".into(), &"grpc".into(), &0.into())
    );
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert_eq!(sink.lines("256 KiB").len(), 1, "{}", sink.text());
}

#[tokio::test]
async fn every_address_takes_both_families() {
    for (listen, reached, refused) in
        [("[::]:0", vec!["127.0.0.1", "::1"], None), ("0.0.0.0:0", vec!["127.0.0.1"], Some("::1"))]
    {
        let server = Server::new(Limits::DEFAULT).bind(listen.parse().unwrap(), true).await.unwrap();
        let port = server.local_addr().port();
        for host in reached {
            TcpStream::connect((host, port)).await.unwrap();
        }
        if let Some(host) = refused {
            TcpStream::connect((host, port)).await.unwrap_err();
        }
    }
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
        assert_eq!(head.status, 405);
    }
    assert_eq!(running.stop().await, Ok(()));
}

#[tokio::test]
async fn streams_are_limited() {
    let limits = Limits { max_concurrent_streams: 2, ..Limits::DEFAULT };
    let running = start_with(limits, Drain::within(LONG)).await;
    let mut raw = Raw::connect(running.addr).await;
    // The server's SETTINGS have arrived once a call is answered.
    read(raw.call(DO, &[], &framed("echo x")).await).await;
    assert_eq!(raw.send.current_max_send_streams(), 2);
}
