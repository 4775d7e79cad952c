//! The main job, once: every step is checked, and said in a line.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::stream;
use prost_types::{Struct, Value, value::Kind};
use safelight_chassis::BoxError;
use safelight_local::{Stack, stack::BUCKET};
use safelight_proto::{
    framing::{self, Assembler, Picture},
    image::v1::{Fit, Format, TransformOptions},
    reason,
    resizer::v1::{
        DeliverRequest, Delivery, DeliveryOutcome, Output, ResizeOpen, Summary, deliver_response,
        resizer_service_client::ResizerServiceClient,
    },
    signer::v1::{SignUploadRequest, SignUrlRequest, Verdict, VerifyUploadRequest, sign_url_request::Expiry},
};
use tonic::{Code, Status, transport::Channel};

/// Where the made-up URLs point. Hosts are not signed, and nothing listens there: an edge would.
const HOST: &str = "https://img.example.com";

/// What the copy-paste lines refer to.
pub(crate) struct Shown {
    /// The picture that was sent.
    pub(crate) picture: PathBuf,
    /// Its key at the origin.
    pub(crate) key: String,
    /// A URL that is valid for an hour.
    pub(crate) signed_url: String,
    /// Where outputs were written.
    pub(crate) outputs: PathBuf,
}

pub(crate) async fn run(stack: &Stack, name: &str, picture: Bytes) -> Result<Shown, BoxError> {
    let outputs = stack.dir().join("outputs");
    fs::create_dir_all(&outputs)?;
    // In a folder of its own: its name may be one that is taken.
    let pictures = stack.dir().join("pictures");
    fs::create_dir_all(&pictures)?;
    let source = pictures.join(name);
    fs::write(&source, &picture)?;
    let key = format!("originals/{name}");
    stack.s3.put(BUCKET, &key, picture.clone()).await?;

    upload(stack).await?;
    resize(stack, picture, &outputs).await?;
    let signed_url = deliver(stack, &key, &outputs).await?;
    Ok(Shown { picture: source, key, signed_url, outputs })
}

/// An upload signature, made and verified.
async fn upload(stack: &Stack) -> Result<(), BoxError> {
    println!("\n1. An upload signature (Cloudinary's), made by the signer and verified by it");
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let parameters = [("folder", "holiday"), ("public_id", "beach")];
    let request = SignUploadRequest {
        key: "uploads".into(),
        parameters: Some(Struct {
            fields: parameters.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect(),
        }),
    };
    let signed = stack.signer_client().await?.sign_upload(request).await?.into_inner();
    said(
        "SignUpload",
        format!("{} form fields, signature of {} digits", signed.form_fields.len(), signed.signature.len()),
    );

    let mut verifier = stack.verifier_client().await?;
    let mut fields = signed.form_fields;
    let request = VerifyUploadRequest { key: "uploads".into(), fields: fields.clone() };
    let answer = verifier.verify_upload(request).await?.into_inner();
    ensure(answer.verdict() == Verdict::Valid, "the upload's signature must verify")?;
    said("VerifyUpload", answer.verdict().as_str_name());

    if let Some(field) = fields.iter_mut().find(|field| field.name == "folder") {
        field.value = "elsewhere".into();
    }
    let request = VerifyUploadRequest { key: "uploads".into(), fields };
    let answer = verifier.verify_upload(request).await?.into_inner();
    ensure(answer.verdict() == Verdict::Invalid, "a changed field must not verify")?;
    said("VerifyUpload, changed folder", answer.reason().as_str_name());
    Ok(())
}

/// A file streamed through, three outputs from one decode.
async fn resize(stack: &Stack, picture: Bytes, outputs: &Path) -> Result<(), BoxError> {
    println!("\n2. A file streamed through the resizer: three outputs from one decode");
    let open = ResizeOpen {
        declared_length: Some(picture.len() as u64),
        outputs: vec![
            output(
                "hero",
                TransformOptions { width: Some(1200), format: Format::Jpeg.into(), ..Default::default() },
            ),
            output(
                "square",
                TransformOptions {
                    width: Some(400),
                    height: Some(400),
                    fit: Fit::Cover.into(),
                    format: Format::Webp.into(),
                    ..Default::default()
                },
            ),
            output(
                "padded",
                TransformOptions {
                    width: Some(320),
                    height: Some(180),
                    fit: Fit::Pad.into(),
                    background: "#202830".into(),
                    format: Format::Png.into(),
                    ..Default::default()
                },
            ),
        ],
        ..Default::default()
    };
    let mut frames = stack
        .resizer_client()
        .await?
        .resize(stream::iter(framing::resize(open, picture)))
        .await?
        .into_inner();
    let mut assembler = Assembler::default();
    while let Some(response) = frames.message().await? {
        assembler.push(response.frame.ok_or("an answer without a frame")?)?;
    }
    let (pictures, summary) = assembler.finish()?;
    ensure(pictures.len() == 3, "three outputs were asked for")?;
    for picture in &pictures {
        write(picture, &picture.header.id, outputs)?;
    }
    said("time", times(&summary));
    Ok(())
}

