//! Every error carries `ErrorInfo`, those that tonic makes as well.

use std::{io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use safelight_chassis::{server::Limits, shutdown::Drain};
use tonic::{Code, Request, Status};

use crate::{
    harness::{LONG, Raw, framed, read, reason, start, start_with},
    probe::{COLLECT, DO, MAX_ANSWER, MAX_REQUEST},
};

#[tokio::test]
async fn unknown_methods_and_services() {
    let client = start().await.client().await;
    for path in ["/probe.v1.Probe/Nope", "/nobody.v1.Nope/Nope", "/", "/probe.v1.Probe/"] {
        let error = client.unary::<String, String>(path, Request::new(String::new())).await.unwrap_err();
        assert_eq!(
            (error.code(), reason(&error).as_str()),
            (Code::Unimplemented, "METHOD_UNKNOWN"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_message_that_is_too_large() {
    let client = start().await.client().await;
    let just = "x".repeat(MAX_REQUEST - 8);
    assert_eq!(client.tell(&format!("echo {just}")).await.unwrap(), just);
    let error = client.tell(&"x".repeat(MAX_REQUEST)).await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::InvalidArgument, "MESSAGE_INVALID"));
    assert!(error.message().contains("at most 1000 are taken"), "{error:?}");

    // Where there are streams of chunks, the chunk that fits is said.
    let limits = Limits { max_chunk: Some(500), ..Limits::DEFAULT };
    let client = start_with(limits, Drain::within(LONG)).await.client().await;
    let error = client.tell(&"x".repeat(MAX_REQUEST)).await.unwrap_err();
    assert!(error.message().ends_with("in a stream, send chunks of at most 500 bytes"), "{error:?}");
}

#[tokio::test]
async fn messages_that_cannot_be_read() {
    let running = start().await;
    let client = running.client().await;
    // Bytes have the wire format of a string, but need not be UTF-8.
    let error = client.unary::<Vec<u8>, String>(DO, Request::new(vec![0xff, 0xfe])).await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::InvalidArgument, "MESSAGE_INVALID"));

    let mut cut = framed("echo hello");
    cut.pop();
    let mut flagged = framed("echo hello");
    flagged[0] = 7;
    let mut compressed = framed("echo hello");
    compressed[0] = 1;
    let mut raw = Raw::connect(running.addr).await;
    for path in [DO, COLLECT] {
        for (name, body) in [("cut", &cut), ("flagged", &flagged), ("compressed", &compressed)] {
            let (head, _, trailers) = read(raw.call(path, &[], body).await).await;
            let error =
                Status::from_header_map(&head).or_else(|| Status::from_header_map(&trailers)).expect(name);
            assert_eq!(
                (error.code(), reason(&error).as_str()),
                (Code::InvalidArgument, "MESSAGE_INVALID"),
                "{path} {name}: {error:?}"
            );
        }
    }
    let (head, _, _) = read(raw.call(DO, &[], b"").await).await;
    let error = Status::from_header_map(&head).expect("trailers only");
    assert_eq!((error.code(), reason(&error).as_str()), (Code::InvalidArgument, "MESSAGE_INVALID"));

    // The connection is none the worse.
    let (_, body, trailers) = read(raw.call(DO, &[], &framed("echo hello")).await).await;
    assert_eq!(body, framed("hello"));
    assert_eq!(trailers["grpc-status"], "0");
}

#[tokio::test]
async fn errors_without_a_reason_are_hidden_and_those_with_one_are_not_touched() {
    let client = start().await.client().await;
    let error = client.tell("bare").await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::Internal, "INTERNAL"));
    assert!(!format!("{error:?}").contains("internal text"));
    let error = client.tell("busy").await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::ResourceExhausted, "BUSY"));
    assert_eq!(error.message(), "later");

    let mut stream = client.stream(Request::new("bare".to_owned())).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("first"));
    let error = stream.message().await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::Internal, "INTERNAL"));
    assert!(!format!("{error:?}").contains("internal text"));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_our_fault() {
    let client = start().await.client().await;
    let error = client.tell(&format!("big {MAX_ANSWER}")).await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::Internal, "INTERNAL"));
}

#[tokio::test]
async fn a_malformed_timeout_is_refused() {
    let running = start().await;
    let mut raw = Raw::connect(running.addr).await;
    for bad in ["soon", "1", "123456789S", "-1S"] {
        let (head, _, _) = read(raw.call(DO, &[("grpc-timeout", bad)], &framed("echo x")).await).await;
        let error = Status::from_header_map(&head).expect("trailers only");
        assert_eq!(
            (error.code(), reason(&error).as_str()),
            (Code::InvalidArgument, "FIELD_INVALID"),
            "{bad}"
        );
    }
}

