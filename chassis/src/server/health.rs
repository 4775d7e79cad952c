//! `grpc.health.v1`: whether the server is ready.

use std::{convert::Infallible, sync::Arc};

use http::{Request, Response};
use tokio::sync::Mutex;
use tonic::{body::Body, server::NamedService};
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};
use tower_service::Service;

use super::MAX_STOCK_REQUEST;

/// The name under which health is asked of the whole server.
const WHOLE: &str = "";

/// Says whether the server and all its services are ready. Not ready to begin with, and from drain on.
#[derive(Debug, Clone)]
pub struct Health {
    reporter: HealthReporter,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    names: Vec<&'static str>,
    ready: bool,
    draining: bool,
}

impl State {
    const fn serving(&self) -> bool {
        self.ready && !self.draining
    }
}

impl Health {
    pub(super) fn new() -> Self {
        let state = State { names: Vec::new(), ready: false, draining: false };
        Self { reporter: HealthReporter::new(), state: Arc::new(Mutex::new(state)) }
    }

    /// Everything it takes to serve is there: answer SERVING. Without effect once the server drains.
    pub async fn ready(&self) {
        self.update(|state| state.ready = true).await;
    }

    /// Something it takes to serve is gone: answer NOT_SERVING.
    ///
    /// Not for overload, which would only move the load to the others.
    pub async fn not_ready(&self) {
        self.update(|state| state.ready = false).await;
    }

    /// Whether it answers SERVING.
    pub async fn is_ready(&self) -> bool {
        self.state.lock().await.serving()
    }

    /// Why it does not answer SERVING, in words for people; `None` if it does.
    pub(crate) async fn unready(&self) -> Option<&'static str> {
        match *self.state.lock().await {
            State { draining: true, .. } => Some("draining"),
            State { ready: false, .. } => Some("not ready: what is missing is in the log"),
            State { .. } => None,
        }
    }

    /// Adds the server's services; their status is that of the whole.
    pub(super) async fn register(&self, names: Vec<&'static str>) {
        self.update(|state| state.names.extend(names.into_iter().chain([WHOLE]))).await;
    }

    /// Answers NOT_SERVING from now on.
    pub(super) async fn drain(&self) {
        self.update(|state| state.draining = true).await;
    }

    /// Ends open Watch calls, which have been told NOT_SERVING and would hold up the drain.
    pub(super) async fn end_watches(&self) {
        let state = self.state.lock().await;
        let mut reporter = self.reporter.clone();
        for name in &state.names {
            reporter.clear_service_status(name).await;
        }
    }

    pub(super) fn service(
        &self,
    ) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
    + NamedService
    + Clone
    + Send
    + Sync
    + 'static {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
            .max_decoding_message_size(MAX_STOCK_REQUEST)
    }

    async fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().await;
        let before = (state.serving(), state.names.len());
        change(&mut state);
        if before == (state.serving(), state.names.len()) {
            // Watchers are told of changes only.
            return;
        }
        let status = if state.serving() { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in &state.names {
            self.reporter.set_service_status(name, status).await;
        }
    }
}
