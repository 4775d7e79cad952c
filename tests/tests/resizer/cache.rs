//! What an edge needs for its cache: entity tags, lifetimes, scopes.

use std::time::{Duration, SystemTime};

use safelight_local::{Settings, picture::sample};
use safelight_proto::{
    reason::Reason,
    resizer::v1::{CacheScope, CallerHeaders, DeliverRequest, Delivery, DeliveryOutcome},
};
use safelight_tests::faulty_origin::{FaultyOrigin, Reply};

use crate::{harness::*, http_origin::origins};

const ROUTES: &str = "[variants.fixed]\nformat = 'png'\nwidth = 20\npublic = true\n\
    [variants.open]\nwidth = 20\npublic = true\n\
    [[routes]]\npath = '/web/{key...}/{variant}'\norigin = 'web'\nurl_key = 'web'\nflexible = true\nmax_age = '5m'\n\
    [[routes]]\npath = '/clamp/{key...}/{variant}'\norigin = 'web'\nurl_key = 'web'\nflexible = true\n\
    max_width = 10\non_exceed = 'clamp'\n";

async fn start_web() -> (FaultyOrigin, Local) {
    let origin = FaultyOrigin::start().await.unwrap();
    let local = start_with(origins(&origin) + ROUTES).await;
    (origin, local)
}

fn ask(url: &str) -> DeliverRequest {
    DeliverRequest { url: url.into(), ..Default::default() }
}

async fn tag(local: &Local, request: DeliverRequest) -> String {
    let etag = local.deliver(request).await.unwrap().0.etag;
    assert!(
        etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'),
        "strong, quotes included: {etag}"
    );
    etag
}

fn accepting(url: &str, accept: &str) -> DeliverRequest {
    DeliverRequest { accept: accept.into(), ..ask(url) }
}

fn max_age(delivery: &Delivery) -> u64 {
    let age = delivery.max_age.unwrap();
    assert_eq!(age.nanos, 0);
    age.seconds.try_into().unwrap()
}

#[tokio::test]
async fn the_entity_tag_is_of_original_and_output() {
    let (origin, local) = start_web().await;
    let one = sample::png(48, 32).unwrap();
    let two = sample::png(48, 33).unwrap();
    // With a tag of the origin's, and without.
    for (name, etag) in [("tagged", true), ("untagged", false)] {
        let serve = |key: &str, version: &str, bytes: &[u8]| {
            let reply = Reply::ok(bytes.to_vec());
            let reply = if etag { reply.header("etag", &format!("\"{version}\"")) } else { reply };
            origin.at(&format!("/{name}/{key}"), reply);
        };
        serve("a.png", "1", &one);
        serve("b.png", "1", &one);
        let url = format!("/web/{name}/a.png/open");
        let first = tag(&local, ask(&url)).await;
        assert_eq!(tag(&local, ask(&url)).await, first, "the same again");
        assert_eq!(tag(&local, accepting(&url, "text/html, */*")).await, first, "nothing that matters");

        let flexible = local.sign(&format!("/web/{name}/a.png/w=20")).await;
        let spelt_out = local.sign(&format!("/web/{name}/a.png/width=20,quality=85")).await;
        let clamped = local.sign(&format!("/clamp/{name}/a.png/w=20")).await;
        let mut others = vec![
            first.clone(),
            tag(&local, accepting(&url, "image/webp")).await,
            tag(&local, ask(&format!("/web/{name}/a.png/fixed"))).await,
            tag(&local, ask(&format!("/web/{name}/b.png/open"))).await,
            tag(&local, ask(&clamped)).await,
            tag(&local, ask(&local.sign(&format!("/web/{name}/a.png/w=21")).await)).await,
            tag(&local, ask(&local.sign(&format!("/web/{name}/a.png/w=20,q=84")).await)).await,
        ];
        assert_eq!(tag(&local, ask(&flexible)).await, first, "the same options make the same bytes");
        assert_eq!(tag(&local, ask(&spelt_out)).await, first);
        let fixed = format!("/web/{name}/a.png/fixed");
        assert_eq!(tag(&local, accepting(&fixed, "image/webp")).await, others[2], "the format is fixed");

        serve("a.png", "2", &two);
        others.push(tag(&local, ask(&url)).await);
        let count = others.len();
        others.sort();
        others.dedup();
        assert_eq!(others.len(), count, "{name}: all differ");
    }
}

