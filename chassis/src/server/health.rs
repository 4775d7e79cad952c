//! `grpc.health.v1`: whether the server is ready.
//!
//! # Layout
//! - [`Health`]: what the process says of itself
//! - `service`: the protocol
//! - `descriptors`: how reflection describes it

mod descriptors;
mod service;

use std::sync::Arc;

use tokio::sync::watch;

pub(crate) use self::descriptors::descriptors;

/// The name under which health is asked of the whole server.
const WHOLE: &str = "";

/// Says whether the server and all its services are ready. Not ready to begin with, and from drain on.
#[derive(Debug, Clone)]
pub struct Health {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug)]
struct State {
    /// The services that are known, and the whole.
    names: Vec<&'static str>,
    ready: bool,
    draining: bool,
    /// Whether open `Watch` calls are to end.
    over: bool,
}

impl State {
    const fn serving(&self) -> bool {
        self.ready && !self.draining
    }
}

impl Health {
    pub(super) fn new() -> Self {
        let state = State { names: vec![WHOLE], ready: false, draining: false, over: false };
        Self { state: Arc::new(watch::Sender::new(state)) }
    }

    /// Everything it takes to serve is there: answer SERVING. Without effect once the server drains.
    pub async fn ready(&self) {
        self.state.send_modify(|state| state.ready = true);
    }

    /// Something it takes to serve is gone: answer NOT_SERVING.
    ///
    /// Not for overload, which would only move the load to the others.
    pub async fn not_ready(&self) {
        self.state.send_modify(|state| state.ready = false);
    }

    /// Whether it answers SERVING.
    pub async fn is_ready(&self) -> bool {
        self.state.borrow().serving()
    }

    /// Why it does not answer SERVING, in words for people; `None` if it does.
    pub(crate) async fn unready(&self) -> Option<&'static str> {
        match *self.state.borrow() {
            State { draining: true, .. } => Some("draining"),
            State { ready: false, .. } => Some("not ready: what is missing is in the log"),
            State { .. } => None,
        }
    }

    /// Adds the server's services; their status is that of the whole.
    pub(super) fn register(&self, names: Vec<&'static str>) {
        self.state.send_modify(|state| state.names.extend(names));
    }

    /// Answers NOT_SERVING from now on.
    pub(super) fn drain(&self) {
        self.state.send_modify(|state| state.draining = true);
    }

    /// Ends open Watch calls, which have been told NOT_SERVING and would hold up the drain.
    pub(super) fn end_watches(&self) {
        self.state.send_modify(|state| state.over = true);
    }

    pub(super) fn service(&self) -> service::Server {
        service::Server::new(self.clone())
    }
}
