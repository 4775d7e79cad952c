//! A stack, calls as results, colours of pictures.

use std::{fmt::Debug, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use safelight_local::{Settings, Stack, stack::BUCKET};
use safelight_proto::{
    framing::{self, Assembler, Picture},
    image::v1::{Fit, Format, ImageInfo, TransformOptions},
    reason::{self, DOMAIN, Reason},
    resizer::v1::{
        DeliverRequest, Delivery, DeliveryOutcome, Frame, InspectOpen, InspectRequest, ObjectSource, Output,
        ResizeObjectRequest, ResizeOpen, ResizeRequest, Summary, UploadSource, deliver_response,
        inspect_open, resizer_service_client::ResizerServiceClient,
    },
    signer::v1::{Header, SignOriginRequestRequest, SignUrlRequest, sign_url_request::Expiry},
};
use tempfile::TempDir;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

/// Longer than anything takes that is not stuck, on the busiest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(25);
/// Between two looks at something that will come.
pub(crate) const LOOK: Duration = Duration::from_millis(10);

/// The pictures of an answer in the order asked, and its summary.
pub(crate) type Answer = Result<(Vec<Picture>, Summary), Status>;

/// A running stack and a client of its resizer.
pub(crate) struct Local {
    pub(crate) stack: Stack,
    pub(crate) client: ResizerServiceClient<Channel>,
    _dir: TempDir,
}

/// What the resizer needs at the signer for routes and origins that a test adds, of which the signer has no delivery.
pub(crate) const TWO_CALLS: &str =
    "[[grants]]\ncaller = 'resizer'\nmethods = ['VerifyUrl', 'SignOriginRequest']\nkeys = ['*']\n";

/// Starts a stack.
pub(crate) async fn start(mut settings: Settings) -> Local {
    settings.signer_toml.insert_str(0, TWO_CALLS);
    let dir = tempfile::tempdir().unwrap();
    let stack = Stack::start(dir.path(), settings).await.unwrap_or_else(|error| panic!("{error}"));
    let client = stack.resizer_client().await.unwrap();
    Local { stack, client, _dir: dir }
}

/// Starts a stack with these tables added to `resizer.toml`.
pub(crate) async fn start_with(resizer_toml: impl Into<String>) -> Local {
    start(Settings { resizer_toml: resizer_toml.into(), ..Settings::default() }).await
}

/// Starts a stack with these `[limits]`.
pub(crate) async fn start_limited(limits: &str) -> Local {
    start(Settings { limits: limits.into(), ..Settings::default() }).await
}

impl Local {
    /// A client on a connection of its own.
    pub(crate) async fn another_client(&self) -> ResizerServiceClient<Channel> {
        self.stack.resizer_client().await.unwrap()
    }

    /// Stores an object in the S3 origin `photos`.
    pub(crate) async fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.stack.s3.put(BUCKET, key, bytes).await.unwrap();
    }

    /// The value of a counter or gauge of the resizer, its labels as Prometheus has them; 0 where it is not counted yet.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let url = format!("http://{}/metrics", self.stack.admin.addr());
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        lines.find(|(found, _)| found.ends_with(name)).map_or(0, |(_, value)| value.parse().unwrap())
    }

    /// How often a picture was decoded to be delivered.
    pub(crate) async fn decodes(&self) -> u64 {
        self.metric("stage_duration_seconds_count{stage=\"decode\"}").await
    }

    /// Writes an object with metadata, as an upload does: with the signer's signature.
    pub(crate) async fn put_with(&self, key: &str, bytes: impl Into<Bytes>, metadata: &[(&str, &str)]) {
        let url = format!("{}/{BUCKET}/{key}", self.stack.s3.endpoint());
        let header = |(name, value): &(&str, &str)| Header { name: (*name).into(), value: (*value).into() };
        let request = SignOriginRequestRequest {
            key: "s3-photos".into(),
            method: "PUT".into(),
            url: url.clone(),
            region: "eu-west-1".into(),
            headers: metadata.iter().map(header).collect(),
            ..Default::default()
        };
        let mut signer = self.stack.signer_client().await.unwrap();
        let signed = signer.sign_origin_request(request).await.unwrap().into_inner();
        let mut sent = reqwest::Client::new().put(url).body(bytes.into());
        for (name, value) in metadata {
            sent = sent.header(*name, *value);
        }
        for Header { name, value } in signed.headers.iter().filter(|header| header.name != "host") {
            sent = sent.header(name, value);
        }
        let answer = sent.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }

    /// `Resize` of bytes sent as they should be.
    pub(crate) async fn resize(&self, outputs: Vec<Output>, bytes: impl Into<Bytes>) -> Answer {
        let open = ResizeOpen { outputs, ..Default::default() };
        self.send(stream::iter(framing::resize(open, bytes.into()).collect::<Vec<_>>())).await
    }

    /// `Resize` of a single output.
    pub(crate) async fn resize_one(
        &self,
        options: TransformOptions,
        bytes: impl Into<Bytes>,
    ) -> Result<Picture, Status> {
        self.resize(vec![output("", options)], bytes).await.map(|(pictures, _)| only(pictures))
    }

    /// `Resize` of whatever messages come.
    pub(crate) async fn send(&self, messages: impl Stream<Item = ResizeRequest> + Send + 'static) -> Answer {
        let frames = self.client.clone().resize(messages).await?.into_inner();
        assemble(frames.map(|response| Ok(response?.frame.unwrap()))).await
    }

    /// `ResizeObject` into PNGs of the object's own size.
    pub(crate) async fn resize_object(&self, source: ObjectSource) -> Result<Picture, Status> {
        let outputs = vec![output("", png())];
        let request = ResizeObjectRequest { source: Some(source), outputs, ..Default::default() };
        let frames = self.client.clone().resize_object(request).await?.into_inner();
        assemble(frames.map(|response| Ok(response?.frame.unwrap()))).await.map(|(all, _)| only(all))
    }

    /// `Inspect` of bytes sent as they should be.
    pub(crate) async fn inspect(&self, bytes: impl Into<Bytes>) -> Result<ImageInfo, Status> {
        let source = Some(inspect_open::Source::Upload(UploadSource::default()));
        let messages = framing::inspect(InspectOpen { source }, bytes.into()).collect::<Vec<_>>();
        self.send_inspect(stream::iter(messages)).await
    }

    /// `Inspect` of whatever messages come.
    pub(crate) async fn send_inspect(
        &self,
        messages: impl Stream<Item = InspectRequest> + Send + 'static,
    ) -> Result<ImageInfo, Status> {
        Ok(self.client.clone().inspect(messages).await?.into_inner().image.unwrap())
    }

    /// `Deliver`.
    pub(crate) async fn deliver(
        &self,
        request: DeliverRequest,
    ) -> Result<(Delivery, Option<Picture>), Status> {
        deliver(&mut self.client.clone(), request).await
    }

    /// `Deliver` of a URL, with nothing else said.
    pub(crate) async fn get(&self, url: &str) -> Result<(Delivery, Option<Picture>), Status> {
        self.deliver(DeliverRequest { url: url.into(), ..Default::default() }).await
    }

    /// The URL's path and query, signed with the key `web` for an hour.
    pub(crate) async fn sign(&self, path: &str) -> String {
        self.sign_with("web", path, 3600).await
    }

    /// The URL's path and query, signed for so many seconds.
    pub(crate) async fn sign_with(&self, key: &str, path: &str, seconds: i64) -> String {
        const HOST: &str = "https://img.example.com";
        let ttl = prost_types::Duration { seconds, nanos: 0 };
        let request = SignUrlRequest {
            key: key.into(),
            url: format!("{HOST}{path}"),
            expiry: Some(Expiry::Ttl(ttl)),
            ..SignUrlRequest::default()
        };
        let signed = self.stack.signer_client().await.unwrap().sign_url(request).await.unwrap();
        signed.into_inner().signed_url.strip_prefix(HOST).unwrap().to_owned()
    }
}

