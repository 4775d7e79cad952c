//! Who may do what: grants, and nothing without one.
//!
//! ```toml
//! [[grants]]
//! caller = "spiffe://prod/ns/web/sa/backend"   # a certificate's URI, a token's caller, or "anonymous"
//! methods = ["SignUrl", "BatchSignUrls"]       # or ["*"]
//! keys = ["web"]                               # or ["*"]; for methods that use a key
//! path_prefixes = ["/photos/"]                 # SignUrl, BatchSignUrls: of the path that the signature covers, as VerifyUrl
//!                                              # says it in authenticated_target; default: any path
//! max_ttl = "1h"                               # SignUrl, BatchSignUrls, SignOriginRequest, SignPostPolicy; default: the key's. With it, no
//!                                              # scheme whose signatures never expire; requests signed by headers live 15 min
//! url_prefixes = ["https://s3.example.com/photos/"]   # SignOriginRequest, SignPostPolicy, AuthorizeDelivery, AuthorizeUpload,
//!                                              # AuthorizeUploadParts; default: any URL
//! http_methods = ["GET", "HEAD"]               # SignOriginRequest, AuthorizeDelivery; the default. SignPostPolicy needs PUT
//! buckets = { photos = "https://photos.s3.eu-west-1.amazonaws.com/" }   # SignOriginRequest: the buckets that COPY and DELETE
//!                                              # are for, by name (or an access point's ARN), and what keys follow in URLs
//! deliveries = ["web"]                         # AuthorizeDelivery, ListDeliveries; default: any whose keys are in `keys`
//! uploads = ["avatars"]                        # UploadService; default: any whose keys are in `keys`
//! accounts = ["acme"]                          # upload tokens, and UploadService where an account is named; or ["*"]
//! ```
//!
//! A call is allowed when one grant allows all of it. The method is settled before the message is read; the rest by the
//! handler, through [`Granted`], which it cannot do without. Callers without a grant for a key are refused whether
//! there is such a key or not.
//!
//! A resizer needs no more than this: then one that was taken over fetches nothing but what a valid URL names, or what is
//! public. `SignOriginRequest` would have any object signed that its prefixes cover.
//!
//! ```toml
//! [[grants]]
//! caller = "spiffe://prod/ns/images/sa/resizer"
//! methods = ["AuthorizeDelivery", "ListDeliveries"]
//! keys = ["web", "s3"]                         # the delivery's `url_key` and its `signing_key`
//! ```
//!
//! One that stores uploads needs this besides. It writes nothing but the objects of reserved tokens and signed forms; with a
//! grant for a rule of `kind = "grant"` it writes objects of its own below that rule's `object_key`. It needs neither PUT among
//! its `http_methods`, nor a method of `UploadTokenService`.
//!
//! ```toml
//! [[grants]]
//! caller = "spiffe://prod/ns/images/sa/resizer"
//! methods = ["BeginUpload", "AuthorizeUpload", "AuthorizeUploadParts", "FinishUpload", "ListUploadRules", "TakeUploadTasks",
//!     "EndUploadTask"]
//! uploads = ["avatars", "gallery"]
//! keys = ["uploads", "s3-write"]               # the rules' `key` (of forms) and their `signing_key`
//! accounts = ["*"]                             # whose tokens are taken
//! ```
//!
//! One that serves `UpdateObject` and `DeleteObject` needs this besides. `COPY` is a PUT with `x-amz-copy-source`; PUT does not
//! include it. It is signed from an object onto itself only, with other metadata, and for headers alone: what a copy could do
//! otherwise, read another bucket or give the object away, is not signed. `DELETE` is of an object as it is now: of no version,
//! and of no bucket. Which bucket a URL is of cannot be seen from the URL, so `buckets` says it.
//!
//! ```toml
//! [[grants]]
//! caller = "spiffe://prod/ns/images/sa/resizer"
//! methods = ["SignOriginRequest"]
//! keys = ["s3-write"]
//! http_methods = ["HEAD", "COPY", "DELETE"]
//! url_prefixes = ["https://photos.s3.eu-west-1.amazonaws.com/"]
//! buckets = { photos = "https://photos.s3.eu-west-1.amazonaws.com/" }
//! ```
//!
//! # Layout
//! - [`Grants`]: read from the configuration; asked by the server for every call
//! - [`Granted`]: what the grants of one caller for one method allow
//! - [`METHODS`]: the methods
//!
//! Callers, tokens and what is common to the grants of every service stand in [`safelight_chassis::access`].

