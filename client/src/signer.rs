//! The methods of the signer that a service of ours calls.

use std::sync::Arc;

use safelight_proto::signer::v1::{
    Header, SignOriginRequestRequest, VerifyUrlRequest, signer_service_client::SignerServiceClient,
    verifier_service_client::VerifierServiceClient,
};

use crate::{
    ConnectError, Context, Credentials, SignerError, Verification,
    call::Caller,
    resolve::{Dns, Resolve},
};

/// What is to be signed for an origin.
#[derive(Debug, Clone, Copy)]
pub struct OriginRequest<'a> {
    /// Name of the signer's key.
    pub key: &'a str,
    /// HTTP method.
    pub method: &'a str,
    /// Absolute URL, its path percent-encoded once.
    pub url: &'a str,
    /// The bucket's region.
    pub region: &'a str,
}

/// A lazily connected client of the signer, balanced over all its addresses. Cheap to clone; reconnects by itself.
#[derive(Debug, Clone)]
pub struct SignerClient {
    caller: Arc<Caller>,
}

impl SignerClient {
    /// Prepares a client; the first call connects. Certificates are read anew for every connection, the token when its
    /// file changes. Calls need a tokio runtime.
    ///
    /// # Errors
    /// `endpoint` is not an http or https URI, or a file of the credentials cannot be used.
    pub fn connect_lazy(endpoint: &str, credentials: &Credentials) -> Result<Self, ConnectError> {
        Self::with_resolver(endpoint, credentials, Arc::new(Dns))
    }

    /// The same with another way from the endpoint's name to addresses.
    ///
    /// # Errors
    /// As [`Self::connect_lazy`].
    pub fn with_resolver(
        endpoint: &str,
        credentials: &Credentials,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, ConnectError> {
        Ok(Self { caller: Arc::new(Caller::new(endpoint, credentials, resolver)?) })
    }

    /// Asks whether the signature of `target` (path and query as received) holds. Without the origin (`https://host`) it does
    /// not for keys that are bound to hosts, nor for schemes that sign the host.
    ///
    /// # Errors
    /// [`SignerError`] when there is no answer in time: nothing may be delivered then.
    pub async fn verify_url(
        &self,
        key: &str,
        origin: Option<&str>,
        target: &str,
        context: impl Into<Context>,
    ) -> Result<Verification, SignerError> {
        let message = VerifyUrlRequest {
            key: key.to_owned(),
            request_target: target.to_owned(),
            origin: origin.unwrap_or_default().to_owned(),
            ..VerifyUrlRequest::default()
        };
        let answer = self.caller.call(context.into(), message, async |wire, origin, request| {
            VerifierServiceClient::with_origin(wire, origin).verify_url(request).await
        });
        Ok(answer.await?.into())
    }

    /// Asks for the headers that authorise a request at an S3 origin.
    ///
    /// # Errors
    /// [`SignerError`] when there is no answer in time, or the signer refuses.
    pub async fn sign_origin_request(
        &self,
        request: OriginRequest<'_>,
        context: impl Into<Context>,
    ) -> Result<Vec<Header>, SignerError> {
        let message = SignOriginRequestRequest {
            key: request.key.to_owned(),
            method: request.method.to_owned(),
            url: request.url.to_owned(),
            region: request.region.to_owned(),
            ..Default::default()
        };
        let answer = self.caller.call(context.into(), message, async |wire, origin, request| {
            SignerServiceClient::with_origin(wire, origin).sign_origin_request(request).await
        });
        Ok(answer.await?.headers)
    }
}
