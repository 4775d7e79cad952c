//! Results that stay in the user's bucket, and pictures that are made once for many who ask at once.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{future::join_all, stream};
use image::ImageFormat;
use safelight_client::SignerClient;
use safelight_image::sniff::Format;
use safelight_local::{
    Settings,
    picture::sample,
    stack::{self, BUCKET},
};
use safelight_proto::{
    reason::Reason,
    resizer::v1::{
        CallerHeaders, DeliverRequest, Delivery, DeliveryOutcome, InspectOpen, InspectRequest,
        PurgeObjectRequest, ResultStatus, inspect_open, inspect_request,
        resizer_service_client::ResizerServiceClient,
    },
};
use safelight_resizer::{
    Config,
    app::{App, Context, results::EagerOutput},
    results::Picture,
    signer::RemoteSigner,
};
use safelight_tests::faulty_origin::{Behaviour, FaultyOrigin, Reply};

use crate::{
    causes::Log,
    harness::*,
    http_door::wire::{self, another},
    http_origin::origins,
    pictures::noise_file,
};

/// What the resizer needs at the signer for a result store.
pub(crate) const GRANT: &str = "[[grants]]\ncaller = 'resizer'\nmethods = ['SignOriginRequest']\nkeys = ['s3-photos']\n\
    url_prefixes = ['{s3}/photos/results/']\nhttp_methods = ['GET', 'PUT']\n";

const RESULTS: &str = "[results]\norigin = 'photos'\n";

/// A stack with results, and what else `resizer.toml` has. Everything there must not begin with keys.
pub(crate) async fn start_results(resizer_toml: &str) -> Local {
    start(Settings {
        signer_toml: GRANT.into(),
        resizer_toml: format!("{RESULTS}{resizer_toml}"),
        ..Settings::default()
    })
    .await
}

fn ask(url: &str) -> DeliverRequest {
    DeliverRequest { url: url.into(), ..Default::default() }
}

/// The files of the bucket.
fn stored(local: &Local) -> Vec<PathBuf> {
    let files = fs::read_dir(local.stack.dir().join("s3").join(BUCKET)).unwrap();
    files.map(|file| file.unwrap().path()).filter(|path| path.is_file()).collect()
}

/// The file of a picture that was delivered, once it is there.
async fn stored_as(local: &Local, bytes: &[u8]) -> PathBuf {
    eventually("the stored result", async || {
        stored(local).into_iter().find(|path| fs::read(path).is_ok_and(|found| found == bytes))
    })
    .await
}

async fn hit(local: &Local, url: &str) -> (Delivery, Vec<u8>) {
    let (delivery, picture) = local.get(url).await.unwrap();
    assert_eq!(delivery.result_status(), ResultStatus::Hit, "{url}");
    (delivery, picture.unwrap().bytes.to_vec())
}

async fn miss(local: &Local, url: &str) -> (Delivery, Vec<u8>) {
    let (delivery, picture) = local.get(url).await.unwrap();
    assert_eq!((delivery.result_status(), delivery.result_stored), (ResultStatus::Miss, true), "{url}");
    let bytes = picture.unwrap().bytes.to_vec();
    stored_as(local, &bytes).await;
    (delivery, bytes)
}

