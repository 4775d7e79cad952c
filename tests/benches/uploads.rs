//! `cargo bench-uploads [--json] [--picture FILE] [WORDS…]`: what an upload costs, beside a backend in Node that does the same. With
//! words, only cases that hold each of them. The picture is drawn here unless a file is given.
//!
//! Signer, resizer and the backend are child processes, and their CPU time is that of `/proc`; clients and the S3 server that
//! both write to are in this process, and not counted. Rounds are interleaved; waits are medians, CPU time is that of all rounds.
//! The wait is from the last byte of a form to the first one of its answer: the last bytes are sent after a pause, so that what can
//! be done before they come has been done, as on a slow uplink.
//!
//! The backend ([`uploads_peer.js`]) needs the packages sharp, express, busboy and @aws-sdk/client-s3 in the `node_modules` folder
//! that `SAFELIGHT_SHARP` names, else in that of `~/.cache/safelight-bench`.
//!
//! # Layout
//! - `site`: both services and the S3 server
//! - `peer`: the backend
//! - `clients`: a browser's form, and `Store`
//! - `pictures`: what is uploaded
//!
//! [`uploads_peer.js`]: ../uploads_peer.js
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]
#![expect(clippy::expect_used, reason = "a command for developers, not a library")]

#[path = "uploads/clients.rs"]
mod clients;
#[path = "uploads/peer.rs"]
mod peer;
#[path = "uploads/pictures.rs"]
mod pictures;
#[path = "uploads/site.rs"]
mod site;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use safelight_local::stack::BUCKET;

use clients::{Answer, Pace, form, get, post, store};
use peer::Peer;
use pictures::Pictures;
use site::{ACCOUNT, Site, VARIANTS};

/// Rounds of each side.
const ROUNDS: usize = 8;
/// How long the last bytes of a form are kept back.
const PAUSE: Pace = Pace::LastLater(Duration::from_millis(60));
/// Clients that upload at once where throughput is measured.
const CLIENTS: usize = 8;
/// How long they do so in one round.
const BURST: Duration = Duration::from_secs(2);
/// Rounds of that.
const BURSTS: usize = 5;
/// Uploads at once where memory is measured.
const MANY: usize = 256;
/// How long each of those takes to be sent.
const SLOWLY: Pace = Pace::Over(Duration::from_secs(20));
/// `[limits]` that let [`MANY`] files of 4 MB be in progress: uploads over HTTP have half of the places and an eighth of the memory.
const RAISED: &str = "max_requests = 512\nmemory_budget = '10GiB'";
const MIB: f64 = 1024.0 * 1024.0;

/// Who stores.
#[derive(Clone, Copy)]
enum Side<'a> {
    /// The services, by the rule at this path.
    Ours(&'a Site, &'static str),
    /// The backend, with this `check`.
    Theirs(&'a Peer, &'static str),
}

impl Side<'_> {
    async fn token(self) -> String {
        match self {
            Self::Ours(site, _) => site.token().await,
            Self::Theirs(peer, _) => {
                let answer = post(peer.address, "/token", &[], Pace::AtOnce).await.expect("an answer");
                answer.json()["token"].as_str().expect("a token").to_owned()
            }
        }
    }

    /// Posts a form; `None` where no answer came.
    async fn post(self, token: &str, form: &[u8], pace: Pace) -> Option<Answer> {
        match self {
            Self::Ours(site, path) => {
                post(site.http, &format!("/{path}/{ACCOUNT}/{token}"), form, pace).await
            }
            Self::Theirs(peer, check) => {
                post(peer.address, &format!("/upload/{token}?check={check}"), form, pace).await
            }
        }
    }

    /// Gets a token and stores a file by it.
    async fn upload(self, form: &[u8], pace: Pace) -> Answer {
        let token = self.token().await;
        let answer = self.post(&token, form, pace).await.expect("an answer");
        assert_eq!(answer.status, 200, "{} {}", answer.head, answer.json());
        answer
    }

    fn cpu(self) -> Duration {
        match self {
            Self::Ours(site, _) => site.cpu(),
            Self::Theirs(peer, _) => peer.process.cpu(),
        }
    }

    /// Stores a file, and says how many bytes its variants have. Panics unless exactly those objects are stored.
    async fn variants(self, site: &Site, form: &[u8]) -> Vec<usize> {
        let before = site.s3.objects(BUCKET).await.expect("a bucket");
        let told = self.upload(form, PAUSE).await.json();
        let lengths = match self {
            Self::Ours(site, "eager") => {
                let key = told["result"]["id"].as_str().expect("an id");
                let mut lengths = Vec::new();
                for variant in VARIANTS {
                    let answer = get(site.http, &format!("/{ACCOUNT}/{key}/{variant}")).await;
                    let answer = answer.expect("an answer");
                    let is_hit = answer.head.contains("cache-status: safelight; hit");
                    assert!(answer.status == 200 && is_hit, "{variant}: {}", answer.head);
                    lengths.push(answer.body.len());
                }
                lengths
            }
            Self::Ours(..) => Vec::new(),
            Self::Theirs(..) => {
                let lengths = told["bytes"].as_array().expect("lengths").iter();
                lengths.filter_map(|length| usize::try_from(length.as_u64()?).ok()).collect()
            }
        };
        let stored = site.s3.objects(BUCKET).await.expect("a bucket") - before;
        assert_eq!(stored, 1 + lengths.len(), "objects of one upload");
        lengths
    }
}

