//! Every room's errors → what the caller is told. The one place where that is decided.
//!
//! Functions rather than `From`: the rooms do not know of callers, and `CallError` not of the rooms.

use std::time::Duration;

use safelight_client::SignerError;
use safelight_proto::reason::{CallError, Reason};

use crate::{
    admission::Rejected,
    delivery::{DeliveryError, target::TargetError},
    origin::{Kind, OriginError, request::UnusableHeader},
    transfer::{receive::ReceiveError, send::SendError},
};
use safelight_image::{error::ImageError, plan::PlanError};

/// When to come back when all capacity is taken: about the time a large picture takes.
const RETRY_AFTER: Duration = Duration::from_millis(500);

pub(crate) fn rejected(error: Rejected) -> CallError {
    match error {
        Rejected::Busy(_) => Reason::Busy.error(error.to_string()).retry_after(RETRY_AFTER),
        Rejected::TooLarge { .. } => {
            Reason::ImageTooLarge.error("the picture needs more memory than there is")
        }
        Rejected::Deadline(_) => Reason::DeadlineExceeded.error(error.to_string()),
        Rejected::Panicked => Reason::Internal.error("the picture could not be made"),
    }
}

pub(crate) fn receive(error: ReceiveError) -> CallError {
    let reason = match error {
        ReceiveError::TooLarge(_) => Reason::ImageTooLarge,
        ReceiveError::TooLong { .. } | ReceiveError::LengthMismatch { .. } => Reason::UploadLengthMismatch,
        ReceiveError::ChecksumMismatch => Reason::UploadChecksumMismatch,
    };
    reason.error(error.to_string())
}

/// The same of an upload that is to be stored: how much is taken says its rule or token.
pub(crate) fn receive_upload(error: ReceiveError) -> CallError {
    match error {
        ReceiveError::TooLarge(_) => Reason::UploadTooLarge.error(error.to_string()),
        _ => receive(error),
    }
}

pub(crate) fn send(error: SendError) -> CallError {
    match error {
        SendError::Gone => Reason::Cancelled.error(error.to_string()),
        SendError::Stalled => Reason::DeadlineExceeded.error(error.to_string()),
    }
}

pub(crate) fn image(error: ImageError) -> CallError {
    let reason = match error {
        ImageError::NotAnImage | ImageError::Unsupported(_) => Reason::FormatUnsupported,
        ImageError::Corrupt(_) => Reason::ImageCorrupt,
        ImageError::TooLarge { .. } => Reason::ImageTooLarge,
        ImageError::FormatTooSmall { .. } => Reason::OutputTooLarge,
        ImageError::Plan(error) => return plan(error),
        ImageError::Cancelled => Reason::Cancelled,
        ImageError::DeadlineExceeded => Reason::DeadlineExceeded,
        ImageError::Internal(step) => {
            tracing::error!(step, "image.failed");
            Reason::Internal
        }
    };
    reason.error(error.to_string())
}

pub(crate) fn plan(error: PlanError) -> CallError {
    let reason = match error {
        PlanError::OutputTooLarge => Reason::OutputTooLarge,
        PlanError::BoundsExceeded => Reason::SizeRefused,
        PlanError::EmptySource => Reason::ImageCorrupt,
    };
    reason.error(error.to_string())
}

pub(crate) fn signer(error: &SignerError) -> CallError {
    match error {
        SignerError::Unavailable(failure) => {
            tracing::warn!(cause = %failure, "signer.unavailable");
            Reason::SignerUnavailable.error("the signer did not answer")
        }
        SignerError::Refused(failure)
            if failure.reason.as_deref() == Some(Reason::ObjectKeyUnsupported.as_str()) =>
        {
            Reason::ObjectKeyUnsupported.error("the object's key cannot be fetched exactly over HTTP")
        }
        // The signer's reason names keys of the configuration: for our log, not for the caller.
        SignerError::Refused(failure) => {
            tracing::warn!(reason = failure.reason(), cause = %failure, "signer.refused");
            Reason::SignerRefused.error("the signer refused the resizer's request")
        }
    }
}

