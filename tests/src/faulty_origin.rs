//! An HTTP/1.1 origin that misbehaves on request.
//!
//! A real server on a real socket, written down to the bytes, because what it is for (a cut body, a length that lies,
//! a stall between two header lines) is what an HTTP library refuses to send. A test says what happens at a path,
//! points the resizer at [`FaultyOrigin::endpoint`], and afterwards reads what was asked ([`FaultyOrigin::requests`])
//! and how much was taken ([`FaultyOrigin::body_bytes_sent`]).
//!
//! Every connection answers one request and closes, so no fault reaches the next request.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// The most bytes of a request head that are read: far above any request of ours.
const MAX_HEAD: usize = 64 * 1024;

/// What [`Reply::endless`] repeats.
const ENDLESS_PIECE: [u8; 16 * 1024] = [0x5a; 16 * 1024];

/// What the origin does when a path is asked for. A path without a behaviour is 404, or what is done elsewhere.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Answers.
    Reply(Reply),
    /// Answers `first` so many times, and then does the other thing for good.
    Then {
        /// The early answer, for instance a 503.
        first: Reply,
        /// How many requests get it.
        times: u32,
        /// What the later requests get.
        then: Box<Behaviour>,
    },
    /// Reads the request and closes the connection without a byte.
    CloseAtOnce,
    /// Reads the request and never answers; the connection stays open.
    Silent,
    /// Sends these bytes in place of an HTTP response, then closes.
    Raw(Bytes),
}

impl From<Reply> for Behaviour {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// An HTTP response: right, or wrong in one of the ways its methods name.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    framing: Framing,
    head_stall: Duration,
    drip: Option<(usize, Duration)>,
}

/// How the response says where its body ends.
#[derive(Clone, Copy, Debug)]
enum Framing {
    /// `Content-Length`, true or not.
    Length(u64),
    /// `Transfer-Encoding: chunked`, one chunk per piece.
    Chunked,
    /// As chunked, and the end never comes.
    Endless,
    /// Neither: the end of the connection is the end of the body.
    UntilClose,
}

impl Reply {
    /// `status` with no body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            framing: Framing::Length(0),
            head_stall: Duration::ZERO,
            drip: None,
        }
    }

    /// 200 with this body and its true `Content-Length`.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self::status(200).body(body)
    }

    /// 302 to `location`.
    pub fn redirect(location: &str) -> Self {
        Self::status(302).header("location", location)
    }

    /// 200 with `Content-Encoding: gzip` and the compressed form of `plain`.
    ///
    /// # Errors
    /// The compressor's, which a vector in memory does not cause.
    pub fn gzip(plain: &[u8]) -> io::Result<Self> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(plain)?;
        Ok(Self::ok(encoder.finish()?).header("content-encoding", "gzip"))
    }

    /// Sets the body and its true `Content-Length`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.framing = Framing::Length(self.body.len() as u64);
        self
    }

    /// Adds a header as it is: `etag`, `last-modified`, `content-type`, `cache-control`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits between the status line, which is sent at once, and the headers.
    #[must_use]
    pub fn slow_head(mut self, stall: Duration) -> Self {
        self.head_stall = stall;
        self
    }

    /// Sends the body in pieces of so many bytes, with a pause before each.
    #[must_use]
    pub fn slow_body(mut self, piece: usize, pause: Duration) -> Self {
        self.drip = Some((piece.max(1), pause));
        self
    }

    /// Declares this `Content-Length` whatever the body is. More than the body: the connection is cut after it.
    #[must_use]
    pub fn declaring(mut self, length: u64) -> Self {
        self.framing = Framing::Length(length);
        self
    }

    /// Declares no length: `Transfer-Encoding: chunked`.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// Declares no length and no encoding: the body ends with the connection, as in HTTP/1.0.
    #[must_use]
    pub fn until_close(mut self) -> Self {
        self.framing = Framing::UntilClose;
        self
    }

    /// Chunked; after the body come filler bytes until the client goes.
    #[must_use]
    pub fn endless(mut self) -> Self {
        self.framing = Framing::Endless;
        self
    }
}

/// A request as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// `GET`
    pub method: String,
    /// The request target byte for byte: nothing decoded, nothing normalised.
    pub target: Vec<u8>,
    /// Names in lower case, values without the surrounding blanks, in the order received.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Received {
    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(received, _)| received.eq_ignore_ascii_case(name))?;
        str::from_utf8(value).ok()
    }

    fn parse(head: &[u8]) -> Option<Self> {
        let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
        let mut request_line = lines.next()?.split(|byte| *byte == b' ');
        let method = String::from_utf8(request_line.next()?.to_vec()).ok()?;
        let target = request_line.next()?.to_vec();
        let headers = lines
            .take_while(|line| !line.is_empty())
            .map(|line| {
                let colon = line.iter().position(|byte| *byte == b':')?;
                let name = str::from_utf8(line.get(..colon)?).ok()?.to_ascii_lowercase();
                Some((name, line.get(colon + 1..)?.trim_ascii().to_vec()))
            })
            .collect::<Option<_>>()?;
        Some(Self { method, target, headers })
    }

    /// The target up to its query: what behaviours are set for.
    fn path(&self) -> &[u8] {
        self.target.split(|byte| *byte == b'?').next().unwrap_or_default()
    }
}

