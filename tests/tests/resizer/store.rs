//! Uploads: over gRPC and over HTTP, from a token to an object in the bucket.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use image::ImageFormat;
use prost_types::{Struct, Value, value::Kind};
use safelight_local::Settings;
use safelight_proto::{
    CHUNK_SIZE,
    reason::Reason,
    resizer::v1::{
        DeliverRequest, ObjectWish, StoreOpen, StoreRequest, StoreResponse, UploadFinish, UploadToken,
        store_open::Authority, store_request::Message,
    },
    signer::v1::{
        CreateUploadTokenRequest, GetUploadTokenRequest, UploadConstraints, UploadTokenState,
        get_upload_token_request::Selector,
    },
};
use sha2::{Digest as _, Sha256};
use tonic::Status;

use crate::{
    harness::{Local, eventually, is, refused, start},
    http_door::wire::{self, HttpAnswer},
    pictures::noise_file,
};

const ACCOUNT: &str = "acme";
const RULES: [(&str, &str); 2] = [("direct", "token"), ("services", "grant")];

async fn local() -> Local {
    start(Settings::default()).await
}

/// A new token.
pub(crate) async fn token(local: &Local, change: impl FnOnce(&mut CreateUploadTokenRequest)) -> String {
    let mut request = CreateUploadTokenRequest { account: ACCOUNT.into(), ..Default::default() };
    change(&mut request);
    local.stack.token_client().await.unwrap().create_upload_token(request).await.unwrap().into_inner().token
}

/// What has become of a token.
pub(crate) async fn state(local: &Local, token: &str) -> UploadTokenState {
    let selector = Some(Selector::Token(token.into()));
    let request = GetUploadTokenRequest { account: ACCOUNT.into(), selector };
    let answer = local.stack.token_client().await.unwrap().get_upload_token(request).await.unwrap();
    answer.into_inner().upload_token.unwrap().state()
}

pub(crate) fn by_token(token: &str) -> StoreOpen {
    let token = UploadToken { account: ACCOUNT.into(), token: token.into() };
    StoreOpen { upload: "direct".into(), authority: Some(Authority::Token(token)), ..Default::default() }
}

fn by_grant(image_id: &str) -> StoreOpen {
    let wish = ObjectWish { account: ACCOUNT.into(), image_id: image_id.into(), ..Default::default() };
    StoreOpen { upload: "services".into(), authority: Some(Authority::Object(wish)), ..Default::default() }
}

fn messages(open: StoreOpen, bytes: &[u8]) -> Vec<StoreRequest> {
    let message = |message| StoreRequest { message: Some(message) };
    let chunks = bytes.chunks(CHUNK_SIZE).map(|chunk| Message::Chunk(Bytes::copy_from_slice(chunk)));
    let finish = UploadFinish { length: bytes.len() as u64, crc32c: Some(crc32c::crc32c(bytes)) };
    [Message::Open(open)].into_iter().chain(chunks).chain([Message::Finish(finish)]).map(message).collect()
}

pub(crate) async fn store(local: &Local, open: StoreOpen, bytes: &[u8]) -> Result<StoreResponse, Status> {
    let messages = messages(open, bytes);
    Ok(local.client.clone().store(stream::iter(messages)).await?.into_inner())
}

fn jpeg() -> Vec<u8> {
    noise_file(320, 200, ImageFormat::Jpeg)
}

/// The object's own bytes, straight from the bucket.
async fn stored(local: &Local, key: &str) -> Option<Vec<u8>> {
    local.stack.s3.get(safelight_local::stack::BUCKET, key).await.unwrap().map(|bytes| bytes.to_vec())
}

