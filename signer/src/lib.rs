//! Holds the keys: signs and verifies.

#![forbid(unsafe_code)]
pub mod scheme;
