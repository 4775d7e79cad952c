//! What the schemes that sign URLs have in common: what they are asked, and what they answer.
//!
//! Schemes differ in where the signature stands, what it covers and how it is spelled; callers need not know. A
//! scheme is the type of one version's prepared key, and implements [`UrlScheme`].

use std::net::IpAddr;

use ipnet::IpNet;
use url::Url;

use super::strict::spells;

/// Longest URL that is signed, in bytes.
pub const MAX_URL_BYTES: usize = 8192;

/// A scheme that signs URLs: the key of one version, prepared once. Wiped on drop; has neither `Debug` nor `Clone`.
pub trait UrlScheme: Send + Sync + 'static {
    /// Whether what it signs has an expiry.
    const EXPIRY: Expiry;

    /// Parameters of an authenticated target that only the verifier has a use for, such as the expiry where it is signed.
    const SPENT_PARAMETERS: &'static [&'static str] = &[];

    /// Signs. Pure: the same key and wish give the same answer, but for ECDSA, whose signatures hold a random number.
    ///
    /// # Errors
    /// The URL is not one, the scheme cannot express what is wanted, or the result would not verify.
    fn sign(&self, policy: &Policy, wanted: &Wanted<'_>) -> Result<Signed, SignError>;

    /// Verifies what an end user presented. All keys are tried in every case, and compared in constant time.
    ///
    /// # Errors
    /// The first check that fails. The signature is checked before times, so that an expired forgery is a forgery.
    fn verify<'k>(
        keys: impl IntoIterator<Item = &'k Self>,
        policy: &Policy,
        presented: &Presented<'_>,
    ) -> Result<Verified, Refusal>
    where
        Self: Sized;
}

/// Whether a scheme's signatures expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// They cannot: nothing in them says when.
    Never,
    /// They may.
    Optional,
    /// They do.
    Always,
}

/// What a key demands, whatever its scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether a URL without expiry is refused. Has no meaning for [`Expiry::Never`] and [`Expiry::Always`].
    pub require_expiry: bool,
    /// How long past its expiry, and before its start, a URL still verifies, in seconds.
    pub clock_skew: u64,
    /// Longest request target that is looked at, in bytes.
    pub max_target_bytes: usize,
}

impl Policy {
    /// Whether the time is over: `now - skew >= expires`.
    #[must_use]
    pub const fn is_over(&self, expires: u64, now: u64) -> bool {
        now >= expires.saturating_add(self.clock_skew)
    }

    /// Whether the time has not come: `now + skew < starts`.
    #[must_use]
    pub const fn is_early(&self, starts: u64, now: u64) -> bool {
        now.saturating_add(self.clock_skew) < starts
    }
}

/// What is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Absolute http or https URL.
    pub url: &'a str,
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
    pub const fn plain(url: &'a str, expires: Option<u64>) -> Self {
        Self { url, expires, starts: None, client: None, scope: &[], carrier: Carrier::Url, extra: &[] }
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
    /// The URL is longer than [`MAX_URL_BYTES`], or its signed target would be longer than the verifier takes.
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

/// What an end user presented.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// Path and query, exactly as received.
    pub target: &'a str,
    /// `https://host` or `http://host:port`, as the end user's request had it. Schemes that sign it need it.
    pub origin: Option<&'a str>,
    /// The end user's address.
    pub client: Option<IpAddr>,
    /// The `Cookie` header, exactly as received (several joined by `; `).
    pub cookies: &'a str,
    /// The time, in Unix seconds.
    pub now: u64,
}

impl<'a> Presented<'a> {
    /// A request target and nothing else.
    #[must_use]
    pub const fn target(target: &'a str, now: u64) -> Self {
        Self { target, origin: None, client: None, cookies: "", now }
    }
}

/// What is authentic and in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Which of the keys signed: its place among those given.
    pub key: usize,
    /// When the signature expires, in Unix seconds (without the skew).
    pub expires: Option<u64>,
    /// The target without what the signature added to it for the verifier alone: byte for byte what was authenticated, or
    /// what the authenticated scope covers.
    pub authenticated_target: String,
}

/// Why what was presented is not valid, in the usual order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The target is longer than the policy allows.
    #[error("the request target is too long")]
    InputTooLong,
    /// A segment of the path is `.` or `..`.
    #[error("the path has a dot segment")]
    AmbiguousPath,
    /// There is no signature.
    #[error("there is no signature")]
    SignatureMissing,
    /// A reserved name occurs twice.
    #[error("a reserved parameter occurs twice")]
    DuplicateParameter,
    /// The signature, or the token that holds it, is not spelled as the scheme spells it.
    #[error("the signature is malformed")]
    SignatureMalformed,
    /// The scheme signs the origin, and the caller did not tell it.
    #[error("the origin is not known")]
    OriginMissing,
    /// No key makes this signature.
    #[error("no key makes this signature")]
    SignatureMismatch,
    /// There is no expiry, and the policy requires one.
    #[error("there is no expiry")]
    ExpiryMissing,
    /// The expiry is not spelled as the scheme spells it.
    #[error("the expiry is malformed")]
    ExpiryMalformed,
    /// The time is over.
    #[error("expired")]
    Expired,
    /// The time has not come.
    #[error("not yet valid")]
    NotYetValid,
    /// The signature is for other addresses than the end user's, or that is not known.
    #[error("for another client")]
    ClientMismatch,
    /// The signature is authentic, but for other resources.
    #[error("for another resource")]
    ResourceMismatch,
}

