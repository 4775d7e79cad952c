//! Removes what is long over, in the background.

use std::{sync::Weak, time::Duration};

use super::Store;
use crate::clock::Clock;

/// How often it looks.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);
/// Records of one step: short enough that nobody waits noticeably behind it.
const STEP: usize = 500;
/// Steps each time it looks: 10,000 records in 30 s, more than are made.
const STEPS: usize = 20;
/// How long an entry of the journal may be due and not be taken, in seconds: 7 days. Its rule is none any more, or of no resizer.
const MAX_OVERDUE: u64 = 7 * 24 * 3600;
/// Rest between steps, for those who wait.
const REST: Duration = Duration::from_millis(50);

/// Sweeps until the store is dropped. `retention` is how long a record is kept once it is [over](super::Record::over),
/// in seconds.
pub(super) async fn run(store: Weak<dyn Store>, clock: Clock, retention: u64, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        {
            let Some(store) = store.upgrade() else { return };
            match store.sweep_entries(clock.now().saturating_sub(MAX_OVERDUE), STEP).await {
                Ok(0) => {}
                Ok(count) => tracing::error!(
                    count,
                    "upload.outcomes_dropped: no resizer has asked for these for 7 days: each rule of [[uploads]] needs a resizer \
                     that has it and a grant for TakeUploadTasks"
                ),
                Err(error) => tracing::warn!(%error, "overdue tasks of uploads could not be removed"),
            }
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::upload::{Record, State, TokenId, record::Details, store::embedded::EmbeddedStore};

    #[tokio::test]
    async fn what_is_over_is_removed_after_its_retention_and_the_task_ends_with_the_store() {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(&directory.path().join("tokens")).unwrap());
        let clock = Clock::fixed(1_000);
        let over = TokenId([1; 32]);
        // More than one step; together, so that they share their commits.
        let mut inserting = tokio::task::JoinSet::new();
        for number in 0..=STEP {
            let mut id = TokenId([1; 32]);
            id.0[..8].copy_from_slice(&(number as u64).to_be_bytes());
            let id = if number == 0 { over } else { id };
            let record = Record {
                account: "acme".to_owned(),
                expires: 900 + u64::from(number == 0),
                state: State::Pending,
                details: Details::default(),
            };
            let store = Arc::clone(&store);
            inserting.spawn(async move { store.insert(id, record).await.unwrap() });
        }
        inserting.join_all().await;
        let sweeping =
            tokio::spawn(run(Arc::downgrade(&store), clock.clone(), 100, Duration::from_millis(1)));
        // The last is there until its time has come.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(store.get(over).await.unwrap().is_some());
        clock.set(1_001);
        while store.get(over).await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(store.sweep(u64::MAX, 1).await.unwrap(), 0, "nothing is left");
        drop(store);
        sweeping.await.unwrap();
    }
}
