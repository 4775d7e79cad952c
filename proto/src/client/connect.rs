//! A connection to the signer: plaintext, or TLS with a certificate of ours.

use std::{
    fs, io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tonic::{
    codegen::{Service, http::Uri},
    metadata::{Ascii, MetadataValue},
};
use zeroize::Zeroizing;

use super::ConnectError;

/// How long a connection attempt to the signer may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Who we are to the signer, and how we know it. Only paths: what the files hold is read when it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Authorities of the signer's certificate, PEM. An `https` endpoint needs it.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, PEM, for a signer that knows callers by certificate; with `key_file`.
    pub cert_file: Option<PathBuf>,
    /// The certificate's private key, PEM.
    pub key_file: Option<PathBuf>,
    /// A bearer token, for a signer that knows callers by token.
    pub token_file: Option<PathBuf>,
}

impl Credentials {
    pub(super) fn token(&self) -> Result<Option<MetadataValue<Ascii>>, ConnectError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let wrong = || ConnectError::Credentials(format!("{}: expected a token", path.display()));
        let text = Zeroizing::new(fs::read_to_string(path).map_err(|_| wrong())?);
        let header = Zeroizing::new(format!("Bearer {}", text.trim_end_matches(['\r', '\n'])));
        let mut value: MetadataValue<Ascii> = header.parse().map_err(|_| wrong())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    pub(super) fn connector(&self) -> Result<Connector, ConnectError> {
        if self.ca_file.is_some() {
            // Files that cannot be used are found at the start rather than at the first request.
            self.config().map_err(|error| ConnectError::Credentials(error.to_string()))?;
        }
        Ok(Connector(Arc::new(self.clone())))
    }

    fn config(&self) -> io::Result<ClientConfig> {
        let unfit = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string());
        let mut roots = RootCertStore::empty();
        let authorities = self.ca_file.as_deref().ok_or_else(|| missing("ca_file"))?;
        for authority in certificates(authorities)? {
            roots.add(authority).map_err(unfit)?;
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_root_certificates(roots);
        let mut config = match (&self.cert_file, &self.key_file) {
            (None, None) => builder.with_no_client_auth(),
            (Some(cert), Some(key)) => {
                let pem = Zeroizing::new(fs::read(key).map_err(|error| named(key, error.kind()))?);
                let key = PrivateKeyDer::from_pem_slice(&pem)
                    .map_err(|_| named(key, io::ErrorKind::InvalidData))?;
                builder.with_client_auth_cert(certificates(cert)?, key).map_err(unfit)?
            }
            _ => return Err(missing("cert_file and key_file, both or none")),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

fn missing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("expected {what}"))
}

fn named(path: &Path, kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, format!("{}: {kind}", path.display()))
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let pem = fs::read(path).map_err(|error| named(path, error.kind()))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(named(path, io::ErrorKind::InvalidData)),
    }
}

/// Makes connections, each with the certificates as they are then.
#[derive(Clone, Debug)]
pub(super) struct Connector(Arc<Credentials>);

/// A connection's bytes, encrypted or not.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Io>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let credentials = Arc::clone(&self.0);
        Box::pin(async move {
            let connecting = connect(&credentials, &uri);
            timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| io::ErrorKind::TimedOut)?.map(TokioIo::new)
        })
    }
}

async fn connect(credentials: &Credentials, uri: &Uri) -> io::Result<Box<dyn Io>> {
    let encrypted = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let tcp = TcpStream::connect((host, port)).await?;
    tcp.set_nodelay(true)?;
    if !encrypted {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the host is no name for a certificate"))?;
    let stream = TlsConnector::from(Arc::new(credentials.config()?)).connect(name, tcp).await?;
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the signer does not speak HTTP/2 over TLS"));
    }
    Ok(Box::new(stream))
}
