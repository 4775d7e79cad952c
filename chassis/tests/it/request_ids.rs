//! `x-request-id` is echoed, made, or replaced.

use tonic::Request;

use crate::{
    harness::{Client, Raw, framed, read, start},
    probe::DO,
};

/// What the handler saw and what came back.
async fn ids(client: &Client, id: Option<&str>) -> (String, String) {
    let mut request = Request::new("id".to_owned());
    if let Some(id) = id {
        request.metadata_mut().insert("x-request-id", id.parse().unwrap());
    }
    let response = client.unary::<String, String>(DO, request).await.unwrap();
    let echoed = response.metadata().get("x-request-id").expect("an id").to_str().unwrap().to_owned();
    (response.into_inner(), echoed)
}

#[tokio::test]
async fn a_good_one_is_kept_and_a_bad_one_replaced() {
    let client = start().await.client().await;
    assert_eq!(ids(&client, Some("Good-1.2_3")).await, ("Good-1.2_3".to_owned(), "Good-1.2_3".to_owned()));
    let long = "x".repeat(65);
    for bad in [None, Some("with space"), Some("semi;colon"), Some(long.as_str()), Some("")] {
        let (seen, echoed) = ids(&client, bad).await;
        assert_eq!(seen, echoed);
        assert_ne!(Some(seen.as_str()), bad);
        assert!(!seen.is_empty() && seen.len() <= 64);
    }
    assert_ne!(ids(&client, None).await, ids(&client, None).await);
}

#[tokio::test]
async fn errors_have_it_too() {
    let running = start().await;
    let mut raw = Raw::connect(running.addr).await;
    for (path, body) in [(DO, framed("busy")), (DO, vec![9]), ("/no.Such/Method", Vec::new())] {
        let (head, _, _) = read(raw.call(path, &[("x-request-id", "err-1")], &body).await).await;
        assert_eq!(head["x-request-id"], "err-1");
    }
}

/// W3C Trace Context: what is passed on, and what is not.
#[tokio::test]
async fn a_trace_is_known_to_the_handler() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let client = start().await.client().await;
    for (sent, seen) in [(Some(PARENT), PARENT), (None, "none"), (Some("00-nonsense"), "none")] {
        let mut request = Request::new("trace".to_owned());
        if let Some(parent) = sent {
            request.metadata_mut().insert("traceparent", parent.parse().unwrap());
        }
        let response = client.unary::<String, String>(DO, request).await.unwrap();
        assert_eq!(response.into_inner(), seen, "{sent:?}");
    }
}
