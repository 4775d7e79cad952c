//! Who calls.

use std::{fmt, sync::Arc};

use http::Extensions;

/// The name of a caller that shows neither certificate nor token.
pub const ANONYMOUS: &str = "anonymous";

/// Who calls; see [`Caller::of`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caller(Arc<str>);

impl Caller {
    /// A caller of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// A caller that shows nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::new(ANONYMOUS)
    }

    /// The caller of a request that a server let in.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        match extensions.get::<Identified>() {
            Some(Identified(Ok(caller))) => caller.clone(),
            _ => Self::anonymous(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who a call says it is from, or why that is not known; in the extensions of every request.
#[derive(Clone, Debug)]
pub(crate) struct Identified(pub(crate) Result<Caller, Unidentified>);

/// Why an `authorization` names no caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unidentified {
    #[error("the authorization is no bearer token")]
    Scheme,
    #[error("there is more than one authorization")]
    Repeated,
    #[error("the bearer token is empty")]
    Empty,
    #[error("the bearer token is not known here")]
    Unknown,
}
