//! From a URL to what it asks for.
//!
//! # Layout
//! - [`target`]: the path and query of a URL, byte for byte
//! - [`template`]: path templates such as `/{account}/{key...}/{variant}`; the contract's, for the signer reads the same
//! - [`config`]: the `[variants.*]` and `[[routes]]` tables
//! - [`presentation`]: `[routes.http]`: what answers say to browsers and caches
//! - [`hints`]: client hints, into options
//! - [`cache`]: entity tags, conditional requests, cache lifetime
//!
//! Pure: no I/O once it is configured, no clock, no gRPC. Whether a signature holds is asked elsewhere, of the signer; what is asked
//! for is decided here, from the same bytes.

pub mod cache;
pub mod config;
pub mod hints;
pub mod presentation;
pub mod target;

use std::{collections::BTreeMap, iter, ptr};

use safelight_image::options::{Options, Violation};

pub use config::{Privacy, Route};
pub use hints::{Hint, Hints};
pub use presentation::Presentation;
pub use safelight_proto::delivery::template;
pub use target::Target;
use template::Captures;

/// A named set of options.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// What it makes.
    pub options: Options,
    /// Whether it is delivered without a signature.
    pub public: bool,
}

/// Routes and variants of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// Named variants.
    pub variants: BTreeMap<String, Variant>,
    /// Routes; the first that matches a path serves it.
    pub routes: Vec<Route>,
}

/// What a URL asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved<'a> {
    /// The route that matched.
    pub route: &'a Route,
    /// Key of the object at the origin.
    pub object_key: String,
    /// The variant's name, or the option list of a flexible one.
    pub variant: String,
    /// What to make.
    pub options: Options,
    /// The signer's key that the URL must be signed with; `None` for a public variant.
    pub url_key: Option<&'a str>,
    /// Which client hints the options depend on.
    pub hints: Vec<Hint>,
    /// What the viewer's browser says.
    given: Hints,
    /// The path, as the URL had it.
    path: &'a str,
}

impl Resolved<'_> {
    /// Settles the options by the viewer's client hints, where the route lets them count.
    pub fn settle(&mut self, hints: Hints) {
        let allowed = self.route.presentation.client_hints;
        let dependencies = if allowed { hints } else { Hints::default() }.settle(&mut self.options);
        self.hints = if allowed { dependencies } else { Vec::new() };
        self.given = hints;
    }

    /// Whether a path that a signature was found to cover is the URL's own.
    #[must_use]
    pub fn is_of(&self, authenticated: &str) -> bool {
        self.path == authenticated
    }
}

/// Why a URL asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// No route's template matches.
    #[error("no route matches the URL's path")]
    RouteNotFound,
    /// The route does not have or allow the variant.
    #[error("the route has no such variant")]
    VariantNotFound {
        /// Its name.
        route: String,
    },
    /// The option list of a flexible variant is not valid.
    #[error("the variant's options are not valid")]
    Options {
        /// The route's name.
        route: String,
        /// What is wrong with it.
        violations: Vec<Violation>,
    },
}

impl Delivery {
    /// The variants that a route serves without a signature, by name.
    #[must_use]
    pub fn public_variants(&self, route: &Route) -> Vec<String> {
        let public = self.variants.iter().filter(|(name, variant)| variant.public && route.serves(name));
        public.map(|(name, _)| name.clone()).collect()
    }

    /// Finds what a URL asks for whose signature may stand in front of its path: `/{signature}/photos/a.jpg/card`, of the
    /// schemes that sign so, on a route for `/photos/{key...}/{variant}`. What is found is a guess until the signer has
    /// said which path was signed.
    ///
    /// # Errors
    /// [`DeliveryError::RouteNotFound`].
    pub fn resolve_behind_signature<'a>(&'a self, path: &'a str) -> Result<Resolved<'a>, DeliveryError> {
        behind_signature(path)
            .find_map(|rest| self.resolve(rest).ok().filter(|resolved| resolved.url_key.is_some()))
            .ok_or(DeliveryError::RouteNotFound)
    }

    /// The route that serves `path` (still percent-encoded), or may serve it behind a signature.
    #[must_use]
    pub fn route(&self, path: &str) -> Option<&Route> {
        let mut paths = iter::once(path).chain(behind_signature(path));
        paths.find_map(|path| self.routes.iter().find(|route| route.path.matches(path).is_some()))
    }

    /// Finds what a path that a signature was found to cover asks for, where it is not the URL's own. What was
    /// authenticated is what is acted on: it must be of the same route as what was asked for, and so of the same key.
    #[must_use]
    pub fn resolve_signed<'a>(&'a self, asked: &Resolved<'_>, path: &'a str) -> Option<Resolved<'a>> {
        let route = self.routes.iter().find(|route| ptr::eq(*route, asked.route))?;
        let resolved = match &route.behind_signature {
            Some(template) => self.read(route, path, &template.matches(path)?),
            None => self.resolve(path),
        };
        let mut signed = resolved.ok()?;
        if !ptr::eq(signed.route, asked.route) || signed.url_key != asked.url_key {
            return None;
        }
        signed.settle(asked.given);
        Some(signed)
    }

    /// Finds what `path` (still percent-encoded) asks for.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub fn resolve<'a>(&'a self, path: &'a str) -> Result<Resolved<'a>, DeliveryError> {
        let matched = self.routes.iter().find_map(|route| Some((route, route.path.matches(path)?)));
        let (route, captures) = matched.ok_or(DeliveryError::RouteNotFound)?;
        self.read(route, path, &captures)
    }

    fn read<'a>(
        &'a self,
        route: &'a Route,
        path: &'a str,
        captures: &Captures<'a>,
    ) -> Result<Resolved<'a>, DeliveryError> {
        let object_key = route.object_key(captures).ok_or(DeliveryError::RouteNotFound)?;
        let resolved = |variant: String, options, public: bool| Resolved {
            route,
            object_key,
            variant,
            options,
            url_key: route.url_key.as_deref().filter(|_| !public),
            hints: Vec::new(),
            given: Hints::default(),
            path,
        };

        let not_found = || DeliveryError::VariantNotFound { route: route.name.clone() };
        let segment = captures.raw("variant").or(route.variant.as_deref()).unwrap_or_default();
        if segment.contains('=') {
            if !route.flexible {
                return Err(not_found());
            }
            let invalid = |violations| DeliveryError::Options { route: route.name.clone(), violations };
            let options = Options::parse(segment).map_err(invalid)?;
            return Ok(resolved(options.to_string(), options, false));
        }
        let name = template::decode(segment).ok_or_else(not_found)?;
        let variant = self
            .variants
            .get(&name)
            .filter(|_| route.variants.is_empty() || route.variants.contains(&name))
            .ok_or_else(not_found)?;
        Ok(resolved(name, variant.options.clone(), variant.public))
    }
}

/// What may stand behind a signature in front of a path.
fn behind_signature(path: &str) -> impl Iterator<Item = &str> {
    let slashes = path.match_indices('/').skip(1).take(template::MAX_SIGNATURE_SEGMENTS);
    slashes.filter_map(|(at, _)| path.get(at..))
}

#[cfg(test)]
mod tests;
