//! From the listener to connections.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{interval, sleep},
};

use super::{connection, port::Listening};

/// First wait after the listener failed, as when file descriptors run out.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How often it is looked at whether there is room again.
const SETTLE: Duration = Duration::from_secs(1);

/// Accepts connections into `connections` until dropped.
pub(crate) async fn accept(
    listening: &Listening,
    stop: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) -> Infallible {
    let port = &listening.port;
    let mut backoff = BACKOFF_FIRST;
    let mut settle = interval(SETTLE);
    loop {
        let accepted = tokio::select! {
            accepted = listening.listener.accept() => accepted,
            _ = settle.tick() => {
                port.census.settle();
                continue;
            }
        };
        // Those that have ended; there are never more than places.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((tcp, peer)) => {
                backoff = BACKOFF_FIRST;
                port.census.room().await;
                let Some(place) = port.census.admit() else {
                    // A reset: the client knows at once, and nothing is left behind here.
                    _ = tcp.set_zero_linger();
                    continue;
                };
                let serving = connection::serve(tcp, Arc::clone(port), place, stop.clone());
                let port = Arc::clone(port);
                connections.spawn(async move {
                    if let Err(error) = serving.await {
                        port.faults.log(port.census.port(), peer, &error);
                    }
                });
            }
            Err(error) if is_of_peer(&error) => {}
            Err(error) => {
                let wait_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX);
                tracing::error!(%error, wait_ms, "cannot accept connections");
                sleep(backoff).await;
                backoff = next(backoff);
            }
        }
    }
}

/// Whether a single connection failed before it was accepted, which says nothing about the next.
fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn next(backoff: Duration) -> Duration {
    (backoff * 2).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_second() {
        let waits: Vec<u128> = std::iter::successors(Some(BACKOFF_FIRST), |b| Some(next(*b)))
            .take(7)
            .map(|b| b.as_millis())
            .collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn running_out_of_files_is_not_the_peers_fault() {
        const EMFILE: i32 = 24;
        const ECONNABORTED: i32 = 103;
        assert!(!is_of_peer(&io::Error::from_raw_os_error(EMFILE)));
        assert!(is_of_peer(&io::Error::from_raw_os_error(ECONNABORTED)));
    }
}
