//! The stable reasons that errors carry, one table: reason, gRPC code, HTTP status, whether a retry can
//! help.
//!
//! Every error of every service is made here, so that each carries `google.rpc.ErrorInfo` (AIP-193) with a
//! reason that callers can branch on. Messages are for people and may change; reasons may not.

use std::{collections::HashMap, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// `ErrorInfo.domain` of every reason below.
pub const DOMAIN: &str = "safelight.dev";

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $code:ident, $http:literal, $retry:literal;)+) => {
        /// Why a call failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The text in `ErrorInfo.reason`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The gRPC code it travels with.
            #[must_use]
            pub const fn code(self) -> Code {
                match self { $(Self::$name => Code::$code,)+ }
            }

            /// The HTTP status it travels with. 499 is what nginx logs for a request that its client gave up.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $http,)+ }
            }

            /// Whether the same call may succeed later, without a change by the caller.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retry,)+ }
            }

            /// One sentence on what it means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

reasons! {
    /// A field is missing, malformed or out of range; see the field violations.
    FieldInvalid = "FIELD_INVALID", InvalidArgument, 400, false;
    /// The message could not be decoded, or is larger than the server accepts.
    MessageInvalid = "MESSAGE_INVALID", InvalidArgument, 400, false;
    /// The metadata is larger than the server accepts.
    MetadataTooLarge = "METADATA_TOO_LARGE", ResourceExhausted, 431, false;
    /// There is no such method, or it is not enabled here.
    MethodUnknown = "METHOD_UNKNOWN", Unimplemented, 404, false;
    /// The HTTP method is not one of those in `Allow`.
    HttpMethodUnsupported = "METHOD_NOT_ALLOWED", Unimplemented, 405, false;
    /// The request is compressed in a way that is not taken; `grpc-accept-encoding` lists those that are.
    CompressionUnsupported = "COMPRESSION_UNSUPPORTED", Unimplemented, 415, false;
    /// Health knows no such service.
    ServiceUnknown = "SERVICE_UNKNOWN", NotFound, 404, false;

    /// `authorization` is no bearer token that is known here.
    CallerUnknown = "CALLER_UNKNOWN", Unauthenticated, 401, false;
    /// The caller has no grant for this method, key, path or lifetime.
    CallerDenied = "CALLER_DENIED", PermissionDenied, 403, false;

    /// The audit trail cannot be written, and the signer is to answer nothing without it.
    AuditUnavailable = "AUDIT_UNAVAILABLE", Unavailable, 503, true;

    /// The signer has no key of that name.
    KeyNotFound = "KEY_NOT_FOUND", NotFound, 404, false;
    /// The key is of a scheme that this call does not serve.
    KeySchemeMismatch = "KEY_SCHEME_MISMATCH", FailedPrecondition, 400, false;
    /// The signer has no delivery of that digest: its `[[deliveries]]` and the resizer's `[[routes]]` differ.
    DeliveryUnknown = "DELIVERY_UNKNOWN", FailedPrecondition, 500, false;
    /// The key's temporary credentials have expired, or none were obtained yet; why is in the signer's log.
    CredentialsUnavailable = "CREDENTIALS_UNAVAILABLE", Unavailable, 503, true;
    /// The URL is not an absolute http or https URL, or cannot be signed so that it would verify.
    UrlInvalid = "URL_INVALID", InvalidArgument, 400, false;
    /// The key's allowed hosts or path prefixes do not cover the URL.
    UrlNotAllowed = "URL_NOT_ALLOWED", PermissionDenied, 403, false;
    /// The URL or parameters already hold a name that the signature adds.
    ReservedParameter = "RESERVED_PARAMETER", InvalidArgument, 400, false;
    /// The expiry is in the past, too near, or further away than is allowed.
    ExpiryOutOfRange = "EXPIRY_OUT_OF_RANGE", InvalidArgument, 400, false;
    /// The input is longer than the key or the service accepts.
    InputTooLong = "INPUT_TOO_LONG", InvalidArgument, 414, false;

    /// The account has no such upload token.
    TokenNotFound = "TOKEN_NOT_FOUND", NotFound, 404, false;
    /// The upload token was redeemed before, by another request or one without a request id.
    TokenAlreadyRedeemed = "TOKEN_ALREADY_REDEEMED", FailedPrecondition, 409, false;
    /// Another request has reserved the upload token; see the retry delay.
    TokenReserved = "TOKEN_RESERVED", FailedPrecondition, 409, true;
    /// The upload token's time has passed.
    TokenExpired = "TOKEN_EXPIRED", FailedPrecondition, 410, false;
    /// The upload token was cancelled.
    TokenCancelled = "TOKEN_CANCELLED", FailedPrecondition, 410, false;
    /// The image id has an empty part, a part of dots, a backslash, or a character that cannot be seen or looks like one of these.
    ImageIdInvalid = "IMAGE_ID_INVALID", InvalidArgument, 400, false;
    /// The image id looks like a generated one.
    ImageIdIsUuid = "IMAGE_ID_IS_UUID", InvalidArgument, 400, false;
    /// The image id has more than 1,024 characters.
    ImageIdTooLong = "IMAGE_ID_TOO_LONG", InvalidArgument, 400, false;
    /// An image with an id of the caller's choice cannot require signed URLs here.
    CustomIdCannotBePrivate = "CUSTOM_ID_CANNOT_BE_PRIVATE", InvalidArgument, 400, false;
    /// The upload token is not reserved by this request: its lease has ended, or the token was given back, used or cancelled.
    TokenNotReserved = "TOKEN_NOT_RESERVED", FailedPrecondition, 409, false;
    /// The signer's store failed, or may or may not have written: repeat the call with the same request id.
    StoreUnavailable = "STORE_UNAVAILABLE", Unavailable, 503, true;

    /// The upload ended without `finish`: the stream was cancelled or cut off.
    UploadIncomplete = "UPLOAD_INCOMPLETE", Cancelled, 400, false;
    /// The upload's messages came in the wrong order.
    UploadProtocol = "UPLOAD_PROTOCOL", InvalidArgument, 400, false;
    /// The bytes received are not as many as was declared.
    UploadLengthMismatch = "UPLOAD_LENGTH_MISMATCH", InvalidArgument, 400, false;
    /// The bytes received do not have the declared CRC-32C.
    UploadChecksumMismatch = "UPLOAD_CHECKSUM_MISMATCH", InvalidArgument, 400, false;

    /// The signer has no upload rule of that digest: its `[[uploads]]` and the resizer's differ.
    UploadUnknown = "UPLOAD_UNKNOWN", FailedPrecondition, 500, false;
    /// No upload rule of that name, or at that path, is configured.
    UploadRuleNotFound = "UPLOAD_RULE_NOT_FOUND", NotFound, 404, false;
    /// The form is not signed, not authentic, or too old; which of these is in the resizer's log.
    UploadRefused = "UPLOAD_REFUSED", PermissionDenied, 403, false;
    /// The request's body is no form with one file; the message says what is wrong with it.
    UploadFormInvalid = "UPLOAD_FORM_INVALID", InvalidArgument, 400, false;
    /// The file did not come in time, or comes too slowly.
    UploadTimeout = "UPLOAD_TIMEOUT", DeadlineExceeded, 408, true;
    /// The form has a parameter that is not served here; see the field violation.
    ParameterUnsupported = "PARAMETER_UNSUPPORTED", InvalidArgument, 400, false;
    /// The file has more bytes than the upload rule or the token allows.
    UploadTooLarge = "UPLOAD_TOO_LARGE", InvalidArgument, 413, false;
    /// The file is of a type that the upload rule or the token does not allow.
    UploadTypeRefused = "UPLOAD_TYPE_REFUSED", InvalidArgument, 415, false;
    /// The object's metadata would have more than 2 KiB.
    ObjectMetadataTooLarge = "OBJECT_METADATA_TOO_LARGE", InvalidArgument, 400, false;
    /// There is an object of that key, and the rule does not replace objects.
    ObjectExists = "OBJECT_EXISTS", AlreadyExists, 409, false;

    /// The object is not the one that `if_match` names, or was changed by others again and again: read it, then try again.
    ObjectChanged = "OBJECT_CHANGED", Aborted, 409, false;

    /// The source has more bytes, pixels or memory need than is accepted.
    ImageTooLarge = "IMAGE_TOO_LARGE", InvalidArgument, 413, false;
    /// The source is damaged or cut off.
    ImageCorrupt = "IMAGE_CORRUPT", InvalidArgument, 422, false;
    /// The source is not a picture of a supported format, or the asked format cannot be written.
    FormatUnsupported = "FORMAT_UNSUPPORTED", InvalidArgument, 415, false;
    /// The picture asked for has more pixels than is allowed.
    OutputTooLarge = "OUTPUT_TOO_LARGE", InvalidArgument, 400, false;

    /// No origin of that name is configured.
    OriginUnknown = "ORIGIN_UNKNOWN", NotFound, 404, false;
    /// The origin has no such object.
    OriginNotFound = "ORIGIN_NOT_FOUND", NotFound, 404, false;
    /// The origin refused the request's credentials or signature.
    OriginDenied = "ORIGIN_DENIED", PermissionDenied, 403, false;
    /// The origin answered with a redirect; redirects are not followed.
    OriginRedirected = "ORIGIN_REDIRECTED", FailedPrecondition, 502, false;
    /// The origin could not be reached, failed, or took too long.
    OriginUnavailable = "ORIGIN_UNAVAILABLE", Unavailable, 502, true;
    /// The origin broke off, or sent another number of bytes than it declared.
    OriginInterrupted = "ORIGIN_INTERRUPTED", Aborted, 502, true;
    /// The object's key cannot be fetched exactly over HTTP.
    ObjectKeyUnsupported = "OBJECT_KEY_UNSUPPORTED", InvalidArgument, 400, false;

    /// There is no `[results]` in the configuration, so nothing is stored that could be dropped.
    ResultsNotConfigured = "RESULTS_NOT_CONFIGURED", FailedPrecondition, 400, false;

    /// No route matches the URL.
    RouteNotFound = "ROUTE_NOT_FOUND", NotFound, 404, false;
    /// The URL names no variant, or one that its route does not allow.
    VariantNotFound = "VARIANT_NOT_FOUND", NotFound, 404, false;
    /// The URL's signature is missing, wrong or expired; which of these is in the resizer's log.
    UrlRefused = "URL_REFUSED", PermissionDenied, 403, false;
    /// The picture would be larger than the route allows.
    SizeRefused = "SIZE_REFUSED", PermissionDenied, 403, false;

    /// The signer could not be reached in time: nothing unverified is delivered.
    SignerUnavailable = "SIGNER_UNAVAILABLE", Unavailable, 503, true;
    /// The signer refused a request of the resizer: the configuration of the two does not fit.
    SignerRefused = "SIGNER_REFUSED", FailedPrecondition, 500, false;

    /// All capacity is taken; see the retry delay.
    Busy = "BUSY", ResourceExhausted, 429, true;
    /// The deadline passed.
    DeadlineExceeded = "DEADLINE_EXCEEDED", DeadlineExceeded, 504, false;
    /// The caller cancelled.
    Cancelled = "CANCELLED", Cancelled, 499, false;
    /// A fault of the service; the request id finds it in the log.
    Internal = "INTERNAL", Internal, 500, false;
}

