//! What signing is asked, and what it answers.

use std::{borrow::Cow, net::IpAddr};

use ipnet::IpNet;

use super::{HttpUrl, Policy, Presented, Refusal, UrlScheme};

/// What is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The URL.
    pub url: UrlToSign<'a>,
    /// When it stops being valid, in Unix seconds.
    pub expires: Option<u64>,
    /// When it starts being valid, in Unix seconds.
    pub starts: Option<u64>,
    /// Whose requests are accepted.
    pub client: Option<IpNet>,
    /// What the signature gives access to, in the scheme's own spelling (a prefix, or patterns with `*` and `?`); empty
    /// for the URL alone.
    pub scope: &'a [&'a str],
    /// How the signature travels.
    pub carrier: Carrier,
    /// What only one vendor has: `(name, value)`, the names as the vendor's SDK has them. A scheme refuses those
    /// that it does not know.
    pub extra: &'a [(&'a str, &'a str)],
}

impl<'a> Wanted<'a> {
    /// A URL with nothing special about it.
    #[must_use]
    pub fn plain(url: impl Into<UrlToSign<'a>>, expires: Option<u64>) -> Self {
        Self {
            url: url.into(),
            expires,
            starts: None,
            client: None,
            scope: &[],
            carrier: Carrier::Url,
            extra: &[],
        }
    }
}

/// A URL to sign, as text or parsed already: whoever has looked at it need not have it parsed again.
#[derive(Clone, Copy, Debug)]
pub enum UrlToSign<'a> {
    /// As text.
    Text(&'a str),
    /// Parsed.
    Parsed(&'a HttpUrl<'a>),
}

impl<'a> UrlToSign<'a> {
    /// Parsed.
    ///
    /// # Errors
    /// As [`HttpUrl::parse`].
    pub fn parsed(self) -> Result<Cow<'a, HttpUrl<'a>>, SignError> {
        match self {
            Self::Text(text) => HttpUrl::parse(text).map(Cow::Owned),
            Self::Parsed(url) => Ok(Cow::Borrowed(url)),
        }
    }

    /// As given, or as parsed.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Parsed(url) => url.as_str(),
        }
    }

    /// As [`HttpUrl::verbatim`].
    ///
    /// # Errors
    /// As [`HttpUrl::parse`] and [`HttpUrl::verbatim`].
    pub fn verbatim(self) -> Result<(&'a str, &'a str), SignError> {
        self.parsed()?.verbatim()
    }
}

impl<'a> From<&'a str> for UrlToSign<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for UrlToSign<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a HttpUrl<'a>> for UrlToSign<'a> {
    fn from(url: &'a HttpUrl<'a>) -> Self {
        Self::Parsed(url)
    }
}

/// How a signature travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// In the URL.
    Url,
    /// In cookies; the URL stays as it is.
    Cookies,
}

/// What was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The URL to hand out.
    pub url: String,
    /// Names and values of the cookies to set; empty for [`Carrier::Url`].
    pub cookies: Vec<(String, String)>,
}

impl Signed {
    /// A URL without cookies.
    #[must_use]
    pub const fn url(url: String) -> Self {
        Self { url, cookies: Vec::new() }
    }
}

/// Why something was not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The URL is longer than [`MAX_URL_BYTES`](super::MAX_URL_BYTES), or its signed target would be longer than the verifier takes.
    #[error("the URL is too long")]
    TooLong,
    /// It is not a URL that can be signed so that it verifies.
    #[error("the URL {0}")]
    Invalid(&'static str),
    /// The URL already holds a parameter that the signature adds.
    #[error("the URL already has a parameter `{0}`")]
    Reserved(&'static str),
    /// The scheme cannot express this: the field of the request and why.
    #[error("{0}: {1}")]
    Unsupported(&'static str, &'static str),
}

/// Refuses what most schemes have not.
///
/// # Errors
/// One of the fields is set.
pub(in crate::scheme) fn only_url_and_expiry(wanted: &Wanted<'_>) -> Result<(), SignError> {
    let refuse = |field| Err(SignError::Unsupported(field, "this scheme does not have it"));
    if wanted.starts.is_some() {
        return refuse("start_time");
    }
    if wanted.client.is_some() {
        return refuse("client_ip");
    }
    if !wanted.scope.is_empty() {
        return refuse("scope");
    }
    if wanted.carrier != Carrier::Url {
        return refuse("carrier");
    }
    if !wanted.extra.is_empty() {
        return refuse("extra");
    }
    Ok(())
}

/// Refuses everything but a URL: for schemes whose signatures do not expire.
///
/// # Errors
/// One of the other fields is set.
pub(in crate::scheme) fn only_url(wanted: &Wanted<'_>) -> Result<(), SignError> {
    only_url_and_expiry(wanted)?;
    match wanted.expires {
        None => Ok(()),
        Some(_) => Err(SignError::Unsupported("expire_time", "this scheme's signatures do not expire")),
    }
}

/// The URL that was signed, if its key verifies it: what would not verify is not handed out.
///
/// # Errors
/// It does not.
pub(in crate::scheme) fn checked<K: UrlScheme>(
    key: &K,
    policy: &Policy,
    origin: &str,
    target: &str,
    client: Option<IpAddr>,
) -> Result<Signed, SignError> {
    let presented = Presented { target, origin: Some(origin), client, cookies: "", now: 0 };
    match K::verify([key], policy, &presented) {
        Ok(_) => Ok(Signed::url(format!("{origin}{target}"))),
        Err(Refusal::InputTooLong) => Err(SignError::TooLong),
        Err(Refusal::ExpiryMissing) => Err(SignError::Unsupported("expire_time", "the key requires one")),
        Err(_) => Err(SignError::Invalid("would not verify")),
    }
}
