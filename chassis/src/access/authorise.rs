//! What the server asks before every call.

use std::fmt;

use http::Extensions;

use super::{Caller, Method, Methods};

/// Decides who may call what. Asked for every call but those of health and reflection, before its message is read.
pub trait Authorise: fmt::Debug + Send + Sync + 'static {
    /// The methods that there are. A call of another is answered UNIMPLEMENTED, and nothing else is asked.
    fn methods(&self) -> Methods;

    /// Whether `caller` may call `method`. What the handler needs to know of the grant may be put into `extensions`.
    fn authorise(&self, caller: &Caller, method: &'static Method, extensions: &mut Extensions) -> bool;

    /// A call was refused because its `authorization` is none that is configured. For a record of refusals.
    fn unknown(&self, method: &'static Method, extensions: &Extensions) {
        _ = (method, extensions);
    }
}
