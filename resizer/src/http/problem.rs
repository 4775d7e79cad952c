//! Errors as HTTP has them: the reason's status, and `application/problem+json` (RFC 9457).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use safelight_chassis::http::{Body, Reason as LoggedReason};
use safelight_proto::reason::{CallError, Reason};
use serde_json::json;

use super::{
    METHODS,
    headers::{guard, insert},
};
use crate::delivery::Presentation;

/// Seconds after which to come back when nothing better is known.
const RETRY_AFTER: u64 = 1;

/// An error, as the client is told it: with the route's placeholder for a body where there is one. Never to be kept: the
/// next request may be answered.
pub(super) fn answer(
    error: &CallError,
    request_id: &str,
    presentation: Option<&Presentation>,
) -> Response<Body> {
    let (media_type, bytes) = match presentation.and_then(|presentation| presentation.placeholder.as_ref()) {
        Some(placeholder) => (placeholder.format.media_type(), placeholder.bytes.clone()),
        None => ("application/problem+json", body(error, request_id).into()),
    };
    let mut response = response(error, media_type, bytes, METHODS);
    guard(response.headers_mut(), presentation);
    response
}

/// An error with a body of any kind. `methods` are those that are answered at its URL.
pub(super) fn response(
    error: &CallError,
    media_type: &str,
    bytes: Bytes,
    methods: &'static str,
) -> Response<Body> {
    let reason = error.reason();
    // The table has no status that is none.
    let status = StatusCode::from_u16(reason.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = http::HeaderMap::new();
    insert(&mut headers, header::CONTENT_TYPE, media_type);
    insert(&mut headers, header::CONTENT_LENGTH, &bytes.len().to_string());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        // Whole seconds, rounded up.
        let delay = error
            .delay()
            .map_or(RETRY_AFTER, |delay| delay.as_millis().div_ceil(1000).try_into().unwrap_or(RETRY_AFTER));
        insert(&mut headers, header::RETRY_AFTER, &delay.max(RETRY_AFTER).to_string());
    }
    if reason == Reason::HttpMethodUnsupported {
        headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    }
    let mut response = Response::new(Body::full(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.extensions_mut().insert(LoggedReason(reason.as_str().into()));
    response
}

fn body(error: &CallError, request_id: &str) -> Vec<u8> {
    let reason = error.reason().as_str();
    let mut problem = json!({
        "type": format!("tag:safelight.dev,2026:{reason}"),
        "title": error.reason().meaning().trim(),
        "status": error.reason().http_status(),
        "detail": error.message(),
        "reason": reason,
        "request_id": request_id,
    });
    if !error.violations().is_empty() {
        let fields = error.violations().iter();
        problem["errors"] =
            fields.map(|(field, detail)| json!({ "field": field, "detail": detail })).collect();
    }
    let mut text = problem.to_string();
    text.push('\n');
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_reason_has_a_status_and_is_never_kept() {
        for reason in Reason::ALL {
            let response = answer(&reason.error("text"), "id", None);
            let status = response.status();
            assert!(status.is_client_error() || status.is_server_error(), "{reason:?}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
            assert_eq!(
                response.headers().contains_key(header::RETRY_AFTER),
                [429, 503].contains(&status.as_u16())
            );
            assert_eq!(
                response.headers().contains_key(header::ALLOW),
                status == StatusCode::METHOD_NOT_ALLOWED
            );
            assert_eq!(response.extensions().get::<LoggedReason>().unwrap().0, reason.as_str());
        }
    }

    #[test]
    fn a_delay_is_rounded_up() {
        for (milliseconds, seconds) in [(1, "1"), (500, "1"), (1000, "1"), (1001, "2")] {
            let error = Reason::Busy.error("").retry_after(Duration::from_millis(milliseconds));
            assert_eq!(answer(&error, "", None).headers()[header::RETRY_AFTER], seconds);
        }
    }
}
