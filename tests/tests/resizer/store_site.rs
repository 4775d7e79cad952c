//! Signer and resizer as processes that can be killed, with a proxy before the embedded S3 that can fail.

use std::{
    collections::HashMap,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener as Port},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use safelight_local::{Settings, Stack, s3::EmbeddedS3};
use safelight_proto::{
    CHUNK_SIZE, framing,
    reason::{self, Reason},
    resizer::v1::{
        ResizeOpen, StoreOpen, StoreRequest, StoreResponse, UploadFinish, UploadToken,
        resizer_service_client::ResizerServiceClient, store_open::Authority, store_request::Message,
    },
    signer::v1::{
        self as signer, CreateUploadTokenRequest, GetUploadTokenRequest, UploadTokenState,
        get_upload_token_request::Selector, upload_token_service_client::UploadTokenServiceClient,
    },
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::AbortHandle,
};
use tonic::{
    Request, Status,
    transport::{Channel, Endpoint},
};

use crate::{
    harness::{LOOK, PATIENCE, assemble, eventually, output, png},
    postgres::Postgres,
    receiver::Receiver,
};

pub(crate) const ACCOUNT: &str = "acme";

/// Pseudo-random numbers: xorshift64* (Vigna, 2016).
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end.max(1)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}

/// A number from the environment.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What the proxy does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answers 503; S3 does not see the request.
    Unavailable,
    /// Closes; S3 does not see the request.
    Close,
    /// Never answers; S3 does not see the request.
    Silent,
    /// S3 answers late.
    Slow(Duration),
    /// S3 does it, and the connection closes without the answer.
    LostAnswer,
    /// S3 does it, and the connection closes after the first bytes of the answer.
    HalfAnswer,
    /// S3 does it, and the answer is 503.
    DoneAnd503,
    /// Answers 200 with an error in the body; S3 does not see the request.
    ErrorIn200,
    /// S3 does it, and the answer waits for [`Proxy::go_on`].
    Hold,
}

/// A PUT that S3 has answered.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    pub(crate) path: String,
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) sha256: String,
}

impl Put {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub(crate) fn key(&self) -> &str {
        self.path.strip_prefix("/photos/").unwrap()
    }
}

#[derive(Default)]
struct Shared {
    /// And how many requests more have it.
    faults: Mutex<HashMap<&'static str, (Fault, usize)>>,
    seen: Mutex<Vec<&'static str>>,
    puts: Mutex<Vec<Put>>,
    held: Notify,
    go_on: Notify,
    /// Most milliseconds before a request goes to S3 and before its answer goes back.
    delay: Mutex<(usize, Option<Random>)>,
}

