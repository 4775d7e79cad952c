//! Deliveries of a real signer: what its log and its audit trail say, reloading, and how large messages may be.

use std::fs;

use safelight_proto::{
    reason,
    signer::v1::{
        AuthorizeDeliveryRequest, ListDeliveriesRequest, Reason, SignUrlRequest, VerifyNotificationRequest,
        VerifyUrlRequest, Webhook, signer_service_client::SignerServiceClient,
        verifier_service_client::VerifierServiceClient, verify_notification_request::Notification,
    },
};
use serde_json::Value as Json;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tonic::{Code, transport::Channel};

use crate::{Signer, replace, write};

const SECRET: &str = "fake-delivery-secret";

const CONFIG: &str = r#"
    [[grants]]
    caller = "anonymous"
    methods = ["SignUrl", "VerifyUrl", "VerifyNotification", "AuthorizeDelivery", "ListDeliveries"]
    keys = ["web", "ip", "s3", "uploads", "uploads-both"]
    [audit]
    sink = "file"
    path = "DIR/audit.jsonl"
    key_file = "DIR/hex"
    [[keys]]
    name = "web"
    scheme = "cloudflare-images"
    max_ttl = "1h"
    versions = [{ id = 3, state = "primary", secret_file = "DIR/secret" }]
    [[keys]]
    name = "ip"
    scheme = "imgproxy"
    versions = [{ id = 1, state = "primary", secret_file = "DIR/hex", salt_file = "DIR/hex" }]
    [[keys]]
    name = "uploads"
    scheme = "cloudinary-upload"
    versions = [{ id = 1, state = "primary", secret_file = "DIR/secret" }]
    [[keys]]
    name = "uploads-both"
    scheme = "cloudinary-upload"
    notification_algorithms = ["sha1", "sha256"]
    versions = [{ id = 1, state = "primary", secret_file = "DIR/secret" }]
    [[keys]]
    name = "s3"
    scheme = "aws-sigv4"
    sse_customer_key_file = "DIR/sse"
    versions = [{ id = 7, state = "primary", access_key_id = "AKIAFAKE", secret_file = "DIR/secret" }]
"#;

const DELIVERY: &str = r#"
    [[deliveries]]
    name = "photos"
    path = "/{account}/{key...}/{variant}"
    url_key = "URL_KEY"
    public_variants = ["thumb"]
    signing_key = "s3"
    region = "eu-west-1"
    base_url = "https://photos.s3.eu-west-1.amazonaws.com/"
"#;

const SSE: &str = "ZmFrZS1zc2UtYy1rZXktZmFrZS1zc2UtYy1rZXktMTI=";

fn place(deliveries: &str) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    write(&place.path().join("secret"), SECRET);
    write(&place.path().join("hex"), "00112233");
    write(&place.path().join("sse"), SSE);
    write(&place.path().join("signer.toml"), &text(&place, deliveries));
    place
}

fn text(place: &TempDir, deliveries: &str) -> String {
    format!("reload_interval = \"100ms\"{CONFIG}{deliveries}")
        .replace("DIR", &place.path().display().to_string())
}

async fn clients(signer: &Signer) -> (SignerServiceClient<Channel>, VerifierServiceClient<Channel>) {
    let channel = Channel::from_shared(signer.address.clone()).unwrap().connect().await.unwrap();
    (SignerServiceClient::new(channel.clone()), VerifierServiceClient::new(channel))
}

async fn listed(verifier: &mut VerifierServiceClient<Channel>) -> Vec<String> {
    let list = verifier.list_deliveries(ListDeliveriesRequest::default()).await.unwrap().into_inner();
    list.deliveries.into_iter().map(|delivery| delivery.digest).collect()
}

