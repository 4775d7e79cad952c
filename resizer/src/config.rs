//! `resizer.toml`, composed of what each room reads for itself.

use std::{path::Path, time::Duration};

use safelight_chassis::{
    check::Finding,
    config::{self, ConfigErrors, Fixed, Section},
    reload,
    server::Settings,
};
use safelight_client::Credentials;

use crate::{
    access::Access,
    admission,
    delivery::{self, Delivery},
    http,
    origin::{self, Origins},
    results,
    upload::{self, Uploads},
};
use safelight_image::limits::Limits;

/// Where the signer is unless configured: its default address on the same machine.
const DEFAULT_SIGNER_ENDPOINT: &str = "http://127.0.0.1:50051";
/// How long the signer may take: it answers in well under a millisecond when it is there.
const DEFAULT_SIGNER_TIMEOUT: Duration = Duration::from_secs(1);
/// Most outputs of one request unless configured.
const DEFAULT_MAX_OUTPUTS: usize = 16;
/// Most outputs that can be configured.
const MAX_OUTPUTS: usize = 256;

/// Everything the resizer is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// URI of the signer's gRPC endpoint.
    pub signer_endpoint: String,
    /// Who the resizer is to the signer.
    pub signer_credentials: Credentials,
    /// Longest wait for one answer of the signer.
    pub signer_timeout: Duration,
    /// What may run at once.
    pub admission: admission::Config,
    /// How large pictures may be.
    pub limits: Limits,
    /// Most outputs of one request.
    pub max_outputs: usize,
    /// What the server is told.
    pub server: Settings,
    /// Where originals come from.
    pub origins: Origins,
    /// Which URLs ask for what.
    pub delivery: Delivery,
    /// Where results are stored, if they are.
    pub results: Option<results::Config>,
    /// Which files may be stored.
    pub uploads: Uploads,
    /// Where and how URLs are answered over HTTP, if they are.
    pub http: Option<http::Config>,
    /// How callers are known, and what they may do.
    pub access: Access,
    /// How often the file is read again, for its tokens and grants.
    pub reload_interval: Duration,
    /// All but those.
    pub(crate) fixed: Fixed,
    /// The file's text, to find out whether it changes; `None`: not read from a file.
    pub(crate) text: Option<String>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let text = config::text(path)?;
        Self::read(&text).map(|config| Self { text: Some(text), ..config })
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn read(text: &str) -> Result<Self, ConfigErrors> {
        config::read(text, Self::from_section)
    }

    /// What is in it, in a line, and what is odd about it.
    #[must_use]
    pub fn summary(&self) -> String {
        let doubts = self.origins.values().filter_map(|origin| Some((&origin.name, origin.doubt.as_ref()?)));
        let doubts: String =
            doubts.map(|(name, doubt)| format!("\nwarning: origins.{name}: {doubt}")).collect();
        let uploads = match self.uploads.rules.len() {
            0 => String::new(),
            count => format!(", {count} upload rules"),
        };
        let http = self.http.as_ref().map_or_else(String::new, |http| format!(", HTTP on {}", http.listen));
        let results = self.results.as_ref().map_or_else(String::new, |results| {
            format!(", results in {} below {}", results.origin, results.prefix)
        });
        format!(
            "{} origins, {} variants, {} routes{uploads}, signer at {}{http}{results}{doubts}",
            self.origins.len(),
            self.delivery.variants.len(),
            self.delivery.routes.len(),
            self.signer_endpoint,
        )
    }

    /// What is wrong with what it names, as far as that can be seen from here.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.access.findings()
    }

    fn from_section(section: &mut Section) -> Self {
        let fixed = section.fixed(&["grants", "tokens"]);
        let (signer_endpoint, signer_credentials, signer_timeout) =
            section.table("signer", read_signer).unwrap_or_else(default_signer);
        let (admission, limits, max_outputs) =
            section.table("limits", read_limits).unwrap_or_else(default_limits);
        let server = Settings::read(section);
        let origins = origin::config::read(section);
        let delivery = delivery::config::read(section, &origins);
        let results = section.table("results", |section| results::Config::read(section, &origins));
        let uploads = upload::config::read(section, &origins, &delivery, &limits, results.is_some());
        let http = section.table("http", http::Config::read);
        let access = Access::read(section, &origins, &delivery, &uploads);
        Self {
            signer_endpoint,
            signer_credentials,
            signer_timeout,
            admission,
            limits,
            max_outputs,
            server,
            origins,
            delivery,
            results,
            uploads,
            http,
            access,
            reload_interval: reload::read_interval(section),
            fixed,
            text: None,
        }
    }
}

