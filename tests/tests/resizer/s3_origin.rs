//! Originals in a private bucket, whose server verifies signatures.

use futures_util::{StreamExt as _, stream};
use safelight_local::{Settings, picture::sample};
use safelight_proto::{
    image::v1::Format,
    reason::Reason,
    resizer::v1::{
        CallerHeaders, InspectOpen, InspectRequest, ObjectSource, Output, ResizeObjectRequest, inspect_open,
        inspect_request,
    },
    signer::v1::SignOriginRequestRequest,
};

use crate::harness::*;

/// The bucket again, as a label of the host's name.
const VIRTUAL_HOST: &str = "[origins.virtual]\nkind = 's3'\nbucket = 'photos'\nregion = 'eu-west-1'\n\
    endpoint = '{s3_host}'\nsigning_key = 's3-photos'\nallow_private_network = true\n";

fn inspect_object(source: ObjectSource) -> InspectRequest {
    let source = Some(inspect_open::Source::Object(source));
    InspectRequest { message: Some(inspect_request::Message::Open(InspectOpen { source })) }
}

#[tokio::test]
async fn keys_are_fetched_exactly() {
    let local = start_with(VIRTUAL_HOST).await;
    let longest = "k".repeat(1024);
    let keys = [
        "plain.png",
        "a b.png",
        "a+b.png",
        "a%20b.png",
        "a%2Bb.png",
        "a%252Bb.png",
        "100%.png",
        "%",
        "%2e%2e/x",
        "%2E/x",
        "x/%2e%2e",
        "ü/写真 🖼.png",
        "u\u{308}/写真 🖼.png",
        "dir/x",
        "dir//x",
        "dir///x",
        "trail/",
        "trail//",
        "trail",
        "/lead",
        "//lead",
        "lead",
        "/",
        " ",
        "+",
        "what?is=this&that#here",
        "a:b@c;d,e$f!*'()[]{}|^`\"<>=&",
        "~tilde",
        "back\\slash",
        "tab\tand\nline",
        "\u{7f}",
        "..a/b..",
        ".../x",
        "a/.b/c.",
        "Plain.png",
        "photos/plain.png",
        longest.as_str(),
    ];
    // Every object has a width of its own: another one would be noticed.
    for (width, key) in (1..).zip(keys) {
        local.put(key, sample::png(width, 1).unwrap()).await;
    }
    for (width, key) in (1..).zip(keys) {
        for origin in ["photos", "virtual"] {
            let picture = local.resize_object(object_of(origin, key)).await;
            let picture = picture.unwrap_or_else(|status| panic!("{origin} {key:?}: {status}"));
            assert_eq!(size(&picture), (width, 1), "{origin} {key:?}");
        }
    }
    assert_eq!((local.stack.s3.requests(), local.stack.s3.refused()), (2 * keys.len() as u64, 0));
}

#[tokio::test]
async fn keys_that_http_would_change_are_refused() {
    let local = start_with(VIRTUAL_HOST).await;
    let too_long = "k".repeat(1025);
    for key in [".", "..", "./a", "../a", "a/..", "a/.", "a/../b", "a/./b", "a//../b", "/..", "", &too_long] {
        for origin in ["photos", "virtual"] {
            refused(local.resize_object(object_of(origin, key)).await, Reason::ObjectKeyUnsupported);
        }
    }
    assert_eq!(local.stack.s3.requests(), 0);
}

#[tokio::test]
async fn an_object_is_inspected_and_resized() {
    let local = start(Settings::default()).await;
    let source = sample::oriented_jpeg(48, 32, 6).unwrap();
    local.put("photo.jpg", source.clone()).await;
    // The stream may stay open: there is nothing more to wait for.
    let messages = stream::iter([inspect_object(object("photo.jpg"))]).chain(stream::pending());
    let info = local.send_inspect(messages).await.unwrap();
    assert_eq!((info.format(), info.width, info.height), (Format::Jpeg, 48, 32));
    assert_eq!((info.orientation, info.size), (6, source.len() as u64));

    let outputs = vec![output("a", png()), Output::default(), output("c", png())];
    let request =
        ResizeObjectRequest { source: Some(object("photo.jpg")), outputs, accept: "image/webp".into() };
    let frames = local.client.clone().resize_object(request).await.unwrap().into_inner();
    let frames = frames.map(|response| Ok(response?.frame.unwrap()));
    let (pictures, summary) = assemble(frames).await.unwrap();
    let formats: Vec<_> = pictures.iter().map(|picture| picture.header.format()).collect();
    assert_eq!(formats, [Format::Png, Format::Webp, Format::Png]);
    assert!(pictures.iter().all(|picture| size(picture) == (48, 32)));
    assert!(summary.timings.unwrap().signer.is_some(), "the signer was asked");
    assert_eq!(local.stack.s3.requests(), 2, "fetched once for each call");
}

