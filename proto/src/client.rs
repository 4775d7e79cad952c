//! Typed clients: what a caller of the signer wants to know, as a `Result` that cannot be misread.
//!
//! A bad signature is [`Verification::Refused`], never an `Ok` that somebody forgets to look into.

mod connect;

use std::time::{Duration, SystemTime};

use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

pub use connect::Credentials;

use crate::{
    reason,
    signer::v1::{
        Header, Reason, SignOriginRequestRequest, Verdict, VerifyUrlRequest, VerifyUrlResponse,
        signer_service_client::SignerServiceClient, verifier_service_client::VerifierServiceClient,
    },
};

/// Finds a dead signer behind an idle connection before a request does.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The endpoint is not an http or https URI.
    #[error("not an http or https endpoint")]
    Endpoint,
    /// A file of the credentials cannot be used: which, and why.
    #[error("{0}")]
    Credentials(String),
}

/// Why the signer gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// It could not be reached in time, or is shutting down.
    #[error("the signer is unavailable ({0:?})")]
    Unavailable(Code),
    /// It refused the request: the reason it gave.
    #[error("the signer refused the request ({0})")]
    Refused(String),
}

impl From<Status> for SignerError {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::InvalidArgument
            | Code::NotFound
            | Code::FailedPrecondition
            | Code::PermissionDenied
            | Code::Unauthenticated => {
                Self::Refused(reason::of(&status).unwrap_or_else(|| format!("{:?}", status.code())))
            }
            code => Self::Unavailable(code),
        }
    }
}

/// What the signer says of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Authentic and in time.
    Valid {
        /// The target without its signature: act on this and nothing else.
        target: String,
        /// When the URL expires, if it does.
        expires: Option<SystemTime>,
        /// The key version that signed.
        key_version: u32,
    },
    /// Anything else, and why (for logs).
    Refused(&'static str),
}

impl From<VerifyUrlResponse> for Verification {
    fn from(answer: VerifyUrlResponse) -> Self {
        match answer.verdict() {
            Verdict::Valid => Self::Valid {
                target: answer.authenticated_target,
                expires: answer.expire_time.and_then(|t| SystemTime::try_from(t).ok()),
                key_version: answer.key_version,
            },
            Verdict::Invalid | Verdict::Unspecified => {
                Self::Refused(Reason::try_from(answer.reason).unwrap_or(Reason::Unspecified).as_str_name())
            }
        }
    }
}

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

/// A lazily connected client of the signer. Cheap to clone; reconnects by itself.
#[derive(Debug, Clone)]
pub struct SignerClient {
    signer: SignerServiceClient<Channel>,
    verifier: VerifierServiceClient<Channel>,
    /// `authorization`, if there is a token. Marked sensitive: shown nowhere.
    token: Option<MetadataValue<Ascii>>,
}

impl SignerClient {
    /// Prepares a client; the first call connects. Certificates are read anew for every connection, the token once.
    ///
    /// # Errors
    /// `endpoint` is not an http or https URI, or a file of the credentials cannot be used.
    pub fn connect_lazy(endpoint: &str, credentials: &Credentials) -> Result<Self, ConnectError> {
        let endpoint = Endpoint::from_shared(endpoint.to_owned()).map_err(|_| ConnectError::Endpoint)?;
        if !matches!(endpoint.uri().scheme_str(), Some("http" | "https")) {
            return Err(ConnectError::Endpoint);
        }
        let channel = endpoint
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_with_connector_lazy(credentials.connector()?);
        Ok(Self {
            signer: SignerServiceClient::new(channel.clone()),
            verifier: VerifierServiceClient::new(channel),
            token: credentials.token()?,
        })
    }

    /// Asks whether the signature of `target` (path and query as received) holds. Without the origin (`https://host`) it does
    /// not for keys that are bound to hosts, nor for schemes that sign the host.
    ///
    /// # Errors
    /// [`SignerError`] when there is no answer within `timeout`: nothing may be delivered then.
    pub async fn verify_url(
        &self,
        key: &str,
        origin: Option<&str>,
        target: &str,
        timeout: Duration,
    ) -> Result<Verification, SignerError> {
        let request = VerifyUrlRequest {
            key: key.to_owned(),
            request_target: target.to_owned(),
            origin: origin.unwrap_or_default().to_owned(),
            ..VerifyUrlRequest::default()
        };
        let ask = || {
            let (mut verifier, request) = (self.verifier.clone(), self.prepare(request.clone(), timeout));
            async move { verifier.verify_url(request).await }
        };
        Ok(twice(ask).await?.into_inner().into())
    }

    /// Asks for the headers that authorise a request at an S3 origin.
    ///
    /// # Errors
    /// [`SignerError`] when there is no answer within `timeout`, or the signer refuses.
    pub async fn sign_origin_request(
        &self,
        request: OriginRequest<'_>,
        timeout: Duration,
    ) -> Result<Vec<Header>, SignerError> {
        let request = SignOriginRequestRequest {
            key: request.key.to_owned(),
            method: request.method.to_owned(),
            url: request.url.to_owned(),
            region: request.region.to_owned(),
            ..Default::default()
        };
        let ask = || {
            let (mut signer, request) = (self.signer.clone(), self.prepare(request.clone(), timeout));
            async move { signer.sign_origin_request(request).await }
        };
        Ok(twice(ask).await?.into_inner().headers)
    }
}

impl SignerClient {
    /// A request with its `grpc-timeout`, which tonic's channel also enforces on this side, and the caller's token.
    fn prepare<T>(&self, message: T, timeout: Duration) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(timeout);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }
}

/// Asks once more, at once, where the first call was not taken: by a signer that was about to stop, or of a burst on
/// a new connection, where more calls are begun than the server takes before it could say how many (HTTP/2's
/// REFUSED_STREAM). The signer's answers have no effects, so nothing happens twice.
async fn twice<T, F: Future<Output = Result<T, Status>>>(call: impl Fn() -> F) -> Result<T, Status> {
    match call().await {
        Err(status) if status.code() == Code::Unavailable => call().await,
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pitfall_23_only_a_valid_verdict_is_valid() {
        let target = "/p".to_owned();
        let answer = |verdict| VerifyUrlResponse {
            verdict,
            authenticated_target: target.clone(),
            ..Default::default()
        };
        assert_eq!(
            Verification::from(answer(Verdict::Valid.into())),
            Verification::Valid { target: target.clone(), expires: None, key_version: 0 }
        );
        // Nothing said, refused, and what a newer signer may say.
        for verdict in [0, Verdict::Invalid.into(), 3, -1] {
            assert_eq!(Verification::from(answer(verdict)), Verification::Refused("REASON_UNSPECIFIED"));
        }
    }
}
