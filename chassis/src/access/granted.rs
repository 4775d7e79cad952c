//! What the grants of one caller for one method allow.

use std::{collections::HashSet, sync::Arc};

use http::Extensions;

use super::{Caller, Denied, Grant, Method, Name};

/// The grants of one caller for one method, of which one must allow all of a call; narrowed step by step by the handler.
/// Cheap to clone.
#[derive(Debug)]
pub struct Granted<S> {
    caller: Caller,
    method: &'static Method,
    grants: Arc<[Arc<Grant<S>>]>,
    public_only: bool,
    /// The names that the log may show.
    known: Arc<HashSet<String>>,
}

impl<S> Clone for Granted<S> {
    fn clone(&self) -> Self {
        let Self { caller, method, grants, public_only, known } = self;
        let (grants, known) = (Arc::clone(grants), Arc::clone(known));
        Self { caller: caller.clone(), method, grants, public_only: *public_only, known }
    }
}

impl<S> Granted<S> {
    /// Those of a caller's grants that allow this method; `None` if none does and nothing of it is public.
    pub(super) fn new(
        caller: &Caller,
        method: &'static Method,
        grants: Option<&Arc<[Arc<Grant<S>>]>>,
        known: &Arc<HashSet<String>>,
    ) -> Option<Self> {
        let grants = match grants {
            Some(grants) => keep(grants, |grant| grant.methods.has(method.name)),
            None => Arc::default(),
        };
        let public_only = grants.is_empty();
        let may_call = !public_only || method.public_without_grant;
        let known = || Arc::clone(known);
        may_call.then(|| Self { caller: caller.clone(), method, grants, public_only, known: known() })
    }

    /// The caller.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The method that was called.
    #[must_use]
    pub const fn method(&self) -> &'static Method {
        self.method
    }

    /// Whether the caller has no grant for the method, and may have nothing but what is public.
    #[must_use]
    pub const fn is_public_only(&self) -> bool {
        self.public_only
    }

    /// What those that are left restrict.
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.grants.iter().map(|grant| &grant.rest)
    }

    /// Leaves those that allow `what`, which is called `name`.
    ///
    /// # Errors
    /// None does.
    pub fn narrow(
        &mut self,
        what: &'static str,
        name: &str,
        allows: impl Fn(&S) -> bool,
    ) -> Result<(), Denied> {
        self.grants = keep(&self.grants, |grant| allows(&grant.rest));
        if self.grants.is_empty() { Err(self.denied(what, name)) } else { Ok(()) }
    }

    /// That none allows `what`, which is called `name`.
    #[must_use]
    pub fn denied(&self, what: &'static str, name: &str) -> Denied {
        let name = if name.is_empty() {
            Name::None
        } else if self.known.contains(name) {
            Name::Known(name.to_owned())
        } else {
            Name::Unknown(name.len())
        };
        Denied { caller: self.caller.clone(), method: Some(self.method), what, name }
    }
}

impl<S: Send + Sync + 'static> Granted<S> {
    /// Takes the grants of a request. A server without grants lets nothing in, so there always are some.
    ///
    /// # Errors
    /// The request did not come through the server's gate.
    pub fn take(extensions: &mut Extensions) -> Result<Self, Denied> {
        extensions.remove().ok_or_else(|| Denied {
            caller: Caller::of(extensions),
            method: None,
            what: "method",
            name: Name::None,
        })
    }
}

/// Those that `allows` is true of: mostly all, and then nothing is copied.
fn keep<S>(grants: &Arc<[Arc<Grant<S>>]>, allows: impl Fn(&Grant<S>) -> bool) -> Arc<[Arc<Grant<S>>]> {
    if grants.iter().all(|grant| allows(grant)) {
        Arc::clone(grants)
    } else {
        grants.iter().filter(|grant| allows(grant)).cloned().collect()
    }
}
