//! End-to-end tests.
//!
//! # Layout
//! - [`counterpart`]: programs of other makers, found or missed loudly.
//! - [`faulty_origin`]: an HTTP origin that misbehaves on request.

pub mod counterpart;
pub mod faulty_origin;
