//! A method that does nothing: what a call costs before anybody does anything.

use std::{
    convert::Infallible,
    future::ready,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::{Status, body::Body, codegen::BoxFuture, server::NamedService};
use tonic_prost::ProstCodec;

/// Its path.
pub const PATH: &str = "/bench.v1.Empty/Do";

/// The service.
#[derive(Clone, Copy, Debug)]
pub struct Empty;

impl NamedService for Empty {
    const NAME: &'static str = "bench.v1.Empty";
}

/// The handler.
struct Nothing;

impl tonic::server::UnaryService<()> for Nothing {
    type Response = ();
    type Future = std::future::Ready<Result<tonic::Response<()>, Status>>;

    fn call(&mut self, _: tonic::Request<()>) -> Self::Future {
        ready(Ok(tonic::Response::new(())))
    }
}

impl tower_service::Service<Request<Body>> for Empty {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // As generated servers do.
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<(), ()>::default())
            .max_decoding_message_size(512 * 1024)
            .max_encoding_message_size(1 << 20);
        Box::pin(async move { Ok(grpc.unary(Nothing, request).await) })
    }
}
