//! Connections to all addresses of the signer, and which one takes a call.
//!
//! Every address has a task that keeps a connection to it. A call takes one of those that stand: of two drawn at random
//! the one with fewer calls. A connection stands when the health service has answered on it: an address that is dead, a
//! signer that is about to stop, or a certificate that is refused costs no call its time.

mod pool;

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::Uri;
use rustls::pki_types::ServerName;
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use self::pool::{Outlook, Pool, State};
pub(crate) use self::pool::{Picked, Signs};
use crate::{
    Credentials,
    connection::{self, Driver, Wire},
    resolve::Resolve,
};

/// How long a connection attempt may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Between attempts to reach an address that cannot be reached: at first, and at most.
const BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(5);
/// A connection that ends sooner was none.
const SHORT: Duration = Duration::from_millis(500);
/// How often the name is resolved: what a headless Service names changes with every roll-out.
const RESOLVE: Duration = Duration::from_secs(5);
/// How soon it is resolved again when an address fails.
const RESOLVE_GAP: Duration = Duration::from_secs(1);

/// Where the signer is, and how it is reached.
pub(crate) struct Target {
    /// Scheme and authority of every request.
    pub(crate) origin: Uri,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What its certificate must say, if there is TLS.
    pub(crate) name: Option<ServerName<'static>>,
    pub(crate) credentials: Credentials,
    pub(crate) resolver: Arc<dyn Resolve>,
}

/// What calls and tasks share.
struct Shared {
    target: Target,
    pool: watch::Sender<Pool>,
    /// A call waits for an address: try them now.
    wanted: Notify,
    /// An address failed: perhaps there are others now.
    outdated: Notify,
}

/// The connections. Nothing is connected to before the first call.
pub(crate) struct Balancer {
    shared: Arc<Shared>,
    resolving: OnceLock<Task>,
}

/// A task that ends with what it belongs to.
struct Task(AbortHandle);

impl Task {
    fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Balancer {
    pub(crate) fn new(target: Target) -> Self {
        let (pool, _) = watch::channel(Pool::default());
        let shared = Shared { target, pool, wanted: Notify::new(), outdated: Notify::new() };
        Self { shared: Arc::new(shared), resolving: OnceLock::new() }
    }

    /// A connection that stands; not one to `avoid` if there is another. Waits while there may be one soon.
    ///
    /// # Errors
    /// Every address failed just now: why.
    pub(crate) async fn pick(&self, avoid: Option<SocketAddr>) -> Result<Picked, Arc<str>> {
        self.resolving.get_or_init(|| Task::spawn(resolve(Arc::clone(&self.shared))));
        let asked = Instant::now();
        let mut seen = self.shared.pool.subscribe();
        let mut told = false;
        loop {
            let outlook = seen.borrow_and_update().outlook(avoid, asked);
            match outlook {
                Outlook::Ready(picked) => return Ok(picked),
                Outlook::Failed(cause) => return Err(cause),
                Outlook::Stale if !told => {
                    self.shared.wanted.notify_waiters();
                    self.shared.outdated.notify_one();
                    told = true;
                }
                Outlook::Stale | Outlook::Soon => {}
            }
            // The sender is ours: it cannot be gone.
            let _ = seen.changed().await;
        }
    }

    /// Why there is no connection, as far as is known.
    pub(crate) fn cause(&self) -> Arc<str> {
        self.shared.pool.borrow().cause().unwrap_or_else(|| "no connection yet".into())
    }
}

/// Finds addresses again and again, and has a task for each.
async fn resolve(shared: Arc<Shared>) {
    let Target { host, port, resolver, .. } = &shared.target;
    let mut kept: HashMap<SocketAddr, Task> = HashMap::new();
    let mut last_error = String::new();
    loop {
        match find(host, *port, &**resolver).await {
            Ok(found) => {
                last_error.clear();
                kept.retain(|address, _| found.contains(address));
                shared.pool.send_if_modified(|pool| pool.resolved(&found));
                for address in found {
                    kept.entry(address).or_insert_with(|| Task::spawn(keep(Arc::clone(&shared), address)));
                }
            }
            Err(error) => {
                let error = format!("{host} cannot be resolved: {error}");
                if error != last_error {
                    tracing::warn!(%error, "signer.unresolved");
                }
                shared.pool.send_modify(|pool| pool.unresolved(error.as_str().into()));
                last_error = error;
            }
        }
        sleep(RESOLVE_GAP).await;
        // Either way it is time.
        let _ = timeout(RESOLVE - RESOLVE_GAP, shared.outdated.notified()).await;
    }
}

async fn find(host: &str, port: u16, resolver: &dyn Resolve) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]); // no name, no DNS
    }
    let found = resolver.resolve(host, port).await?;
    if found.is_empty() { Err(io::Error::other("it has no addresses")) } else { Ok(found) }
}

