//! Bytes in and out of a stream.
//!
//! # Layout
//! - [`receive`]: an upload: bounded, with length, checksum and an explicit end
//! - [`send`]: the answer: chunks with backpressure, given up when the reader stalls

pub mod receive;
pub mod send;
