//! A server with the probe on a free port, and clients of several degrees of rawness.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, uri::PathAndQuery};
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto};
use safelight_chassis::{
    server::{Health, Limits, Server, Undrained},
    shutdown::{Drain, Shutdown},
};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use tonic::{
    Response, Status,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;
use tracing_subscriber::fmt::MakeWriter;

use crate::probe::{DO, Probe, STREAM, Shared};

/// Longer than anything here takes on a machine that is busy with other things.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) health: Health,
    pub(crate) shared: Arc<Shared>,
    pub(crate) shutdown: Shutdown,
    pub(crate) served: JoinHandle<Result<(), Undrained>>,
}

pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) async fn start() -> Running {
    start_with(Limits::DEFAULT, Drain::within(LONG)).await
}

pub(crate) async fn start_with(limits: Limits, drain: Drain) -> Running {
    let probe = Probe::new();
    let shared = Arc::clone(&probe.0);
    let server = Server::new(limits).service(probe).reflection(descriptors());
    let bound = server.bind(LOOPBACK, false).await.unwrap();
    let (addr, health, shutdown) = (bound.local_addr(), bound.health(), Shutdown::new());
    let served = tokio::spawn(bound.drain(drain).serve(shutdown.clone()));
    Running { addr, health, shared, shutdown, served }
}

/// Ours, and those of the probe.
pub(crate) fn descriptors() -> &'static [u8] {
    static ALL: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let method = |name: &str| MethodDescriptorProto { name: Some(name.to_owned()), ..Default::default() };
        let service = ServiceDescriptorProto {
            name: Some("Probe".to_owned()),
            method: ["Do", "Stream", "Collect"].map(method).into(),
            ..Default::default()
        };
        let file = FileDescriptorProto {
            name: Some("probe.proto".to_owned()),
            package: Some("probe.v1".to_owned()),
            service: vec![service],
            ..Default::default()
        };
        // Sets are joined by joining their bytes.
        [safelight_proto::FILE_DESCRIPTOR_SET, &FileDescriptorSet { file: vec![file] }.encode_to_vec()]
            .concat()
    });
    &ALL
}

impl Running {
    pub(crate) async fn client(&self) -> Client {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.addr)).unwrap();
        Client(endpoint.connect().await.unwrap())
    }

    /// Shuts down and waits until the server has.
    pub(crate) async fn stop(self) -> Result<(), Undrained> {
        self.shutdown.trigger();
        timeout(LONG, self.served).await.expect("the server to stop").unwrap()
    }
}

/// tonic's client, for whatever method and message.
#[derive(Clone)]
pub(crate) struct Client(pub(crate) Channel);

impl Client {
    /// The probe's unary method.
    pub(crate) async fn tell(&self, what: &str) -> Result<String, Status> {
        self.unary(DO, tonic::Request::new(what.to_owned())).await.map(Response::into_inner)
    }

    pub(crate) async fn unary<M, A>(
        &self,
        path: &'static str,
        request: tonic::Request<M>,
    ) -> Result<Response<A>, Status>
    where
        M: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = tonic::client::Grpc::new(self.0.clone());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        grpc.unary(request, PathAndQuery::from_static(path), ProstCodec::<M, A>::default()).await
    }

    /// The probe's streaming method.
    pub(crate) async fn stream(
        &self,
        request: tonic::Request<String>,
    ) -> Result<Response<tonic::Streaming<String>>, Status> {
        let mut grpc = tonic::client::Grpc::new(self.0.clone());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        grpc.server_streaming(request, PathAndQuery::from_static(STREAM), ProstCodec::default()).await
    }
}

/// An HTTP/2 client without gRPC. Its connection runs until the handle resolves.
pub(crate) struct Raw {
    pub(crate) send: h2::client::SendRequest<Bytes>,
    pub(crate) connection: JoinHandle<Result<(), h2::Error>>,
}

impl Raw {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let tcp = TcpStream::connect(addr).await.unwrap();
        let (send, connection) = h2::client::handshake(tcp).await.unwrap();
        Self { send: send.ready().await.unwrap(), connection: tokio::spawn(connection) }
    }

    /// Starts a call with these bytes as its body.
    pub(crate) async fn call(
        &mut self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> h2::client::ResponseFuture {
        let mut request =
            Request::post(format!("http://probe{path}")).header("content-type", "application/grpc");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send = self.send.clone().ready().await.unwrap();
        let (response, mut stream) = self.send.send_request(request.body(()).unwrap(), false).unwrap();
        stream.send_data(Bytes::copy_from_slice(body), true).unwrap();
        response
    }
}

/// Reads an answer to its end: head, body, trailers.
pub(crate) async fn read(response: h2::client::ResponseFuture) -> (HeaderMap, Vec<u8>, HeaderMap) {
    let read = async {
        let (head, mut body) = response.await.unwrap().into_parts();
        let mut bytes = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            bytes.extend_from_slice(&data);
        }
        (head.headers, bytes, body.trailers().await.unwrap().unwrap_or_default())
    };
    timeout(LONG, read).await.expect("an answer")
}

/// A gRPC frame around a `String` message.
pub(crate) fn framed(text: &str) -> Vec<u8> {
    let message = text.to_owned().encode_to_vec();
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&message);
    frame
}

/// The reason in the status's `ErrorInfo`, with our domain.
#[track_caller]
pub(crate) fn reason(status: &Status) -> String {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!(info.domain, safelight_proto::reason::DOMAIN);
    info.reason
}

/// What was logged, a JSON object a line.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines with this text.
    pub(crate) fn lines(&self, text: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    /// The first line with this text, once it is there.
    pub(crate) async fn line(&self, text: &str) -> serde_json::Value {
        let found = async {
            loop {
                if let Some(line) = self.lines(text).first() {
                    return serde_json::from_str(line).unwrap();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LONG, found).await.unwrap_or_else(|_| panic!("{text:?} is not logged: {}", self.text()))
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Collects what a test logs at the default level, until the guard is dropped. Tests run on a thread of their own, and so
/// do all tasks of theirs.
pub(crate) fn log() -> (Sink, (tracing::Dispatch, tracing::subscriber::DefaultGuard)) {
    // With a single dispatcher, `tracing` asks the thread that comes to a line first whether anyone wants it, for good; threads
    // of other tests do not. With two it asks both.
    let another = tracing::Dispatch::new(tracing_subscriber::registry());
    let sink = Sink::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_max_level(tracing::Level::INFO)
        .with_writer(sink.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    (sink, (another, guard))
}
