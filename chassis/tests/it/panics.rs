//! A panic becomes INTERNAL, and nothing else is harmed.

use tonic::{Code, Request, Response};
use tonic_types::StatusExt as _;

use crate::{
    harness::{Raw, framed, read, reason, start},
    probe::{DO, PANIC_TEXT, STREAM},
};

fn check(error: &tonic::Status, id: &str) {
    assert_eq!((error.code(), reason(error).as_str()), (Code::Internal, "INTERNAL"));
    assert!(error.message().contains(id), "{error:?}");
    assert_eq!(error.get_details_error_info().unwrap().metadata["request_id"], id);
    assert!(!format!("{error:?}").contains(PANIC_TEXT));
}

#[tokio::test]
async fn in_a_handler() {
    let running = start().await;
    let client = running.client().await;
    // Another call of the same connection is under way.
    let neighbour = tokio::spawn({
        let client = client.clone();
        async move { client.tell("wait").await }
    });
    running.shared.until_waiting(1).await;
    let mut request = Request::new("panic".to_owned());
    request.metadata_mut().insert("x-request-id", "panic-1".parse().unwrap());
    let error = client.unary::<String, String>(DO, request).await.map(Response::into_inner).unwrap_err();
    check(&error, "panic-1");
    assert_eq!(error.metadata().get("x-request-id").unwrap(), "panic-1");
    running.shared.release();
    assert_eq!(neighbour.await.unwrap().unwrap(), "released");
}

#[tokio::test]
async fn in_the_body_of_an_answer() {
    let client = start().await.client().await;
    let mut request = Request::new("pause-panic".to_owned());
    request.metadata_mut().insert("x-request-id", "panic-2".parse().unwrap());
    let mut stream = client.stream(request).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("first"));
    check(&stream.message().await.unwrap_err(), "panic-2");
    assert_eq!(client.tell("echo still here").await.unwrap(), "still here");
}

#[tokio::test]
async fn the_connection_survives() {
    let running = start().await;
    let mut raw = Raw::connect(running.addr).await;
    for (path, what) in [(DO, "panic"), (STREAM, "panic"), (STREAM, "pause-panic")] {
        read(raw.call(path, &[], &framed(what)).await).await;
    }
    let (_, body, _) = read(raw.call(DO, &[], &framed("echo same connection")).await).await;
    assert_eq!(body, framed("same connection"));
}
