//! From the listener to connections.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::sleep,
};

use super::{Limits, Security, connection};
use crate::layer::Stack;

/// First wait after the listener failed, as when file descriptors run out.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Accepts connections into `connections` until dropped.
pub(super) async fn accept(
    listener: &TcpListener,
    stack: Stack,
    security: Security,
    limits: Limits,
    stop: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) -> Infallible {
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    let mut backoff = BACKOFF_FIRST;
    loop {
        // Before accepting: whoever must wait waits in the kernel, where it costs no file descriptor.
        let permit = Arc::clone(&permits).acquire_owned().await;
        let accepted = listener.accept().await;
        // Those that have ended; there are never more than permits.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((tcp, peer)) => {
                backoff = BACKOFF_FIRST;
                let serving = connection::serve(tcp, stack.clone(), security.clone(), limits, stop.clone());
                connections.spawn(async move {
                    if let Err(error) = serving.await {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    drop(permit);
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
