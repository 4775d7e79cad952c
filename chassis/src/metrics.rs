//! What a process counts, for Prometheus.
//!
//! Labels are of sets that are known beforehand, never what a caller sent: each series costs memory for good. Names begin
//! with `safelight_`.
//!
//! # Layout
//! - [`Registry`]: where services add theirs, with the types of `prometheus_client`
//! - `calls`, `ports`: the chassis's own

pub(crate) mod calls;
pub(crate) mod ports;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, prometheus_text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Metric, Registry as Inner},
};

use crate::{reload::Reloads, tls::Tls};

/// What a process counts. A handle: clones share the metrics.
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<Mutex<Inner>>,
    reloads: Watched,
}

impl Registry {
    pub(crate) fn new() -> Self {
        let reloads = Watched::default();
        let registry =
            Self { inner: Arc::new(Mutex::new(Inner::with_prefix("safelight"))), reloads: reloads.clone() };
        registry.register_collector(reloads);
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

    /// Shows how often `what` was read again.
    pub fn watch_reloads(&self, what: &'static str, reloads: Reloads) {
        self.reloads.lock().push((what, reloads));
    }

    /// All of it in Prometheus' text format.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.lock())?;
        Ok(text)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is read again, and how often it was; looked up when it is asked for.
#[derive(Debug, Clone, Default)]
struct Watched(Arc<Mutex<Vec<(&'static str, Reloads)>>>);

impl Watched {
    fn lock(&self) -> MutexGuard<'_, Vec<(&'static str, Reloads)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Watched {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (name, help) = ("reloads", "Files that had changed and were read again, by what and result");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (what, reloads) in &*self.lock() {
            for (result, count) in [("ok", reloads.applied()), ("failed", reloads.refused())] {
                let labels = Reload { what, result };
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reloads_are_counted_by_what_and_result() {
        let registry = Registry::new();
        let (tls, configuration) = (Reloads::default(), Reloads::default());
        registry.watch_reloads("tls", tls.clone());
        registry.watch_reloads("configuration", configuration.clone());
        configuration.apply();
        configuration.apply();
        tls.refuse();
        let text = registry.text().unwrap();
        assert_eq!(text.matches("# TYPE safelight_reloads_total counter").count(), 1, "{text}");
        for line in [
            "safelight_reloads_total{what=\"configuration\",result=\"ok\"} 2",
            "safelight_reloads_total{what=\"configuration\",result=\"failed\"} 0",
            "safelight_reloads_total{what=\"tls\",result=\"ok\"} 0",
            "safelight_reloads_total{what=\"tls\",result=\"failed\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }
}
