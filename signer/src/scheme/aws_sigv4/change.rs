//! Requests that change an object where it is: its copy onto itself with other metadata, and its deletion.
//!
//! Both could do much more: a copy reads any object that the credentials may read, sets who may read the new one, and encrypts
//! it with a key of the caller's; a DELETE of a bucket's own URL deletes the bucket. So here, unlike for a PUT, the headers are
//! a list of those that are signed, and the URL must be below a bucket's that is known: [`Change::is_of`].

use super::{Request, RequestError};

/// Names the source of a copy.
const COPY_SOURCE: &str = "x-amz-copy-source";

/// Says whether the copy has the metadata of the source, or that of the request.
const METADATA_DIRECTIVE: &str = "x-amz-metadata-directive";

/// Names the object's storage class.
const STORAGE_CLASS: &str = "x-amz-storage-class";

/// What the names of user metadata begin with.
const USER_METADATA: &str = "x-amz-meta-";

/// Headers of a copy besides user metadata: those that say what is copied and when, and those that a copy with REPLACE would
/// lose otherwise. Not `x-amz-server-side-encryption*`: with a key of the caller's nobody else could read the object.
const COPY_HEADERS: [&str; 11] = [
    COPY_SOURCE,
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-unmodified-since",
    METADATA_DIRECTIVE,
    STORAGE_CLASS,
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
];

/// Headers of a deletion.
const DELETE_HEADERS: [&str; 1] = ["if-match"];

/// Storage classes whose objects cannot be read at once.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// It is copied from here. Grants name it `COPY`.
    Copy(&'a str),
    /// It is deleted.
    Delete,
}

impl<'a> Change<'a> {
    /// What a request does; `None` for one that reads or writes bytes.
    #[must_use]
    pub fn of(request: &Request<'a>) -> Option<Self> {
        match request.method {
            "DELETE" => Some(Self::Delete),
            "PUT" => request
                .headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(COPY_SOURCE))
                .map(|(_, source)| Self::Copy(source)),
            _ => None,
        }
    }

    /// The name that grants have for it, beside those of HTTP methods.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Copy(_) => "COPY",
            Self::Delete => "DELETE",
        }
    }

    /// Whether it is of nothing but the object `key` of `bucket`: the key as the request's URL spells it, the bucket's name or
    /// an access point's ARN. A source is compared as text: S3 decodes it as it decodes the path, so of two spellings of one
    /// key only that of the URL is signed, and `?versionId=` never.
    #[must_use]
    pub fn is_of(self, bucket: &str, key: &str) -> bool {
        let Self::Copy(source) = self else { return true };
        let source = source.strip_prefix('/').unwrap_or(source);
        let rest = source.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('/'));
        let rest = if bucket.starts_with("arn:") {
            rest.and_then(|rest| rest.strip_prefix("object/"))
        } else {
            rest
        };
        rest == Some(key)
    }

    /// Checks what no other request has. The first `own` headers are the caller's.
    pub(super) fn check(self, request: &Request<'_>, own: usize) -> Result<(), RequestError> {
        if request.url.contains('?') {
            return Err(RequestError::Url("has a query, which is not signed for a copy or a deletion"));
        }
        if request.url.ends_with('/') {
            return Err(RequestError::Url("names no object"));
        }
        let headers = request.headers.get(..own).unwrap_or(request.headers);
        let is = |name: &str, known: &str| name.eq_ignore_ascii_case(known);
        for (index, (name, value)) in headers.iter().enumerate() {
            let refuse = |why| Err(RequestError::Header(index, why));
            let is_known = match self {
                Self::Copy(_) => {
                    COPY_HEADERS.iter().any(|known| is(name, known))
                        || name
                            .get(..USER_METADATA.len())
                            .is_some_and(|start| start.eq_ignore_ascii_case(USER_METADATA))
                }
                Self::Delete => DELETE_HEADERS.iter().any(|known| is(name, known)),
            };
            if !is_known {
                return refuse("is not signed for a copy or a deletion");
            }
            if headers.iter().take(index).any(|(before, _)| is(before, name)) {
                return refuse("is given twice");
            }
            if is(name, METADATA_DIRECTIVE) && *value != "REPLACE" {
                return refuse("expected REPLACE");
            }
            if is(name, STORAGE_CLASS) && ARCHIVES.iter().any(|archive| is(value.trim(), archive)) {
                return refuse("archives the object, which is not signed");
            }
        }
        let source = headers.iter().position(|(name, _)| is(name, COPY_SOURCE));
        match source {
            Some(index) if !headers.iter().any(|(name, _)| is(name, METADATA_DIRECTIVE)) => {
                Err(RequestError::Header(index, "copies another object, which is not signed without REPLACE"))
            }
            _ => Ok(()),
        }
    }
}