#[tokio::test]
async fn a_picture_is_made_once_and_then_found() {
    let local = start_results("").await;
    local.put("a.jpg", sample::jpeg(96, 64).unwrap()).await;
    let url = local.sign("/acct/a.jpg/w=20").await;
    let (first, picture) = local.get(&url).await.unwrap();
    let first_picture = picture.unwrap();
    assert_eq!((first.result_status(), first.result_stored), (ResultStatus::Miss, true));
    stored_as(&local, &first_picture.bytes).await;

    // Found: the same to the byte, of the same entity tag, and nothing is decoded.
    let decodes = local.decodes().await;
    let (second, picture) = local.get(&url).await.unwrap();
    let picture = picture.unwrap();
    assert_eq!((second.result_status(), second.result_stored), (ResultStatus::Hit, false));
    assert_eq!((&second.etag, second.last_modified), (&first.etag, first.last_modified));
    assert_eq!(picture.bytes, first_picture.bytes);
    assert_eq!(picture.header, first_picture.header);
    assert_eq!(local.decodes().await, decodes);
    assert_eq!(local.metric("results_total{outcome=\"hit\"}").await, 1);
    assert_eq!(local.metric("result_store_total{outcome=\"stored\"}").await, 1);

    // Signed anew it is the same picture; other options, or another format, are another.
    let signed_anew = local.sign_with("web", "/acct/a.jpg/w=20", 60).await;
    assert_eq!(hit(&local, &signed_anew).await.1, first_picture.bytes);
    miss(&local, &local.sign("/acct/a.jpg/w=21").await).await;
    let webp = DeliverRequest { accept: "image/webp".into(), ..ask(&url) };
    assert_eq!(local.deliver(webp.clone()).await.unwrap().0.result_status(), ResultStatus::Miss);
    eventually("the other format", async || {
        (local.deliver(webp.clone()).await.unwrap().0.result_status() == ResultStatus::Hit).then_some(())
    })
    .await;
    // The signature is asked for all the same.
    refused(local.get("/acct/a.jpg/w=20").await, Reason::UrlRefused);

    // The viewer's copy is current: known without a question to the origin.
    let requests = local.stack.s3.requests();
    let unchanged = DeliverRequest { if_none_match: first.etag.clone(), ..ask(&url) };
    let (delivery, _) = local.deliver(unchanged).await.unwrap();
    assert_eq!(
        (delivery.outcome(), delivery.result_status()),
        (DeliveryOutcome::NotModified, ResultStatus::Hit)
    );
    assert_eq!(local.stack.s3.requests(), requests);

    // Another process finds it too.
    let another = another(&local, |text| text).await;
    let mut client = ResizerServiceClient::new(stack::connect(&another).await.unwrap());
    let (delivery, picture) = deliver(&mut client, ask(&url)).await.unwrap();
    assert_eq!(delivery.result_status(), ResultStatus::Hit);
    assert_eq!(picture.unwrap().bytes, first_picture.bytes);
}

#[tokio::test]
async fn over_http_the_answer_says_what_happened() {
    let local = start_results("").await;
    local.put("a.jpg", sample::jpeg(96, 64).unwrap()).await;
    let url = "/acct/a.jpg/thumbnail";
    let first = wire::get(&local, url, &[]).await;
    assert_eq!(first.header("cache-status"), Some("safelight; fwd=miss; stored"));
    stored_as(&local, &first.body).await;
    let second = wire::get(&local, url, &[]).await;
    assert_eq!(second.header("cache-status"), Some("safelight; hit"));
    let lasting = |answer: &wire::HttpAnswer| -> Vec<_> {
        answer.lasting().into_iter().filter(|(name, _)| name != "cache-status").collect()
    };
    assert_eq!((lasting(&second), &second.body), (lasting(&first), &first.body));
    let head = wire::send(&local, "HEAD", url, &[]).await;
    assert_eq!((head.lasting(), head.body.len()), (second.lasting(), 0));
    // A range is answered whole, as without results.
    let range = wire::get(&local, url, &["Range: bytes=0-9"]).await;
    assert_eq!((range.status, range.body.len()), (200, first.body.len()));
    let etag = format!("If-None-Match: {}", first.header("etag").unwrap());
    let unchanged = wire::get(&local, url, &[&etag]).await;
    assert_eq!((unchanged.status, unchanged.header("cache-status")), (304, Some("safelight; hit")));
}

#[tokio::test]
async fn results_are_no_originals() {
    let local = start_results("").await;
    local.put("results/a.jpg", sample::jpeg(96, 64).unwrap()).await;
    refused(local.get("/acct/results/a.jpg/thumbnail").await, Reason::OriginNotFound);
    refused(local.resize_object(object("results/a.jpg")).await, Reason::OriginNotFound);
}

