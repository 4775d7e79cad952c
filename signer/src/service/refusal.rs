//! Errors of the rooms below, as callers see them.

use std::time::Duration;

use safelight_chassis::access::Denied;
use safelight_proto::{
    delivery::object_key::KeyError as ObjectKeyError,
    reason::{CallError, Reason},
    signer::v1 as pb,
    upload::form::Unsupported,
};

use crate::{
    credentials,
    keyring::KeyError,
    scheme::{
        aws_sigv4::{RequestError, SignError},
        cloudinary_upload::{self, NotificationRefusal, ResponseRefusal},
        url,
    },
    storing::Unstorable,
    upload::{self, ImageIdError, TokenError},
};

/// When a caller that was not taken may come back.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// What no grant allows: by name in our log, by kind to the caller, who knows what it asked for, and as whom it is known.
pub(super) fn denied(denied: Denied) -> CallError {
    denied.refuse()
}

pub(super) fn key(error: KeyError) -> CallError {
    match error {
        KeyError::NotFound => Reason::KeyNotFound,
        KeyError::SchemeMismatch => Reason::KeySchemeMismatch,
    }
    .error(error.to_string())
}

pub(super) fn credentials(error: credentials::Unavailable) -> CallError {
    Reason::CredentialsUnavailable.error(error.to_string())
}

pub(super) fn unsigned_url(error: url::SignError) -> CallError {
    use url::SignError;

    let text = error.to_string();
    match error {
        SignError::TooLong => Reason::InputTooLong.error(&*text),
        SignError::Invalid(_) => Reason::UrlInvalid.error(&*text),
        SignError::Reserved(name) => Reason::ReservedParameter.error(&*text).with("parameter", name),
        SignError::Unsupported(field, why) => return CallError::field(field, why),
    }
    .with_violation("url", text)
}

/// A URL, or what a signature is to give access to, that the key may not be used for.
pub(super) fn not_allowed(field: &str) -> CallError {
    let text = "the key's allowed hosts or path prefixes do not cover it";
    Reason::UrlNotAllowed.error(format!("{field}: {text}")).with_violation(field, text)
}

pub(super) fn origin_request(error: RequestError) -> CallError {
    let text = error.to_string();
    match error {
        RequestError::Method => CallError::field("method", text),
        RequestError::Region => CallError::field("region", text),
        RequestError::BodyHash => CallError::field("body_sha256", text),
        RequestError::TooLong => Reason::InputTooLong.error(&*text).with_violation("url", text),
        RequestError::HeadersTooLong => Reason::InputTooLong.error(&*text).with_violation("headers", text),
        RequestError::Url(_) => Reason::UrlInvalid.error(&*text).with_violation("url", text),
        RequestError::ReservedParameter => {
            Reason::ReservedParameter.error(&*text).with_violation("url", text)
        }
        RequestError::Header(index, why) => CallError::field(format!("headers[{index}]"), why),
        RequestError::ReservedHeader(index) => {
            Reason::ReservedParameter.error(&*text).with_violation(format!("headers[{index}]"), text)
        }
    }
}

/// What passed the checks and was refused all the same.
pub(super) fn unsignable(error: SignError) -> CallError {
    Reason::UrlInvalid.error(error.to_string())
}

pub(super) const fn url_verdict(refusal: url::Refusal) -> pb::Reason {
    use url::Refusal;

    match refusal {
        Refusal::InputTooLong => pb::Reason::InputTooLong,
        Refusal::AmbiguousPath => pb::Reason::AmbiguousPath,
        Refusal::SignatureMissing => pb::Reason::SignatureMissing,
        Refusal::DuplicateParameter => pb::Reason::DuplicateParameter,
        Refusal::SignatureMalformed => pb::Reason::SignatureMalformed,
        Refusal::SignatureMismatch => pb::Reason::SignatureMismatch,
        Refusal::ExpiryMissing => pb::Reason::ExpiryMissing,
        Refusal::ExpiryMalformed => pb::Reason::ExpiryMalformed,
        Refusal::Expired => pb::Reason::Expired,
        Refusal::OriginMissing => pb::Reason::OriginMissing,
        Refusal::NotYetValid => pb::Reason::NotYetValid,
        Refusal::ClientMismatch => pb::Reason::ClientMismatch,
        Refusal::ResourceMismatch => pb::Reason::ResourceMismatch,
    }
}

