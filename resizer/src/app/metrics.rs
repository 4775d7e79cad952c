//! What the use cases count, for Prometheus. Labels are names of the configuration or of tables here, never of a request.

use std::time::Duration;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        MetricType,
        counter::Counter,
        family::Family,
        gauge::ConstGauge,
        histogram::{Histogram, exponential_buckets},
    },
};
use safelight_chassis::metrics::Registry;

use super::sink::Timings;
use crate::admission::{Admission, Budget};

/// What is counted.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    stages: Family<Stage, Histogram, fn() -> Histogram>,
    origins: Family<Fetched, Counter>,
    uploads: Family<Upload, Counter>,
    /// Encoded bytes in and out.
    bytes: Family<Direction, Counter>,
    results: Family<Outcome, Counter>,
    result_store: Family<Outcome, Counter>,
    callbacks: Family<Upload, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fetched {
    origin: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Upload {
    upload: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Direction {
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The outcome of a fetch that brought the whole object.
pub(super) const FETCHED: &str = "OK";

impl Metrics {
    pub(super) fn new() -> Self {
        // 0.1 ms to 26 s.
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.0001, 4.0, 10));
        Self {
            stages: Family::new_with_constructor(buckets),
            origins: Family::default(),
            uploads: Family::default(),
            bytes: Family::default(),
            results: Family::default(),
            result_store: Family::default(),
            callbacks: Family::default(),
        }
    }

    pub(super) fn register(&self, registry: &Registry, admission: &Admission) {
        registry.register(
            "stage_duration_seconds",
            "Time of a request's stages: signer, receive, queue, decode, resize, encode",
            self.stages.clone(),
        );
        registry.register(
            "origin_fetches",
            "Objects asked of origins, by origin and outcome: OK or the reason of the error",
            self.origins.clone(),
        );
        registry.register(
            "uploads",
            "Uploads that came to be stored, by rule and outcome: OK or the reason of the error",
            self.uploads.clone(),
        );
        registry.register("picture_bytes", "Encoded bytes received and made", self.bytes.clone());
        registry.register(
            "results",
            "Deliveries by where the picture came from: hit, miss, collapsed, bypass",
            self.results.clone(),
        );
        registry.register(
            "result_store",
            "What happened at the result store: stored, exists, skipped, too_large, damaged, read_failed, write_failed",
            self.result_store.clone(),
        );
        registry.register(
            "callbacks",
            "Outcomes of uploads that were sent to callbacks, by rule and outcome: OK or failed",
            self.callbacks.clone(),
        );
        registry.register_collector(Budgets(admission.clone()));
    }

    /// Counts the stages of a request that came to its end.
    pub(super) fn stages(&self, timings: &Timings) {
        let Timings { signer, receive, queue, decode, resize, encode } = *timings;
        let observe = |stage, time: Duration| {
            self.stages.get_or_create(&Stage { stage }).observe(time.as_secs_f64());
        };
        if let Some(signer) = signer {
            observe("signer", signer);
        }
        observe("receive", receive);
        observe("queue", queue);
        observe("decode", decode);
        observe("resize", resize);
        observe("encode", encode);
    }

    /// Counts a fetch. `outcome` is [`FETCHED`] or a reason.
    pub(super) fn fetched(&self, origin: &str, outcome: &'static str) {
        self.origins.get_or_create(&Fetched { origin: origin.to_owned(), outcome }).inc();
    }

    /// Counts an upload that was to be written. `outcome` is `OK` or a reason.
    pub(super) fn stored(&self, rule: &str, outcome: &'static str) {
        self.uploads.get_or_create(&Upload { upload: rule.to_owned(), outcome }).inc();
    }

    /// Counts an attempt to send an outcome.
    pub(super) fn callback(&self, rule: &str, is_received: bool) {
        let outcome = if is_received { "OK" } else { "failed" };
        self.callbacks.get_or_create(&Upload { upload: rule.to_owned(), outcome }).inc();
    }

    /// Counts a delivery by where its picture came from.
    pub(super) fn result(&self, outcome: &'static str) {
        self.results.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts what happened at the result store.
    pub(super) fn result_store(&self, outcome: &'static str) {
        self.result_store.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts bytes of a source.
    pub(super) fn received(&self, bytes: usize) {
        self.bytes.get_or_create(&Direction { direction: "received" }).inc_by(bytes as u64);
    }

    /// Counts bytes of an output.
    pub(super) fn made(&self, bytes: u64) {
        self.bytes.get_or_create(&Direction { direction: "made" }).inc_by(bytes);
    }
}

/// What is taken and what there is, looked up when it is asked for.
#[derive(Debug)]
struct Budgets(Admission);

impl Collector for Budgets {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (uploads, pixels) = (self.0.upload_budget(), self.0.pixel_budget());
        let number = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        type Value = fn(&Budget) -> u64;
        let families: [(&str, &str, Value); 2] = [
            ("memory_budget_bytes", "Memory that may be taken, by what it is for", Budget::total),
            ("memory_used_bytes", "Memory that is taken, by what it is for", Budget::used),
        ];
        for (name, help, value) in families {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (purpose, budget) in [("sources", uploads), ("pixels", pixels)] {
                let labels = [("purpose", purpose)];
                let gauge = ConstGauge::new(number(value(budget)));
                gauge.encode(family.encode_family(&labels)?)?;
            }
        }
        let slots = [
            ("cpu_slots", "CPU slots", self.0.cpu_slots()),
            ("cpu_slots_busy", "CPU slots that are taken", self.0.busy_cpu_slots()),
            ("requests_in_progress", "Requests that have a place", self.0.requests()),
        ];
        for (name, help, value) in slots {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}
