//! How a connection ends before its time.

use std::{error::Error, io};

use rustls::CertificateError;

use super::headers::{BLOCK_TOO_LARGE, DECODES_TOO_LARGE, TOO_MANY_LARGE_BLOCKS};

/// How a connection came to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("no HTTP/2 preface, or nothing at all, in time")]
    PrefaceTimeout,
    #[error("not HTTP/2")]
    NotHttp2,
    #[error("the client's certificate has no URI, which would name the caller")]
    Nameless,
    #[error("calls went on too long after GOAWAY")]
    Aged,
    #[error("a request or its answer took too long")]
    Slow,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

impl Broken {
    /// What the operator of the client, or of the server, has to do; `None` for what happens every day.
    pub(super) fn cause(&self) -> Option<&'static str> {
        match self {
            Self::Nameless => Some(
                "a client's certificate names no caller: it needs a URI (SPIFFE ID) in its subjectAltName",
            ),
            Self::Io(error) => error.get_ref()?.downcast_ref().and_then(of_tls),
            Self::Http(error) => of_headers(error),
            Self::PrefaceTimeout | Self::NotHttp2 | Self::Aged | Self::Slow => None,
        }
    }
}

/// Of a handshake that failed.
const fn of_tls(error: &rustls::Error) -> Option<&'static str> {
    use rustls::Error::{
        AlertReceived, InvalidCertificate, InvalidMessage, NoApplicationProtocol, NoCertificatesPresented,
        PeerIncompatible,
    };
    Some(match error {
        NoCertificatesPresented => {
            "a client shows no certificate: it needs one that an authority of client_ca_file has signed"
        }
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "a client's certificate has expired: renew it"
        }
        InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "a client's certificate is not valid yet: are the clocks right?"
        }
        // The latter: another authority has the same name.
        InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "a client's certificate is signed by an authority that is not in client_ca_file"
        }
        InvalidCertificate(_) => "a client's certificate cannot be used",
        InvalidMessage(_) => "a client does not speak TLS, as one that uses plaintext",
        AlertReceived(_) => {
            "a client refuses the server's certificate or TLS: does it trust the authority that signed cert_file, and is the \
             name that it asks for in it?"
        }
        NoApplicationProtocol | PeerIncompatible(_) => {
            "a client offers no version, cipher or protocol (ALPN) of TLS that is taken here"
        }
        _ => "the TLS handshake of a client failed",
    })
}

/// Of headers that were not taken. h2 hands on the text of an error, not its type.
fn of_headers(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        for (known, cause) in [
            (
                BLOCK_TOO_LARGE,
                "a client sent a request with more than 256 KiB of headers, which is the limit",
            ),
            (
                DECODES_TOO_LARGE,
                "a client sent a request whose headers decode to more than 1 MiB, which is the limit: it is broken, or an attack",
            ),
            (TOO_MANY_LARGE_BLOCKS, "too many clients at once send large headers"),
        ] {
            if text.contains(known) {
                return Some(cause);
            }
        }
        next = error.source();
    }
    None
}
