//! From origin and key to a request: URL and authorising headers.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Origin, OriginError, key};

/// Headers by which a caller authorises a fetch itself: exactly these five, in this order. Values never reach
/// a log: marked sensitive, and without Debug.
#[derive(Clone, Default)]
pub struct CallerHeaders {
    headers: HeaderMap,
}

impl CallerHeaders {
    /// The headers that are passed to the origin.
    pub const NAMES: [&'static str; 5] =
        ["authorization", "cookie", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];

    /// Takes the values of [`Self::NAMES`] in order; empty ones are left out.
    ///
    /// # Errors
    /// The name of a value that cannot be a header.
    pub fn new(values: [&str; 5]) -> Result<Self, InvalidHeader> {
        let mut headers = HeaderMap::new();
        for (name, value) in Self::NAMES.into_iter().zip(values) {
            if value.is_empty() {
                continue;
            }
            let mut value = HeaderValue::from_str(value).map_err(|_| InvalidHeader(name))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(Self { headers })
    }

    /// The headers.
    #[must_use]
    pub fn to_headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    /// Whether the caller gave none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }
}

/// The name of a header whose value cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a valid header value")]
pub struct InvalidHeader(pub &'static str);

/// A GET request that is ready to be sent. Without Debug: its headers authorise.
pub struct SignedGet {
    /// Exactly what was signed.
    pub url: reqwest::Url,
    /// What authorises it.
    pub headers: HeaderMap,
}

/// The URL of `object_key` at an origin.
///
/// # Errors
/// [`OriginError::Key`].
pub fn url(origin: &Origin, object_key: &str) -> Result<reqwest::Url, OriginError> {
    let text = format!("{}{}", origin.base, key::encode(object_key)?);
    let url = reqwest::Url::parse(&text).map_err(|_| OriginError::Unreachable)?;
    // What goes on the wire must be what was asked for and signed. `key` and `config` see to it; this
    // is the last line of defence against a URL type that knows one more trick.
    if path(&text) != Some(url.path()) || url.query().is_some() || url.fragment().is_some() {
        return Err(key::KeyError::DotSegment.into());
    }
    Ok(url)
}

/// Headers that the signer made, ready to be sent. `None` when one of them cannot be a header.
#[must_use]
pub fn signed_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<HeaderMap> {
    headers
        .into_iter()
        .map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let mut value = HeaderValue::from_str(value).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        })
        .collect()
}

/// Everything from the third slash on: the path of an absolute URL that has one, as it is written.
fn path(url: &str) -> Option<&str> {
    url.match_indices('/').nth(2).and_then(|(at, _)| url.get(at..))
}