#[tokio::test]
async fn an_overwritten_original_is_another() {
    let local = start_results("ttl = '1s'\n").await;
    local.put("a.png", sample::png(48, 32).unwrap()).await;
    let url = "/acct/a.png/thumbnail";
    let (first, bytes) = miss(&local, url).await;
    assert_eq!(hit(&local, url).await.1, bytes);
    local.put("a.png", sample::jpeg(48, 33).unwrap()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (second, other) = miss(&local, url).await;
    assert!(second.etag != first.etag && other != bytes);
    assert_eq!(hit(&local, url).await.1, other);
    // The conditional request of one who has the old one gets the new one.
    let (delivery, picture) =
        local.deliver(DeliverRequest { if_none_match: first.etag, ..ask(url) }).await.unwrap();
    assert_eq!((delivery.result_status(), picture.is_some()), (ResultStatus::Hit, true));
}

#[tokio::test]
async fn a_purge_is_seen_at_once_here_and_within_the_ttl_elsewhere() {
    let local = start_results("ttl = '2s'\n").await;
    for key in ["a.png", "b.png"] {
        local.put(key, sample::png(48, 32).unwrap()).await;
    }
    let url = "/acct/a.png/thumbnail";
    miss(&local, url).await;
    miss(&local, "/acct/b.png/thumbnail").await;
    let another = another(&local, |text| text).await;
    let mut client = ResizerServiceClient::new(stack::connect(&another).await.unwrap());
    assert_eq!(deliver(&mut client, ask(url)).await.unwrap().0.result_status(), ResultStatus::Hit);
    for round in 0..2 {
        let request = PurgeObjectRequest { origin: "photos".into(), key: "a.png".into() };
        local.client.clone().purge_object(request).await.unwrap();
        let (delivery, _) = local.get(url).await.unwrap();
        assert_eq!(delivery.result_status(), ResultStatus::Miss, "{round}");
        eventually("it is stored again", async || {
            (local.get(url).await.unwrap().0.result_status() == ResultStatus::Hit).then_some(())
        })
        .await;
    }
    // Of the other picture nothing was dropped.
    hit(&local, "/acct/b.png/thumbnail").await;
    // The other process asks for the epoch again, and finds what was stored under it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let requests = local.stack.s3.requests();
    assert_eq!(deliver(&mut client, ask(url)).await.unwrap().0.result_status(), ResultStatus::Hit);
    assert_eq!(local.stack.s3.requests() - requests, 3, "the original's head, its epoch, the result");

    for (origin, key, reason) in [
        ("none", "a.png", Reason::OriginUnknown),
        ("photos", "a/../b", Reason::ObjectKeyUnsupported),
        ("photos", "", Reason::ObjectKeyUnsupported),
    ] {
        let request = PurgeObjectRequest { origin: origin.into(), key: key.into() };
        refused(local.client.clone().purge_object(request).await, reason);
    }
    let without = start(Settings::default()).await;
    let request = PurgeObjectRequest { origin: "photos".into(), key: "a.png".into() };
    refused(without.client.clone().purge_object(request).await, Reason::ResultsNotConfigured);
}

#[tokio::test]
async fn what_is_one_callers_alone_is_never_stored() {
    let origin = FaultyOrigin::start().await.unwrap();
    let route =
        "[[routes]]\npath = '/web/{key...}/{variant}'\norigin = 'web'\nurl_key = 'web'\nflexible = true\n";
    let local = start_results(&(origins(&origin) + route)).await;
    origin.at("/a.png", Reply::ok(sample::png(48, 32).unwrap()).header("etag", "\"1\""));
    origin.at("/weak.png", Reply::ok(sample::png(48, 32).unwrap()).header("etag", "W/\"1\""));
    let own = Some(CallerHeaders { cookie: "a=b".into(), ..Default::default() });
    for url in ["/web/a.png/thumbnail".to_owned(), local.sign("/web/a.png/w=20").await] {
        let requests = local.stack.s3.requests();
        for _ in 0..2 {
            let request = DeliverRequest { caller_headers: own.clone(), ..ask(&url) };
            let (delivery, _) = local.deliver(request).await.unwrap();
            assert_eq!((delivery.result_status(), delivery.result_stored), (ResultStatus::Bypass, false));
        }
        assert_eq!(local.stack.s3.requests(), requests, "the store is not asked");
        // Shared all the same.
        let shared = DeliverRequest { caller_headers: own.clone(), share_publicly: true, ..ask(&url) };
        let (delivery, picture) = local.deliver(shared.clone()).await.unwrap();
        assert_eq!((delivery.result_status(), delivery.result_stored), (ResultStatus::Miss, true));
        stored_as(&local, &picture.unwrap().bytes).await;
        assert_eq!(local.deliver(shared).await.unwrap().0.result_status(), ResultStatus::Hit);
    }
    // Without a strong entity tag nothing says that the original is still the same.
    for _ in 0..2 {
        let (delivery, _) = local.get("/web/weak.png/thumbnail").await.unwrap();
        assert_eq!((delivery.result_status(), delivery.result_stored), (ResultStatus::Bypass, false));
    }
}

#[tokio::test]
async fn a_damaged_result_is_made_anew_and_replaced() {
    let (log, _guard) = Log::start();
    let local = start_results("").await;
    local.put("a.png", sample::png(48, 32).unwrap()).await;
    let url = "/acct/a.png/thumbnail";
    let (_, bytes) = miss(&local, url).await;
    let file = stored_as(&local, &bytes).await;
    let flipped = {
        let mut bytes = bytes.clone();
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    for damaged in [flipped, bytes[..bytes.len() - 1].to_vec(), Vec::new(), b"<html>".to_vec()] {
        fs::write(&file, &damaged).unwrap();
        let (delivery, picture) = local.get(url).await.unwrap();
        assert_eq!((delivery.result_status(), delivery.result_stored), (ResultStatus::Miss, true));
        assert_eq!(picture.unwrap().bytes, bytes);
        stored_as(&local, &bytes).await;
        assert_eq!(hit(&local, url).await.1, bytes);
    }
    assert_eq!(log.take("results.damaged").len(), 4);
}

#[tokio::test]
async fn what_is_too_large_is_not_stored() {
    let local = start_results("max_bytes = 100\n").await;
    local.put("a.png", sample::png(48, 32).unwrap()).await;
    for _ in 0..2 {
        let (delivery, _) = local.get("/acct/a.png/thumbnail").await.unwrap();
        assert_eq!((delivery.result_status(), delivery.result_stored), (ResultStatus::Miss, false));
    }
    assert_eq!(local.metric("result_store_total{outcome=\"too_large\"}").await, 2);
}

/// A store that fails in each way: every picture is delivered, soon, and the log says once why nothing is stored.
#[tokio::test]
async fn a_failing_store_fails_no_delivery() {
    let store = FaultyOrigin::start().await.unwrap();
    let grant = format!(
        "[[grants]]\ncaller = 'resizer'\nmethods = ['SignOriginRequest']\nkeys = ['s3-photos']\n\
         url_prefixes = ['{}/']\nhttp_methods = ['GET', 'PUT']\n",
        store.endpoint()
    );
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refusal = "<Error><Code>AccessDenied</Code><Message>In words.</Message></Error>";
    for (case, endpoint, behaviour, cause) in [
        ("refusing", store.endpoint(), Reply::status(403).body(refusal).into(), "AccessDenied"),
        ("busy", store.endpoint(), Reply::status(503).into(), "HTTP 503"),
        ("silent", store.endpoint(), Behaviour::Silent, "1s"),
        ("cut off", store.endpoint(), Behaviour::CloseAtOnce, "could not be reached"),
        ("no HTTP", store.endpoint(), Behaviour::Raw("hello\r\n\r\n".into()), ""),
        (
            "half open",
            store.endpoint(),
            Reply::ok(vec![7; 100]).slow_body(1, Duration::from_secs(5)).into(),
            "1s",
        ),
        ("down", format!("http://{closed}"), Reply::status(500).into(), "could not be reached"),
    ] {
        store.elsewhere(behaviour);
        let (log, _guard) = Log::start();
        let local = start(Settings {
            signer_toml: grant.clone(),
            resizer_toml: format!(
                "[results]\norigin = 'store'\n[origins.store]\nkind = 's3'\nbucket = 'b'\nregion = 'eu-west-1'\n\
                 endpoint = '{endpoint}'\npath_style = true\nsigning_key = 's3-photos'\nallow_private_network = true\n"
            ),
            ..Settings::default()
        })
        .await;
        for number in 0..5 {
            local.put(&format!("{number}.png"), sample::png(48, 32).unwrap()).await;
        }
        for number in 0..5 {
            let began = Instant::now();
            let (delivery, picture) = local.get(&format!("/acct/{number}.png/thumbnail")).await.unwrap();
            assert!(picture.is_some(), "{case}");
            assert_eq!((delivery.result_status(), delivery.result_stored), (ResultStatus::Bypass, false));
            let longest = Duration::from_millis(if number < 3 { 2500 } else { 900 });
            assert!(began.elapsed() < longest, "{case}, {number}: {:?}", began.elapsed());
        }
        let said = log.take("results.paused");
        assert_eq!(said.len(), 1, "{case}: {said:?}");
        let found = said[0]["cause"].as_str().unwrap();
        assert!(found.contains(cause) && !found.contains("AWS4"), "{case}: {found}");
    }
}

/// The signer lets results be read and not be written.
#[tokio::test]
async fn without_a_grant_to_write_nothing_is_stored_and_the_log_says_so() {
    let (log, _guard) = Log::start();
    let local = start_with(RESULTS).await;
    local.put("a.png", sample::png(48, 32).unwrap()).await;
    let mut stored = Vec::new();
    for number in 0..5_u64 {
        let (delivery, picture) = local.get("/acct/a.png/thumbnail").await.unwrap();
        assert!(picture.is_some());
        assert_eq!(delivery.result_status(), ResultStatus::Miss);
        stored.push(delivery.result_stored);
        if number < 3 {
            eventually("the attempt", async || {
                (local.metric("result_store_total{outcome=\"write_failed\"}").await > number).then_some(())
            })
            .await;
        }
    }
    assert_eq!(stored, [true, true, true, false, false]);
    let said = log.take("results.not_stored");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0]["cause"].as_str().unwrap().contains("CALLER_DENIED"), "{said:?}");
}

