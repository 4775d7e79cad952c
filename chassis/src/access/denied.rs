//! What a grant was missing for.

use safelight_proto::reason::{CallError, Reason};

use super::{Caller, Method};

/// The caller has no grant for this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the caller has no grant for this {what}")]
pub struct Denied {
    /// Whose grants were looked at.
    pub caller: Caller,
    /// What was called. `None`: the request did not come through the server's gate.
    pub method: Option<&'static Method>,
    /// What no grant allows, in a word: `method`, `key`, `path`, `origin`.
    pub what: &'static str,
    /// Which.
    pub name: Name,
}

/// Which one a call asked for, as far as the log may show it: what stands in a wrong field may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// There is none.
    None,
    /// One of the configuration.
    Known(String),
    /// Another, of which the length in bytes is kept.
    Unknown(usize),
}

impl Denied {
    /// Writes to the log what was missing, for those who write grants, and makes the caller's answer: of what kind, not which;
    /// it knows what it asked for. And as whom it is known here.
    pub fn refuse(self) -> CallError {
        self.log();
        Reason::CallerDenied
            .error(self.to_string())
            .with("denied", self.what)
            .with("caller", self.caller.as_str())
    }

    fn log(&self) {
        let Self { caller, method, what, name } = self;
        let method = method.map_or("this call", |method| method.name);
        match name {
            Name::None => {
                tracing::warn!(denied = what, "refused: no [[grants]] of caller {caller:?} allows {method}");
            }
            Name::Known(name) => tracing::warn!(
                denied = what,
                "refused: no [[grants]] of caller {caller:?} for {method} allows the {what} {name:?}"
            ),
            Name::Unknown(length) => tracing::warn!(
                denied = what,
                "refused: no [[grants]] of caller {caller:?} for {method} allows the {what} (not one that is configured; {length} bytes)"
            ),
        }
    }
}
