//! What a request's headers say, into values.

use std::{num::NonZeroU32, time::SystemTime};

use http::{HeaderMap, HeaderName, header};

use crate::delivery::Hints;

/// The headers that count for a delivery.
#[derive(Debug, Default)]
pub(super) struct Asking {
    pub(super) accept: String,
    pub(super) if_none_match: String,
    pub(super) if_modified_since: Option<SystemTime>,
    pub(super) cookies: String,
}

impl Asking {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let since = only(headers, &header::IF_MODIFIED_SINCE)
            .filter(|_| !headers.contains_key(header::IF_NONE_MATCH))
            .and_then(|text| httpdate::parse_http_date(text).ok());
        Self {
            accept: joined(headers, &header::ACCEPT, ", "),
            if_none_match: joined(headers, &header::IF_NONE_MATCH, ", "),
            if_modified_since: since,
            // HTTP/2 clients may send one line for each cookie (RFC 9113, section 8.2.3).
            cookies: joined(headers, &header::COOKIE, "; "),
        }
    }
}

/// Client hints; the older names where the newer ones are absent.
pub(super) fn hints(headers: &HeaderMap) -> Hints {
    let text = |name: &'static str| only(headers, &HeaderName::from_static(name));
    let either = |new, old| text(new).or_else(|| text(old));
    Hints {
        width: either("sec-ch-width", "width").and_then(|text| text.parse().ok()).map(NonZeroU32::get),
        dpr: either("sec-ch-dpr", "dpr")
            .and_then(|text| text.parse().ok())
            .filter(|dpr: &f64| dpr.is_finite() && *dpr > 0.0),
        mobile: text("sec-ch-ua-mobile") == Some("?1"),
        save_data: text("save-data").is_some_and(|text| text.eq_ignore_ascii_case("on")),
    }
}

/// The value of a header that stands once; more than one say nothing.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    line.to_str().ok().map(str::trim)
}

/// All lines of a header as one. What is no text in it spoils no more than the item that it stands in.
fn joined(headers: &HeaderMap, name: &HeaderName, separator: &str) -> String {
    let lines = headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    lines.collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn conditions_as_the_rfc_has_them() {
        const DATE: (&str, &str) = ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(Asking::read(&headers(&[DATE])).if_modified_since.is_some());
        for lines in
            [&[DATE, ("if-none-match", "\"x\"")][..], &[DATE, DATE], &[("if-modified-since", "yesterday")]]
        {
            assert_eq!(Asking::read(&headers(lines)).if_modified_since, None, "{lines:?}");
        }
        let asking = Asking::read(&headers(&[
            ("if-none-match", "\"a\""),
            ("if-none-match", "W/\"b\""),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("accept", "image/avif"),
            ("accept", "image/webp"),
        ]));
        assert_eq!(asking.if_none_match, "\"a\", W/\"b\"");
        assert_eq!((asking.cookies.as_str(), asking.accept.as_str()), ("a=1; b=2", "image/avif, image/webp"));
        // What is no ASCII takes nothing else with it.
        let asking = Asking::read(&headers(&[("cookie", "a=1; b=\u{fc}; c=3")]));
        assert_eq!(asking.cookies, "a=1; b=\u{fc}; c=3");
    }

    #[test]
    fn hints_that_make_no_sense_are_none() {
        assert_eq!(hints(&headers(&[])), Hints::default());
        let given = hints(&headers(&[
            ("sec-ch-width", "640"),
            ("width", "1"),
            ("dpr", "1.5"),
            ("save-data", "on"),
            ("sec-ch-ua-mobile", "?1"),
        ]));
        assert_eq!(given, Hints { width: Some(640), dpr: Some(1.5), mobile: true, save_data: true });
        for (name, value) in [
            ("sec-ch-width", "0"),
            ("sec-ch-width", "-1"),
            ("width", "4294967296"),
            ("dpr", "NaN"),
            ("dpr", "inf"),
            ("dpr", "0"),
            ("dpr", "-2"),
            ("save-data", "off"),
            ("sec-ch-ua-mobile", "?0"),
        ] {
            assert_eq!(hints(&headers(&[(name, value)])), Hints::default(), "{name}: {value}");
        }
    }
}
