//! A signer that is away, silent, or has other keys.

use safelight_chassis::server::Server;
use safelight_local::{Settings, picture::sample, running::Running, stack};
use safelight_proto::{
    reason::Reason,
    resizer::v1::{DeliverRequest, resizer_service_client::ResizerServiceClient},
};
use safelight_resizer::Resizer;
use safelight_signer::{Clock, Signer};
use safelight_tests::faulty_origin::{FaultyOrigin, Reply};
use tokio::net::TcpStream;

use crate::{deliver::WEB_ROUTE, harness::*, http_origin::origins};

#[tokio::test]
async fn without_the_signer_only_what_is_public_is_delivered() {
    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/a.png", Reply::ok(sample::png(48, 32).unwrap()));
    let local = start_with(origins(&origin) + WEB_ROUTE).await;
    local.put("a.png", sample::png(48, 32).unwrap()).await;
    let private = local.sign("/web/a.png/card").await;
    local.get(&private).await.unwrap();
    let asked = origin.requests().len();

    local.stack.signer.begin_stop();
    let address = local.stack.signer.address();
    eventually("the signer listens no more", async || TcpStream::connect(address).await.err()).await;
    refused(local.get(&private).await, Reason::SignerUnavailable);
    refused(local.get("/web/a.png/card").await, Reason::SignerUnavailable);
    assert_eq!(origin.requests().len(), asked, "nothing is fetched that was not verified");
    // Public, from an origin that needs no signature: served; from one that does: not.
    local.get("/web/a.png/thumbnail").await.unwrap();
    refused(local.get("/acct/a.png/thumbnail").await, Reason::SignerUnavailable);
    refused(local.resize_object(object("a.png")).await, Reason::SignerUnavailable);
    local.resize_object(object_of("web", "a.png")).await.unwrap();
    assert_eq!(local.stack.s3.requests(), 0);

    // Another takes its place, and is found without a restart.
    let config = safelight_signer::Config::load(&local.stack.dir().join("signer.toml")).unwrap();
    let server = Signer::new(config, Clock::system()).add_to(Server::new(safelight_signer::limits()));
    let signer = Running::start(server, address.port()).await.unwrap();
    eventually("the new signer is asked", async || local.get(&private).await.ok()).await;
    local.resize_object(object("a.png")).await.unwrap();
    drop(signer);
}

#[tokio::test]
async fn a_signer_that_does_not_answer_is_not_waited_for() {
    let silent = FaultyOrigin::start().await.unwrap(); // listens, and speaks no HTTP/2
    let local = start(Settings::default()).await;
    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/a.png", Reply::ok(sample::png(48, 32).unwrap()));
    let toml = format!(
        "[signer]\nendpoint = '{}'\ntimeout = '200ms'\n[variants.card]\n{}{WEB_ROUTE}\
         [[grants]]\ncaller = 'anonymous'\nmethods = ['Deliver']\nroutes = ['*']\n",
        silent.endpoint(),
        origins(&origin)
    );
    let resizer = Resizer::new(safelight_resizer::Config::read(&toml).unwrap()).unwrap();
    let server = Server::new(safelight_resizer::limits());
    let running = Running::start(resizer.add_to(server), 0).await.unwrap();
    let channel = stack::connect(&running).await.unwrap();
    let url = local.sign("/web/a.png/card").await;
    let request = DeliverRequest { url, ..Default::default() };
    let mut client = ResizerServiceClient::new(channel);
    let answer = tokio::time::timeout(PATIENCE, deliver(&mut client, request)).await.expect("an answer");
    refused(answer, Reason::SignerUnavailable);
    assert_eq!(origin.requests(), []);
}

#[tokio::test]
async fn a_signer_with_other_keys_is_a_fault_of_configuration() {
    let routes = "[[routes]]\npath = '/a/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'hush-no-such-key'\n\
        [[routes]]\npath = '/b/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'uploads'\n\
        [origins.other]\nkind = 's3'\nbucket = 'photos'\nregion = 'eu-west-1'\nendpoint = '{s3}'\npath_style = true\n\
        allow_private_network = true\nsigning_key = 'hush-no-such-key'\n";
    let local = start_with(routes).await;
    let signed = [local.sign("/a/x/card").await, local.sign("/b/x/card").await];
    for answer in [
        local.get(&signed[0]).await.map(drop),
        local.get(&signed[1]).await.map(drop),
        local.resize_object(object_of("other", "x")).await.map(drop),
    ] {
        let status = refused(answer, Reason::SignerRefused);
        let told = format!("{status:?}");
        assert!(!told.contains("hush") && !told.contains("uploads") && !told.contains("KEY_"), "{told}");
    }
    assert_eq!(local.stack.s3.requests(), 0);
}
