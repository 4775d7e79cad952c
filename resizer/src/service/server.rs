//! The methods of `ResizerService`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use safelight_chassis::{
    access::Denied,
    deadline::Deadline,
    request_id::{RequestId, TraceParent},
};
use safelight_image::accept::Accepts;
use safelight_proto::{
    page::page,
    reason::{CallError, Reason},
    resizer::v1::{
        DeleteObjectRequest, DeleteObjectResponse, DeliverRequest, DeliverResponse, InspectRequest,
        InspectResponse, ListVariantsRequest, ListVariantsResponse, PurgeObjectRequest, PurgeObjectResponse,
        ResizeObjectRequest, ResizeObjectResponse, ResizeRequest, ResizeResponse, StoreRequest,
        StoreResponse, UpdateObjectRequest, UpdateObjectResponse, UploadSource, inspect_open,
        resizer_service_server::ResizerService,
    },
};
use tonic::{Request, Response, Status, Streaming};

use super::{answer, permits::permits, translate, upload};
use crate::{
    app::{
        App, Context,
        context::DEFAULT_DEADLINE,
        deliver::{Asked, Content, Delivered},
        error,
        fetch::{Fetched, Object},
        ingest::Received,
        objects::Named,
        render::{Source, Work},
    },
    delivery::{Hints, Target},
    transfer::send::Receiver,
};

/// The handlers.
#[derive(Debug, Clone)]
pub(super) struct Handlers {
    app: Arc<App>,
}

