//! A key for signed URLs, whatever its scheme.

use super::{Algorithm, Allowed, Scheme, State, VersionInfo, Versions};
use crate::scheme::url::{
    Expiry, Policy, Presented, Refusal, SignError, Signed, UrlScheme, Verified, Wanted, without_parameters,
};

/// A key for signed URLs.
pub struct UrlKey {
    /// What it signs.
    pub scheme: Scheme,
    /// How it signs.
    pub algorithm: Algorithm,
    /// What it demands of a URL.
    pub policy: Policy,
    /// Longest life of a signed URL, in seconds; `None` for no limit.
    pub max_ttl: Option<u64>,
    /// Which URLs it may sign and verify.
    pub allowed: Allowed,
    /// Its secrets.
    pub versions: Box<dyn UrlVersions>,
}

/// The versions of a key whose scheme is known to them alone.
pub trait UrlVersions: Send + Sync {
    /// Whether what the scheme signs has an expiry.
    fn expiry(&self) -> Expiry;

    /// Signs with the version that is the primary at `now` (Unix seconds); answers its id too.
    ///
    /// # Errors
    /// As [`UrlScheme::sign`].
    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>, now: u64) -> Result<(Signed, u32), SignError>;

    /// Verifies with all versions that are eligible at the time it was presented; answers the id of the one that signed.
    ///
    /// # Errors
    /// As [`UrlScheme::verify`].
    fn verify(&self, policy: &Policy, presented: &Presented<'_>) -> Result<(Verified, u32), Refusal>;

    /// What to ask an origin for: an authenticated target without the parameters that only the verifier has a use for,
    /// and without an empty query.
    fn upstream_target(&self, authenticated: &str) -> String;

    /// All versions and their states at `now`, lowest id first.
    fn states(&self, now: u64) -> Vec<(&VersionInfo, State)>;
}

impl<S: UrlScheme> UrlVersions for Versions<S> {
    fn expiry(&self) -> Expiry {
        S::EXPIRY
    }

    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>, now: u64) -> Result<(Signed, u32), SignError> {
        let version = self.primary(now);
        Ok((version.material.sign(policy, wanted)?, version.info.id))
    }

    fn verify(&self, policy: &Policy, presented: &Presented<'_>) -> Result<(Verified, u32), Refusal> {
        let eligible = self.eligible(presented.now).map(|version| &version.material);
        let verified = S::verify(eligible, policy, presented)?;
        let id = self.eligible_id(verified.key, presented.now).unwrap_or_default();
        Ok((verified, id))
    }

    fn upstream_target(&self, authenticated: &str) -> String {
        without_parameters(authenticated, S::SPENT_PARAMETERS)
    }

    fn states(&self, now: u64) -> Vec<(&VersionInfo, State)> {
        Self::states(self, now)
    }
}
