//! What the signer counts, for Prometheus. Labels are names of configured keys and reasons of the contract, never of a request.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use safelight_chassis::metrics::Registry;
use safelight_proto::signer::v1::Reason;

/// What is counted. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    verdicts: Family<Verdict, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Verdict {
    /// Empty for a delivery whose variants are all public.
    key: String,
    /// `OK` for a signature that holds.
    reason: &'static str,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &Registry) {
        registry.register("verdicts", "Signatures looked at, by key and reason", self.verdicts.clone());
    }

    /// Counts a verdict on a signature of a configured key.
    pub(crate) fn verdict(&self, key: &str, reason: Reason) {
        let reason = reason.as_str_name().trim_start_matches("REASON_");
        self.verdicts.get_or_create(&Verdict { key: key.to_owned(), reason }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_counted_by_key_and_reason() {
        let metrics = Metrics::default();
        for reason in [Reason::Ok, Reason::Expired, Reason::Ok] {
            metrics.verdict("web", reason);
        }
        metrics.verdict("other", Reason::Ok);
        let count = |key: &str, reason| {
            metrics.verdicts.get_or_create(&Verdict { key: key.to_owned(), reason }).get()
        };
        assert_eq!((count("web", "OK"), count("web", "EXPIRED"), count("other", "OK")), (2, 1, 1));
    }
}
