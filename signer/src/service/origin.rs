//! Signing requests to origins: what `SignOriginRequest`, `AuthorizeDelivery` and `AuthorizeUpload` have in common.

use safelight_proto::{reason::CallError, signer::v1::Header};

use super::refusal;
use crate::{
    keyring::AwsSigv4Key,
    scheme::{
        aws_sigv4::{self, HEADERS_LIFETIME, RequestError, S3Request, Scope},
        url::HttpUrl,
    },
};

/// The headers that authorise a request.
pub(super) struct SignedHeaders {
    pub(super) headers: Vec<Header>,
    /// When the origin stops accepting them, in Unix seconds.
    pub(super) expires: u64,
    pub(super) key_version: u32,
}

/// The headers to sign: the caller's, and those that the key adds.
pub(super) fn headers<'a>(
    key: &'a AwsSigv4Key,
    own: &'a [Header],
) -> Result<Vec<(&'a str, &'a str)>, CallError> {
    with(own, key.headers.iter())
}

/// The same with others than the key adds to every request.
pub(super) fn with<'a>(
    own: &'a [Header],
    added: impl Iterator<Item = (&'static str, &'a str)>,
) -> Result<Vec<(&'a str, &'a str)>, CallError> {
    let mut headers: Vec<_> =
        own.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
    for (name, value) in added {
        if let Some(index) = own.iter().position(|header| header.name.eq_ignore_ascii_case(name)) {
            return Err(refusal::origin_request(RequestError::ReservedHeader(index)));
        }
        headers.push((name, value));
    }
    Ok(headers)
}

/// The headers that the key adds, for whoever sends the request.
pub(super) fn added(key: &AwsSigv4Key) -> impl Iterator<Item = Header> {
    key.headers.iter().map(|(name, value)| Header { name: name.to_owned(), value: value.to_owned() })
}

/// Refuses a URL that the key may not be used for.
pub(super) fn check_allowed(key: &AwsSigv4Key, url: &str) -> Result<(), CallError> {
    if HttpUrl::parse(url).is_ok_and(|url| key.allowed.covers(&url)) {
        Ok(())
    } else {
        Err(refusal::not_allowed("url"))
    }
}

/// Signs a request, with the headers of [`headers`], in its headers at `now`, in Unix seconds.
pub(super) fn sign_headers(
    key: &AwsSigv4Key,
    request: &S3Request<'_>,
    now: u64,
) -> Result<SignedHeaders, CallError> {
    sign_with(key, request, added(key), now)
}

/// The same with others than the key adds to every request.
pub(super) fn sign_with(
    key: &AwsSigv4Key,
    request: &S3Request<'_>,
    added: impl Iterator<Item = Header>,
    now: u64,
) -> Result<SignedHeaders, CallError> {
    let version = key.versions.primary(now);
    let issued = version.material.at(now).map_err(refusal::credentials)?;
    let signed =
        aws_sigv4::sign_headers(&issued.credentials, &request.request, &Scope::s3(request.region), now)
            .map_err(refusal::unsignable)?;
    let header = |(name, value): (&str, String)| Header { name: name.to_owned(), value };
    Ok(SignedHeaders {
        headers: signed.into_iter().map(header).chain(added).collect(),
        expires: now + issued.at_most(HEADERS_LIFETIME, now),
        key_version: version.info.id,
    })
}