/// Stands between the resizer and the embedded S3. Every connection answers one request.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Proxy {
    pub(crate) async fn start(s3: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::new(Shared::default()));
        let state = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                tokio::spawn(async move { _ = serve(stream, s3, &state).await });
            }
        });
        Self { address, shared, task: task.abort_handle() }
    }

    /// From now on: what is done with requests of a method. Those of multipart uploads have names of their own: see
    /// [`operation`].
    pub(crate) fn set(&self, method: &'static str, fault: Option<Fault>) {
        let mut faults = self.shared.faults.lock().unwrap();
        match fault {
            Some(fault) => faults.insert(method, (fault, usize::MAX)),
            None => faults.remove(method),
        };
    }

    /// The same of the next request alone.
    pub(crate) fn set_once(&self, method: &'static str, fault: Fault) {
        self.shared.faults.lock().unwrap().insert(method, (fault, 1));
    }

    /// How many requests have come, by method as above. Begins anew.
    pub(crate) fn take_seen(&self) -> HashMap<&'static str, usize> {
        let mut counts = HashMap::new();
        for seen in self.shared.seen.lock().unwrap().drain(..) {
            *counts.entry(seen).or_default() += 1;
        }
        counts
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Delays of random length around every request.
    pub(crate) fn delay(&self, most: usize, random: Random) {
        *self.shared.delay.lock().unwrap() = (most, Some(random));
    }

    pub(crate) fn puts(&self) -> Vec<Put> {
        self.shared.puts.lock().unwrap().clone()
    }

    pub(crate) async fn held(&self) {
        self.shared.held.notified().await;
    }

    pub(crate) fn go_on(&self) {
        self.shared.go_on.notify_one();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const BUSY: &[u8] = b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

const ERROR_IN_200: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 94\r\nconnection: close\r\n\r\n \
    <?xml version=\"1.0\"?>   <Error><Code>InternalError</Code><Message>Try again</Message></Error>";

/// The name of what is asked.
fn operation(method: &str, path: &str) -> &'static str {
    let query = path.split_once('?').map(|(_, query)| query).unwrap_or_default();
    match method {
        "POST" if query == "uploads" => "CREATE",
        "PUT" if query.starts_with("partNumber=") => "PART",
        "POST" if query.starts_with("uploadId=") => "COMPLETE",
        "DELETE" if query.starts_with("uploadId=") => "ABORT",
        "PUT" => "PUT",
        "HEAD" => "HEAD",
        "GET" => "GET",
        _ => "OTHER",
    }
}

async fn serve(mut stream: TcpStream, s3: SocketAddr, state: &Shared) -> std::io::Result<()> {
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
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, path) = (first.next().unwrap(), first.next().unwrap());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let body = end + 4;
    while request.len() < body + length {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let operation = operation(method, path);
    state.seen.lock().unwrap().push(operation);
    let fault = {
        let mut faults = state.faults.lock().unwrap();
        faults.get_mut(operation).filter(|(_, left)| *left > 0).map(|(fault, left)| {
            *left -= 1;
            *fault
        })
    };
    match fault {
        Some(Fault::ErrorIn200) => return stream.write_all(ERROR_IN_200).await,
        Some(Fault::Unavailable) => return stream.write_all(BUSY).await,
        Some(Fault::Close) => return Ok(()),
        Some(Fault::Silent) => std::future::pending().await,
        Some(Fault::Slow(pause)) => tokio::time::sleep(pause).await,
        _ => {}
    }
    let pauses = {
        let mut delay = state.delay.lock().unwrap();
        let most = delay.0;
        delay.1.as_mut().map_or((0, 0), |random| (random.below(most), random.below(most)))
    };
    let pause = |millis: usize| tokio::time::sleep(Duration::from_millis(millis as u64));
    pause(pauses.0).await;

    let mut upstream = TcpStream::connect(s3).await?;
    upstream.write_all(&request[..end]).await?;
    upstream.write_all(b"\r\nConnection: close").await?;
    upstream.write_all(&request[end..]).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    if operation == "PUT" {
        let sha256 = hex::encode(Sha256::digest(&request[body..]));
        let put = Put { path: path.to_owned(), status, headers, sha256 };
        state.puts.lock().unwrap().push(put);
    }
    pause(pauses.1).await;
    match fault {
        Some(Fault::LostAnswer) => Ok(()),
        Some(Fault::HalfAnswer) => stream.write_all(&answer[..20]).await,
        Some(Fault::DoneAnd503) => stream.write_all(BUSY).await,
        Some(Fault::Hold) => {
            state.held.notify_one();
            state.go_on.notified().await;
            stream.write_all(&answer).await
        }
        _ => stream.write_all(&answer).await,
    }
}

/// A service as a process, always with the same configuration and port.
pub(crate) struct Process {
    program: PathBuf,
    arguments: Vec<String>,
    address: SocketAddr,
    child: Option<Child>,
}

