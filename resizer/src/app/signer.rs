//! What is asked of the signer.

use std::{fmt, net::IpAddr, pin::Pin};

use safelight_client::{OriginRequest, SignerError, Verification};
use safelight_proto::signer::v1::Header;

use super::Context;

/// An answer of the signer, to be awaited.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SignerError>> + Send + 'a>>;

/// A URL as its viewer asked for it.
#[derive(Clone, Copy)]
pub struct PresentedUrl<'a> {
    /// Name of the signer's key.
    pub key: &'a str,
    /// Path and query, byte for byte.
    pub target: &'a str,
    /// Scheme and authority; `None` when not known.
    pub origin: Option<&'a str>,
    /// The viewer's address; `None` when not known.
    pub client: Option<IpAddr>,
    /// The viewer's `Cookie` header; empty when there is none.
    pub cookies: &'a str,
}

/// The signer, as the use cases need it. An error is never an authorization.
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// Whether the URL's signature holds.
    fn verify_url<'a>(&'a self, url: PresentedUrl<'a>, context: &'a Context) -> Answer<'a, Verification>;

    /// The headers that authorize one request at an S3 origin.
    fn sign_request<'a>(
        &'a self,
        request: OriginRequest<'a>,
        context: &'a Context,
    ) -> Answer<'a, Vec<Header>>;
}