#[tokio::test]
async fn a_refusal_stands_once_in_the_log_and_a_call_in_the_trail_and_neither_holds_a_signature() {
    let place = place(&format!(
        "{}{}",
        DELIVERY.replace("URL_KEY", "web"),
        DELIVERY.replace("URL_KEY", "ip").replace("photos\"", "in-path\"")
    ));
    let signer = Signer::start(&place.path().join("signer.toml"));
    let (mut sign, mut verifier) = clients(&signer).await;
    let list = verifier.list_deliveries(ListDeliveriesRequest::default()).await.unwrap().into_inner();
    let digest = |name: &str| list.deliveries.iter().find(|d| d.name == name).unwrap().digest.clone();

    let mut signatures = Vec::new();
    for (key, delivery) in [("web", "photos"), ("ip", "in-path")] {
        let url = format!("https://h.example/acct/holiday-{key}.jpg/hero");
        let signed =
            sign.sign_url(SignUrlRequest { key: key.to_owned(), url, ..Default::default() }).await.unwrap();
        let target = signed.into_inner().signed_url.split_off("https://h.example".len());
        signatures.push(if key == "ip" {
            target.split('/').nth(1).unwrap().to_owned()
        } else {
            target.split("sig=").nth(1).unwrap().to_owned()
        });
        let good = AuthorizeDeliveryRequest {
            delivery_digest: digest(delivery),
            request_target: target.clone(),
            ..Default::default()
        };
        let answer = verifier.authorize_delivery(good.clone()).await.unwrap().into_inner();
        assert_eq!(answer.reason(), Reason::Ok);
        assert!(answer.headers.iter().any(|header| header.value == SSE));
        let bad = AuthorizeDeliveryRequest { request_target: target.replace("/hero", "/other"), ..good };
        let answer = verifier.authorize_delivery(bad).await.unwrap().into_inner();
        assert_eq!(answer.reason(), Reason::SignatureMismatch);
        assert!(answer.url.is_empty() && answer.headers.is_empty() && answer.object_key.is_empty());
        let bad = VerifyUrlRequest {
            key: key.to_owned(),
            request_target: target.replace("/hero", "/verified"),
            ..Default::default()
        };
        assert_eq!(verifier.verify_url(bad).await.unwrap().into_inner().reason(), Reason::SignatureMismatch);
    }
    let line: Json = serde_json::from_str(&signer.logged("/acct/holiday-web.jpg/other", 1)).unwrap();
    assert_eq!(
        (&line["message"], &line["reason"], &line["key"], &line["delivery"]),
        (&"url.refused".into(), &"SIGNATURE_MISMATCH".into(), &"web".into(), &"photos".into())
    );
    assert!(line["span"]["request.id"].is_string(), "{line}");
    signer.logged("url.refused", 4);
    let log = signer.whole_log();
    assert_eq!(log.matches("url.refused").count(), 4, "{log}");
    assert_eq!(log.matches("jpg/verified").count(), 0, "VerifyUrl: a path may hold anything");
    assert_eq!(log.matches("holiday-ip").count(), 0, "the path holds the signature");

    signer.stop().await;
    let trail = fs::read_to_string(place.path().join("audit.jsonl")).unwrap();
    let records: Vec<Json> = trail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |verdict: &str, delivery: &str| {
        let asked = records.iter().filter(|record| {
            record["method"] == "safelight.signer.v1.VerifierService/AuthorizeDelivery"
                && (&record["verdict"], &record["delivery"]) == (&verdict.into(), &delivery.into())
        });
        let found: Vec<_> = asked.collect();
        assert_eq!(found.len(), 1, "{verdict} {delivery}");
        found[0].clone()
    };
    let valid = of("VALID", "photos");
    assert_eq!(
        (&valid["key"], &valid["key_version"], &valid["signing_key_version"]),
        (&"web".into(), &3.into(), &7.into())
    );
    let invalid = of("INVALID", "photos");
    assert_eq!(
        (&invalid["reason"], &invalid["signing_key_version"]),
        (&"SIGNATURE_MISMATCH".into(), &Json::Null)
    );
    of("VALID", "in-path");
    assert!(records.iter().any(|r| r["method"] == "safelight.signer.v1.VerifierService/ListDeliveries"));
    for secret in signatures.iter().map(String::as_str).chain([SECRET, SSE]) {
        assert!(!log.contains(secret) && !trail.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn deliveries_are_reloaded() {
    let place = place("");
    let config = place.path().join("signer.toml");
    let signer = Signer::start(&config);
    let (_, mut verifier) = clients(&signer).await;
    assert!(listed(&mut verifier).await.is_empty());
    replace(&config, &text(&place, &DELIVERY.replace("URL_KEY", "web")));
    signer.logged("keys, grants and tokens reloaded", 1);
    let first = listed(&mut verifier).await;
    // One that cannot be changes nothing.
    replace(&config, &text(&place, &DELIVERY.replace("URL_KEY", "nope")));
    signer.logged("deliveries[0].url_key", 1);
    assert_eq!(listed(&mut verifier).await, first);
    replace(&config, &text(&place, &DELIVERY.replace("URL_KEY", "ip")));
    signer.logged("keys, grants and tokens reloaded", 2);
    let request = AuthorizeDeliveryRequest {
        delivery_digest: first[0].clone(),
        request_target: "/a/b/thumb".to_owned(),
        ..Default::default()
    };
    let gone = verifier.authorize_delivery(request).await.unwrap_err();
    assert_eq!(reason::of(&gone).as_deref(), Some("DELIVERY_UNKNOWN"));
    assert_eq!(gone.code(), Code::FailedPrecondition);
    signer.stop().await;
}

#[tokio::test]
async fn a_webhook_may_have_a_mebibyte_and_be_signed_in_the_digests_that_the_key_names() {
    let place = place("");
    let signer = Signer::start(&place.path().join("signer.toml"));
    let (_, mut verifier) = clients(&signer).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let webhook = |key: &str, bytes: usize, sha1: bool| {
        let body = format!("{{\"resources\":\"{}\"}}", "a".repeat(bytes - 16));
        let message = format!("{body}{now}{SECRET}");
        let signature =
            if sha1 { hex::encode(Sha1::digest(message)) } else { hex::encode(Sha256::digest(message)) };
        VerifyNotificationRequest {
            key: key.to_owned(),
            notification: Some(Notification::Webhook(Webhook {
                body: body.into(),
                timestamp: now.to_string(),
                signature,
            })),
            max_age: None,
        }
    };
    for (key, bytes, sha1, reason) in [
        ("uploads", 91_212, false, Reason::Ok),
        ("uploads", 1_048_000, false, Reason::Ok),
        ("uploads", 91_212, true, Reason::SignatureMalformed),
        ("uploads-both", 91_212, true, Reason::Ok),
        ("uploads-both", 64, false, Reason::Ok),
    ] {
        let answer = verifier.verify_notification(webhook(key, bytes, sha1)).await.unwrap().into_inner();
        assert_eq!(answer.reason(), reason, "{key} {bytes} {sha1}");
    }
    let refused = verifier.verify_notification(webhook("uploads", 1024 * 1024, false)).await.unwrap_err();
    assert_eq!(reason::of(&refused).as_deref(), Some("MESSAGE_INVALID"));
    assert!(refused.message().contains("1048576"), "{refused:?}");
    // The other methods' limit is what it was.
    let request_target = "a".repeat(70 * 1024);
    let target = VerifyUrlRequest { key: "web".to_owned(), request_target, ..Default::default() };
    let refused = verifier.verify_url(target).await.unwrap_err();
    assert_eq!(reason::of(&refused).as_deref(), Some("MESSAGE_INVALID"));
    signer.stop().await;
}
