//! The methods of the signer that a service of ours calls.

use std::{net::IpAddr, sync::Arc};

use safelight_proto::signer::v1::{
    AuthorizeDeliveryRequest, AuthorizeUploadPartsRequest, AuthorizeUploadPartsResponse,
    AuthorizeUploadRequest, AuthorizeUploadResponse, BeginUploadRequest, BeginUploadResponse, Delivery,
    EndUploadTaskRequest, FinishUploadRequest, FinishUploadResponse, Header, ListDeliveriesRequest,
    ListUploadRulesRequest, SignOriginRequestRequest, TakeUploadTasksRequest, UploadRule, UploadTask,
    VerifyUrlRequest, signer_service_client::SignerServiceClient, upload_service_client::UploadServiceClient,
    verifier_service_client::VerifierServiceClient,
};

use crate::{
    Authorization, ConnectError, Context, Credentials, Judged, SignerError, Verification,
    call::Caller,
    resolve::{Dns, Resolve},
};

/// A URL as its viewer asked for it. Without `Debug`: it holds a signature.
#[derive(Clone, Copy, Default)]
pub struct PresentedUrl<'a> {
    /// Path and query, byte for byte.
    pub target: &'a str,
    /// Scheme and authority, as in `https://img.example.com`. Without it a URL does not hold for keys that are bound to
    /// hosts, nor for schemes that sign the host.
    pub origin: Option<&'a str>,
    /// The viewer's address; `None` when not known.
    pub client: Option<IpAddr>,
    /// The viewer's `Cookie` header; empty when there is none.
    pub cookies: &'a str,
}