/// A URL signed, delivered, and refused when changed or expired.
async fn deliver(stack: &Stack, key: &str, outputs: &Path) -> Result<String, BoxError> {
    println!("\n3. A private picture delivered by its signed URL, and by no other");
    let mut resizer = stack.resizer_client().await?;
    let path = format!("{HOST}/local/{}/width=600,height=600,fit=cover", encode(key));
    let signed_url = sign(stack, &path, 3600).await?;
    said("SignUrl", "…/width=600,height=600,fit=cover?exp=…&sig=…, for an hour");

    let (delivery, picture) = fetch(&mut resizer, &signed_url, "").await?;
    let picture = picture.ok_or("a valid URL must be answered with a picture")?;
    write(&picture, "delivered", outputs)?;
    let max_age = delivery.max_age.map_or(0, |age| age.seconds);
    ensure((1..=3600).contains(&max_age), "the cache lifetime must end with the URL")?;
    said("cache", format!("etag {}, max-age {max_age}", delivery.etag));

    let (again, picture) = fetch(&mut resizer, &signed_url, &delivery.etag).await?;
    let unchanged = again.outcome() == DeliveryOutcome::NotModified && picture.is_none();
    ensure(unchanged, "an unchanged picture must not be sent again")?;
    said("If-None-Match", again.outcome().as_str_name());

    let (_, picture) = fetch(&mut resizer, &format!("{HOST}/local/{}/thumbnail", encode(key)), "").await?;
    write(&picture.ok_or("a public variant needs no signature")?, "public-thumbnail", outputs)?;

    let changed = signed_url.replace("width=600", "width=601");
    refused("changed", fetch(&mut resizer, &changed, "").await)?;
    refused("unsigned", fetch(&mut resizer, &path, "").await)?;
    let short = sign(stack, &path, 1).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    refused("expired", fetch(&mut resizer, &short, "").await)?;
    Ok(signed_url)
}

async fn sign(stack: &Stack, url: &str, seconds: i64) -> Result<String, BoxError> {
    let ttl = prost_types::Duration { seconds, nanos: 0 };
    let request = SignUrlRequest {
        key: "web".into(),
        url: url.to_owned(),
        expiry: Some(Expiry::Ttl(ttl)),
        ..SignUrlRequest::default()
    };
    let signed = stack.signer_client().await?.sign_url(request).await?.into_inner();
    let expires = signed.expire_time.and_then(|time| SystemTime::try_from(time).ok());
    ensure(expires.is_some(), "a signed URL must expire")?;
    Ok(signed.signed_url)
}

async fn fetch(
    resizer: &mut ResizerServiceClient<Channel>,
    url: &str,
    if_none_match: &str,
) -> Result<(Delivery, Option<Picture>), BoxError> {
    let request = DeliverRequest {
        url: url.to_owned(),
        accept: "image/webp,*/*".into(),
        if_none_match: if_none_match.to_owned(),
        ..Default::default()
    };
    let mut messages = resizer.deliver(request).await?.into_inner();
    let mut delivery = None;
    let mut assembler = Assembler::default();
    while let Some(response) = messages.message().await? {
        match response.message.ok_or("an empty answer")? {
            deliver_response::Message::Delivery(first) => delivery = Some(first),
            deliver_response::Message::Frame(frame) => assembler.push(frame)?,
        }
    }
    let delivery = delivery.ok_or("an answer must begin with its delivery")?;
    if delivery.outcome() == DeliveryOutcome::NotModified {
        return Ok((delivery, None));
    }
    let (mut pictures, _) = assembler.finish()?;
    Ok((delivery, pictures.pop()))
}

fn refused<T>(what: &str, answer: Result<T, BoxError>) -> Result<(), BoxError> {
    let Err(error) = answer else { return Err(format!("the {what} URL was not refused").into()) };
    let Some(status) = error.downcast_ref::<Status>() else { return Err(error) };
    let reason = reason::of(status).unwrap_or_default();
    ensure(status.code() == Code::PermissionDenied && reason == "URL_REFUSED", &format!("{what}: {status}"))?;
    said(&format!("{what} URL"), format!("PERMISSION_DENIED {reason}"));
    Ok(())
}

fn output(id: &str, options: TransformOptions) -> Output {
    Output { id: id.to_owned(), options: Some(options) }
}

fn write(picture: &Picture, name: &str, outputs: &Path) -> Result<(), BoxError> {
    let header = &picture.header;
    let extension = header.content_type.strip_prefix("image/").unwrap_or("bin");
    let path = outputs.join(format!("{name}.{extension}"));
    fs::write(&path, &picture.bytes)?;
    said(
        name,
        format!(
            "{}×{} {}, {} bytes: {}",
            header.width,
            header.height,
            header.content_type,
            header.size,
            path.display()
        ),
    );
    Ok(())
}

fn times(summary: &Summary) -> String {
    let times = summary.timings.unwrap_or_default();
    let milliseconds = |time: Option<prost_types::Duration>| {
        let time = time.and_then(|time| Duration::try_from(time).ok()).unwrap_or_default();
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    };
    format!(
        "receive {}, decode {}, resize {}, encode {}",
        milliseconds(times.receive),
        milliseconds(times.decode),
        milliseconds(times.resize),
        milliseconds(times.encode)
    )
}

/// A key as a URL's path.
fn encode(key: &str) -> String {
    safelight_resizer::origin::key::encode(key).unwrap_or_default()
}

fn said(what: &str, text: impl std::fmt::Display) {
    println!("   {what:<28} {text}");
}

fn ensure(holds: bool, otherwise: &str) -> Result<(), BoxError> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}
