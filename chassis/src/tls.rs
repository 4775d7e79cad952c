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

mod expiry;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use safelight_client::tls::Pem;
pub use safelight_client::tls::{TlsError, client};
use tokio::time::sleep;

use crate::{config::Section, reload::Reloads};

/// How often the files are looked at.
const RELOAD: Duration = Duration::from_secs(10);

/// The files that a server's TLS is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

/// What the files said.
#[derive(PartialEq, Eq)]
struct Content {
    cert: Pem,
    key: Pem,
    client_ca: Option<Pem>,
}

/// What the files make.
struct Configs {
    /// For gRPC: HTTP/2 alone, with the certificates of clients where they are asked for.
    grpc: Arc<ServerConfig>,
    /// For HTTP: any client, who is known by what the URL carries.
    http: Arc<ServerConfig>,
}

/// A server's TLS, as its files are now.
pub struct Tls {
    files: Files,
    current: RwLock<(Content, Configs)>,
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
        let configs = content.configs()?;
        Ok(Self { files, current: RwLock::new((content, configs)) })
    }

    /// Whether clients are known by their certificates.
    #[must_use]
    pub const fn takes_client_certificates(&self) -> bool {
        self.files.client_ca.is_some()
    }

    /// What a new connection is to use on the gRPC port.
    pub(crate) fn grpc(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).1.grpc)
    }

    /// What a new connection is to use on the HTTP port.
    pub(crate) fn http(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).1.http)
    }

    /// When the server's certificate expires, in seconds since 1970; `None` if that cannot be read from it.
    #[must_use]
    pub fn expires(&self) -> Option<i64> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        expiry::of(current.0.cert.certificates().ok()?.first()?)
    }

    /// That the server's certificate has expired, in words to act on.
    #[must_use]
    pub fn expired(&self) -> Option<String> {
        let expires = UNIX_EPOCH + Duration::from_secs(u64::try_from(self.expires()?).ok()?);
        (expires <= SystemTime::now()).then(|| {
            let when = humantime::format_rfc3339_seconds(expires);
            format!("tls.cert_file: the server's certificate expired at {when}: clients refuse it; renew it")
        })
    }

    /// Says so in the log.
    pub(crate) fn warn_if_expired(&self) {
        if let Some(expired) = self.expired() {
            tracing::warn!("{expired}");
        }
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
        let configs = content.configs()?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (content, configs);
        Ok(true)
    }

    /// Looks at the files again and again.
    pub(crate) async fn watch(self: Arc<Self>, reloads: Reloads) {
        // The same fault is logged once, not every few seconds.
        let mut last = String::new();
        loop {
            sleep(RELOAD).await;
            match self.reload() {
                Ok(true) => {
                    last.clear();
                    reloads.apply();
                    tracing::info!("TLS certificates reloaded");
                    self.warn_if_expired();
                }
                Ok(false) => last.clear(),
                Err(error) => {
                    let text = error.to_string();
                    if text != last {
                        reloads.refuse();
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
            cert: Pem::read(&files.cert)?,
            key: Pem::read(&files.key)?,
            client_ca: files.client_ca.as_deref().map(Pem::read).transpose()?,
        })
    }

    fn configs(&self) -> Result<Configs, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = || {
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()
        };
        let asking = match &self.client_ca {
            None => builder()?.with_no_client_auth(),
            Some(pem) => {
                let roots = Arc::new(pem.authorities()?);
                let verifier: Arc<dyn ClientCertVerifier> =
                    WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
                        .build()
                        .map_err(|error| TlsError::Unfit(error.to_string()))?;
                builder()?.with_client_cert_verifier(verifier)
            }
        };
        let mut grpc = asking.with_single_cert(self.cert.certificates()?, self.key.private_key()?)?;
        grpc.alpn_protocols = vec![b"h2".to_vec()];
        let open = builder()?.with_no_client_auth();
        let mut http = open.with_single_cert(self.cert.certificates()?, self.key.private_key()?)?;
        http.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Configs { grpc: Arc::new(grpc), http: Arc::new(http) })
    }
}
