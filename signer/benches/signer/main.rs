//! `cargo bench-signer [--json] [WORDS…]`: what signing and verifying cost beside a call that does nothing, through the
//! same layers of the same server, in one run. With words, only cases that hold each of them.
//!
//! The server has one worker thread, the clients another: on two cores they do not take from each other. Rounds of both are
//! interleaved; figures are medians.
#![expect(clippy::print_stdout, reason = "a command")]
#![expect(clippy::expect_used, reason = "a command for developers, not a library")]
#![expect(unreachable_pub, reason = "modules of one program")]

mod empty;
mod load;
mod micro;
mod server;

use std::{alloc::System, time::Duration};

use load::{Call, Clients};
use safelight_proto::signer::v1 as pb;
use zeroizing_alloc::ZeroAlloc;

/// As the process has it.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// How long one round of one case takes: short, for the machine may change its speed every few seconds.
const ROUND: Duration = Duration::from_millis(100);
/// Rounds of each side.
const ROUNDS: usize = 45;
/// URLs of a batch.
const BATCH: usize = 256;
/// Connections that are opened to see what one takes of memory.
const IDLE: usize = 200;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let json = args.iter().any(|arg| arg == "--json");
    let words: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let wanted = |case: &str| words.iter().all(|word| case.contains(word.as_str()));

    let server = server::Running::start();
    let clients = Clients::connect(server.addr);
    let empty = [Call::new(empty::PATH, &())];
    if !json {
        println!("{:<28} {:>12} {:>12} {:>7}", "calls", "ours", "empty unary", "ratio");
    }
    for (case, call, each) in calls(&clients) {
        if !wanted(case) {
            continue;
        }
        let (mut ours, mut theirs) = (Rounds::default(), Rounds::default());
        clients.run(&call, ROUND);
        for round in 0..ROUNDS {
            if round % 2 == 0 {
                ours.add(&clients, &server, &call);
                theirs.add(&clients, &server, &empty);
            } else {
                theirs.add(&clients, &server, &empty);
                ours.add(&clients, &server, &call);
            }
        }
        let (rate, their_rate) = (median(ours.rates), median(theirs.rates));
        let (cpu, their_cpu) = (median(ours.cpu), median(theirs.cpu));
        let mut waits = ours.waits;
        waits.sort_unstable();
        let at = |permille: usize| waits[waits.len() * permille / 1000].as_secs_f64() * 1e3;
        if json {
            let line = serde_json::json!({
                "case": case, "unit": "calls/s", "ours": rate.round(), "peer": "empty unary",
                "theirs": their_rate.round(), "ratio": (rate / their_rate * 1e4).round() / 1e4,
                "signatures_per_second": (rate * each).round(),
                "p50_ms": at(500), "p99_ms": at(990),
                "cpu_us": (cpu * 1e2).round() / 1e2, "cpu_us_theirs": (their_cpu * 1e2).round() / 1e2,
            });
            println!("{line}");
        } else {
            println!("{case:<28} {rate:>12.0} {their_rate:>12.0} {:>7.3}", rate / their_rate);
            println!(
                "  {:.0} signatures/s on the server's one core; {} calls in flight: p50 {:.2} ms, p99 {:.2} ms",
                rate * each,
                load::IN_FLIGHT,
                at(500),
                at(990)
            );
            println!(
                "  the server's CPU time of a call: {cpu:.2} µs, of an empty one {their_cpu:.2} µs: {:.3}",
                their_cpu / cpu
            );
        }
    }
    if wanted("memory") {
        let bytes = load::memory_of_idle(server.addr, IDLE);
        if json {
            println!(
                "{}",
                serde_json::json!({ "case": "memory of an idle connection", "unit": "KiB", "ours": bytes / 1024 })
            );
        } else {
            println!("memory of an idle connection, the client's socket included: {} KiB", bytes / 1024);
        }
    }
    micro::run(json, wanted);
}

/// What the rounds of one call gave.
#[derive(Default)]
struct Rounds {
    /// Calls a second.
    rates: Vec<f64>,
    /// The server's CPU time of a call, in microseconds: what other programs on the machine disturb least.
    cpu: Vec<f64>,
    /// How long each call took.
    waits: Vec<Duration>,
}

