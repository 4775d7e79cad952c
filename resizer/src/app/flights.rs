//! Work that several requests wait for, done once.
//!
//! The first request for a key begins it, in a task of its own; those that come while it runs wait for the same answer. It goes
//! on for as long as any of them waits: one that goes away takes nothing from the others, and when the last is gone it ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use safelight_proto::reason::{CallError, Reason};
use tokio::{sync::watch, task::AbortHandle};
use tracing::Instrument as _;

/// What such work ends with.
pub(super) type Outcome<T> = Result<T, CallError>;

/// The work in progress, by key.
#[derive(Debug)]
pub(super) struct Flights<T> {
    all: Arc<All<T>>,
}

type All<T> = Mutex<HashMap<String, Weak<Flight<T>>>>;

/// A part in some work.
#[derive(Debug)]
pub(super) struct Flight<T> {
    key: String,
    outcome: watch::Receiver<Option<Outcome<T>>>,
    task: AbortHandle,
    all: Arc<All<T>>,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    pub(super) fn new() -> Self {
        Self { all: Arc::default() }
    }

    /// Takes part in the work of this key, which `begin` is if there is none. Answers whether it was begun.
    pub(super) fn join<F>(&self, key: String, begin: impl FnOnce() -> F) -> (Arc<Flight<T>>, bool)
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let mut all = lock(&self.all);
        if let Some(flight) = all.get(&key).and_then(Weak::upgrade) {
            return (flight, false);
        }
        let (sender, outcome) = watch::channel(None);
        let (others, work, name) = (Arc::clone(&self.all), begin(), key.clone());
        let task = async move {
            let outcome = work.await;
            // What comes from now on begins anew: the entry is this one's for as long as anything waits for it.
            lock(&others).remove(&name);
            sender.send_replace(Some(outcome));
        };
        let task = tokio::spawn(task.in_current_span()).abort_handle();
        let flight = Arc::new(Flight { key: key.clone(), outcome, task, all: Arc::clone(&self.all) });
        all.insert(key, Arc::downgrade(&flight));
        (flight, true)
    }
}

impl<T: Clone> Flight<T> {
    /// Waits for the end of the work.
    pub(super) async fn outcome(&self) -> Outcome<T> {
        let mut outcome = self.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(broken())),
            Err(_) => Err(broken()),
        }
    }
}

impl<T> Drop for Flight<T> {
    /// Nothing waits any more.
    fn drop(&mut self) {
        self.task.abort();
        let mut all = lock(&self.all);
        if all.get(&self.key).is_some_and(|flight| flight.strong_count() == 0) {
            all.remove(&self.key);
        }
    }
}

fn broken() -> CallError {
    Reason::Internal.error("the picture could not be made")
}

fn lock<T>(all: &All<T>) -> std::sync::MutexGuard<'_, HashMap<String, Weak<Flight<T>>>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use super::*;

    #[tokio::test]
    async fn many_wait_for_one() {
        let flights = Flights::new();
        let runs = Arc::new(AtomicU32::new(0));
        let join = || {
            let runs = Arc::clone(&runs);
            flights.join("k".to_owned(), || async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(runs.fetch_add(1, Ordering::Relaxed))
            })
        };
        let all: Vec<_> = (0..10).map(|_| join()).collect();
        assert_eq!(all.iter().filter(|(_, begun)| *begun).count(), 1);
        for (flight, _) in all {
            assert_eq!(flight.outcome().await.unwrap(), 0);
        }
        // After its end it is begun anew.
        assert_eq!(join().0.outcome().await.unwrap(), 1);
        assert!(lock(&flights.all).is_empty());
    }

    #[tokio::test]
    async fn it_goes_on_without_the_first_and_ends_with_the_last() {
        let flights = Flights::<u32>::new();
        let gone = Arc::new(());
        let begin = || {
            let gone = Arc::clone(&gone);
            || async move {
                let _held = gone;
                pending().await
            }
        };
        let (first, _) = flights.join("k".to_owned(), begin());
        let (second, begun) = flights.join("k".to_owned(), begin());
        assert!(!begun);
        drop(first);
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(Arc::strong_count(&gone), 2, "it runs");
        drop(second);
        while Arc::strong_count(&gone) > 1 {
            tokio::task::yield_now().await;
        }
        assert!(lock(&flights.all).is_empty());
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let flights = Flights::<u32>::new();
        let (flight, _) = flights.join("k".to_owned(), || async { panic!("at work") });
        assert_eq!(flight.outcome().await.unwrap_err().reason(), Reason::Internal);
        drop(flight);
        assert!(lock(&flights.all).is_empty());
    }
}
