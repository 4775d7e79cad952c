//! Where objects are: what stands before their keys, and what signs requests there. Read in the same words by `[[deliveries]]`
//! and `[[uploads]]`.

use safelight_chassis::config::Section;
use safelight_proto::delivery::object_key::{self, KeyError as ObjectKeyError};

use crate::{
    keyring::{KeyError, Keyring},
    scheme::{
        aws_sigv4::{Body, Request, RequestError, S3Request},
        url::HttpUrl,
    },
};

/// Longest template, name of a variant, or URL, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// Where objects are.
#[derive(Debug)]
pub struct Origin {
    /// What stands before the encoded key.
    pub base_url: String,
    /// What signs requests; `None`: nothing does.
    pub signing: Option<Signing>,
}

/// What signs requests.
#[derive(Debug)]
pub struct Signing {
    /// Name of the key.
    pub key: String,
    /// The bucket's region.
    pub region: String,
}

impl Origin {
    /// The URL of an object.
    ///
    /// # Errors
    /// The key cannot be sent exactly.
    pub fn url(&self, key: &str) -> Result<String, ObjectKeyError> {
        Ok(format!("{}{}", self.base_url, object_key::encode(key)?))
    }

    /// Name of the key that signs; empty where nothing does.
    #[must_use]
    pub fn signing_key(&self) -> &str {
        self.signing.as_ref().map(|signing| signing.key.as_str()).unwrap_or_default()
    }

    /// The bucket's region; empty where nothing signs.
    #[must_use]
    pub fn region(&self) -> &str {
        self.signing.as_ref().map(|signing| signing.region.as_str()).unwrap_or_default()
    }

    /// Reads `base_url`, `signing_key` and `region`. What is wrong is recorded in the section.
    pub(crate) fn read(section: &mut Section, keyring: &Keyring) -> Self {
        let base_url: String = section.required("base_url");
        let region: Option<String> = section.optional("region");
        let key: Option<String> = section.optional("signing_key");
        let url = HttpUrl::parse(&base_url).ok().filter(|url| {
            url.verbatim().is_ok() && base_url.ends_with('/') && !base_url.contains(['?', '#'])
        });
        if url.is_none() && !base_url.is_empty() {
            section.error(
                "base_url",
                "expected an absolute http or https URL that ends with /, in the spelling that clients send",
            );
        }
        if key.is_some() != region.is_some() {
            section.error("region", "must be set where signing_key is, and nowhere else");
        }
        // Without a region, what follows is said all the same.
        let signing = key.map(|key| Signing { key, region: region.unwrap_or_else(|| "-".to_owned()) });
        if let (Some(signing), Some(url)) = (&signing, &url) {
            check_signing(section, keyring, signing, url);
        }
        Self { base_url, signing }
    }
}

/// Whether the key signs requests to that place.
fn check_signing(section: &mut Section, keyring: &Keyring, signing: &Signing, base_url: &HttpUrl<'_>) {
    let request = Request { method: "GET", url: base_url.as_str(), headers: &[], body: Body::Unsigned };
    match S3Request::new(request, &signing.region, false) {
        Ok(_) => {}
        Err(error @ RequestError::Region) => section.error("region", error.to_string()),
        Err(error) => section.error("base_url", error.to_string()),
    }
    match keyring.aws_sigv4(&signing.key) {
        Err(error) => no_key(section, "signing_key", keyring, &signing.key, error, "requests to S3"),
        Ok(key) if !key.allowed.covers_host(base_url) => {
            section.error("base_url", "the signing key's allowed_hosts do not have its host");
        }
        Ok(_) => {}
    }
}

/// Records that a key cannot be used, unless why it could not be read is recorded already.
pub(crate) fn no_key(
    section: &mut Section,
    option: &str,
    keyring: &Keyring,
    name: &str,
    error: KeyError,
    signs: &str,
) {
    match error {
        KeyError::NotFound if keyring.is_unread(name) => {}
        KeyError::NotFound => section.error(option, "there is no key of that name"),
        KeyError::SchemeMismatch => {
            section.error(option, format!("that key's scheme does not sign {signs}"));
        }
    }
}

/// Names of keys and URLs stand in answers, which have a limit.
pub(crate) fn check_lengths(section: &mut Section, texts: &[(&str, &str)]) {
    for (option, text) in texts {
        if text.len() > MAX_TEXT_BYTES {
            section.error(option, "expected at most 1,024 bytes");
        }
    }
}
