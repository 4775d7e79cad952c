//! Use cases: what a resizer does, whichever door a request came in by.
//!
//! Functions over values and small traits. Both doors (`service`, gRPC; `http`) translate their requests into these
//! values and the answers back. Admission, the fail-closed rule, cache identity and lifetimes live here.
//!
//! # Layout
//! - [`context`]: what every request carries: deadline, request id, trace
//! - [`signer`]: what is asked of the signer, as a trait
//! - [`permits`]: what a caller may have, as a trait
//! - [`agreement`]: whether the signer means the same by a route
//! - [`check`]: whether signer and origins answer, before a roll-out
//! - [`fetch`]: an object of an origin, into bytes
//! - [`deliver`]: a URL, into what its answer says, and its picture
//! - `making`: what is made for a URL, apart from who asked
//! - `flights`: work that several requests wait for, done once
//! - [`results`]: results in the user's bucket
//! - [`render`]: a source and orders, into outputs
//! - [`source`]: the bytes of a source, and where they are from
//! - [`sink`]: where outputs go, as a trait
//! - [`inspect`]: what a picture is
//! - [`ingest`]: an upload, into an object
//! - [`objects`]: a stored object, changed or deleted
//! - `tasks`: what is left to do of uploads
//! - `metrics`: what is counted
//! - [`error`]: the errors of the modules below, as a caller is told them
//!
//! Names no type of tonic or hyper.

pub mod agreement;
pub mod check;
pub mod context;
pub mod deliver;
pub mod error;
pub mod fetch;
mod flights;
pub mod ingest;
pub mod inspect;
mod making;
mod metrics;
pub mod objects;
pub mod permits;
pub mod render;
pub mod results;
pub mod signer;
pub mod sink;
pub mod source;
mod tasks;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, SystemTime},
};

use safelight_chassis::metrics::Registry;
use safelight_image::limits::Limits;

use crate::{
    admission::{Admission, Place},
    config::Config,
    delivery::Delivery,
    origin::{Callbacks, Fetcher, Origin},
    upload::Uploads,
};
pub use context::Context;
use safelight_proto::reason::CallError;
pub use signer::Signer;
use tokio::sync::Notify;

/// One configured resizer: what all requests share.
#[derive(Debug)]
pub struct App {
    admission: Admission,
    limits: Limits,
    max_outputs: usize,
    origins: BTreeMap<String, (Origin, Fetcher)>,
    delivery: Delivery,
    results: Option<results::Results>,
    /// What is being found out of originals, and made of them.
    originals: flights::Flights<results::Facts>,
    pictures: flights::Flights<Arc<making::Made>>,
    /// How often an original was changed here: what was begun before is not for requests that come after.
    changes: AtomicU64,
    turns: objects::Turns,
    uploads: Uploads,
    callbacks: Callbacks,
    /// By the name of a rule: told when an upload by it has ended that has a callback.
    upload_ended: BTreeMap<String, Notify>,
    /// For each route, in order.
    agreements: Vec<agreement::Agreement>,
    signer: Arc<dyn Signer>,
    metrics: metrics::Metrics,
    /// When its configuration took effect, in whole seconds, as HTTP has dates.
    began: SystemTime,
}

/// Why the use cases cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The system gives no threads.
    #[error("the threads for pixels cannot be started")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// An HTTP client cannot be made: no TLS roots, mostly.
    #[error("the HTTP client of an origin cannot be made")]
    Client(#[from] reqwest::Error),
}

impl App {
    /// Sets up threads, budgets and the origins' clients. Connects to nothing.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(config: Config, signer: Arc<dyn Signer>) -> Result<Self, SetupError> {
        let results = config.results.map(|results| results::Results::new(results, &config.origins));
        let agreements = agreement::of(&config.delivery, &config.origins);
        let origins = config
            .origins
            .into_iter()
            .map(|(name, origin)| {
                if let Some(doubt) = &origin.doubt {
                    tracing::warn!(origin = name, "origin.doubtful: {doubt}");
                }
                let fetcher = Fetcher::new(&origin)?;
                Ok((name, (origin, fetcher)))
            })
            .collect::<Result<_, reqwest::Error>>()?;
        Ok(Self {
            admission: Admission::new(&config.admission)?,
            limits: config.limits,
            max_outputs: config.max_outputs,
            origins,
            delivery: config.delivery,
            results,
            originals: flights::Flights::new(),
            pictures: flights::Flights::new(),
            changes: AtomicU64::new(0),
            turns: objects::Turns::default(),
            upload_ended: config
                .uploads
                .rules
                .iter()
                .map(|rule| (rule.name.clone(), Notify::new()))
                .collect(),
            uploads: config.uploads,
            callbacks: Callbacks::new()?,
            agreements,
            signer,
            metrics: metrics::Metrics::new(),
            began: SystemTime::UNIX_EPOCH
                + Duration::from_secs(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()),
        })
    }

    /// Takes a place among the requests in progress; held until the answer has been sent.
    ///
    /// # Errors
    /// `BUSY`.
    pub fn enter(&self) -> Result<Place, CallError> {
        self.admission.enter().map_err(error::rejected)
    }

    /// The same for an upload over HTTP, which may take minutes: half of the places are left to others.
    ///
    /// # Errors
    /// `BUSY`.
    pub fn enter_slowly(&self) -> Result<Place, CallError> {
        self.admission.enter_slowly().map_err(error::rejected)
    }

    /// Adds what is counted to the process's metrics.
    pub fn register_metrics(&self, registry: &Registry) {
        self.metrics.register(registry, &self.admission);
    }

    /// What may run now.
    #[must_use]
    pub const fn admission(&self) -> &Admission {
        &self.admission
    }

    /// How large pictures may be.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Most outputs of one request.
    #[must_use]
    pub const fn max_outputs(&self) -> usize {
        self.max_outputs
    }

    /// Routes and variants.
    #[must_use]
    pub const fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Upload rules.
    #[must_use]
    pub const fn uploads(&self) -> &Uploads {
        &self.uploads
    }
}
