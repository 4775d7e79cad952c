//! TLS of a server: its certificate, and whose certificates it takes. And of a client ([`client`]): whose servers it takes.
//!
//! ```toml
//! [tls]
//! cert_file = "/tls/tls.crt"         # PEM, the server's certificate first
//! key_file = "/tls/tls.key"          # PEM
//! client_ca_file = "/tls/ca.crt"     # PEM; then every client must show a certificate that one of these signed
//! ```
//!
//! The files are read again every few seconds: certificates of some hours' life are renewed under the process's feet (SPIFFE,
//! cert-manager). New connections take the new ones; files that cannot be used are logged and the old ones stay.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::time::sleep;
use webpki::EndEntityCert;
use zeroize::Zeroizing;

use crate::{caller::Caller, config::Section};

/// How often the files are looked at.
const RELOAD: Duration = Duration::from_secs(10);

/// Why files cannot be used for TLS. Shows paths, never content.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: cannot be read: {kind}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        kind: std::io::ErrorKind,
    },
    /// A file has not what it should have.
    #[error("{path}: {what}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What was expected.
        what: &'static str,
    },
    /// Certificate and key do not fit, or the authorities cannot be used.
    #[error("certificate, key and authorities do not fit together: {0}")]
    Unfit(String),
}

/// The files that a server's TLS is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

/// What the files said. Holds the key: has neither `Debug` nor `Clone`.
#[derive(PartialEq, Eq)]
struct Content {
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

/// A server's TLS, as its files are now.
pub struct Tls {
    files: Files,
    current: RwLock<(Content, Arc<ServerConfig>)>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads `[tls]` with the files that it names; `None` if there is none, or if it is wrong, which is recorded.
    pub fn read(section: &mut Section) -> Option<Arc<Self>> {
        section.table("tls", |section| {
            let files = Files {
                cert: section.required("cert_file"),
                key: section.required("key_file"),
                client_ca: section.optional("client_ca_file"),
            };
            match Self::load(files) {
                Ok(tls) => Some(Arc::new(tls)),
                Err(error) => {
                    section.error("cert_file", error.to_string());
                    None
                }
            }
        })?
    }

    fn load(files: Files) -> Result<Self, TlsError> {
        let content = Content::read(&files)?;
        let config = Arc::new(content.config(&files)?);
        Ok(Self { files, current: RwLock::new((content, config)) })
    }

    /// Whether clients are known by their certificates.
    #[must_use]
    pub const fn takes_client_certificates(&self) -> bool {
        self.files.client_ca.is_some()
    }

    /// What a new connection is to use.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// Looks at the files once; whether they had changed.
    ///
    /// # Errors
    /// They cannot be used: the old ones stay.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let content = Content::read(&self.files)?;
        if self.current.read().unwrap_or_else(PoisonError::into_inner).0 == content {
            return Ok(false);
        }
        let config = Arc::new(content.config(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (content, config);
        Ok(true)
    }

    /// Looks at the files again and again.
    pub(crate) async fn watch(self: Arc<Self>) {
        // The same fault is logged once, not every few seconds.
        let mut last = String::new();
        loop {
            sleep(RELOAD).await;
            match self.reload() {
                Ok(true) => {
                    last.clear();
                    tracing::info!("TLS certificates reloaded");
                }
                Ok(false) => last.clear(),
                Err(error) => {
                    let text = error.to_string();
                    if text != last {
                        tracing::error!("TLS certificates not reloaded, the old ones stay: {text}");
                        last = text;
                    }
                }
            }
        }
    }
}

impl Content {
    fn read(files: &Files) -> Result<Self, TlsError> {
        Ok(Self {
            cert: read(&files.cert)?,
            key: Zeroizing::new(read(&files.key)?),
            client_ca: files.client_ca.as_deref().map(read).transpose()?,
        })
    }

    fn config(&self, files: &Files) -> Result<ServerConfig, TlsError> {
        let wrong = |path: &Path, what| TlsError::Content { path: path.to_owned(), what };
        let certs = certificates(&self.cert).map_err(|what| wrong(&files.cert, what))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| wrong(&files.key, "expected a private key in PEM"))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Unfit(error.to_string()))?;
        let builder = match (&self.client_ca, &files.client_ca) {
            (Some(pem), Some(path)) => {
                let roots = Arc::new(authorities(pem).map_err(|what| wrong(path, what))?);
                let verifier: Arc<dyn ClientCertVerifier> =
                    WebPkiClientVerifier::builder_with_provider(roots, provider)
                        .build()
                        .map_err(|error| TlsError::Unfit(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut config =
            builder.with_single_cert(certs, key).map_err(|error| TlsError::Unfit(error.to_string()))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Unreadable { path: path.to_owned(), kind: error.kind() })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err("expected certificates in PEM"),
    }
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, &'static str> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(pem)? {
        roots.add(authority).map_err(|_| "expected certificates of authorities")?;
    }
    Ok(roots)
}

/// TLS of a client: a server must show a certificate for the name that it was asked by, which an authority of this file
/// (PEM) signed. The system's authorities do not count.
///
/// # Errors
/// The file cannot be read, or has something else in it.
pub fn client(ca_file: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let roots =
        authorities(&read(ca_file)?).map_err(|what| TlsError::Content { path: ca_file.to_owned(), what })?;
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Unfit(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// The caller that a verified certificate names: its first URI (a SPIFFE ID has exactly one).
pub(crate) fn caller(certificate: &CertificateDer<'_>) -> Option<Caller> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    certificate.valid_uri_names().next().map(Caller::new)
}
