//! Clients: a browser's form over HTTP, and `Store` over gRPC.

use std::{
    cell::Cell,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use safelight_proto::{
    CHUNK_SIZE,
    resizer::v1::{
        StoreOpen, StoreRequest, UploadFinish, UploadToken, resizer_service_client::ResizerServiceClient,
        store_open::Authority, store_request::Message,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::transport::Channel;

use crate::site::ACCOUNT;

/// What the parts of a form are separated by.
const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";
/// How many of the last bytes are kept back by [`Pace::LastLater`].
const LAST: usize = 512;
/// How many pieces [`Pace::Over`] sends.
const PIECES: u32 = 64;

/// How a body is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as it is taken.
    AtOnce,
    /// The last bytes after a pause: what can be done before they come has been done by then, as on a slow uplink.
    LastLater(Duration),
    /// Evenly over so long a time.
    Over(Duration),
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// With its head, where there is one.
    pub(crate) head: String,
    pub(crate) body: Bytes,
    /// From the last byte of the request to the first one of the answer; zero where that came before.
    pub(crate) wait: Duration,
}

impl Answer {
    /// Its JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The body of a form with a file, as browsers write it.
pub(crate) fn form(file: &[u8]) -> Bytes {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"IMG_0001.jpg\"\r\n\
         Content-Type: image/jpeg\r\n\r\n"
    );
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    [head.as_bytes(), file, end.as_bytes()].concat().into()
}

/// Posts a form on a connection of its own; `None` where no answer came.
pub(crate) async fn post(address: SocketAddr, target: &str, form: &[u8], pace: Pace) -> Option<Answer> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    exchange(address, &head, form, pace).await
}

/// Gets a page.
pub(crate) async fn get(address: SocketAddr, target: &str) -> Option<Answer> {
    let head = format!("GET {target} HTTP/1.1\r\nHost: img.example.com\r\nConnection: close\r\n\r\n");
    exchange(address, &head, &[], Pace::AtOnce).await
}

async fn exchange(address: SocketAddr, head: &str, body: &[u8], pace: Pace) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let (mut reader, mut writer) = stream.split();
    let sent = Cell::new(None);
    // Ends never: an answer may come before the last byte is sent, and is then all that matters.
    let sending = async {
        let pieces = match pace {
            Pace::AtOnce => vec![(Duration::ZERO, body)],
            Pace::LastLater(pause) => {
                let (first, last) = body.split_at(body.len().saturating_sub(LAST));
                vec![(Duration::ZERO, first), (pause, last)]
            }
            Pace::Over(time) => {
                let length = body.len().div_ceil(PIECES as usize).max(1);
                body.chunks(length).map(|piece| (time / PIECES, piece)).collect()
            }
        };
        let mut is_open = writer.write_all(head.as_bytes()).await.is_ok();
        for (pause, piece) in pieces {
            tokio::time::sleep(pause).await;
            is_open = is_open && writer.write_all(piece).await.is_ok();
        }
        sent.set(Some(Instant::now()));
        std::future::pending::<()>().await;
    };
    let receiving = async {
        let mut answer = vec![0; 4096];
        let length = reader.read(&mut answer).await.ok()?;
        let first = Instant::now();
        answer.truncate(length);
        // Where the connection breaks after an answer, there is an answer.
        _ = reader.read_to_end(&mut answer).await;
        Some((first, answer))
    };
    let (first, answer) = tokio::select! {
        answer = receiving => answer?,
        () = sending => return None,
    };
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(answer.get(..end)?.to_vec()).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let wait = sent.get().map_or(Duration::ZERO, |sent| first.saturating_duration_since(sent));
    let body = Bytes::from(answer).slice(end + 4..);
    Some(Answer { status, head: head.to_ascii_lowercase(), body, wait })
}

/// Stores a file by a token of the rule `direct`.
pub(crate) async fn store(client: &mut ResizerServiceClient<Channel>, token: String, file: &Bytes) {
    let open = StoreOpen {
        upload: "direct".into(),
        authority: Some(Authority::Token(UploadToken { account: ACCOUNT.into(), token })),
        ..StoreOpen::default()
    };
    let chunks = (0..file.len()).step_by(CHUNK_SIZE);
    let chunks = chunks
        .map(|from| Message::Chunk(file.slice(from..file.len().min(from + CHUNK_SIZE))))
        .collect::<Vec<_>>();
    let finish = UploadFinish { length: file.len() as u64, crc32c: Some(crc32c::crc32c(file)) };
    let messages = [Message::Open(open)].into_iter().chain(chunks).chain([Message::Finish(finish)]);
    let messages = messages.map(|message| StoreRequest { message: Some(message) }).collect::<Vec<_>>();
    client.store(stream::iter(messages)).await.expect("a stored picture");
}