impl Process {
    fn start(name: &str, config: &Path, address: SocketAddr) -> Self {
        let deps = std::env::current_exe().unwrap();
        let program = deps.parent().unwrap().parent().unwrap().join(name);
        let arguments = ["--plaintext", "--config", config.to_str().unwrap(), "--listen"];
        let arguments = arguments.map(str::to_owned).into_iter().chain([address.to_string()]).collect();
        let mut process = Self { program, arguments, address, child: None };
        process.restart();
        process
    }

    /// SIGKILL: nothing is finished, nothing flushed.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        let mut command = Command::new(&self.program);
        command.env_clear().args(&self.arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let spawned = command.spawn();
        let child =
            spawned.unwrap_or_else(|error| panic!("{}: {error}: is it built?", self.program.display()));
        self.child = Some(child);
    }

    /// Waits until it listens.
    pub(crate) async fn listening(&self) {
        let looking = async {
            while TcpStream::connect(self.address).await.is_err() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.expect("a process that listens");
    }

    /// Most memory that it has had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let id = self.child.as_ref().unwrap().id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.unwrap_or_default() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// All of it.
pub(crate) struct Site {
    pub(crate) resizer: Process,
    pub(crate) signer: Process,
    pub(crate) http: SocketAddr,
    pub(crate) proxy: Proxy,
    pub(crate) s3: EmbeddedS3,
    /// Takes the callbacks of `direct`.
    pub(crate) receiver: Receiver,
    /// Where tokens are, if not in a file.
    _postgres: Option<Postgres>,
    _dir: TempDir,
}

/// A port that is free now, and below those that systems give to connections: it is still free after a restart.
fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 1000).unwrap() * 10;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if Port::bind(address).is_ok() {
            return address;
        }
    }
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Stored {
        key: String,
        sha256: String,
        replayed: bool,
    },
    /// With its reason.
    Refused(String),
    /// No answer, or none of ours.
    Lost,
}

impl Told {
    pub(crate) fn of(answer: Result<StoreResponse, Status>) -> Self {
        match answer {
            Ok(answer) => {
                let object = answer.object.unwrap();
                Self::Stored { key: object.key, sha256: object.sha256, replayed: answer.replayed }
            }
            Err(status) => reason::of(&status).map_or(Self::Lost, Self::Refused),
        }
    }

    /// Of an answer over HTTP.
    pub(crate) fn http(answer: &[u8]) -> Self {
        let parts = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(told) =
            parts.and_then(|at| serde_json::from_slice::<serde_json::Value>(&answer[at + 4..]).ok())
        else {
            return Self::Lost;
        };
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let result = &told["result"];
        if let (Some(key), Some(sha256)) = (text(&result["id"]), text(&result["image"]["sha256"])) {
            return Self::Stored { key, sha256, replayed: false };
        }
        text(&told["errors"][0]["reason"]).map_or(Self::Lost, Self::Refused)
    }

