//! How any of our gRPC processes runs. Knows neither keys nor images.
//!
//! # Layout
//! - [`config`]: one TOML file, all its errors at once
//! - [`cli`]: the flags that every service has
//! - [`check`]: `check-config`: what a start would say, without serving
//! - [`exit`]: exit codes
//! - [`telemetry`]: log lines, for the whole process
//! - [`shutdown`]: when to stop, and how patiently
//! - [`access`]: who calls, and what they may do
//! - [`tls`]: certificates, reloaded
//! - [`reload`]: the configuration, read again when its files change
//! - [`deadline`], [`request_id`]: what every call carries in its extensions
//! - `layer`: what happens around every call: request id, log line, error reasons, access, deadline, panics
//! - [`server`]: listening, connections, health, reflection, drain
//! - [`admin`]: probes and metrics, on a port of their own
//! - [`metrics`]: what is counted
//! - [`http`]: HTTP/1.1 and HTTP/2, for what is not gRPC
//! - [`Process`]: all of it in order, the `main` of a service

#![forbid(unsafe_code)]

pub mod access;
pub mod admin;
pub mod check;
pub mod cli;
pub mod config;
pub mod exit;
pub mod http;
mod layer;
pub mod metrics;
mod process;
pub mod random;
pub mod reload;
pub mod server;
pub mod shutdown;
pub mod telemetry;
pub mod tls;

pub use layer::{deadline, request_id};
pub use process::Process;

/// Any error, on its way to the log of a process that cannot start.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
