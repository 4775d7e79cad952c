//! The protocol: `Check`, `Watch`, and `List`, which the generated server does not know yet (grpc-proto#143).

use std::{
    collections::HashMap,
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, stream};
use http::{Request, Response};
use prost::Message;
use safelight_proto::codec::Codec;
use tonic::{
    Status,
    body::Body,
    codec::CompressionEncoding::Gzip,
    server::{Grpc, NamedService, UnaryService},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{self, HealthServer},
};
use tower_service::Service;

use super::{super::MAX_STOCK_REQUEST, Health, State};

const LIST: &str = "/grpc.health.v1.Health/List";

/// `HealthListRequest`.
#[derive(Clone, PartialEq, Message)]
struct ListRequest {}

/// `HealthListResponse`.
#[derive(Clone, PartialEq, Message)]
struct ListResponse {
    #[prost(map = "string, message", tag = "1")]
    statuses: HashMap<String, HealthCheckResponse>,
}

impl State {
    /// The status of a service; `None` for one that is not known.
    fn status(&self, service: &str) -> Option<ServingStatus> {
        let status = if self.serving() { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.names.contains(&service).then_some(status)
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        let status = self.state.borrow().status(&request.get_ref().service);
        match status {
            Some(status) => Ok(tonic::Response::new(answer(status))),
            None => Err(Status::not_found("no such service here")),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// The status as it is, and whenever it changes, until the server stops: it would hold up the drain. A service that is not
    /// known is `SERVICE_UNKNOWN`, and may become known.
    async fn watch(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        let watch = stream::unfold((self.state.subscribe(), None), move |(mut states, last)| {
            let service = service.clone();
            async move {
                loop {
                    let (now, over) = {
                        let state = states.borrow_and_update();
                        (state.status(&service).unwrap_or(ServingStatus::ServiceUnknown), state.over)
                    };
                    if last != Some(now) {
                        return Some((Ok(answer(now)), (states, Some(now))));
                    }
                    if over {
                        return None;
                    }
                    states.changed().await.ok()?;
                }
            }
        });
        Ok(tonic::Response::new(Box::pin(watch)))
    }
}

/// `List`: every service and its status.
struct List(Health);

impl UnaryService<ListRequest> for List {
    type Response = ListResponse;
    type Future = Ready<Result<tonic::Response<ListResponse>, Status>>;

    fn call(&mut self, _: tonic::Request<ListRequest>) -> Self::Future {
        let state = self.0.state.borrow();
        let known =
            state.names.iter().filter_map(|name| Some(((*name).to_owned(), answer(state.status(name)?))));
        ready(Ok(tonic::Response::new(ListResponse { statuses: known.collect() })))
    }
}

/// The whole of it.
#[derive(Debug, Clone)]
pub(in super::super) struct Server {
    health: Health,
    generated: HealthServer<Health>,
}

impl Server {
    pub(super) fn new(health: Health) -> Self {
        let generated = HealthServer::new(health.clone())
            .max_decoding_message_size(MAX_STOCK_REQUEST)
            .accept_compressed(Gzip);
        Self { health, generated }
    }
}

impl NamedService for Server {
    const NAME: &'static str = <HealthServer<Health> as NamedService>::NAME;
}

impl Service<Request<Body>> for Server {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != LIST {
            return Service::<Request<Body>>::call(&mut self.generated, request);
        }
        let list = List(self.health.clone());
        Box::pin(async move {
            let mut grpc = Grpc::new(Codec::default())
                .max_decoding_message_size(MAX_STOCK_REQUEST)
                .accept_compressed(Gzip);
            Ok(grpc.unary(list, request).await)
        })
    }
}