    pub(crate) fn is(&self, reason: Reason) -> bool {
        *self == Self::Refused(reason.as_str().to_owned())
    }
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::start_on(None).await
    }

    /// With tokens in PostgreSQL, where one is given.
    pub(crate) async fn start_on(postgres: Option<Postgres>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The stack writes keys and configurations, and has the S3 server. Its services are not needed.
        let stack = Stack::start(dir.path(), Settings::default()).await.unwrap();
        let Stack { s3, signer, resizer, .. } = stack;
        let proxy = Proxy::start(s3.address()).await;
        let (signer_at, resizer_at, http) = (free(), free(), free());
        let through = format!("http://{}", proxy.address);
        let write = |name: &str, changes: &[(&str, &str)]| {
            let mut text = fs::read_to_string(dir.path().join(name)).unwrap();
            for (from, to) in changes.iter().chain([&(s3.endpoint().as_str(), through.as_str())]) {
                assert!(text.contains(from), "{from}");
                text = text.replace(from, to);
            }
            let path = dir.path().join(format!("site-{name}"));
            fs::write(&path, text).unwrap();
            path
        };
        let receiver = Receiver::start(200).await;
        let rule = "name = \"direct\"\nkind = \"one-time\"\n";
        let told = format!("{rule}callback = \"{}\"\ncallback_key = \"uploads\"\n", receiver.url());
        let tokens = format!("path = \"{}\"", dir.path().join("upload-tokens.redb").display());
        let instead = match &postgres {
            None => tokens.replace("upload-tokens", "site-tokens"),
            Some(postgres) => {
                let path = dir.path().join("secrets/postgres-url");
                fs::write(&path, postgres.file_url()).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
                format!("store = \"postgres\"\nurl_file = \"{}\"", path.display())
            }
        };
        let signer_toml = write("signer.toml", &[(&tokens, &instead), (rule, &told)]);
        let resizer_toml = write(
            "resizer.toml",
            &[
                (rule, &told),
                (&signer.endpoint(), &format!("http://{signer_at}")),
                ("listen = \"127.0.0.1:0\"", &format!("listen = \"{http}\"")),
            ],
        );
        drop((signer, resizer));
        let signer = Process::start("safelight-signer", &signer_toml, signer_at);
        // The resizer connects at once, and after a failure only some time later.
        signer.listening().await;
        let resizer = Process::start("safelight-resizer", &resizer_toml, resizer_at);
        resizer.listening().await;
        Self { resizer, signer, http, proxy, s3, receiver, _postgres: postgres, _dir: dir }
    }

    pub(crate) fn clients(&self) -> Clients {
        let channel = |address| Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        Clients {
            tokens: UploadTokenServiceClient::new(channel(self.signer.address)),
            resizer: ResizerServiceClient::new(channel(self.resizer.address)),
            http: self.http,
        }
    }

    /// Compares all objects with what was answered. How many there are, and how many of them another decoder refuses.
    pub(crate) async fn audit(&self, accepted: &HashMap<String, String>) -> (usize, usize) {
        let (mut written, mut stricter) = (HashMap::new(), 0);
        for put in self.proxy.puts().iter().filter(|put| put.status == 200) {
            assert!(written.insert(put.path.clone(), put.clone()).is_none(), "stored twice: {put:?}");
            let bytes = self.object(put.key()).await.expect("an object that S3 has acknowledged");
            let sha256 = hex::encode(Sha256::digest(&bytes));
            assert_eq!((put.sha256.as_str(), put.header("x-amz-meta-sha256")), (&*sha256, &*sha256));
            assert_eq!(put.header("content-length"), bytes.len().to_string());
            assert_eq!(accepted.get(put.key()), Some(&sha256), "not what was accepted: {put:?}");
            let format = image::guess_format(&bytes).expect("a picture");
            assert_eq!(put.header("content-type"), format.to_mime_type(), "{put:?}");
            if let Err(error) = image::load_from_memory(&bytes) {
                // Another decoder is stricter: it must be a picture to the resizer, to its last pixel.
                let open = ResizeOpen { outputs: vec![output("", png())], ..Default::default() };
                let messages: Vec<_> = framing::resize(open, bytes).collect();
                let answer = self.clients().resizer.resize(stream::iter(messages)).await;
                let answer = answer.unwrap().into_inner();
                let made = assemble(answer.map(|response| Ok(response?.frame.unwrap()))).await;
                made.unwrap_or_else(|status| panic!("{put:?}: {error}; {status:?}"));
                stricter += 1;
            }
        }
        assert_eq!(written.len(), accepted.len());
        let objects = self.s3.objects(safelight_local::stack::BUCKET).await.unwrap();
        assert_eq!(objects, written.len());
        (objects, stricter)
    }

    pub(crate) async fn object(&self, key: &str) -> Option<Bytes> {
        self.s3.get(safelight_local::stack::BUCKET, key).await.unwrap()
    }
}

/// Clients of both services, which connect again after a restart.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) tokens: UploadTokenServiceClient<Channel>,
    pub(crate) resizer: ResizerServiceClient<Channel>,
    pub(crate) http: SocketAddr,
}

