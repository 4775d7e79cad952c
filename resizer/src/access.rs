//! Who may do what: grants, and nothing without one but what is public.
//!
//! ```toml
//! [[grants]]
//! caller = "spiffe://prod/ns/web/sa/backend"   # a certificate's URI, a token's caller, or "anonymous"
//! methods = ["ResizeObject", "Deliver"]        # or ["*"]
//! origins = ["photos"]                         # or ["*"]; needed for ResizeObject, Inspect, UpdateObject, DeleteObject, PurgeObject
//! key_prefixes = ["albums/"]                   # of objects at the origin; default: any key
//! routes = ["/{key...}/{variant}"]             # by name; or ["*"]; needed for Deliver
//! uploads = ["direct"]                         # by name; or ["*"]; needed for Store
//! max_width = 2000                             # of every output, in pixels; default: as limits and route allow
//! max_height = 2000
//! max_area = 4000000
//! ```
//!
//! A call is allowed when one grant allows all of it, whatever its method uses of these. The method is settled before the
//! message is read; the rest by the handler, through [`Granted`]. `Deliver` of a public variant needs no grant.
//!
//! # Layout
//! - [`METHODS`]: the methods
//! - [`Access`]: how callers are known, and the grants as they are now; the server asks it before every call
//! - [`Granted`]: what the grants of one caller for one method allow
//! - [`Watch`]: reads tokens and grants again when the file changes

mod granted;
mod method;
mod reload;
#[cfg(test)]
mod tests;

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
};

use arc_swap::ArcSwap;
use http::Extensions;
use safelight_chassis::{
    access::{self, Authorise, Caller, Method, Methods, Names},
    check::Finding,
    config::Section,
    server::{Security, Server},
};
use safelight_image::plan::{OnExceed, OutputBounds};

use crate::{delivery::Delivery, origin::Origins, upload::Uploads};

pub use granted::Granted;
pub use method::METHODS;
pub use reload::Watch;

/// Methods that are asked of an object by the name of its origin.
const OF_ORIGINS: [&str; 5] = ["ResizeObject", "Inspect", "UpdateObject", "DeleteObject", "PurgeObject"];
/// Methods that are asked by a URL.
const OF_ROUTES: [&str; 1] = ["Deliver"];
/// Methods that name an upload rule.
const OF_UPLOADS: [&str; 1] = ["Store"];

/// Every grant of the resizer, by caller.
pub type Grants = access::Grants<Grant>;

/// What one `[[grants]]` allows of its methods.
#[derive(Debug)]
pub struct Grant {
    /// `None`: the methods name no origin.
    origins: Option<Names>,
    key_prefixes: Option<Vec<String>>,
    /// `None`: the methods name no route.
    routes: Option<Names>,
    /// `None`: the methods name no upload rule.
    uploads: Option<Names>,
    size: OutputBounds,
}

/// How callers are known, and what they may do.
#[derive(Debug, Clone)]
pub struct Access {
    security: Security,
    grants: Arc<ArcSwap<Grants>>,
}

impl Access {
    /// Reads `[tls]`, `[[tokens]]` and `[[grants]]`.
    pub fn read(section: &mut Section, origins: &Origins, delivery: &Delivery, uploads: &Uploads) -> Self {
        let grants = Grants::read(section, METHODS, |section, methods| {
            Grant::read(section, methods, origins, delivery, uploads)
        });
        let routes = delivery.routes.iter().map(|route| &route.name);
        let rules = uploads.rules.iter().map(|rule| &rule.name);
        let grants = grants.with_known(origins.keys().chain(routes).chain(rules).cloned());
        Self { security: Security::read(section), grants: Arc::new(ArcSwap::from_pointee(grants)) }
    }

    /// What is wrong with the files of `[tls]` although they can be used.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.security.findings()
    }

    /// Lets in who has a grant; says so if nobody has.
    #[must_use]
    pub fn guard(&self, server: Server) -> Server {
        if self.grants.load().is_empty() {
            tracing::warn!(
                "there are no [[grants]]: callers get nothing but public variants; add one for each caller, \
                 with its methods, origins and routes"
            );
        }
        server.security(self.security.clone()).authorise(Arc::new(Door(Arc::clone(&self.grants))))
    }

    /// Takes tokens and grants of another reading. Calls in flight finish with those that they began with.
    pub(crate) fn replace(&self, other: &Self) {
        self.security.tokens.replace(&other.security.tokens);
        self.grants.store(other.grants.load_full());
    }
}

/// Asks the grants as they are now.
#[derive(Debug)]
struct Door(Arc<ArcSwap<Grants>>);

impl Authorise for Door {
    fn methods(&self) -> Methods {
        METHODS
    }

    fn authorise(&self, caller: &Caller, method: &'static Method, extensions: &mut Extensions) -> bool {
        let granted = self.0.load().granted(caller, method).map(Granted::new);
        granted.map(|granted| extensions.insert(granted)).is_some()
    }
}

impl Grant {
    fn read(
        section: &mut Section,
        methods: &Names,
        origins: &Origins,
        delivery: &Delivery,
        uploads: &Uploads,
    ) -> Self {
        let max_width: Option<NonZeroU32> = section.optional("max_width");
        let max_height: Option<NonZeroU32> = section.optional("max_height");
        let max_area: Option<NonZeroU64> = section.optional("max_area");
        // A grant of all methods was one before there were uploads.
        let of_uploads: &[&str] = if uploads.rules.is_empty() { &[] } else { &OF_UPLOADS };
        let has_route = |name: &str| delivery.routes.iter().any(|route| route.name == name);
        Self {
            origins: names(section, "origins", methods, &OF_ORIGINS, |name| origins.contains_key(name)),
            key_prefixes: prefixes(section),
            routes: names(section, "routes", methods, &OF_ROUTES, has_route),
            uploads: names(section, "uploads", methods, of_uploads, |name| uploads.named(name).is_some()),
            size: OutputBounds { max_width, max_height, max_area, on_exceed: OnExceed::AnyOf },
        }
    }
}

/// Names of what is configured, which a grant of one of the methods `of` must give.
fn names(
    section: &mut Section,
    key: &str,
    methods: &Names,
    of: &[&str],
    exists: impl Fn(&str) -> bool,
) -> Option<Names> {
    let names = section.optional(key).map(Names::new);
    if names.is_none() && of.iter().any(|method| methods.has(method)) {
        section.error(key, format!("needed for {}: some names, or [\"*\"] for all", of.join(" and ")));
    }
    if names.as_ref().is_some_and(|names| !names.named().all(exists)) {
        section.error(key, "names something that is not configured");
    }
    names
}

fn prefixes(section: &mut Section) -> Option<Vec<String>> {
    let prefixes: Option<Vec<String>> = section.optional("key_prefixes");
    if prefixes.as_ref().is_some_and(|all| all.is_empty() || !all.iter().all(|prefix| prefix.ends_with('/')))
    {
        // Without the slash at its end `photo` would allow `photos-of-others/` as well.
        section.error("key_prefixes", "expected prefixes that end with /");
    }
    prefixes
}
