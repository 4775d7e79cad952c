//! What the schemes that sign URLs have in common: what they are asked, and what they answer.
//!
//! Schemes differ in where the signature stands, what it covers and how it is spelled; callers need not know. A
//! scheme is the type of one version's prepared key, and implements [`UrlScheme`].
//!
//! # Layout
//! - `http_url`: what may be signed
//! - `wanted`: what signing is asked, and what it answers
//! - `presented`: what verifying is asked, and what it answers

mod http_url;
mod presented;
mod wanted;

pub use http_url::{HttpUrl, MAX_URL_BYTES};
pub use presented::{Presented, Refusal, Verified, without_parameters};
pub use wanted::{Carrier, SignError, Signed, UrlToSign, Wanted};
pub(in crate::scheme) use wanted::{checked, only_url, only_url_and_expiry};

/// A scheme that signs URLs: the key of one version, prepared once. Wiped on drop; has neither `Debug` nor `Clone`.
pub trait UrlScheme: Send + Sync + 'static {
    /// Whether what it signs has an expiry.
    const EXPIRY: Expiry;

    /// Parameters of an authenticated target that only the verifier has a use for, such as the expiry where it is signed.
    const SPENT_PARAMETERS: &'static [&'static str] = &[];

    /// Signs. Pure: the same key and wish give the same answer, but for ECDSA, whose signatures hold a random number.
    ///
    /// # Errors
    /// The URL is not one, the scheme cannot express what is wanted, or the result would not verify.
    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError>;

    /// Verifies what an end user presented. All keys are tried in every case, and compared in constant time.
    ///
    /// # Errors
    /// The first check that fails. The signature is checked before times, so that an expired forgery is a forgery.
    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal>
    where
        Self: Sized;
}

/// Whether a scheme's signatures expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// They cannot: nothing in them says when.
    Never,
    /// They may.
    Optional,
    /// They do.
    Always,
}

/// What a key demands, whatever its scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether a URL without expiry is refused. Has no meaning for [`Expiry::Never`] and [`Expiry::Always`].
    pub require_expiry: bool,
    /// How long past its expiry, and before its start, a URL still verifies, in seconds.
    pub clock_skew: u64,
    /// Longest request target that is looked at, in bytes.
    pub max_target_bytes: usize,
}

impl Policy {
    /// Whether the time is over: `now - skew >= expires`.
    #[must_use]
    pub const fn is_over(&self, expires: u64, now: u64) -> bool {
        now >= expires.saturating_add(self.clock_skew)
    }

    /// Whether the time has not come: `now + skew < starts`.
    #[must_use]
    pub const fn is_early(&self, starts: u64, now: u64) -> bool {
        now.saturating_add(self.clock_skew) < starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_skew() {
        let policy = Policy { require_expiry: true, clock_skew: 5, max_target_bytes: 100 };
        assert!(!policy.is_over(100, 104) && policy.is_over(100, 105));
        assert!(!policy.is_early(100, 95) && policy.is_early(100, 94));
        assert!(!policy.is_over(u64::MAX - 2, 1) && !policy.is_early(5, u64::MAX));
    }
}
