//! What a process counts, for Prometheus.
//!
//! Labels are of sets that are known beforehand, never what a caller sent: each series costs memory for good. Names begin
//! with `safelight_`.
//!
//! # Layout
//! - [`Registry`]: where services add theirs, with the types of `prometheus_client`
//! - [`Reloads`]: files that are read again
//! - `calls`, `ports`: the chassis's own

pub(crate) mod calls;
pub(crate) mod ports;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, prometheus_text},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
    },
    registry::{Metric, Registry as Inner},
};

use crate::{reload, tls::Tls};

/// What a process counts. A handle: clones share the metrics.
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<Mutex<Inner>>,
    reloads: Family<Reload, Counter>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        let reloads = Family::default();
        let registry =
            Self { inner: Arc::new(Mutex::new(Inner::with_prefix("safelight"))), reloads: reloads.clone() };
        registry.register(
            "reloads",
            "Files that had changed and were read again, by what and result",
            reloads,
        );
        registry
    }

    /// Adds a metric. A counter's name gets `_total`; write the unit into the name of what has one, as in `_seconds`.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.lock().register(name, help, metric);
    }

    /// Adds metrics that are looked up when they are asked for.
    pub fn register_collector(&self, collector: impl Collector) {
        self.lock().register_collector(Box::new(collector));
    }

    /// Counts how often `what` was read again.
    #[must_use]
    pub fn reloads(&self, what: &'static str) -> Reloads {
        let counter = |result| self.reloads.get_or_create_owned(&Reload { what, result });
        Reloads { ok: counter("ok"), failed: counter("failed") }
    }

    /// Shows how often `what` was read again by a [`reload`].
    pub fn watch_reloads(&self, what: &'static str, reloads: Arc<reload::Reloads>) {
        self.register_collector(Watched { what, reloads });
    }

    /// All of it in Prometheus' text format.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.lock())?;
        Ok(text)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often something was read again.
#[derive(Debug, Clone)]
pub struct Reloads {
    /// It had changed, and the new is in use.
    pub ok: Counter,
    /// It had changed, and could not be used.
    pub failed: Counter,
}

/// Reloads that are counted elsewhere, looked up when they are asked for.
#[derive(Debug)]
struct Watched {
    what: &'static str,
    reloads: Arc<reload::Reloads>,
}

impl Collector for Watched {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (name, help) = ("config_reloads", "Configurations that had changed and were read again");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (result, count) in [("ok", self.reloads.applied()), ("failed", self.reloads.refused())] {
            let labels = Reload { what: self.what, result };
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// When the server's certificate expires, looked up when it is asked for.
#[derive(Debug)]
pub(crate) struct Expiry(pub(crate) Arc<Tls>);

impl Collector for Expiry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(expires) = self.0.expires() else { return Ok(()) };
        let (name, help) = ("certificate_expiry_timestamp_seconds", "When the server's certificate expires");
        let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(expires).encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reload {
    what: &'static str,
    result: &'static str,
}
