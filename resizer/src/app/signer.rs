//! What is asked of the signer.

use std::{fmt, pin::Pin};

use safelight_client::{Authorization, Judged, OriginRequest, PresentedUrl, SignerError, Verification};
use safelight_proto::signer::v1::{
    AuthorizeUploadPartsRequest, AuthorizeUploadPartsResponse, AuthorizeUploadRequest,
    AuthorizeUploadResponse, BeginUploadRequest, BeginUploadResponse, Delivery, EndUploadTaskRequest,
    FinishUploadRequest, FinishUploadResponse, Header, TakeUploadTasksRequest, UploadRule, UploadTask,
};

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

    /// Begins an upload: what may be stored.
    fn begin_upload<'a>(
        &'a self,
        request: BeginUploadRequest,
        context: &'a Context,
    ) -> Answer<'a, Judged<BeginUploadResponse>>;

    /// The requests that store a file.
    fn authorize_upload<'a>(
        &'a self,
        request: AuthorizeUploadRequest,
        context: &'a Context,
    ) -> Answer<'a, Judged<AuthorizeUploadResponse>>;

    /// The rest of the requests that store a file in parts.
    fn authorize_upload_parts<'a>(
        &'a self,
        request: AuthorizeUploadPartsRequest,
        context: &'a Context,
    ) -> Answer<'a, Judged<AuthorizeUploadPartsResponse>>;

    /// Says what has become of an upload.
    fn finish_upload<'a>(
        &'a self,
        request: FinishUploadRequest,
        context: &'a Context,
    ) -> Answer<'a, FinishUploadResponse>;

    /// Takes tasks that are left of uploads.
    fn take_upload_tasks<'a>(
        &'a self,
        request: TakeUploadTasksRequest,
        context: &'a Context,
    ) -> Answer<'a, Vec<UploadTask>>;

    /// Says what came of one.
    fn end_upload_task<'a>(&'a self, request: EndUploadTaskRequest, context: &'a Context) -> Answer<'a, ()>;

    /// The upload rules that the signer knows.
    fn list_upload_rules<'a>(&'a self, context: &'a Context) -> Answer<'a, Vec<UploadRule>>;

    /// The headers that authorize one request at an S3 origin.
    fn sign_request<'a>(
        &'a self,
        request: OriginRequest<'a>,
        context: &'a Context,
    ) -> Answer<'a, Vec<Header>>;
}
