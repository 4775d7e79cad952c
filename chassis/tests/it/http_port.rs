//! The HTTP port, over both versions, with and without TLS.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use safelight_chassis::{
    config,
    http::{Body, Handler, Limits as HttpLimits, Peer},
    request_id::RequestId,
    server::{Limits, Security, Server},
    shutdown::{Drain, Shutdown},
    tls,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};

/// Longer than anything here takes, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers by path.
#[derive(Clone)]
struct Site;

impl Handler for Site {
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        assert!(peer.remote.is_some());
        let body = match request.uri().path() {
            "/whole" => Body::full("the whole answer"),
            "/id" => Body::full(request.extensions().get::<RequestId>().unwrap().as_str().to_owned()),
            "/tls" => Body::full(peer.is_tls.to_string()),
            "/broken" => Body::new(Broken(0)),
            "/panic" => panic!("told to"),
            "/slow" => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                Body::full("at last")
            }
            _ => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_FOUND;
                return response;
            }
        };
        Response::new(body)
    }
}

/// Yields five bytes, and fails.
struct Broken(u8);

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = safelight_chassis::BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.0 += 1;
        std::task::Poll::Ready(Some(match self.0 {
            1 => Ok(http_body::Frame::data(Bytes::from_static(b"12345"))),
            // Time to send what there is.
            2..10 => {
                cx.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            _ => Err("the origin broke off".into()),
        }))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        // Chunked over HTTP/1.1, which has a clean end of its own.
        http_body::SizeHint::new()
    }
}

struct Served {
    addr: SocketAddr,
    grpc: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

async fn serve(limits: HttpLimits, security: Security) -> Served {
    let server =
        Server::new(Limits::DEFAULT).security(security).http("127.0.0.1:0".parse().unwrap(), limits, Site);
    let bound = server.bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
    let (addr, grpc) = (bound.http_addr().unwrap(), bound.local_addr());
    let shutdown = Shutdown::new();
    let task = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { bound.drain(Drain::within(PATIENCE)).serve(shutdown).await.unwrap() }
    });
    Served { addr, grpc, shutdown, task }
}

async fn plain(limits: HttpLimits) -> Served {
    serve(limits, Security::default()).await
}

/// Sends `request` and reads until the server closes.
async fn http1(addr: SocketAddr, request: &str) -> String {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    read(&mut tcp).await
}

async fn read(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    // A connection that was cut off is as good an end as another.
    _ = timeout(PATIENCE, io.read_to_end(&mut answer)).await.expect("the server should close");
    String::from_utf8(answer).unwrap()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

async fn http2(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    path: &str,
) -> (StatusCode, Result<Vec<u8>, h2::Error>) {
    let (mut client, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("http://x{path}")).body(()).unwrap();
    let response = client.send_request(request, true).unwrap().0.await.unwrap();
    let (head, mut body) = response.into_parts();
    assert!(head.headers.contains_key("x-request-id"));
    let mut all = Vec::new();
    while let Some(chunk) = body.data().await {
        match chunk {
            Ok(chunk) => all.extend_from_slice(&chunk),
            Err(error) => return (head.status, Err(error)),
        }
    }
    (head.status, Ok(all))
}

#[tokio::test]
async fn both_versions_are_answered_on_one_port() {
    let served = plain(HttpLimits::DEFAULT).await;
    let answer = http1(served.addr, &get("/whole")).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nthe whole answer"),
        "{answer}"
    );
    assert!(answer.contains("content-length: 16\r\n") && answer.contains("date: "), "{answer}");
    assert!(http1(served.addr, &get("/none")).await.starts_with("HTTP/1.1 404"));
    let head = http1(served.addr, &get("/whole").replace("GET", "HEAD")).await;
    assert!(head.contains("content-length: 16\r\n") && head.ends_with("\r\n\r\n"), "{head}");

    let tcp = TcpStream::connect(served.addr).await.unwrap();
    assert_eq!(http2(tcp, "/whole").await.1.unwrap(), b"the whole answer");
    // gRPC stays what it was.
    assert_eq!(http1(served.grpc, &get("/whole")).await, "");
}

#[tokio::test]
async fn a_request_id_is_taken_or_made_and_echoed() {
    let served = plain(HttpLimits::DEFAULT).await;
    let asked = "GET /id HTTP/1.1\r\nHost: x\r\nx-request-id: mine-7\r\nConnection: close\r\n\r\n";
    let answer = http1(served.addr, asked).await;
    assert!(answer.contains("x-request-id: mine-7\r\n") && answer.ends_with("mine-7"), "{answer}");
    let answer = http1(served.addr, &get("/id")).await;
    let (_, id) = answer.rsplit_once("\r\n\r\n").unwrap();
    assert!(!id.is_empty() && answer.contains(&format!("x-request-id: {id}\r\n")), "{answer}");
}

