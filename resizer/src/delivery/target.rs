//! The origin and the path and query of a URL, byte for byte.

/// Longest URL that is looked at, in bytes; the signer's own limit for targets.
pub const MAX_URL_BYTES: usize = 8192;

/// The request target of a URL: what an HTTP server receives, and what is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    whole: &'a str,
    origin: Option<&'a str>,
}

/// Why a text has no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Over [`MAX_URL_BYTES`].
    #[error("is longer than {MAX_URL_BYTES} bytes")]
    TooLong,
    /// Neither an absolute http(s) URL nor a path.
    #[error("must be an absolute http or https URL, or a path that begins with /")]
    NotAUrl,
    /// Has a `#`, which never reaches a server.
    #[error("must have no fragment")]
    Fragment,
}

impl<'a> Target<'a> {
    /// Cuts off scheme and authority. Nothing is decoded, resolved or re-encoded.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn of(url: &'a str) -> Result<Self, TargetError> {
        if url.len() > MAX_URL_BYTES {
            return Err(TargetError::TooLong);
        }
        if url.contains('#') {
            return Err(TargetError::Fragment);
        }
        if url.starts_with('/') {
            return Ok(Self { whole: url, origin: None });
        }
        let rest = ["https://", "http://"]
            .iter()
            .find_map(|scheme| {
                let (head, rest) = url.split_at_checked(scheme.len())?;
                head.eq_ignore_ascii_case(scheme).then_some(rest)
            })
            .ok_or(TargetError::NotAUrl)?;
        let (authority, whole) = rest.split_at(rest.find(['/', '?']).ok_or(TargetError::NotAUrl)?);
        if authority.is_empty() || !whole.starts_with('/') {
            return Err(TargetError::NotAUrl);
        }
        let (origin, _) = url.split_at(url.len() - whole.len());
        Ok(Self { whole, origin: Some(origin) })
    }

    /// A target as an HTTP server received it, and the scheme and authority that it was asked of.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn received(origin: Option<&'a str>, target: &'a str) -> Result<Self, TargetError> {
        if !target.starts_with('/') {
            return Err(TargetError::NotAUrl);
        }
        Ok(Self { origin, ..Self::of(target)? })
    }

    /// Path and query.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.whole
    }

    /// Scheme and authority, as in `https://img.example.com`; `None` of a path alone.
    #[must_use]
    pub const fn origin(self) -> Option<&'a str> {
        self.origin
    }

    /// The path, still percent-encoded.
    #[must_use]
    pub fn path(self) -> &'a str {
        self.whole.split_once('?').map_or(self.whole, |(path, _)| path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_off_scheme_and_authority_and_nothing_else() {
        for (url, origin, target, path) in [
            (
                "https://img.example.com/a/b?exp=1&sig=2",
                Some("https://img.example.com"),
                "/a/b?exp=1&sig=2",
                "/a/b",
            ),
            (
                "HTTP://h:8080//a/../b/%7e~?x=/?y",
                Some("HTTP://h:8080"),
                "//a/../b/%7e~?x=/?y",
                "//a/../b/%7e~",
            ),
            ("/a b?c", None, "/a b?c", "/a b"),
            ("//evil/x", None, "//evil/x", "//evil/x"),
            ("https://h/", Some("https://h"), "/", "/"),
        ] {
            let found = Target::of(url).unwrap();
            assert_eq!((found.origin(), found.as_str(), found.path()), (origin, target, path), "{url}");
        }
    }

    #[test]
    fn a_received_target_is_never_taken_apart() {
        let target = Target::received(Some("https://h"), "//other/a?b").unwrap();
        assert_eq!((target.origin(), target.path()), (Some("https://h"), "//other/a"));
        for target in ["", "*", "?x", "https://other/a", "h:443"] {
            assert_eq!(Target::received(None, target), Err(TargetError::NotAUrl), "{target}");
        }
    }

    #[test]
    fn refuses_what_is_no_url() {
        for url in ["", "a/b", "ftp://h/a", "https://h", "https://h?x", "https:///a", "hé"] {
            assert_eq!(Target::of(url), Err(TargetError::NotAUrl), "{url}");
        }
        assert_eq!(Target::of("/a#b"), Err(TargetError::Fragment));
        assert_eq!(Target::of(&"/".repeat(8193)), Err(TargetError::TooLong));
    }
}