impl Handlers {
    pub(super) const fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl ResizerService for Handlers {
    type ResizeStream = Receiver<ResizeResponse, Status>;
    type ResizeObjectStream = Receiver<ResizeObjectResponse, Status>;
    type DeliverStream = Receiver<DeliverResponse, Status>;

    async fn resize(
        &self,
        mut request: Request<Streaming<ResizeRequest>>,
    ) -> Result<Response<Self::ResizeStream>, Status> {
        let app = &self.app;
        let context = context(&request);
        let permits = permits(&mut request)?;
        let place = app.enter()?;
        let mut stream = request.into_inner();
        let open = upload::open(&mut stream).await?;
        let orders = translate::orders(open.outputs, app.max_outputs())?;
        let started = Instant::now();
        let (bytes, reserved) = upload::receive(&mut stream, app, open.declared_length).await?;
        let source =
            Source { bytes: bytes.into(), reserved, place, receive: started.elapsed(), signer: None };
        let accepts = Accepts::from_header(&open.accept);
        let work = Content::ToMake(Work { source, orders, accepts, bounds: permits.bounds() });
        Ok(Response::new(answer::stream(Arc::clone(app), work, context, || None)))
    }

    async fn resize_object(
        &self,
        mut request: Request<ResizeObjectRequest>,
    ) -> Result<Response<Self::ResizeObjectStream>, Status> {
        let app = &self.app;
        let context = context(&request);
        let permits = permits(&mut request)?;
        let place = app.enter()?;
        let request = request.into_inner();
        let orders = translate::orders(request.outputs, app.max_outputs())?;
        let object = request.source.ok_or_else(|| CallError::field("source", "is required"))?;
        let caller = translate::caller_headers(object.caller_headers.as_ref(), "source.")?;
        let object = Object { origin: &object.origin, key: &object.key, caller: &caller };
        let Fetched { source, bounds, .. } = app.fetch(object, &permits, place, &context).await?;
        let accepts = Accepts::from_header(&request.accept);
        let work = Content::ToMake(Work { source, orders, accepts, bounds });
        Ok(Response::new(answer::stream(Arc::clone(app), work, context, || None)))
    }

    async fn deliver(
        &self,
        mut request: Request<DeliverRequest>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let app = &self.app;
        let context = context(&request);
        let permits = permits(&mut request)?;
        let place = app.enter()?;
        let request = request.into_inner();
        let caller = translate::caller_headers(request.caller_headers.as_ref(), "")?;
        let target = Target::of(&request.url).map_err(error::target)?;
        let resolved = app.resolve(target, Hints::default())?;
        let asked = Asked {
            target,
            accept: &request.accept,
            if_none_match: &request.if_none_match,
            if_modified_since: None,
            client: translate::client_ip(&request.client_ip)?,
            cookies: &request.cookies,
            caller: &caller,
            share_publicly: request.share_publicly,
        };
        let delivered = app.deliver(&resolved, asked, &permits, place, &context).await?;
        Ok(Response::new(match delivered {
            Delivered::Picture(head, content) => {
                let content = *content;
                answer::stream(Arc::clone(app), content, context, move || {
                    Some(translate::delivery(&head, translate::DeliveryOutcome::Ok))
                })
            }
            Delivered::NotModified(head) => {
                answer::only(translate::delivery(&head, translate::DeliveryOutcome::NotModified))
            }
        }))
    }

    async fn inspect(
        &self,
        mut request: Request<Streaming<InspectRequest>>,
    ) -> Result<Response<InspectResponse>, Status> {
        let app = &self.app;
        let context = context(&request);
        let permits = permits(&mut request)?;
        let place = app.enter()?;
        let mut stream = request.into_inner();
        let open = upload::open(&mut stream).await?;
        let mut stat = None;
        let source = match open.source {
            Some(inspect_open::Source::Object(object)) => {
                let caller = translate::caller_headers(object.caller_headers.as_ref(), "open.object.")?;
                let object = Object { origin: &object.origin, key: &object.key, caller: &caller };
                let fetched = app.fetch(object, &permits, place, &context).await?;
                stat = Some(fetched.stat);
                fetched.source
            }
            Some(inspect_open::Source::Upload(UploadSource { declared_length })) => {
                let (bytes, reserved) = upload::receive(&mut stream, app, declared_length).await?;
                Source { bytes: bytes.into(), reserved, place, receive: Duration::ZERO, signer: None }
            }
            None => return Err(CallError::field("open.source", "is required").into()),
        };
        let info = app.inspect(source.bytes.clone(), &context).await?;
        let described = stat.map(|stat| translate::described(&stat)).unwrap_or_default();
        Ok(Response::new(InspectResponse { image: Some(translate::image_info(&info)), ..described }))
    }

    async fn update_object(
        &self,
        mut request: Request<UpdateObjectRequest>,
    ) -> Result<Response<UpdateObjectResponse>, Status> {
        let context = context(&request);
        let permits = permits(&mut request)?;
        let (object, changes) = translate::object_changes(request.into_inner())?;
        let updated = self.app.update(object, changes, &permits, &context).await?;
        Ok(Response::new(translate::updated(updated)))
    }

    async fn delete_object(
        &self,
        mut request: Request<DeleteObjectRequest>,
    ) -> Result<Response<DeleteObjectResponse>, Status> {
        let context = context(&request);
        let permits = permits(&mut request)?;
        let DeleteObjectRequest { origin, key, if_match } = request.into_inner();
        let if_match = translate::if_match(if_match)?;
        self.app.delete(Named { origin, key }, if_match, &permits, &context).await?;
        Ok(Response::new(DeleteObjectResponse {}))
    }

    async fn purge_object(
        &self,
        mut request: Request<PurgeObjectRequest>,
    ) -> Result<Response<PurgeObjectResponse>, Status> {
        let context = context(&request);
        let permits = permits(&mut request)?;
        let PurgeObjectRequest { origin, key } = request.into_inner();
        self.app.purge(&origin, &key, &permits, &context).await?;
        Ok(Response::new(PurgeObjectResponse {}))
    }

    async fn store(
        &self,
        mut request: Request<Streaming<StoreRequest>>,
    ) -> Result<Response<StoreResponse>, Status> {
        let app = &self.app;
        let context = context(&request);
        let mut permits = permits(&mut request)?;
        let place = app.enter()?;
        let mut stream = request.into_inner();
        let mut open = upload::open(&mut stream).await?;
        permits.upload(&open.upload).map_err(Denied::refuse)?;
        let (declared, filename) = (open.declared_length, std::mem::take(&mut open.filename));
        let wish = translate::store_wish(open, app.uploads())?;
        let mut begun = app.begin(wish, place, &context).await?;
        let received = upload::receive_to_store(&mut stream, &mut begun, declared).await;
        if let Err(status) = &received {
            // Before the answer: who tries again at once finds the token free.
            let reason = safelight_proto::reason::of(status);
            begun.refuse(reason.as_deref().unwrap_or(Reason::UploadIncomplete.as_str())).await;
        }
        let (bytes, reserved) = received?;
        let stored = begun.store(Received { bytes, reserved, filename }, context).await?;
        Ok(Response::new(translate::stored(stored)))
    }

    async fn list_variants(
        &self,
        request: Request<ListVariantsRequest>,
    ) -> Result<Response<ListVariantsResponse>, Status> {
        let ListVariantsRequest { page_size, page_token } = request.into_inner();
        let (variants, next_page_token) = page(&self.app.delivery().variants, page_size, &page_token);
        let variants =
            variants.into_iter().map(|(name, variant)| translate::variant(name, variant)).collect();
        Ok(Response::new(ListVariantsResponse { variants, next_page_token }))
    }
}

/// What the call carries. The chassis sets a deadline for every call.
fn context<T>(request: &Request<T>) -> Context {
    let extensions = request.extensions();
    let deadline = extensions.get::<Deadline>().map(|deadline| deadline.instant());
    Context {
        request_id: extensions.get::<RequestId>().map(ToString::to_string),
        trace_parent: extensions.get::<TraceParent>().map(|parent| parent.as_str().to_owned()),
        ..Context::until(deadline.unwrap_or_else(|| Instant::now() + DEFAULT_DEADLINE))
    }
}
