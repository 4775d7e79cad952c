//! Connections of each port, and requests over HTTP.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
};

use super::Registry;

/// Of all ports.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    open: Family<Port, Gauge>,
    accepted: Family<Port, Counter>,
    refused: Family<Port, Counter>,
    evicted: Family<Port, Counter>,
    requests: Family<Request, Counter>,
    seconds: Family<Port, Histogram, fn() -> Histogram>,
}

/// What a port has seen of connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connections {
    pub(crate) open: Gauge,
    pub(crate) accepted: Counter,
    /// There was no room.
    pub(crate) refused: Counter,
    /// Idle, and ended to make room.
    pub(crate) evicted: Counter,
}

/// What a port has seen of requests over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    port: &'static str,
    requests: Family<Request, Counter>,
    seconds: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Port {
    port: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    port: &'static str,
    method: &'static str,
    status: u16,
}

impl Ports {
    pub(crate) fn new(registry: &Registry) -> Self {
        // 1 ms to 65 s.
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 4.0, 9));
        let ports = Self {
            open: Family::default(),
            accepted: Family::default(),
            refused: Family::default(),
            evicted: Family::default(),
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
        };
        let own = ports.clone();
        registry.register("connections", "Connections that are open, by port", own.open);
        registry.register("connections_accepted", "Connections that were accepted", own.accepted);
        registry.register("connections_refused", "Connections that there was no room for", own.refused);
        registry.register(
            "connections_evicted",
            "Idle connections that were closed to make room",
            own.evicted,
        );
        registry.register(
            "http_requests",
            "Requests over HTTP that were answered; status 0: the client went away",
            own.requests,
        );
        registry.register(
            "http_request_duration_seconds",
            "From a request's head to its answer's end",
            own.seconds,
        );
        ports
    }

    pub(crate) fn connections(&self, port: &'static str) -> Connections {
        let port = Port { port };
        Connections {
            open: self.open.get_or_create_owned(&port),
            accepted: self.accepted.get_or_create_owned(&port),
            refused: self.refused.get_or_create_owned(&port),
            evicted: self.evicted.get_or_create_owned(&port),
        }
    }

    pub(crate) fn requests(&self, port: &'static str) -> Requests {
        let seconds = self.seconds.get_or_create_owned(&Port { port });
        Requests { port, requests: self.requests.clone(), seconds }
    }
}

impl Requests {
    /// Counts a request that is over. `method` is one of few.
    pub(crate) fn count(&self, method: &'static str, status: Option<u16>, seconds: f64) {
        let request = Request { port: self.port, method, status: status.unwrap_or(0) };
        self.requests.get_or_create(&request).inc();
        self.seconds.observe(seconds);
    }
}
