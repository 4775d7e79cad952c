//! Who we are to the signer, and how we know it.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustls::ClientConfig;
use tonic::metadata::{Ascii, MetadataValue};
use zeroize::Zeroizing;

use crate::{
    ConnectError,
    tls::{self, TlsError},
};

/// How often the token's file is looked at, at most.
const TOKEN_AGE: Duration = Duration::from_secs(5);

/// The files that make our identity. Only paths: what they hold is read when it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Authorities of the signer's certificate, PEM. An `https` endpoint needs it.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, PEM, for a signer that knows callers by certificate; with `key_file`.
    pub cert_file: Option<PathBuf>,
    /// The certificate's private key, PEM.
    pub key_file: Option<PathBuf>,
    /// A bearer token, for a signer that knows callers by token. The file may change at any time.
    pub token_file: Option<PathBuf>,
}

impl Credentials {
    /// TLS as the files are now; every new connection asks.
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let missing = |what: &str| TlsError::Unfit(format!("expected {what}"));
        let ca_file = self.ca_file.as_deref().ok_or_else(|| missing("ca_file"))?;
        let identity = match (self.cert_file.as_deref(), self.key_file.as_deref()) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(missing("cert_file and key_file, both or none")),
        };
        let mut config = tls::client_with(ca_file, identity)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    /// Whether the files can be used: found out at the start rather than at the first request. `encrypted`: for an
    /// `https` endpoint.
    ///
    /// # Errors
    /// One cannot.
    pub fn check(&self, encrypted: bool) -> Result<(), ConnectError> {
        if encrypted || self.ca_file.is_some() {
            self.tls().map_err(|error| ConnectError::Credentials(error.to_string()))?;
        }
        self.token().map(drop)
    }

    pub(crate) fn token(&self) -> Result<Option<Token>, ConnectError> {
        self.token_file.clone().map(Token::load).transpose()
    }
}

/// The bearer token of a file, as the file is.
pub(crate) struct Token {
    path: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    /// `authorization`. Marked sensitive: shown nowhere.
    value: MetadataValue<Ascii>,
    read: Instant,
    /// The file could not be used when it was last read, and a log line said so.
    stale: bool,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Token {
    fn load(path: PathBuf) -> Result<Self, ConnectError> {
        let value = read(&path).map_err(ConnectError::Credentials)?;
        Ok(Self { path, current: Mutex::new(Current { value, read: Instant::now(), stale: false }) })
    }

    /// The value of `authorization`.
    pub(crate) fn value(&self) -> MetadataValue<Ascii> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.read.elapsed() >= TOKEN_AGE {
            self.refresh(&mut current);
        }
        current.value.clone()
    }

    /// Reads the file at once, since the signer does not know what was sent; whether there is another token now.
    pub(crate) fn changed(&self) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = current.value.clone();
        self.refresh(&mut current);
        current.value != sent
    }

    fn refresh(&self, current: &mut Current) {
        current.read = Instant::now();
        match read(&self.path) {
            Ok(value) => {
                current.value = value;
                current.stale = false;
            }
            Err(error) if !current.stale => {
                tracing::error!("token not read again, the old one stays: {error}");
                current.stale = true;
            }
            Err(_) => {}
        }
    }
}

fn read(path: &std::path::Path) -> Result<MetadataValue<Ascii>, String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("{}: cannot be read: {}", path.display(), error.kind()))?;
    let text = Zeroizing::new(text);
    let token = text.trim_end_matches(['\r', '\n']);
    let header = Zeroizing::new(format!("Bearer {token}"));
    match header.parse::<MetadataValue<Ascii>>() {
        Ok(mut value) if !token.is_empty() => {
            value.set_sensitive(true);
            Ok(value)
        }
        _ => Err(format!("{}: expected a token", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_again_and_a_bad_file_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let sent = |token: &Token| token.value().to_str().unwrap().to_owned();
        for empty in ["", "\n"] {
            fs::write(&path, empty).unwrap();
            assert!(Token::load(path.clone()).is_err(), "{empty:?}");
        }
        fs::write(&path, "fake-one\n").unwrap();
        let token = Token::load(path.clone()).unwrap();
        assert_eq!(sent(&token), "Bearer fake-one");

        fs::write(&path, "fake-two\r\n").unwrap();
        assert_eq!(sent(&token), "Bearer fake-one", "not looked at for each call");
        let age = |token: &Token| {
            let mut current = token.current.lock().unwrap();
            current.read = current.read.checked_sub(TOKEN_AGE).unwrap();
        };
        age(&token);
        assert_eq!(sent(&token), "Bearer fake-two");
        assert!(!token.changed());
        fs::write(&path, "fake-three").unwrap();
        assert!(token.changed());
        assert_eq!(sent(&token), "Bearer fake-three");

        fs::remove_file(&path).unwrap();
        age(&token);
        assert_eq!(sent(&token), "Bearer fake-three");
        assert!(!format!("{token:?} {:?}", token.value()).contains("fake-three"));
    }
}