/// A compressed gRPC frame around a `String` message.
fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&framed(text)[5..]).unwrap();
    let message = encoder.finish().unwrap();
    let mut frame = vec![1];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&message);
    frame
}

/// gzip is decompressed, and the limit on messages is on what comes of it; another compression is refused, and says which is
/// taken.
#[tokio::test]
async fn gzip_is_decompressed_within_the_limit() {
    let running = start().await;
    let mut raw = Raw::connect(running.addr).await;
    let gzip = [("grpc-encoding", "gzip")];
    let (_, body, trailers) = read(raw.call(DO, &gzip, &gzipped("echo hello")).await).await;
    assert_eq!((body, trailers["grpc-status"].as_bytes()), (framed("hello"), &b"0"[..]));
    // A message may stand uncompressed among compressed ones.
    let (_, body, _) = read(raw.call(DO, &gzip, &framed("echo hello")).await).await;
    assert_eq!(body, framed("hello"));

    // A thousand times as large as it is on the wire.
    let bomb = gzipped(&"x".repeat(500_000));
    assert!(bomb.len() < MAX_REQUEST, "{}", bomb.len());
    let mut cut = gzipped("echo hello");
    let last = cut.len() - 9;
    cut[last] ^= 0xff;
    for (name, path, bad) in [("bomb", DO, &bomb), ("bomb", COLLECT, &bomb), ("damaged", DO, &cut)] {
        let (head, _, trailers) = read(raw.call(path, &gzip, bad).await).await;
        let error =
            Status::from_header_map(&head).or_else(|| Status::from_header_map(&trailers)).expect(name);
        let found = (error.code(), reason(&error));
        assert_eq!(found, (Code::InvalidArgument, "MESSAGE_INVALID".to_owned()), "{path} {name}: {error:?}");
        if name == "bomb" {
            assert!(error.message().contains(&format!("more than {MAX_REQUEST} bytes")), "{error:?}");
        }
    }

    let (head, _, _) = read(raw.call(DO, &[("grpc-encoding", "deflate")], &framed("echo x")).await).await;
    let error = Status::from_header_map(&head).expect("trailers only");
    assert_eq!((error.code(), reason(&error).as_str()), (Code::Unimplemented, "COMPRESSION_UNSUPPORTED"));
    assert!(head["grpc-accept-encoding"].to_str().unwrap().contains("gzip"), "{head:?}");
    assert!(error.message().contains("deflate"), "{error:?}");
}

/// What is not gRPC gets an HTTP status, and the handler is not called.
#[tokio::test]
async fn what_is_not_grpc_is_refused_by_http_and_executes_nothing() {
    let running = start().await;
    let mut raw = Raw::connect(running.addr).await;
    let body = framed("echo executed");
    for path in [DO, "/grpc.health.v1.Health/Check", "/no/such"] {
        for (method, content_type, expected) in [
            ("GET", Some("application/grpc"), 405),
            ("PUT", Some("application/grpc"), 405),
            ("POST", Some("application/json"), 415),
            ("POST", Some("application/grpc-web+proto"), 415),
            ("POST", Some("application/grpc+json"), 415),
            ("POST", None, 415),
        ] {
            let mut request = http::Request::builder().method(method).uri(format!("http://probe{path}"));
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            raw.send = raw.send.clone().ready().await.unwrap();
            let (response, mut stream) = raw.send.send_request(request.body(()).unwrap(), false).unwrap();
            // The answer may be there, and the stream over, before this.
            _ = stream.send_data(body.clone().into(), true);
            let (head, mut rest) = tokio::time::timeout(LONG, response).await.unwrap().unwrap().into_parts();
            assert_eq!(head.status, expected, "{method} {content_type:?} {path}");
            assert_eq!(head.headers.contains_key("allow"), expected == 405);
            assert!(!head.headers.contains_key("grpc-status") && head.headers.contains_key("x-request-id"));
            assert!(rest.data().await.is_none());
        }
    }
    let (_, answer, _) = read(raw.call(DO, &[], &body).await).await;
    assert_eq!(answer, framed("executed"), "the connection is none the worse");
}

#[tokio::test]
async fn a_client_that_disappears_ends_its_handler() {
    let running = start().await;
    let client = running.client().await;
    let call = tokio::spawn(async move { client.tell("wait").await });
    running.shared.until_waiting(1).await;
    call.abort();
    running.shared.until_over(1).await;
    tokio::time::timeout(Duration::from_secs(20), running.client().await.tell("echo x"))
        .await
        .unwrap()
        .unwrap();
}