fn default_signer() -> (String, Credentials, Duration) {
    (DEFAULT_SIGNER_ENDPOINT.to_owned(), Credentials::default(), DEFAULT_SIGNER_TIMEOUT)
}

fn read_signer(section: &mut Section) -> (String, Credentials, Duration) {
    let (default_endpoint, _, default_timeout) = default_signer();
    let endpoint = section.or("endpoint", default_endpoint);
    let encrypted = endpoint.starts_with("https://");
    if !(encrypted || endpoint.starts_with("http://")) || endpoint.contains('@') {
        section.error("endpoint", "must be an http:// or https:// URI without credentials");
    }
    let credentials = Credentials {
        ca_file: section.optional("ca_file"),
        cert_file: section.optional("cert_file"),
        key_file: section.optional("key_file"),
        token_file: section.optional("token_file"),
    };
    let has_ca = credentials.ca_file.is_some();
    let has_pair = credentials.cert_file.is_some() == credentials.key_file.is_some();
    if encrypted != has_ca {
        section.error("ca_file", "belongs to an https:// endpoint, and is needed there");
    }
    if !has_pair || credentials.cert_file.is_some() && !encrypted {
        section.error("cert_file", "belongs to an https:// endpoint, together with key_file");
    }
    if encrypted == has_ca
        && has_pair
        && let Err(error) = credentials.check(encrypted)
    {
        // It names the file.
        section.error("", error.to_string());
    }
    (endpoint, credentials, section.duration("timeout").unwrap_or(default_timeout))
}

fn default_limits() -> (admission::Config, Limits, usize) {
    (admission::Config::default(), Limits::default(), DEFAULT_MAX_OUTPUTS)
}

fn read_limits(section: &mut Section) -> (admission::Config, Limits, usize) {
    let (_, default, default_outputs) = default_limits();
    let limits = Limits {
        max_source_bytes: section.bytes("max_source_bytes").unwrap_or(default.max_source_bytes),
        max_source_pixels: section.or("max_source_pixels", default.max_source_pixels),
        max_source_side: section.or("max_source_side", default.max_source_side),
        max_output_side: section.or("max_output_side", default.max_output_side),
        max_output_pixels: section.or("max_output_pixels", default.max_output_pixels),
    };
    for (key, value) in [
        ("max_source_bytes", limits.max_source_bytes),
        ("max_source_pixels", limits.max_source_pixels),
        ("max_source_side", limits.max_source_side.into()),
        ("max_output_side", limits.max_output_side.into()),
        ("max_output_pixels", limits.max_output_pixels),
    ] {
        if value == 0 {
            section.error(key, "must be at least 1");
        }
    }
    let max_outputs = section.or("max_outputs", default_outputs);
    if !(1..=MAX_OUTPUTS).contains(&max_outputs) {
        section.error("max_outputs", "must be 1 to 256");
    }
    (admission::Config::read(section), limits, max_outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_a_resizer_of_uploads() {
        let config = Config::read("").unwrap();
        assert_eq!(config.signer_endpoint, DEFAULT_SIGNER_ENDPOINT);
        assert_eq!((config.limits.max_source_bytes, config.max_outputs), (64 << 20, 16));
        assert!(config.origins.is_empty() && config.delivery.routes.is_empty());
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let text = "colour = 1\n[signer]\nendpoint = 'https://u:secret@h'\nkey = 'k'\n\
            [limits]\nmax_outputs = 0\nmemory_budget = '1MiB'\nmax_source_side = 0\ncpu_slots = -1\n\
            [[routes]]\npath = '/x'\norigin = 'o'\n";
        let errors = Config::read(text).unwrap_err().to_string();
        for path in [
            "colour",
            "signer.endpoint",
            "signer.key",
            "limits.max_outputs",
            "limits.memory_budget",
            "limits.max_source_side",
            "limits.cpu_slots",
            "routes[0].origin",
            "routes[0].variant",
        ] {
            assert!(errors.contains(path), "{path} not in\n{errors}");
        }
        assert!(!errors.contains("secret"), "{errors}");
    }
}
