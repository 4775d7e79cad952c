//! Which URLs a key may be used for.

use crate::scheme::{has_dot_segment, url::HttpUrl};

/// Hosts and path prefixes of the URLs that a key may be used for. Empty lists allow everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// `host`, or `host:port` where that is not the default of the URL's scheme; in lower case.
    pub hosts: Vec<String>,
    /// What paths start with, byte for byte: `/photos/`.
    pub path_prefixes: Vec<String>,
}

impl Allowed {
    /// Whether every URL is.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.hosts.is_empty() && self.path_prefixes.is_empty()
    }

    /// Whether a URL is covered.
    #[must_use]
    pub fn covers(&self, url: &HttpUrl<'_>) -> bool {
        self.covers_host(url) && self.covers_path(url.path())
    }

    /// Whether all that a scope (a prefix of URLs, or a pattern with `*` and `?`) gives access to is covered. What stands
    /// before the first wildcard must already decide it.
    #[must_use]
    pub fn covers_scope(&self, scope: &str) -> bool {
        if self.is_everything() {
            return true;
        }
        // Akamai and Cloudinary join several patterns with `!`.
        scope.split('!').all(|pattern| {
            let literal = pattern.split(['*', '?']).next().unwrap_or_default();
            if literal.starts_with('/') {
                return self.covers_path(literal);
            }
            // A host that goes on after the wildcard is not known.
            let has_path = literal.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
            has_path && HttpUrl::parse(literal).is_ok_and(|url| self.covers(&url))
        })
    }

    /// Whether a request target is covered, sent to this origin. `None`: that depends on the origin, which is not known.
    #[must_use]
    pub fn covers_target(&self, origin: Option<&str>, target: &str) -> Option<bool> {
        if self.is_everything() {
            return Some(true);
        }
        let path = target.split('?').next().unwrap_or_default();
        if !self.covers_path(path) {
            return Some(false);
        }
        if self.hosts.is_empty() {
            return Some(true);
        }
        Some(HttpUrl::parse(origin?).is_ok_and(|origin| self.covers_host(&origin)))
    }

    /// Whether a URL's host is.
    #[must_use]
    pub fn covers_host(&self, url: &HttpUrl<'_>) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|host| host == url.authority())
    }

    fn covers_path(&self, path: &str) -> bool {
        if self.path_prefixes.is_empty() {
            return true;
        }
        self.path_prefixes.iter().any(|prefix| path.starts_with(prefix.as_str())) && !climbs(path)
    }
}

/// Whether a segment of the path is `.` or `..`, in any spelling: a server that decodes `%2f` before it resolves `..` would
/// leave the prefix.
#[must_use]
pub fn climbs(path: &str) -> bool {
    let decoded = path.replace("%2f", "/").replace("%2F", "/").replace("%5c", "/").replace("%5C", "/");
    has_dot_segment(&decoded)
}

/// Whether this is a host, with a port or without, as a URL has it.
pub(super) fn is_host(text: &str) -> bool {
    !text.contains('*') // which the parser takes for a name
        && HttpUrl::parse(&format!("https://{text}/"))
            .is_ok_and(|url| url.authority() == text && url.as_str().len() == "https:///".len() + text.len())
}

/// Whether a path can start with this.
pub(super) fn is_path_prefix(text: &str) -> bool {
    text.starts_with('/')
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#' | b'\\'))
        && !has_dot_segment(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Allowed {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Allowed { hosts: texts(&["img.example.com", "h:8443"]), path_prefixes: texts(&["/photos/", "/p-"]) }
    }

    #[test]
    fn urls() {
        for (url, covered) in [
            ("https://img.example.com/photos/a", true),
            ("https://IMG.example.com:443/photos/a", true),
            ("https://h:8443/p-1", true),
            ("https://h/photos/a", false),
            ("https://img.example.com:8443/photos/a", false),
            ("https://img.example.com.evil.test/photos/a", false),
            ("https://evil.test/photos/a", false),
            ("https://img.example.com/photos", false),
            ("https://img.example.com/other", false),
            ("https://img.example.com/%70hotos/a", false),
            ("https://img.example.com/photos/..%2fother", false),
            ("https://img.example.com/photos/x%5C..%2Fother", false),
        ] {
            assert_eq!(allowed().covers(&HttpUrl::parse(url).unwrap()), covered, "{url}");
            assert!(Allowed::default().covers(&HttpUrl::parse(url).unwrap()));
        }
    }

    #[test]
    fn targets() {
        for (origin, target, covered) in [
            (Some("https://img.example.com"), "/photos/a?x=/", Some(true)),
            (Some("https://evil.test"), "/photos/a", Some(false)),
            (Some("nonsense"), "/photos/a", Some(false)),
            (None, "/photos/a", None),
            (None, "/other?/photos/", Some(false)),
            (Some("https://img.example.com"), "/photos/../other", Some(false)),
        ] {
            assert_eq!(allowed().covers_target(origin, target), covered, "{target}");
        }
        assert_eq!(Allowed::default().covers_target(None, "/photos/../a"), Some(true));
    }

    #[test]
    fn scopes() {
        for (scope, covered) in [
            ("https://img.example.com/photos/", true),
            ("https://img.example.com/photos/*", true),
            ("https://img.example.com/*", false),
            ("https://img.example.com/photo*", false),
            ("https://img.example*/photos/", false),
            ("https://img.example.com", false),
            ("http*://img.example.com/photos/", false),
            ("*", false),
            ("", false),
            ("/photos/*", true),
            ("/photos/a*!/p-*", true),
            ("/photos/*!/*", false),
            ("/photos/../*", false),
        ] {
            assert_eq!(allowed().covers_scope(scope), covered, "{scope}");
            assert!(Allowed::default().covers_scope(scope));
        }
    }

    #[test]
    fn what_the_configuration_may_say() {
        for good in ["a", "img.example.com", "h:8443", "127.0.0.1", "[::1]"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", "IMG", "a/b", "a?b", "a:443", "https://a", "a b", "u@a", "*.a"] {
            assert!(!is_host(bad), "{bad}");
        }
        assert!(is_path_prefix("/") && is_path_prefix("/a%20b"));
        for bad in ["", "a", "/a b", "/a?b", "/a/../b", "/é"] {
            assert!(!is_path_prefix(bad), "{bad}");
        }
    }
}
