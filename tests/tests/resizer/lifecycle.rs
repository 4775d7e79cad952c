//! Deadlines, drain, cancellation.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use hyper_util::rt::{TokioExecutor, TokioIo};
use image::ImageFormat;
use safelight_local::{Settings, picture::sample};
use safelight_proto::{
    framing,
    image::v1::{Fit, Format, TransformOptions},
    reason::Reason,
    resizer::v1::{
        ResizeObjectRequest, ResizeOpen, ResizeRequest, frame, resizer_service_client::ResizerServiceClient,
    },
};
use safelight_tests::faulty_origin::{Behaviour, FaultyOrigin};
use tokio::{net::TcpStream, sync::mpsc};
use tonic::Request;

use crate::{harness::*, http_origin::origins, pictures::noise_file};

/// An HTTP/2 connection without tonic's channel, which would keep the deadline itself and hide the server's answer.
#[derive(Clone)]
struct Bare(hyper::client::conn::http2::SendRequest<tonic::body::Body>);

impl Bare {
    async fn client(local: &Local) -> ResizerServiceClient<Self> {
        let stream = TcpStream::connect(local.stack.resizer.address()).await.unwrap();
        let (send, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        ResizerServiceClient::with_origin(Self(send), local.stack.resizer.endpoint().parse().unwrap())
    }
}

impl tower_service::Service<http::Request<tonic::body::Body>> for Bare {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

#[tokio::test]
async fn the_deadline_ends_a_wait_for_the_origin() {
    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/a.png", Behaviour::Silent);
    let local = start(Settings {
        resizer_toml: origins(&origin),
        limits: "max_requests = 1".into(),
        ..Settings::default()
    })
    .await;
    let mut client = Bare::client(&local).await;
    let outputs = vec![output("", png())];
    let message =
        ResizeObjectRequest { source: Some(object_of("web", "a.png")), outputs, ..Default::default() };
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_millis(300));
    let answer = tokio::time::timeout(PATIENCE, client.resize_object(request)).await.expect("an answer");
    refused(answer.map(drop), Reason::DeadlineExceeded);
    assert_eq!(origin.requests().len(), 1);
    // Its place is free again.
    local.resize_one(png(), sample::png(8, 8).unwrap()).await.unwrap();
}

#[tokio::test]
async fn the_deadline_ends_a_wait_for_the_uploader() {
    let local = start_limited("max_requests = 1").await;
    let mut client = Bare::client(&local).await;
    let open = ResizeOpen { outputs: vec![output("", png())], ..Default::default() };
    let first = framing::resize(open, sample::png(8, 8).unwrap().into()).take(2);
    let mut request = Request::new(stream::iter(first.collect::<Vec<_>>()).chain(stream::pending()));
    request.set_timeout(Duration::from_millis(200));
    let answer = tokio::time::timeout(PATIENCE, client.resize(request)).await.expect("an answer");
    refused(answer.map(drop), Reason::DeadlineExceeded);
    local.resize_one(png(), sample::png(8, 8).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_drain_lets_requests_in_flight_finish() {
    let local = start(Settings::default()).await;
    let picture = sample::png(48, 32).unwrap();
    let open = ResizeOpen { outputs: vec![output("", png())], ..Default::default() };
    let mut rest: Vec<_> = framing::resize(open, picture.clone().into()).collect();
    let finish = rest.split_off(2);
    let (send, mut receive) = mpsc::channel::<ResizeRequest>(1);
    let mut client = local.another_client().await;
    let in_flight = tokio::spawn(async move {
        let frames = client.resize(stream::poll_fn(move |cx| receive.poll_recv(cx))).await?.into_inner();
        assemble(frames.map(|response| Ok(response?.frame.unwrap()))).await
    });
    for message in rest {
        send.send(message).await.unwrap();
    }
    // A capacity of one: the second message has been taken from the channel, and so the call has begun.
    send.reserve().await.map(drop).unwrap();
    // That the server has it too: it answers what was sent after it on another connection.
    local.resize_one(png(), picture.clone()).await.unwrap();

    local.stack.resizer.begin_stop();
    let address = local.stack.resizer.address();
    eventually("it listens no more", async || TcpStream::connect(address).await.err()).await;
    assert!(!in_flight.is_finished());
    for message in finish {
        send.send(message).await.unwrap();
    }
    let (pictures, _) = in_flight.await.unwrap().unwrap();
    assert_eq!(size(&only(pictures)), (48, 32));

    let late = local.resize_one(png(), picture).await.unwrap_err();
    assert_eq!(late.code(), tonic::Code::Unavailable, "{late:?}");
    let Local { stack, .. } = local;
    stack.resizer.stop().await.unwrap();
}

#[tokio::test]
async fn a_cancelled_fetch_gives_its_place_back() {
    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/a.png", Behaviour::Silent);
    let settings =
        Settings { resizer_toml: origins(&origin), limits: "max_requests = 1".into(), ..Settings::default() };
    let local = start(settings).await;
    let mut client = local.another_client().await;
    let outputs = vec![output("", png())];
    let request =
        ResizeObjectRequest { source: Some(object_of("web", "a.png")), outputs, ..Default::default() };
    let call = tokio::spawn(async move { client.resize_object(request).await.map(drop) });
    eventually("the origin is asked", async || origin.requests().pop()).await;
    refused(local.resize_one(png(), sample::png(8, 8).unwrap()).await, Reason::Busy);
    call.abort();
    eventually("its place is free", async || local.resize_one(png(), sample::png(8, 8).unwrap()).await.ok())
        .await;
}

/// A job of so many equal outputs that it is far from done when it is cancelled: whoever comes next is served after
/// about one of them, not after all.
#[tokio::test]
async fn a_cancelled_job_frees_its_slot() {
    const OUTPUTS: u32 = 250;
    const SEEN: u32 = 10;
    let local =
        start_limited(&format!("cpu_slots = 1\nmax_outputs = {OUTPUTS}\nmemory_budget = '2GiB'")).await;
    let options = TransformOptions { format: Format::WebpLossless.into(), ..fitted(Fit::Squeeze, 250, 250) };
    let outputs = (0..OUTPUTS).map(|_| output("", options.clone())).collect();
    let open = ResizeOpen { outputs, ..Default::default() };
    let messages: Vec<_> = framing::resize(open, noise_file(60, 60, ImageFormat::Png).into()).collect();

    let mut client = local.another_client().await;
    let begun = Instant::now();
    let mut frames = client.resize(stream::iter(messages)).await.unwrap().into_inner();
    let mut headers = 0;
    while headers < SEEN {
        let frame = frames.message().await.unwrap().unwrap().frame.unwrap().frame;
        headers += u32::from(matches!(frame, Some(frame::Frame::Header(_))));
    }
    let one_output = begun.elapsed() / SEEN;
    drop((frames, client));

    let cancelled = Instant::now();
    local.resize_one(png(), sample::png(8, 8).unwrap()).await.unwrap();
    let waited = cancelled.elapsed();
    println!("{waited:?}, of {OUTPUTS} × {one_output:?}");
    assert!(waited < one_output * (OUTPUTS / 4), "{waited:?} after a job of {OUTPUTS} × {one_output:?}");
}
