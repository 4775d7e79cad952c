//! What an error of the HTTP client means: why there is no answer.

use std::{error::Error, io};

use reqwest::header::HeaderMap;
use rustls::{CertificateError, Error as TlsError};

use super::{
    super::{Origin, error::Kind, guard::GuardError, text},
    READ_TIMEOUT,
};

/// Kind, what happened, and what to do. The client's own text names the URL, so only its sources are shown.
pub(in super::super) fn describe(error: &reqwest::Error, origin: &Origin) -> (Kind, String, Option<String>) {
    if let Some(guard) = find::<GuardError>(error) {
        let hint = match guard {
            GuardError::Private(_) => "set allow_private_network = true if that is meant",
            GuardError::Unresolved(_) => "check the name, the bucket's region and the pod's DNS",
        };
        return (Kind::Unreachable, guard.to_string(), Some(hint.into()));
    }
    if let Some(tls) = find::<TlsError>(error) {
        let detail = format!("TLS failed: {}", text::shown(&tls.to_string(), &HeaderMap::new()));
        return (Kind::Unreachable, detail, tls_hint(tls, origin));
    }
    if error.is_timeout() && error.is_connect() {
        let detail = format!("no connection within {:?}", origin.connect_timeout);
        let hint = "a firewall or network policy drops packets, or connect_timeout is too short";
        return (Kind::Timeout, detail, Some(hint.into()));
    }
    if error.is_timeout() {
        return (Kind::Timeout, format!("silent for {READ_TIMEOUT:?} before the head of an answer"), None);
    }
    let io = find::<io::Error>(error).map(io::Error::kind);
    let (detail, hint) = match io {
        Some(io::ErrorKind::ConnectionRefused) => {
            ("connection refused".into(), Some("nothing listens there: check host and port".into()))
        }
        _ => {
            let innermost = chain(error).last().map(ToString::to_string).unwrap_or_default();
            let step = if error.is_connect() { "connecting failed" } else { "no HTTP answer" };
            (format!("{step}: {}", text::shown(&innermost, &HeaderMap::new())), None)
        }
    };
    (Kind::Unreachable, detail, hint)
}

fn tls_hint(error: &TlsError, origin: &Origin) -> Option<String> {
    let TlsError::InvalidCertificate(certificate) = error else {
        let plain = matches!(error, TlsError::InvalidMessage(_));
        return plain.then(|| "what listens there speaks no TLS: is it http://?".into());
    };
    Some(match certificate {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "the certificate is not for {}; a bucket with dots in its name needs path_style = true",
                origin.host()
            )
        }
        CertificateError::UnknownIssuer => {
            "its authority is not among the system's: add it to the system's roots (SSL_CERT_FILE)".into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the origin's certificate has expired".into()
        }
        // The verifier's own error, which no variant names.
        CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
            "it is an authority's certificate (CA:TRUE), as `openssl req -x509` makes them, and no server may use one: make it \
             with -addext basicConstraints=critical,CA:FALSE and add it to the system's roots (SSL_CERT_FILE)"
                .into()
        }
        _ => return None,
    })
}

/// The errors beneath this one, the nearest first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(beneath(error), |error| beneath(*error))
}

/// An `io::Error` names as its source not what it holds but the source of that.
fn beneath<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => Some(held),
        None => error.source(),
    }
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_have_a_way_out() {
        let text = "[origins.a]\nkind = 's3'\nbucket = 'photos'\nregion = 'eu-west-1'\n";
        let all = safelight_chassis::config::read(text, super::super::super::config::read).unwrap();
        let authority = rustls::OtherError(std::sync::Arc::new(io::Error::other("CaUsedAsEndEntity")));
        for (error, words) in [
            (TlsError::InvalidCertificate(CertificateError::NotValidForName), "path_style"),
            (TlsError::InvalidCertificate(CertificateError::UnknownIssuer), "roots"),
            (TlsError::InvalidCertificate(CertificateError::Expired), "expired"),
            (TlsError::InvalidCertificate(CertificateError::Other(authority)), "CA:FALSE"),
            (TlsError::InvalidMessage(rustls::InvalidMessage::InvalidContentType), "http://"),
        ] {
            // As the client passes it on: an `io::Error` that holds it.
            let error = io::Error::other(io::Error::other(error));
            let found = find::<TlsError>(&Outer(error)).cloned().unwrap();
            assert!(tls_hint(&found, &all["a"]).unwrap().contains(words), "{found}");
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("sending to a URL")]
    struct Outer(#[source] io::Error);
}
