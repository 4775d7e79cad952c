//! The HTTP door, as clients see it: raw bytes, curl, hyper over HTTP/2, Chromium.
//!
//! # Layout
//! - [`wire`]: HTTP/1.1 to the byte
//! - [`answers`]: what a picture comes with, conditions, methods
//! - [`routes`]: what `[routes.http]` adds
//! - [`hints`]: client hints
//! - [`errors`]: what is refused, and how that is said
//! - [`viewers`]: hosts and addresses, by connections and by proxies
//! - [`clients`]: curl, HTTP/2, Chromium
//! - [`readers`]: slow ones, and those that go away
//! - [`traces`]: ids that are passed on to origins, by both doors

mod answers;
mod clients;
mod errors;
mod hints;
mod readers;
mod routes;
mod traces;
mod viewers;
pub(crate) mod wire;
