//! Removes what is long over, in the background.

use std::{sync::Weak, time::Duration};

use super::Store;
use crate::clock::Clock;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(30);
/// Records of one step: short enough that nobody waits noticeably behind it.
const STEP: usize = 500;
/// Steps each time it looks: 10,000 records in 30 s, more than are made.
const STEPS: usize = 20;
/// Rest between steps, for those who wait.
const REST: Duration = Duration::from_millis(50);

/// Sweeps until the store is dropped. `retention` is how long a record is kept beyond its expiry, in seconds.
pub(super) async fn run(store: Weak<dyn Store>, clock: Clock, retention: u64) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        for _ in 0..STEPS {
            let Some(store) = store.upgrade() else { return };
            let until = clock.now().saturating_sub(retention);
            match store.sweep(until, STEP).await {
                Ok(STEP) => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "upload tokens that are over could not be removed");
                    break;
                }
            }
            drop(store);
            tokio::time::sleep(REST).await;
        }
    }
}