impl<'a> From<&'a str> for PresentedUrl<'a> {
    /// A path and query, and nothing else known.
    fn from(target: &'a str) -> Self {
        Self { target, ..Self::default() }
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
    /// Further headers that are signed; they are sent beside those of the answer.
    pub headers: &'a [(&'a str, &'a str)],
    /// Lower-case hex SHA-256 of the body; empty where there is none.
    pub body_sha256: &'a str,
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

    /// Asks whether the URL's signature holds.
    ///
    /// # Errors
    /// [`SignerError`] when there is no answer in time: nothing may be delivered then.
    pub async fn verify_url(
        &self,
        key: &str,
        url: impl Into<PresentedUrl<'_>> + Send,
        context: impl Into<Context>,
    ) -> Result<Verification, SignerError> {
        let url = url.into();
        let message = VerifyUrlRequest {
            key: key.to_owned(),
            request_target: url.target.to_owned(),
            origin: url.origin.unwrap_or_default().to_owned(),
            client_ip: url.client.map(|address| address.to_string()).unwrap_or_default(),
            cookies: url.cookies.to_owned(),
        };
        let answer = self.caller.call(context.into(), message, async |wire, origin, request| {
            VerifierServiceClient::with_origin(wire, origin).verify_url(request).await
        });
        Ok(answer.await?.into())
    }

    /// Asks whether the URL holds, and for the fetch of exactly the object that it names. `digest` says which delivery.
    ///
    /// # Errors
    /// [`SignerError`] when there is no answer in time, or the signer refuses: nothing may be delivered then.
    pub async fn authorize_delivery(
        &self,
        digest: &str,
        url: impl Into<PresentedUrl<'_>> + Send,
        context: impl Into<Context>,
    ) -> Result<Authorization, SignerError> {
        let url = url.into();
        let message = AuthorizeDeliveryRequest {
            delivery_digest: digest.to_owned(),
            request_target: url.target.to_owned(),
            origin: url.origin.unwrap_or_default().to_owned(),
            client_ip: url.client.map(|address| address.to_string()).unwrap_or_default(),
            cookies: url.cookies.to_owned(),
            method: String::new(),
        };
        let answer = self.caller.call(context.into(), message, async |wire, origin, request| {
            VerifierServiceClient::with_origin(wire, origin).authorize_delivery(request).await
        });
        Ok(answer.await?.into())
    }

    /// Asks for all deliveries that the signer knows and this caller may use.
    ///
    /// # Errors
    /// [`SignerError`] when there is no answer in time, or the signer refuses.
    pub async fn list_deliveries(&self, context: impl Into<Context>) -> Result<Vec<Delivery>, SignerError> {
        let context = context.into();
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let message = ListDeliveriesRequest { page_size: 0, page_token };
            let answer = self.caller.call(context.clone(), message, async |wire, origin, request| {
                VerifierServiceClient::with_origin(wire, origin).list_deliveries(request).await
            });
            let page = answer.await?;
            all.extend(page.deliveries);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            page_token = page.next_page_token;
        }
    }

    /// Begins an upload: asks what may be stored, and has a token reserved.
    ///
    /// # Errors
    /// [`SignerError`] when there is no answer in time, or the signer refuses: nothing may be stored then.
    pub async fn begin_upload(
        &self,
        message: BeginUploadRequest,
        context: impl Into<Context>,
    ) -> Result<Judged<BeginUploadResponse>, SignerError> {
        let answer = self.caller.call(context.into(), message, async |wire, origin, request| {
            UploadServiceClient::with_origin(wire, origin).begin_upload(request).await
        });
        let answer = answer.await?;
        Ok(Judged::of(answer.verdict(), answer.reason, answer))
    }

    /// Asks for the requests that store a file.
    ///
    /// # Errors
    /// As [`Self::begin_upload`].
    pub async fn authorize_upload(
        &self,
        message: AuthorizeUploadRequest,
        context: impl Into<Context>,
    ) -> Result<Judged<AuthorizeUploadResponse>, SignerError> {
        let answer = self.caller.call(context.into(), message, async |wire, origin, request| {
            UploadServiceClient::with_origin(wire, origin).authorize_upload(request).await
        });
        let answer = answer.await?;
        Ok(Judged::of(answer.verdict(), answer.reason, answer))
    }

    /// Asks for the rest of the requests that store a file in parts.
    ///
    /// # Errors
    /// As [`Self::begin_upload`].
    pub async fn authorize_upload_parts(
        &self,
        message: AuthorizeUploadPartsRequest,
        context: impl Into<Context>,
    ) -> Result<Judged<AuthorizeUploadPartsResponse>, SignerError> {
        let answer = self.caller.call(context.into(), message, async |wire, origin, request| {
            UploadServiceClient::with_origin(wire, origin).authorize_upload_parts(request).await
        });
        let answer = answer.await?;
        Ok(Judged::of(answer.verdict(), answer.reason, answer))
    }

    /// Says what has become of an upload.
    ///
    /// # Errors
    /// [`SignerError`]: whether the signer knows is then not known.
    pub async fn finish_upload(
        &self,
        message: FinishUploadRequest,
        context: impl Into<Context>,
    ) -> Result<FinishUploadResponse, SignerError> {
        let answer = self.caller.call(context.into(), message, async |wire, origin, request| {
            UploadServiceClient::with_origin(wire, origin).finish_upload(request).await
        });
        answer.await
    }

    /// Takes tasks that are left of uploads.
    ///
    /// # Errors
    /// [`SignerError`]: some may have been taken all the same, and come again.
    pub async fn take_upload_tasks(
        &self,
        message: TakeUploadTasksRequest,
        context: impl Into<Context>,
    ) -> Result<Vec<UploadTask>, SignerError> {
        let answer = self.caller.call(context.into(), message, async |wire, origin, request| {
            UploadServiceClient::with_origin(wire, origin).take_upload_tasks(request).await
        });
        Ok(answer.await?.tasks)
    }

    /// Says what came of a task.
    ///
    /// # Errors
    /// [`SignerError`]: the task may come again.
    pub async fn end_upload_task(
        &self,
        message: EndUploadTaskRequest,
        context: impl Into<Context>,
    ) -> Result<(), SignerError> {
        let answer = self.caller.call(context.into(), message, async |wire, origin, request| {
            UploadServiceClient::with_origin(wire, origin).end_upload_task(request).await
        });
        answer.await.map(|_| ())
    }

    /// Asks for all upload rules that the signer knows and this caller may use.
    ///
    /// # Errors
    /// [`SignerError`] when there is no answer in time, or the signer refuses.
    pub async fn list_upload_rules(
        &self,
        context: impl Into<Context>,
    ) -> Result<Vec<UploadRule>, SignerError> {
        let context = context.into();
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let message = ListUploadRulesRequest { page_size: 0, page_token };
            let answer = self.caller.call(context.clone(), message, async |wire, origin, request| {
                UploadServiceClient::with_origin(wire, origin).list_upload_rules(request).await
            });
            let page = answer.await?;
            all.extend(page.rules);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            page_token = page.next_page_token;
        }
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
            headers: request
                .headers
                .iter()
                .map(|(name, value)| Header { name: (*name).to_owned(), value: (*value).to_owned() })
                .collect(),
            body_sha256: request.body_sha256.to_owned(),
            ..Default::default()
        };
        let answer = self.caller.call(context.into(), message, async |wire, origin, request| {
            SignerServiceClient::with_origin(wire, origin).sign_origin_request(request).await
        });
        Ok(answer.await?.headers)
    }
}
