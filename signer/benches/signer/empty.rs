//! A method that does nothing: what a call costs before anybody does anything.
//!
//! Written out as tonic generates servers from a proto, three boxed futures a call included, so that what is compared is what
//! methods do.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use safelight_proto::codec::Codec;
use tonic::{Status, body::Body, codegen::BoxFuture, server::NamedService};

/// Its path: a name as the contract's methods have it, for a name's length costs too and is nothing of what they do.
pub const PATH: &str = "/safelight.bench.v1.BenchService/DoNothing";

/// The service.
#[async_trait::async_trait]
trait BenchService: Send + Sync + 'static {
    async fn do_nothing(&self, request: tonic::Request<()>) -> Result<tonic::Response<()>, Status>;
}

/// Its implementation.
#[derive(Debug)]
struct Empty;

#[async_trait::async_trait]
impl BenchService for Empty {
    async fn do_nothing(&self, _: tonic::Request<()>) -> Result<tonic::Response<()>, Status> {
        Ok(tonic::Response::new(()))
    }
}

/// The method.
struct DoNothing<T>(Arc<T>);

impl<T: BenchService> tonic::server::UnaryService<()> for DoNothing<T> {
    type Response = ();
    type Future = BoxFuture<tonic::Response<()>, Status>;

    fn call(&mut self, request: tonic::Request<()>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.do_nothing(request).await })
    }
}

/// The server.
#[derive(Clone, Debug)]
pub struct BenchServer(Arc<Empty>);

impl BenchServer {
    pub fn new() -> Self {
        Self(Arc::new(Empty))
    }
}

impl NamedService for BenchServer {
    const NAME: &'static str = "safelight.bench.v1.BenchService";
}

impl tower_service::Service<Request<Body>> for BenchServer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != PATH {
            return Box::pin(async { Ok(Status::unimplemented("").into_http()) });
        }
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Codec::<(), ()>::default())
                .max_decoding_message_size(512 * 1024)
                .max_encoding_message_size(1 << 20);
            Ok(grpc.unary(DoNothing(inner), request).await)
        })
    }
}
