//! Thousands of connections that do nothing: what they cost, and that a probe does not notice them. A process of its own,
//! whose memory is measured.

// `cfg(test)` and a module: so that clippy knows it for a test.
#![cfg(test)]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use safelight_chassis::{
    server::{Limits, Server},
    shutdown::{Drain, Shutdown},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

/// Longer than anything here takes, on a machine that is busy.
const LONG: Duration = Duration::from_secs(60);

const CONNECTIONS: usize = 5000;

/// Most bytes that one may cost. Measured: 33 KiB, of which h2 sets 28 aside for buffers (8 to read, 16 to write, 4 to decode
/// headers), which cannot be set.
const MOST: usize = 40 * 1024;

/// A client that makes one call, as each worker process of a backend does, and then only stays.
async fn connect(addr: SocketAddr) -> TcpStream {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    // POST, http, and literals that are indexed, as every client sends them.
    let mut block = vec![0x83, 0x86];
    for (name, value) in [
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", "signer.images.svc.cluster.local:50051"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "grpc-python/1.76.0 grpc-c/50.0.0 (linux; chttp2)"),
    ] {
        block.push(0x40);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    bytes.extend_from_slice(&[0, 0, u8::try_from(block.len()).unwrap(), 1, 4, 0, 0, 0, 1]);
    bytes.extend_from_slice(&block);
    bytes.extend_from_slice(&[0, 0, 5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    tcp.write_all(&bytes).await.unwrap();
    // Frames, up to the trailers.
    loop {
        let mut head = [0; 9];
        tcp.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        tcp.read_exact(&mut payload).await.unwrap();
        if head[3] == 1 && head[4] & 1 == 1 {
            return tcp;
        }
    }
}

/// Bytes of the process that are in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * rustix::param::page_size()
}

async fn probe(addr: SocketAddr) -> Duration {
    let asked = Instant::now();
    connect(addr).await;
    asked.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_idle_connections() {
    // Both ends are in this process.
    let need = 2 * CONNECTIONS as u64 + 1000;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < need)
        && setrlimit(Resource::Nofile, Rlimit { current: Some(need), maximum }).is_err()
    {
        assert!(std::env::var_os("CI").is_none(), "the limit on open files is below {need}");
        eprintln!("SKIPPED: the limit on open files is below {need}");
        return;
    }
    let bound = Server::new(Limits::DEFAULT).bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
    let addr = bound.local_addr();
    let shutdown = Shutdown::new();
    let served = tokio::spawn(bound.drain(Drain::within(LONG)).serve(shutdown.clone()));
    probe(addr).await;
    let before = resident();
    let mut held = Vec::new();
    for count in [64, 256, CONNECTIONS] {
        while held.len() < count {
            let mut some = JoinSet::new();
            for _ in 0..(count - held.len()).min(100) {
                some.spawn(connect(addr));
            }
            held.extend(timeout(LONG, some.join_all()).await.expect("connections"));
        }
        let latency = probe(addr).await;
        let each = resident().saturating_sub(before) / count;
        println!("{count} idle connections: {each} bytes each, a probe on a new one took {latency:?}");
        assert!(latency < Duration::from_secs(2), "{latency:?}");
        if count == CONNECTIONS {
            assert!(each <= MOST, "{each} bytes");
        }
    }
    drop(held);
    shutdown.trigger();
    served.await.unwrap().unwrap();
}