mod granted;
mod method;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::Extensions;
use safelight_chassis::{
    access::{self, Authorise, Caller, Method, Methods, Names},
    config::Section,
    request_id::RequestId,
};
use safelight_proto::reason::Reason;

use crate::{
    audit::{Audit, Entry, Event},
    delivery::Deliveries,
    keyring::{Allowed, Keyring},
    storing::Uploads,
};

pub use granted::Granted;
pub use method::METHODS;

/// The methods of requests to origins. `COPY` is a PUT that copies an object onto itself.
const HTTP_METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "COPY", "DELETE"];
/// Those of them that need to know the bucket.
const OF_BUCKETS: [&str; 2] = ["COPY", "DELETE"];

/// Every grant of the signer, by caller.
#[derive(Debug)]
pub struct Grants(access::Grants<Grant>);

/// What one `[[grants]]` allows of its methods.
#[derive(Debug)]
pub(crate) struct Grant {
    /// Where it stands, such as `grants[1]`.
    path: String,
    keys: Names,
    accounts: Names,
    deliveries: Names,
    uploads: Names,
    /// Of URLs to sign. Never of hosts.
    paths: Allowed,
    url_prefixes: Option<Vec<String>>,
    http_methods: Vec<String>,
    /// What the URLs of a bucket's objects start with, by its name.
    buckets: BTreeMap<String, String>,
    /// In seconds.
    max_ttl: Option<u64>,
}

impl Grants {
    /// Reads `[[grants]]`. Whatever is wrong is recorded in the section.
    pub fn read(section: &mut Section) -> Self {
        let grants = access::Grants::read(section, METHODS, |section, _| Grant::read(section));
        if grants.is_empty() {
            section.error("grants", "at least one is needed: without a grant nobody may call anything");
        }
        Self(grants)
    }

    /// The same, where the log may show the names of these keys, deliveries and upload rules, and of the accounts that a grant
    /// names.
    pub(crate) fn with_known(self, keyring: &Keyring, deliveries: &Deliveries, uploads: &Uploads) -> Self {
        let accounts = self.0.iter().flat_map(|(_, grant)| grant.rest.accounts.named());
        let accounts: Vec<String> = accounts.chain(HTTP_METHODS).map(str::to_owned).collect();
        let names = keyring.all().keys().chain(deliveries.all().keys()).chain(uploads.all().keys()).cloned();
        Self(self.0.with_known(names.chain(accounts)))
    }

    /// Where they name keys, deliveries or upload rules that there are not. No error: that a key is gone must not wait for its
    /// grants.
    pub(crate) fn unknown_names(
        &self,
        keyring: &Keyring,
        deliveries: &Deliveries,
        uploads: &Uploads,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for (_, access::Grant { rest: grant, .. }) in self.0.iter() {
            if !grant.keys.named().all(|name| keyring.get(name).is_some()) {
                found.push(format!("{}.keys: names a key that is not configured", grant.path));
            }
            if !grant.deliveries.named().all(|name| deliveries.all().contains_key(name)) {
                found.push(format!("{}.deliveries: names a delivery that is not configured", grant.path));
            }
            if !grant.uploads.named().all(|name| uploads.all().contains_key(name)) {
                found.push(format!("{}.uploads: names an upload rule that is not configured", grant.path));
            }
        }
        found.sort_unstable();
        found
    }

    /// What `caller` may do with `method`; `None` for nothing.
    #[must_use]
    pub fn granted(&self, caller: &Caller, method: &'static Method) -> Option<Granted> {
        self.0.granted(caller, method).map(Granted)
    }
}

/// The signer's door: asks the grants as they are now, and records whom it turns away.
pub(crate) struct Door {
    pub(crate) grants: Arc<ArcSwap<Grants>>,
    pub(crate) audit: Audit,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("grants", &self.grants).finish_non_exhaustive()
    }
}

