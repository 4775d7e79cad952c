//! Clients that read slowly, and those that go away.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use image::ImageFormat;
use safelight_local::Settings;
use safelight_tests::{
    counterpart,
    faulty_origin::{Behaviour, FaultyOrigin, Reply},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::block_in_place,
    time::timeout,
};

use super::{clients, wire::*};
use crate::{deliver::WEB_ROUTE, harness::*, http_origin::origins, pictures::noise_file};

/// A route to the origin that gives out large pictures, with a place for one request.
async fn start_large(origin: &FaultyOrigin) -> Local {
    start(Settings {
        resizer_toml: format!(
            "{}{WEB_ROUTE}[variants.whole]\nformat = 'png'\npublic = true\n",
            origins(origin)
        ),
        limits: "max_requests = 1".into(),
        ..Settings::default()
    })
    .await
}

/// A picture whose PNG fits in no buffer between here and there.
fn large() -> Bytes {
    noise_file(1400, 1000, ImageFormat::Png).into()
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_place() {
    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/silent", Behaviour::Silent);
    let local = start_large(&origin).await;
    for version in [1, 2] {
        let asked = origin.requests().len();
        let tcp = TcpStream::connect(address(&local)).await.unwrap();
        if version == 1 {
            let mut tcp = tcp;
            tcp.write_all(head("GET", "/web/silent/whole", &[]).as_bytes()).await.unwrap();
            eventually("a fetch", async || (origin.requests().len() > asked).then_some(())).await;
            get(&local, "/web/none/whole", &[]).await.refused(429, "BUSY");
            drop(tcp);
        } else {
            let (mut send, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
            tokio::spawn(connection);
            let request = http::Request::get("http://h/web/silent/whole").body(String::new()).unwrap();
            let answer = tokio::spawn(send.send_request(request));
            eventually("a fetch", async || (origin.requests().len() > asked).then_some(())).await;
            get(&local, "/web/none/whole", &[]).await.refused(429, "BUSY");
            // The stream is reset; the connection stays.
            answer.abort();
        }
        eventually("the place", async || {
            (get(&local, "/web/none/whole", &[]).await.status == 404).then_some(())
        })
        .await;
    }
}

/// Connects with a receive buffer that holds little.
async fn narrow(local: &Local) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address(local)).await.unwrap()
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off_and_frees_its_place() {
    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/a.png", Reply::ok(large()));
    let local = start_large(&origin).await;
    let tcp = narrow(&local).await;
    let (mut send, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(65_535)
        .initial_connection_window_size(65_535)
        .handshake(TokioIo::new(tcp))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://h/web/a.png/whole").body(String::new()).unwrap();
    let response = timeout(PATIENCE, send.send_request(request)).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    let length: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert!(length > 2 << 20);
    // The whole picture is held until the reader is given up.
    get(&local, "/web/none/whole", &[]).await.refused(429, "BUSY");
    let freed = async {
        while get(&local, "/web/none/whole", &[]).await.status != 404 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(Duration::from_secs(60), freed).await.expect("the place");
    // What comes too late is no whole picture, and does not look like one.
    let error = timeout(PATIENCE, clients::read(response.into_body())).await.unwrap().unwrap_err();
    assert!(format!("{error:?}").contains("Reset"), "{error:?}");
}

/// Memory that is taken for pictures, by the resizer's metrics.
async fn memory_used(local: &Local) -> u64 {
    let mut tcp = TcpStream::connect(local.stack.admin.addr()).await.unwrap();
    tcp.write_all(head("GET", "/metrics", &[]).as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    timeout(PATIENCE, tcp.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let mut lines = text.lines().filter(|line| line.contains("memory_used_bytes{purpose=\"pixels\"}"));
    lines.next().and_then(|line| line.rsplit(' ').next()).expect("a gauge").parse().unwrap()
}

#[tokio::test]
async fn pictures_that_a_window_keeps_out_are_accounted_for_and_given_up() {
    let origin = FaultyOrigin::start().await.unwrap();
    for (path, side) in [("/small.png", 100), ("/large.png", 170)] {
        origin.at(path, Reply::ok(noise_file(side, side, ImageFormat::Png)));
    }
    let local = start_large(&origin).await;
    // No room at all, and so little that most of a picture waits in the connection.
    for (window, path) in [(0, "small"), (0, "large"), (1, "small")] {
        let tcp = TcpStream::connect(address(&local)).await.unwrap();
        let (mut send, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(window)
            .handshake(TokioIo::new(tcp))
            .await
            .unwrap();
        tokio::spawn(connection);
        let began = Instant::now();
        let request =
            http::Request::get(format!("http://h/web/{path}.png/whole")).body(String::new()).unwrap();
        let response = timeout(PATIENCE, send.send_request(request)).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        let length: u64 = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
        assert_eq!(length > 64 * 1024, path == "large", "{length}");
        tokio::time::sleep(Duration::from_millis(300)).await;
        let used = memory_used(&local).await;
        assert!(used >= length, "{used} of {length}: {path}");
        // No place is taken by then.
        assert_eq!(get(&local, "/web/none/whole", &[]).await.status, 404, "{path}");
        if window == 0 {
            let read = timeout(Duration::from_secs(30), clients::read(response.into_body())).await;
            let error = read.expect("a reset in time").unwrap_err();
            assert!(format!("{error:?}").contains("Reset"), "{error:?}");
            assert!(began.elapsed() > Duration::from_secs(15), "{:?}", began.elapsed());
        } else {
            drop(response);
        }
        eventually("the memory", async || (memory_used(&local).await == 0).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_sees_that_an_answer_broke_off() {
    let Some(program) = counterpart::program("curl") else { return };
    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/a.png", Reply::ok(large()));
    let local = start_large(&origin).await;
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let curl = Command::new(program)
        .args(["--silent", "--show-error", "--http1.1", "-o", "/dev/null", "-w", "%{http_code}"])
        .arg(format!("http://{}/web/a.png/whole", relay.local_addr().unwrap()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Between them stands one that stops reading, and then hands on all that came.
    let (mut client, _) = timeout(PATIENCE, relay.accept()).await.unwrap().unwrap();
    let mut door = narrow(&local).await;
    let mut request = vec![0; 4096];
    let length = client.read(&mut request).await.unwrap();
    door.write_all(&request[..length]).await.unwrap();
    let mut beginning = vec![0; 4096];
    timeout(PATIENCE, door.read_exact(&mut beginning)).await.unwrap().unwrap();
    let freed = async {
        while get(&local, "/web/none/whole", &[]).await.status != 404 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(Duration::from_secs(60), freed).await.expect("the place");
    client.write_all(&beginning).await.unwrap();
    _ = timeout(PATIENCE, tokio::io::copy(&mut door, &mut client)).await.expect("an end");
    drop(client);
    let output = block_in_place(|| curl.wait_with_output()).unwrap();
    assert_eq!(output.stdout, b"200", "{output:?}");
    assert_eq!(output.status.code(), Some(18), "a part of the file: {output:?}");
}

#[tokio::test]
async fn a_download_in_progress_survives_the_drain() {
    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/a.png", Reply::ok(large()));
    let local = start_large(&origin).await;
    let mut tcp = narrow(&local).await;
    tcp.write_all(head("GET", "/web/a.png/whole", &[]).as_bytes()).await.unwrap();
    let mut bytes = vec![0; 4096];
    timeout(PATIENCE, tcp.read_exact(&mut bytes)).await.unwrap().unwrap();
    local.stack.resizer.begin_stop();
    eventually("no new connections", async || {
        let mut tcp = TcpStream::connect(address(&local)).await.ok();
        let is_open = match &mut tcp {
            Some(tcp) => timeout(Duration::from_millis(300), tcp.read(&mut [0])).await.is_err(),
            None => false,
        };
        (!is_open).then_some(())
    })
    .await;
    timeout(PATIENCE, tcp.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let answer = parse(&bytes);
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    assert_eq!(answer.size(), (1400, 1000));
}