#[tokio::test]
async fn a_store_that_answers_again_is_used_again() {
    let store = FaultyOrigin::start().await.unwrap();
    store.elsewhere(Reply::status(503));
    let (log, _guard) = Log::start();
    let local = start(Settings {
        signer_toml: format!(
            "[[grants]]\ncaller = 'resizer'\nmethods = ['SignOriginRequest']\nkeys = ['s3-photos']\n\
             url_prefixes = ['{}/']\nhttp_methods = ['GET', 'PUT']\n",
            store.endpoint()
        ),
        resizer_toml: format!(
            "[results]\norigin = 'store'\n[origins.store]\nkind = 's3'\nbucket = 'b'\nregion = 'eu-west-1'\n\
             endpoint = '{}'\npath_style = true\nsigning_key = 's3-photos'\nallow_private_network = true\n",
            store.endpoint()
        ),
        ..Settings::default()
    })
    .await;
    local.put("a.png", sample::png(48, 32).unwrap()).await;
    let url = "/acct/a.png/thumbnail";
    for _ in 0..4 {
        assert_eq!(local.get(url).await.unwrap().0.result_status(), ResultStatus::Bypass);
    }
    store.elsewhere(Reply::status(404));
    let status = eventually("it is asked again", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let status = local.get(url).await.unwrap().0.result_status();
        (status != ResultStatus::Bypass).then_some(status)
    })
    .await;
    assert_eq!(status, ResultStatus::Miss);
    let said = log.take("results.");
    let said: Vec<_> = said.iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect();
    let count = |begin: &str| said.iter().filter(|message| message.starts_with(begin)).count();
    assert_eq!((count("results.paused"), count("results.resumed")), (1, 1), "{said:?}");
}

