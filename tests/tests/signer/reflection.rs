//! Reflection v1alpha. `grpcurl` asks for v1 and falls back only where that is missing, so the version that older tools
//! know is asked here.

use futures_util::stream;
use prost::Message as _;
use prost_types::FileDescriptorProto;
use tonic_reflection::pb::v1alpha::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::harness::Pair;

#[tokio::test]
async fn version_1_alpha_lists_and_describes() {
    let pair = Pair::start().await;
    let mut client = ServerReflectionClient::new(pair.channel());
    let questions = [
        MessageRequest::ListServices(String::new()),
        MessageRequest::FileContainingSymbol("safelight.signer.v1.SignerService.SignUrl".to_owned()),
        MessageRequest::FileContainingSymbol("google.rpc.ErrorInfo".to_owned()),
        MessageRequest::FileContainingSymbol("envoy.service.auth.v3.Authorization".to_owned()),
        MessageRequest::FileContainingSymbol("google.rpc.Status".to_owned()),
    ]
    .map(|question| ServerReflectionRequest { host: String::new(), message_request: Some(question) });
    let mut answers = client.server_reflection_info(stream::iter(questions)).await.unwrap().into_inner();
    let mut next = async || answers.message().await.unwrap().unwrap().message_response.unwrap();

    let MessageResponse::ListServicesResponse(list) = next().await else { panic!("not a list") };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for name in ["SignerService", "VerifierService", "KeyService"] {
        assert!(names.contains(&format!("safelight.signer.v1.{name}").as_str()), "{names:?}");
    }
    assert!(names.contains(&"envoy.service.auth.v3.Authorization"), "{names:?}");
    assert!(!names.iter().any(|name| name.starts_with("safelight.resizer")), "not served here: {names:?}");

    let MessageResponse::FileDescriptorResponse(files) = next().await else { panic!("not a file") };
    let file = FileDescriptorProto::decode(files.file_descriptor_proto[0].as_slice()).unwrap();
    assert_eq!(file.package(), "safelight.signer.v1");
    let comments = file.source_code_info.unwrap().location;
    assert!(
        comments.iter().any(|place| place.leading_comments().contains("Signs a URL with a key of a scheme"))
    );

    let MessageResponse::FileDescriptorResponse(files) = next().await else { panic!("not a file") };
    let file = FileDescriptorProto::decode(files.file_descriptor_proto[0].as_slice()).unwrap();
    assert!(file.message_type.iter().any(|message| message.name() == "ErrorInfo"));

    for (package, message) in [("envoy.service.auth.v3", "CheckRequest"), ("google.rpc", "Status")] {
        let MessageResponse::FileDescriptorResponse(files) = next().await else { panic!("not a file") };
        let file = FileDescriptorProto::decode(files.file_descriptor_proto[0].as_slice()).unwrap();
        assert_eq!(file.package(), package);
        assert!(file.message_type.iter().any(|known| known.name() == message), "{message}");
    }
}
