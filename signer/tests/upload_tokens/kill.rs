//! Signers that are killed while tokens are redeemed: every token is redeemed exactly once, and none is lost.
//!
//! 64 clients try 1,000 tokens, each token by two of them with request ids of their own, who repeat their call until they
//! are told something definite. Whenever some calls have been told, a process is killed with SIGKILL and started again.

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

use safelight_proto::{reason, signer::v1 as pb};
use tokio::task::JoinSet;
use tonic::{Code, Request};

use crate::{
    place::Place,
    served::{Client, client},
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

/// Whether this request has redeemed the token.
async fn redeem(
    clients: &mut [Client],
    first: usize,
    token: &str,
    request_id: &str,
    counts: &Counts,
) -> bool {
    let request = pb::RedeemUploadTokenRequest {
        account: account(),
        token: token.to_owned(),
        request_id: request_id.to_owned(),
    };
    let (began, mut turn) = (Instant::now(), first);
    while began.elapsed() < PATIENCE {
        // In turn with the other process, where there is one: what one has done, the other knows.
        turn = (turn + 1) % clients.len();
        match clients[turn].redeem_upload_token(timed(request.clone())).await {
            Ok(told) => {
                counts.told.fetch_add(1, Ordering::Relaxed);
                counts.replayed.fetch_add(usize::from(told.into_inner().replayed), Ordering::Relaxed);
                return true;
            }
            Err(status) => {
                if let Some(reason) = definite(status, counts).await {
                    assert_eq!(reason, "TOKEN_ALREADY_REDEEMED");
                    counts.told.fetch_add(1, Ordering::Relaxed);
                    return false;
                }
            }
        }
    }
    panic!("no definite answer");
}

/// Kills `processes` in turn while tokens are redeemed; `crash` is called half-way.
async fn kill_while_redeeming(name: &str, mut processes: Vec<Process>, crash: impl FnOnce()) {
    let began = Instant::now();
    let counts = Arc::new(Counts::default());
    let addrs: Vec<_> = processes.iter().map(|process| process.addr).collect();
    let connect = || -> Vec<Client> { addrs.iter().map(|addr| client(*addr)).collect() };

    let mut makers = JoinSet::new();
    for maker in 0..CLIENTS {
        let (mut clients, counts) = (connect(), Arc::clone(&counts));
        makers.spawn(async move {
            let mut tokens = Vec::new();
            let turn = maker % clients.len();
            for _ in (maker..TOKENS).step_by(CLIENTS) {
                tokens.push(make(&mut clients[turn], &counts).await);
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
                let request_id = format!("client-{redeemer}-{turn}");
                if redeem(&mut clients, redeemer, token, &request_id, &counts).await {
                    winners.lock().unwrap()[turn / RIVALS].push(request_id);
                }
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
    let (repeated, replayed) =
        (counts.repeated.load(Ordering::Relaxed), counts.replayed.load(Ordering::Relaxed));
    let refused = TOKENS * RIVALS - once;
    println!(
        "{name}: {CLIENTS} clients, {} processes, {KILLS} × SIGKILL: {TOKENS} tokens made in {made:.1?}; {once} redeemed \
         once, {twice} twice, {lost} lost; {refused} calls of rivals refused, {repeated} calls repeated, {replayed} answers \
         replayed; {:.1?} in all",
        processes.len(),
        began.elapsed()
    );
    assert_eq!((once, twice, lost), (TOKENS, 0, 0));

    // The winners' answers are there for good, and nobody else's.
    let mut clients = connect();
    for (token, winners) in tokens.iter().zip(&winners) {
        assert!(redeem(&mut clients, 0, token, &winners[0], &counts).await);
        assert!(!redeem(&mut clients, 0, token, "client-late", &counts).await);
    }
    assert_eq!(counts.replayed.load(Ordering::Relaxed), replayed + TOKENS);
}

#[tokio::test(flavor = "multi_thread")]
async fn pitfall_17_one_process_with_an_embedded_store() {
    let place = Place::embedded();
    let processes = vec![Process::start(&place.config())];
    kill_while_redeeming("embedded", processes, || {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pitfall_17_two_processes_with_postgres_which_crashes_too() {
    let Some(mut place) = Place::postgres() else { return };
    let config = place.config();
    let processes = (0..2).map(|_| Process::start(&config)).collect();
    let mut postgres = place.postgres.take().unwrap();
    kill_while_redeeming("postgres, crashed once", processes, || {
        postgres.crash();
        postgres.recover();
    })
    .await;
}
