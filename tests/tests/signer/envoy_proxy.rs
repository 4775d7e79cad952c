//! A real Envoy with the configuration that `deploy/envoy` ships, but for its ports and the name of the key: client,
//! Envoy, signer and a backend that writes down what reaches it.

use std::net::SocketAddr;

use safelight_proto::signer::v1::{SignUrlRequest, SignatureCarrier};
use safelight_tests::{
    envoy,
    faulty_origin::{FaultyOrigin, Received, Reply},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{NOW, Pair, URL_NEW, cookie_header, hmac, ok, target, url_request};

struct Envoy {
    address: SocketAddr,
    _running: envoy::Envoy,
}

impl Envoy {
    /// Starts it, with `extension` in place of the route's `key: web`; `None` without an Envoy on the `PATH`.
    async fn start(extension: &str, signer: SocketAddr, backend: SocketAddr) -> Option<Self> {
        let (signer, backend) =
            (format!("port_value: {}", signer.port()), format!("port_value: {}", backend.port()));
        let replaced = [
            ("port_value: 50051", signer.as_str()),
            ("port_value: 8081", backend.as_str()),
            ("key: web", extension),
        ];
        let running = envoy::Envoy::start("envoy.yaml", &replaced).await.unwrap()?;
        Some(Self { address: running.address("edge"), _running: running })
    }

    /// Sends this request line and these headers, and reads to the end.
    async fn ask(&self, line: &[u8], headers: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut request = line.to_vec();
        request.extend_from_slice(b" HTTP/1.1\r\nhost: images.example.com\r\nconnection: close\r\n");
        request.extend_from_slice(format!("{headers}\r\n").as_bytes());
        stream.write_all(&request).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        // The time of day is all that one refusal may have of its own.
        let head = head.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\n");
        Answer { status: head["HTTP/1.1 ".len()..][..3].parse().unwrap(), head, body: body.to_owned() }
    }

    async fn get(&self, target: &str) -> Answer {
        self.ask(format!("GET {target}").as_bytes(), "").await
    }
}

#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// A target with the signature of version 2 of `url`.
fn signed(target: &str) -> String {
    format!("{target}&sig={}", hmac(URL_NEW, target))
}

fn header<'r>(received: &'r Received, name: &str) -> Vec<&'r str> {
    let values = received.headers.iter().filter(|(received, _)| received == name);
    values.map(|(_, value)| str::from_utf8(value).unwrap()).collect()
}

#[tokio::test]
async fn what_is_signed_passes_to_the_byte_and_nothing_else_does() {
    let pair = Pair::start().await;
    let backend = FaultyOrigin::start().await.unwrap();
    let Some(envoy) = Envoy::start("key: url", pair.stack.signer.address(), backend.address()).await else {
        return;
    };
    backend.at("/a//b%2Fc~d", Reply::ok("rose"));

    // A query that is neither sorted nor spelled as Envoy would write it, and headers that pass for the signer's.
    let good = signed("/a//b%2Fc~d?z=1&exp=1700000060&a&a=2&~=%7e&&");
    let forged =
        "x-safelight-key-version: 9\r\nX-Safelight-Expires: 9\r\nx-safelight-expires: 8\r\ncookie: c=1\r\n";
    let answer = envoy.ask(format!("GET {good}").as_bytes(), forged).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "rose"), "{answer:?}");
    let [received] = &backend.requests()[..] else { panic!("once") };
    assert_eq!(str::from_utf8(&received.target).unwrap(), "/a//b%2Fc~d?z=1&a&a=2&~=%7e&&");
    assert_eq!(header(received, "x-safelight-key-version"), ["2"]);
    assert_eq!(header(received, "x-safelight-expires"), ["1700000060"]);
    assert!(header(received, "cookie").is_empty(), "{received:?}");
    let head = envoy.ask(format!("HEAD {good}").as_bytes(), "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""), "{head:?}");
    assert_eq!(backend.requests().len(), 2);

    // Refusals are one answer, whatever was wrong.
    let mut refusals = Vec::new();
    for line in [
        "GET /a//b%2Fc~d".to_owned(),
        format!("GET {}", good.replace("z=1", "z=2")),
        format!("GET {}", good.replace("//", "/")),
        format!("GET {}", good.replace("%2F", "/")),
        format!("GET {}", good.replace("%7e", "%7E")),
        format!("GET {}", good.replace('~', "%7E")),
        format!("GET {good}&x"),
        format!("GET {good}&sig=0"),
        format!("GET {}", signed("/a?b=1")),
        format!("GET {}", signed("/a?exp=1700000000")),
        format!("GET /x/..{good}"),
        format!("GET /%2e%2e{good}"),
        format!("POST {good}"),
        format!("OPTIONS {good}"),
        format!("DELETE {good}"),
    ] {
        let answer = envoy.ask(line.as_bytes(), "").await;
        assert_eq!((answer.status, answer.body.as_str()), (403, "Forbidden\n"), "{line}: {answer:?}");
        refusals.push(answer);
    }
    pair.clock.set(NOW + 60);
    refusals.push(envoy.get(&good).await);
    pair.clock.set(NOW);
    assert!(refusals.windows(2).all(|pair| pair[0] == pair[1]), "{refusals:?}");

    // What no client sends: Envoy refuses it by itself, or the signer does.
    for bytes in [&b"\xff"[..], b"!", b"\xc3\xa9", b"#f", b"\0", b"\\"] {
        let mut line = b"GET /a?exp=1700000060&x=".to_vec();
        line.extend_from_slice(bytes);
        line.extend_from_slice(format!("&sig={}", hmac(URL_NEW, "/a?exp=1700000060&x=!")).as_bytes());
        let answer = envoy.ask(&line, "").await;
        let expected = if bytes == b"!" { &[404][..] } else { &[400, 403] };
        assert!(expected.contains(&answer.status), "{bytes:?}: {answer:?}");
    }
    let bare: Vec<_> = backend.requests().into_iter().skip(2).map(|received| received.target).collect();
    assert_eq!(bare, [b"/a?x=!"], "only what was signed arrived");

    // Without a signer nothing passes.
    let arrived = backend.requests().len();
    pair.stack.signer.stop().await.unwrap();
    for line in [format!("GET {good}"), "GET /a".to_owned()] {
        let answer = envoy.ask(line.as_bytes(), "").await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_ne!(answer.body, "rose");
    }
    assert_eq!(backend.requests().len(), arrived);
}

