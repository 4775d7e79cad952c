//! What a grant was missing for.

use safelight_proto::reason::{CallError, Reason};

use super::{Caller, Method};

/// Longest name that is logged, in bytes.
const MAX_NAME: usize = 256;

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
    /// Which: a name, key or path of the request. Empty where there is none.
    pub name: String,
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
        let name = name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or_default();
        if name.is_empty() {
            tracing::warn!(denied = what, "refused: no [[grants]] of caller {caller:?} allows {method}");
        } else {
            tracing::warn!(
                denied = what,
                "refused: no [[grants]] of caller {caller:?} for {method} allows the {what} {name:?}"
            );
        }
    }
}