/// A weak tag may stay when bytes change (RFC 9110, section 8.8.1): no strong tag can be made of it.
#[tokio::test]
async fn a_weak_tag_of_the_origin_is_not_enough() {
    let (origin, local) = start_web().await;
    let url = "/web/a.png/open";
    origin.at("/a.png", Reply::ok(sample::png(48, 32).unwrap()).header("etag", "W/\"1\""));
    let first = tag(&local, ask(url)).await;
    assert_eq!(tag(&local, ask(url)).await, first);
    let unchanged =
        local.deliver(DeliverRequest { if_none_match: first.clone(), ..ask(url) }).await.unwrap().0;
    assert_eq!(unchanged.outcome(), DeliveryOutcome::NotModified);
    origin.at("/a.png", Reply::ok(sample::png(48, 33).unwrap()).header("etag", "W/\"1\""));
    assert_ne!(tag(&local, ask(url)).await, first);
}

#[tokio::test]
async fn not_modified_costs_neither_body_nor_decoding() {
    let (origin, local) = start_web().await;
    let url = "/web/a.png/open";
    origin.at("/a.png", Reply::ok(sample::png(48, 32).unwrap()).header("etag", "\"1\""));
    let etag = tag(&local, ask(url)).await;

    // The body now never ends, and would be no picture if it did: whoever read it would fail.
    origin.at("/a.png", Reply::ok("no picture").header("etag", "\"1\"").endless());
    for header in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag} ,\"y\""), "*".into()] {
        let (delivery, picture) =
            local.deliver(DeliverRequest { if_none_match: header.clone(), ..ask(url) }).await.unwrap();
        assert_eq!((delivery.outcome(), picture), (DeliveryOutcome::NotModified, None), "{header}");
        assert_eq!(delivery.etag, etag);
        assert_eq!((max_age(&delivery), delivery.cache_scope()), (300, CacheScope::Public));
        assert!(delivery.vary_accept);
    }
    origin.at("/a.png", Reply::ok("no picture").header("etag", "\"1\""));
    for header in ["", "\"x\"", etag.trim_matches('"')] {
        let answer = local.deliver(DeliverRequest { if_none_match: header.into(), ..ask(url) }).await;
        refused(answer, Reason::FormatUnsupported);
    }
    // Another Accept is another answer.
    let webp = DeliverRequest { if_none_match: etag.clone(), ..accepting(url, "image/webp") };
    refused(local.deliver(webp).await, Reason::FormatUnsupported);

    // Nor does it go around the signature.
    for path in ["/web/a.png/w=20", "/web/a.png/card"] {
        for if_none_match in [etag.clone(), "*".into()] {
            refused(local.deliver(DeliverRequest { if_none_match, ..ask(path) }).await, Reason::UrlRefused);
        }
    }
}

#[tokio::test]
async fn an_s3_object_is_not_sent_twice() {
    let local = start(Settings::default()).await;
    local.put("a.png", sample::png(48, 32).unwrap()).await;
    let url = local.sign("/acct/a.png/w=20").await;
    let etag = tag(&local, ask(&url)).await;
    let again = DeliverRequest { if_none_match: etag.clone(), ..ask(&url) };
    assert_eq!(local.deliver(again.clone()).await.unwrap().0.outcome(), DeliveryOutcome::NotModified);
    // Signed anew it is the same picture.
    let signed_anew = local.sign_with("web", "/acct/a.png/w=20", 60).await;
    let request = DeliverRequest { if_none_match: etag.clone(), ..ask(&signed_anew) };
    assert_eq!(local.deliver(request).await.unwrap().0.outcome(), DeliveryOutcome::NotModified);

    local.put("a.png", sample::png(48, 33).unwrap()).await;
    let (delivery, picture) = local.deliver(again).await.unwrap();
    assert_eq!(delivery.outcome(), DeliveryOutcome::Ok);
    assert!(picture.is_some() && delivery.etag != etag);
}

