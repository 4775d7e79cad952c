//! Why a provider did not answer.

#[cfg(feature = "aws-credentials")]
mod aws;

/// Why there are no new credentials.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[cfg(feature = "aws-credentials")]
    #[error("the provider did not answer in time")]
    TimedOut,
    #[cfg(feature = "aws-credentials")]
    #[error("asking the provider panicked")]
    Panicked,
    #[cfg(feature = "aws-credentials")]
    #[error("the credentials hold something other than printable ASCII")]
    NotText,
    #[error("the provider answered with credentials that have expired")]
    Expired,
    #[cfg(feature = "aws-credentials")]
    #[error("{0}")]
    Provider(String),
    #[cfg(not(feature = "aws-credentials"))]
    #[error("this signer was built without the feature aws-credentials")]
    NotBuilt,
}