/// `Deliver` by any client.
pub(crate) async fn deliver(
    client: &mut ResizerServiceClient<Channel>,
    request: DeliverRequest,
) -> Result<(Delivery, Option<Picture>), Status> {
    let mut messages = client.deliver(request).await?.into_inner();
    let first = messages.message().await?.expect("an answer").message;
    let Some(deliver_response::Message::Delivery(delivery)) = first else {
        panic!("the first message must be `delivery`: {first:?}")
    };
    let frames = messages.map(|response| match response?.message {
        Some(deliver_response::Message::Frame(frame)) => Ok(frame),
        other => panic!("then frames: {other:?}"),
    });
    if delivery.outcome() == DeliveryOutcome::NotModified {
        let frames: Vec<_> = frames.collect().await;
        assert!(frames.is_empty(), "no frames follow NOT_MODIFIED: {frames:?}");
        return Ok((delivery, None));
    }
    assert_eq!(delivery.outcome(), DeliveryOutcome::Ok);
    // An edge has sent its head by now: nothing may be refused any more.
    let (pictures, _) = assemble(frames).await.expect("what was announced");
    let picture = only(pictures);
    assert_eq!(picture.header.output, 0);
    Ok((delivery, Some(picture)))
}

/// Puts frames together, and checks them.
pub(crate) async fn assemble(frames: impl Stream<Item = Result<Frame, Status>>) -> Answer {
    let mut frames = std::pin::pin!(frames);
    let mut assembler = Assembler::default();
    while let Some(frame) = frames.next().await {
        assembler.push(frame?).unwrap();
    }
    Ok(assembler.finish().unwrap())
}