impl Rounds {
    fn add(&mut self, clients: &Clients, server: &server::Running, call: &[Call]) {
        let before = server.cpu_time();
        let round = clients.run(call, ROUND);
        let spent = server.cpu_time().saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "a count below 2^52")]
        self.cpu.push(spent.as_secs_f64() * 1e6 / round.waits.len() as f64);
        self.rates.push(round.rate);
        self.waits.extend(round.waits);
    }
}

/// The cases: name, calls that follow each other, signatures in each.
fn calls(clients: &Clients) -> Vec<(&'static str, Vec<Call>, f64)> {
    let url = "https://img.example.com/cheeW4oKsx5ljh8e8BoL2A/bc27a117-9509-446b-8c69-c81bfeac0a01/mobile";
    let sign = pb::SignUrlRequest { key: "web".to_owned(), url: url.to_owned(), ..Default::default() };
    let sign = Call::new("/safelight.signer.v1.SignerService/SignUrl", &sign);
    let signed: pb::SignUrlResponse = clients.ask(&sign);
    let target = signed.signed_url.trim_start_matches("https://img.example.com").to_owned();
    let verify = pb::VerifyUrlRequest { key: "web".to_owned(), request_target: target, ..Default::default() };
    let verify = Call::new("/safelight.signer.v1.VerifierService/VerifyUrl", &verify);
    let answer: pb::VerifyUrlResponse = clients.ask(&verify);
    assert_eq!(answer.verdict(), pb::Verdict::Valid, "what is measured works");
    let item = |n| pb::BatchSignUrlsItem { url: format!("{url}?n={n}"), expiry: None };
    let batch = pb::BatchSignUrlsRequest {
        key: "web".to_owned(),
        items: (0..BATCH).map(item).collect(),
        ..Default::default()
    };
    let batch = Call::new("/safelight.signer.v1.SignerService/BatchSignUrls", &batch);
    let answer: pb::BatchSignUrlsResponse = clients.ask(&batch);
    let good = |result: &pb::BatchSignUrlsResult| {
        matches!(result.result, Some(pb::batch_sign_urls_result::Result::Signed(_)))
    };
    assert!(answer.results.len() == BATCH && answer.results.iter().all(good), "what is measured works");
    #[expect(clippy::cast_precision_loss, reason = "256")]
    let each = BATCH as f64;
    let (delivery, two) = deliveries(clients, verify.clone());
    vec![
        ("SignUrl", vec![sign], 1.0),
        ("VerifyUrl", vec![verify], 1.0),
        ("BatchSignUrls", vec![batch], each),
        ("AuthorizeDelivery", vec![delivery], 2.0),
        ("VerifyUrl+SignOriginRequest", two, 2.0),
    ]
}

/// A delivery in one call, and in the two that this replaces: the same URL, the same object.
fn deliveries(clients: &Clients, verify: Call) -> (Call, Vec<Call>) {
    let list = Call::new(
        "/safelight.signer.v1.VerifierService/ListDeliveries",
        &pb::ListDeliveriesRequest::default(),
    );
    let listed: pb::ListDeliveriesResponse = clients.ask(&list);
    let url = "https://img.example.com/cheeW4oKsx5ljh8e8BoL2A/bc27a117-9509-446b-8c69-c81bfeac0a01/mobile";
    let sign = pb::SignUrlRequest { key: "web".to_owned(), url: url.to_owned(), ..Default::default() };
    let sign = Call::new("/safelight.signer.v1.SignerService/SignUrl", &sign);
    let signed: pb::SignUrlResponse = clients.ask(&sign);
    let authorize = pb::AuthorizeDeliveryRequest {
        delivery_digest: listed.deliveries[0].digest.clone(),
        request_target: signed.signed_url.trim_start_matches("https://img.example.com").to_owned(),
        ..Default::default()
    };
    let authorize = Call::new("/safelight.signer.v1.VerifierService/AuthorizeDelivery", &authorize);
    let answer: pb::AuthorizeDeliveryResponse = clients.ask(&authorize);
    assert!(answer.verdict() == pb::Verdict::Valid && answer.headers.len() == 3, "what is measured works");
    let origin = pb::SignOriginRequestRequest {
        key: "s3".to_owned(),
        method: "GET".to_owned(),
        url: answer.url,
        region: "eu-west-1".to_owned(),
        ..Default::default()
    };
    let origin = Call::new("/safelight.signer.v1.SignerService/SignOriginRequest", &origin);
    let answer: pb::SignOriginRequestResponse = clients.ask(&origin);
    assert_eq!(answer.headers.len(), 3, "what is measured works");
    (authorize, vec![verify, origin])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