impl Reason {
    /// Starts an error. `message` is shown to the caller: no secrets, no internal text.
    pub fn error(self, message: impl Into<String>) -> CallError {
        CallError {
            reason: self,
            message: message.into(),
            violations: Vec::new(),
            metadata: HashMap::new(),
            retry_after: None,
        }
    }
}

/// An error on its way to the caller: a reason, a message, and what helps to act on it.
#[derive(Debug, Clone)]
#[must_use]
pub struct CallError {
    reason: Reason,
    message: String,
    violations: Vec<(String, String)>,
    metadata: HashMap<String, String>,
    retry_after: Option<Duration>,
}

impl CallError {
    /// A single bad field: INVALID_ARGUMENT `FIELD_INVALID` with that violation.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::fields([(field.into(), description.into())])
    }

    /// Several bad fields at once, each a (path, description).
    pub fn fields(violations: impl IntoIterator<Item = (String, String)>) -> Self {
        let violations: Vec<_> = violations.into_iter().collect();
        let message = violations.iter().map(|(f, d)| format!("{f}: {d}")).collect::<Vec<_>>().join("; ");
        Self { violations, ..Reason::FieldInvalid.error(message) }
    }

    /// Adds a bad field to an error of another reason.
    pub fn with_violation(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.violations.push((field.into(), description.into()));
        self
    }

    /// Adds a value to `ErrorInfo.metadata`. AIP-193: what the message says dynamically stands here too.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Adds `RetryInfo`: come back after this long.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The bad fields, each a (path, description).
    #[must_use]
    pub fn violations(&self) -> &[(String, String)] {
        &self.violations
    }

    /// When to come back, if that is known.
    #[must_use]
    pub const fn delay(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason.as_str(), self.message)
    }
}

