//! One-time upload tokens (Cloudflare's direct creator upload).
//!
//! # Layout
//! - [`token`]: a token, and the id that names it without its power
//! - [`record`]: what is kept of a token
//! - [`image_id`]: ids of images
//! - [`rules`]: what a token may be made for
//! - [`machine`]: what happens to a token: reserve, redeem, release, cancel; pure
//! - [`journal`]: what is left to do of uploads until their outcomes have been told
//! - [`store`]: where records and the journal are kept, durably: embedded, or PostgreSQL
//! - [`tokens`]: all of it together, what the service calls
//! - [`sweep`]: removes what is long over, in the background
//! - [`config`]: reads `[upload_tokens]`
//!
//! Nothing here asks for the time, the sweeper apart: it is an argument.

pub mod config;
pub mod image_id;
pub mod journal;
pub mod machine;
pub mod record;
pub mod rules;
pub mod store;
mod sweep;
pub mod token;
mod tokens;

pub use config::Settings;
pub use image_id::ImageIdError;
pub use journal::Journal;
pub use machine::{Event, Held, Outcome, Refusal};
pub use record::{Record, State};
pub use rules::{Expiry, Invalid, Wish};
pub use store::{Store, StoreError};
pub use token::{Token, TokenId};
pub use tokens::{CreateError, Created, MAX_CALLS, TokenError, UploadTokens};
