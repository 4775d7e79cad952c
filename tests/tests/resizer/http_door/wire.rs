//! HTTP/1.1 to the byte: what a library would put right is sent as it is.

use std::{fs, net::SocketAddr, time::Duration};

use safelight_chassis::server::Server;
use safelight_local::running::Running;
use safelight_resizer::{Config, Resizer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{Local, PATIENCE};

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl HttpAnswer {
    /// A header, which must stand once at most.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(found, _)| found == name);
        let first = found.next();
        assert!(found.next().is_none(), "{name} stands twice: {:?}", self.headers);
        first.map(|(_, value)| value.as_str())
    }

    /// The names that `Vary` has.
    pub(crate) fn vary(&self) -> Vec<&str> {
        self.header("vary").map(|value| value.split(", ").collect()).unwrap_or_default()
    }

    /// The head without what differs from one request to the next.
    pub(crate) fn lasting(&self) -> Vec<(String, String)> {
        let passing = ["date", "x-request-id", "server-timing"];
        self.headers.iter().filter(|(name, _)| !passing.contains(&name.as_str())).cloned().collect()
    }

    /// The picture's size.
    pub(crate) fn size(&self) -> (u32, u32) {
        let picture = image::load_from_memory(&self.body).unwrap();
        (picture.width(), picture.height())
    }

    /// The problem that is told.
    #[track_caller]
    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// An error must have this status and reason, and must not be kept.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, reason: &str) {
        let problem = self.problem();
        assert_eq!((self.status, problem["reason"].as_str()), (status, Some(reason)), "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
    }
}

/// Where the door is.
pub(crate) fn address(local: &Local) -> SocketAddr {
    local.stack.resizer.http().expect("a stack has an HTTP port")
}

/// A request's head.
pub(crate) fn head(method: &str, target: &str, lines: &[&str]) -> String {
    let mut text = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    if !lines.iter().any(|line| line.to_ascii_lowercase().starts_with("host:")) {
        text += "Host: img.example.com\r\n";
    }
    for line in lines {
        text += line;
        text += "\r\n";
    }
    text + "\r\n"
}

/// Starts another resizer beside a stack's own, with its configuration changed.
pub(crate) async fn another(local: &Local, change: impl FnOnce(String) -> String) -> Running {
    let dir = local.stack.dir();
    let path = dir.join("another.toml");
    fs::write(&path, change(fs::read_to_string(dir.join("resizer.toml")).unwrap())).unwrap();
    let config = Config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
    let server = Resizer::new(config).unwrap().add_to(Server::new(safelight_resizer::limits()));
    Running::start(server, 0).await.unwrap()
}

/// Sends bytes and reads to the end of the connection.
pub(crate) async fn exchange(local: &Local, request: &[u8]) -> Vec<u8> {
    exchange_at(address(local), request).await
}

/// The same, of an HTTP port at any address.
pub(crate) async fn exchange_at(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    // A server may close before it has read all: what it said is still there.
    _ = tcp.write_all(request).await;
    let mut answer = Vec::new();
    _ = timeout(PATIENCE + Duration::from_secs(20), tcp.read_to_end(&mut answer)).await.expect("an end");
    answer
}

/// A request, to its answer.
pub(crate) async fn send(local: &Local, method: &str, target: &str, lines: &[&str]) -> HttpAnswer {
    parse(&exchange(local, head(method, target, lines).as_bytes()).await)
}

/// GET.
pub(crate) async fn get(local: &Local, target: &str, lines: &[&str]) -> HttpAnswer {
    send(local, "GET", target, lines).await
}

/// Takes an answer apart. Its body must be as long as it says.
#[track_caller]
pub(crate) fn parse(bytes: &[u8]) -> HttpAnswer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(bytes)));
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    HttpAnswer { status, headers, body: bytes[end + 4..].to_vec() }
}