/// One cold picture, a thousand clients: one decode, and one fetch.
async fn a_thousand_at_once(local: &Local, origin: &FaultyOrigin) {
    const CLIENTS: usize = 1000;
    let bytes = sample::png(200, 100).unwrap();
    origin.at("/a.png", Reply::ok(bytes).header("etag", "\"1\"").slow_head(Duration::from_secs(3)));
    let (decodes, fetches) = (local.decodes().await, origin.requests().len());
    let answers = join_all((0..CLIENTS).map(|_| wire::get(local, "/web/a.png/thumbnail", &[]))).await;
    let first = answers[0].body.clone();
    for answer in &answers {
        assert_eq!((answer.status, answer.body == first), (200, true), "{answer:?}");
    }
    assert_eq!(local.decodes().await - decodes, 1);
    let collapsed = answers
        .iter()
        .filter(|answer| answer.header("cache-status").is_some_and(|status| status.ends_with("; collapsed")));
    assert_eq!(collapsed.count(), CLIENTS - 1);
    // What is known of the original is asked for by itself where there is a store to look in.
    assert!(origin.requests().len() - fetches <= 2);
    assert_eq!(local.metric("memory_used_bytes{purpose=\"sources\"}").await, 0);
}

const MANY: &str = "max_requests = 2000";
const ROUTE: &str =
    "[[routes]]\npath = '/web/{key...}/{variant}'\norigin = 'web'\nurl_key = 'web'\nflexible = true\n";

#[tokio::test]
async fn a_thousand_clients_ask_for_one_cold_picture() {
    let origin = FaultyOrigin::start().await.unwrap();
    let settings = |toml: &str| Settings {
        signer_toml: GRANT.into(),
        resizer_toml: format!("{toml}{}{ROUTE}", origins(&origin)),
        limits: MANY.into(),
        ..Settings::default()
    };
    let local = start(settings("")).await;
    a_thousand_at_once(&local, &origin).await;
    let local = start(settings(RESULTS)).await;
    a_thousand_at_once(&local, &origin).await;
}

