//! What may run now.
//!
//! # Layout
//! - [`config`]: the `[limits]` that bound memory, CPU and waiting
//! - [`budget`]: memory in units of 64 KiB, taken before it is used
//! - [`pool`]: the threads that CPU work runs on
//!
//! A request takes its resources in one order, so that no two can wait for each other: a place (at once or
//! never), bytes for the encoded source (at once or never), bytes for pixels (waiting), a CPU slot (waiting).
//! The bytes of encoded sources and of pixels are two budgets: whoever waits for pixels holds none of what
//! others wait for. No CPU slot is held across network input or output.
//!
//! Knows only numbers: no image, no gRPC.

pub mod budget;
pub mod config;
pub mod pool;

use std::{sync::Arc, time::Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use budget::{Budget, Reserved};
pub use config::Config;
pub use pool::{Job, Pool};

/// Why something may not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// All of it is taken; a later attempt may succeed.
    #[error("all capacity is taken ({0})")]
    Busy(Resource),
    /// It needs more than there is: no later attempt can succeed.
    #[error("this needs {needed} bytes of memory and the service has {total}")]
    TooLarge {
        /// Bytes asked for.
        needed: u64,
        /// Bytes of the whole budget.
        total: u64,
    },
    /// The deadline passed while waiting.
    #[error("the deadline passed while waiting ({0})")]
    Deadline(Resource),
    /// The job panicked.
    #[error("the job failed")]
    Panicked,
}

/// What a request can wait for or be refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// A place among the requests in progress.
    Place,
    /// Memory for encoded sources.
    Upload,
    /// Memory for pixels.
    Pixels,
    /// A CPU slot.
    Cpu,
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Place => "requests in progress",
            Self::Upload => "memory for uploads",
            Self::Pixels => "memory for pixels",
            Self::Cpu => "CPU",
        })
    }
}

/// All that is shared out in this process.
#[derive(Debug, Clone)]
pub struct Admission {
    places: Arc<Semaphore>,
    max_requests: usize,
    /// Of the places, those that requests may have whose bytes come as slowly as a client sends them.
    slow: Arc<Semaphore>,
    uploads: Budget,
    /// Half of it: for what comes as slowly as a client sends it.
    slow_uploads: Budget,
    pixels: Budget,
    pool: Pool,
}

/// A request's place; held until its answer has been sent.
#[derive(Debug)]
pub struct Place {
    _permit: Option<OwnedSemaphorePermit>,
    _slow: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// For work that several requests wait for: each of them has its own.
    #[must_use]
    pub const fn of_others() -> Self {
        Self { _permit: None, _slow: None }
    }
}

impl Admission {
    /// Sets up budgets and threads.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn new(config: &Config) -> Result<Self, rayon::ThreadPoolBuildError> {
        let uploads = config.memory_budget / config::UPLOAD_SHARE;
        Ok(Self {
            places: Arc::new(Semaphore::new(config.max_requests)),
            max_requests: config.max_requests,
            slow: Arc::new(Semaphore::new(config.max_requests.div_ceil(2))),
            uploads: Budget::new(Resource::Upload, uploads),
            slow_uploads: Budget::new(Resource::Upload, uploads / 2),
            pixels: Budget::new(Resource::Pixels, config.memory_budget - uploads),
            pool: Pool::new(config.cpu_slots)?,
        })
    }

    /// Takes a place, or refuses at once.
    ///
    /// # Errors
    /// [`Rejected::Busy`].
    pub fn enter(&self) -> Result<Place, Rejected> {
        let permit = Arc::clone(&self.places).try_acquire_owned();
        Ok(Place { _permit: Some(permit.map_err(|_| Rejected::Busy(Resource::Place))?), _slow: None })
    }

    /// The same for a request whose bytes come as slowly as a client sends them: half of the places are left to others.
    ///
    /// # Errors
    /// [`Rejected::Busy`].
    pub fn enter_slowly(&self) -> Result<Place, Rejected> {
        let slow = Arc::clone(&self.slow).try_acquire_owned();
        let slow = slow.map_err(|_| Rejected::Busy(Resource::Place))?;
        Ok(Place { _slow: Some(slow), ..self.enter()? })
    }

    /// Requests that have a place.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.max_requests.saturating_sub(self.places.available_permits())
    }

    /// Memory for encoded sources.
    #[must_use]
    pub const fn upload_budget(&self) -> &Budget {
        &self.uploads
    }

    /// Memory for pixels.
    #[must_use]
    pub const fn pixel_budget(&self) -> &Budget {
        &self.pixels
    }

    /// CPU slots.
    #[must_use]
    pub fn cpu_slots(&self) -> usize {
        self.pool.size()
    }

    /// CPU slots that are taken.
    #[must_use]
    pub fn busy_cpu_slots(&self) -> usize {
        self.pool.busy()
    }

    /// An empty reservation for an encoded source, to be grown as bytes come.
    #[must_use]
    pub fn upload(&self) -> Reserved {
        self.uploads.empty()
    }

    /// The same for a source that comes as slowly as a client sends it: half of the memory is left to others.
    #[must_use]
    pub fn upload_slowly(&self) -> Reserved {
        self.uploads.empty().within(self.slow_uploads.empty())
    }

    /// Waits for memory for pixels.
    ///
    /// # Errors
    /// [`Rejected::TooLarge`], [`Rejected::Deadline`].
    pub async fn pixels(&self, bytes: u64, deadline: Instant) -> Result<Reserved, Rejected> {
        self.pixels.acquire(bytes, deadline).await
    }

    /// Waits for a CPU slot and starts `job` on it.
    ///
    /// # Errors
    /// [`Rejected::Deadline`].
    pub async fn start<T: Send + 'static>(
        &self,
        deadline: Instant,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Job<T>, Rejected> {
        self.pool.start(deadline, job).await
    }
}
