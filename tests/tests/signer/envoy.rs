//! `Authorization/Check`, as an Envoy would call it.

use prost::{Message, bytes::Bytes};
use safelight_local::Settings;
use safelight_proto::{
    envoy::{
        config::core::v3::{Address, SocketAddress, address},
        service::auth::v3::{
            AttributeContext, CheckRequest, CheckResponse,
            attribute_context::{self, HttpRequest, Peer},
            authorization_client::AuthorizationClient,
            check_response::HttpResponse,
        },
    },
    reason,
    signer::v1::VerifyUrlRequest,
};
use sha2::{Digest as _, Sha256};
use tonic::{Code, Request, client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};
use tonic_prost::ProstCodec;

use crate::harness::{Pair, hmac, ok, refused, target, url_request};

/// What Envoy asks about a GET of this URL.
pub(crate) fn asked(key: &str, url: &str) -> CheckRequest {
    let (scheme, rest) = url.split_once("://").unwrap();
    let http = HttpRequest {
        method: "GET".to_owned(),
        scheme: scheme.to_owned(),
        host: rest[..rest.find('/').unwrap()].to_owned(),
        path: target(url).to_owned(),
        ..HttpRequest::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer("192.0.2.1")),
            request: Some(attribute_context::Request { http: Some(http) }),
            context_extensions: [("key".to_owned(), key.to_owned())].into(),
        }),
    }
}

pub(crate) fn peer(address: &str) -> Peer {
    let socket = SocketAddress { address: address.to_owned() };
    Peer { address: Some(Address { address: Some(address::Address::SocketAddress(socket)) }) }
}

pub(crate) async fn check(pair: &Pair, request: CheckRequest) -> CheckResponse {
    ok(AuthorizationClient::new(pair.channel()).check(request).await)
}

/// The headers that are set and removed, of a request that passes.
pub(crate) fn passes(answer: &CheckResponse) -> (Vec<(&str, &str)>, &[String]) {
    assert_eq!(answer.status.as_ref().unwrap().code, 0, "{answer:?}");
    let Some(HttpResponse::OkResponse(changes)) = &answer.http_response else { panic!("{answer:?}") };
    let set = changes.headers.iter().map(|option| {
        assert_eq!(option.append_action, 2, "what the end user sent is replaced");
        let header = option.header.as_ref().unwrap();
        (header.key.as_str(), header.value.as_str())
    });
    (set.collect(), &changes.headers_to_remove)
}

/// What the upstream is asked for.
pub(crate) fn upstream(answer: &CheckResponse) -> &str {
    passes(answer).0.into_iter().find_map(|(name, value)| (name == ":path").then_some(value)).unwrap()
}

/// Asserts that this is the one refusal.
#[track_caller]
pub(crate) fn denied(answer: &CheckResponse) {
    assert_eq!(answer.status.as_ref().unwrap().code, 7, "{answer:?}");
    let Some(HttpResponse::DeniedResponse(denied)) = &answer.http_response else { panic!("{answer:?}") };
    assert_eq!(denied.status.unwrap().code, 403);
    assert_eq!(denied.body, "Forbidden\n");
}

#[tokio::test]
async fn a_signed_url_passes_and_the_upstream_is_told_more() {
    let pair = Pair::start().await;
    let url = "https://images.example.com/a//b%2Fc?z=1&a=~&a=2";
    let signed = ok(pair.signer().sign_url(url_request("url", url, Some(60))).await).signed_url;
    let answer = check(&pair, asked("url", &signed)).await;
    let (set, removed) = passes(&answer);
    let path = "/a//b%2Fc?z=1&a=%7E&a=2"; // the signer writes queries as forms
    assert_eq!(
        set,
        [(":path", path), ("x-safelight-key-version", "2"), ("x-safelight-expires", "1700000060")]
    );
    assert!(removed.is_empty());

    let signed = ok(pair.signer().sign_url(url_request("url-forever", url, None)).await).signed_url;
    let answer = check(&pair, asked("url-forever", &signed)).await;
    let (set, removed) = passes(&answer);
    assert_eq!(set, [(":path", path), ("x-safelight-key-version", "7")]);
    assert_eq!(removed, ["x-safelight-expires"]);
}

