//! Signers that are killed while tokens are reserved, redeemed and released: every token is redeemed exactly once, and none
//! is lost.
//!
//! 64 clients try 1,000 tokens, each token by two of them with request ids of their own, who repeat their call until they
//! are told something definite. Whenever some calls have been told, a process is killed with SIGKILL and started again.
//! Once the clients redeem at once, once they reserve before it, and once they do so as a resizer does, by `BeginUpload` and
//! `FinishUpload`; some of these then release, some never come back, and some come back after their lease has ended.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use safelight_proto::{
    reason,
    signer::v1::{
        self as pb, finish_upload_request::Outcome, upload_authority::Authority,
        upload_service_client::UploadServiceClient,
    },
};
use tokio::task::JoinSet;
use tonic::{Code, Request, transport::Channel};

use crate::{
    place::{Place, upload_digest},
    served::{Client, channel},
};

const CLIENTS: usize = 64;
const TOKENS: usize = 1000;
/// Every token is tried by so many clients.
const RIVALS: usize = 2;
const KILLS: usize = 20;
/// How long a client repeats a call.
const PATIENCE: Duration = Duration::from_secs(60);

/// A signer of its own.
struct Process {
    config: PathBuf,
    addr: SocketAddr,
    child: Child,
}

impl Process {
    fn start(config: &Path) -> Self {
        // Free now, and hardly taken by others before the signer is there.
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = config.to_owned();
        Self { child: spawn(&config, addr), config, addr }
    }

