//! `cargo bench-results [--json]`: GET of a stored result beside one that has to be made, in one run.
//!
//! Origin, result store, signer and resizer run in this process; the client has a thread of its own, whose CPU time is taken
//! off. One request at a time; rounds are interleaved; figures are medians. The picture is the 12-megapixel JPEG of `cargo local`,
//! made 700 to 899 pixels wide: each width is asked for once as a miss.
#![expect(clippy::print_stdout, reason = "a command")]
#![expect(clippy::expect_used, reason = "a command for developers, not a library")]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use hyper_util::rt::TokioIo;
use rustix::time::{ClockId, clock_gettime};
use safelight_local::{Settings, Stack, picture, stack::BUCKET};
use safelight_proto::signer::v1::{SignUrlRequest, sign_url_request::Expiry};
use tokio::net::TcpStream;

/// Rounds of each case.
const ROUNDS: usize = 15;
/// Requests of one round that makes pictures.
const MADE: usize = 2;
/// Requests of one round that finds them.
const FOUND: usize = 20;
/// How long a result takes to be written at the most, once its answer is there.
const WRITTEN: Duration = Duration::from_millis(50);

/// One way of answering, and what it cost.
struct Case {
    name: &'static str,
    client: hyper::client::conn::http1::SendRequest<String>,
    /// What `Cache-Status` must begin with.
    status: &'static str,
    /// URLs that are left, each to be asked for once; empty: `same` again and again.
    cold: Vec<String>,
    same: String,
    cpu: Vec<Duration>,
    latencies: Vec<Duration>,
}

fn main() {
    let json = std::env::args().any(|arg| arg == "--json");
    let server = tokio::runtime::Runtime::new().expect("threads");
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a folder"));
    let [with, asking, without] = dirs.each_ref().map(tempfile::TempDir::path);
    let stacks = server.block_on(async {
        let results = "[results]\norigin = 'photos'\n";
        [
            start(with, results).await,
            // What is known of the original is never trusted.
            start(asking, &format!("{results}ttl = '1ms'\n")).await,
            start(without, "").await,
        ]
    });
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a thread");
    client.block_on(async {
        let [with, asking, without] = &stacks;
        let mut cases = vec![
            case("miss", with, "safelight; fwd=miss; stored", true).await,
            case("hit", with, "safelight; hit", false).await,
            case("hit, the original asked again", asking, "safelight; hit", false).await,
            case("without [results]", without, "safelight; fwd=bypass", true).await,
        ];
        for case in &mut cases {
            if case.cold.is_empty() {
                get(&mut case.client, &case.same, "").await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        for _ in 0..ROUNDS {
            for case in &mut cases {
                round(case).await;
            }
        }
        print(&cases, json);
    });
}

async fn start(dir: &Path, results: &str) -> Stack {
    let signer_toml = "[[grants]]\ncaller = 'resizer'\nmethods = ['SignOriginRequest']\nkeys = ['s3-photos']\n\
        url_prefixes = ['{s3}/photos/results/']\nhttp_methods = ['GET', 'PUT']\n";
    let settings =
        Settings { signer_toml: signer_toml.into(), resizer_toml: results.into(), ..Settings::default() };
    let stack = Stack::start(dir, settings).await.expect("a stack");
    stack.s3.put(BUCKET, "a.jpg", picture::demo_jpeg().expect("a picture")).await.expect("an object");
    stack
}

async fn case(name: &'static str, stack: &Stack, status: &'static str, is_cold: bool) -> Case {
    let tcp = TcpStream::connect(stack.resizer.http().expect("an HTTP port")).await.expect("a connection");
    tcp.set_nodelay(true).expect("an option of a socket");
    let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp)).await.expect("HTTP");
    tokio::spawn(connection);
    let mut cold = Vec::new();
    for width in (700..900).take(if is_cold { ROUNDS * MADE } else { 0 }) {
        cold.push(sign(stack, width).await);
    }
    let same = sign(stack, 950).await;
    Case { name, client, status, cold, same, cpu: Vec::new(), latencies: Vec::new() }
}

async fn sign(stack: &Stack, width: u32) -> String {
    const HOST: &str = "https://img.example.com";
    let request = SignUrlRequest {
        key: "web".to_owned(),
        url: format!("{HOST}/acct/a.jpg/width={width},format=jpeg"),
        expiry: Some(Expiry::Ttl(prost_types::Duration { seconds: 3600, nanos: 0 })),
        ..SignUrlRequest::default()
    };
    let mut signer = stack.signer_client().await.expect("a signer");
    let signed = signer.sign_url(request).await.expect("a signature").into_inner();
    signed.signed_url.strip_prefix(HOST).expect("the same host").to_owned()
}

async fn round(case: &mut Case) {
    let is_cold = !case.cold.is_empty();
    let urls =
        if is_cold { case.cold.split_off(case.cold.len() - MADE) } else { vec![case.same.clone(); FOUND] };
    let count = u32::try_from(urls.len()).expect("few requests");
    let cpu = others_cpu();
    for url in urls {
        let began = Instant::now();
        get(&mut case.client, &url, case.status).await;
        case.latencies.push(began.elapsed());
    }
    if is_cold {
        tokio::time::sleep(WRITTEN).await;
    }
    case.cpu.push(others_cpu().saturating_sub(cpu) / count);
}

fn print(cases: &[Case], json: bool) {
    let figures = |case: &Case| {
        [case.cpu.clone(), case.latencies.clone()].map(|times| median(times).as_secs_f64() * 1e6)
    };
    let Some(miss) = cases.first() else { return };
    let base = figures(miss);
    for case in cases {
        for ((what, time), miss) in ["cpu", "latency"].into_iter().zip(figures(case)).zip(base) {
            let ratio = time / miss;
            if json {
                let line = serde_json::json!({
                    "case": format!("{}: {what}", case.name), "unit": "us/request",
                    "ours": (time * 10.0).round() / 10.0, "peer": "miss", "theirs": (miss * 10.0).round() / 10.0,
                    "ratio": (ratio * 1e4).round() / 1e4,
                });
                println!("{line}");
            } else {
                println!("{:<42} {time:>9.0} µs  {ratio:>7.3} of a miss", format!("{}: {what}", case.name));
            }
        }
    }
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

async fn get(client: &mut hyper::client::conn::http1::SendRequest<String>, url: &str, status: &str) {
    use hyper::body::Body as _;
    let request = http::Request::get(url).header("host", "img.example.com");
    client.ready().await.expect("a connection");
    let response = client.send_request(request.body(String::new()).expect("a request")).await;
    let response = response.expect("an answer");
    assert_eq!(response.status(), 200);
    let found = response.headers().get("cache-status").and_then(|value| value.to_str().ok());
    assert!(found.is_some_and(|found| found.starts_with(status)), "{found:?}");
    let mut body = std::pin::pin!(response.into_body());
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        frame.expect("a whole body");
    }
}