impl std::error::Error for CallError {}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        let mut details = ErrorDetails::with_error_info(error.reason.as_str(), DOMAIN, error.metadata);
        for (field, description) in error.violations {
            details.add_bad_request_violation(field, description);
        }
        if let Some(delay) = error.retry_after {
            details.set_retry_info(Some(delay));
        }
        Self::with_error_details(error.reason.code(), error.message, details)
    }
}

/// The `ErrorInfo.reason` of a status, if it carries one.
#[must_use]
pub fn of(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_upper_snake_of_at_most_63_characters_and_unique() {
        let mut seen = std::collections::HashSet::new();
        for reason in Reason::ALL {
            let text = reason.as_str();
            assert!(text.len() <= 63 && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{text}");
            assert!(seen.insert(text), "{text} twice");
        }
    }

    #[test]
    fn the_readme_has_the_whole_table() {
        let rows: String = Reason::ALL
            .iter()
            .map(|reason| {
                let retry = if reason.is_retryable() { "yes" } else { "no" };
                let code = code_name(reason.code());
                let (reason, http, meaning) =
                    (reason.as_str(), reason.http_status(), reason.meaning().trim());
                format!("| `{reason}` | {code} | {http} | {retry} | {meaning} |\n")
            })
            .collect();
        let table =
            format!("| reason | code | HTTP | retry | meaning |\n| --- | --- | --- | --- | --- |\n{rows}");
        let readme = include_str!("../../README.md");
        assert!(readme.contains(&table), "README.md must have this table:\n{table}");
    }

    fn code_name(code: Code) -> &'static str {
        match code {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::Unauthenticated => "UNAUTHENTICATED",
            Code::Cancelled => "CANCELLED",
            Code::Unavailable => "UNAVAILABLE",
            Code::Aborted => "ABORTED",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::Internal => "INTERNAL",
            code => panic!("{code:?} is not used"),
        }
    }

    #[test]
    fn a_status_carries_reason_violations_metadata_and_delay() {
        let status: Status = Reason::Busy
            .error("try later")
            .with("queue", "64")
            .with_violation("outputs[0].options.width", "too big")
            .retry_after(Duration::from_millis(250))
            .into();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(of(&status).as_deref(), Some("BUSY"));
        let details = status.get_error_details();
        assert_eq!(details.error_info().map(|i| i.domain.as_str()), Some(DOMAIN));
        assert_eq!(
            details.error_info().and_then(|i| i.metadata.get("queue")).map(String::as_str),
            Some("64")
        );
        assert_eq!(details.bad_request().map(|b| b.field_violations.len()), Some(1));
        assert_eq!(details.retry_info().and_then(|r| r.retry_delay), Some(Duration::from_millis(250)));
    }
}
