//! The threads that CPU work runs on.
//!
//! rayon's pool rather than tokio's blocking threads: those are meant for input and output, are started in
//! hundreds, and hold up the end of the runtime. One picture is one job on one thread; more pictures at once,
//! not more threads a picture, is what a loaded server wants.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use tokio::sync::{Semaphore, oneshot};

use super::{Rejected, Resource};

/// A bounded pool of threads.
#[derive(Debug, Clone)]
pub struct Pool {
    slots: Arc<Semaphore>,
    threads: Arc<rayon::ThreadPool>,
}

/// A job that has been started. Dropping it does not stop the thread: whoever starts a job gives it a flag to
/// look at between its steps.
#[derive(Debug)]
pub struct Job<T> {
    result: oneshot::Receiver<T>,
}

impl Pool {
    /// Starts `slots` threads.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(slots: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(slots)
            .thread_name(|index| format!("pixels-{index}"))
            .build()?;
        Ok(Self { slots: Arc::new(Semaphore::new(slots)), threads: Arc::new(threads) })
    }

    /// Slots.
    #[must_use]
    pub fn size(&self) -> usize {
        self.threads.current_num_threads()
    }

    /// Slots that are taken.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.size().saturating_sub(self.slots.available_permits())
    }

    /// Waits for a slot and starts `job`. The slot is free again when the job returns or panics.
    ///
    /// # Errors
    /// [`Rejected::Deadline`].
    pub async fn start<T: Send + 'static>(
        &self,
        deadline: Instant,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Job<T>, Rejected> {
        let slot = tokio::time::timeout_at(deadline.into(), Arc::clone(&self.slots).acquire_owned())
            .await
            .map_err(|_| Rejected::Deadline(Resource::Cpu))?
            .map_err(|_| Rejected::Busy(Resource::Cpu))?; // closed: it never is
        let (send, result) = oneshot::channel();
        let span = tracing::Span::current();
        self.threads.spawn(move || {
            let _entered = span.enter();
            // A decoder that panics costs one request, not the thread. Nothing of the job is used afterwards.
            if let Ok(value) = catch_unwind(AssertUnwindSafe(job)) {
                _ = send.send(value); // nobody waits any more: the job was abandoned
            }
            drop(slot);
        });
        Ok(Job { result })
    }
}

impl<T> Job<T> {
    /// Waits for the job's value.
    ///
    /// # Errors
    /// [`Rejected::Panicked`].
    pub async fn finish(self) -> Result<T, Rejected> {
        self.result.await.map_err(|_| Rejected::Panicked)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[tokio::test]
    async fn no_more_jobs_than_slots_run_and_waiting_ends_at_the_deadline() {
        let pool = Pool::new(1).unwrap();
        let far = Instant::now() + Duration::from_secs(60);
        let (release, gate) = mpsc::channel::<()>();
        let first = pool.start(far, move || gate.recv().is_ok()).await.unwrap();
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(pool.start(soon, || ()).await.err(), Some(Rejected::Deadline(Resource::Cpu)));
        release.send(()).unwrap();
        assert_eq!(first.finish().await, Ok(true));
        assert_eq!(pool.start(far, || 7).await.unwrap().finish().await, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_costs_its_job_and_nothing_else() {
        let pool = Pool::new(1).unwrap();
        let far = Instant::now() + Duration::from_secs(60);
        let job = pool.start(far, || panic!("damaged picture")).await.unwrap();
        assert_eq!(job.finish().await, Err::<(), _>(Rejected::Panicked));
        assert_eq!(pool.start(far, || 7).await.unwrap().finish().await, Ok(7));
    }
}
