//! A receiver of callbacks, as a backend has one.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// A callback that came.
#[derive(Clone, Debug)]
pub(crate) struct Callback {
    pub(crate) body: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
}

impl Callback {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn is(&self, outcome: &str) -> bool {
        self.json()["outcome"] == outcome
    }
}

#[derive(Default)]
struct Shared {
    callbacks: Mutex<Vec<Callback>>,
    /// 0: the connection is closed without an answer.
    status: AtomicU16,
}

/// Takes callbacks, each on a connection of its own.
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Receiver {
    /// Answers every callback with this status.
    pub(crate) async fn start(status: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::new(Shared::default()));
        shared.status.store(status, Ordering::SeqCst);
        let state = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                tokio::spawn(async move { _ = receive(stream, &state).await });
            }
        });
        Self { address, shared, task: task.abort_handle() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks/uploads?from=safelight", self.address)
    }

    pub(crate) fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// All that came so far.
    pub(crate) fn callbacks(&self) -> Vec<Callback> {
        self.shared.callbacks.lock().unwrap().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(mut stream: TcpStream, state: &Shared) -> std::io::Result<()> {
    let mut request = Vec::new();
    let end = loop {
        if let Some(at) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8(request[..end].to_vec()).unwrap();
    assert!(head.starts_with("POST /hooks/uploads?from=safelight HTTP/1.1\r\n"), "{head}");
    let headers: Vec<(String, String)> = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").unwrap();
    let length: usize = length.1.parse().unwrap();
    while request.len() < end + 4 + length {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let body = String::from_utf8(request[end + 4..].to_vec()).unwrap();
    state.callbacks.lock().unwrap().push(Callback { body, headers });
    match state.status.load(Ordering::SeqCst) {
        0 => Ok(()),
        status => {
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await
        }
    }
}
