//! From origin and key to a request: URL and authorizing headers.

use reqwest::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};

use super::{
    Origin, OriginError,
    error::{Cause, Kind},
    key,
};

/// Headers by which a caller authorizes a fetch itself: exactly these five, in this order. Values never reach
/// a log: marked sensitive, and without Debug.
#[derive(Clone, Default)]
pub struct CallerHeaders {
    headers: HeaderMap,
}

impl std::fmt::Debug for CallerHeaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallerHeaders").finish_non_exhaustive()
    }
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

/// Whose headers authorize a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// The caller's own.
    Caller,
    /// The signer's.
    Signer,
    /// There are none.
    Unsigned,
}

/// A request that is ready to be sent. Without Debug: its headers authorize.
#[derive(Clone)]
pub struct SignedRequest {
    /// Exactly what was signed.
    pub url: reqwest::Url,
    /// What authorizes it.
    pub headers: HeaderMap,
    /// Whose they are.
    pub authority: Authority,
}

/// Headers by which two logs can be joined. They are not signed: `host` and `x-amz-*` are all that S3 asks for.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    pub(super) headers: HeaderMap,
}

impl Trace {
    /// Takes the request's id and its W3C trace context; what is empty or no header is left out.
    #[must_use]
    pub fn new(request_id: &str, traceparent: &str) -> Self {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-request-id", request_id), ("traceparent", traceparent)] {
            if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        Self { headers }
    }
}

/// The URL of an object: what is signed and sent.
///
/// # Errors
/// [`Kind::Key`].
pub fn url(origin: &Origin, object_key: &str) -> Result<reqwest::Url, OriginError> {
    let refuse = |kind: Kind| OriginError::new(kind, cause(origin));
    let text = format!("{}{}", origin.base, key::encode(object_key).map_err(|error| refuse(error.into()))?);
    let url = reqwest::Url::parse(&text).map_err(|_| refuse(Kind::Unreachable))?;
    // What goes on the wire must be what was asked for and signed. `key` and `config` see to it; this
    // is the last line of defense against a URL type that knows one more trick.
    if path(&text) != Some(url.path()) || url.query().is_some() || url.fragment().is_some() {
        return Err(refuse(key::KeyError::DotSegment.into()));
    }
    Ok(url)
}

/// An object as the source of a copy: bucket and key, as [`url`] spells it. The signer compares the two as text.
///
/// # Errors
/// [`Kind::Key`].
pub fn copy_source(origin: &Origin, bucket: &str, object_key: &str) -> Result<String, OriginError> {
    let key = key::encode(object_key).map_err(|error| OriginError::new(error.into(), cause(origin)))?;
    // An access point's ARN is followed by `object/`.
    Ok(if bucket.starts_with("arn:") { format!("{bucket}/object/{key}") } else { format!("/{bucket}/{key}") })
}

/// A URL that the signer names, if it is of an object of this origin, and goes on the wire as it stands.
#[must_use]
pub fn of_origin(origin: &Origin, text: &str) -> Option<reqwest::Url> {
    let url = reqwest::Url::parse(text).ok()?;
    let is_plain = path(text) == Some(url.path()) && url.query().is_none() && url.fragment().is_none();
    (text.starts_with(&origin.base) && is_plain).then_some(url)
}

impl SignedRequest {
    /// With the caller's headers; with none of them the request is unsigned.
    #[must_use]
    pub fn by_caller(url: reqwest::Url, caller: &CallerHeaders) -> Self {
        let authority = if caller.is_empty() { Authority::Unsigned } else { Authority::Caller };
        Self { url, headers: caller.headers.clone(), authority }
    }

