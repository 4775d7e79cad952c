//! When to stop, and how patiently.

use std::{sync::Arc, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::exit;

/// A wish to stop, shared between who may wish it and who must heed it.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Shutdown {
    /// Not triggered.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Triggers it, for good.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }

    /// Returns once it has been triggered.
    pub async fn triggered(&self) {
        // The sender lives as long as `self`, so that waiting cannot fail.
        _ = self.0.subscribe().wait_for(|triggered| *triggered).await;
    }

    /// Triggers it on the first SIGTERM or SIGINT; a second one ends the process at once.
    ///
    /// For processes that are ours alone: it changes what signals do. Call inside a tokio runtime.
    ///
    /// # Errors
    /// The system does not let us handle signals.
    pub fn on_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            let name = tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" };
            tracing::info!(signal = name, "shutting down");
            shutdown.trigger();
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::warn!("second signal: exiting at once");
            std::process::exit(i32::from(exit::IMPATIENT));
        });
        Ok(())
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

/// How a server stops. The sum must fit in Kubernetes' `terminationGracePeriodSeconds`, with 5 s to spare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// How long to go on serving, not ready, until load balancers have noticed.
    pub lame_duck: Duration,
    /// How long calls in flight may take after that; then their connections are cut.
    pub timeout: Duration,
}

impl Drain {
    /// Without a lame duck, for servers that no load balancer stands before: tests and the local stack.
    #[must_use]
    pub const fn within(timeout: Duration) -> Self {
        Self { lame_duck: Duration::ZERO, timeout }
    }
}

impl Default for Drain {
    /// 5 s + 40 s, for a grace period of 60 s.
    fn default() -> Self {
        Self { lame_duck: Duration::from_secs(5), timeout: Duration::from_secs(40) }
    }
}
