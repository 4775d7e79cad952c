//! Holds the keys: signs and verifies.
//!
//! # Layout
//! - [`scheme`]: signature schemes, pure functions
//! - [`access`]: grants: who may do what
//! - [`audit`]: what was done, by whom
//! - [`keyring`]: keys, their versions and states, loading
//! - [`credentials`]: AWS credentials of origins, and the providers that issue them
//! - [`delivery`]: which object a delivery URL names, and so may be fetched
//! - [`origin`]: where objects are, and what signs requests there
//! - [`storing`]: what may be stored, and as which object
//! - [`upload`]: one-time upload tokens and their stores
//! - [`clock`]: what time it is
//! - `service`: the gRPC handlers; they translate and call
//! - [`Config`]: the configuration file
//! - `check`: whether what it names answers, before a roll-out
//! - [`Command`]: subcommands that make and rotate keys
//! - `reload`: reads keys again when their files change
//! - `stack`: wipes what computing with secrets leaves there
//! - [`limits`]: what the server bounds
//! - [`Signer`]: all of it, to be added to a server
//!
//! Dependency direction: `service` → `delivery`, `storing` → `origin` → `keyring` → `credentials` → `scheme`, and `service` → `upload`. Below `service` nothing names a tonic type, and nothing
//! asks for the time. Secrets come in by files, are held once, wiped on drop, and never go out: no type that holds
//! one has `Debug` or `Clone`.
//!
//! # Features
//! Both are on by default; without one the configurations that need it are refused at start.
//! - `aws-credentials`: credentials of origins from providers
//! - `postgres`: upload tokens in PostgreSQL

#![forbid(unsafe_code)]

pub mod access;
pub mod audit;
mod check;
pub mod clock;
mod command;
mod config;
pub mod credentials;
pub mod delivery;
pub mod keyring;
mod limits;
mod metrics;
pub mod origin;
mod reload;
pub mod scheme;
mod service;
mod signer;
mod stack;
pub mod storing;
pub mod upload;

pub use clock::Clock;
pub use command::{Command, CommandError};
pub use config::Config;
pub use limits::{DEFAULT_LISTEN, limits};
pub use safelight_chassis::reload::Reloads;
pub use service::MAX_BATCH;
pub use signer::{Signer, StartError};
