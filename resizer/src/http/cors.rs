//! What scripts of other sites may do (the Fetch standard's CORS protocol).

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use safelight_chassis::http::Body;

use super::{headers::append_vary, request::only};
use crate::delivery::presentation::Origins;

const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");
/// What a script may read besides what it always may.
const EXPOSED: &str = "Cache-Status, ETag, Retry-After, Server-Timing, X-Request-Id";
/// Seconds for which a browser may remember a preflight: two hours, as long as any does.
const REMEMBERED: &str = "7200";

/// Says who may read an answer, and its timing.
pub(super) fn mark(cors: &Origins, timing: &Origins, request: &HeaderMap, answer: &mut HeaderMap) {
    if let Some(origin) = allowed(cors, request, answer) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    if let Some(origin) = allowed(timing, request, answer) {
        answer.insert(TIMING_ALLOW_ORIGIN, origin);
    }
}

/// The answer to `OPTIONS`: that of a preflight where it is one.
pub(super) fn options(cors: &Origins, methods: &'static str, request: &HeaderMap) -> http::Response<Body> {
    let mut response = http::Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    if request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && let Some(origin) = allowed(cors, request, headers)
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
            // Headers that are not known here are not looked at.
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
            (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// The site to name, if the request's own may.
fn allowed(origins: &Origins, request: &HeaderMap, answer: &mut HeaderMap) -> Option<HeaderValue> {
    match origins {
        Origins::None => None,
        Origins::All => Some(HeaderValue::from_static("*")),
        Origins::These(origins) => {
            append_vary(answer, "Origin");
            let origin = only(request, &header::ORIGIN)?;
            origins.iter().find(|allowed| *allowed == origin).and_then(|origin| origin.parse().ok())
        }
    }
}
