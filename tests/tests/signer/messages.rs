//! What is refused before a handler sees it: messages that are too large or none, methods that are not here.

use futures_util::stream;
use prost_types::{ListValue, Struct, Value, value::Kind};
use safelight_proto::{
    resizer::v1::{DeliverRequest, ListVariantsRequest, resizer_service_client::ResizerServiceClient},
    signer::v1::{
        BatchSignUrlsItem, BatchSignUrlsRequest, FormField, GetKeyRequest, ListKeysRequest,
        SignUploadRequest, SignUrlResponse, VerifyUploadRequest, VerifyUrlRequest,
    },
};
use tonic::{Code, Request, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;

use crate::harness::{Pair, refused, url_request};

const INVALID: Code = Code::InvalidArgument;

#[tokio::test]
async fn messages_that_are_too_large_are_refused() {
    let pair = Pair::start().await;
    let large = "a".repeat(70 * 1024); // above the 64 KiB of small messages
    let huge = "a".repeat(600 * 1024); // above the 512 KiB of a batch

    let answer = pair.signer().sign_url(url_request("url", &huge, None)).await;
    refused(answer, INVALID, "MESSAGE_INVALID", &[]);
    let items = vec![BatchSignUrlsItem { url: huge, expiry: None }];
    let answer = pair
        .signer()
        .batch_sign_urls(BatchSignUrlsRequest {
            key: "url".to_owned(),
            items,
            ..BatchSignUrlsRequest::default()
        })
        .await;
    refused(answer, INVALID, "MESSAGE_INVALID", &[]);
    let request = VerifyUrlRequest {
        key: "url".to_owned(),
        request_target: large.clone(),
        ..VerifyUrlRequest::default()
    };
    refused(pair.verifier().verify_url(request).await, INVALID, "MESSAGE_INVALID", &[]);
    let fields = vec![FormField { name: "a".to_owned(), value: large.clone() }];
    let request = VerifyUploadRequest { key: "upload".to_owned(), fields };
    refused(pair.verifier().verify_upload(request).await, INVALID, "MESSAGE_INVALID", &[]);
    let answer = pair.keys().get_key(GetKeyRequest { name: large.clone() }).await;
    refused(answer, INVALID, "MESSAGE_INVALID", &[]);
    let answer = pair.keys().list_keys(ListKeysRequest { page_size: 0, page_token: large }).await;
    refused(answer, INVALID, "MESSAGE_INVALID", &[]);
}

#[tokio::test]
async fn a_value_within_values_without_end_is_refused() {
    let pair = Pair::start().await;
    let mut value = Value { kind: Some(Kind::BoolValue(true)) };
    for _ in 0..60 {
        value = Value { kind: Some(Kind::ListValue(ListValue { values: vec![value] })) };
    }
    let parameters = Some(Struct { fields: [("tags".to_owned(), value)].into() });
    let answer = pair.signer().sign_upload(SignUploadRequest { key: "upload".to_owned(), parameters }).await;
    refused(answer, INVALID, "MESSAGE_INVALID", &[]);
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused() {
    let pair = Pair::start().await;
    let mut grpc = Grpc::new(pair.channel());
    grpc.ready().await.unwrap();
    // Field 1 as a number, where the signer expects the text of a key's name.
    let request = Request::new(ListKeysRequest { page_size: 5, page_token: String::new() });
    let path = PathAndQuery::from_static("/safelight.signer.v1.SignerService/SignUrl");
    let codec = ProstCodec::<ListKeysRequest, SignUrlResponse>::default();
    refused(grpc.unary(request, path, codec).await, INVALID, "MESSAGE_INVALID", &[]);
}

#[tokio::test]
async fn the_resizers_methods_are_not_here() {
    // No grant reaches what is no method of the signer: `*` is every method of its own.
    let pair = Pair::start().await;
    let mut resizer = ResizerServiceClient::new(pair.channel());
    let answer = resizer.list_variants(ListVariantsRequest::default()).await;
    refused(answer, Code::Unimplemented, "METHOD_UNKNOWN", &[]);
    let answer = resizer.deliver(DeliverRequest::default()).await;
    refused(answer, Code::Unimplemented, "METHOD_UNKNOWN", &[]);
    let answer = resizer.resize(stream::empty()).await;
    refused(answer, Code::Unimplemented, "METHOD_UNKNOWN", &[]);
}