#[tokio::test]
async fn a_token_stores_one_picture_once() {
    let local = local().await;
    let (token, bytes) = (token(&local, |request| request.require_signed_urls = true).await, jpeg());
    let answer = store(&local, by_token(&token), &bytes).await.unwrap();
    let object = answer.object.unwrap();
    let image = object.image.unwrap();
    assert_eq!((image.width, image.height, object.size), (320, 200, bytes.len() as u64));
    assert_eq!(object.content_type, "image/jpeg");
    assert_eq!(object.sha256, hex::encode(Sha256::digest(&bytes)));
    assert_eq!(object.crc32c, crc32c::crc32c(&bytes));
    assert!(object.etag.starts_with('"') && object.require_signed_urls && !answer.replayed);
    assert!((20..=40).contains(&object.thumbhash.len()), "{}", object.thumbhash);
    assert_eq!(stored(&local, &object.key).await.as_deref(), Some(&bytes[..]));
    assert_eq!(state(&local, &token).await, UploadTokenState::Redeemed);

    // The token is spent, whatever comes with it.
    refused(store(&local, by_token(&token), &bytes).await, Reason::TokenAlreadyRedeemed);
    refused(store(&local, by_token(&token), b"<svg/>").await, Reason::TokenAlreadyRedeemed);

    // And the picture is delivered by signed URLs.
    let url = local.sign(&format!("/local/{}/card", object.key)).await;
    let (_, picture) = local.deliver(DeliverRequest { url, ..Default::default() }).await.unwrap();
    assert!(picture.is_some());
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer() {
    let local = local().await;
    let (token, bytes) = (token(&local, |_| {}).await, jpeg());
    for open in [by_token(&token), by_grant("")] {
        let open = StoreOpen { request_id: "attempt-1".into(), ..open };
        let first = store(&local, open.clone(), &bytes).await.unwrap();
        let again = store(&local, open.clone(), &bytes).await.unwrap();
        assert!(!first.replayed && again.replayed);
        assert_eq!(first.object, again.object);
        // The same name for another file is another upload.
        let other = store(&local, open, &noise_file(32, 32, ImageFormat::Png)).await;
        assert!(is(&other, Reason::TokenAlreadyRedeemed) || other.is_ok_and(|answer| !answer.replayed));
    }
}

#[tokio::test]
async fn what_is_no_picture_leaves_the_token_as_it_was() {
    let local = local().await;
    let good = jpeg();
    let cut = &good[..good.len() / 2];
    let token = token(&local, |request| {
        request.constraints =
            Some(UploadConstraints { max_bytes: 100_000, allowed_content_types: vec!["image/jpeg".into()] });
    })
    .await;
    for (bytes, reason) in [
        (&b""[..], Reason::FormatUnsupported),
        (b"<!doctype html><script>alert(1)</script>", Reason::FormatUnsupported),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", Reason::FormatUnsupported),
        (cut, Reason::ImageCorrupt),
        (&noise_file(30, 20, ImageFormat::Png), Reason::UploadTypeRefused),
        (&crate::pictures::hollow_png(60_000, 60_000), Reason::ImageTooLarge),
        (&noise_file(400, 400, ImageFormat::Png), Reason::UploadTooLarge),
    ] {
        refused(store(&local, by_token(&token), bytes).await, reason);
        assert_eq!(state(&local, &token).await, UploadTokenState::Pending, "{}", reason.as_str());
    }
    assert!(store(&local, by_token(&token), &good).await.is_ok());
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_the_token_as_it_was() {
    let local = local().await;
    let token = token(&local, |_| {}).await;
    let mut sent = messages(by_token(&token), &jpeg());
    sent.pop();
    let broken = local.client.clone().store(stream::iter(sent.clone())).await;
    refused(broken, Reason::UploadIncomplete);
    // A client that goes away without a word.
    let silent = stream::iter(sent).chain(stream::pending());
    let mut client = local.another_client().await;
    let call = tokio::spawn(async move { client.store(silent).await });
    eventually("a reservation", async || {
        (state(&local, &token).await == UploadTokenState::Reserved).then_some(())
    })
    .await;
    call.abort();
    eventually("the token", async || {
        (state(&local, &token).await == UploadTokenState::Pending).then_some(())
    })
    .await;
}

#[tokio::test]
async fn objects_are_not_replaced_and_keys_do_not_climb() {
    let local = local().await;
    let bytes = jpeg();
    assert!(store(&local, by_grant("albums/a"), &bytes).await.is_ok());
    let other = noise_file(16, 16, ImageFormat::Png);
    refused(store(&local, by_grant("albums/a"), &other).await, Reason::ObjectExists);
    assert_eq!(stored(&local, "albums/a").await.as_deref(), Some(&bytes[..]));
    for id in ["../a", "a/../b", "a//b", "/a", "a/", "a\\b", "a\nb", "a\u{202e}b", "a\u{2215}b"] {
        refused(store(&local, by_grant(id), &bytes).await, Reason::ImageIdInvalid);
    }
    let unknown = StoreOpen { upload: "nowhere".into(), ..by_grant("b") };
    // Which rules there are is not for a caller without a grant to find out; this one has a grant for all.
    refused(store(&local, unknown, &bytes).await, Reason::UploadRuleNotFound);
    let wrong = StoreOpen { upload: "direct".into(), ..by_grant("b") };
    refused(store(&local, wrong, &bytes).await, Reason::FieldInvalid);
}

#[tokio::test]
async fn one_token_by_64_clients_at_once_stores_one_picture() {
    let local = local().await;
    let token = token(&local, |_| {}).await;
    let files: Vec<_> = (0..64).map(|n| noise_file(16 + n, 16, ImageFormat::Png)).collect();
    let stores = files.iter().map(|bytes| store(&local, by_token(&token), bytes));
    let answers = futures_util::future::join_all(stores).await;
    let won: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(won.len(), 1);
    for answer in &answers {
        assert!(
            answer.is_ok() || is(answer, Reason::TokenReserved) || is(answer, Reason::TokenAlreadyRedeemed),
            "{answer:?}"
        );
    }
    let object = won[0].object.as_ref().unwrap();
    let bytes = stored(&local, &object.key).await.unwrap();
    assert_eq!(hex::encode(Sha256::digest(&bytes)), object.sha256);
    // One object in the bucket.
    assert_eq!(local.stack.s3.objects(safelight_local::stack::BUCKET).await.unwrap(), 1);
}

/// A form with parts: name, file name, bytes.
pub(crate) fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (String, Vec<u8>) {
    let boundary = "----safelight-test-boundary";
    let mut body = Vec::new();
    for (name, filename, bytes) in parts {
        let filename = filename.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        let head =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("Content-Type: multipart/form-data; boundary={boundary}"), body)
}

pub(crate) async fn post(
    local: &Local,
    method: &str,
    target: &str,
    lines: &[&str],
    body: &[u8],
) -> HttpAnswer {
    let length = format!("Content-Length: {}", body.len());
    let lines: Vec<_> = lines.iter().copied().chain([length.as_str()]).collect();
    let mut request = wire::head(method, target, &lines).into_bytes();
    request.extend_from_slice(body);
    wire::parse(&wire::exchange(local, &request).await)
}

fn json(answer: &HttpAnswer) -> serde_json::Value {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

fn reason(answer: &HttpAnswer) -> (u16, String) {
    let told = json(answer);
    assert_eq!((&told["success"], &told["result"]), (&false.into(), &serde_json::Value::Null));
    (answer.status, told["errors"][0]["reason"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_browser_posts_a_form_and_gets_what_cloudflare_says() {
    let local = local().await;
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.into())) };
    let metadata = Struct { fields: [("album".to_owned(), text("写真"))].into() };
    let token = token(&local, |request| {
        request.image_id = "holiday/beach".into();
        request.metadata = Some(metadata);
        request.creator = "user-7".into();
    })
    .await;
    let bytes = jpeg();
    let target = format!("/upload/{ACCOUNT}/{token}");
    let preflight = wire::send(
        &local,
        "OPTIONS",
        &target,
        &["Origin: https://app.example.com", "Access-Control-Request-Method: POST"],
    )
    .await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-methods"), Some("POST, PUT, OPTIONS"));

    let (kind, body) = form(&[("note", None, b"x"), ("file", Some("beach 1.jpg"), &bytes)]);
    let answer = post(&local, "POST", &target, &[&kind, "Origin: https://app.example.com"], &body).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("*")), "{answer:?}");
    let told = json(&answer);
    assert_eq!((&told["success"], &told["errors"]), (&true.into(), &serde_json::json!([])));
    let result = &told["result"];
    assert_eq!(result["id"], "holiday/beach");
    assert_eq!((&result["filename"], &result["requireSignedURLs"]), (&"beach 1.jpg".into(), &false.into()));
    assert_eq!((&result["meta"]["album"], &result["image"]["width"]), (&"写真".into(), &320.into()));
    assert!(result["uploaded"].as_str().unwrap().ends_with('Z'), "{result}");
    assert_eq!(stored(&local, "holiday/beach").await.as_deref(), Some(&bytes[..]));

    let again = post(&local, "POST", &target, &[&kind], &body).await;
    assert_eq!(reason(&again), (409, "TOKEN_ALREADY_REDEEMED".into()));
}

#[tokio::test]
async fn the_bytes_may_be_put_and_a_lost_answer_asked_for_again() {
    let local = local().await;
    let token = token(&local, |_| {}).await;
    let target = format!("/upload/{ACCOUNT}/{token}");
    let (bytes, key) = (jpeg(), "Idempotency-Key: 8f1b");
    let first = post(&local, "PUT", &target, &[key, "Expect: 100-continue"], &bytes).await;
    // The interim answer comes first.
    assert!(first.status == 100 || first.status == 200, "{first:?}");
    let again = post(&local, "PUT", &target, &[key], &bytes).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(json(&again)["result"]["image"]["sha256"], hex::encode(Sha256::digest(&bytes)));
}

#[tokio::test]
async fn bad_forms_have_a_reason_and_leave_the_token() {
    let local = local().await;
    let token = token(&local, |_| {}).await;
    let target = format!("/upload/{ACCOUNT}/{token}");
    let bytes = jpeg();
    let (kind, two) = form(&[("file", Some("a"), &bytes), ("file", Some("b"), &bytes)]);
    let (_, none) = form(&[("note", None, b"x")]);
    let (_, other) = form(&[("picture", Some("a.jpg"), &bytes)]);
    let (_, empty) = form(&[("file", Some("a"), b"")]);
    let fields = vec![("field", None, &b"x"[..]); 10_000];
    let (_, many) = form(&fields);
    let long = vec![b'x'; 1 << 20];
    let (_, large) = form(&[("note", None, &long), ("file", Some("a"), &bytes)]);
    let mut header = b"------safelight-test-boundary\r\nContent-Disposition: form-data; name=\"".to_vec();
    header.extend_from_slice(&long);
    let (_, good) = form(&[("file", Some("a"), &bytes)]);
    let cut = &good[..good.len() - 40];
    for (what, lines, body, status, expected) in [
        ("two files", &[kind.as_str()][..], &two[..], 400, "UPLOAD_FORM_INVALID"),
        ("no file", &[&kind], &none, 400, "UPLOAD_FORM_INVALID"),
        ("file of another name", &[&kind], &other, 400, "UPLOAD_FORM_INVALID"),
        ("no bytes", &[&kind], &empty, 400, "UPLOAD_FORM_INVALID"),
        ("many fields", &[&kind], &many, 400, "UPLOAD_FORM_INVALID"),
        ("a large field", &[&kind], &large, 400, "UPLOAD_FORM_INVALID"),
        ("a large header", &[&kind], &header, 400, "UPLOAD_FORM_INVALID"),
        ("cut", &[&kind], cut, 400, "UPLOAD_INCOMPLETE"),
        ("no form", &["Content-Type: image/jpeg"], &bytes, 400, "UPLOAD_FORM_INVALID"),
        ("compressed", &[&kind, "Content-Encoding: gzip"], &good, 415, "COMPRESSION_UNSUPPORTED"),
        ("HTML", &[&kind], &form(&[("file", Some("a.jpg"), b"<html>")]).1, 415, "FORMAT_UNSUPPORTED"),
    ] {
        let answer = post(&local, "POST", &target, lines, body).await;
        assert_eq!(reason(&answer), (status, expected.into()), "{what}");
        assert_eq!(state(&local, &token).await, UploadTokenState::Pending, "{what}");
    }
    let gone = wire::send(&local, "DELETE", &target, &[]).await;
    assert_eq!(reason(&gone), (405, "METHOD_NOT_ALLOWED".into()));
    for (account, token, status, expected) in [
        ("other", token.as_str(), 404, "TOKEN_NOT_FOUND"),
        (ACCOUNT, "short", 400, "FIELD_INVALID"),
        (ACCOUNT, &"A".repeat(43), 404, "TOKEN_NOT_FOUND"),
    ] {
        let answer = post(&local, "POST", &format!("/upload/{account}/{token}"), &[&kind], &good).await;
        assert_eq!(reason(&answer), (status, expected.into()));
    }
    assert_eq!(post(&local, "POST", &target, &[&kind], &good).await.status, 200);
}

/// More than fits into any buffer: a client that hears nothing until it has sent all would wait for ever.
#[tokio::test]
async fn a_refusal_is_heard_by_a_client_that_sends_on() {
    let local = local().await;
    let (kind, body) = form(&[("file", Some("a"), &vec![7; 8 << 20])]);
    let target = format!("/upload/{ACCOUNT}/{}", "A".repeat(43));
    let answer =
        tokio::time::timeout(Duration::from_secs(20), post(&local, "POST", &target, &[&kind], &body)).await;
    assert_eq!(reason(&answer.unwrap()), (404, "TOKEN_NOT_FOUND".into()));
}

#[tokio::test]
async fn a_bucket_that_refuses_leaves_the_token() {
    let wrong = Some("not-the-secret".to_owned());
    let local = start(Settings { wrong_origin_secret: wrong, ..Settings::default() }).await;
    let token = token(&local, |_| {}).await;
    refused(store(&local, by_token(&token), &jpeg()).await, Reason::OriginDenied);
    assert_eq!(state(&local, &token).await, UploadTokenState::Pending);
}

#[tokio::test]
async fn slow_uploads_leave_half_of_the_places_to_others() {
    let local = start(Settings { limits: "max_requests = 4".into(), ..Settings::default() }).await;
    local.put("a.jpg", jpeg()).await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let token = token(&local, |_| {}).await;
        let target = format!("/upload/{ACCOUNT}/{token}");
        let head = wire::head("PUT", &target, &["Content-Length: 1000"]);
        let mut tcp = tokio::net::TcpStream::connect(wire::address(&local)).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut tcp, head.as_bytes()).await.unwrap();
        eventually("a reservation", async || {
            (state(&local, &token).await == UploadTokenState::Reserved).then_some(())
        })
        .await;
        slow.push((tcp, token));
    }
    let third = token(&local, |_| {}).await;
    let answer = post(&local, "PUT", &format!("/upload/{ACCOUNT}/{third}"), &[], &jpeg()).await;
    assert_eq!(reason(&answer), (429, "BUSY".into()));
    assert_eq!(wire::get(&local, "/local/a.jpg/thumbnail", &[]).await.status, 200);
    // Clients that go away give their tokens and places back.
    let tokens: Vec<_> = slow.into_iter().map(|(_, token)| token).collect();
    for token in tokens {
        eventually("the token", async || {
            (state(&local, &token).await == UploadTokenState::Pending).then_some(())
        })
        .await;
    }
    assert_eq!(post(&local, "PUT", &format!("/upload/{ACCOUNT}/{third}"), &[], &jpeg()).await.status, 200);
}

#[tokio::test]
async fn a_caller_without_a_grant_stores_nothing() {
    let local = local().await;
    let config = |text: String| text.replace("uploads = [\"*\"]", "uploads = [\"direct\"]");
    let other = wire::another(&local, config).await;
    let mut client = safelight_proto::resizer::v1::resizer_service_client::ResizerServiceClient::new(
        safelight_local::stack::connect(&other).await.unwrap(),
    );
    for (rule, kind) in RULES {
        let open = if kind == "token" { by_token(&"A".repeat(43)) } else { by_grant("a") };
        let answer = client.store(stream::iter(messages(open, &jpeg()))).await;
        let expected = if rule == "direct" { Reason::TokenNotFound } else { Reason::CallerDenied };
        refused(answer, expected);
    }
}
