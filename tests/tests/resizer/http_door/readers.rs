//! Clients that read slowly, and those that go away.

use std::time::Duration;

use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use image::ImageFormat;
use safelight_local::Settings;
use safelight_tests::faulty_origin::{Behaviour, FaultyOrigin, Reply};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
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