#[tokio::test]
async fn each_waits_as_long_as_it_has_time() {
    let origin = FaultyOrigin::start().await.unwrap();
    let local = start_with(origins(&origin) + ROUTE).await;
    let bytes = sample::png(48, 32).unwrap();
    origin.at("/a.png", Reply::ok(bytes).header("etag", "\"1\"").slow_head(Duration::from_secs(2)));
    let url = "/web/a.png/thumbnail";
    // The first has the least time. The others take over, and one that goes away holds nobody up.
    let hasty = async {
        let mut request = tonic::Request::new(ask(url));
        request.set_timeout(Duration::from_millis(500));
        local.client.clone().deliver(request).await.map(drop)
    };
    let gone = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        tokio::time::timeout(Duration::from_millis(900), local.get(url)).await
    };
    let patient = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        local.get(url).await
    };
    let (hasty, gone, patient) = tokio::join!(hasty, gone, patient);
    refused(hasty, Reason::DeadlineExceeded);
    assert!(gone.is_err());
    assert!(patient.unwrap().1.is_some());
    assert!(origin.requests().len() <= 2);
    assert_eq!(local.decodes().await, 1);

    // Where the original is no picture, all are told so, and it is decoded once.
    origin.at("/b.png", Reply::ok("no picture").slow_head(Duration::from_millis(500)));
    let fetches = origin.requests().len();
    for answer in join_all((0..20).map(|_| local.get("/web/b.png/thumbnail"))).await {
        refused(answer, Reason::FormatUnsupported);
    }
    assert_eq!(origin.requests().len() - fetches, 1);
}

#[tokio::test]
async fn what_is_being_written_is_written_before_the_process_ends() {
    let local = start_results("").await;
    local.put("a.png", noise_file(600, 600, ImageFormat::Png)).await;
    let (_, picture) = local.get("/acct/a.png/thumbnail").await.unwrap();
    let bucket = local.stack.dir().join("s3").join(BUCKET);
    drop(local.client);
    local.stack.resizer.stop().await.unwrap();
    let files = fs::read_dir(bucket).unwrap();
    let bytes = picture.unwrap().bytes;
    let is_stored =
        files.map(|file| file.unwrap().path()).any(|path| fs::read(path).is_ok_and(|b| b == bytes));
    assert!(is_stored);
}

/// What an upload makes ahead is found by the first delivery.
#[tokio::test]
async fn eager_variants_are_where_deliveries_look() {
    let route = "[[routes]]\npath = '/small/{key...}'\norigin = 'photos'\nvariant = 'thumbnail'\nmax_width = 50\n\
        on_exceed = 'clamp'\n";
    let local = start_results(route).await;
    local.put("a.png", sample::png(400, 300).unwrap()).await;
    let config = Config::load(&local.stack.dir().join("resizer.toml")).unwrap();
    let client = SignerClient::connect_lazy(&config.signer_endpoint, &config.signer_credentials).unwrap();
    let app = App::new(config, Arc::new(RemoteSigner::new(client, Duration::from_secs(1)))).unwrap();

    let open = InspectOpen { source: Some(inspect_open::Source::Object(object("a.png"))) };
    let open = InspectRequest { message: Some(inspect_request::Message::Open(open)) };
    let etag = local.client.clone().inspect(stream::iter([open])).await.unwrap().into_inner().etag;
    let eager = app.eager("photos", &["thumbnail".to_owned()]);
    assert_eq!(eager.len(), 4, "two routes, two kinds of viewers");
    let outputs = eager.into_iter().enumerate().map(|(number, eager)| {
        let bytes = format!("result {number}").into_bytes();
        let format = if eager.viewer.accepts.shows(Format::Webp) { Format::Webp } else { Format::Jpeg };
        let size = safelight_image::size::Size { width: 7, height: 5 };
        let picture = Picture { format, size, length: bytes.len() as u64, crc32c: crc32c::crc32c(&bytes) };
        EagerOutput { eager, picture, bytes: bytes.into() }
    });
    let context = Context::within(Duration::from_secs(10));
    let outputs: Vec<_> = outputs.collect();
    assert_eq!(app.store_results("photos", "a.png", &etag, &outputs, &context).await, 4);
    let mut found = Vec::new();
    for url in ["/acct/a.png/thumbnail", "/small/a.png"] {
        for accept in ["", "image/webp"] {
            let request = DeliverRequest { accept: accept.into(), ..ask(url) };
            let (delivery, picture) = local.deliver(request).await.unwrap();
            assert_eq!(delivery.result_status(), ResultStatus::Hit, "{url} {accept}");
            found.push(picture.unwrap().bytes);
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 4);
    assert_eq!(local.decodes().await, 0);
}
