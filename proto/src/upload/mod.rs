//! What may be stored, and as what: what the `[[uploads]]` of resizer and signer share.
//!
//! # Layout
//! - [`identity`]: what the two rules must agree on, and its digest
//! - [`object`]: object keys and metadata
//! - [`multipart`]: files that are stored in parts
//! - [`form`]: signed forms, and the parameters that are served

pub mod form;
pub mod identity;
pub mod multipart;
pub mod object;

pub use form::Form;
pub use identity::Identity;