/// What rounds of one side gave.
#[derive(Default)]
struct Cost {
    waits: Vec<Duration>,
    cpu: Duration,
    uploads: usize,
}

impl Cost {
    /// Uploads one after the other.
    async fn round(&mut self, side: Side<'_>, form: &[u8], count: usize) {
        let cpu = side.cpu();
        for _ in 0..count {
            self.waits.push(side.upload(form, PAUSE).await.wait);
        }
        self.cpu += side.cpu() - cpu;
        self.uploads += count;
    }

    /// Uploads of several clients at once, each for a while.
    async fn burst(&mut self, side: Side<'_>, upload: impl AsyncFn()) {
        let (cpu, until) = (side.cpu(), Instant::now() + BURST);
        let client = async || {
            let mut count = 0;
            while Instant::now() < until {
                upload().await;
                count += 1;
            }
            count
        };
        self.uploads += join_all((0..CLIENTS).map(|_| client())).await.into_iter().sum::<usize>();
        self.cpu += side.cpu() - cpu;
    }

    /// Milliseconds.
    fn wait(&self) -> f64 {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        waits.get(waits.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e3
    }

    /// Milliseconds of one upload.
    fn cpu(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / f64::from(u32::try_from(self.uploads).expect("few uploads"))
    }
}

/// What is printed.
struct Report {
    json: bool,
}

impl Report {
    fn line(&self, case: &str, unit: &str, ours: f64, theirs: Option<(&str, f64)>, more: &serde_json::Value) {
        if self.json {
            let rounded = |value: f64| (value * 100.0).round() / 100.0;
            let mut line = serde_json::json!({ "case": case, "unit": unit, "ours": rounded(ours) });
            if let Some((peer, theirs)) = theirs {
                line["peer"] = peer.into();
                line["theirs"] = rounded(theirs).into();
                line["ratio"] = ((ours / theirs * 1e4).round() / 1e4).into();
            }
            for (name, value) in more.as_object().into_iter().flatten() {
                line[name] = value.clone();
            }
            println!("{line}");
            return;
        }
        let theirs =
            theirs.map(|(peer, theirs)| format!(", {theirs:.1} by {peer}: ratio {:.3}", ours / theirs));
        let more = if more.is_null() { String::new() } else { format!("  {more}") };
        println!("{case:<60} {ours:>8.1} {unit}{}{more}", theirs.unwrap_or_default());
    }
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let (mut json, mut file, mut words) = (false, None, Vec::new());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--json" => json = true,
            "--picture" => file = Some(PathBuf::from(args.next().expect("--picture FILE"))),
            _ => words.push(arg),
        }
    }
    let wanted = |case: &str| words.iter().all(|word| case.contains(word.as_str()));
    let pictures = Pictures::new(file.as_deref());
    let dir = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let mut site = Site::start(dir.path()).await;
        let peer = Peer::start(&site);
        let report = Report { json };
        let sizes = [("12 MP", &pictures.large), ("2 MP", &pictures.medium), ("small", &pictures.small)];
        for ((name, file), count) in sizes.into_iter().zip([4, 8, 24]) {
            let name = format!("{name} JPEG of {} kB", file.len() / 1000);
            for (what, path, check) in [
                ("3 eager variants stored", "eager", "variants"),
                ("stored", "upload", "decode"),
                ("stored", "upload", "header"),
            ] {
                let case = format!("{name}, {what}");
                if wanted(&format!("{case} {check}")) {
                    compare(&report, &case, (&site, path), (peer.as_ref(), check), file, count).await;
                }
            }
        }
        for check in ["decode", "header"] {
            let case = format!("small JPEG, {CLIENTS} clients");
            if wanted(&format!("{case} {check}")) {
                throughput(&report, &case, &site, (peer.as_ref(), check), &pictures.small).await;
            }
        }
        drop(peer);
        let case = "memory of the resizer";
        if wanted(case) {
            memory(&report, case, &mut site, &pictures.large).await;
        }
    });
}