#[tokio::test]
async fn pitfall_16_never_cached_beyond_its_expiry() {
    let (origin, local) = start_web().await;
    let bytes = sample::png(48, 32).unwrap();
    origin.at("/a.png", Reply::ok(bytes.clone()).header("etag", "\"1\""));
    for (seconds, bound) in [(3600, 300), (60, 60), (2, 2)] {
        let url = local.sign_with("web", "/web/a.png/open", seconds).await;
        // A public variant has no expiry, signed or not.
        let (delivery, _) = local.get(&url).await.unwrap();
        assert_eq!((max_age(&delivery), delivery.expire_time), (300, None));

        let url = local.sign_with("web", "/web/a.png/w=20", seconds).await;
        let before = SystemTime::now();
        let (delivery, _) = local.get(&url).await.unwrap();
        let expires = SystemTime::try_from(delivery.expire_time.unwrap()).unwrap();
        assert!(max_age(&delivery) <= bound, "{seconds}");
        assert!(before + Duration::from_secs(max_age(&delivery)) <= expires, "{seconds}");
        if seconds == 3600 {
            assert_eq!(max_age(&delivery), 300);
        }
    }
    // Time that the original took to come counts: it is all gone by the time the answer is made.
    let (pieces, pause) = (5, Duration::from_millis(250));
    for tagged in [false, true] {
        let slow = Reply::ok(bytes.clone()).slow_body(bytes.len().div_ceil(pieces), pause);
        origin.at("/a.png", if tagged { slow.header("etag", "\"1\"") } else { slow });
        let url = local.sign_with("web", "/web/a.png/w=20", 60).await;
        let before = SystemTime::now();
        let (delivery, _) = local.get(&url).await.unwrap();
        let expires = SystemTime::try_from(delivery.expire_time.unwrap()).unwrap();
        let complete = before + pause * u32::try_from(pieces).unwrap();
        assert!(complete + Duration::from_secs(max_age(&delivery)) <= expires, "{:?}", delivery.max_age);
    }
    // Two days where a route says nothing.
    let local = start(Settings::default()).await;
    local.put("a.png", bytes).await;
    assert_eq!(max_age(&local.get("/acct/a.png/thumbnail").await.unwrap().0), 2 * 24 * 3600);
}

#[tokio::test]
async fn who_may_share_the_answer() {
    let (origin, local) = start_web().await;
    origin.at("/a.png", Reply::ok(sample::png(48, 32).unwrap()));
    let private = local.sign("/web/a.png/w=20").await;
    let own = Some(CallerHeaders { cookie: "a=b".into(), ..Default::default() });
    let none = Some(CallerHeaders::default());
    for (url, caller_headers, share_publicly, scope) in [
        ("/web/a.png/open", None, false, CacheScope::Public),
        ("/web/a.png/open", None, true, CacheScope::Public),
        ("/web/a.png/open", none.clone(), false, CacheScope::Public),
        ("/web/a.png/open", own.clone(), false, CacheScope::Caller),
        ("/web/a.png/open", own.clone(), true, CacheScope::Public),
        (&private, None, false, CacheScope::Signed),
        (&private, None, true, CacheScope::Signed),
        (&private, own.clone(), false, CacheScope::Caller),
        (&private, own.clone(), true, CacheScope::Signed),
    ] {
        let request = DeliverRequest { caller_headers, share_publicly, ..ask(url) };
        let found = local.deliver(request).await.unwrap().0.cache_scope();
        assert_eq!(found, scope, "{url}, share_publicly: {share_publicly}");
    }
}

#[tokio::test]
async fn accept_matters_where_the_format_is_open() {
    let (origin, local) = start_web().await;
    origin.at("/a.png", Reply::ok(sample::png(48, 32).unwrap()));
    for (variant, accept, varies, content_type) in [
        ("open", "", true, "image/jpeg"),
        ("open", "image/webp", true, "image/webp"),
        ("fixed", "", false, "image/png"),
        ("fixed", "image/webp", false, "image/png"),
    ] {
        let (delivery, picture) =
            local.deliver(accepting(&format!("/web/a.png/{variant}"), accept)).await.unwrap();
        assert_eq!(delivery.vary_accept, varies, "{variant} {accept}");
        assert_eq!(picture.unwrap().header.content_type, content_type);
        assert_eq!(delivery.variant, variant);
    }
    let flexible = local.sign("/web/a.png/w=20,f=webp").await;
    let delivery = local.get(&flexible).await.unwrap().0;
    assert!(!delivery.vary_accept && delivery.variant.contains("width=20"), "{}", delivery.variant);
}