/// A target without the parameters of these names, and without the `?` of a query that is then empty. Everything else
/// stays as it is written.
#[must_use]
pub fn without_parameters(target: &str, names: &[&str]) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let mut rest = path.to_owned();
    let mut separator = '?';
    for pair in query.split('&') {
        let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
        if !query.is_empty() && !names.iter().any(|spent| spells(name, spent).is_some()) {
            rest.push(separator);
            rest.push_str(pair);
            separator = '&';
        }
    }
    rest
}

/// Parses an absolute http or https URL without credentials.
///
/// # Errors
/// It is too long, or not one.
pub(super) fn absolute(url: &str) -> Result<Url, SignError> {
    if url.len() > MAX_URL_BYTES {
        return Err(SignError::TooLong);
    }
    // The parser also takes `https:host` and leading spaces; those are mistakes, not absolute URLs.
    let is_absolute = ["http://", "https://"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    if !is_absolute {
        return Err(SignError::Invalid("is not an absolute http or https URL"));
    }
    let url = Url::parse(url).map_err(|_| SignError::Invalid("cannot be parsed"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SignError::Invalid("has credentials"));
    }
    Ok(url)
}

/// Splits an absolute http or https URL into origin (`https://host:port`) and request target, byte for byte as
/// given: for schemes that sign a URL as it stands. A fragment is an error: it would never reach a verifier; so is what
/// a client would write anew before it sends it (spaces, controls, non-ASCII, backslashes, dot segments; in the origin
/// capitals and a scheme's own port).
///
/// # Errors
/// As above; or as [`absolute`].
pub(super) fn verbatim(url: &str) -> Result<(&str, &str), SignError> {
    let parsed = absolute(url)?;
    if parsed.fragment().is_some() {
        return Err(SignError::Invalid("has a fragment"));
    }
    let start = url.find("://").map_or(0, |at| at + 3);
    let host_end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    let (origin, target) = url.split_at(host_end);
    if url != parsed.as_str() {
        return Err(SignError::Invalid("is not spelled as a client sends it: percent-encode it"));
    }
    Ok((origin, target))
}

/// Refuses what most schemes have not.
///
/// # Errors
/// One of the fields is set.
pub(super) fn only_url_and_expiry(wanted: &Wanted<'_>) -> Result<(), SignError> {
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
pub(super) fn only_url(wanted: &Wanted<'_>) -> Result<(), SignError> {
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
pub(super) fn checked<K: UrlScheme>(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_as_it_stands() {
        assert_eq!(verbatim("https://h:8443/a%20b?x=~&y"), Ok(("https://h:8443", "/a%20b?x=~&y")));
        assert_eq!(verbatim("http://h/"), Ok(("http://h", "/")));
        for (url, error) in [
            ("https://h/a#f", "has a fragment"),
            ("https://h/a b", "is not spelled as a client sends it: percent-encode it"),
            ("https://h/a/../b", "is not spelled as a client sends it: percent-encode it"),
            ("https://h/é", "is not spelled as a client sends it: percent-encode it"),
            ("https://h/a\\b", "is not spelled as a client sends it: percent-encode it"),
            ("https://H/a", "is not spelled as a client sends it: percent-encode it"),
            ("https://h:443/a", "is not spelled as a client sends it: percent-encode it"),
            ("https://h", "is not spelled as a client sends it: percent-encode it"),
            ("https://u@h/", "has credentials"),
            ("/a", "is not an absolute http or https URL"),
        ] {
            assert_eq!(verbatim(url), Err(SignError::Invalid(error)), "{url}");
        }
    }

    #[test]
    fn parameters_are_cut_out_of_a_target() {
        for (target, rest) in [
            ("/p", "/p"),
            ("/p?", "/p"),
            ("/p?exp=1", "/p"),
            ("/p?exp=1&a", "/p?a"),
            ("/p?b=%7E&exp=1&&a=~&b", "/p?b=%7E&&a=~&b"),
            ("/p?e%78p=1&EXP=2&x=exp=3", "/p?EXP=2&x=exp=3"),
            ("/exp=1/p??exp=1&n=1", "/exp=1/p??exp=1"),
        ] {
            assert_eq!(without_parameters(target, &["exp", "n"]), rest, "{target}");
        }
    }

    #[test]
    fn times_with_skew() {
        let policy = Policy { require_expiry: true, clock_skew: 5, max_target_bytes: 100 };
        assert!(!policy.is_over(100, 104) && policy.is_over(100, 105));
        assert!(!policy.is_early(100, 95) && policy.is_early(100, 94));
        assert!(!policy.is_over(u64::MAX - 2, 1) && !policy.is_early(5, u64::MAX));
    }
}
