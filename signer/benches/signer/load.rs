//! Clients that cost little, so that the server is what is measured: HTTP/2 with requests that are encoded once.

use std::{
    fs,
    io::Write as _,
    net::{SocketAddr, TcpStream as StdStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request;
use prost::Message;
use tokio::{net::TcpStream, runtime::Runtime};

/// Connections.
const CONNECTIONS: usize = 8;
/// Calls at once on each.
const STREAMS: usize = 8;
/// Calls at once.
pub const IN_FLIGHT: usize = CONNECTIONS * STREAMS;

/// A request, ready to be sent.
#[derive(Clone)]
pub struct Call {
    path: &'static str,
    body: Bytes,
}

impl Call {
    pub fn new(path: &'static str, message: &impl Message) -> Self {
        let mut body = BytesMut::new();
        body.put_u8(0);
        body.put_u32(u32::try_from(message.encoded_len()).expect("a small message"));
        message.encode(&mut body).expect("room");
        Self { path, body: body.freeze() }
    }
}

/// What a round gave.
pub struct Round {
    /// Calls a second.
    pub rate: f64,
    /// How long each took.
    pub waits: Vec<Duration>,
}

/// Connected clients in a runtime of one worker.
pub struct Clients {
    runtime: Runtime,
    connections: Vec<SendRequest<Bytes>>,
}

impl Clients {
    pub fn connect(addr: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let connections = runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..CONNECTIONS {
                let tcp = TcpStream::connect(addr).await.expect("a connection");
                tcp.set_nodelay(true).expect("a socket");
                let (send, connection) = h2::client::Builder::new()
                    .initial_window_size(1 << 20)
                    .initial_connection_window_size(8 << 20)
                    .handshake(tcp)
                    .await
                    .expect("HTTP/2");
                tokio::spawn(connection);
                connections.push(send);
            }
            connections
        });
        Self { runtime, connections }
    }

    /// One call's answer.
    pub fn ask<A: Message + Default>(&self, call: &Call) -> A {
        let bytes = self.runtime.block_on(one(self.connections[0].clone(), call, true));
        A::decode(bytes.get(5..).expect("an answer")).expect("an answer")
    }

    /// As many as the server takes: of one call, or of several that follow each other and count as one.
    pub fn run(&self, calls: &[Call], time: Duration) -> Round {
        let stop = Arc::new(AtomicBool::new(false));
        let start = Instant::now();
        let tasks: Vec<_> = (0..IN_FLIGHT)
            .map(|n| {
                let (send, calls, stop) =
                    (self.connections[n % CONNECTIONS].clone(), calls.to_vec(), Arc::clone(&stop));
                self.runtime.spawn(async move {
                    let mut waits = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let start = Instant::now();
                        for call in &calls {
                            one(send.clone(), call, false).await;
                        }
                        waits.push(start.elapsed());
                    }
                    waits
                })
            })
            .collect();
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let waits: Vec<_> = self.runtime.block_on(async {
            let mut all = Vec::new();
            for task in tasks {
                all.extend(task.await.expect("calls that are answered"));
            }
            all
        });
        #[expect(clippy::cast_precision_loss, reason = "a count below 2^52")]
        let rate = waits.len() as f64 / start.elapsed().as_secs_f64();
        Round { rate, waits }
    }
}

async fn one(send: SendRequest<Bytes>, call: &Call, keep: bool) -> Vec<u8> {
    let mut send = send.ready().await.expect("a connection");
    let request = Request::post(format!("http://signer{}", call.path))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("a request");
    let (response, mut stream) = send.send_request(request, false).expect("a stream");
    stream.send_data(call.body.clone(), true).expect("a body");
    let mut body = response.await.expect("an answer").into_body();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.expect("an answer");
        body.flow_control().release_capacity(data.len()).expect("room");
        if keep {
            bytes.extend_from_slice(&data);
        }
    }
    let trailers = body.trailers().await.expect("trailers").expect("trailers");
    assert_eq!(trailers.get("grpc-status").map(|status| status.as_bytes()), Some(&b"0"[..]));
    bytes
}

/// Bytes of resident memory that a connection takes which has shaken hands and is silent.
pub fn memory_of_idle(addr: SocketAddr, count: usize) -> usize {
    let resident = || {
        let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
    };
    let before = resident();
    let connections: Vec<StdStream> = (0..count)
        .map(|_| {
            let mut tcp = StdStream::connect(addr).expect("a connection");
            // The preface and empty SETTINGS.
            tcp.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("a connection");
            tcp
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    let after = resident();
    drop(connections);
    after.saturating_sub(before) / count
}
