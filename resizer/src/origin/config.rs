//! The `[origins.*]` tables: what every kind has. The rest is read by the kind's own room.

use std::{collections::BTreeMap, time::Duration};

use safelight_chassis::config::Section;

use super::{base, http, s3};

/// How long connecting may take.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a whole fetch may take: below the 30 s that a request has, so that there is time left to resize.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// A place that originals come from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Its name in the configuration.
    pub name: String,
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
    /// What is odd about it, though it may be meant.
    pub doubt: Option<String>,
}

/// What authorizes a request at the origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginKind {
    /// An S3 bucket in `region`, signed by the signer's key `signing_key`; unsigned without one.
    S3 {
        /// The bucket's name, or an access point's ARN.
        bucket: String,
        /// The region that is signed for: the bucket's, or the access point's.
        region: String,
        /// Name of the signer's key.
        signing_key: Option<String>,
    },
    /// A plain HTTP server; only callers' headers authorize.
    Http,
}

impl Origin {
    /// Whether the signer signs its requests.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        self.signing().is_some()
    }

    /// With which of the signer's keys, and for which region.
    #[must_use]
    pub const fn signing(&self) -> Option<(&String, &String)> {
        match &self.kind {
            OriginKind::S3 { signing_key: Some(key), region, .. } => Some((key, region)),
            OriginKind::S3 { signing_key: None, .. } | OriginKind::Http => None,
        }
    }

    /// The region that is signed for; empty where nothing is.
    #[must_use]
    pub const fn region(&self) -> &str {
        match &self.kind {
            OriginKind::S3 { region, .. } => region.as_str(),
            OriginKind::Http => "",
        }
    }

    /// Host and port, as in the base.
    #[must_use]
    pub fn host(&self) -> &str {
        let (_, rest) = self.base.split_once("://").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }
}

/// Reads `[origins.*]`.
pub fn read(section: &mut Section) -> BTreeMap<String, Origin> {
    section.named("origins", |name, section| {
        let kind: String = section.required("kind");
        let mut doubt = None;
        let (kind, base) = match kind.as_str() {
            "s3" => {
                let (kind, base, doubtful) = s3::read(section);
                doubt = doubtful;
                (kind, base)
            }
            "http" => http::read(section),
            "" => (OriginKind::Http, String::new()), // already reported as missing
            _ => {
                section.error("kind", "must be \"s3\" or \"http\"");
                (OriginKind::Http, String::new())
            }
        };
        let allow_private_network = section.or("allow_private_network", false);
        if !base.is_empty() && reqwest::Url::parse(&base).is_err() {
            // The endpoint alone is one.
            section.error("bucket", "does not make a URL that has it in its host: set path_style = true");
        }
        if !allow_private_network && base::has_internal_host(&base) {
            section.error(
                "allow_private_network",
                "the origin's address is not public: set this to true if that is meant",
            );
        }
        Origin {
            name: name.to_owned(),
            kind,
            base,
            allow_private_network,
            connect_timeout: section.duration("connect_timeout").unwrap_or(DEFAULT_CONNECT_TIMEOUT),
            timeout: section.duration("timeout").unwrap_or(DEFAULT_TIMEOUT),
            doubt,
        }
    })
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
             [origins.c]\nkind = 'http'\nbase_url = 'https://img.example.com/raw'\n\
             [origins.d]\nkind = 'http'\nbase_url = 'http://img.example.com'\n",
        )
        .unwrap();
        assert_eq!(all["a"].base, "https://photos.s3.eu-west-1.amazonaws.com/");
        assert_eq!(all["b"].base, "https://s3.example.com:9000/photos/");
        assert_eq!(all["c"].base, "https://img.example.com/raw/");
        assert_eq!((all["d"].base.as_str(), all["d"].host()), ("http://img.example.com/", "img.example.com"));
        assert_eq!((all["a"].region(), all["c"].region()), ("eu-west-1", ""));
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
            "origins.e.allow_private_network",
        ] {
            assert!(errors.contains(path), "{path} not in\n{errors}");
        }
        assert!(!errors.contains("u:p"), "{errors}");
    }
}
