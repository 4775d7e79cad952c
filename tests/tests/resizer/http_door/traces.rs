//! Ids by which logs can be joined: what is passed on to origins, by both doors.

use std::net::SocketAddr;

use safelight_local::{Settings, picture::sample};
use safelight_proto::resizer::v1::DeliverRequest;
use safelight_tests::faulty_origin::{FaultyOrigin, Received, Reply};
use tonic::Request;

use super::wire::*;
use crate::{deliver::WEB_ROUTE, harness::*, http_origin::origins};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Asks for a picture over HTTP, or over gRPC where there is no door, and answers what the origin was asked.
async fn asked(
    local: &Local,
    origin: &FaultyOrigin,
    door: Option<SocketAddr>,
    url: &str,
    id: &str,
    parent: &str,
) -> Received {
    let before = origin.requests().len();
    if let Some(door) = door {
        let lines = [&*format!("X-Request-Id: {id}"), &format!("Traceparent: {parent}")];
        let answer = parse(&exchange_at(door, head("GET", url, &lines).as_bytes()).await);
        assert_eq!(answer.status, 200, "{answer:?}");
    } else {
        let mut request = Request::new(DeliverRequest { url: url.to_owned(), ..Default::default() });
        for (name, value) in [("x-request-id", id), ("traceparent", parent)] {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        let mut messages = local.client.clone().deliver(request).await.unwrap().into_inner();
        while messages.message().await.unwrap().is_some() {}
    }
    let requests = origin.requests();
    assert_eq!(requests.len(), before + 1);
    requests.last().unwrap().clone()
}

#[tokio::test]
async fn the_request_and_its_trace_are_named_to_origins() {
    let origin = FaultyOrigin::start().await.unwrap();
    for path in ["/a.png", "/private-photos/a.png"] {
        origin.at(path, Reply::ok(sample::png(48, 32).unwrap()));
    }
    let url = origin.endpoint();
    let store = format!(
        "[origins.store]\nkind = 's3'\nbucket = 'private-photos'\nregion = 'eu-west-1'\nendpoint = '{url}'\n\
         signing_key = 's3-photos'\nallow_private_network = true\n"
    );
    let signer_toml = format!(
        "[[grants]]\ncaller = 'resizer'\nmethods = ['SignOriginRequest']\nkeys = ['*']\nurl_prefixes = ['{url}/']\n"
    );
    let route = WEB_ROUTE.replace("/web/", "/store/").replace("origin = 'web'", "origin = 'store'");
    let resizer_toml = origins(&origin) + &store + WEB_ROUTE + &route;
    let local = start(Settings { signer_toml, resizer_toml, ..Settings::default() }).await;
    for door in [None, Some(address(&local))] {
        for url in ["/web/a.png/thumbnail", "/store/a.png/thumbnail"] {
            let request = asked(&local, &origin, door, url, "my-id", PARENT).await;
            assert_eq!(request.header("x-request-id"), Some("my-id"), "{door:?} {url}");
            assert_eq!(request.header("traceparent"), Some(PARENT), "{door:?} {url}");
            let is_signed = request.header("authorization").is_some();
            assert_eq!(is_signed, url.starts_with("/store/"), "{request:?}");
            for parent in ["garbage", "00-0-0-0", &PARENT.to_uppercase(), &format!("{PARENT}-x"), "<script>"]
            {
                let request = asked(&local, &origin, door, url, "a/b", parent).await;
                assert_eq!(request.header("traceparent"), None, "{door:?} {url} {parent}");
                let id = request.header("x-request-id").unwrap();
                assert!(id != "a/b" && !id.is_empty(), "{door:?} {url}: {id}");
            }
        }
    }
}
