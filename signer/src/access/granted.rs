//! What the grants of one caller for one method allow.

use std::sync::Arc;

use http::Extensions;

use super::{Grant, Method};
use crate::scheme::url::HttpUrl;

/// The caller has no grant for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the caller has no grant for this {0}")]
pub struct Denied(
    /// What: `key`, `path`, `URL`, `HTTP method`, `account`, `delivery`.
    pub &'static str,
);

/// The grants of one caller for one method, of which one must allow all of a call. In the extensions of every request that
/// the server let in; narrowed step by step.
#[derive(Clone, Debug)]
pub struct Granted {
    method: &'static Method,
    grants: Arc<[Arc<Grant>]>,
}

impl Granted {
    /// Those of a caller's grants that allow this method; `None` if none does.
    pub(super) fn new(method: &'static Method, grants: &Arc<[Arc<Grant>]>) -> Option<Self> {
        let mut granted = Self { method, grants: Arc::clone(grants) };
        granted.narrow("method", |grant| grant.methods.has(method.name)).ok()?;
        Some(granted)
    }

    /// A grant of everything, for tests of handlers.
    #[cfg(test)]
    pub(crate) fn everything() -> Self {
        use super::Names;

        let everything = Grant {
            methods: Names::All,
            keys: Names::All,
            accounts: Names::All,
            deliveries: Names::All,
            path_prefixes: None,
            url_prefixes: None,
            http_methods: ["GET", "HEAD", "PUT"].map(str::to_owned).to_vec(),
            max_ttl: None,
        };
        Self { method: &super::METHODS[0], grants: [Arc::new(everything)].into() }
    }

    /// Takes the grants of a request. A server without grants lets nothing in, so there always are some.
    ///
    /// # Errors
    /// The request did not come through the server's gate.
    pub fn take(extensions: &mut Extensions) -> Result<Self, Denied> {
        extensions.remove().ok_or(Denied("method"))
    }

    /// The method that was called.
    #[must_use]
    pub const fn method(&self) -> &'static Method {
        self.method
    }

    fn narrow(&mut self, what: &'static str, allows: impl Fn(&Grant) -> bool) -> Result<(), Denied> {
        if !self.grants.iter().all(|grant| allows(grant)) {
            self.grants = self.grants.iter().filter(|grant| allows(grant)).cloned().collect();
        }
        if self.grants.is_empty() { Err(Denied(what)) } else { Ok(()) }
    }

    /// Whether one of them allows this key.
    #[must_use]
    pub fn has_key(&self, name: &str) -> bool {
        self.grants.iter().any(|grant| grant.keys.has(name))
    }

    /// Leaves those that allow this key.
    ///
    /// # Errors
    /// None does.
    pub fn key(&mut self, name: &str) -> Result<(), Denied> {
        self.narrow("key", |grant| grant.keys.has(name))
    }

    /// Leaves those that allow this account.
    ///
    /// # Errors
    /// None does.
    pub fn account(&mut self, name: &str) -> Result<(), Denied> {
        self.narrow("account", |grant| grant.accounts.has(name))
    }

    /// Leaves those that allow this delivery, and all the keys that it uses.
    ///
    /// # Errors
    /// None does.
    pub fn delivery<'k>(
        &mut self,
        name: &str,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Result<(), Denied> {
        self.narrow("delivery", |grant| grant.deliveries.has(name))?;
        keys.into_iter().try_for_each(|key| self.key(key))
    }

    /// The longest life of a signed URL, in seconds, by those that allow signing this one and everything of `scope`, which a
    /// signature may give access to besides; `None` for no limit.
    ///
    /// The path is compared as every client sends it (WHATWG: dot segments resolved). Nothing else is decoded: a path that
    /// spells a prefix with escapes is another path.
    ///
    /// # Errors
    /// None does.
    pub fn url_to_sign(&self, url: &HttpUrl<'_>, scope: &[impl AsRef<str>]) -> Result<Option<u64>, Denied> {
        self.max_ttl("path", |grant| {
            let Some(prefixes) = &grant.path_prefixes else { return true };
            std::iter::once(url.path())
                .chain(scope.iter().map(|pattern| path_of(pattern.as_ref())))
                .all(|path| prefixes.iter().any(|prefix| path.starts_with(prefix.as_str())) && !climbs(path))
        })
    }

    /// The longest life of a signed request to an origin, in seconds, by those that allow it; `None` for no limit.
    ///
    /// # Errors
    /// None does.
    pub fn origin_request(&self, method: &str, url: &str) -> Result<Option<u64>, Denied> {
        let has_method = |grant: &Grant| grant.http_methods.iter().any(|known| known == method);
        let has_url = |grant: &Grant| match &grant.url_prefixes {
            None => true,
            // S3 resolves no dot segments, but whoever stands before it may.
            Some(prefixes) => {
                prefixes.iter().any(|prefix| url.starts_with(prefix.as_str())) && !climbs(path_of(url))
            }
        };
        self.max_ttl("HTTP method", has_method)?;
        self.max_ttl("URL", |grant| has_method(grant) && has_url(grant))
    }

    /// The longest life by those that allow `what`, in seconds; `None` for no limit.
    fn max_ttl(&self, what: &'static str, allows: impl Fn(&Grant) -> bool) -> Result<Option<u64>, Denied> {
        let lives = self.grants.iter().filter(|grant| allows(grant)).map(|grant| grant.max_ttl);
        let longest = lives.reduce(|one, other| one.zip(other).map(|(one, other)| one.max(other)));
        longest.ok_or(Denied(what))
    }
}

/// The path of a URL or pattern, without its origin and query.
fn path_of(url: &str) -> &str {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
        None => url,
    };
    path.split(['?', '#']).next().unwrap_or_default()
}

/// Whether a segment of the path is `..`, in any spelling.
fn climbs(path: &str) -> bool {
    path.split(['/', '\\']).any(|segment| {
        let dots = segment.replace("%2e", ".").replace("%2E", ".");
        dots == ".." || dots == "."
    })
}
