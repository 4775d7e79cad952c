//! Reflection, v1 and v1alpha: grpcurl tries v1, older tools know v1alpha only.
//!
//! # Layout
//! - `index`: files and symbols, as they are asked for
//! - here: the protocol. What is not found is told in the stream, which goes on.

mod index;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{Stream, stream};
use http::{Request, Response, Uri};
use prost::DecodeError;
use tonic::{
    Code, Status, Streaming, body::Body, codec::CompressionEncoding::Gzip, server::NamedService,
    service::Routes,
};
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::pb::{
    v1::{
        ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
        ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
        server_reflection_request::MessageRequest,
        server_reflection_response::MessageResponse,
        server_reflection_server::{ServerReflection, ServerReflectionServer},
    },
    v1alpha,
};
use tower_service::Service;

use self::index::Index;
use super::{MAX_STOCK_REQUEST, health};

/// The one method of v1.
const INFO: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// Most bytes of a name that are said again in an error.
const MAX_NAME: usize = 256;

type V1 = ServerReflectionServer<Reflection>;
type V1Alpha = v1alpha::server_reflection_server::ServerReflectionServer<()>;

/// Adds both versions. Each describes everything: itself, the other, health, and the details that errors carry, which
/// tools can otherwise show only as bytes.
pub(super) fn add(routes: Routes, descriptors: &[u8], services: &[&str]) -> Result<Routes, DecodeError> {
    // What is described but not served here, such as the other process's services, is not listed.
    let own = [
        <HealthServer<()> as NamedService>::NAME,
        <V1 as NamedService>::NAME,
        <V1Alpha as NamedService>::NAME,
    ];
    let health = health::descriptors();
    let index = Index::new(
        services.iter().copied().chain(own),
        [
            descriptors,
            tonic_types::pb::FILE_DESCRIPTOR_SET,
            &health,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            v1alpha::FILE_DESCRIPTOR_SET,
        ],
    )?;
    let server = ServerReflectionServer::new(Reflection(Arc::new(index)))
        .max_decoding_message_size(MAX_STOCK_REQUEST)
        .accept_compressed(Gzip);
    Ok(routes.add_service(server.clone()).add_service(Alpha(server)))
}

#[derive(Debug)]
pub(super) struct Reflection(Arc<Index>);

#[tonic::async_trait]
impl ServerReflection for Reflection {
    type ServerReflectionInfoStream =
        Pin<Box<dyn Stream<Item = Result<ServerReflectionResponse, Status>> + Send>>;

    async fn server_reflection_info(
        &self,
        request: tonic::Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<tonic::Response<Self::ServerReflectionInfoStream>, Status> {
        let index = Arc::clone(&self.0);
        let answers = stream::try_unfold(request.into_inner(), move |mut requests| {
            let index = Arc::clone(&index);
            async move {
                Ok(requests.message().await?.map(|request| {
                    let message = Some(answer(&index, request.message_request.as_ref()));
                    let response = ServerReflectionResponse {
                        valid_host: request.host.clone(),
                        original_request: Some(request),
                        message_response: message,
                    };
                    (response, requests)
                }))
            }
        });
        Ok(tonic::Response::new(Box::pin(answers)))
    }
}

fn answer(index: &Index, asked: Option<&MessageRequest>) -> MessageResponse {
    let file = |file: Option<Vec<u8>>, what: &str, name: &str| match file {
        Some(file) => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: vec![file],
        }),
        None => not_found(what, name),
    };
    match asked {
        Some(MessageRequest::FileByFilename(name)) => file(index.file(name), "file", name),
        Some(MessageRequest::FileContainingSymbol(name)) => file(index.symbol(name), "symbol", name),
        // Nothing here extends anything.
        Some(MessageRequest::FileContainingExtension(extension)) => {
            not_found("extension of", &extension.containing_type)
        }
        Some(MessageRequest::AllExtensionNumbersOfType(name)) => match index.symbol(name) {
            Some(_) => MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                base_type_name: name.clone(),
                extension_number: Vec::new(),
            }),
            None => not_found("type", name),
        },
        Some(MessageRequest::ListServices(_)) => {
            let service = index.services().map(|name| ServiceResponse { name: name.to_owned() });
            MessageResponse::ListServicesResponse(ListServiceResponse { service: service.collect() })
        }
        None => error(Code::InvalidArgument, "expected one of the requests".to_owned()),
    }
}

fn not_found(what: &str, name: &str) -> MessageResponse {
    let name = name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or_default();
    error(Code::NotFound, format!("no such {what} here: {name}"))
}

fn error(code: Code, error_message: String) -> MessageResponse {
    MessageResponse::ErrorResponse(ErrorResponse { error_code: code.into(), error_message })
}

/// v1alpha, whose messages are those of v1: only the path differs.
#[derive(Debug, Clone)]
struct Alpha(V1);

impl NamedService for Alpha {
    const NAME: &'static str = <V1Alpha as NamedService>::NAME;
}

impl Service<Request<Body>> for Alpha {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = <V1 as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if request.uri().path().ends_with("/ServerReflectionInfo") {
            *request.uri_mut() = Uri::from_static(INFO);
        }
        self.0.call(request)
    }
}
