//! A real Envoy with the configuration that `deploy/envoy` ships for the pair, but for its ports.

use std::net::IpAddr;

use reqwest::Response;
use safelight_local::{Settings, keys, picture::sample};
use safelight_proto::{
    reason::Reason,
    resizer::v1::{DeliverRequest, resizer_service_client::ResizerServiceClient},
    signer::v1::{SignUrlRequest, sign_url_request::Expiry, signer_service_client::SignerServiceClient},
};
use safelight_tests::envoy::Envoy;
use tonic::transport::Endpoint;

use crate::harness::*;

/// The host of the URLs.
const HOST: &str = "img.example.com";
const ROUTES: &str = "[[routes]]\npath = '/bound/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'bunny'\n\
    [[routes]]\npath = '/hosted/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'hosted'\n";

struct Pair {
    envoy: Envoy,
    local: Local,
    _keys: tempfile::TempDir,
}

/// `None` without an Envoy on the `PATH`.
async fn pair(http: &str) -> Option<Pair> {
    let dir = tempfile::tempdir().unwrap();
    let secret = |name: &str| keys::write_fresh(dir.path(), name).unwrap().0.display().to_string();
    let signer_toml = format!(
        "[[keys]]\nname = 'hosted'\nscheme = 'cloudflare-images'\nallowed_hosts = ['{HOST}']\n\
         [[keys.versions]]\nid = 1\nstate = 'primary'\nsecret_file = '{}'\n\
         [[keys]]\nname = 'bunny'\nscheme = 'bunny'\n\
         [[keys.versions]]\nid = 1\nstate = 'primary'\nsecret_file = '{}'\n",
        secret("hosted-1"),
        secret("bunny-1"),
    );
    let settings = Settings {
        resizer_toml: ROUTES.to_owned(),
        signer_toml,
        http: http.to_owned(),
        ..Settings::default()
    };
    let local = start(settings).await;
    local.put("a.png", sample::png(64, 48).unwrap()).await;
    let port = |port: u16| format!("port_value: {port}");
    let (http, resizer, signer) = (
        port(local.stack.resizer.http().unwrap().port()),
        port(local.stack.resizer.address().port()),
        port(local.stack.signer.address().port()),
    );
    let replaced =
        [("port_value: 8080", &*http), ("port_value: 50052", &*resizer), ("port_value: 50051", &*signer)];
    let envoy = Envoy::start("pair.yaml", &replaced).await.unwrap()?;
    Some(Pair { envoy, local, _keys: dir })
}

impl Pair {
    /// GETs a target over HTTP, from an address of the loopback network.
    async fn get_from(&self, from: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let address = self.envoy.address("pictures");
        let from: IpAddr = from.parse().unwrap();
        let client = reqwest::Client::builder().no_proxy().resolve(HOST, address).local_address(from).build();
        let mut request = client.unwrap().get(format!("http://{HOST}:{}{target}", address.port()));
        request = request.header("host", HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// A URL's target, signed by the signer behind Envoy.
    async fn sign(&self, key: &str, path: &str, client_ip: &str) -> String {
        let origin = format!("http://{HOST}");
        let request = SignUrlRequest {
            key: key.to_owned(),
            url: format!("{origin}{path}"),
            client_ip: client_ip.to_owned(),
            expiry: Some(Expiry::Ttl(prost_types::Duration { seconds: 3600, nanos: 0 })),
            ..SignUrlRequest::default()
        };
        let channel = Endpoint::from_shared(format!("http://{}", self.envoy.address("calls"))).unwrap();
        let mut signer = SignerServiceClient::new(channel.connect().await.unwrap());
        let url = signer.sign_url(request).await.unwrap().into_inner().signed_url;
        url.strip_prefix(&origin).unwrap().to_owned()
    }
}

#[tokio::test]
async fn pictures_over_http_and_calls_over_grpc() {
    let Some(pair) = pair("").await else { return };
    // The path is signed as it is spelled, and arrives so.
    pair.local.put("x//b c~d.png", sample::png(64, 48).unwrap()).await;
    for path in ["/acct/a.png/card", "/acct/x//b%20c%7Ed.png/card"] {
        let url = pair.sign("web", path, "").await;
        let answer = pair.get_from("127.0.0.1", &url, &[]).await;
        assert_eq!(answer.status().as_u16(), 200, "{path}: {answer:?}");
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("image/"), "{answer:?}");
        let length: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
        let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(answer.bytes().await.unwrap().len(), length);
        let unchanged = pair.get_from("127.0.0.1", &url, &[("if-none-match", &etag)]).await;
        assert_eq!(unchanged.status().as_u16(), 304);
        for changed in [url.replace("card", "w=9"), format!("{url}0"), path.to_owned()] {
            let answer = pair.get_from("127.0.0.1", &changed, &[]).await;
            assert_eq!(answer.status().as_u16(), 403, "{changed}");
        }
    }
    // No gRPC for the world, and nothing but gRPC for services.
    let channel = Endpoint::from_shared(format!("http://{}", pair.envoy.address("pictures"))).unwrap();
    let mut world = SignerServiceClient::new(channel.connect_lazy());
    assert!(world.sign_url(SignUrlRequest::default()).await.unwrap_err().message().contains("405"));
    let calls = pair.envoy.address("calls");
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let answer = client.get(format!("http://{calls}/acct/a.png/thumbnail")).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 404);

    let channel = Endpoint::from_shared(format!("http://{calls}")).unwrap().connect().await.unwrap();
    let mut client = ResizerServiceClient::new(channel);
    let url = pair.sign("web", "/acct/a.png/card", "").await;
    let request = DeliverRequest { url: url.clone(), ..DeliverRequest::default() };
    let (_, picture) = deliver(&mut client, request).await.unwrap();
    assert_eq!(size(&picture.unwrap()), (64, 48));
    let forged = DeliverRequest { url: format!("{url}0"), ..DeliverRequest::default() };
    refused(deliver(&mut client, forged).await, Reason::UrlRefused);
}

#[tokio::test]
async fn viewer_and_host_are_believed_of_envoy_and_of_no_viewer() {
    for (http, trusted) in [("trusted_proxies = ['127.0.0.1']", true), ("", false)] {
        let Some(pair) = pair(http).await else { return };
        let hosted = pair.sign("hosted", "/hosted/a.png/card", "").await;
        let forged = [("x-forwarded-host", "evil.example.com"), ("forwarded", "host=evil.example.com")];
        let answer = pair.get_from("127.0.0.1", &hosted, &forged).await;
        assert_eq!(answer.status().as_u16(), 200, "{answer:?}");
        let bound = pair.sign("bunny", "/bound/a.png/card", "127.0.0.5").await;
        for (from, status) in [("127.0.0.5", 200), ("127.0.0.6", 403), ("127.0.0.1", 403)] {
            // What the viewer says of itself stands to the left of what Envoy says.
            let answer = pair.get_from(from, &bound, &[("x-forwarded-for", "127.0.0.5")]).await;
            let status = if trusted { status } else { 403 };
            assert_eq!(answer.status().as_u16(), status, "{from} {trusted}");
        }
    }
}
