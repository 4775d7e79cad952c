//! What a rule does besides storing: outcomes that are sent to a callback, variants that are made at once, metadata that is
//! removed.

use std::time::Duration;

use image::ImageFormat;
use safelight_local::{Settings, stack::BUCKET};
use safelight_proto::{
    reason::Reason,
    resizer::v1::{ResultStatus, StoreOpen, UploadToken, store_open::Authority},
    signer::v1::{
        CreateUploadTokenRequest, Verdict, VerifyNotificationRequest, Webhook,
        verifier_service_client::VerifierServiceClient, verify_notification_request::Notification,
    },
};
use safelight_tests::counterpart;
use sha2::{Digest as _, Sha256};
use tonic::transport::Endpoint;

use crate::{
    cloudinary::sign,
    harness::{Local, eventually, refused, start},
    http_door::wire,
    pictures::noise_file,
    receiver::{Callback, Receiver},
    results::GRANT,
    store::{form, post, store},
};

const RESULTS: &str = "[results]\norigin = 'photos'\n";

/// What both services say of a rule; and what of it is the resizer's alone.
fn rule(name: &str, kind: &str, both: &str, resizer: &str) -> (String, String) {
    let signer = format!(
        "[[uploads]]\nname = '{name}'\nkind = '{kind}'\nmax_bytes = '10MiB'\nsigning_key = 's3-photos'\n\
         content_types = [{}'image/jpeg', 'image/png', 'image/webp']\nregion = '{}'\n\
         base_url = '{{s3}}/photos/'\n{both}\n",
        // A variant is never a GIF.
        if resizer.contains("variant = ") { "" } else { "'image/gif', " },
        safelight_local::s3::REGION
    );
    let resizer = format!(
        "[[uploads]]\nname = '{name}'\nkind = '{kind}'\nmax_bytes = '10MiB'\norigin = 'photos'\n{both}\n{resizer}\n"
    );
    (signer, resizer)
}

async fn start_rules(rules: Vec<(String, String)>) -> Local {
    let (signer, resizer): (Vec<_>, Vec<_>) = rules.into_iter().unzip();
    start(Settings {
        signer_toml: format!("{GRANT}{}", signer.concat()),
        resizer_toml: format!("{RESULTS}{}", resizer.concat()),
        ..Settings::default()
    })
    .await
}

/// Posts a signed form with a file.
async fn post_form(
    local: &Local,
    target: &str,
    parameters: &[(&str, &str)],
    bytes: &[u8],
) -> wire::HttpAnswer {
    let fields = sign(local, parameters).await;
    let mut parts = vec![("file", Some("a.png"), bytes)];
    parts.extend(fields.iter().map(|field| (field.name.as_str(), None, field.value.as_bytes())));
    let (kind, body) = form(&parts);
    post(local, "POST", target, &[&kind], &body).await
}

async fn told(receiver: &Receiver) -> Callback {
    eventually("a callback", async || receiver.callbacks().last().cloned()).await
}

async fn token(local: &Local) -> String {
    let request = CreateUploadTokenRequest {
        account: "acme".into(),
        creator: "ann".into(),
        require_signed_urls: true,
        ..Default::default()
    };
    local.stack.token_client().await.unwrap().create_upload_token(request).await.unwrap().into_inner().token
}

fn by_token(upload: &str, token: &str) -> StoreOpen {
    let token = UploadToken { account: "acme".into(), token: token.into() };
    StoreOpen { upload: upload.into(), authority: Some(Authority::Token(token)), ..Default::default() }
}

