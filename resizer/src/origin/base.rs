//! Absolute URLs of the configuration: where an origin is.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;

use super::{guard, key};

/// An absolute URL in three parts, as it is written.
#[derive(Debug, Clone, Copy)]
pub struct Url<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port.
    pub authority: &'a str,
    /// Path: begins and ends with a slash.
    pub path: &'a str,
}

impl<'a> Url<'a> {
    /// Splits a URL that ends with a slash, refusing all that a fixed base must not have.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &'a str) -> Result<Self, &'static str> {
        const NOT_A_URL: &str = "is not an absolute http or https URL";
        let (scheme, rest) = url.split_once("://").ok_or(NOT_A_URL)?;
        match scheme {
            "http" | "https" => {}
            _ if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
                return Err("has a scheme in capitals: write http or https");
            }
            _ => return Err(NOT_A_URL),
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("must not hold credentials: the resizer keeps no secret");
        }
        if path.contains(['?', '#', '\\']) {
            return Err("must have no query or fragment");
        }
        let parsed = reqwest::Url::parse(url).map_err(|_| NOT_A_URL)?;
        if parsed.path() != path {
            return Err("has a path that HTTP clients would change");
        }
        Ok(Self { scheme, authority, path })
    }

    /// The path as S3 spells it, which is the only one that can be signed; `None` where it is spelled so.
    #[must_use]
    pub fn path_for_s3(&self) -> Option<String> {
        let decoded = percent_decode_str(self.path).decode_utf8_lossy();
        key::encode(&decoded).ok().filter(|path| path != self.path)
    }

    /// Whether the host is an address: no name can stand before it.
    #[must_use]
    pub fn is_address(&self) -> bool {
        literal_address(&format!("{}://{}/", self.scheme, self.authority)).is_some()
    }
}

/// With the closing slash that [`Url::parse`] wants.
#[must_use]
pub fn closed(mut url: String) -> String {
    if !url.is_empty() && !url.ends_with('/') && !url.contains(['?', '#']) {
        url.push('/');
    }
    url
}

/// Whether the URL's host is an address literal that is not public: those are not resolved, so the guard of the
/// resolver does not see them.
#[must_use]
pub fn has_internal_host(base: &str) -> bool {
    literal_address(base).is_some_and(|address| !guard::is_public(address))
}

fn literal_address(url: &str) -> Option<IpAddr> {
    reqwest::Url::parse(url).ok()?.host_str()?.trim_matches(['[', ']']).parse().ok()
}
