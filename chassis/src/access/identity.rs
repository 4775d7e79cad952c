//! The caller that a certificate names.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::Caller;

/// The caller that a verified certificate names: its first URI (a SPIFFE ID has exactly one).
pub(crate) fn caller(certificate: &CertificateDer<'_>) -> Option<Caller> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    certificate.valid_uri_names().next().map(Caller::new)
}
