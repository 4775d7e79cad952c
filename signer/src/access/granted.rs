//! What the grants of one caller for one method allow.

use std::sync::Arc;

use http::Extensions;

use super::{Grant, Method};
use crate::scheme::url::HttpUrl;

/// The caller has no grant for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the caller has no grant for this {0}")]
pub struct Denied(
    /// What: `key`, `path`, `URL`, `HTTP method`, `account`.
    pub &'static str,
);

/// The grants of one caller for one method, of which one must allow all of a call. In the extensions of every request that
/// the server let in; narrowed step by step.
#[derive(Clone, Debug)]
pub struct Granted {
    method: Method,
    grants: Arc<[Arc<Grant>]>,
}

impl Granted {
    /// Those of a caller's grants that allow this method; `None` if none does.
    pub(super) fn new(method: Method, grants: &Arc<[Arc<Grant>]>) -> Option<Self> {
        let all = Self { method, grants: Arc::clone(grants) };
        all.narrowed("method", |grant| grant.methods.has(method.name)).ok()
    }

    /// A grant of everything, for tests of handlers.
    #[cfg(test)]
    pub(crate) fn everything() -> Self {
        use super::Names;

        let everything = Grant {
            methods: Names::All,
            keys: Names::All,
            accounts: Names::All,
            path_prefixes: None,
            url_prefixes: None,
            http_methods: ["GET", "HEAD", "PUT"].map(str::to_owned).to_vec(),
            max_ttl: None,
        };
        Self { method: super::METHODS[0], grants: [Arc::new(everything)].into() }
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
    pub const fn method(&self) -> Method {
        self.method
    }

    fn narrowed(&self, what: &'static str, allows: impl Fn(&Grant) -> bool) -> Result<Self, Denied> {
        if self.grants.iter().all(|grant| allows(grant)) {
            return Ok(self.clone());
        }
        let grants: Arc<[_]> = self.grants.iter().filter(|grant| allows(grant)).cloned().collect();
        if grants.is_empty() { Err(Denied(what)) } else { Ok(Self { method: self.method, grants }) }
    }

    /// Those that allow this key.
    ///
    /// # Errors
    /// None does.
    pub fn key(&self, name: &str) -> Result<Self, Denied> {
        self.narrowed("key", |grant| grant.keys.has(name))
    }

    /// Those that allow this account.
    ///
    /// # Errors
    /// None does.
    pub fn account(&self, name: &str) -> Result<Self, Denied> {
        self.narrowed("account", |grant| grant.accounts.has(name))
    }

    /// Those that allow signing this URL, and everything of `scope`, which a signature may give access to besides.
    ///
    /// The path is compared as every client sends it (WHATWG: dot segments resolved). Nothing else is decoded: a path that
    /// spells a prefix with escapes is another path.
    ///
    /// # Errors
    /// None does.
    pub fn url_to_sign(&self, url: &HttpUrl<'_>, scope: &[impl AsRef<str>]) -> Result<Self, Denied> {
        self.narrowed("path", |grant| {
            let Some(prefixes) = &grant.path_prefixes else { return true };
            std::iter::once(url.path())
                .chain(scope.iter().map(|pattern| path_of(pattern.as_ref())))
                .all(|path| prefixes.iter().any(|prefix| path.starts_with(prefix.as_str())) && !climbs(path))
        })
    }

    /// Those that allow this request to an origin.
    ///
    /// # Errors
    /// None does.
    pub fn origin_request(&self, method: &str, url: &str) -> Result<Self, Denied> {
        self.narrowed("HTTP method", |grant| grant.http_methods.iter().any(|known| known == method))?
            .narrowed("URL", |grant| match &grant.url_prefixes {
                None => true,
                // S3 resolves no dot segments, but whoever stands before it may.
                Some(prefixes) => {
                    prefixes.iter().any(|prefix| url.starts_with(prefix.as_str())) && !climbs(path_of(url))
                }
            })
    }

    /// The longest life that one of them allows, in seconds, and that the key allows; `None` for no limit.
    #[must_use]
    pub fn max_ttl(&self, of_key: Option<u64>) -> Option<u64> {
        let granted =
            self.grants.iter().map(|grant| grant.max_ttl.unwrap_or(u64::MAX)).max().unwrap_or(u64::MAX);
        let least = granted.min(of_key.unwrap_or(u64::MAX));
        (least < u64::MAX).then_some(least)
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
