//! Certificates, keys and authorities in PEM files: one loader, for clients and servers.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use zeroize::Zeroizing;

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

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Unfit(error.to_string())
    }
}

/// A file in PEM, as it was when it was read. It may hold a key: it is wiped when it is dropped, and has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    path: PathBuf,
    content: Zeroizing<Vec<u8>>,
}

impl Pem {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TlsError::Unreadable`].
    pub fn read(path: &Path) -> Result<Self, TlsError> {
        let content = fs::read(path)
            .map_err(|error| TlsError::Unreadable { path: path.to_owned(), kind: error.kind() })?;
        Ok(Self { path: path.to_owned(), content: Zeroizing::new(content) })
    }

    /// Its certificates, in their order.
    ///
    /// # Errors
    /// It has none, or something in it cannot be read.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        match CertificateDer::pem_slice_iter(&self.content).collect::<Result<Vec<_>, _>>() {
            Ok(all) if !all.is_empty() => Ok(all),
            _ => Err(self.wrong("expected certificates in PEM")),
        }
    }

    /// Its certificates, as authorities.
    ///
    /// # Errors
    /// As [`Self::certificates`], or one cannot be an authority.
    pub fn authorities(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in self.certificates()? {
            roots.add(authority).map_err(|_| self.wrong("expected certificates of authorities"))?;
        }
        Ok(roots)
    }

    /// Its first private key.
    ///
    /// # Errors
    /// It has none.
    pub fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.content).map_err(|_| self.wrong("expected a private key in PEM"))
    }

    fn wrong(&self, what: &'static str) -> TlsError {
        TlsError::Content { path: self.path.clone(), what }
    }
}

/// TLS of a client: a server must show a certificate for the name that it was asked by, which an authority of this file
/// (PEM) signed. The system's authorities do not count.
///
/// # Errors
/// The file cannot be read, or has something else in it.
pub fn client(ca_file: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    Ok(Arc::new(client_with(ca_file, None)?))
}

/// The same for a client that shows a certificate of its own: the files of certificate and key.
///
/// # Errors
/// As [`client`], or certificate and key do not fit together.
pub fn client_with(ca_file: &Path, identity: Option<(&Path, &Path)>) -> Result<ClientConfig, TlsError> {
    let roots = Pem::read(ca_file)?.authorities()?;
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(match identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            builder.with_client_auth_cert(Pem::read(cert)?.certificates()?, Pem::read(key)?.private_key()?)?
        }
    })
}