#[tokio::test]
async fn every_refusal_is_the_same_bytes() {
    let pair = Pair::start().await;
    let signed = ok(pair.signer().sign_url(url_request("url", "https://h/a?w=1", Some(60))).await).signed_url;
    let good = || asked("url", &signed);
    passes(&check(&pair, good()).await);
    let with = |change: fn(&mut HttpRequest)| {
        let mut request = good();
        change(request.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap());
        request
    };
    let requests = [
        CheckRequest::default(),
        CheckRequest { attributes: Some(AttributeContext::default()) },
        with(|http| *http = HttpRequest::default()),
        with(|http| http.method = "PUT".to_owned()),
        with(|http| http.host.clear()),
        with(|http| http.scheme = "ftp".to_owned()),
        with(|http| http.path.push('0')),
        with(|http| http.path = http.path.replace("w=1", "w=2")),
        with(|http| http.path = "/a?w=1".to_owned()),
        with(|http| http.path = "/../a".to_owned()),
        with(|http| http.path = "x".repeat(60_000)),
        with(|http| http.path = "/\u{fffd}\0".to_owned()),
        asked("", &signed),
        asked("nope", &signed),
        asked("upload", &signed),
        asked("s3", &signed),
        asked("url", "https://h/a?w=1&exp=1&sig=00"),
        asked("url", &format!("https://h/a?exp=1700000000&sig={}", hmac("other", "/a?exp=1700000000"))),
    ];
    let mut answers = Vec::new();
    for request in requests {
        let answer = check(&pair, request).await;
        denied(&answer);
        answers.push(answer.encode_to_vec());
    }
    pair.clock.set(1_700_000_060);
    answers.push(check(&pair, good()).await.encode_to_vec());
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "one refusal can be told from another");
}

#[tokio::test]
async fn an_envoy_asks_with_its_own_keys_alone() {
    let token = "fake-token-of-an-envoy-4c8b1d";
    let grant = format!(
        r#"
        [[tokens]]
        caller = "envoy"
        sha256 = "{}"
        [[grants]]
        caller = "envoy"
        methods = ["Check"]
        keys = ["web"]
        "#,
        hex::encode(Sha256::digest(token))
    );
    let pair = Pair::started(Settings { signer_toml: grant, ..Settings::default() }).await;
    let mut signer = pair.signer();
    let signed = ok(signer.sign_url(url_request("web", "https://h/a", Some(60))).await).signed_url;
    let as_envoy = |request: CheckRequest| {
        let mut request = Request::new(request);
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    };
    let mut envoy = AuthorizationClient::new(pair.channel());
    let answer = ok(envoy.check(as_envoy(asked("web", &signed))).await);
    assert_eq!(upstream(&answer), "/a");
    let answer = ok(envoy.check(as_envoy(asked("uploads", &signed))).await);
    denied(&answer);
    // Nothing tells a key that is not granted from one that is not there.
    let nobody = ok(envoy.check(as_envoy(asked("nobody", &signed))).await);
    assert_eq!(answer, nobody);

    let verify = VerifyUrlRequest {
        key: "web".to_owned(),
        request_target: target(&signed).to_owned(),
        ..VerifyUrlRequest::default()
    };
    let mut verify = Request::new(verify);
    verify.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    refused(pair.verifier().verify_url(verify).await, Code::PermissionDenied, "CALLER_DENIED", &[]);
    let mut stranger = Request::new(asked("web", &signed));
    stranger.metadata_mut().insert("authorization", "Bearer fake-token-of-nobody".parse().unwrap());
    let status = envoy.check(stranger).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{:?}", reason::of(&status));
}

/// `CheckRequest` with bytes where it has text: the same on the wire.
mod raw {
    use prost::{Message, bytes::Bytes};

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct CheckRequest {
        #[prost(message, tag = "1")]
        pub(super) attributes: Option<Attributes>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Attributes {
        #[prost(message, tag = "4")]
        pub(super) request: Option<Request>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Request {
        #[prost(message, tag = "2")]
        pub(super) http: Option<Http>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Http {
        #[prost(bytes = "bytes", tag = "4")]
        pub(super) path: Bytes,
    }
}

#[tokio::test]
async fn what_is_no_message_is_an_error() {
    let pair = Pair::start().await;
    let ask = async |path: Bytes| {
        let mut grpc: Grpc<Channel> = Grpc::new(pair.channel());
        grpc.ready().await.unwrap();
        let http = raw::Http { path };
        let request = raw::Attributes { request: Some(raw::Request { http: Some(http) }) };
        let request = Request::new(raw::CheckRequest { attributes: Some(request) });
        let method = PathAndQuery::from_static("/envoy.service.auth.v3.Authorization/Check");
        grpc.unary(request, method, ProstCodec::<raw::CheckRequest, CheckResponse>::default()).await
    };
    denied(&ok(ask(Bytes::from_static(b"/a")).await));
    refused(ask(Bytes::from_static(b"/\xff")).await, Code::InvalidArgument, "MESSAGE_INVALID", &[]);
    refused(ask(vec![b'a'; 70 * 1024].into()).await, Code::InvalidArgument, "MESSAGE_INVALID", &[]);
}
