//! Decoding.

mod error;

pub use error::Error;
