//! The methods of `ResizerService`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use safelight_chassis::deadline::Deadline;
use safelight_proto::{
    page::page,
    reason::CallError,
    resizer::v1::{
        DeliverRequest, DeliverResponse, InspectRequest, InspectResponse, ListVariantsRequest,
        ListVariantsResponse, ResizeObjectRequest, ResizeObjectResponse, ResizeRequest, ResizeResponse,
        UploadSource, inspect_open, resizer_service_server::ResizerService,
    },
};
use tonic::{Request, Response, Status, Streaming};

use super::{
    answer::{self, Source, Work},
    deliver, error,
    state::State,
    translate, upload,
};
use crate::transfer::send::Receiver;
use safelight_image::accept::Accepts;

/// How long a call may take that did not come through the chassis, which always sets a deadline.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// The handlers.
#[derive(Debug, Clone)]
pub(super) struct Handlers {
    state: Arc<State>,
}

impl Handlers {
    pub(super) const fn new(state: Arc<State>) -> Self {
        Self { state }
    }
}

#[tonic::async_trait]
impl ResizerService for Handlers {
    type ResizeStream = Receiver<ResizeResponse, Status>;
    type ResizeObjectStream = Receiver<ResizeObjectResponse, Status>;
    type DeliverStream = Receiver<DeliverResponse, Status>;

    async fn resize(
        &self,
        request: Request<Streaming<ResizeRequest>>,
    ) -> Result<Response<Self::ResizeStream>, Status> {
        let state = &self.state;
        let deadline = deadline(&request);
        let place = state.admission.enter().map_err(error::rejected)?;
        let mut stream = request.into_inner();
        let open = upload::open(&mut stream).await?;
        let orders = translate::orders(open.outputs, state.max_outputs)?;
        let started = Instant::now();
        let (bytes, reserved) = upload::receive(&mut stream, state, open.declared_length).await?;
        let source = Source { bytes, reserved, place, receive: started.elapsed(), signer: None };
        let work =
            Work { source, orders, accepts: Accepts::from_header(&open.accept), bounds: None, deadline };
        Ok(Response::new(answer::stream(Arc::clone(state), work, || None)))
    }

    async fn resize_object(
        &self,
        request: Request<ResizeObjectRequest>,
    ) -> Result<Response<Self::ResizeObjectStream>, Status> {
        let state = &self.state;
        let deadline = deadline(&request);
        let place = state.admission.enter().map_err(error::rejected)?;
        let request = request.into_inner();
        let orders = translate::orders(request.outputs, state.max_outputs)?;
        let source = request.source.ok_or_else(|| CallError::field("source", "is required"))?;
        let source = deliver::object(state, &source, "source.", place, deadline).await?;
        let work =
            Work { source, orders, accepts: Accepts::from_header(&request.accept), bounds: None, deadline };
        Ok(Response::new(answer::stream(Arc::clone(state), work, || None)))
    }

    async fn deliver(
        &self,
        request: Request<DeliverRequest>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let state = &self.state;
        let deadline = deadline(&request);
        let place = state.admission.enter().map_err(error::rejected)?;
        let (head, work) = deliver::deliver(state, request.into_inner(), place, deadline).await?;
        Ok(Response::new(match work {
            Some(work) => answer::stream(Arc::clone(state), work, || Some(head.now())),
            None => answer::only(head.now()),
        }))
    }

    async fn inspect(
        &self,
        request: Request<Streaming<InspectRequest>>,
    ) -> Result<Response<InspectResponse>, Status> {
        let state = &self.state;
        let deadline = deadline(&request);
        let place = state.admission.enter().map_err(error::rejected)?;
        let mut stream = request.into_inner();
        let open = upload::open(&mut stream).await?;
        let source = match open.source {
            Some(inspect_open::Source::Object(object)) => {
                deliver::object(state, &object, "open.object.", place, deadline).await?
            }
            Some(inspect_open::Source::Upload(UploadSource { declared_length })) => {
                let (bytes, reserved) = upload::receive(&mut stream, state, declared_length).await?;
                Source { bytes, reserved, place, receive: Duration::ZERO, signer: None }
            }
            None => return Err(CallError::field("open.source", "is required").into()),
        };
        let info = answer::probe(state, source.bytes.clone(), deadline).await?;
        Ok(Response::new(InspectResponse { image: Some(answer::image_info(&info)) }))
    }

    async fn list_variants(
        &self,
        request: Request<ListVariantsRequest>,
    ) -> Result<Response<ListVariantsResponse>, Status> {
        let ListVariantsRequest { page_size, page_token } = request.into_inner();
        let (variants, next_page_token) = page(&self.state.delivery.variants, page_size, &page_token);
        let variants =
            variants.into_iter().map(|(name, variant)| translate::variant(name, variant)).collect();
        Ok(Response::new(ListVariantsResponse { variants, next_page_token }))
    }
}

fn deadline<T>(request: &Request<T>) -> Instant {
    request
        .extensions()
        .get::<Deadline>()
        .map_or_else(|| Instant::now() + DEFAULT_DEADLINE, |deadline| deadline.instant())
}
