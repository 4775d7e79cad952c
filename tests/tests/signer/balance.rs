//! Two signers behind one name, as a headless Service has them: both are asked, and the death of one is no call's.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use safelight_chassis::{
    server::Server,
    shutdown::{Drain, Shutdown},
};
use safelight_client::{
    Context, Credentials, Failure, SignerClient, SignerError, Verification,
    resolve::{Resolve, Resolving},
};
use safelight_signer::{Clock, Config, Signer};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::harness::{KEYS, NOW, Pair, target, url_request};

const WITHIN: Duration = Duration::from_secs(2);
/// How long a change in the addresses may take to be seen, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A name whose addresses a test changes.
#[derive(Clone, Default)]
struct Name(Arc<Mutex<Vec<SocketAddr>>>);

impl Name {
    fn is(&self, addresses: &[SocketAddr]) {
        *self.0.lock().unwrap() = addresses.to_vec();
    }

    fn client(&self) -> SignerClient {
        let resolver = Arc::new(self.clone());
        SignerClient::with_resolver("http://signer.test:50051", &Credentials::default(), resolver).unwrap()
    }
}

impl Resolve for Name {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        assert_eq!((host, port), ("signer.test", 50051));
        Box::pin(async { Ok(self.0.lock().unwrap().clone()) })
    }
}

/// A signer with threads of its own, so that it can die like a process: at once, with its sockets.
struct Mortal {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Mortal {
    async fn start(pair: &Pair, address: SocketAddr) -> Self {
        let config = Config::load(&pair.stack.dir().join("signer.toml")).unwrap();
        let runtime = Runtime::new().unwrap();
        let serving = runtime.spawn(async move {
            let server = Signer::new(config, Clock::system()).add_to(Server::new(safelight_signer::limits()));
            server.health().ready().await;
            let bound = server.bind(address, false).await.unwrap();
            let address = bound.local_addr();
            tokio::spawn(bound.drain(Drain::within(WITHIN)).serve(Shutdown::new()));
            address
        });
        Self { address: serving.await.unwrap(), runtime: Some(runtime) }
    }

    fn kill(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A call that a living signer refuses, and says at which address.
async fn refusal(client: &SignerClient) -> Failure {
    match client.verify_url("no-such-key", "/a", WITHIN).await.unwrap_err() {
        SignerError::Refused(failure) => *failure,
        SignerError::Unavailable(failure) => panic!("{failure}"),
    }
}

/// Until calls go to exactly these addresses. None of them may fail meanwhile.
async fn asked_are(client: &SignerClient, expected: &[SocketAddr]) {
    let expected: BTreeSet<_> = expected.iter().copied().collect();
    let began = Instant::now();
    loop {
        let mut asked = BTreeSet::new();
        for _ in 0..40 {
            asked.insert(refusal(client).await.address.unwrap());
        }
        if asked == expected {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "asked {asked:?}, expected {expected:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn both_are_asked_and_one_that_is_killed_costs_no_call() {
    let pair = Pair::in_real_time().await;
    let mut first = Mortal::start(&pair, "127.0.0.1:0".parse().unwrap()).await;
    let second =
        Mortal::start(&pair, SocketAddr::new("127.0.0.2".parse().unwrap(), first.address.port())).await;
    let name = Name::default();
    name.is(&[first.address, second.address]);
    let client = name.client();
    asked_are(&client, &[first.address, second.address]).await;

    // Calls are under way all the time; none of them fails.
    let killed = first.address;
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let until = Instant::now() + Duration::from_secs(1);
                while Instant::now() < until {
                    refusal(&client).await;
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    first.kill();
    for call in calls {
        call.await.unwrap();
    }
    asked_are(&client, &[second.address]).await;

    // Another comes up at the address, and then the name stands for that alone.
    let third = Mortal::start(&pair, killed).await;
    asked_are(&client, &[third.address, second.address]).await;
    name.is(&[third.address]);
    asked_are(&client, &[third.address]).await;
    // An answer without addresses changes nothing.
    name.is(&[]);
    tokio::time::sleep(Duration::from_secs(6)).await;
    asked_are(&client, &[third.address]).await;
}

#[tokio::test]
async fn addresses_that_are_dead_or_silent_take_no_calls() {
    let pair = Pair::in_real_time().await;
    let alive = Mortal::start(&pair, "127.0.0.1:0".parse().unwrap()).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let name = Name::default();
    name.is(&[silent.local_addr().unwrap(), closed, alive.address]);
    let client = name.client();
    for _ in 0..20 {
        assert_eq!(refusal(&client).await.address, Some(alive.address));
    }
}

#[tokio::test]
async fn the_error_says_what_was_wrong_with_the_address_or_the_name() {
    let failure = async |client: SignerClient| {
        let began = Instant::now();
        let error = client.verify_url("web", "/a", Duration::from_secs(3)).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(2), "known at once, told after {:?}", began.elapsed());
        assert!(matches!(error, SignerError::Unavailable(_)), "{error}");
        error.failure().to_string()
    };
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let name = Name::default();
    name.is(&[closed]);
    let text = failure(name.client()).await;
    assert!(text.contains("signer.test") && text.to_lowercase().contains("connection refused"), "{text}");
    name.is(&[]);
    let text = failure(name.client()).await;
    assert!(text.contains("signer.test cannot be resolved: it has no addresses"), "{text}");
}

#[tokio::test]
async fn the_callers_id_reaches_the_signer() {
    let audit = "[audit]\nsink = 'file'\npath = 'DIR/audit.jsonl'\nkey_file = 'DIR/url-new'\n";
    let pair = Pair::with(&format!("{audit}{KEYS}"), Clock::fixed(NOW)).await;
    let client = SignerClient::connect_lazy(&pair.stack.signer.endpoint(), &Credentials::default()).unwrap();
    let url = pair.sign(url_request("url", "https://h.test/a", Some(60))).await.signed_url;
    let context = Context::within(WITHIN).request_id("from-the-edge-1");
    match client.verify_url("url", target(&url), context).await {
        Ok(Verification::Valid { target, .. }) => assert!(target.starts_with("/a?exp="), "{target}"),
        other => panic!("{other:?}"),
    }
    let began = Instant::now();
    while !pair.secret("audit.jsonl").contains("from-the-edge-1") {
        assert!(began.elapsed() < PATIENCE, "not in the audit trail");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