/// A token and the key that its object will have.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) token: String,
    pub(crate) key: String,
}

impl Clients {
    pub(crate) async fn token(&mut self) -> Token {
        let request = CreateUploadTokenRequest { account: ACCOUNT.into(), ..Default::default() };
        let made = self.tokens.create_upload_token(request).await.unwrap().into_inner();
        Token { token: made.token, key: made.image_id }
    }

    pub(crate) async fn upload(&mut self, token: &str) -> signer::UploadToken {
        let selector = Some(Selector::Token(token.into()));
        let request = GetUploadTokenRequest { account: ACCOUNT.into(), selector };
        self.tokens.get_upload_token(request).await.unwrap().into_inner().upload_token.unwrap()
    }

    pub(crate) async fn state(&mut self, token: &str) -> UploadTokenState {
        self.upload(token).await.state()
    }

    /// gRPC.
    pub(crate) async fn store(&mut self, messages: Vec<StoreRequest>, patience: Duration) -> Told {
        let mut request = Request::new(stream::iter(messages));
        request.set_timeout(patience);
        let answer = tokio::time::timeout(patience * 2, self.resizer.store(request)).await;
        answer.map_or(Told::Lost, |answer| Told::of(answer.map(tonic::Response::into_inner)))
    }

    /// HTTP, to the byte.
    pub(crate) async fn exchange(&self, request: &[u8], patience: Duration) -> Told {
        let exchange = async {
            let mut stream = TcpStream::connect(self.http).await.ok()?;
            _ = stream.write_all(request).await;
            let mut answer = Vec::new();
            _ = stream.read_to_end(&mut answer).await;
            Some(answer)
        };
        let answer = tokio::time::timeout(patience, exchange).await.ok().flatten();
        answer.map_or(Told::Lost, |answer| Told::http(&answer))
    }

    /// A PUT with an `Idempotency-Key`.
    pub(crate) async fn put(&self, token: &str, id: &str, bytes: &[u8], patience: Duration) -> Told {
        let mut request = format!(
            "PUT /upload/{ACCOUNT}/{token} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIdempotency-Key: {id}\r\n\
             Content-Length: {}\r\n\r\n",
            bytes.len()
        )
        .into_bytes();
        request.extend_from_slice(bytes);
        self.exchange(&request, patience).await
    }
}

pub(crate) fn open(token: &str, request_id: &str) -> StoreOpen {
    let token = UploadToken { account: ACCOUNT.into(), token: token.into() };
    StoreOpen {
        upload: "direct".into(),
        authority: Some(Authority::Token(token)),
        request_id: request_id.into(),
        ..Default::default()
    }
}

pub(crate) fn messages(open: StoreOpen, bytes: &[u8]) -> Vec<StoreRequest> {
    let finish = UploadFinish { length: bytes.len() as u64, crc32c: Some(crc32c::crc32c(bytes)) };
    messages_with(open, bytes, finish)
}

pub(crate) fn messages_with(open: StoreOpen, bytes: &[u8], finish: UploadFinish) -> Vec<StoreRequest> {
    let message = |message| StoreRequest { message: Some(message) };
    let chunks = bytes.chunks(CHUNK_SIZE).map(|chunk| Message::Chunk(Bytes::copy_from_slice(chunk)));
    [Message::Open(open)].into_iter().chain(chunks).chain([Message::Finish(finish)]).map(message).collect()
}

/// Stores with what should succeed once nothing is broken any more.
pub(crate) async fn store_at_last(clients: &mut Clients, token: &str, id: &str, bytes: &[u8]) -> Told {
    eventually("an upload that is stored", async || {
        let told = clients.clone().store(messages(open(token, id), bytes), PATIENCE).await;
        matches!(told, Told::Stored { .. }).then_some(told)
    })
    .await
}
