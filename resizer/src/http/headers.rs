//! What the head of an answer says.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use safelight_image::sniff::Format;

use crate::{
    app::{
        deliver::{Head, Scope},
        results::{ResultSource, Status},
        sink::Timings,
    },
    delivery::{Hint, Presentation, cache},
};

const ACCEPT_CH: HeaderName = HeaderName::from_static("accept-ch");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Hints that browsers send only when they are asked to. The older names follow the newer ones.
const HINTS_ASKED: &str = "Sec-CH-Width, Sec-CH-DPR, Width, DPR";

/// What is said of every answer, whatever it is: it is what its type says, and may do nothing.
pub(super) fn guard(headers: &mut HeaderMap, presentation: Option<&Presentation>) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox"),
    );
    let corp = presentation.map(|presentation| presentation.corp).unwrap_or_default();
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static(corp.as_str()));
}

/// What is said of a picture whether it is sent or not: of a 200 and a 304.
pub(super) fn describe(headers: &mut HeaderMap, head: &Head, presentation: &Presentation, now: SystemTime) {
    insert(headers, header::ETAG, &head.etag);
    insert(headers, header::CACHE_CONTROL, &cache_control(head, presentation, now));
    if let Some(changed) = head.changed {
        insert(headers, header::LAST_MODIFIED, &httpdate::fmt_http_date(changed));
    }
    if head.vary_accept {
        append_vary(headers, "Accept");
    }
    for hint in &head.hints {
        append_vary(
            headers,
            match hint {
                Hint::Width => "Sec-CH-Width, Width",
                Hint::Dpr => "Sec-CH-DPR, DPR",
                Hint::Mobile => "Sec-CH-UA-Mobile",
                Hint::SaveData => "Save-Data",
            },
        );
    }
    headers.insert(CACHE_STATUS, HeaderValue::from_static(cache_status(head.result)));
    if presentation.client_hints {
        headers.insert(ACCEPT_CH, HeaderValue::from_static(HINTS_ASKED));
    }
    // A picture is made as a whole: a part of it is no saving.
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("none"));
}

/// `Cache-Status` (RFC 9211): what became of the request at the result store. A client's copy that is known to be current
/// counts as a hit. `stored` says that the result is being written.
const fn cache_status(status: Status) -> &'static str {
    let Status { source, collapsed, stored } = status;
    match (source, collapsed, stored) {
        (ResultSource::Hit, _, _) => "safelight; hit",
        (ResultSource::Miss, false, true) => "safelight; fwd=miss; stored",
        (ResultSource::Miss, false, false) => "safelight; fwd=miss",
        (ResultSource::Miss, true, true) => "safelight; fwd=miss; stored; collapsed",
        (ResultSource::Miss, true, false) => "safelight; fwd=miss; collapsed",
        (ResultSource::Bypass, false, _) => "safelight; fwd=bypass",
        (ResultSource::Bypass, true, _) => "safelight; fwd=bypass; collapsed",
    }
}

/// Who may keep an answer, and for how long: no time of it reaches beyond the URL's expiry.
///
/// An answer to a signed URL is `public`: a shared cache keeps it under the whole URL, signature included.
fn cache_control(head: &Head, presentation: &Presentation, now: SystemTime) -> String {
    let is_private = presentation.private || head.scope == Scope::Caller;
    let max_age = head.lifetime(now);
    let mut text =
        format!("{}, max-age={}", if is_private { "private" } else { "public" }, max_age.as_secs());
    // Where the object decides who may have it, no cache serves it after the time that was said.
    let strict = head.by_object;
    let left = head.expires.map(|expires| cache::left(expires, now).saturating_sub(max_age));
    let mut is_stale_allowed = false;
    for (name, wanted) in [
        ("stale-while-revalidate", presentation.stale_while_revalidate),
        ("stale-if-error", presentation.stale_if_error),
    ] {
        let seconds = wanted.map_or(0, |wanted| left.map_or(wanted, |left| wanted.min(left)).as_secs());
        if seconds > 0 && !strict {
            text += &format!(", {name}={seconds}");
            is_stale_allowed = true;
        }
    }
    if presentation.immutable && !strict {
        text += ", immutable";
    }
    // Without it, a cache that is cut off from us may serve what is stale, expired signature and all.
    if (head.expires.is_some() || strict) && !is_stale_allowed {
        text += ", must-revalidate";
    }
    text
}

