//! What verifying is asked, and what it answers.

use std::net::IpAddr;

use crate::scheme::strict::spells;

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
    /// Whether it is good for some addresses only.
    pub client_bound: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