/// Keeps a connection to one address.
async fn keep(shared: Arc<Shared>, address: SocketAddr) {
    let set = |state| shared.pool.send_if_modified(|pool| pool.set(address, state));
    let mut failures: u32 = 0;
    loop {
        let cause = match attempt(&shared.target, address).await {
            Err(cause) => cause,
            Ok((wire, driver)) => {
                if failures > 0 {
                    tracing::info!(%address, "signer.connected");
                }
                let (began, signs) = (Instant::now(), Arc::new(Signs::default()));
                set(State::Ready(wire, Arc::clone(&signs)));
                let ended = tokio::select! {
                    ended = driver => said(ended),
                    () = signs.silent() => "it answers nothing".to_owned(),
                };
                match ended {
                    cause if began.elapsed() < SHORT => cause,
                    // In its time, as connections end.
                    _ => {
                        failures = 0;
                        set(State::Connecting);
                        continue;
                    }
                }
            }
        };
        if failures == 0 {
            tracing::warn!(%address, %cause, "signer.unreachable");
        }
        failures = failures.saturating_add(1);
        // Listening before it is said that the address failed: who then wants it is heard.
        let wanted = shared.wanted.notified();
        tokio::pin!(wanted);
        wanted.as_mut().enable();
        set(State::Down { at: Instant::now(), cause: cause.into() });
        shared.outdated.notify_one();
        let _ = timeout(backoff(failures), wanted).await;
    }
}

async fn attempt(target: &Target, address: SocketAddr) -> Result<(Wire, Driver), String> {
    let connecting = async {
        let connected = connection::connect(address, target.name.clone(), &target.credentials).await;
        let (wire, mut driver) = connected.map_err(|error| error.to_string())?;
        let healthy = tokio::select! {
            // What the connection says of its end is more than what a request on it says.
            biased;
            ended = &mut driver => Err(said(ended)),
            healthy = check(wire.clone(), target.origin.clone()) => healthy,
        };
        healthy.map(|()| (wire, driver))
    };
    let late = || Err(format!("no answer to a first call within {} ms", CONNECT_TIMEOUT.as_millis()));
    timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| late())
}

/// Asks the health service, which is for everyone. A server without one is asked nothing more.
async fn check(wire: Wire, origin: Uri) -> Result<(), String> {
    let answer = HealthClient::with_origin(wire, origin).check(HealthCheckRequest::default()).await;
    match answer {
        Ok(answer) if answer.get_ref().status() == ServingStatus::NotServing => {
            Err("it is not serving: it starts, or is about to stop".to_owned())
        }
        Err(status) if status.code() == Code::Unavailable => Err(status.message().to_owned()),
        _ => Ok(()),
    }
}

fn said(ended: Result<(), hyper::Error>) -> String {
    ended.map_or_else(|error| connection::chain(&error), |()| "it closed the connection at once".to_owned())
}

/// Doubles up to its limit; half of it is random, so that clients do not all come back at once.
fn backoff(failures: u32) -> Duration {
    let longest = BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(MAX_BACKOFF);
    let permille = 500 + u32::try_from(random() % 501).unwrap_or_default();
    longest / 1000 * permille
}

/// From the standard library's hash seeds: not for secrets.
fn random() -> u64 {
    RandomState::new().hash_one(())
}