pub(super) const fn webhook_verdict(refusal: NotificationRefusal) -> pb::Reason {
    match refusal {
        NotificationRefusal::BodyMalformed => pb::Reason::BodyMalformed,
        NotificationRefusal::Signature(refusal) => upload_verdict(refusal),
    }
}

pub(super) const fn answer_verdict(refusal: ResponseRefusal) -> pb::Reason {
    match refusal {
        ResponseRefusal::PublicIdInvalid => pb::Reason::PublicIdInvalid,
        ResponseRefusal::VersionMalformed => pb::Reason::VersionMalformed,
        ResponseRefusal::Signature(refusal) => upload_verdict(refusal),
    }
}

pub(super) const fn upload_verdict(refusal: cloudinary_upload::Refusal) -> pb::Reason {
    use cloudinary_upload::Refusal;

    match refusal {
        Refusal::ParameterNameInvalid => pb::Reason::ParameterNameInvalid,
        Refusal::DuplicateParameter => pb::Reason::DuplicateParameter,
        Refusal::SignatureMissing => pb::Reason::SignatureMissing,
        Refusal::SignatureMalformed => pb::Reason::SignatureMalformed,
        Refusal::TimestampMissing => pb::Reason::TimestampMissing,
        Refusal::TimestampMalformed => pb::Reason::TimestampMalformed,
        Refusal::SignatureMismatch => pb::Reason::SignatureMismatch,
        Refusal::Stale => pb::Reason::Stale,
        Refusal::NotYetValid => pb::Reason::NotYetValid,
    }
}

/// Why nothing was done to an upload token.
pub(super) fn token(refusal: upload::Refusal, now: u64) -> CallError {
    let error = match refusal {
        upload::Refusal::NotFound => Reason::TokenNotFound,
        upload::Refusal::AlreadyRedeemed => Reason::TokenAlreadyRedeemed,
        upload::Refusal::Reserved { .. } => Reason::TokenReserved,
        upload::Refusal::Expired => Reason::TokenExpired,
        upload::Refusal::Cancelled => Reason::TokenCancelled,
        upload::Refusal::NotReserved => Reason::TokenNotReserved,
    }
    .error(refusal.to_string());
    match refusal {
        upload::Refusal::Reserved { until } => {
            error.retry_after(Duration::from_secs(until.saturating_sub(now)))
        }
        _ => error,
    }
}

/// Why a call got no answer from the store.
pub(super) fn store(error: TokenError) -> CallError {
    match error {
        TokenError::Busy => Reason::Busy.error("too many calls wait for the store").retry_after(RETRY_AFTER),
        TokenError::Store(error) => {
            tracing::warn!(%error, "the store of upload tokens did not answer");
            Reason::StoreUnavailable
                .error("the store did not answer: whether anything was written is not known")
                .retry_after(RETRY_AFTER)
        }
    }
}

pub(super) const fn image_id(error: ImageIdError) -> Reason {
    match error {
        ImageIdError::Invalid => Reason::ImageIdInvalid,
        ImageIdError::TooLong => Reason::ImageIdTooLong,
    }
}

/// A key that names no object that could be sent.
pub(super) fn object_key(error: ObjectKeyError) -> CallError {
    Reason::ObjectKeyUnsupported.error(error.to_string())
}

/// Why a file is not stored.
pub(super) fn unstorable(error: Unstorable) -> CallError {
    let text = error.to_string();
    match error {
        Unstorable::File(field, why) => CallError::field(format!("file.{field}"), why),
        Unstorable::TooLarge(limit) => Reason::UploadTooLarge
            .error(&*text)
            .with("max_bytes", limit.to_string())
            .with_violation("file.length", text),
        Unstorable::Type => Reason::UploadTypeRefused.error(&*text).with_violation("file.content_type", text),
        Unstorable::ImageId(error) => image_id(error).error(&*text).with_violation("image_id", text),
        Unstorable::Account => CallError::field("account", text),
        Unstorable::Key(error) => object_key(error),
        Unstorable::Metadata(_) => {
            Reason::ObjectMetadataTooLarge.error(&*text).with_violation("metadata", text)
        }
    }
}

/// A parameter of a form that is not served.
pub(super) fn unsupported(error: Unsupported) -> CallError {
    let text = error.to_string();
    let Unsupported { name, why } = error;
    Reason::ParameterUnsupported.error(text).with("parameter", &*name).with_violation(name, why)
}
