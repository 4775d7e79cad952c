//! How any of our gRPC processes runs. Knows neither keys nor images.
//!
//! # Layout
//! - [`config`]: one TOML file, all its errors at once
//! - [`cli`]: the flags that every service has
//! - [`exit`]: exit codes

#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
pub mod exit;
