//! Calls, by method and code.

use std::{collections::HashMap, sync::Arc};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
};
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;

use super::Registry;
use crate::server::health;

/// The method of calls whose path is none of ours.
const OTHER: &str = "other";

#[derive(Debug)]
pub(crate) struct Calls {
    /// By path.
    methods: HashMap<String, Call>,
    other: Call,
}

/// Of one method.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Arc<str>,
    started: Counter,
    finished: Family<Finished, Counter>,
    seconds: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Finished {
    method: Arc<str>,
    code: &'static str,
}

impl Calls {
    /// For these services, as `descriptors` describe them, health and reflection.
    pub(crate) fn new(registry: &Registry, descriptors: Option<&[u8]>, services: &[&str]) -> Self {
        let started: Family<Method, Counter> = Family::default();
        let finished = Family::default();
        // 0.1 ms to 26 s.
        let buckets: fn() -> Histogram = || Histogram::new(exponential_buckets(0.0001, 4.0, 10));
        let seconds: Family<Method, Histogram, fn() -> Histogram> = Family::new_with_constructor(buckets);
        registry.register("calls_started", "Calls that came in, by method", started.clone());
        registry.register("calls", "Calls that are over, by method and code", finished.clone());
        registry.register("call_duration_seconds", "From a call's head to its answer's end", seconds.clone());
        let call = |method: &str| {
            let method = Method { method: method.into() };
            Call {
                started: started.get_or_create_owned(&method),
                seconds: seconds.get_or_create_owned(&method),
                finished: finished.clone(),
                method: method.method,
            }
        };
        let health = health::descriptors();
        let stock: [&[u8]; 3] = [
            &health,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let own = descriptors.into_iter().flat_map(|own| {
            methods(own).into_iter().filter(|(service, _)| services.contains(&service.as_str()))
        });
        let methods = stock.into_iter().flat_map(methods).chain(own);
        let methods = methods
            .map(|(service, method)| {
                let name = format!("{service}/{method}");
                (format!("/{name}"), call(&name))
            })
            .collect();
        Self { methods, other: call(OTHER) }
    }

    /// A call of this path came in.
    pub(crate) fn start(&self, path: &str) -> Call {
        let call = self.methods.get(path).unwrap_or(&self.other);
        call.started.inc();
        call.clone()
    }
}

impl Call {
    /// `package.Service/Method`, or `other`: anything else may hold what must not be shown.
    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// It is over.
    pub(crate) fn finish(&self, code: Code, seconds: f64) {
        let finished = Finished { method: Arc::clone(&self.method), code: name(code) };
        self.finished.get_or_create(&finished).inc();
        self.seconds.observe(seconds);
    }
}

/// The services and methods in an encoded `FileDescriptorSet`. Nothing, if it is none: reflection says so.
fn methods(descriptors: &[u8]) -> Vec<(String, String)> {
    let set = FileDescriptorSet::decode(descriptors).unwrap_or_default();
    let mut all = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            all.extend(service.method.iter().map(|method| (name.clone(), method.name().to_owned())));
        }
    }
    all
}

/// As the protocol's documents have it.
const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
