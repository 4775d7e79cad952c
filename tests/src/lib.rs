//! End-to-end tests.
//!
//! # Layout
//! - [`counterpart`]: programs of other makers, found or missed loudly.
//! - [`envoy`]: a real Envoy with a configuration that we ship.
//! - [`faulty_origin`]: an HTTP origin that misbehaves on request.

pub mod counterpart;
pub mod envoy;
pub mod faulty_origin;