/// `Server-Timing`, in milliseconds.
pub(super) fn server_timing(headers: &mut HeaderMap, timings: &Timings) {
    let parts = [
        ("signer", timings.signer),
        ("origin", Some(timings.receive)),
        ("queue", Some(timings.queue)),
        ("decode", Some(timings.decode)),
        ("resize", Some(timings.resize)),
        ("encode", Some(timings.encode)),
    ];
    let text = |(name, time): (&str, Option<Duration>)| {
        time.map(|time| format!("{name};dur={:.1}", time.as_secs_f64() * 1000.0))
    };
    insert(headers, SERVER_TIMING, &parts.into_iter().filter_map(text).collect::<Vec<_>>().join(", "));
}

/// `Content-Disposition`: the object's own name with the extension of what it was made into (RFC 6266).
pub(super) fn filename(headers: &mut HeaderMap, object_key: &str, format: Format) {
    let name = object_key.rsplit('/').next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let stem: String = stem.chars().filter(|character| !character.is_control()).take(100).collect();
    let stem = if stem.is_empty() { "picture".to_owned() } else { stem };
    let extension = format.extension();
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_ .".contains(character);
    let plain = stem.replace(|character| !is_plain(character), "_");
    let encoded = utf8_percent_encode(&stem, NON_ALPHANUMERIC);
    let value = format!("inline; filename=\"{plain}.{extension}\"; filename*=UTF-8''{encoded}.{extension}");
    insert(headers, header::CONTENT_DISPOSITION, &value);
}

/// Adds names to `Vary`, which stays one line.
pub(super) fn append_vary(headers: &mut HeaderMap, names: &str) {
    let value = match headers.get(header::VARY).and_then(|value| value.to_str().ok()) {
        Some(value) if value.split(", ").any(|name| name == names) => return,
        Some(value) => format!("{value}, {names}"),
        None => names.to_owned(),
    };
    insert(headers, header::VARY, &value);
}

/// Sets a header. What cannot stand in one is left out: nothing here is of the client's making.
pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn said(scope: Scope, expires: Option<u64>, presentation: &Presentation) -> String {
        let expires = expires.map(|seconds| NOW + Duration::from_secs(seconds));
        let head = Head::for_test(scope, expires, Duration::from_secs(1000));
        cache_control(&head, presentation, NOW)
    }

    #[test]
    fn nothing_outlives_the_url() {
        let plain = Presentation::default();
        let stale = Presentation {
            stale_while_revalidate: Some(Duration::from_secs(500)),
            stale_if_error: Some(Duration::from_secs(9000)),
            immutable: true,
            ..Presentation::default()
        };
        let private = Presentation { private: true, ..Presentation::default() };
        for (scope, expires, presentation, expected) in [
            (Scope::Public, None, &plain, "public, max-age=1000"),
            (
                Scope::Public,
                None,
                &stale,
                "public, max-age=1000, stale-while-revalidate=500, stale-if-error=9000, immutable",
            ),
            (Scope::Signed, Some(60), &plain, "public, max-age=59, must-revalidate"),
            (Scope::Signed, Some(60), &stale, "public, max-age=59, immutable, must-revalidate"),
            (
                Scope::Signed,
                Some(1101),
                &stale,
                "public, max-age=1000, stale-while-revalidate=100, stale-if-error=100, immutable",
            ),
            (Scope::Signed, None, &plain, "public, max-age=1000"),
            (Scope::Signed, Some(0), &stale, "public, max-age=0, immutable, must-revalidate"),
            (Scope::Signed, Some(2000), &private, "private, max-age=1000, must-revalidate"),
            (Scope::Caller, None, &plain, "private, max-age=1000"),
        ] {
            assert_eq!(said(scope, expires, presentation), expected);
        }
    }

    #[test]
    fn names_of_files_are_safe() {
        for (key, expected) in [
            ("a/b/hero.jpg", "inline; filename=\"hero.webp\"; filename*=UTF-8''hero.webp"),
            ("\"\r\nx\\y.png", "inline; filename=\"_x_y.webp\"; filename*=UTF-8''%22x%5Cy.webp"),
            ("ü/é", "inline; filename=\"_.webp\"; filename*=UTF-8''%C3%A9.webp"),
            ("a/.jpg", "inline; filename=\"picture.webp\"; filename*=UTF-8''picture.webp"),
        ] {
            let mut headers = HeaderMap::new();
            filename(&mut headers, key, Format::Webp);
            assert_eq!(headers.get(header::CONTENT_DISPOSITION).unwrap(), expected);
        }
    }

    #[test]
    fn vary_is_one_line_without_repetition() {
        let mut headers = HeaderMap::new();
        for names in ["Accept", "Origin", "Accept", "Origin"] {
            append_vary(&mut headers, names);
        }
        assert_eq!(headers.get_all(header::VARY).iter().collect::<Vec<_>>(), ["Accept, Origin"]);
    }
}
