//! What the methods share.

use std::{collections::BTreeMap, time::Duration};

use safelight_proto::client::{ConnectError, SignerClient};

use crate::{
    admission::Admission,
    config::Config,
    delivery::Delivery,
    origin::{Fetcher, Origin},
};
use safelight_image::limits::Limits;

/// One configured resizer.
#[derive(Debug)]
pub(super) struct State {
    pub(super) admission: Admission,
    pub(super) limits: Limits,
    pub(super) max_outputs: usize,
    pub(super) origins: BTreeMap<String, (Origin, Fetcher)>,
    pub(super) delivery: Delivery,
    pub(super) signer: SignerClient,
    pub(super) signer_timeout: Duration,
}

/// Why a resizer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system gives no threads.
    #[error("the threads for pixels cannot be started")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The signer's endpoint is no URI, or a file that the connection needs cannot be used.
    #[error("the connection to the signer: {0}")]
    Signer(#[from] ConnectError),
    /// An HTTP client cannot be made: no TLS roots, mostly.
    #[error("the HTTP client of an origin cannot be made")]
    Client(#[from] reqwest::Error),
}

impl State {
    pub(super) fn new(config: Config) -> Result<Self, StartError> {
        let origins = config
            .origins
            .into_iter()
            .map(|(name, origin)| {
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
            signer: SignerClient::connect_lazy(&config.signer_endpoint, &config.signer_credentials)?,
            signer_timeout: config.signer_timeout,
        })
    }
}
