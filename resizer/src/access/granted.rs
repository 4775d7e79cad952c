//! What the grants of one caller for one method allow.

use http::Extensions;
use safelight_chassis::access::{self, Denied, Method, Names};
use safelight_image::plan::OutputBounds;

use super::Grant;

/// The grants of one caller for one method, of which one must allow all of a call. In the extensions of every request that
/// the server let in; narrowed step by step. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Granted(access::Granted<Grant>);

impl Granted {
    pub(super) const fn new(granted: access::Granted<Grant>) -> Self {
        Self(granted)
    }

    /// Takes the grants of a request.
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

    /// Whether the caller has no grant for the method, and may have nothing but public variants.
    #[must_use]
    pub const fn is_public_only(&self) -> bool {
        self.0.is_public_only()
    }

    /// Leaves those that allow this origin.
    ///
    /// # Errors
    /// None does.
    pub fn origin(&mut self, name: &str) -> Result<(), Denied> {
        self.0.narrow("origin", name, |grant| has(grant.origins.as_ref(), name))
    }

    /// Leaves those that allow this object of their origins.
    ///
    /// # Errors
    /// None does.
    pub fn object_key(&mut self, key: &str) -> Result<(), Denied> {
        self.0.narrow("object key", key, |grant| match &grant.key_prefixes {
            None => true,
            Some(prefixes) => prefixes.iter().any(|prefix| key.starts_with(prefix.as_str())) && !climbs(key),
        })
    }

    /// Leaves those that allow this route.
    ///
    /// # Errors
    /// None does.
    pub fn route(&mut self, name: &str) -> Result<(), Denied> {
        self.0.narrow("route", name, |grant| has(grant.routes.as_ref(), name))
    }

    /// Leaves those that allow this upload rule.
    ///
    /// # Errors
    /// None does.
    pub fn upload(&mut self, name: &str) -> Result<(), Denied> {
        self.0.narrow("upload rule", name, |grant| has(grant.uploads.as_ref(), name))
    }

    /// How large outputs may be, to be planned with: as one of these allows. None of them is no limit.
    #[must_use]
    pub fn bounds(&self) -> Vec<OutputBounds> {
        let sizes = || self.0.iter().map(|grant| grant.size);
        let is_limited = |size: OutputBounds| {
            size.max_width.is_some() || size.max_height.is_some() || size.max_area.is_some()
        };
        if sizes().all(is_limited) { sizes().collect() } else { Vec::new() }
    }

    /// Whether the caller may have an object, and how large outputs may be, as [`Self::bounds`]. `route` is the name of the
    /// route for a URL. A public variant needs no grant: it is as large as its operator made it.
    ///
    /// # Errors
    /// No grant allows all of it.
    pub fn allows(
        &self,
        route: Option<&str>,
        origin: &str,
        key: &str,
        is_public: bool,
    ) -> Result<Vec<OutputBounds>, Denied> {
        if is_public {
            return Ok(Vec::new());
        }
        if self.is_public_only() {
            return Err(self.0.denied("route", route.unwrap_or_default()));
        }
        let mut granted = self.clone();
        if let Some(route) = route {
            granted.route(route)?;
        }
        granted.origin(origin)?;
        granted.object_key(key)?;
        Ok(granted.bounds())
    }
}

/// A grant that gives no names is of methods that use none: what they meet on their way is not restricted.
fn has(names: Option<&Names>, name: &str) -> bool {
    names.is_none_or(|names| names.has(name))
}

/// Whether a segment of the key is `.` or `..`, which something between here and the object may resolve.
fn climbs(key: &str) -> bool {
    key.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."))
}