#[tokio::test]
async fn a_wrong_secret_is_refused_by_the_origin() {
    let settings = Settings { wrong_origin_secret: Some("not-the-secret".into()), ..Settings::default() };
    let local = start(settings).await;
    local.put("photo.png", sample::png(8, 8).unwrap()).await;
    refused(local.resize_object(object("photo.png")).await, Reason::OriginDenied);
    assert_eq!((local.stack.s3.requests(), local.stack.s3.refused()), (1, 1));
}

#[tokio::test]
async fn what_is_not_there() {
    let local = start(Settings::default()).await;
    refused(local.resize_object(object("missing.png")).await, Reason::OriginNotFound);
    let messages = stream::iter([inspect_object(object("missing.png"))]);
    refused(local.send_inspect(messages).await, Reason::OriginNotFound);
    assert_eq!((local.stack.s3.requests(), local.stack.s3.refused()), (2, 0));

    for name in ["nowhere", "", "PHOTOS"] {
        refused(local.resize_object(object_of(name, "a")).await, Reason::OriginUnknown);
    }
    let request =
        ResizeObjectRequest { source: None, outputs: vec![output("", png())], ..Default::default() };
    let status = refused(local.client.clone().resize_object(request).await, Reason::FieldInvalid);
    assert_eq!(fields(&status), ["source"]);
}

#[tokio::test]
async fn an_object_that_is_no_picture() {
    let local = start_limited("max_source_bytes = '1KiB'").await;
    local.put("text", "not a picture").await;
    refused(local.resize_object(object("text")).await, Reason::FormatUnsupported);
    local.put("empty", "").await;
    refused(local.resize_object(object("empty")).await, Reason::FormatUnsupported);
    local.put("large", vec![0; 1025]).await;
    refused(local.resize_object(object("large")).await, Reason::ImageTooLarge);
}

#[tokio::test]
async fn the_caller_may_authorise_the_fetch_itself() {
    // Its headers stand in place of the signer's: a wrong one is refused by the origin, and the signer, which has
    // no such key, is not asked.
    let unsigned = "[origins.unsigned]\nkind = 's3'\nbucket = 'photos'\nregion = 'eu-west-1'\n\
        endpoint = '{s3}'\npath_style = true\nsigning_key = 'no-such-key'\nallow_private_network = true\n";
    let local = start_with(unsigned).await;
    local.put("photo.png", sample::png(8, 8).unwrap()).await;
    refused(local.resize_object(object_of("unsigned", "photo.png")).await, Reason::SignerRefused);
    assert_eq!(local.stack.s3.requests(), 0);

    let authorization = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/s3/aws4_request, \
        SignedHeaders=host, Signature=00";
    for origin in ["unsigned", "photos"] {
        let headers = CallerHeaders { authorization: authorization.into(), ..Default::default() };
        let source = ObjectSource { caller_headers: Some(headers), ..object_of(origin, "photo.png") };
        refused(local.resize_object(source).await, Reason::OriginDenied);
    }
    assert_eq!((local.stack.s3.requests(), local.stack.s3.refused()), (2, 2));

    // What the signer signs for others works when the caller brings it.
    let url = format!("{}/photos/photo.png", local.stack.s3.endpoint());
    let request = SignOriginRequestRequest {
        key: "s3-photos".into(),
        method: "GET".into(),
        url,
        region: "eu-west-1".into(),
        ..Default::default()
    };
    let signed = local.stack.signer_client().await.unwrap().sign_origin_request(request).await.unwrap();
    let mut headers = CallerHeaders::default();
    for header in signed.into_inner().headers {
        match header.name.to_ascii_lowercase().as_str() {
            "authorization" => headers.authorization = header.value,
            "x-amz-date" => headers.x_amz_date = header.value,
            "x-amz-content-sha256" => headers.x_amz_content_sha256 = header.value,
            other => panic!("{other}"),
        }
    }
    let source = ObjectSource { caller_headers: Some(headers), ..object_of("unsigned", "photo.png") };
    assert_eq!(size(&local.resize_object(source).await.unwrap()), (8, 8));
}
