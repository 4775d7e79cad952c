//! Every error carries `ErrorInfo`, those that tonic makes as well.

use std::time::Duration;

use tonic::{Code, Request, Status};

use crate::{
    harness::{Raw, framed, read, reason, start},
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
    assert!(error.message().contains("limit is: 1000 bytes"), "{error:?}");
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

#[tokio::test]
async fn compression_is_not_served() {
    let running = start().await;
    let mut raw = Raw::connect(running.addr).await;
    let (head, _, _) = read(raw.call(DO, &[("grpc-encoding", "gzip")], &framed("echo x")).await).await;
    let error = Status::from_header_map(&head).expect("trailers only");
    assert_eq!((error.code(), reason(&error).as_str()), (Code::Unimplemented, "METHOD_UNKNOWN"));
    assert!(error.message().contains("gzip"), "{error:?}");
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