#[tokio::test]
async fn an_answer_that_breaks_has_no_clean_end() {
    let served = plain(HttpLimits::DEFAULT).await;
    let answer = http1(served.addr, &get("/broken")).await;
    assert!(answer.contains("12345") && !answer.contains("0\r\n\r\n"), "{answer}");
    let tcp = TcpStream::connect(served.addr).await.unwrap();
    let (status, body) = http2(tcp, "/broken").await;
    assert_eq!(status, 200);
    assert!(body.unwrap_err().is_reset());
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_connection_goes_on() {
    let served = plain(HttpLimits::DEFAULT).await;
    let both = "GET /panic HTTP/1.1\r\nHost: x\r\n\r\n".to_owned() + &get("/whole");
    let answer = http1(served.addr, &both).await;
    assert!(answer.starts_with("HTTP/1.1 500") && answer.ends_with("the whole answer"), "{answer}");
    assert!(!answer.contains("told to"), "{answer}");
    for line in ["cache-control: no-store\r\n", "x-content-type-options: nosniff\r\n"] {
        assert!(answer.contains(line), "{answer}");
    }
}

#[tokio::test]
async fn slow_heads_idle_connections_and_large_heads_end() {
    let limits = HttpLimits { idle_timeout: Duration::from_millis(300), ..HttpLimits::DEFAULT };
    let served = plain(limits).await;
    // Half a head.
    assert!(!http1(served.addr, "GET /whole HTTP/1.1\r\nHost: x\r\n").await.contains("200"));
    // A whole one, and nothing after it.
    assert!(http1(served.addr, "GET /whole HTTP/1.1\r\nHost: x\r\n\r\n").await.ends_with("the whole answer"));
    let tcp = TcpStream::connect(served.addr).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    for (length, status) in [(100, 200), (20_000, 431), (100_000, 431), (100, 200)] {
        let request = Request::get("http://x/whole").header("large", "x".repeat(length)).body(()).unwrap();
        let mut client = client.clone().ready().await.unwrap();
        assert_eq!(client.send_request(request, true).unwrap().0.await.unwrap().status(), status, "{length}");
    }
    let large = format!("GET /whole HTTP/1.1\r\nHost: x\r\nlarge: {}\r\n\r\n", "x".repeat(20_000));
    assert!(http1(served.addr, &large).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn an_answer_has_a_time_limit() {
    let limits = HttpLimits { answer_timeout: Duration::from_millis(100), ..HttpLimits::DEFAULT };
    let served = plain(limits).await;
    assert_eq!(http1(served.addr, &get("/slow")).await, "");
    let tcp = TcpStream::connect(served.addr).await.unwrap();
    let (mut client, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://x/slow").body(()).unwrap();
    client.send_request(request, true).unwrap().0.await.unwrap_err();
}

#[tokio::test]
async fn a_connection_that_is_always_busy_goes_on() {
    let limits = HttpLimits { answer_timeout: Duration::from_secs(2), ..HttpLimits::DEFAULT };
    let served = plain(limits).await;
    let tcp = TcpStream::connect(served.addr).await.unwrap();
    let (mut client, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    // Each takes half a second, and the next begins before it ends, for twice as long as one may take.
    let mut answers = Vec::new();
    for _ in 0..16 {
        client = client.ready().await.unwrap();
        let request = Request::get("http://x/slow").body(()).unwrap();
        answers.push(tokio::spawn(client.send_request(request, true).unwrap().0));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn requests_in_flight_are_answered_in_a_drain() {
    let served = plain(HttpLimits::DEFAULT).await;
    let mut tcp = TcpStream::connect(served.addr).await.unwrap();
    // Keep-alive, and yet closed after the answer.
    tcp.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut idle = TcpStream::connect(served.addr).await.unwrap();
    idle.write_all(b"GET /whole HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    idle.read_u8().await.unwrap();
    served.shutdown.trigger();
    assert!(read(&mut tcp).await.ends_with("at last"));
    read(&mut idle).await;
    timeout(PATIENCE, served.task).await.unwrap().unwrap();
    TcpStream::connect(served.addr).await.unwrap_err();
}

#[tokio::test]
async fn tls_by_the_same_files_and_no_client_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(path("tls.crt"), certified.cert.pem()).unwrap();
    std::fs::write(path("tls.key"), certified.signing_key.serialize_pem()).unwrap();
    let text = format!(
        "[tls]\ncert_file = {0:?}\nkey_file = {1:?}\nclient_ca_file = {0:?}",
        path("tls.crt"),
        path("tls.key")
    );
    let security = config::read(&text, Security::read).unwrap();
    let served = serve(HttpLimits::DEFAULT, security).await;
    for protocol in ["h2", "http/1.1"] {
        let mut config = (*tls::client(&path("tls.crt")).unwrap()).clone();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let tcp = TcpStream::connect(served.addr).await.unwrap();
        let mut io = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
        assert_eq!(io.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        if protocol == "h2" {
            assert_eq!(http2(io, "/tls").await.1.unwrap(), b"true");
        } else {
            io.write_all(get("/tls").as_bytes()).await.unwrap();
            assert!(read(&mut io).await.ends_with("true"));
        }
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::new(Limits::DEFAULT).http(taken.local_addr().unwrap(), HttpLimits::DEFAULT, Site);
    let error = server.bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap_err();
    assert!(error.to_string().contains("(http)"), "{error}");
    let server = Server::new(Limits::DEFAULT).http("0.0.0.0:0".parse().unwrap(), HttpLimits::DEFAULT, Site);
    let error = server.bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap_err();
    assert!(error.to_string().contains("--plaintext"), "{error}");
}