/// What the signer says of an upload. What is of the client's token, form or file is told to the client.
pub(crate) fn upload_signer(error: &SignerError) -> CallError {
    const OF_THE_CLIENT: [Reason; 16] = [
        Reason::FieldInvalid,
        Reason::InputTooLong,
        Reason::TokenNotFound,
        Reason::TokenAlreadyRedeemed,
        Reason::TokenReserved,
        Reason::TokenExpired,
        Reason::TokenCancelled,
        Reason::TokenNotReserved,
        Reason::StoreUnavailable,
        Reason::ImageIdInvalid,
        Reason::ImageIdTooLong,
        Reason::ObjectKeyUnsupported,
        Reason::UploadTooLarge,
        Reason::UploadTypeRefused,
        Reason::ParameterUnsupported,
        Reason::ObjectMetadataTooLarge,
    ];
    let failure = error.failure();
    let told = OF_THE_CLIENT.iter().find(|reason| failure.reason.as_deref() == Some(reason.as_str()));
    let Some(reason) = told else { return signer(error) };
    if *reason == Reason::StoreUnavailable {
        tracing::warn!(cause = %failure, "signer.unavailable");
    } else {
        tracing::info!(reason = reason.as_str(), cause = failure.message, "upload.refused");
    }
    let mut told = reason.error(failure.message.clone());
    if let Some((field, description)) = &failure.field {
        told = told.with_violation(field, description);
    }
    match failure.delay {
        Some(delay) => told.retry_after(delay),
        None => told,
    }
}

/// A form whose signature does not hold. One answer for every cause; the cause is for the log.
pub(crate) fn upload_refused(cause: &str, rule: &str) -> CallError {
    tracing::info!(cause, upload = rule, "upload.refused");
    Reason::UploadRefused.error("the form is not signed, not authentic, or too old")
}

/// The signer answered with what cannot be sent.
pub(crate) fn unusable_signature(error: &UnusableHeader) -> CallError {
    tracing::error!(%error, "signer.unusable");
    Reason::SignerRefused.error("the signer's answer cannot be used")
}

pub(crate) fn origin(error: &OriginError) -> CallError {
    let reason = match error.kind() {
        Kind::Key(_) => Reason::ObjectKeyUnsupported,
        Kind::NotFound => Reason::OriginNotFound,
        Kind::Exists => Reason::ObjectExists,
        Kind::Changed => Reason::ObjectChanged,
        Kind::Denied(_) => Reason::OriginDenied,
        Kind::Redirected(_) => Reason::OriginRedirected,
        Kind::Failed(_) | Kind::Unreachable | Kind::Timeout => Reason::OriginUnavailable,
        Kind::Deadline => Reason::DeadlineExceeded,
        Kind::Interrupted => Reason::OriginInterrupted,
        Kind::TooLarge(_) => Reason::ImageTooLarge,
        Kind::Encoded => Reason::FormatUnsupported,
    };
    error.log(reason.as_str());
    reason.error(error.to_string())
}

pub(crate) fn target(error: TargetError) -> CallError {
    match error {
        TargetError::TooLong => Reason::InputTooLong.error(format!("url: {error}")),
        TargetError::NotAUrl | TargetError::Fragment => CallError::field("url", error.to_string()),
    }
}

/// What a stranger is told of an object that is absent, private, or kept from us: one answer, which does not tell which
/// objects there are.
pub(crate) fn not_found() -> CallError {
    Reason::OriginNotFound.error(Kind::NotFound.to_string())
}

/// A private object, asked for without a signature.
pub(crate) fn private(origin: &str, route: &str) -> CallError {
    tracing::info!(origin, route, "url.private: the object is delivered by signed URLs only");
    not_found()
}

/// An object of the result store, asked for as if it were an original.
pub(crate) fn result_asked_for(origin: &str) -> CallError {
    tracing::info!(origin, "url.not_served: the key is below the prefix of [results]");
    not_found()
}

/// A URL that asks for nothing: why, and of which route, is for the log as well. Most viewers show no error's text.
pub(crate) fn delivery(error: DeliveryError) -> CallError {
    let text = error.to_string();
    let (told, route) = match error {
        DeliveryError::RouteNotFound => (Reason::RouteNotFound.error(text), None),
        DeliveryError::VariantNotFound { route } => (Reason::VariantNotFound.error(text), Some(route)),
        DeliveryError::Options { route, violations } => {
            let fields = violations.into_iter().map(|v| (format!("url.{}", v.field), v.description));
            (CallError::fields(fields), Some(route))
        }
    };
    tracing::info!(reason = told.reason().as_str(), route, cause = told.message(), "url.not_served");
    told
}

/// One answer for every cause: a caller who learns which check failed can forge step by step. The cause is for the log.
pub(crate) fn url_refused(cause: &str, key: Option<&str>, route: &str) -> CallError {
    tracing::info!(cause, url_key = key, route, "url.refused");
    Reason::UrlRefused.error("the URL is not signed, not authentic, or expired")
}

/// The signer signed another object's URL than the route names: the digests agree and the two programs do not.
pub(crate) fn other_object(signed: &str, origin: &str) -> CallError {
    tracing::error!(
        origin,
        signed,
        "signer.other_object: the signer signed another URL than the route names"
    );
    Reason::SignerRefused.error("the signer's answer cannot be used")
}
