//! The `[origins.*]` tables.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use safelight_chassis::config::Section;

use super::{guard, key};

/// How long connecting may take.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a whole fetch may take: below the 30 s that a request has, so that there is time left to resize.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// A place that originals come from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Which protocol it speaks.
    pub kind: OriginKind,
    /// Start of every URL: scheme, authority, and the path before the key, with its closing slash.
    pub base: String,
    /// Whether it may be on a loopback, private or link-local address.
    pub allow_private_network: bool,
    /// Longest time to connect.
    pub connect_timeout: Duration,
    /// Longest time for a whole fetch.
    pub timeout: Duration,
}

/// What authorises a request at the origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginKind {
    /// An S3 bucket in `region`, signed by the signer's key `signing_key`; unsigned without one.
    S3 {
        /// The bucket's region.
        region: String,
        /// Name of the signer's key.
        signing_key: Option<String>,
    },
    /// A plain HTTP server; only callers' headers authorise.
    Http,
}

impl Origin {
    /// Whether the signer signs its requests.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        matches!(self.kind, OriginKind::S3 { signing_key: Some(_), .. })
    }
}

/// Reads `[origins.*]`.
pub fn read(section: &mut Section) -> BTreeMap<String, Origin> {
    section.named("origins", |_, section| {
        let kind: String = section.required("kind");
        let (kind, base) = match kind.as_str() {
            "s3" => read_s3(section),
            "http" => (OriginKind::Http, read_http(section)),
            "" => (OriginKind::Http, String::new()), // already reported as missing
            _ => {
                section.error("kind", "must be \"s3\" or \"http\"");
                (OriginKind::Http, String::new())
            }
        };
        let allow_private_network = section.or("allow_private_network", false);
        if !allow_private_network && has_internal_host(&base) {
            section.error(
                "allow_private_network",
                "the origin's address is not public: set this to true if that is meant",
            );
        }
        Origin {
            kind,
            base,
            allow_private_network,
            connect_timeout: section.duration("connect_timeout").unwrap_or(DEFAULT_CONNECT_TIMEOUT),
            timeout: section.duration("timeout").unwrap_or(DEFAULT_TIMEOUT),
        }
    })
}

fn read_s3(section: &mut Section) -> (OriginKind, String) {
    let bucket: String = section.required("bucket");
    let region = section.required::<Option<String>>("region");
    if region.as_deref().is_some_and(|region| !is_region(region)) {
        section.error("region", "expected a region such as eu-west-1");
    }
    let region = region.unwrap_or_default();
    let signing_key = section.optional("signing_key");
    let path_style = section.or("path_style", false);
    let endpoint = section
        .optional::<String>("endpoint")
        .unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
    if !bucket.is_empty()
        && (key::encode(&bucket).as_deref() != Ok(bucket.as_str()) || bucket.contains(['/', '~', '_']))
    {
        section.error("bucket", "is not a bucket name");
    }
    let base = match split(&endpoint) {
        Ok((scheme, authority, "" | "/")) if path_style => format!("{scheme}://{authority}/{bucket}/"),
        Ok((scheme, authority, "" | "/")) => format!("{scheme}://{bucket}.{authority}/"),
        Ok(_) => {
            section.error("endpoint", "must have no path");
            String::new()
        }
        Err(message) => {
            section.error("endpoint", message);
            String::new()
        }
    };
    // A bucket cannot stand before an address, `http://photos.127.0.0.1/`: every request would fail.
    if !base.is_empty() && reqwest::Url::parse(&base).is_err() {
        section.error("path_style", "the endpoint is an address: set this to true");
    }
    (OriginKind::S3 { region, signing_key }, base)
}

/// As the signer wants it. Stores that are not AWS's have names of their own.
fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn read_http(section: &mut Section) -> String {
    let base: String = section.required("base_url");
    match split(&base) {
        _ if base.is_empty() => base, // already reported as missing
        Ok((scheme, authority, path)) if path.ends_with('/') => format!("{scheme}://{authority}{path}"),
        Ok((scheme, authority, path)) => format!("{scheme}://{authority}{path}/"),
        Err(message) => {
            section.error("base_url", message);
            String::new()
        }
    }
}

/// Splits an absolute URL into scheme, authority and path, refusing all that a fixed base must not have.
fn split(url: &str) -> Result<(&str, &str, &str), &'static str> {
    const NOT_A_URL: &str = "is not an absolute http or https URL";
    let (scheme, rest) = url.split_once("://").ok_or(NOT_A_URL)?;
    if !matches!(scheme, "http" | "https") {
        return Err(NOT_A_URL);
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("must not hold credentials: the resizer keeps no secret");
    }
    if path.contains(['?', '#', '\\']) {
        return Err("must have no query or fragment");
    }
    let parsed = reqwest::Url::parse(url).map_err(|_| NOT_A_URL)?;
    if parsed.path() != if path.is_empty() { "/" } else { path } {
        return Err("has a path that HTTP clients would change");
    }
    Ok((scheme, authority, path))
}

/// Whether the URL's host is an address literal that is not public: those are not resolved, so the guard of
/// the resolver does not see them.
fn has_internal_host(base: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(base) else { return false };
    url.host_str()
        .and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok())
        .is_some_and(|address| !guard::is_public(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(text: &str) -> Result<BTreeMap<String, Origin>, String> {
        safelight_chassis::config::read(text, read).map_err(|errors| errors.to_string())
    }

    #[test]
    fn s3_path_style_and_virtual_host_make_their_base() {
        let all = origins(
            "[origins.a]\nkind = 's3'\nbucket = 'photos'\nregion = 'eu-west-1'\nsigning_key = 'k'\n\
             [origins.b]\nkind = 's3'\nbucket = 'photos'\nregion = 'x'\nendpoint = 'https://s3.example.com:9000'\npath_style = true\n\
             [origins.c]\nkind = 'http'\nbase_url = 'https://img.example.com/raw'\n",
        )
        .unwrap();
        assert_eq!(all["a"].base, "https://photos.s3.eu-west-1.amazonaws.com/");
        assert_eq!(all["b"].base, "https://s3.example.com:9000/photos/");
        assert_eq!(all["c"].base, "https://img.example.com/raw/");
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let text = "[origins.a]\nkind = 'ftp'\n\
            [origins.b]\nkind = 's3'\nbucket = 'a/b'\nregion = 'x'\nendpoint = 'https://u:p@h'\n\
            [origins.c]\nkind = 'http'\nbase_url = 'http://169.254.169.254/x/../y?k=v'\n\
            [origins.d]\nkind = 'http'\nbase_url = 'http://127.0.0.1/'\n\
            [origins.e]\nkind = 's3'\nbucket = 'b'\nregion = 'x'\nendpoint = 'http://127.0.0.1:9000'\n\
            [origins.f]\nkind = 's3'\nbucket = 'b'\nregion = 'eu west'\n\
            [origins.g]\nkind = 's3'\nbucket = 'b'\nregion = ''\n";
        let errors = origins(text).unwrap_err();
        for path in [
            "origins.a.kind",
            "origins.b.bucket",
            "origins.b.endpoint",
            "origins.c.base_url",
            "origins.d.allow_private_network",
            "origins.f.region",
            "origins.g.region",
            "origins.e.path_style",
        ] {
            assert!(errors.contains(path), "{path} not in\n{errors}");
        }
        assert!(!errors.contains("u:p"), "{errors}");
    }
}
