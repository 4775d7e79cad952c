//! `VerifyNotification`, and what Cloudinary's SDKs say of the same webhooks and answers to uploads.

use std::{
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use safelight_proto::signer::v1::{
    Reason, UploadAnswer, Verdict, VerifyNotificationRequest, Webhook,
    verify_notification_request::Notification,
};
use safelight_tests::counterpart;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::harness::{Pair, UPLOAD, ask, duration, ok, refused, script, wrong_keys};

fn hash(message: &str) -> String {
    hex::encode(Sha256::digest(format!("{message}{UPLOAD}")))
}

fn request(notification: Notification) -> VerifyNotificationRequest {
    let notification = Some(notification);
    VerifyNotificationRequest { key: "upload".to_owned(), notification, max_age: None }
}

fn webhook(body: &str, timestamp: u64, signature: &str) -> Notification {
    let (body, signature) = (body.as_bytes().to_vec().into(), signature.to_owned());
    Notification::Webhook(Webhook { body, timestamp: timestamp.to_string(), signature })
}

fn answer(public_id: &str, version: &str, signature: &str) -> Notification {
    let (public_id, version) = (public_id.to_owned(), version.to_owned());
    Notification::UploadAnswer(UploadAnswer { public_id, version, signature: signature.to_owned() })
}

/// What was sent, our reason, and whether the SDKs take it, who look at less.
fn cases(now: u64) -> Vec<(Notification, Reason, bool)> {
    let body = r#"{"notification_type":"upload","public_id":"\u00e9té/🌹","tags":["a&b"],"n":1.50}"#;
    let signed = |body: &str, at: u64| hash(&format!("{body}{at}"));
    let good = signed(body, now);
    let id = "folder/été 🌹 a&b=c";
    let made = hash(&format!("public_id={id}&version=1700000000"));
    vec![
        (webhook(body, now, &good), Reason::Ok, true),
        (webhook("[]", now, &signed("[]", now)), Reason::Ok, true),
        (webhook(body, now - 7100, &signed(body, now - 7100)), Reason::Ok, true),
        (webhook(body, now - 7300, &signed(body, now - 7300)), Reason::Stale, false),
        (webhook(&body.replace("1.50", "1.5"), now, &good), Reason::SignatureMismatch, false),
        (webhook(body, now - 1, &good), Reason::SignatureMismatch, false),
        (webhook(body, now, &good.to_uppercase()), Reason::SignatureMalformed, false),
        (webhook(body, now, &good[..40]), Reason::SignatureMalformed, false),
        // The SDKs look neither at the future nor at the body.
        (webhook(body, now + 7300, &signed(body, now + 7300)), Reason::NotYetValid, true),
        (
            webhook("folder=x&timestamp=", now, &signed("folder=x&timestamp=", now)),
            Reason::BodyMalformed,
            true,
        ),
        (answer(id, "1700000000", &made), Reason::Ok, true),
        (answer(id, "1700000001", &made), Reason::SignatureMismatch, false),
        (answer("other", "1700000000", &made), Reason::SignatureMismatch, false),
        (answer(id, "1700000000", &made.replace('a', "b")), Reason::SignatureMismatch, false),
        (
            answer("a&timestamp=1", "2", &hash("public_id=a&timestamp=1&version=2")),
            Reason::PublicIdInvalid,
            true,
        ),
        (answer("a", "01", &hash("public_id=a&version=01")), Reason::VersionMalformed, true),
    ]
}

fn question(notification: &Notification) -> Json {
    match notification {
        Notification::Webhook(Webhook { body, timestamp, signature }) => json!({
            "sdk": "cloudinary",
            "webhook": { "body": str::from_utf8(body).unwrap(), "timestamp": timestamp, "signature": signature },
        }),
        Notification::UploadAnswer(UploadAnswer { public_id, version, signature }) => json!({
            "sdk": "cloudinary",
            "answer": { "public_id": public_id, "version": version, "signature": signature },
        }),
    }
}

async fn agree(sdk: Command) {
    let pair = Pair::start().await;
    // The SDKs go by the system's clock.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    pair.clock.set(now);
    let cases = cases(now);
    let questions: Vec<_> = cases.iter().map(|(notification, ..)| question(notification)).collect();
    let answers = ask(sdk, &json!({ "keys": { "text": UPLOAD }, "cases": questions }))["answers"].take();
    assert_eq!(answers.as_array().unwrap().len(), cases.len());
    for ((notification, reason, theirs), answer) in cases.into_iter().zip(answers.as_array().unwrap()) {
        assert_eq!(answer["valid"], theirs, "{notification:?}");
        let ours = ok(pair.verifier().verify_notification(request(notification.clone())).await);
        assert_eq!(ours.reason(), reason, "{notification:?}");
        assert_eq!(ours.verdict() == Verdict::Valid, reason == Reason::Ok);
        assert_eq!(ours.key_version, if reason == Reason::Ok { 5 } else { 0 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk() {
    let Some(python) = counterpart::python() else { return };
    agree(script(python, "url_sdks.py")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_sdk() {
    let (Some(node), Some(modules)) = (counterpart::program("node"), counterpart::node_modules()) else {
        return;
    };
    let mut sdk = script(node, "url_sdks.js");
    sdk.env("NODE_PATH", modules);
    agree(sdk).await;
}

#[tokio::test]
async fn every_error() {
    let pair = Pair::start().await;
    let good = || request(answer("a", "1", "00"));
    for (key, code, reason) in wrong_keys(["url", "s3"]) {
        let request = VerifyNotificationRequest { key: key.to_owned(), ..good() };
        refused(pair.verifier().verify_notification(request).await, code, reason, &[]);
    }
    let body = r#"{}"#;
    let sent = |max_age| VerifyNotificationRequest {
        max_age: Some(duration(max_age)),
        ..request(webhook(body, 1_700_000_000, "00"))
    };
    for (request, field) in [
        (VerifyNotificationRequest { notification: None, ..good() }, "notification"),
        (VerifyNotificationRequest { max_age: Some(duration(60)), ..good() }, "max_age"),
        (sent(7201), "max_age"),
        (sent(-1), "max_age"),
    ] {
        let answer = pair.verifier().verify_notification(request).await;
        refused(answer, Code::InvalidArgument, "FIELD_INVALID", &[field]);
    }
}
