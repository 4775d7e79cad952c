//! Results that stay in the user's own bucket: where they are, and what is remembered of their originals.
//!
//! # Layout
//! - [`config`]: the `[results]` table
//! - [`address`]: the key of a result, by content; the key of an original's epoch
//! - [`picture`]: a result as an object: its headers, and the check of what comes back
//! - [`memory`]: what is known of originals, for a while
//! - [`breaker`]: whether the store is asked: not while it fails
//!
//! No network: requests are sent by [`app`](crate::app).

pub mod address;
pub mod breaker;
pub mod config;
pub mod memory;
pub mod picture;

pub use breaker::Breaker;
pub use config::Config;
pub use memory::Memory;
pub use picture::Picture;
