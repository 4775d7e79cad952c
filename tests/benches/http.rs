//! `cargo bench-http [--json] [WORDS…]`: GET over HTTP beside `Deliver` over gRPC, of the same URLs, in one run. With words,
//! only cases that hold each of them.
//!
//! Origin, signer and resizer run in this process; the client has a thread of its own, whose CPU time is taken off. One
//! request at a time; rounds of the two doors are interleaved; figures are medians.
#![expect(clippy::print_stdout, reason = "a command")]
#![expect(clippy::expect_used, reason = "a command for developers, not a library")]

use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use rustix::time::{ClockId, clock_gettime};
use safelight_local::{Settings, Stack, picture, stack::BUCKET};
use safelight_proto::{
    resizer::v1::{DeliverRequest, resizer_service_client::ResizerServiceClient},
    signer::v1::{SignUrlRequest, sign_url_request::Expiry},
};
use tokio::net::TcpStream;
use tonic::transport::Channel;

/// Rounds of each door.
const ROUNDS: usize = 21;
/// How long one round is to take, about.
const ROUND: Duration = Duration::from_millis(200);

/// What one round of one door gave.
struct Round {
    /// CPU time of everything but the client, for one request.
    cpu: Duration,
    /// From the request to the last byte, each.
    latencies: Vec<Duration>,
    /// Bytes of one body.
    bytes: usize,
}

/// A client of both doors.
struct Client {
    http: hyper::client::conn::http1::SendRequest<String>,
    grpc: ResizerServiceClient<Channel>,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let json = args.iter().any(|arg| arg == "--json");
    let words: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();

    let server = tokio::runtime::Runtime::new().expect("threads");
    let dir = tempfile::tempdir().expect("a folder");
    let stack = server.block_on(async {
        let stack = Stack::start(dir.path(), Settings::default()).await.expect("a stack");
        stack.s3.put(BUCKET, "a.jpg", picture::demo_jpeg().expect("a picture")).await.expect("an object");
        stack
    });
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a thread");
    client.block_on(async {
        let mut client = connect(&stack).await;
        let (public, signed) = ("/acct/a.jpg/thumbnail".to_owned(), sign(&stack, "/acct/a.jpg/card").await);
        if !json {
            println!("{:<30} {:>12} {:>12} {:>7}", "", "GET", "Deliver", "ratio");
        }
        for (case, url, if_none_match) in [
            ("public thumbnail", &public, ""),
            ("public thumbnail, unchanged", &public, "*"),
            ("signed 800 wide", &signed, ""),
            ("signed 800 wide, unchanged", &signed, "*"),
        ] {
            if words.iter().all(|word| case.contains(word.as_str())) {
                compare(&mut client, case, url, if_none_match, json).await;
            }
        }
    });
}

async fn connect(stack: &Stack) -> Client {
    let address = stack.resizer.http().expect("an HTTP port");
    let tcp = TcpStream::connect(address).await.expect("a connection");
    tcp.set_nodelay(true).expect("an option of a socket");
    let (http, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await.expect("HTTP");
    tokio::spawn(connection);
    Client { http, grpc: stack.resizer_client().await.expect("gRPC") }
}

async fn sign(stack: &Stack, path: &str) -> String {
    const HOST: &str = "https://img.example.com";
    let request = SignUrlRequest {
        key: "web".to_owned(),
        url: format!("{HOST}{path}"),
        expiry: Some(Expiry::Ttl(prost_types::Duration { seconds: 3600, nanos: 0 })),
        ..SignUrlRequest::default()
    };
    let mut signer = stack.signer_client().await.expect("a signer");
    let signed = signer.sign_url(request).await.expect("a signature").into_inner();
    signed.signed_url.strip_prefix(HOST).expect("the same host").to_owned()
}

async fn compare(client: &mut Client, case: &str, url: &str, if_none_match: &str, json: bool) {
    let began = Instant::now();
    get(client, url, if_none_match).await;
    deliver(client, url, if_none_match).await;
    let count = (ROUND.as_nanos() / began.elapsed().div_f64(2.0).as_nanos().max(1)).clamp(3, 200);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(round(count, async || get(client, url, if_none_match).await).await);
        theirs.push(round(count, async || deliver(client, url, if_none_match).await).await);
    }
    let cpu = |rounds: &[Round]| median(rounds.iter().map(|round| round.cpu).collect());
    let latency =
        |rounds: &[Round]| median(rounds.iter().flat_map(|round| round.latencies.iter().copied()).collect());
    let bytes = ours.first().map_or(0, |round| round.bytes);
    for (what, get, deliver) in
        [("cpu", cpu(&ours), cpu(&theirs)), ("latency", latency(&ours), latency(&theirs))]
    {
        let [get, deliver] = [get, deliver].map(|time| time.as_secs_f64() * 1e6);
        if json {
            let rounded = |value: f64| (value * 10.0).round() / 10.0;
            let line = serde_json::json!({
                "case": format!("{case}: {what}"), "unit": "us/request", "ours": rounded(get),
                "peer": "Deliver over gRPC", "theirs": rounded(deliver),
                "ratio": (get / deliver * 1e4).round() / 1e4, "bytes": bytes,
            });
            println!("{line}");
        } else {
            println!(
                "{:<30} {get:>9.0} µs {deliver:>9.0} µs {:>7.3}",
                format!("{case}: {what}"),
                get / deliver
            );
        }
    }
}

/// So many requests, one after the other.
async fn round(count: u128, mut ask: impl AsyncFnMut() -> usize) -> Round {
    let mut latencies = Vec::new();
    let mut bytes = 0;
    let cpu = others_cpu();
    for _ in 0..count {
        let began = Instant::now();
        bytes = ask().await;
        latencies.push(began.elapsed());
    }
    let cpu = others_cpu().saturating_sub(cpu);
    Round { cpu: cpu / u32::try_from(latencies.len()).expect("few requests"), latencies, bytes }
}

/// CPU time of all threads but this one.
fn others_cpu() -> Duration {
    let clock = |id| Duration::try_from(clock_gettime(id)).expect("a time that is not negative");
    clock(ClockId::ProcessCPUTime).saturating_sub(clock(ClockId::ThreadCPUTime))
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

async fn get(client: &mut Client, url: &str, if_none_match: &str) -> usize {
    use hyper::body::Body as _;
    let mut request = http::Request::get(url).header("host", "img.example.com");
    if !if_none_match.is_empty() {
        request = request.header("if-none-match", if_none_match);
    }
    client.http.ready().await.expect("a connection");
    let response = client.http.send_request(request.body(String::new()).expect("a request")).await;
    let response = response.expect("an answer");
    assert_eq!(response.status(), if if_none_match.is_empty() { 200 } else { 304 });
    let (mut body, mut length) = (std::pin::pin!(response.into_body()), 0);
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        length += frame.expect("a whole body").data_ref().map_or(0, bytes::Bytes::len);
    }
    length
}

async fn deliver(client: &mut Client, url: &str, if_none_match: &str) -> usize {
    let request = DeliverRequest {
        url: url.to_owned(),
        if_none_match: if_none_match.to_owned(),
        ..DeliverRequest::default()
    };
    let mut messages = client.grpc.deliver(request).await.expect("an answer").into_inner();
    let mut count = 0;
    while messages.message().await.expect("a whole answer").is_some() {
        count += 1;
    }
    count
}