/// Whether the signer finds a callback's signature good.
async fn verify(local: &Local, callback: &Callback) -> Verdict {
    let channel = Endpoint::from_shared(local.stack.signer.endpoint()).unwrap().connect().await.unwrap();
    let webhook = Webhook {
        body: callback.body.clone().into(),
        timestamp: callback.header("x-cld-timestamp").into(),
        signature: callback.header("x-cld-signature").into(),
    };
    let request = VerifyNotificationRequest {
        key: "uploads".into(),
        notification: Some(Notification::Webhook(webhook)),
        max_age: None,
    };
    VerifierServiceClient::new(channel).verify_notification(request).await.unwrap().into_inner().verdict()
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_are_sent_until_they_are_received() {
    let receiver = Receiver::start(503).await;
    let both = format!("callback = '{}'\ncallback_key = 'uploads'", receiver.url());
    let local = start_rules(vec![rule("told", "one-time", &both, "")]).await;
    let (token, bytes) = (token(&local).await, noise_file(32, 20, ImageFormat::Png));
    // Refused: the token can be used again, and the backend knows.
    refused(
        store(&local, by_token("told", &token), b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>").await,
        Reason::FormatUnsupported,
    );
    let refusal = told(&receiver).await;
    assert_eq!(refusal.json()["reason"], "FORMAT_UNSUPPORTED");
    assert_eq!(verify(&local, &refusal).await, Verdict::Valid);

    let stored = store(&local, by_token("told", &token), &bytes).await.unwrap().object.unwrap();
    let first =
        eventually("a callback", async || receiver.callbacks().into_iter().find(|told| told.is("stored")))
            .await;
    let said = first.json();
    for (name, value) in [
        ("key", stored.key.as_str()),
        ("sha256", &stored.sha256),
        ("rule", "told"),
        ("account", "acme"),
        ("creator", "ann"),
        ("content_type", "image/png"),
        ("etag", stored.etag.trim_matches('"')),
    ] {
        assert_eq!(said[name], value, "{name}: {said}");
    }
    assert_eq!(
        (&said["width"], &said["height"], &said["bytes"]),
        (&32.into(), &20.into(), &bytes.len().into())
    );
    assert_eq!(said["require_signed_urls"], true);
    assert_eq!(verify(&local, &first).await, Verdict::Valid);

    // It was not received: it comes again, the same but for when, and only until it is.
    receiver.answer(200);
    let count = receiver.callbacks().len();
    let again = eventually("it again", async || receiver.callbacks().get(count).cloned()).await;
    assert_eq!((again.json(), verify(&local, &again).await), (said, Verdict::Valid));
    assert_ne!(again.header("x-cld-timestamp"), first.header("x-cld-timestamp"));
    let received = "callbacks_total{upload=\"told\",outcome=\"OK\"}";
    eventually("one that was received", async || (local.metric(received).await > 0).then_some(())).await;
    let count = receiver.callbacks().len();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(receiver.callbacks().len(), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn their_sdk_verifies_a_callback() {
    let (Some(node), Some(modules)) = (counterpart::program("node"), counterpart::node_modules()) else {
        return;
    };
    let receiver = Receiver::start(204).await;
    let both = format!("key = 'uploads'\ncallback = '{}'", receiver.url());
    let path = "path = '/told/{cloud}/{resource_type}/upload'";
    let local = start_rules(vec![rule("told-forms", "cloudinary", &both, path)]).await;
    let parameters = [("public_id", "dog"), ("tags", "a,b")];
    let bytes = noise_file(8, 8, ImageFormat::Png);
    let answer = post_form(&local, "/told/demo/image/upload", &parameters, &bytes).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let callback = told(&receiver).await;
    let said = callback.json();
    assert_eq!((&said["notification_type"], &said["public_id"]), (&"upload".into(), &"dog".into()));
    assert_eq!(said["metadata"]["tags"][1], "b");
    let secret = std::fs::read_to_string(local.stack.dir().join("secrets/uploads-1")).unwrap();
    let script = "const [secret, body, timestamp, signature] = process.argv.slice(1);\
        const cloudinary = require('cloudinary').v2;\
        cloudinary.config({api_secret: secret, signature_algorithm: 'sha256'});\
        const verify = (body) => cloudinary.utils.verifyNotificationSignature(body, Number(timestamp), signature, 7200);\
        console.log(JSON.stringify([verify(body), verify(body + ' ')]));";
    let mut command = std::process::Command::new(node);
    command.env("NODE_PATH", modules).args(["-e", script, secret.trim(), &callback.body]);
    command.args([callback.header("x-cld-timestamp"), callback.header("x-cld-signature")]);
    let output = tokio::task::block_in_place(|| command.output()).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text.trim(), "[true,false]", "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_form_is_one_outcome_and_the_reason_is_the_clients() {
    let receiver = Receiver::start(200).await;
    let both = format!("key = 'uploads'\ncallback = '{}'", receiver.url());
    let path = "path = '/told/{cloud}/{resource_type}/upload'";
    let direct = format!("callback = '{}'\ncallback_key = 'uploads'", receiver.url());
    let local = start_rules(vec![
        rule("told-forms", "cloudinary", &both, path),
        rule("told", "one-time", &direct, ""),
    ])
    .await;
    let bytes = noise_file(8, 8, ImageFormat::Png);
    let mut fields: Vec<_> = sign(&local, &[("public_id", "dog")])
        .await
        .into_iter()
        .map(|field| (field.name, field.value))
        .collect();
    let send = async |fields: &[(String, String)], file: &[u8], more: &[(&str, Option<&str>, &[u8])]| {
        let mut parts: Vec<(&str, Option<&str>, &[u8])> =
            fields.iter().map(|(name, value)| (name.as_str(), None, value.as_bytes())).collect();
        parts.push(("file", Some("a.png"), file));
        parts.extend(more);
        let (kind, body) = form(&parts);
        post(&local, "POST", "/told/demo/image/upload", &[&kind], &body).await.status
    };
    // A field that is not signed follows the file.
    assert_eq!(send(&fields, &bytes, &[("resource_type", None, b"image")]).await, 200);
    let stored = told(&receiver).await;
    assert!(stored.is("stored"), "{stored:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(receiver.callbacks().len(), 1);

    // Two files.
    fields = sign(&local, &[("public_id", "cat")])
        .await
        .into_iter()
        .map(|field| (field.name, field.value))
        .collect();
    assert_eq!(send(&fields, &bytes, &[("file", Some("b.png"), &bytes)]).await, 400);
    let refusal = eventually("a refusal", async || receiver.callbacks().get(1).cloned()).await;
    assert_eq!(refusal.json()["reason"], "UPLOAD_FORM_INVALID", "{refusal:?}");

    // Another length than was declared, over gRPC.
    let token = token(&local).await;
    let open = StoreOpen { declared_length: Some(7), ..by_token("told", &token) };
    refused(store(&local, open, &bytes).await, Reason::UploadLengthMismatch);
    let refusal = eventually("a refusal", async || receiver.callbacks().get(2).cloned()).await;
    assert_eq!(refusal.json()["reason"], "UPLOAD_LENGTH_MISMATCH", "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_keeps_only_its_own_callbacks() {
    let receiver = Receiver::start(200).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hanging = format!("callback = 'http://{}/'\ncallback_key = 'uploads'", silent.local_addr().unwrap());
    let fine = format!("callback = '{}'\ncallback_key = 'uploads'", receiver.url());
    let local =
        start_rules(vec![rule("hanging", "one-time", &hanging, ""), rule("fine", "one-time", &fine, "")])
            .await;
    let bytes = noise_file(8, 8, ImageFormat::Png);
    for _ in 0..20 {
        store(&local, by_token("hanging", &token(&local).await), &bytes).await.unwrap();
    }
    store(&local, by_token("fine", &token(&local).await), &bytes).await.unwrap();
    let began = std::time::Instant::now();
    assert!(told(&receiver).await.is("stored"));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

/// Where the first delivery of a variant comes from.
async fn first(local: &Local, path: &str) -> ResultStatus {
    let url = local.sign(path).await;
    let (delivery, picture) = local.get(&url).await.unwrap();
    assert!(picture.is_some());
    delivery.result_status()
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_are_made_with_the_upload_and_found_by_the_first_who_asks() {
    let local = start_rules(vec![
        rule("eager", "one-time", "", "eager = ['card', 'thumbnail']"),
        rule("eager-made", "grant", "", "variant = 'card'\neager = ['thumbnail']"),
    ])
    .await;
    let stored =
        store(&local, by_token("eager", &token(&local).await), &noise_file(900, 600, ImageFormat::Jpeg))
            .await
            .unwrap();
    let key = stored.object.unwrap().key;
    let decodes = local.decodes().await;
    for variant in ["card", "thumbnail"] {
        assert_eq!(first(&local, &format!("/acme/{key}/{variant}")).await, ResultStatus::Hit, "{variant}");
    }
    assert_eq!(local.decodes().await, decodes, "nothing is decoded");
    assert_eq!(first(&local, &format!("/acme/{key}/w=33")).await, ResultStatus::Miss);

    // Of what is stored, where that is made of what came.
    let wish = safelight_proto::resizer::v1::ObjectWish { account: "acme".into(), ..Default::default() };
    let open = StoreOpen {
        upload: "eager-made".into(),
        authority: Some(Authority::Object(wish)),
        ..Default::default()
    };
    let stored = store(&local, open, &noise_file(1600, 900, ImageFormat::Png)).await.unwrap().object.unwrap();
    assert_eq!(stored.image.unwrap().width, 800);
    assert_eq!(first(&local, &format!("/acme/{}/thumbnail", stored.key)).await, ResultStatus::Hit);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_route_does_not_allow_stops_no_upload() {
    // The route's height is at most 1,200: a tall picture has no `card`.
    let local = start_rules(vec![rule("eager", "one-time", "", "eager = ['card', 'thumbnail']")]).await;
    let bytes = noise_file(200, 900, ImageFormat::Jpeg);
    let stored =
        store(&local, by_token("eager", &token(&local).await), &bytes).await.unwrap().object.unwrap();
    assert_eq!(first(&local, &format!("/acme/{}/thumbnail", stored.key)).await, ResultStatus::Hit);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_asks_for_variants() {
    let path = "path = '/eager/{cloud}/{resource_type}/upload'\n\
        delivery_url = 'https://img.example.com/x/{id}/{variant}'";
    let local = start_rules(vec![rule("eager-forms", "cloudinary", "key = 'uploads'", path)]).await;
    let send = async |parameters: &[(&str, &str)]| {
        let bytes = noise_file(900, 600, ImageFormat::Jpeg);
        post_form(&local, "/eager/demo/image/upload", parameters, &bytes).await
    };
    let answer = send(&[("public_id", "dog"), ("eager", "t_card|thumbnail")]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let eager = &told["eager"];
    assert_eq!((&eager[0]["transformation"], &eager[0]["width"]), (&"t_card".into(), &800.into()), "{told}");
    assert_eq!((&eager[1]["transformation"], &eager[1]["height"]), (&"thumbnail".into(), &300.into()));
    assert_eq!(eager[0]["secure_url"], "https://img.example.com/x/dog/card");
    for variant in ["card", "thumbnail"] {
        assert_eq!(first(&local, &format!("/x/dog/{variant}")).await, ResultStatus::Hit, "{variant}");
    }
    let refused = send(&[("public_id", "cat"), ("eager", "t_card|t_other")]).await;
    assert_eq!(refused.status, 400);
    assert!(String::from_utf8_lossy(&refused.body).contains("eager: expected t_"), "{refused:?}");
    assert!(local.stack.s3.get(BUCKET, "cat").await.unwrap().is_none());
    // Without a store for results there is none for variants.
    let local = start(Settings::default()).await;
    let parameters = [("public_id", "dog"), ("eager", "t_card")];
    let bytes = noise_file(9, 6, ImageFormat::Jpeg);
    assert_eq!(post_form(&local, "/v1_1/demo/image/upload", &parameters, &bytes).await.status, 400);
}

/// A JPEG on its side, whose EXIF has a place.
fn with_place(jpeg: &[u8]) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    let entry = |tiff: &mut Vec<u8>, tag: u16, kind: u16, count: u32, value: u32| {
        tiff.extend_from_slice(&tag.to_le_bytes());
        tiff.extend_from_slice(&kind.to_le_bytes());
        tiff.extend_from_slice(&count.to_le_bytes());
        tiff.extend_from_slice(&value.to_le_bytes());
    };
    tiff.extend_from_slice(&3_u16.to_le_bytes());
    entry(&mut tiff, 0x010f, 2, 6, 68); // Make
    entry(&mut tiff, 0x0112, 3, 1, 6); // Orientation
    entry(&mut tiff, 0x8825, 4, 1, 50); // GPS directory
    tiff.extend_from_slice(&[0; 4]);
    tiff.extend_from_slice(&1_u16.to_le_bytes());
    entry(&mut tiff, 0x001b, 7, 12, 74);
    tiff.extend_from_slice(&[0; 4]);
    tiff.extend_from_slice(b"Maker\0CANARY-PLACE");
    let length = u16::try_from(tiff.len() + 8).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, b"Exif\0\0", &tiff, &jpeg[2..], b"CANARY-VIDEO"].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_goes_as_the_rule_says_and_pixels_stay() {
    let plain = noise_file(48, 32, ImageFormat::Jpeg);
    let sent = with_place(&plain);
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    for (metadata, place, maker, video) in
        [("keep", true, true, true), ("no-location", false, true, false), ("none", false, false, false)]
    {
        let local = start_rules(vec![rule("r", "one-time", "", &format!("metadata = '{metadata}'"))]).await;
        let stored = store(&local, by_token("r", &token(&local).await), &sent).await.unwrap().object.unwrap();
        let bytes = local.stack.s3.get(BUCKET, &stored.key).await.unwrap().unwrap();
        let found = ["CANARY-PLACE", "Maker", "CANARY-VIDEO"].map(|text| has(&bytes, text));
        assert_eq!(found, [place, maker, video], "{metadata}");
        // The size that a viewer sees: it is still turned.
        let image = stored.image.unwrap();
        assert_eq!((image.width, image.height), (32, 48), "{metadata}");
        assert_eq!((stored.size, &stored.sha256), (bytes.len() as u64, &hex::encode(Sha256::digest(&bytes))));
        let pixels = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().to_rgb8();
        assert_eq!(pixels(&bytes), pixels(&plain), "{metadata}");
    }
}