    /// SIGKILL: nothing is finished, nothing flushed.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.config, self.addr);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(config: &Path, addr: SocketAddr) -> Child {
    Command::new(env!("CARGO_BIN_EXE_safelight-signer"))
        .arg("--config")
        .arg(config)
        .arg(format!("--listen={addr}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What the calls came to.
#[derive(Default)]
struct Counts {
    told: AtomicUsize,
    repeated: AtomicUsize,
    replayed: AtomicUsize,
    released: AtomicUsize,
    abandoned: AtomicUsize,
    late: AtomicUsize,
}

/// What is asked about a token.
#[derive(Clone, Copy)]
enum Ask {
    /// With a lease in seconds.
    Reserve(i64),
    Redeem,
    Release,
    /// `BeginUpload`, with a lease in seconds.
    Begin(i64),
    /// `FinishUpload` of a file that is stored, and of one that is not.
    Stored,
    Refused,
}

/// How clients use a token.
#[derive(Clone, Copy)]
enum Way {
    Redeem,
    ReserveAndRedeem,
    Upload,
}

impl Way {
    /// What is asked to reserve, to redeem and to release.
    const fn asks(self, lease: i64) -> [Ask; 3] {
        match self {
            Self::Redeem | Self::ReserveAndRedeem => [Ask::Reserve(lease), Ask::Redeem, Ask::Release],
            Self::Upload => [Ask::Begin(lease), Ask::Stored, Ask::Refused],
        }
    }
}

/// The clients of a process.
struct Clients {
    tokens: Client,
    uploads: UploadServiceClient<Channel>,
}

impl Clients {
    fn of(addr: SocketAddr) -> Self {
        let channel = channel(addr);
        Self { tokens: Client::new(channel.clone()), uploads: UploadServiceClient::new(channel) }
    }
}

fn account() -> String {
    "acme".to_owned()
}

/// The reason of a definite refusal; `None`, after a rest, where the call is to be repeated.
async fn definite(status: tonic::Status, counts: &Counts) -> Option<String> {
    match status.code() {
        Code::FailedPrecondition | Code::NotFound | Code::InvalidArgument => return reason::of(&status),
        // Killed, about to be killed, starting, or a store that is.
        Code::Unavailable
        | Code::Unknown
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::ResourceExhausted => {
            counts.repeated.fetch_add(1, Ordering::Relaxed);
        }
        other => panic!("{other:?}: {status:?}"),
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    None
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(1));
    request
}

async fn make(client: &mut Client, counts: &Counts) -> String {
    let create = pb::CreateUploadTokenRequest { account: account(), ..Default::default() };
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match client.create_upload_token(timed(create.clone())).await {
            Ok(made) => return made.into_inner().token,
            Err(status) => assert_eq!(definite(status, counts).await, None),
        }
    }
    panic!("no definite answer");
}

fn begin(token: &str, request_id: &str, seconds: i64) -> pb::BeginUploadRequest {
    pb::BeginUploadRequest {
        upload_digest: upload_digest(),
        authority: authority(token),
        request_id: request_id.to_owned(),
        lease: Some(prost_types::Duration { seconds, nanos: 0 }),
    }
}

fn finish(token: &str, request_id: &str, stored: bool) -> pb::FinishUploadRequest {
    let outcome = if stored {
        Outcome::Stored(pb::StoredUpload::default())
    } else {
        Outcome::Refused(pb::RefusedUpload::default())
    };
    pb::FinishUploadRequest {
        upload_digest: upload_digest(),
        authority: authority(token),
        request_id: request_id.to_owned(),
        outcome: Some(outcome),
    }
}

fn authority(token: &str) -> Option<pb::UploadAuthority> {
    let token = pb::TokenAuthority { account: account(), token: token.to_owned() };
    Some(pb::UploadAuthority { authority: Some(Authority::Token(token)) })
}

/// Asks until it is told something definite: whether it was replayed (of `BeginUpload`: whether the file is stored already), or
/// the reason of a refusal.
async fn ask(
    clients: &mut [Clients],
    first: usize,
    token: &str,
    request_id: &str,
    ask: Ask,
    counts: &Counts,
) -> Result<bool, String> {
    let (account, token, request_id) = (account(), token.to_owned(), request_id.to_owned());
    let (began, mut turn) = (Instant::now(), first);
    while began.elapsed() < PATIENCE {
        // In turn with the other process, where there is one: what one has done, the other knows.
        turn = (turn + 1) % clients.len();
        let Clients { tokens: client, uploads } = &mut clients[turn];
        let (account, token, request_id) = (account.clone(), token.clone(), request_id.clone());
        let told = match ask {
            Ask::Reserve(seconds) => {
                let lease = Some(prost_types::Duration { seconds, nanos: 0 });
                let reserve = pb::ReserveUploadTokenRequest { account, token, request_id, lease };
                client.reserve_upload_token(timed(reserve)).await.map(|told| told.into_inner().replayed)
            }
            Ask::Redeem => {
                let redeem = pb::RedeemUploadTokenRequest { account, token, request_id };
                client.redeem_upload_token(timed(redeem)).await.map(|told| told.into_inner().replayed)
            }
            Ask::Release => {
                let release = pb::ReleaseUploadTokenRequest { account, token, request_id };
                client.release_upload_token(timed(release)).await.map(|_| false)
            }
            Ask::Begin(lease) => {
                let begun = uploads.begin_upload(timed(begin(&token, &request_id, lease))).await;
                begun.map(|told| told.into_inner().already_stored)
            }
            Ask::Stored => {
                let ended = uploads.finish_upload(timed(finish(&token, &request_id, true))).await;
                ended.map(|told| told.into_inner().replayed)
            }
            Ask::Refused => {
                let ended = uploads.finish_upload(timed(finish(&token, &request_id, false))).await;
                ended.map(|_| false)
            }
        };
        match told {
            Ok(replayed) => return Ok(replayed),
            Err(status) => {
                if let Some(reason) = definite(status, counts).await {
                    return Err(reason);
                }
            }
        }
    }
    panic!("no definite answer");
}

/// Whether this request has redeemed the token.
async fn redeem(
    clients: &mut [Clients],
    first: usize,
    token: &str,
    request_id: &str,
    counts: &Counts,
) -> bool {
    match ask(clients, first, token, request_id, Ask::Redeem, counts).await {
        Ok(replayed) => {
            counts.replayed.fetch_add(usize::from(replayed), Ordering::Relaxed);
            true
        }
        Err(reason) => {
            assert_eq!(reason, "TOKEN_ALREADY_REDEEMED");
            false
        }
    }
}

/// Reserves the token and redeems it, with a request id for each attempt. The one that has redeemed it, unless another
/// client has.
async fn reserve_and_redeem(
    way: Way,
    clients: &mut [Clients],
    client: usize,
    token: &str,
    turn: usize,
    counts: &Counts,
) -> Option<String> {
    for attempt in 0.. {
        let request_id = format!("client-{client}-{turn}-{attempt}");
        // One in 16 comes to nothing the first time, and one in 4 is given back.
        let (abandons, is_late, releases) = match (attempt, turn % 16) {
            (0, 0) => (true, false, false),
            (0, 1) => (false, true, false),
            (0, 2 | 6 | 10 | 14) => (false, false, true),
            _ => (false, false, false),
        };
        let [reserve, redeem, release] = way.asks(if abandons || is_late { 1 } else { 60 });
        loop {
            let told = ask(clients, client, token, &request_id, reserve, counts).await;
            match told.as_ref().map_err(String::as_str) {
                Ok(_) => break,
                Err("TOKEN_RESERVED") => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(reason) => {
                    assert_eq!(reason, "TOKEN_ALREADY_REDEEMED");
                    return None;
                }
            }
        }
        if abandons {
            counts.abandoned.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if releases {
            ask(clients, client, token, &request_id, release, counts).await.unwrap();
            counts.released.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if is_late {
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
        let told = ask(clients, client, token, &request_id, redeem, counts).await;
        match told.as_ref().map_err(String::as_str) {
            Ok(replayed) => {
                counts.replayed.fetch_add(usize::from(*replayed), Ordering::Relaxed);
                counts.late.fetch_add(usize::from(is_late), Ordering::Relaxed);
                return Some(request_id);
            }
            // Its lease had ended, and another client has come.
            Err("TOKEN_RESERVED") if is_late => {}
            Err(reason) => {
                assert!(is_late && reason == "TOKEN_ALREADY_REDEEMED", "{request_id}: {reason}");
                return None;
            }
        }
    }
    None
}

/// Kills `processes` in turn while tokens are used; `crash` is called half-way.
async fn kill_while(way: Way, name: &str, mut processes: Vec<Process>, crash: impl FnOnce()) {
    let began = Instant::now();
    let counts = Arc::new(Counts::default());
    let addrs: Vec<_> = processes.iter().map(|process| process.addr).collect();
    let connect = || -> Vec<Clients> { addrs.iter().map(|addr| Clients::of(*addr)).collect() };

    let mut makers = JoinSet::new();
    for maker in 0..CLIENTS {
        let (mut clients, counts) = (connect(), Arc::clone(&counts));
        makers.spawn(async move {
            let mut tokens = Vec::new();
            let turn = maker % clients.len();
            for _ in (maker..TOKENS).step_by(CLIENTS) {
                tokens.push(make(&mut clients[turn].tokens, &counts).await);
            }
            tokens
        });
    }
    let tokens: Arc<Vec<String>> = Arc::new(makers.join_all().await.concat());
    assert_eq!(tokens.len(), TOKENS);
    let made = began.elapsed();

    // Which request redeemed which token, as the clients were told.
    let winners: Arc<Mutex<Vec<Vec<String>>>> = Arc::new(Mutex::new(vec![Vec::new(); TOKENS]));
    let next = Arc::new(AtomicUsize::new(0));
    let mut redeemers = JoinSet::new();
    for redeemer in 0..CLIENTS {
        let (mut clients, counts) = (connect(), Arc::clone(&counts));
        let (tokens, next, winners) = (Arc::clone(&tokens), Arc::clone(&next), Arc::clone(&winners));
        redeemers.spawn(async move {
            loop {
                // Rivals get the same token at about the same time.
                let turn = next.fetch_add(1, Ordering::Relaxed);
                let Some(token) = tokens.get(turn / RIVALS) else { return };
                let won = match way {
                    Way::Redeem => {
                        let request_id = format!("client-{redeemer}-{turn}");
                        let won = redeem(&mut clients, redeemer, token, &request_id, &counts).await;
                        won.then_some(request_id)
                    }
                    Way::ReserveAndRedeem | Way::Upload => {
                        reserve_and_redeem(way, &mut clients, redeemer, token, turn, &counts).await
                    }
                };
                counts.told.fetch_add(1, Ordering::Relaxed);
                winners.lock().unwrap()[turn / RIVALS].extend(won);
            }
        });
    }
    let (mut kills, mut crash) = (0, Some(crash));
    while !redeemers.is_empty() {
        // After each 21st part of the calls, in the middle of the rest.
        if kills < KILLS && counts.told.load(Ordering::Relaxed) * (KILLS + 1) >= (kills + 1) * TOKENS * RIVALS
        {
            let victim = kills % processes.len();
            tokio::task::block_in_place(|| processes[victim].kill());
            kills += 1;
            if kills == KILLS / 2 {
                tokio::task::block_in_place(crash.take().unwrap());
            }
        }
        drop(
            tokio::time::timeout(Duration::from_millis(2), redeemers.join_next())
                .await
                .map(|ended| ended.map(Result::unwrap)),
        );
    }
    assert_eq!(kills, KILLS);

    // Counted before anything more is asked.
    let winners = winners.lock().unwrap().clone();
    let once = winners.iter().filter(|winners| winners.len() == 1).count();
    let twice = winners.iter().filter(|winners| winners.len() > 1).count();
    let lost = winners.iter().filter(|winners| winners.is_empty()).count();
    let [repeated, replayed, released, abandoned, late] =
        [&counts.repeated, &counts.replayed, &counts.released, &counts.abandoned, &counts.late]
            .map(|count| count.load(Ordering::Relaxed));
    let refused = TOKENS * RIVALS - once;
    println!(
        "{name}: {CLIENTS} clients, {} processes, {KILLS} × SIGKILL: {TOKENS} tokens made in {made:.1?}; {once} redeemed \
         once, {twice} twice, {lost} lost; {refused} calls of rivals refused, {repeated} calls repeated, {replayed} answers \
         replayed; {released} reservations released, {abandoned} abandoned, {late} redeemed after their lease; {:.1?} in all",
        processes.len(),
        began.elapsed()
    );
    assert_eq!((once, twice, lost), (TOKENS, 0, 0));

    // The winners' answers are there for good, and nobody else's.
    let mut clients = connect();
    for (token, winners) in tokens.iter().zip(&winners) {
        assert!(redeem(&mut clients, 0, token, &winners[0], &counts).await);
        assert!(!redeem(&mut clients, 0, token, "client-late", &counts).await);
        for request_id in ["client-late", &winners[0]] {
            let told = ask(&mut clients, 0, token, request_id, Ask::Reserve(60), &counts).await;
            assert_eq!(told, Err("TOKEN_ALREADY_REDEEMED".to_owned()));
        }
        assert_eq!(ask(&mut clients, 0, token, &winners[0], Ask::Begin(60), &counts).await, Ok(true));
    }
    if let Way::ReserveAndRedeem | Way::Upload = way {
        // Whether a late one comes before its rival is chance: the test below decides it.
        assert!(released > 0 && abandoned > 0);
    }
    assert_eq!(counts.replayed.load(Ordering::Relaxed), replayed + TOKENS);
}

#[tokio::test(flavor = "multi_thread")]
async fn pitfall_17_one_process_with_an_embedded_store() {
    for (way, name) in [
        (Way::Redeem, "embedded"),
        (Way::ReserveAndRedeem, "embedded, reserved"),
        (Way::Upload, "embedded, uploaded"),
    ] {
        let place = Place::embedded();
        let processes = vec![Process::start(&place.config())];
        kill_while(way, name, processes, || {}).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pitfall_17_two_processes_with_postgres_which_crashes_too() {
    for (way, name) in [
        (Way::Redeem, "postgres, crashed once"),
        (Way::ReserveAndRedeem, "postgres, crashed once, reserved"),
        (Way::Upload, "postgres, crashed once, uploaded"),
    ] {
        let Some(mut place) = Place::postgres() else { return };
        let config = place.config();
        let processes = (0..2).map(|_| Process::start(&config)).collect();
        let mut postgres = place.postgres.take().unwrap();
        kill_while(way, name, processes, || {
            postgres.crash();
            postgres.recover();
        })
        .await;
    }
}

/// Killed after every answer, and the database with it: what was answered is still so, whatever came in between.
#[tokio::test(flavor = "multi_thread")]
async fn pitfall_17_a_signer_that_is_killed_between_any_two_calls() {
    /// A request id, what it asks, and what it is told.
    type Step = (&'static str, Ask, Result<bool, &'static str>);
    const ALREADY: Result<bool, &str> = Err("TOKEN_ALREADY_REDEEMED");
    const RESERVED: Result<bool, &str> = Err("TOKEN_RESERVED");
    let histories: [&[Step]; 8] = [
        // Committed once, and told again.
        &[
            ("r", Ask::Reserve(600), Ok(false)),
            ("r", Ask::Reserve(600), Ok(true)),
            ("s", Ask::Reserve(600), RESERVED),
            ("s", Ask::Redeem, RESERVED),
            ("r", Ask::Redeem, Ok(false)),
            ("r", Ask::Redeem, Ok(true)),
            ("s", Ask::Redeem, ALREADY),
            ("r", Ask::Release, ALREADY),
        ],
        // Released: usable by another.
        &[
            ("r", Ask::Reserve(600), Ok(false)),
            ("r", Ask::Release, Ok(false)),
            ("r", Ask::Release, Ok(false)),
            ("s", Ask::Reserve(600), Ok(false)),
            ("r", Ask::Release, Ok(false)),
            ("r", Ask::Redeem, RESERVED),
            ("s", Ask::Redeem, Ok(false)),
            ("r", Ask::Redeem, ALREADY),
        ],
        // Released, and redeemed without a reservation.
        &[
            ("r", Ask::Reserve(600), Ok(false)),
            ("r", Ask::Release, Ok(false)),
            ("s", Ask::Redeem, Ok(false)),
            ("r", Ask::Reserve(600), ALREADY),
        ],
        // Abandoned (below, a kill takes longer than this lease): usable by another.
        &[
            ("r", Ask::Reserve(1), Ok(false)),
            ("s", Ask::Reserve(600), Ok(false)),
            ("r", Ask::Redeem, RESERVED),
            ("s", Ask::Redeem, Ok(false)),
            ("r", Ask::Redeem, ALREADY),
        ],
        // Late: committed after the lease.
        &[
            ("r", Ask::Reserve(1), Ok(false)),
            ("r", Ask::Redeem, Ok(false)),
            ("s", Ask::Reserve(600), ALREADY),
        ],
        // Stored once, and told again.
        &[
            ("r", Ask::Begin(600), Ok(false)),
            ("r", Ask::Begin(600), Ok(false)),
            ("s", Ask::Begin(600), RESERVED),
            ("s", Ask::Stored, RESERVED),
            ("r", Ask::Stored, Ok(false)),
            ("r", Ask::Stored, Ok(true)),
            ("r", Ask::Begin(600), Ok(true)),
            ("s", Ask::Begin(600), ALREADY),
        ],
        // Not stored: usable by another.
        &[
            ("r", Ask::Begin(600), Ok(false)),
            ("r", Ask::Refused, Ok(false)),
            ("r", Ask::Refused, Ok(false)),
            ("s", Ask::Begin(600), Ok(false)),
            ("r", Ask::Stored, RESERVED),
            ("s", Ask::Stored, Ok(false)),
            ("r", Ask::Stored, ALREADY),
            ("r", Ask::Refused, Ok(false)),
        ],
        // Abandoned, and stored late.
        &[
            ("r", Ask::Begin(1), Ok(false)),
            ("s", Ask::Begin(1), Ok(false)),
            ("s", Ask::Stored, Ok(false)),
            ("r", Ask::Stored, ALREADY),
        ],
    ];
    for (name, mut place) in Place::all() {
        let mut process = Process::start(&place.config());
        let (counts, mut tokens) = (Counts::default(), Vec::new());
        for _ in histories {
            tokens.push(make(&mut Clients::of(process.addr).tokens, &counts).await);
        }
        let longest = histories.iter().map(|history| history.len()).max().unwrap();
        for step in 0..longest {
            let mut clients = [Clients::of(process.addr)];
            for (number, (history, token)) in histories.iter().zip(&tokens).enumerate() {
                let Some((request_id, asked, expected)) = history.get(step) else { continue };
                let told = ask(&mut clients, 0, token, request_id, *asked, &counts).await;
                let told = told.as_ref().map(|replayed| *replayed).map_err(String::as_str);
                assert_eq!(told, *expected, "{name}: history {number}, step {step}");
            }
            let killed = Instant::now();
            tokio::task::block_in_place(|| {
                process.kill();
                if let Some(postgres) = &mut place.postgres {
                    postgres.crash();
                    postgres.recover();
                }
            });
            tokio::time::sleep(Duration::from_millis(1100).saturating_sub(killed.elapsed())).await;
        }
    }
}
