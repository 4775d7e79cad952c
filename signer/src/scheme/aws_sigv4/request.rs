//! A request that S3 will understand as it was signed.
//!
//! S3 decodes what it receives and encodes it again before it computes the signature. So a URL is checked as text:
//! only the one spelling that survives this can be signed so that it verifies, and nothing is re-written here.

use percent_encoding::percent_decode_str;
use url::Url;

use super::{Body, Change, Request};

/// Longest URL that is signed, in bytes.
pub const MAX_URL_BYTES: usize = 8192;

/// Most bytes of headers, names and values: S3 takes no more than 8 KB in a request (S3 User Guide, "REST error
/// responses", `RequestHeaderSectionTooLarge`).
pub const MAX_HEADER_BYTES: usize = 8192;

/// Longest region, in bytes. AWS's are below 20; S3-compatible stores have their own.
const MAX_REGION_BYTES: usize = 64;

/// Headers that the signature adds, or that come from the URL.
const RESERVED_HEADERS: [&str; 5] =
    ["host", "authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"];

/// Headers that `aws-sigv4` does not sign in a presigned URL.
const UNSIGNED_WHEN_PRESIGNED: [&str; 2] = ["x-amz-user-agent", "x-amz-checksum-mode"];

/// Query parameters that a presigned URL adds. S3 refuses a request that has them and an authorization header.
const RESERVED_PARAMETERS: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-security-token",
    "x-amz-signature",
];

/// Query parameters of a PUT that writes an object, or a part of one. Others make it an order about the bucket or the
/// object (`acl`, `policy`, `tagging`, …).
const PUT_PARAMETERS: [&str; 2] = ["partNumber", "uploadId"];

/// What the headers of a PUT start with that make it more than the writing of an object, and why that is not signed.
const MORE_THAN_WRITING: [(&str, &str); 7] = [
    ("x-amz-copy-source", "copies another object, which is not signed"),
    ("x-amz-acl", "gives others access to the object, which is not signed"),
    ("x-amz-grant-", "gives others access to the object, which is not signed"),
    ("x-amz-tagging", "tags the object, on which access may depend, which is not signed"),
    ("x-amz-website-redirect-location", "makes the object a redirect, which is not signed"),
    ("x-amz-object-lock-", "locks the object, which is not signed"),
    ("x-amz-bypass-governance-retention", "unlocks the object, which is not signed"),
];

/// Why a request is not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The method is none of GET, HEAD, PUT and DELETE.
    #[error("expected GET, HEAD, PUT or DELETE")]
    Method,
    /// The URL is longer than [`MAX_URL_BYTES`].
    #[error("the URL is too long")]
    TooLong,
    /// The URL would not arrive as it was signed.
    #[error("the URL {0}")]
    Url(&'static str),
    /// The region has other characters than letters, digits, `-` and `_`, or none.
    #[error("expected a region such as eu-west-1")]
    Region,
    /// The headers are longer than [`MAX_HEADER_BYTES`] together.
    #[error("the headers are too long")]
    HeadersTooLong,
    /// The header at this place is malformed.
    #[error("header {0}: {1}")]
    Header(usize, &'static str),
    /// The query holds a parameter that the signature adds.
    #[error("the URL already has parameters of a signature")]
    ReservedParameter,
    /// The header at this place is one that the signature adds, or that comes from the URL.
    #[error("header {0} is added by the signature")]
    ReservedHeader(usize),
    /// The hash is not lower-case hexadecimal of 32 bytes.
    #[error("expected 64 lower-case hexadecimal digits")]
    BodyHash,
}

/// A request for S3, checked.
#[derive(Clone, Debug)]
pub struct S3Request<'a> {
    /// The request.
    pub request: Request<'a>,
    /// The bucket's region.
    pub region: &'a str,
}

impl<'a> S3Request<'a> {
    /// Checks a request to be signed in its headers or, when `presigned`, in its URL.
    ///
    /// # Errors
    /// The first thing that is wrong: method, URL, region, headers, body.
    pub fn new(request: Request<'a>, region: &'a str, presigned: bool) -> Result<Self, RequestError> {
        let writes = match request.method {
            "GET" | "HEAD" => false,
            "PUT" => true,
            _ => return Err(RequestError::Method),
        };
        let (path, query) = check_url(request.url)?;
        if writes {
            check_write(path, query)?;
        }
        Self::with_rest(request, region, presigned, writes)
    }

    /// Checks a request that changes an object where it is, to be signed in its headers. The first `own` of its headers are
    /// its caller's; those that follow are added by the key.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn change(request: Request<'a>, region: &'a str, own: usize) -> Result<Self, RequestError> {
        let change = Change::of(&request).ok_or(RequestError::Method)?;
        check_url(request.url)?;
        let checked = Self::with_rest(request, region, false, false)?;
        change.check(&checked.request, own)?;
        Ok(checked)
    }

    /// Checks what every request has: region, headers, body.
    fn with_rest(
        request: Request<'a>,
        region: &'a str,
        presigned: bool,
        writes: bool,
    ) -> Result<Self, RequestError> {
        let region_fits = (1..=MAX_REGION_BYTES).contains(&region.len())
            && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !region_fits {
            return Err(RequestError::Region);
        }
        if request.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
            > MAX_HEADER_BYTES
        {
            return Err(RequestError::HeadersTooLong);
        }
        for (index, &(name, value)) in request.headers.iter().enumerate() {
            check_header(index, name, value, presigned, writes)?;
        }
        if let Body::Sha256(digest) = request.body
            && crate::scheme::strict::lower_hex::<32>(digest).is_none()
        {
            return Err(RequestError::BodyHash);
        }
        Ok(Self { request, region })
    }
}