/// Waits and CPU time of uploads, one at a time.
async fn compare(
    report: &Report,
    case: &str,
    (site, path): (&Site, &'static str),
    (peer, check): (Option<&Peer>, &'static str),
    file: &[u8],
    count: usize,
) {
    let form = form(file);
    let sides = [Some(Side::Ours(site, path)), peer.map(|peer| Side::Theirs(peer, check))];
    let (mut costs, mut bytes) = ([Cost::default(), Cost::default()], [Vec::new(), Vec::new()]);
    for (side, bytes) in sides.into_iter().zip(&mut bytes) {
        if let Some(side) = side {
            *bytes = side.variants(site, &form).await;
            Cost::default().round(side, &form, 2).await;
        }
    }
    for _ in 0..ROUNDS {
        for (side, cost) in sides.into_iter().zip(&mut costs) {
            if let Some(side) = side {
                cost.round(side, &form, count).await;
            }
        }
    }
    let ([ours, theirs], [our_bytes, their_bytes]) = (costs, bytes);
    let more = if our_bytes.is_empty() {
        serde_json::Value::Null
    } else {
        serde_json::json!({ "bytes": our_bytes, "their_bytes": their_bytes })
    };
    let name = peer.map(|peer| peer.checking(check));
    let beside = |of: fn(&Cost) -> f64| name.as_deref().map(|name| (name, of(&theirs)));
    report.line(&format!("{case}: last byte to answer"), "ms", ours.wait(), beside(Cost::wait), &more);
    report.line(&format!("{case}: CPU"), "ms/upload", ours.cpu(), beside(Cost::cpu), &more);
}

/// Uploads for a second of CPU time, over HTTP and gRPC, beside the backend's over HTTP.
async fn throughput(
    report: &Report,
    case: &str,
    site: &Site,
    (peer, check): (Option<&Peer>, &'static str),
    file: &[u8],
) {
    let (form, file) = (form(file), Bytes::copy_from_slice(file));
    let ours = Side::Ours(site, "upload");
    let theirs = peer.map(|peer| Side::Theirs(peer, check));
    let [mut http, mut grpc, mut peers] = [Cost::default(), Cost::default(), Cost::default()];
    // Its clones share a connection, as those of a backend do.
    let client = site.client();
    for round in 0..=BURSTS {
        if round == 1 {
            // The first was to warm up.
            [http, grpc, peers] = [Cost::default(), Cost::default(), Cost::default()];
        }
        http.burst(ours, async || drop(ours.upload(&form, Pace::AtOnce).await)).await;
        grpc.burst(ours, async || store(&mut client.clone(), site.token().await, &file).await).await;
        if let Some(theirs) = theirs {
            peers.burst(theirs, async || drop(theirs.upload(&form, Pace::AtOnce).await)).await;
        }
    }
    let name = peer.map(|peer| peer.checking(check));
    for (door, cost) in [("HTTP", http), ("gRPC Store", grpc)] {
        let beside = name.as_deref().map(|name| (name, 1e3 / peers.cpu()));
        let case = format!("{case}, {door}: uploads a second of CPU");
        report.line(&case, "uploads/CPU-s", 1e3 / cost.cpu(), beside, &serde_json::Value::Null);
    }
}

/// Resident memory of a resizer that was just started, and the most of it while many uploads overlap.
async fn memory(report: &Report, case: &str, site: &mut Site, file: &[u8]) {
    let form = form(file);
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
    let mib = |bytes: u64| bytes as f64 / MIB;
    for (named, limits) in [("default limits", ""), ("limits for all of them", RAISED)] {
        site.restart_resizer(limits).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        if limits.is_empty() {
            let idle = mib(site.resizer.memory("VmRSS"));
            report.line(&format!("{case}: idle"), "MiB", idle, None, &serde_json::Value::Null);
        }
        let ours = Side::Ours(site, "upload");
        let mut tokens = Vec::new();
        for _ in 0..MANY {
            tokens.push(ours.token().await);
        }
        let answers = join_all(tokens.iter().map(|token| ours.post(token, &form, SLOWLY))).await;
        let mut told = BTreeMap::new();
        for answer in answers {
            let outcome = match answer {
                Some(answer) if answer.status == 200 => "stored".to_owned(),
                Some(answer) => {
                    answer.json()["errors"][0]["reason"].as_str().unwrap_or("no reason").to_owned()
                }
                None => "no answer".to_owned(),
            };
            *told.entry(outcome).or_insert(0) += 1;
        }
        let peak = mib(site.resizer.memory("VmHWM"));
        let more = serde_json::json!({ "answers": told, "bytes": file.len() });
        report.line(&format!("{case}: peak, {MANY} uploads at once, {named}"), "MiB", peak, None, &more);
    }
}
