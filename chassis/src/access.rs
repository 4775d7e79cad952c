//! Who calls, and what they may do. The same for every service: each gives its table of methods, and reads what its grants
//! restrict besides.
//!
//! A caller is the first URI in its certificate (a SPIFFE ID, such as `spiffe://prod/ns/web/sa/backend`), or the name that the
//! configuration gives to a bearer token, or `anonymous`. A call is allowed when one grant allows all of it. The method is
//! settled before the message is read; the rest by the handler, through [`Granted`].
//!
//! ```toml
//! [[tokens]]
//! caller = "dev"                               # 1 to 64 letters, digits, '.', '_' or '-'
//! sha256 = "9f86d081884c7d65..."               # of the token
//!
//! [[grants]]
//! caller = "spiffe://prod/ns/web/sa/backend"   # a certificate's URI, a token's caller, or "anonymous"
//! methods = ["SignUrl", "BatchSignUrls"]       # or ["*"]
//! # ... and what the service's grants restrict
//! ```
//!
//! # Layout
//! - [`Caller`]: who calls
//! - [`Tokens`]: the bearer tokens that are taken
//! - `identity`: the caller that a certificate names
//! - [`Methods`]: the methods that can be granted
//! - [`Grants`]: read from the configuration; asked for every call
//! - [`Granted`]: what the grants of one caller for one method allow; [`Denied`] says what was missing
//! - [`Authorise`]: what the server asks before every call

mod authorise;
mod caller;
mod denied;
mod granted;
mod grants;
mod identity;
mod method;
mod names;
#[cfg(test)]
mod tests;
mod tokens;

pub use authorise::Authorise;
pub use caller::{ANONYMOUS, Caller};
pub use denied::{Denied, Name};
pub use granted::Granted;
pub use grants::{Grant, Grants};
pub use method::{Method, Methods};
pub use names::Names;
pub use tokens::Tokens;

pub(crate) use caller::{Identified, Unidentified};
pub(crate) use identity::caller as certified;
