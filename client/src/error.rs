//! Why there is no client, and why there is no answer.

use std::{fmt, net::SocketAddr, time::Duration};

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Longest text of the signer that is kept for the log, in characters.
const MAX_MESSAGE: usize = 300;

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The endpoint is not an http or https URI.
    #[error("not an http or https endpoint")]
    Endpoint,
    /// A file of the credentials cannot be used: which, and why.
    #[error("{0}")]
    Credentials(String),
}

/// Why the signer gave no answer. What it shows names no address and nothing of the signer's; for the log there is
/// [`Self::failure`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignerError {
    /// It could not be reached in time, or cannot answer now.
    #[error("the signer is unavailable ({:?})", .0.code)]
    Unavailable(Box<Failure>),
    /// It refused the request.
    #[error("the signer refused the request ({})", .0.reason())]
    Refused(Box<Failure>),
}

impl SignerError {
    /// All that is known of it, in words for an operator.
    #[must_use]
    pub const fn failure(&self) -> &Failure {
        match self {
            Self::Unavailable(failure) | Self::Refused(failure) => failure,
        }
    }

    /// Made of a status: of the signer's, or of one that says why there was none.
    pub(crate) fn new(endpoint: &str, address: Option<SocketAddr>, status: &Status) -> Self {
        let info = status.get_details_error_info();
        let denied = info.as_ref().and_then(|info| info.metadata.get("denied")).map(|text| plain(text));
        let failure = Box::new(Failure {
            endpoint: endpoint.to_owned(),
            address,
            code: status.code(),
            reason: info.map(|info| plain(&info.reason)),
            message: plain(status.message()),
            denied,
            field: status.get_details_bad_request().and_then(|details| {
                let violation = details.field_violations.into_iter().next()?;
                Some((plain(&violation.field), plain(&violation.description)))
            }),
            delay: status.get_details_retry_info().and_then(|info| info.retry_delay),
        });
        match status.code() {
            Code::InvalidArgument
            | Code::NotFound
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented => Self::Refused(failure),
            _ => Self::Unavailable(failure),
        }
    }
}

/// A call that came to nothing: for the log, not for callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where the signer should be.
    pub endpoint: String,
    /// The address that was asked, if there was one to ask.
    pub address: Option<SocketAddr>,
    /// The gRPC code: the signer's, or UNAVAILABLE or DEADLINE_EXCEEDED of this side.
    pub code: Code,
    /// The signer's `ErrorInfo.reason`.
    pub reason: Option<String>,
    /// The signer's message, or why it could not be asked.
    pub message: String,
    /// What a grant at the signer does not cover, where it says so.
    pub denied: Option<String>,
    /// The first bad field, and what is wrong with it.
    pub field: Option<(String, String)>,
    /// When the call may be repeated, where the signer says so.
    pub delay: Option<Duration>,
}

impl Failure {
    /// The signer's reason, or the code if it gave none.
    #[must_use]
    pub fn reason(&self) -> String {
        self.reason.clone().unwrap_or_else(|| format!("{:?}", self.code))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signer {}", self.endpoint)?;
        if let Some(address) = self.address {
            write!(f, " at {address}")?;
        }
        write!(f, ": {}: {}", self.reason(), self.message)?;
        match &self.denied {
            Some(denied) => write!(f, " (not granted: {denied})"),
            None => Ok(()),
        }
    }
}

/// One short line: what a peer says is not ours to trust with a log.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use safelight_proto::reason::Reason;

    use super::*;

    #[test]
    fn the_log_learns_what_was_refused_and_where_and_a_caller_does_not() {
        let status = Reason::CallerDenied.error("no grant\nfor this").with("denied", "key").into();
        let address = "10.1.2.3:50051".parse().ok();
        let error = SignerError::new("http://signer:50051", address, &status);
        assert_eq!(error.to_string(), "the signer refused the request (CALLER_DENIED)");
        assert_eq!(
            error.failure().to_string(),
            "signer http://signer:50051 at 10.1.2.3:50051: CALLER_DENIED: no grant for this (not granted: key)"
        );
        assert!(matches!(error, SignerError::Refused(_)));

        let status = Status::unavailable("connection refused");
        let error = SignerError::new("http://signer:50051", None, &status);
        assert_eq!(error.to_string(), "the signer is unavailable (Unavailable)");
        assert_eq!(
            error.failure().to_string(),
            "signer http://signer:50051: Unavailable: connection refused"
        );
    }
}
