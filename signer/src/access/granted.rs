//! What the grants of one caller for one method allow.

#[cfg(test)]
use std::collections::BTreeMap;

use http::Extensions;
use safelight_chassis::access::{self, Denied, Method};

use super::Grant;
use crate::{
    keyring::climbs,
    scheme::{aws_sigv4::Change, url::HttpUrl},
};

/// The grants of one caller for one method, of which one must allow all of a call. In the extensions of every request that
/// the server let in; narrowed step by step.
#[derive(Clone, Debug)]
pub struct Granted(pub(super) access::Granted<Grant>);

impl Granted {
    /// A grant of everything, for tests of handlers.
    #[cfg(test)]
    pub(crate) fn everything() -> Self {
        use access::{Caller, Names};

        use super::METHODS;
        use crate::keyring::Allowed;

        let rest = Grant {
            path: String::new(),
            keys: Names::All,
            accounts: Names::All,
            deliveries: Names::All,
            uploads: Names::All,
            paths: Allowed::default(),
            url_prefixes: None,
            http_methods: ["GET", "HEAD", "PUT"].map(str::to_owned).to_vec(),
            buckets: BTreeMap::new(),
            max_ttl: None,
        };
        let (caller, grant) = (Caller::anonymous(), access::Grant { methods: Names::All, rest });
        Self(access::Grants::new(METHODS, [(caller.clone(), grant)]).granted(&caller, &METHODS[0]).unwrap())
    }

    /// Takes the grants of a request. A server without grants lets nothing in, so there always are some.
    ///
    /// # Errors
    /// The request did not come through the server's gate.
    pub fn take(extensions: &mut Extensions) -> Result<Self, Denied> {
        extensions.remove().map_or_else(|| access::Granted::take(extensions).map(Self), Ok)
    }

    /// The method that was called.
    #[must_use]
    pub const fn method(&self) -> &'static Method {
        self.0.method()
    }

    /// Whether one of them allows this key.
    #[must_use]
    pub fn has_key(&self, name: &str) -> bool {
        self.0.iter().any(|grant| grant.keys.has(name))
    }

    /// Leaves those that allow this key.
    ///
    /// # Errors
    /// None does.
    pub fn key(&mut self, name: &str) -> Result<(), Denied> {
        self.0.narrow("key", name, |grant| grant.keys.has(name))
    }

    /// Leaves those that allow this account.
    ///
    /// # Errors
    /// None does.
    pub fn account(&mut self, name: &str) -> Result<(), Denied> {
        self.0.narrow("account", name, |grant| grant.accounts.has(name))
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
        self.0.narrow("delivery", name, |grant| grant.deliveries.has(name))?;
        keys.into_iter().try_for_each(|key| self.key(key))
    }

    /// Leaves those that allow this upload rule, and all the keys that it uses.
    ///
    /// # Errors
    /// None does.
    pub fn upload<'k>(&mut self, name: &str, keys: impl IntoIterator<Item = &'k str>) -> Result<(), Denied> {
        self.0.narrow("upload rule", name, |grant| grant.uploads.has(name))?;
        keys.into_iter().try_for_each(|key| self.key(key))
    }

    /// Whether one of them allows to store an object at this URL, whatever its HTTP methods.
    ///
    /// # Errors
    /// None does.
    pub fn object(&self, url: &str) -> Result<(), Denied> {
        self.max_ttl("URL", url, |grant| has_url(grant, url)).map(|_| ())
    }

    /// The longest life of a signed URL, in seconds, by those that allow signing this one and everything of `scope`, which a
    /// signature may give access to besides; `None` for no limit.
    ///
    /// # Errors
    /// None does.
    pub fn url_to_sign(&self, url: &HttpUrl<'_>, scope: &[impl AsRef<str>]) -> Result<Option<u64>, Denied> {
        self.max_ttl("path", url.path(), |grant| {
            grant.paths.covers(url) && scope.iter().all(|pattern| grant.paths.covers_scope(pattern.as_ref()))
        })
    }

    /// The same of a request target that a signature was found to cover.
    ///
    /// # Errors
    /// None does.
    pub fn target_to_sign(&self, target: &str) -> Result<Option<u64>, Denied> {
        let path = target.split('?').next().unwrap_or_default();
        self.max_ttl("path", path, |grant| grant.paths.covers_target(None, target) == Some(true))
    }

    /// The longest life of a signed request to an origin, in seconds, by those that allow it; `None` for no limit.
    ///
    /// # Errors
    /// None does.
    pub fn origin_request(&self, method: &str, url: &str) -> Result<Option<u64>, Denied> {
        let has_method = |grant: &Grant| grant.http_methods.iter().any(|known| known == method);
        self.max_ttl("HTTP method", method, has_method)?;
        // The query of a URL may hold a signature.
        let named = url.split(['?', '#']).next().unwrap_or_default();
        self.max_ttl("URL", named, |grant| has_method(grant) && has_url(grant, url))
    }

    /// Whether one of them allows to change the object at this URL: it has the change among its HTTP methods, covers the URL,
    /// and knows the bucket, so that a copy's source and its target are the same object.
    ///
    /// # Errors
    /// None does.
    pub fn object_change(&self, change: Change<'_>, url: &str) -> Result<(), Denied> {
        let name = change.name();
        let has_method = |grant: &Grant| grant.http_methods.iter().any(|known| known == name);
        self.max_ttl("HTTP method", name, has_method)?;
        let is_of_bucket = |grant: &Grant| {
            grant.buckets.iter().any(|(bucket, base)| {
                url.strip_prefix(base.as_str())
                    .is_some_and(|key| !key.is_empty() && change.is_of(bucket, key))
            })
        };
        // Also where no prefix is given: what a proxy makes of `..` is another object than the source.
        let covers = |grant: &Grant| has_method(grant) && has_url(grant, url) && !climbs(path_of(url));
        self.max_ttl("URL", url, covers)?;
        self.max_ttl("bucket", url, |grant| covers(grant) && is_of_bucket(grant)).map(|_| ())
    }

    /// The longest life by those that allow `what`, which is called `name`, in seconds; `None` for no limit.
    fn max_ttl(
        &self,
        what: &'static str,
        name: &str,
        allows: impl Fn(&Grant) -> bool,
    ) -> Result<Option<u64>, Denied> {
        let lives = self.0.iter().filter(|grant| allows(grant)).map(|grant| grant.max_ttl);
        let longest = lives.reduce(|one, other| one.zip(other).map(|(one, other)| one.max(other)));
        longest.ok_or_else(|| self.0.denied(what, name))
    }
}

fn has_url(grant: &Grant, url: &str) -> bool {
    match &grant.url_prefixes {
        None => true,
        // S3 resolves no dot segments, but a proxy before it may.
        Some(prefixes) => {
            prefixes.iter().any(|prefix| url.starts_with(prefix.as_str())) && !climbs(path_of(url))
        }
    }
}

/// The path of a URL, without its origin and query.
fn path_of(url: &str) -> &str {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
        None => url,
    };
    path.split(['?', '#']).next().unwrap_or_default()
}