    /// With what the signer answered, all of it: names and values. A `host` must be the URL's.
    ///
    /// # Errors
    /// [`UnusableHeader`] when it cannot be sent as it was signed.
    pub fn by_signer<'a>(
        url: reqwest::Url,
        signed: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, UnusableHeader> {
        let mut headers = HeaderMap::new();
        for (name, value) in signed {
            let unusable = |why| UnusableHeader { name: name.escape_default().to_string(), why };
            let valid = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            let (name, mut value) = valid.ok_or_else(|| unusable("is no HTTP header"))?;
            if name == HOST {
                if value.as_bytes() != authority(&url).as_bytes() {
                    return Err(unusable("is not the origin's"));
                }
                continue; // the client sends it
            }
            if name == CONTENT_LENGTH {
                continue; // the client sends that of the body: where it is not the signed one, the store refuses it
            }
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(Self { url, headers, authority: Authority::Signer })
    }
}

/// A header of the signer's that cannot be sent as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signer's header {name} {why}")]
pub struct UnusableHeader {
    name: String,
    why: &'static str,
}

/// What every cause has.
pub(super) fn cause(origin: &Origin) -> Cause {
    Cause { origin: origin.name.clone(), host: origin.host().to_owned(), ..Cause::default() }
}

/// Everything from the third slash on: the path of an absolute URL that has one, as it is written.
fn path(url: &str) -> Option<&str> {
    url.match_indices('/').nth(2).and_then(|(at, _)| url.get(at..))
}

/// Host, and port unless it is the scheme's own.
fn authority(url: &reqwest::Url) -> &str {
    let (_, rest) = url.as_str().split_once("://").unwrap_or_default();
    rest.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        let text = "[origins.a]\nkind = 's3'\nbucket = 'photos'\nregion = 'eu-west-1'\n";
        let mut all = safelight_chassis::config::read(text, super::super::config::read).unwrap();
        all.remove("a").unwrap()
    }

    #[test]
    fn the_source_of_a_copy_is_the_bucket_and_the_key_of_the_url() {
        let origin = origin();
        for (bucket, key, source) in [
            ("photos", "a b/ü+%2F.jpg", "/photos/a%20b/%C3%BC%2B%252F.jpg"),
            ("my.photos", "a//b?versionId=1", "/my.photos/a//b%3FversionId%3D1"),
            ("arn:aws:s3:r:1:accesspoint/p", "a", "arn:aws:s3:r:1:accesspoint/p/object/a"),
        ] {
            assert_eq!(copy_source(&origin, bucket, key).unwrap(), source);
            let key_of_url = url(&origin, key).unwrap().path().to_owned();
            assert!(source.ends_with(&key_of_url), "{source} {key_of_url}");
        }
        assert!(copy_source(&origin, "photos", "a/../b").is_err());
    }

    fn by_signer(headers: &[(&str, &str)]) -> Result<SignedRequest, UnusableHeader> {
        let origin = origin();
        let url = url(&origin, "a b.jpg").unwrap();
        assert_eq!(url.as_str(), "https://photos.s3.eu-west-1.amazonaws.com/a%20b.jpg");
        SignedRequest::by_signer(url, headers.iter().copied())
    }

    #[test]
    fn all_that_the_signer_says_is_sent() {
        let host = "photos.s3.eu-west-1.amazonaws.com";
        let signed = [("Authorization", "AWS4"), ("x-amz-request-payer", "requester"), ("host", host)];
        let request = by_signer(&signed).unwrap();
        assert_eq!(request.headers.len(), 2);
        assert_eq!(request.headers["x-amz-request-payer"], "requester");
        assert!(request.headers.values().all(HeaderValue::is_sensitive));
    }

    #[test]
    fn what_cannot_be_sent_as_signed_is_refused() {
        for (header, text) in [
            (("host", "evil.example.com"), "the signer's header host is not the origin's"),
            (("a b", "c"), "the signer's header a b is no HTTP header"),
            (("a", "b\r\nc: d"), "the signer's header a is no HTTP header"),
        ] {
            assert_eq!(by_signer(&[header]).err().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_trace_is_what_can_be_sent() {
        let trace = Trace::new("a\nb", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert_eq!(trace.headers.len(), 1);
        assert!(Trace::new("", "").headers.is_empty());
    }
}
