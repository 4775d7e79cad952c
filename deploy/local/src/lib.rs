//! The local stack.
//!
//! # Layout
//! - [`s3`]: an S3 server in the process that verifies signatures, standing for a private origin.
//! - [`picture`]: the picture that `cargo local` shows, and small ones for tests, drawn in code.

pub mod picture;
pub mod s3;