/// Answers the URL's path and query.
fn check_url(url: &str) -> Result<(&str, &str), RequestError> {
    if url.len() > MAX_URL_BYTES {
        return Err(RequestError::TooLong);
    }
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .ok_or(RequestError::Url("is not an absolute http or https URL"))?;
    let (scheme, _) = url.split_at(url.len() - rest.len());
    let Some(slash) =
        rest.find(['/', '?', '#']).filter(|at| rest.get(*at..).is_some_and(|r| r.starts_with('/')))
    else {
        return Err(RequestError::Url("has no path: write at least `/`"));
    };
    let (authority, target) = rest.split_at(slash);
    check_authority(scheme, authority)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    check_path(path)?;
    check_query(query)?;
    Ok((path, query))
}

/// What may be written: an object, or a part of one. Not a bucket, and no settings.
fn check_write(path: &str, query: &str) -> Result<(), RequestError> {
    if path == "/" {
        return Err(RequestError::Url("names no object to write"));
    }
    let is_known = |name: &str| PUT_PARAMETERS.contains(&name);
    if query.is_empty() || form_urlencoded::parse(query.as_bytes()).all(|(name, _)| is_known(&name)) {
        Ok(())
    } else {
        Err(RequestError::Url("has a parameter other than `partNumber` and `uploadId` in the query of a PUT"))
    }
}

/// Clients write the host as the WHATWG URL does, whatever they were given, and so must the signature.
fn check_authority(scheme: &str, authority: &str) -> Result<(), RequestError> {
    if authority.contains('@') {
        return Err(RequestError::Url("has credentials"));
    }
    // The WHATWG URL also takes characters that no header `host` can have, such as a quote.
    if !authority.bytes().all(|byte| is_unreserved(byte) || b"[]:".contains(&byte)) {
        return Err(RequestError::Url("has an invalid host or port"));
    }
    let url = Url::parse(&format!("{scheme}{authority}/"))
        .map_err(|_| RequestError::Url("has an invalid host or port"))?;
    let host = url.host_str().unwrap_or_default();
    let port = match authority.get(host.len()..).filter(|_| authority.starts_with(host)) {
        None => {
            return Err(RequestError::Url(
                "has a host in another spelling than the canonical, lower-case one",
            ));
        }
        Some(port) => port,
    };
    let canonical_port = url.port_or_known_default().is_some_and(|number| port == format!(":{number}"));
    if port.is_empty() || canonical_port {
        Ok(())
    } else {
        Err(RequestError::Url("has an invalid host or port"))
    }
}

/// Unreserved characters and `/` as they are, everything else as `%XX` in upper case: S3's own spelling.
fn check_path(path: &str) -> Result<(), RequestError> {
    let mut rest = path;
    while let Some(byte) = rest.bytes().next() {
        let length = if is_unreserved(byte) || byte == b'/' {
            1
        } else {
            match escape(rest) {
                Some(byte) if !is_unreserved(byte) && byte != b'/' => 3,
                _ => {
                    return Err(RequestError::Url(
                        "has a path that is not percent-encoded once as S3 does: unreserved characters and `/` as they \
                         are, everything else as upper-case %XX",
                    ));
                }
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

/// A query is decoded and encoded for signing, so any legal spelling will do where decoding is beyond doubt.
fn check_query(query: &str) -> Result<(), RequestError> {
    let legal = |byte: u8| is_unreserved(byte) || b"!$&'()*,;=:@/?%".contains(&byte);
    if query.contains('+') {
        return Err(RequestError::Url("has a `+` in its query, which may mean a space: write %20 or %2B"));
    }
    if !query.bytes().all(legal) {
        return Err(RequestError::Url("has a character in its query that must be percent-encoded"));
    }
    let broken_escape =
        query.match_indices('%').any(|(at, _)| query.get(at..).and_then(any_escape).is_none());
    if broken_escape || percent_decode_str(query).decode_utf8().is_err() {
        return Err(RequestError::Url("has a query that does not decode to UTF-8"));
    }
    let reserved = form_urlencoded::parse(query.as_bytes())
        .any(|(name, _)| RESERVED_PARAMETERS.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)));
    if reserved { Err(RequestError::ReservedParameter) } else { Ok(()) }
}

fn check_header(
    index: usize,
    name: &str,
    value: &str,
    presigned: bool,
    writes: bool,
) -> Result<(), RequestError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(RequestError::Header(index, "expected the name of an HTTP header"));
    }
    if RESERVED_HEADERS.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(RequestError::ReservedHeader(index));
    }
    if presigned && UNSIGNED_WHEN_PRESIGNED.iter().any(|unsigned| name.eq_ignore_ascii_case(unsigned)) {
        return Err(RequestError::Header(index, "cannot be signed in a presigned URL"));
    }
    let begins = |with: &str| name.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    if writes && let Some((_, why)) = MORE_THAN_WRITING.iter().find(|(with, _)| begins(with)) {
        return Err(RequestError::Header(index, why));
    }
    if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(RequestError::Header(index, "expected a value of printable ASCII"));
    }
    Ok(())
}

/// RFC 3986, section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// The byte of the `%XX` (upper case) that `text` starts with.
fn escape(text: &str) -> Option<u8> {
    any_escape(text).filter(|_| !text.bytes().take(3).any(|b| b.is_ascii_lowercase()))
}

/// The byte of the `%XX` that `text` starts with.
fn any_escape(text: &str) -> Option<u8> {
    let digits = text.strip_prefix('%')?.get(..2)?;
    let mut byte = [0];
    hex::decode_to_slice(digits, &mut byte).ok()?;
    let [byte] = byte;
    Some(byte)
}