/// A client with a small window, whose server cannot send much ahead.
pub(crate) async fn narrow_client(local: &Local) -> ResizerServiceClient<Channel> {
    const WINDOW: u32 = 65_535;
    let endpoint = Endpoint::from_shared(local.stack.resizer.endpoint()).unwrap();
    let endpoint = endpoint.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
    ResizerServiceClient::new(endpoint.connect().await.unwrap())
}

/// The only picture of an answer.
pub(crate) fn only(mut pictures: Vec<Picture>) -> Picture {
    assert_eq!(pictures.len(), 1);
    pictures.remove(0)
}

/// An object of the S3 origin.
pub(crate) fn object(key: &str) -> ObjectSource {
    object_of("photos", key)
}

/// An object of an origin.
pub(crate) fn object_of(origin: &str, key: &str) -> ObjectSource {
    ObjectSource { origin: origin.into(), key: key.into(), caller_headers: None }
}

/// An output.
pub(crate) fn output(id: &str, options: TransformOptions) -> Output {
    Output { id: id.into(), options: Some(options) }
}

/// Options of a PNG.
pub(crate) fn png() -> TransformOptions {
    TransformOptions { format: Format::Png.into(), ..Default::default() }
}

/// Options of a PNG of a size.
pub(crate) fn fitted(fit: Fit, width: u32, height: u32) -> TransformOptions {
    TransformOptions { width: Some(width), height: Some(height), fit: fit.into(), ..png() }
}

/// The failure of an answer, which must carry this reason, its code, and our domain.
#[track_caller]
pub(crate) fn refused<T: Debug>(answer: Result<T, Status>, expected: Reason) -> Status {
    let status = match answer {
        Err(status) => status,
        Ok(answer) => panic!("{} expected, got {answer:?}", expected.as_str()),
    };
    assert_eq!(reason::of(&status).as_deref(), Some(expected.as_str()), "{status:?}");
    assert_eq!(status.code(), expected.code(), "{status:?}");
    assert_eq!(status.get_details_error_info().map(|info| info.domain).as_deref(), Some(DOMAIN));
    status
}

/// The fields that an answer calls bad.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let bad = status.get_details_bad_request();
    bad.into_iter().flat_map(|bad| bad.field_violations).map(|violation| violation.field).collect()
}

/// The picture's size, as its file says.
pub(crate) fn size(picture: &Picture) -> (u32, u32) {
    let decoded = decode(picture);
    (decoded.width(), decoded.height())
}

/// The pixels.
pub(crate) fn decode(picture: &Picture) -> image::RgbaImage {
    image::load_from_memory(&picture.bytes).unwrap().into_rgba8()
}

/// The colours in the middles of the quadrants: top left, top right, bottom left, bottom right.
pub(crate) fn middles(picture: &Picture) -> [[u8; 4]; 4] {
    let pixels = decode(picture);
    let (width, height) = pixels.dimensions();
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| pixels.get_pixel(width * x / 4, height * y / 4).0)
}

/// Colours must be the same but for what lossy coding does.
#[track_caller]
pub(crate) fn assert_near<const N: usize>(
    found: &[[u8; 4]],
    expected: &[[u8; N]],
    tolerance: u8,
    what: &str,
) {
    let near = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| {
            found.iter().zip(expected).all(|(found, expected)| found.abs_diff(*expected) <= tolerance)
        });
    assert!(near, "{what}: {found:?} is not {expected:?}");
}

/// Asks again and again until there is something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("it never came: {what}"))
}

/// Whether an answer is a failure with this reason.
pub(crate) fn is<T>(answer: &Result<T, Status>, expected: Reason) -> bool {
    answer.as_ref().err().and_then(reason::of).as_deref() == Some(expected.as_str())
}
