//! The two ways a signature travels.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningInstructions, SigningParams, SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tracing::{Dispatch, dispatcher};

use super::{Body, Credentials, Request, Scope};
use crate::stack;

/// What a query parameter is encoded with: everything but the unreserved characters of RFC 3986.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parameter that carries the signature, always last.
const SIGNATURE: &str = "X-Amz-Signature";

/// The request cannot be signed: its URL or a header is malformed.
///
/// It does not say which: the text of `aws-sigv4` may quote a header's value. Check with [`super::S3Request`] first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request cannot be signed")]
pub struct SignError;

/// Signs a request in its headers at the time `now`, in Unix seconds. Answers the headers to add, names in lower case.
///
/// # Errors
/// The URL or a header is malformed.
pub fn sign_headers(
    credentials: &Credentials,
    request: &Request<'_>,
    scope: &Scope<'_>,
    now: u64,
) -> Result<Vec<(&'static str, String)>, SignError> {
    let instructions = instructions(credentials, request, scope, now, None)?;
    let (headers, _) = instructions.into_parts();
    Ok(headers.iter().map(|header| (header.name(), header.value().to_owned())).collect())
}

/// Signs a request in the query of its URL at the time `now`, for `lifetime`, both in seconds. Answers the URL,
/// which is as given up to the parameters added at the end.
///
/// # Errors
/// The URL or a header is malformed.
pub fn presign(
    credentials: &Credentials,
    request: &Request<'_>,
    scope: &Scope<'_>,
    now: u64,
    lifetime: u64,
) -> Result<String, SignError> {
    let instructions = instructions(credentials, request, scope, now, Some(lifetime))?;
    let (_, mut added) = instructions.into_parts();
    added.sort_by_key(|(name, _)| *name == SIGNATURE); // stable: the rest keeps its order
    let mut url = request.url.to_owned();
    let mut separator = match request.url.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    for (name, value) in added {
        url.push_str(separator);
        url.push_str(name);
        url.push('=');
        url.extend(utf8_percent_encode(&value, QUERY));
        separator = "&";
    }
    Ok(url)
}

fn instructions(
    credentials: &Credentials,
    request: &Request<'_>,
    scope: &Scope<'_>,
    now: u64,
    presigned_lifetime: Option<u64>,
) -> Result<SigningInstructions, SignError> {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::from(scope.normalize_path);
    // The default leaves out some headers silently (user-agent and others): what is given is signed.
    settings.excluded_headers = None;
    if scope.content_sha256_header {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if let Some(lifetime) = presigned_lifetime {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(lifetime));
    }
    let params = v4::SigningParams::builder()
        .identity(&credentials.identity)
        .region(scope.region)
        .name(scope.service)
        .time(SystemTime::UNIX_EPOCH + Duration::from_secs(now))
        .settings(settings)
        .build()
        .map(SigningParams::from)
        .map_err(|_| SignError)?;
    let body = match request.body {
        Body::Unsigned => SignableBody::UnsignedPayload,
        Body::Sha256(digest) => SignableBody::Precomputed(digest.to_owned()),
    };
    let headers = request.headers.iter().copied();
    let signable = SignableRequest::new(request.method, Cow::Borrowed(request.url), headers, body)
        .map_err(|_| SignError)?;
    // At trace level the crate logs the request with its headers, and the canonical query with the session token:
    // it gets no subscriber, whatever the log level is.
    let sign = || dispatcher::with_default(&Dispatch::none(), || sign(signable, &params));
    let signed = stack::wiped::<{ stack::SIGV4 }, _>(sign);
    Ok(signed.map_err(|_| SignError)?.into_parts().0)
}
