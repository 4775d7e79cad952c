//! Which object a delivery URL names: the grammar that the resizer's `[[routes]]` and the signer's `[[deliveries]]` share.
//!
//! # Layout
//! - [`template`]: path templates such as `/{account}/{key...}/{variant}`
//! - [`object_key`]: object keys as URL paths
//! - [`identity`]: what route and delivery must agree on, and its digest

pub mod identity;
pub mod object_key;
pub mod template;

pub use identity::Identity;
