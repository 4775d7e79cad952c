//! Private objects: `privacy = "object"`. What a stranger is told of them is what he is told of those that are absent.

use std::time::{Duration, Instant};

use futures_util::stream;
use safelight_local::{Settings, picture::sample};
use safelight_proto::{
    reason::Reason,
    resizer::v1::{
        CacheScope, CallerHeaders, DeliverRequest, InspectOpen, InspectRequest, InspectResponse,
        ResultStatus, inspect_open, inspect_request,
    },
};
use safelight_tests::faulty_origin::{FaultyOrigin, Reply};

use crate::{
    causes::Log,
    harness::*,
    http_door::wire::{self, HttpAnswer},
    http_origin::origins,
    results::{GRANT, start_results},
};

const PRIVATE: (&str, &str) = ("x-amz-meta-require-signed-urls", "true");
const ROUTE: &str = "[[routes]]\nname = 'p'\npath = '/p/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\n\
    privacy = 'object'\nmax_age = '1m'\n[routes.http]\nimmutable = true\nstale_while_revalidate = '1h'\n";

async fn start_private(has_results: bool) -> Local {
    let local = if has_results { start_results(ROUTE).await } else { start_with(ROUTE).await };
    local.put_with("private.png", sample::png(48, 32).unwrap(), &[PRIVATE]).await;
    local.put_with("public.png", sample::png(48, 32).unwrap(), &[("x-amz-meta-creator", "me")]).await;
    local
}

/// What a stranger can tell answers apart by.
fn seen(answer: &HttpAnswer) -> (u16, Vec<(String, String)>, String) {
    let mut problem = answer.problem();
    problem["request_id"].take();
    (answer.status, answer.lasting(), problem.to_string())
}

/// Waits until nothing is written any more.
async fn settled(local: &Local) {
    let mut last = 0;
    eventually("quiet", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let requests = local.stack.s3.requests();
        (std::mem::replace(&mut last, requests) == requests).then_some(())
    })
    .await;
}

#[tokio::test]
async fn to_a_stranger_private_is_absent() {
    for has_results in [false, true] {
        let local = start_private(has_results).await;
        let absent = wire::get(&local, "/p/absent.png/thumbnail", &[]).await;
        absent.refused(404, "ORIGIN_NOT_FOUND");
        let signed = local.sign("/p/private.png/thumbnail").await;
        // Before anything is known of it, and when all is: its picture is stored, its head remembered.
        for round in 0..3 {
            settled(&local).await;
            for (accept, condition) in [("Accept: */*", "X: y"), ("Accept: image/webp", "If-None-Match: *")] {
                let requests = local.stack.s3.requests();
                let private = wire::get(&local, "/p/private.png/thumbnail", &[accept, condition]).await;
                let of_private = local.stack.s3.requests() - requests;
                let absent = wire::get(&local, "/p/absent.png/thumbnail", &[accept, condition]).await;
                let of_absent = local.stack.s3.requests() - requests - of_private;
                assert_eq!(seen(&private), seen(&absent), "{round}");
                assert_eq!((of_private, of_absent), (1, 1), "{round}");
            }
            refused(local.get("/p/private.png/thumbnail").await, Reason::OriginNotFound);
            // With a wrong signature it is a stranger's as well.
            let forged = signed.replace("sig=", "sig=0");
            assert_eq!(seen(&wire::get(&local, &forged, &[]).await), seen(&absent));

            let (delivery, picture) = local.get(&signed).await.unwrap();
            assert!(picture.is_some() && delivery.expire_time.is_some());
            assert_eq!(delivery.cache_scope(), CacheScope::Signed);
            if has_results {
                // Nothing of it is under way any more when requests are counted.
                eventually("it is stored", async || {
                    (local.metric("result_store_total{outcome=\"stored\"}").await > 0).then_some(())
                })
                .await;
            }
            let signed_absent = local.sign("/p/absent.png/thumbnail").await;
            refused(local.get(&signed_absent).await, Reason::OriginNotFound);
        }
        if has_results {
            eventually("it is stored", async || {
                let (delivery, _) = local.get(&signed).await.unwrap();
                (delivery.result_status() == ResultStatus::Hit).then_some(())
            })
            .await;
            refused(local.get("/p/private.png/thumbnail").await, Reason::OriginNotFound);
            let url = local.sign("/p/private.png/card").await;
            assert_eq!(wire::get(&local, &url, &[]).await.status, 200);
        }
        // A signature of another object's URL lets nothing through.
        let other = local.sign("/p/public.png/thumbnail").await.replace("public", "private");
        refused(local.get(&other).await, Reason::OriginNotFound);
        // Where the route does not ask the object, nothing has changed.
        assert!(local.get("/acct/private.png/thumbnail").await.is_ok());
        // A variant that needs a signature is refused as everywhere.
        refused(local.get("/p/private.png/card").await, Reason::UrlRefused);
        refused(local.get("/p/absent.png/card").await, Reason::UrlRefused);
    }
}

