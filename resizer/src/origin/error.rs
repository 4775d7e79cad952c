//! Why an object could not be fetched or written: a short text for the caller, the cause for the operator's log.

use std::fmt;

use super::{key::KeyError, s3::refusal::Refusal};

/// A failed request. Its `Display` is fit for the caller: no URL, header, address or bucket.
#[derive(Debug)]
pub struct OriginError {
    kind: Kind,
    cause: Box<Cause>,
}

/// What a caller can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Kind {
    /// The key cannot be sent over HTTP unchanged.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// HTTP 404 or 410.
    #[error("the origin has no such object")]
    NotFound,
    /// HTTP 412 to a request that writes an object which must not exist.
    #[error("the origin has an object of that key")]
    Exists,
    /// HTTP 412 to a request that changes an object as it was found, or 409.
    #[error("the object has been changed by others")]
    Changed,
    /// HTTP 401, 403 or another 4xx.
    #[error("the origin refused the request (HTTP {0})")]
    Denied(u16),
    /// HTTP 3xx.
    #[error("the origin answered with a redirect (HTTP {0}), which is not followed")]
    Redirected(u16),
    /// HTTP 5xx, 408, 429, an answer to another request than ours (304, 409, 412, 416), or one that is none.
    #[error("the origin failed (HTTP {0})")]
    Failed(u16),
    /// No connection, or one to an address that is not allowed.
    #[error("the origin could not be reached")]
    Unreachable,
    /// It took longer than it may.
    #[error("the origin did not answer in time")]
    Timeout,
    /// It took longer than the caller has time.
    #[error("the origin did not answer before the deadline")]
    Deadline,
    /// The body broke off.
    #[error("the origin broke off in the middle of the object")]
    Interrupted,
    /// The object has more bytes than are accepted.
    #[error("the object has more than {0} bytes")]
    TooLarge(u64),
    /// The object is stored in an encoding that cannot be undone.
    #[error("the object is stored with a content encoding that cannot be undone; store images as they are")]
    Encoded,
}

/// What happened, for the log alone. Holds no header and no query.
#[derive(Debug, Clone, Default)]
pub struct Cause {
    /// The origin's name in the configuration.
    pub origin: String,
    /// Host and port.
    pub host: String,
    /// Addresses that were connected to, or tried.
    pub address: Option<String>,
    /// The answer's status.
    pub status: Option<u16>,
    /// What the answer says of it.
    pub refusal: Refusal,
    /// What happened, where the kind does not say it all.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Cause {
    /// With what happened.
    pub(super) fn with_detail(self, detail: &str) -> Self {
        Self { detail: Some(detail.to_owned()), ..self }
    }

    /// Of an object with more bytes than are accepted.
    pub(super) fn too_large(self, limit: u64, how: &str) -> OriginError {
        let mut error = OriginError::new(Kind::TooLarge(limit), self.with_detail(how));
        error.set_hint("limits.max_source_bytes is how much is taken");
        error
    }
}

impl OriginError {
    /// A failure and its cause.
    #[must_use]
    pub fn new(kind: Kind, cause: Cause) -> Self {
        Self { kind, cause: Box::new(cause) }
    }

    /// What a caller can tell apart.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What happened.
    #[must_use]
    pub const fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Says what to do.
    pub(super) fn set_hint(&mut self, hint: &str) {
        self.cause.hint = Some(hint.to_owned());
    }

    /// Writes the cause to the log: to be called once, where the failure is answered. `reason` is what the caller
    /// is told. What callers do (a key without an object) is told apart from what operators can mend by the level.
    pub fn log(&self, reason: &str) {
        let Cause { origin, host, address, status, refusal, detail, hint } = &*self.cause;
        macro_rules! event {
            ($level:ident) => {
                tracing::$level!(
                    reason,
                    origin,
                    host,
                    address,
                    http.status = status,
                    s3.code = refusal.code,
                    s3.message = refusal.message,
                    s3.request_id = refusal.request_id,
                    error = %self.kind,
                    detail,
                    hint,
                    "origin.failed"
                )
            };
        }
        if self.is_everyday() { event!(info) } else { event!(warn) }
    }

    /// Whether a second attempt may succeed at once.
    pub(super) const fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::Failed(500 | 502..=504) | Kind::Unreachable)
    }

    fn is_everyday(&self) -> bool {
        match self.kind {
            Kind::NotFound => self.cause.refusal.code.as_deref() != Some("NoSuchBucket"),
            Kind::Key(_) | Kind::TooLarge(_) | Kind::Exists | Kind::Changed => true,
            _ => false,
        }
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for OriginError {}