/// A running origin. Dropping it closes the port and every connection.
pub struct FaultyOrigin {
    address: SocketAddr,
    state: Arc<State>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct State {
    behaviours: Mutex<HashMap<Vec<u8>, Behaviour>>,
    elsewhere: Mutex<Option<Behaviour>>,
    requests: Mutex<Vec<Received>>,
    body_bytes_sent: AtomicU64,
}

impl FaultyOrigin {
    /// Starts on 127.0.0.1, on a port that the system picks. Needs a tokio runtime.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let accepting = tokio::spawn(accept(listener, state.clone())).abort_handle();
        Ok(Self { address, state, accepting })
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The socket that the origin listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, does this at a path. `path` is compared with the request target byte for byte, up to the query.
    pub fn at(&self, path: &str, behaviour: impl Into<Behaviour>) {
        lock(&self.state.behaviours).insert(path.as_bytes().to_vec(), behaviour.into());
    }

    /// From now on, does this at every path without a behaviour of its own.
    pub fn elsewhere(&self, behaviour: impl Into<Behaviour>) {
        *lock(&self.state.elsewhere) = Some(behaviour.into());
    }

    /// All requests so far, in the order their heads were complete.
    pub fn requests(&self) -> Vec<Received> {
        lock(&self.state.requests).clone()
    }

    /// Body bytes that the system took off the origin's hands so far: what a client read, and what lies in the
    /// socket buffers between (some megabytes at most).
    pub fn body_bytes_sent(&self) -> u64 {
        self.state.body_bytes_sent.load(Ordering::Relaxed)
    }
}

impl Drop for FaultyOrigin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    /// What to do at a path now; counts down a [`Behaviour::Then`].
    fn next(&self, path: &[u8]) -> Behaviour {
        let mut behaviours = lock(&self.behaviours);
        let Some(behaviour) = behaviours.get_mut(path) else {
            return lock(&self.elsewhere).clone().unwrap_or_else(|| Reply::status(404).into());
        };
        while let Behaviour::Then { first, times, then } = behaviour {
            if *times > 0 {
                *times -= 1;
                return first.clone().into();
            }
            *behaviour = *then.clone();
        }
        behaviour.clone()
    }
}

/// A panic of another test's thread must not hide what this one has to say.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until aborted. The connections live in this task's set, so they end with it.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let state = state.clone();
                // That the client goes away in the middle is what half of the behaviours are for.
                connections.spawn(async move { drop(serve(stream, &state).await) });
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut stream: TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let head = read_head(&mut stream).await?;
    let Some(request) = Received::parse(&head) else {
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    };
    let behaviour = state.next(request.path());
    let head_only = request.method == "HEAD";
    lock(&state.requests).push(request);
    match behaviour {
        Behaviour::Reply(reply) => send(&mut stream, &reply, head_only, &state.body_bytes_sent).await?,
        Behaviour::Raw(bytes) => stream.write_all(&bytes).await?,
        Behaviour::Silent => std::future::pending().await,
        Behaviour::CloseAtOnce | Behaviour::Then { .. } => {}
    }
    stream.shutdown().await
}

async fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > MAX_HEAD || stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(head)
}

async fn send(stream: &mut TcpStream, reply: &Reply, head_only: bool, sent: &AtomicU64) -> io::Result<()> {
    stream.write_all(format!("HTTP/1.1 {} Scripted\r\n", reply.status).as_bytes()).await?;
    if !reply.head_stall.is_zero() {
        tokio::time::sleep(reply.head_stall).await;
    }
    let mut head = String::from("connection: close\r\n");
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match reply.framing {
        // A 204 or 304 has no body and says no length (RFC 9110, section 8.6).
        Framing::Length(_) if matches!(reply.status, 204 | 304) => {}
        Framing::Length(length) => head.push_str(&format!("content-length: {length}\r\n")),
        Framing::Chunked | Framing::Endless => head.push_str("transfer-encoding: chunked\r\n"),
        Framing::UntilClose => {}
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    if head_only {
        return Ok(());
    }
    let chunked = matches!(reply.framing, Framing::Chunked | Framing::Endless);
    let (piece, pause) = reply.drip.unwrap_or((ENDLESS_PIECE.len(), Duration::ZERO));
    for bytes in reply.body.chunks(piece) {
        send_piece(stream, bytes, pause, chunked, sent).await?;
    }
    if matches!(reply.framing, Framing::Endless) {
        loop {
            let filler = ENDLESS_PIECE.get(..piece).unwrap_or(&ENDLESS_PIECE);
            send_piece(stream, filler, pause, chunked, sent).await?;
        }
    }
    if chunked { stream.write_all(b"0\r\n\r\n").await } else { Ok(()) }
}

async fn send_piece(
    stream: &mut TcpStream,
    bytes: &[u8],
    pause: Duration,
    chunked: bool,
    sent: &AtomicU64,
) -> io::Result<()> {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    if chunked {
        stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
    }
    stream.write_all(bytes).await?;
    if chunked {
        stream.write_all(b"\r\n").await?;
    }
    sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    Ok(())
}