#[tokio::test]
async fn a_route_without_a_key_lets_nothing_pass() {
    let pair = Pair::start().await;
    let backend = FaultyOrigin::start().await.unwrap();
    for extension in ["", "key: nope", "key: upload", "keys: url"] {
        let Some(envoy) = Envoy::start(extension, pair.stack.signer.address(), backend.address()).await
        else {
            return;
        };
        assert_eq!(envoy.get(&signed("/a?exp=1700000060")).await.status, 403, "{extension}");
    }
    assert!(backend.requests().is_empty());
}

#[tokio::test]
async fn signatures_in_the_path_in_cookies_and_of_an_address() {
    let pair = Pair::of_schemes().await;
    let backend = FaultyOrigin::start().await.unwrap();
    let signer = pair.stack.signer.address();
    let Some(envoy) = Envoy::start("key: imgproxy", signer, backend.address()).await else { return };
    let path = "/rs:fit:300/plain/https://o.example/a%20b.jpg";
    backend.at(path, Reply::ok("rose"));
    let request = url_request("imgproxy", &format!("https://images.example.com{path}"), None);
    let url = ok(pair.signer().sign_url(request).await).signed_url;
    let forged = "x-safelight-expires: 9\r\n";
    let answer = envoy.ask(format!("GET {}?free=1", target(&url)).as_bytes(), forged).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "rose"), "{answer:?}");
    let [received] = &backend.requests()[..] else { panic!("once") };
    assert_eq!(str::from_utf8(&received.target).unwrap(), path, "the query is not signed");
    assert!(header(received, "x-safelight-expires").is_empty(), "imgproxy's signatures do not expire");
    assert_eq!(envoy.get(&target(&url).replace("://", ":/")).await.status, 403);
    assert_eq!(envoy.get(path).await.status, 403);
    drop(envoy);

    let Some(envoy) = Envoy::start("key: bunny", signer, backend.address()).await else { return };
    backend.at("/a.jpg", Reply::ok("rose"));
    for (address, status) in [("127.0.0.1", 200), ("192.0.2.1", 403)] {
        let request = SignUrlRequest {
            client_ip: address.to_owned(),
            ..url_request("bunny", "http://images.example.com/a.jpg", Some(60))
        };
        let url = ok(pair.signer().sign_url(request).await).signed_url;
        let claims = format!("x-forwarded-for: {address}\r\n");
        let answer = envoy.ask(format!("GET {}", target(&url)).as_bytes(), &claims).await;
        assert_eq!(answer.status, status, "{address}: {answer:?}");
    }
    assert_eq!(backend.requests().len(), 2);
    drop(envoy);

    let Some(envoy) = Envoy::start("key: cloudfront", signer, backend.address()).await else { return };
    let request = SignUrlRequest {
        scope: vec!["http://images.example.com*.jpg".to_owned()],
        carrier: SignatureCarrier::Cookies.into(),
        ..url_request("cloudfront", "http://images.example.com/a.jpg", Some(60))
    };
    let cookies = cookie_header(&ok(pair.signer().sign_url(request).await).cookies);
    for (path, cookies, status) in [
        ("/a.jpg", format!("cookie: {cookies}\r\n"), 200),
        ("/a.png", format!("cookie: {cookies}\r\n"), 403),
        ("/a.jpg", String::new(), 403),
    ] {
        let answer = envoy.ask(format!("GET {path}").as_bytes(), &cookies).await;
        assert_eq!(answer.status, status, "{path} {cookies}: {answer:?}");
    }
    // Over HTTP/2 browsers send cookies one by one (RFC 9113, section 8.2.3).
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge();
    let client = client.resolve("images.example.com", envoy.address).build().unwrap();
    let mut request = client.get(format!("http://images.example.com:{}/a.jpg", envoy.address.port()));
    for cookie in cookies.split("; ") {
        request = request.header("cookie", cookie);
    }
    let answer = request.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));
    let [.., received] = &backend.requests()[..] else { panic!("none") };
    assert_eq!(backend.requests().len(), 4);
    assert!(header(received, "cookie").is_empty(), "they end at Envoy: {received:?}");
}