impl Authorise for Door {
    fn methods(&self) -> Methods {
        METHODS
    }

    fn authorise(&self, caller: &Caller, method: &'static Method, extensions: &mut Extensions) -> bool {
        if let Some(granted) = self.grants.load().granted(caller, method) {
            extensions.insert(granted);
            return true;
        }
        self.refuse(caller.as_str(), method, Reason::CallerDenied, extensions);
        false
    }

    fn unknown(&self, method: &'static Method, extensions: &Extensions) {
        self.refuse("", method, Reason::CallerUnknown, extensions);
    }
}

impl Door {
    fn refuse(&self, caller: &str, method: &Method, reason: Reason, extensions: &Extensions) {
        if self.audit.is_on() {
            self.audit.offer(Entry {
                caller: caller.to_owned(),
                method: method.to_string(),
                reason: reason.as_str().to_owned(),
                request_id: extensions.get::<RequestId>().map(ToString::to_string).unwrap_or_default(),
                ..Entry::new(Event::Refused)
            });
        }
    }
}

impl Grant {
    fn read(section: &mut Section) -> Self {
        let max_ttl = section.duration("max_ttl");
        if max_ttl.is_some_and(|ttl| ttl.is_zero() || ttl.subsec_nanos() != 0) {
            section.error("max_ttl", "expected whole seconds, at least one");
        }
        let http_methods: Vec<String> = section.or("http_methods", vec!["GET".to_owned(), "HEAD".to_owned()]);
        if !http_methods.iter().all(|method| HTTP_METHODS.contains(&method.as_str())) {
            section.error("http_methods", "expected GET, HEAD, PUT, COPY or DELETE");
        }
        let buckets = buckets(section, &http_methods);
        Self {
            path: section.path().to_owned(),
            keys: Names::new(section.or("keys", Vec::new())),
            accounts: Names::new(section.or("accounts", Vec::new())),
            deliveries: Names::new(section.or("deliveries", vec!["*".to_owned()])),
            uploads: Names::new(section.or("uploads", vec!["*".to_owned()])),
            paths: Allowed {
                path_prefixes: prefixes(section, "path_prefixes", &["/"]).unwrap_or_default(),
                ..Allowed::default()
            },
            url_prefixes: prefixes(section, "url_prefixes", &["https://", "http://"]),
            http_methods,
            buckets,
            max_ttl: max_ttl.as_ref().map(Duration::as_secs),
        }
    }
}

/// Reads `buckets`, which is there where a method needs it.
fn buckets(section: &mut Section, http_methods: &[String]) -> BTreeMap<String, String> {
    let buckets: Option<BTreeMap<String, String>> = section.optional("buckets");
    let is_needed = http_methods.iter().any(|method| OF_BUCKETS.contains(&method.as_str()));
    let has_url = |url: &String| {
        let starts = url.starts_with("https://") || url.starts_with("http://");
        // A host follows, and a path with a slash at its end: with `https://h/photo` a key of bucket `photos` would be one here.
        starts && url.ends_with('/') && url.split('/').nth(2).is_some_and(|host| !host.is_empty())
    };
    if buckets.as_ref().is_some_and(|all| !all.iter().all(|(name, url)| !name.is_empty() && has_url(url))) {
        section.error(
            "buckets",
            "expected names of buckets, each with the URL that its keys follow, such as https://photos.s3.eu-west-1.amazonaws.com/",
        );
    }
    if is_needed && buckets.as_ref().is_none_or(BTreeMap::is_empty) {
        section.error("buckets", "needed for COPY and DELETE in http_methods");
    }
    buckets.unwrap_or_default()
}

fn prefixes(section: &mut Section, key: &str, starts: &[&str]) -> Option<Vec<String>> {
    let prefixes: Option<Vec<String>> = section.optional(key);
    let good =
        |prefix: &String| starts.iter().any(|start| prefix.starts_with(start)) && prefix.ends_with('/');
    if prefixes.as_ref().is_some_and(|all| all.is_empty() || !all.iter().all(good)) {
        // Without the slash at its end `/photo` would allow `/photos-of-others/` as well.
        section
            .error(key, format!("expected prefixes that start with {} and end with /", starts.join(" or ")));
    }
    prefixes
}
