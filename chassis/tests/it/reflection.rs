//! Reflection, both versions.

use std::collections::BTreeSet;

use prost::Message;
use safelight_chassis::server::{BindError, Limits, Server};
use tonic::Code;
use tonic_reflection::pb::{v1, v1alpha};

use crate::{
    harness::{LOOPBACK, reason, start},
    probe::Probe,
};

const LISTED: [&str; 4] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "probe.v1.Probe",
];

macro_rules! version {
    ($test:ident, $pb:ident) => {
        #[tokio::test]
        async fn $test() {
            use $pb::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
            };
            let running = start().await;
            let mut client = ServerReflectionClient::new(running.client().await.0);
            let mut ask = async |message: MessageRequest| {
                let request = ServerReflectionRequest { host: String::new(), message_request: Some(message) };
                let mut answers =
                    client.server_reflection_info(tokio_stream::iter([request])).await?.into_inner();
                answers.message().await.map(|answer| answer.unwrap().message_response.unwrap())
            };

            let MessageResponse::ListServicesResponse(list) =
                ask(MessageRequest::ListServices(String::new())).await.unwrap()
            else {
                panic!("a list")
            };
            let names: BTreeSet<&str> = list.service.iter().map(|s| s.name.as_str()).collect();
            assert_eq!(names, BTreeSet::from(LISTED));

            // Everything is described: ours, what ours imports, what errors carry, and the stock services.
            for symbol in LISTED[..3].iter().copied().chain([
                "safelight.signer.v1.SignerService",
                "safelight.resizer.v1.ResizerService.Resize",
                "google.protobuf.Duration",
                "google.rpc.ErrorInfo",
                "google.rpc.BadRequest",
                "grpc.health.v1.Health.List",
                "grpc.health.v1.HealthListResponse.StatusesEntry",
            ]) {
                let MessageResponse::FileDescriptorResponse(files) =
                    ask(MessageRequest::FileContainingSymbol(symbol.to_owned())).await.unwrap()
                else {
                    panic!("a file for {symbol}")
                };
                for file in files.file_descriptor_proto {
                    prost_types::FileDescriptorProto::decode(file.as_slice()).unwrap();
                }
            }

            // What is not there is said in the stream, which goes on. What was asked for is named, but not at any length.
            let extension =
                $pb::ExtensionRequest { containing_type: "no.Such".to_owned(), extension_number: 1 };
            let long = format!("é{}", "x".repeat(4000));
            let unknown = [
                MessageRequest::FileContainingSymbol("no.Such".to_owned()),
                MessageRequest::FileContainingSymbol(long),
                MessageRequest::FileByFilename("no/such.proto".to_owned()),
                MessageRequest::FileContainingExtension(extension),
                MessageRequest::AllExtensionNumbersOfType("no.Such".to_owned()),
            ];
            let known = [
                MessageRequest::AllExtensionNumbersOfType("google.rpc.ErrorInfo".to_owned()),
                MessageRequest::ListServices(String::new()),
            ];
            let all = unknown.iter().chain(&known).cloned().map(Some).chain([None]);
            let requests: Vec<_> = all
                .map(|message_request| ServerReflectionRequest { host: "h".to_owned(), message_request })
                .collect();
            let answers = client.server_reflection_info(tokio_stream::iter(requests.clone())).await;
            let mut answers = answers.unwrap().into_inner();
            for (index, request) in requests.into_iter().enumerate() {
                let answer = answers.message().await.unwrap().unwrap();
                assert_eq!(answer.original_request, Some(request));
                match answer.message_response.unwrap() {
                    MessageResponse::ErrorResponse(error) if index < unknown.len() => {
                        assert_eq!(error.error_code, Code::NotFound as i32);
                        assert!(error.error_message.len() < 300, "{}", error.error_message.len());
                    }
                    MessageResponse::ErrorResponse(error) => {
                        assert_eq!((index, error.error_code), (7, Code::InvalidArgument as i32));
                    }
                    _ => assert!((unknown.len()..7).contains(&index), "{index}"),
                }
            }
            assert_eq!(answers.message().await.unwrap(), None);
        }
    };
}

version!(version_1, v1);
version!(version_1_alpha, v1alpha);

/// Each method that is served is described, and with messages that are there.
#[tokio::test]
async fn health_is_described_with_all_its_methods() {
    let running = start().await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(running.client().await.0);
    let symbol = v1::server_reflection_request::MessageRequest::FileContainingSymbol;
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(symbol("grpc.health.v1.Health".to_owned())),
    };
    let mut answers =
        client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::FileDescriptorResponse(files) = answer else {
        panic!("a file")
    };
    let file = prost_types::FileDescriptorProto::decode(files.file_descriptor_proto[0].as_slice()).unwrap();
    let methods: Vec<_> = file.service[0].method.iter().map(|method| method.name()).collect();
    assert_eq!(methods, ["Check", "Watch", "List"]);
    let list = &file.service[0].method[2];
    let messages: Vec<_> =
        file.message_type.iter().map(|m| format!(".grpc.health.v1.{}", m.name())).collect();
    for name in [list.input_type(), list.output_type()] {
        assert!(messages.iter().any(|message| message == name), "{name}: {messages:?}");
    }
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let server = Server::new(Limits::DEFAULT)
        .service(Probe::new())
        .reflection(safelight_proto::FILE_DESCRIPTOR_SET)
        .without_reflection();
    let bound = server.bind(LOOPBACK, false).await.unwrap();
    let addr = bound.local_addr();
    tokio::spawn(bound.serve(safelight_chassis::shutdown::Shutdown::new()));
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{addr}")).unwrap().connect().await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.unwrap());
    let error = client.server_reflection_info(tokio_stream::empty()).await.unwrap_err();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::Unimplemented, "METHOD_UNKNOWN"));
}

#[tokio::test]
async fn descriptors_that_are_none_are_refused() {
    let refused =
        Server::new(Limits::DEFAULT).reflection(b"not a descriptor set").bind(LOOPBACK, false).await;
    assert!(matches!(refused, Err(BindError::Reflection(_))));
}