#[tokio::test]
async fn the_log_tells_them_apart() {
    let (log, _guard) = Log::start();
    let local = start_private(false).await;
    _ = log.take("");
    refused(local.get("/p/private.png/thumbnail").await, Reason::OriginNotFound);
    assert_eq!(log.take("url.private").len(), 1);
    refused(local.get("/p/absent.png/thumbnail").await, Reason::OriginNotFound);
    assert_eq!(log.take("origin.failed").len(), 1);
}

#[tokio::test]
async fn public_objects_are_served_to_all_and_not_beyond_max_age() {
    for has_results in [false, true] {
        let local = start_private(has_results).await;
        for _ in 0..2 {
            let answer = wire::get(&local, "/p/public.png/thumbnail", &[]).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("cache-control"), Some("public, max-age=60, must-revalidate"));
        }
        let signed = local.sign("/p/public.png/thumbnail").await;
        assert_eq!(local.get(&signed).await.unwrap().0.cache_scope(), CacheScope::Signed);
    }
}

#[tokio::test]
async fn an_object_that_becomes_private_is_so_at_the_latest_after_the_ttl() {
    let local = start_results(&format!("ttl = '2s'\n{ROUTE}")).await;
    local.put_with("a.png", sample::png(48, 32).unwrap(), &[]).await;
    let url = "/p/a.png/thumbnail";
    eventually("it is stored", async || {
        (local.get(url).await.unwrap().0.result_status() == ResultStatus::Hit).then_some(())
    })
    .await;
    // The same bytes, and so the same entity tag: its results stay where they are.
    local.put_with("a.png", sample::png(48, 32).unwrap(), &[PRIVATE]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    refused(local.get(url).await, Reason::OriginNotFound);
    let (delivery, _) = local.get(&local.sign(url).await).await.unwrap();
    assert_eq!(delivery.result_status(), ResultStatus::Hit);
    refused(local.get(url).await, Reason::OriginNotFound);
    local.put_with("a.png", sample::png(48, 32).unwrap(), &[]).await;
    eventually("it is public again", async || local.get(url).await.ok()).await;
}

/// What the origin refuses, and what it has, cannot be told apart either; nor do origins without ranges matter.
#[tokio::test]
async fn whatever_the_origin_says_of_what_is_absent() {
    let origin = FaultyOrigin::start().await.unwrap();
    let route = ROUTE.replace("'photos'", "'web'");
    for toml in ["", "[results]\norigin = 'photos'\n"] {
        let local = start(Settings {
            signer_toml: GRANT.into(),
            resizer_toml: format!("{toml}{}{route}", origins(&origin)),
            ..Settings::default()
        })
        .await;
        let picture = || Reply::ok(sample::png(48, 32).unwrap()).header("etag", "\"1\"");
        origin.at("/private.png", picture().header(PRIVATE.0, PRIVATE.1));
        origin.at("/empty.png", Reply::ok("").header(PRIVATE.0, PRIVATE.1));
        origin.at("/denied.png", Reply::status(403));
        origin.at("/public.png", picture());
        origin.at("/untagged.png", Reply::ok(sample::png(48, 32).unwrap()).header(PRIVATE.0, PRIVATE.1));
        let mut all = Vec::new();
        for key in ["private", "empty", "denied", "absent", "untagged"] {
            all.push(seen(&wire::get(&local, &format!("/p/{key}.png/thumbnail"), &[]).await));
        }
        assert!(all.iter().all(|answer| *answer == all[0]), "{all:?}");
        assert_eq!(all[0].0, 404);
        assert_eq!(wire::get(&local, "/p/public.png/thumbnail", &[]).await.status, 200);
        // The caller's own credentials do not make it public.
        let caller_headers = Some(CallerHeaders { cookie: "a=b".into(), ..Default::default() });
        for share_publicly in [false, true] {
            let url = "/p/private.png/thumbnail".to_owned();
            let request = DeliverRequest {
                url,
                caller_headers: caller_headers.clone(),
                share_publicly,
                ..Default::default()
            };
            refused(local.deliver(request).await, Reason::OriginNotFound);
        }
    }
}

/// Medians of what a stranger waits for both, over the same connection's worth of noise.
#[tokio::test]
async fn and_it_takes_the_same_time() {
    let local = start_private(true).await;
    let signed = local.sign("/p/private.png/thumbnail").await;
    local.get(&signed).await.unwrap();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..60 {
        for (times, url) in times.iter_mut().zip(["/p/private.png/thumbnail", "/p/absent.png/thumbnail"]) {
            let began = Instant::now();
            wire::get(&local, url, &[]).await.refused(404, "ORIGIN_NOT_FOUND");
            times.push(began.elapsed());
        }
    }
    let [private, absent] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    // The embedded S3 reads three files of the one and none of the other.
    assert!((0.5..2.0).contains(&(private / absent)), "{private} {absent}");
}

async fn inspect(local: &Local, key: &str) -> InspectResponse {
    let open = InspectOpen { source: Some(inspect_open::Source::Object(object(key))) };
    let open = InspectRequest { message: Some(inspect_request::Message::Open(open)) };
    local.client.clone().inspect(stream::iter([open])).await.unwrap().into_inner()
}

#[tokio::test]
async fn inspect_tells_what_stands_with_the_object() {
    let local = start_with("").await;
    let metadata = [
        PRIVATE,
        ("x-amz-meta-creator", "m%C3%A9"),
        ("x-amz-meta-filename", "beach%201.png"),
        ("x-amz-meta-upload", "0123"),
        ("x-amz-meta-metadata", "{\"a\":[1,null,true,{\"b\":\"%E5%86%99\"}]}"),
    ];
    local.put_with("a.png", sample::png(48, 32).unwrap(), &metadata).await;
    local.put_with("b.png", sample::png(48, 32).unwrap(), &[("x-amz-meta-metadata", "[")]).await;
    let told = inspect(&local, "a.png").await;
    assert_eq!((told.require_signed_urls, told.creator.as_str()), (true, "mé"));
    assert_eq!((told.filename.as_str(), told.upload.as_str()), ("beach 1.png", "0123"));
    assert!(told.etag.starts_with('"') && told.etag.len() == 34, "{}", told.etag);
    assert_eq!(told.image.unwrap().width, 48);
    let metadata = format!("{:?}", told.metadata.unwrap());
    for part in ["写", "NullValue", "BoolValue(true)", "NumberValue(1.0)"] {
        assert!(metadata.contains(part), "{metadata}");
    }
    let told = inspect(&local, "b.png").await;
    assert_eq!((told.require_signed_urls, told.creator.as_str(), told.metadata), (false, "", None));
}
