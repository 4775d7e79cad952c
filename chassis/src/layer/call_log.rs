//! One span and one log line for each call, at the boundary. Never what a request contains.

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, Request, Response, StatusCode, uri::PathAndQuery};
use safelight_proto::reason::CallError;
use tonic::{Code, Status, transport::server::TcpConnectInfo};
use tracing::{Span, field};

use super::{
    around::{Hooks, Layer},
    request_id::{RequestId, TraceParent},
};
use crate::{
    access::Identified,
    metrics::calls::{Call, Calls},
};

#[derive(Debug, Clone)]
pub(crate) struct CallLog {
    counts: Arc<Calls>,
}

impl CallLog {
    pub(crate) const fn new(counts: Arc<Calls>) -> Self {
        Self { counts }
    }
}

impl Layer for CallLog {
    type Hooks = Record;

    fn begin<B>(&self, request: &mut Request<B>) -> Result<Record, Response<()>> {
        // With its query, which the path of a method has not.
        let path = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
        let count = self.counts.start(path);
        // At the level of the worst line written in it: a filter that lets the line through must let its
        // fields through.
        let span = tracing::error_span!(
            "call",
            rpc.method = count.method(),
            request.id = field::Empty,
            trace.id = field::Empty,
            peer = field::Empty,
            caller = field::Empty
        );
        let extensions = request.extensions();
        if let Some(id) = extensions.get::<RequestId>() {
            span.record("request.id", id.as_str());
        }
        if let Some(parent) = extensions.get::<TraceParent>() {
            span.record("trace.id", parent.trace_id());
        }
        if let Some(peer) = extensions.get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr) {
            span.record("peer", field::display(peer));
        }
        if let Some(Identified(Ok(caller))) = extensions.get::<Identified>() {
            span.record("caller", caller.as_str());
        }
        let quiet = path == "/grpc.health.v1.Health/Check";
        Ok(Record { span, start: Instant::now(), end: None, quiet, count })
    }
}

/// A call that is being answered. Logs when dropped, for then it is over, in whichever way.
#[derive(Debug)]
pub(crate) struct Record {
    span: Span,
    start: Instant,
    /// Code and reason, once known.
    end: Option<(Code, Option<String>)>,
    /// Whether success is not worth a line: probes come every few seconds.
    quiet: bool,
    count: Call,
}

impl Record {
    /// Notes the status, if `headers` has one.
    fn note(&mut self, headers: &HeaderMap) {
        if let Some(status) = Status::from_header_map(headers) {
            self.end = Some((status.code(), safelight_proto::reason::of(&status)));
        }
    }
}

impl Hooks for Record {
    fn run<T>(&mut self, step: impl FnOnce() -> T) -> Result<T, CallError> {
        Ok(self.span.in_scope(step))
    }

    fn head<B>(&mut self, response: &mut Response<B>) {
        if response.status() != StatusCode::OK {
            // Not gRPC.
            self.end = Some((Code::Unimplemented, Some(format!("HTTP_{}", response.status().as_u16()))));
        }
        self.note(response.headers());
    }

    fn trailers(&mut self, trailers: &mut HeaderMap) {
        self.note(trailers);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // No status: the caller reset the stream, or its connection went away.
        let (code, reason) = self.end.take().unwrap_or_else(|| (Code::Cancelled, Some("GONE".to_owned())));
        let duration = self.start.elapsed();
        self.count.finish(code, duration.as_secs_f64());
        let duration_ms = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX) / 1000;
        let reason = reason.as_deref();
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(parent: &self.span, grpc.code = ?code, reason, duration_ms, "answered")
            };
        }
        match code {
            Code::Ok if self.quiet => line!(debug),
            Code::Internal | Code::Unknown | Code::DataLoss => line!(error),
            Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded => line!(warn),
            _ => line!(info),
        }
    }
}
