//! Typed client of the signer.
//!
//! What a caller wants to know comes as a `Result` that cannot be misread: a bad signature is
//! [`Verification::Refused`], never an `Ok` that has to be looked into.
//!
//! # Layout
//! - [`SignerClient`]: the methods
//! - [`Context`]: what travels with a call: how long it may take, the caller's request id and trace
//! - [`SignerError`]: why there is no answer; [`Failure`]: the same in full, for the log
//! - [`Credentials`]: who we are to the signer
//! - [`resolve`]: from the endpoint's name to addresses
//! - [`tls`]: certificates, keys and authorities in PEM files, for clients and servers
//! - `balance`: connections to all addresses, and which one takes a call
//! - `connection`: one of these
//! - `call`: one call: its metadata, its time, its second try

#![forbid(unsafe_code)]

mod balance;
mod call;
mod connection;
mod context;
mod credentials;
mod error;
pub mod resolve;
mod retry;
mod signer;
pub mod tls;
mod verdict;

pub use context::Context;
pub use credentials::Credentials;
pub use error::{ConnectError, Failure, SignerError};
pub use signer::{OriginRequest, PresentedUrl, SignerClient};
pub use verdict::{Authorization, Fetch, Judged, Verification};
