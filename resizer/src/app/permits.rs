//! What a caller may have: asked by the use cases once the object is known, before anything is fetched.

use std::fmt;

use safelight_image::plan::OutputBounds;
use safelight_proto::reason::CallError;

/// What is about to be fetched for a caller.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The name of the route, for a URL.
    pub route: Option<&'a str>,
    /// Name of the origin.
    pub origin: &'a str,
    /// Key of the object.
    pub key: &'a str,
    /// Whether the variant is public, so that nothing needs to be granted.
    pub public: bool,
}

/// Decides for one caller.
pub trait Permits: fmt::Debug + Send + Sync {
    /// Whether the caller may have pictures of this object, and how large: as the bounds say, none for no limit.
    ///
    /// # Errors
    /// `CALLER_DENIED`.
    fn object(&self, wanted: &Wanted<'_>) -> Result<Vec<OutputBounds>, CallError>;
}

/// The URL is the authority: its signature, or that its variant is public. For doors that know no callers.
#[derive(Debug, Clone, Copy)]
pub struct ByUrl;

impl Permits for ByUrl {
    fn object(&self, _: &Wanted<'_>) -> Result<Vec<OutputBounds>, CallError> {
        Ok(Vec::new())
    }
}
