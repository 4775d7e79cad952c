//! One-time upload tokens, on both stores: an embedded file, and a real PostgreSQL.
//!
//! # Layout
//! - `place`: where a store is kept, and how it is opened again
//! - `postgres`: a PostgreSQL server of the test's own
//! - `postgres_tls`: the same server with a certificate
//! - `served`: a signer over a real socket, at a time that the test sets
//! - `store`: what every store must do
//! - `journal`: what every store must do with the journal
//! - `model`: the stores against a model, by random histories
//! - `scenarios`: the vectors
//! - `calls`: what the vectors do not say of the four methods
//! - `kill`: signers that are killed while tokens are reserved, redeemed and released

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests and what they share")]

mod calls;
mod journal;
mod kill;
mod model;
mod place;
mod postgres;
mod postgres_tls;
mod scenarios;
mod served;
mod store;
