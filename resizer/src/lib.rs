//! The resizer: spends CPU and memory, holds no key.
//!
//! Image bytes stream in, or are pulled from an origin with headers that the signer signed, and resized output
//! streams out.
//!
//! # Layout
//! In the order in which a request meets them:
//! - [`config`]: `resizer.toml`, composed of what each room reads for itself
//! - [`access`]: who may do what
//! - [`service`]: the gRPC door: translates, and calls `app`
//! - [`http`]: the HTTP door: translates, and calls `app`
//! - [`app`]: use cases: fetch, deliver, render, inspect, ingest
//! - [`signer`]: the signer over gRPC
//! - [`delivery`]: URL → route → origin, variant and policy
//! - [`upload`]: which files may be stored, and where
//! - [`transfer`]: bytes in and out of a stream
//! - [`origin`]: S3 and HTTP origins
//! - [`results`]: pictures that stay in the user's bucket
//! - [`admission`]: what may run now: places, memory, CPU
//!
//! Only `service` names gRPC types, only `http` those of an HTTP server; `origin` knows no image, `admission` only
//! numbers.

pub mod access;
pub mod admission;
pub mod app;
pub mod config;
pub mod delivery;
pub mod http;
pub mod origin;
pub mod results;
pub mod service;
pub mod signer;
pub mod transfer;
pub mod upload;

pub use config::Config;
pub use service::{Resizer, StartError, limits};
