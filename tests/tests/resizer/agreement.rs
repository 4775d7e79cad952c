//! Whether the signer takes a route in one call.

use safelight_chassis::server::Server;
use safelight_local::{Settings, picture::sample, running::Running, stack};
use safelight_proto::{
    reason::Reason,
    resizer::v1::{DeliverRequest, resizer_service_client::ResizerServiceClient},
};
use safelight_resizer::Resizer;
use safelight_signer::{Clock, Signer};
use tonic::transport::Channel;

use crate::{causes::Log, harness::*};

/// A signer and a resizer beside those of a stack, with their configurations changed.
struct Beside {
    resizer: ResizerServiceClient<Channel>,
    _running: (Running, Running),
}

async fn beside(
    local: &Local,
    signer_toml: impl FnOnce(String) -> String,
    resizer_toml: impl FnOnce(String) -> String,
) -> Beside {
    let read = |name: &str| std::fs::read_to_string(local.stack.dir().join(name)).unwrap();
    let path = local.stack.dir().join("signer-beside.toml");
    std::fs::write(&path, signer_toml(read("signer.toml"))).unwrap();
    let signer = Signer::new(safelight_signer::Config::load(&path).unwrap(), Clock::system());
    let signer = Running::start(signer.add_to(Server::new(safelight_signer::limits())), 0).await.unwrap();
    let toml = resizer_toml(read("resizer.toml")).replace(&local.stack.signer.endpoint(), &signer.endpoint());
    let resizer = Resizer::new(safelight_resizer::Config::read(&toml).unwrap()).unwrap();
    resizer.watch_agreement();
    let resizer = resizer.add_to(Server::new(safelight_resizer::limits()));
    let resizer = Running::start(resizer, 0).await.unwrap();
    let client = ResizerServiceClient::new(stack::connect(&resizer).await.unwrap());
    Beside { resizer: client, _running: (signer, resizer) }
}

/// The resizer may have deliveries authorized, and nothing else.
fn authorize_delivery_alone(signer_toml: String) -> String {
    let listed = "[\"AuthorizeDelivery\", \"ListDeliveries\"]";
    assert!(signer_toml.contains(listed) && signer_toml.contains(TWO_CALLS));
    signer_toml.replace(listed, "[\"AuthorizeDelivery\"]").replace(TWO_CALLS, "")
}

#[tokio::test]
async fn no_viewer_ends_the_one_call_of_others() {
    let (log, _guard) = Log::start();
    let local = start(Settings::default()).await;
    local.put("a.png", sample::png(48, 32).unwrap()).await;
    let mut beside = beside(&local, authorize_delivery_alone, |toml| toml).await;
    let signed = local.sign("/acct/a.png/card").await;
    let long = format!("/acct/{}/thumbnail", "a".repeat(2000));
    for url in ["/acct/..%2Fx/thumbnail", "/acct/..%2Fx/card", "/acct/x%00/card?exp=1&sig=00", &long] {
        let request = DeliverRequest { url: url.into(), ..Default::default() };
        deliver(&mut beside.resizer, request).await.unwrap_err();
        let request = DeliverRequest { url: signed.clone(), ..Default::default() };
        deliver(&mut beside.resizer, request).await.unwrap_or_else(|status| panic!("{url}: {status:?}"));
    }
    assert_eq!(log.take("delivery.two_calls"), [""; 0]);
}

#[tokio::test]
async fn a_route_that_is_not_granted_is_said_once_with_its_cause() {
    let (log, _guard) = Log::start();
    let local = start(Settings::default()).await;
    let nothing =
        |toml: String| authorize_delivery_alone(toml).replace("[\"AuthorizeDelivery\"]", "[\"ListKeys\"]");
    let mut beside = beside(&local, nothing, |toml| toml).await;
    log.take("");
    for _ in 0..2 {
        let request = DeliverRequest { url: local.sign("/acct/a.png/card").await, ..Default::default() };
        refused(deliver(&mut beside.resizer, request).await, Reason::SignerRefused);
    }
    let events = log.take("delivery.two_calls");
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert!(event["cause"].as_str().is_some_and(|cause| cause.contains("not granted: method")), "{event}");
    assert!(event["hint"].as_str().is_some_and(|hint| hint.contains("AuthorizeDelivery")), "{event}");
}

#[tokio::test]
async fn what_agrees_and_what_differs_is_said_from_the_start() {
    let (log, _guard) = Log::start();
    let local = start(Settings::default()).await;
    eventually("delivery.agreed", async || log.take("delivery.agreed").pop()).await;
    let public = |toml: String| toml.replace("public = true", "public = false");
    let _beside = beside(&local, |toml| toml, public).await;
    let event = eventually("delivery.differs", async || log.take("delivery.differs").pop()).await;
    assert!(event["message"].as_str().is_some_and(|text| text.contains("public_variants")), "{event}");
}
