//! The local stack: an S3 origin that verifies signatures, a signer and a resizer in one process, with made-up
//! keys. `cargo local` shows it; the end-to-end tests run on it, so that what is shown cannot rot.
//!
//! # Layout
//! - [`s3`]: an S3 server in the process that verifies signatures, standing for a private origin.
//! - [`picture`]: the picture that `cargo local` shows, and small ones for tests, drawn in code.
//! - [`keys`]: made-up secrets, as files
//! - [`running`]: a server in the process
//! - [`stack`]: all three together, with the clients of their services

pub mod keys;
pub mod picture;
pub mod running;
pub mod s3;
pub mod stack;

pub use stack::{Settings, Stack, StackError};
