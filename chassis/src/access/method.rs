//! The methods that can be granted.

use std::{fmt, ops::Deref};

/// A method that can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// As grants name it. Unique in its table.
    pub name: &'static str,
    /// The service it belongs to, as `package.Service`.
    pub service: &'static str,
    /// Whether a call without a grant reaches the handler, which answers what is public and refuses the rest; see
    /// [`Granted::is_public_only`](super::Granted::is_public_only).
    pub public_without_grant: bool,
}

impl Method {
    /// A method that needs a grant.
    #[must_use]
    pub const fn new(service: &'static str, name: &'static str) -> Self {
        Self { name, service, public_without_grant: false }
    }

    /// The same, but what is public of it needs no grant.
    #[must_use]
    pub const fn public_without_grant(self) -> Self {
        Self { public_without_grant: true, ..self }
    }

    /// The path that it is called by: `/package.Service/Method`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{self}")
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.name)
    }
}

/// Every method of a service. One that is not here cannot be granted, and so not be called: a test of each service compares
/// its table with the contract.
#[derive(Clone, Copy, Debug)]
pub struct Methods(&'static [Method]);

impl Methods {
    /// A table.
    #[must_use]
    pub const fn new(methods: &'static [Method]) -> Self {
        Self(methods)
    }

    /// The method of this name.
    #[must_use]
    pub fn of_name(self, name: &str) -> Option<&'static Method> {
        self.0.iter().find(|method| method.name == name)
    }

    /// The method that is called as `/package.Service/Method`.
    #[must_use]
    pub fn of_path(self, path: &str) -> Option<&'static Method> {
        let (service, name) = path.strip_prefix('/')?.rsplit_once('/')?;
        self.0.iter().find(|method| method.name == name && method.service == service)
    }
}

impl Deref for Methods {
    type Target = [Method];

    fn deref(&self) -> &[Method] {
        self.0
    }
}
