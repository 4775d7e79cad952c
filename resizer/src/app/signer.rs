//! What is asked of the signer.

use std::{fmt, pin::Pin};

use safelight_client::{Authorization, OriginRequest, PresentedUrl, SignerError, Verification};
use safelight_proto::signer::v1::{Delivery, Header};

use super::Context;

/// An answer of the signer, to be awaited.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SignerError>> + Send + 'a>>;

/// The signer, as the use cases need it. An error is never an authorization.
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// Whether the URL's signature holds for a key.
    fn verify_url<'a>(
        &'a self,
        key: &'a str,
        url: PresentedUrl<'a>,
        context: &'a Context,
    ) -> Answer<'a, Verification>;

    /// Whether the URL holds, and the fetch of the object that it names, for the delivery with this digest.
    fn authorize_delivery<'a>(
        &'a self,
        digest: &'a str,
        url: PresentedUrl<'a>,
        context: &'a Context,
    ) -> Answer<'a, Authorization>;

    /// The deliveries that the signer knows.
    fn list_deliveries<'a>(&'a self, context: &'a Context) -> Answer<'a, Vec<Delivery>>;

    /// The headers that authorize one request at an S3 origin.
    fn sign_request<'a>(
        &'a self,
        request: OriginRequest<'a>,
        context: &'a Context,
    ) -> Answer<'a, Vec<Header>>;
}
