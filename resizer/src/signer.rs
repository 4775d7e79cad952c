//! The signer over gRPC, as the use cases ask it.

use std::{sync::Arc, time::Duration};

use safelight_client::{
    self as client, Authorization, Judged, OriginRequest, PresentedUrl, SignerClient, Verification,
};
use safelight_proto::signer::v1::{
    AuthorizeUploadPartsRequest, AuthorizeUploadPartsResponse, AuthorizeUploadRequest,
    AuthorizeUploadResponse, BeginUploadRequest, BeginUploadResponse, Delivery, EndUploadTaskRequest,
    FinishUploadRequest, FinishUploadResponse, Header, TakeUploadTasksRequest, UploadRule, UploadTask,
};

use tokio::sync::Semaphore;

use crate::app::{Context, Signer, signer::Answer};

/// Calls about uploads at once: each waits for the signer's store, which takes 64 from all resizers together and refuses more.
const UPLOAD_CALLS: usize = 24;

/// The signer that the configuration names.
#[derive(Debug, Clone)]
pub struct RemoteSigner {
    client: SignerClient,
    timeout: Duration,
    uploads: Arc<Semaphore>,
}

impl RemoteSigner {
    /// Asks through `client`, and waits at most `timeout` for each answer.
    #[must_use]
    pub fn new(client: SignerClient, timeout: Duration) -> Self {
        Self { client, timeout, uploads: Arc::new(Semaphore::new(UPLOAD_CALLS)) }
    }

    /// Makes a call about an upload in its turn. Waiting for that has a part in the request's time, and none in the signer's.
    async fn in_turn<T>(&self, context: &Context, call: impl AsyncFnOnce(client::Context) -> T) -> T {
        // Never closed. Who has waited too long has no time left for the call, and is told so by it.
        let _turn = tokio::time::timeout(context.remaining(), self.uploads.acquire()).await;
        call(self.context(context)).await
    }

    fn context(&self, context: &Context) -> client::Context {
        let mut call = client::Context::within(self.timeout.min(context.remaining()));
        if let Some(id) = &context.request_id {
            call = call.request_id(id);
        }
        if let Some(parent) = &context.trace_parent {
            call = call.traceparent(parent);
        }
        call
    }
}

impl Signer for RemoteSigner {
    fn verify_url<'a>(
        &'a self,
        key: &'a str,
        url: PresentedUrl<'a>,
        context: &'a Context,
    ) -> Answer<'a, Verification> {
        Box::pin(self.client.verify_url(key, url, self.context(context)))
    }

    fn authorize_delivery<'a>(
        &'a self,
        digest: &'a str,
        url: PresentedUrl<'a>,
        context: &'a Context,
    ) -> Answer<'a, Authorization> {
        Box::pin(self.client.authorize_delivery(digest, url, self.context(context)))
    }

    fn list_deliveries<'a>(&'a self, context: &'a Context) -> Answer<'a, Vec<Delivery>> {
        Box::pin(self.client.list_deliveries(self.context(context)))
    }

    fn begin_upload<'a>(
        &'a self,
        request: BeginUploadRequest,
        context: &'a Context,
    ) -> Answer<'a, Judged<BeginUploadResponse>> {
        Box::pin(self.in_turn(context, async |context| self.client.begin_upload(request, context).await))
    }

    fn authorize_upload<'a>(
        &'a self,
        request: AuthorizeUploadRequest,
        context: &'a Context,
    ) -> Answer<'a, Judged<AuthorizeUploadResponse>> {
        Box::pin(self.in_turn(context, async |context| self.client.authorize_upload(request, context).await))
    }

    fn authorize_upload_parts<'a>(
        &'a self,
        request: AuthorizeUploadPartsRequest,
        context: &'a Context,
    ) -> Answer<'a, Judged<AuthorizeUploadPartsResponse>> {
        Box::pin(
            self.in_turn(context, async |context| self.client.authorize_upload_parts(request, context).await),
        )
    }

    fn finish_upload<'a>(
        &'a self,
        request: FinishUploadRequest,
        context: &'a Context,
    ) -> Answer<'a, FinishUploadResponse> {
        Box::pin(self.in_turn(context, async |context| self.client.finish_upload(request, context).await))
    }

    fn take_upload_tasks<'a>(
        &'a self,
        request: TakeUploadTasksRequest,
        context: &'a Context,
    ) -> Answer<'a, Vec<UploadTask>> {
        Box::pin(self.in_turn(context, async |context| self.client.take_upload_tasks(request, context).await))
    }

    fn end_upload_task<'a>(&'a self, request: EndUploadTaskRequest, context: &'a Context) -> Answer<'a, ()> {
        Box::pin(self.in_turn(context, async |context| self.client.end_upload_task(request, context).await))
    }

    fn list_upload_rules<'a>(&'a self, context: &'a Context) -> Answer<'a, Vec<UploadRule>> {
        Box::pin(self.client.list_upload_rules(self.context(context)))
    }

    fn sign_request<'a>(
        &'a self,
        request: OriginRequest<'a>,
        context: &'a Context,
    ) -> Answer<'a, Vec<Header>> {
        Box::pin(self.client.sign_origin_request(request, self.context(context)))
    }
}
