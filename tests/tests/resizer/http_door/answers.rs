//! What a picture comes with, conditions, methods.

use std::time::Duration;

use safelight_local::picture::sample;
use safelight_tests::faulty_origin::{FaultyOrigin, Reply};

use super::wire::*;
use crate::{deliver::WEB_ROUTE, harness::*, http_origin::origins};

const THUMBNAIL: &str = "/acct/a%20b/c.jpg/thumbnail";

async fn start_with_picture() -> Local {
    let local = start_with("").await;
    local.put("a b/c.jpg", sample::jpeg(96, 64).unwrap()).await;
    local
}

#[tokio::test]
async fn a_picture_and_what_is_said_of_it() {
    let local = start_with_picture().await;
    let answer = get(&local, THUMBNAIL, &["X-Request-Id: my-id"]).await;
    assert_eq!((answer.status, answer.size()), (200, (300, 300)));
    let length = answer.body.len().to_string();
    for (name, value) in [
        ("content-length", length.as_str()),
        ("content-type", "image/jpeg"),
        ("cache-control", "public, max-age=172800"),
        ("vary", "Accept"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("accept-ranges", "none"),
        ("x-request-id", "my-id"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let etag = answer.header("etag").unwrap();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() == 34, "{etag}");
    assert!(answer.header("last-modified").is_some() && answer.header("date").is_some());
    for name in
        ["access-control-allow-origin", "timing-allow-origin", "server-timing", "accept-ch", "set-cookie"]
    {
        assert_eq!(answer.header(name), None, "{name}");
    }

    // By what the viewer accepts, under a tag of its own.
    let webp = get(&local, THUMBNAIL, &["Accept: image/avif,image/webp,*/*"]).await;
    assert_eq!(webp.header("content-type"), Some("image/webp"));
    assert_ne!(webp.header("etag"), Some(etag));
    assert!(webp.body.starts_with(b"RIFF"));
    // The same as over gRPC.
    let (delivery, picture) = local.get(THUMBNAIL).await.unwrap();
    assert_eq!((delivery.etag.as_str(), picture.unwrap().bytes.as_ref()), (etag, answer.body.as_slice()));
}

#[tokio::test]
async fn a_signed_url_is_its_own_authority() {
    let local = start_with_picture().await;
    for path in ["/acct/a%20b/c.jpg/card", "/acct/a%20b/c.jpg/w=20,h=20,fit=cover,f=png"] {
        get(&local, path, &[]).await.refused(403, "URL_REFUSED");
        let signed = local.sign(path).await;
        let answer = get(&local, &signed, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let cache = answer.header("cache-control").unwrap();
        let age: u64 = cache
            .strip_prefix("public, max-age=")
            .and_then(|rest| rest.strip_suffix(", must-revalidate"))
            .unwrap_or_else(|| panic!("{cache}"))
            .parse()
            .unwrap();
        assert!((3500..=3600).contains(&age), "{cache}");
        get(&local, &format!("{signed}&x=1"), &[]).await.refused(403, "URL_REFUSED");
    }
    // An absolute target, as proxies send it.
    let signed = local.sign("/acct/a%20b/c.jpg/card").await;
    assert_eq!(get(&local, &format!("http://img.example.com{signed}"), &[]).await.status, 200);
    // A caller's own credentials do not reach the origin.
    assert_eq!(get(&local, &signed, &["Authorization: Bearer x"]).await.status, 200);
}

#[tokio::test]
async fn head_is_get_without_the_picture() {
    let local = start_with_picture().await;
    let signed = local.sign("/acct/a%20b/c.jpg/card").await;
    for (target, lines) in [
        (THUMBNAIL, &[][..]),
        (THUMBNAIL, &["Accept: image/webp"]),
        (THUMBNAIL, &["If-None-Match: *"]),
        (&signed, &[]),
        ("/acct/missing/thumbnail", &[]),
        ("/acct/a%20b/c.jpg/card", &["X-Request-Id: same"]),
        ("/", &["X-Request-Id: same"]),
    ] {
        let (get, head) = (get(&local, target, lines).await, send(&local, "HEAD", target, lines).await);
        let without_age = |answer: &HttpAnswer| {
            let mut headers = answer.lasting();
            // A second may pass between the two; the ids of errors are of one length.
            headers.retain(|(name, value)| name != "cache-control" || !value.contains("must-revalidate"));
            headers
        };
        assert_eq!((head.status, without_age(&head)), (get.status, without_age(&get)), "{target}");
        assert!(head.body.is_empty(), "{target}");
        assert_eq!(get.header("content-length").is_some(), get.status != 304, "{target}");
    }
}

#[tokio::test]
async fn what_the_viewer_has_is_not_sent_again() {
    let local = start_with_picture().await;
    let fresh = get(&local, THUMBNAIL, &[]).await;
    let (etag, date) = (fresh.header("etag").unwrap(), fresh.header("last-modified").unwrap());
    let early = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (lines, status) in [
        (vec![format!("If-None-Match: {etag}")], 304),
        (vec![format!("If-None-Match: W/{etag}")], 304),
        (vec![format!("If-None-Match: \"x\", W/\"y\" , {etag}")], 304),
        (vec!["If-None-Match: \"x\"".to_owned(), format!("If-None-Match: {etag}")], 304),
        (vec!["If-None-Match: *".to_owned()], 304),
        (vec!["If-None-Match: \"x\"".to_owned()], 200),
        (vec![format!("If-None-Match: {}", etag.trim_matches('"'))], 200),
        (vec![format!("If-Modified-Since: {date}")], 304),
        (vec![format!("If-Modified-Since: {early}")], 200),
        (vec!["If-Modified-Since: yesterday".to_owned()], 200),
        // The tag says it better.
        (vec![format!("If-Modified-Since: {date}"), "If-None-Match: \"x\"".to_owned()], 200),
        (vec![format!("If-Modified-Since: {early}"), format!("If-None-Match: {etag}")], 304),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let answer = get(&local, THUMBNAIL, &lines).await;
        assert_eq!(answer.status, status, "{lines:?}");
        for name in ["etag", "cache-control", "vary", "last-modified", "cross-origin-resource-policy"] {
            assert_eq!(answer.header(name), fresh.header(name), "{lines:?}: {name}");
        }
        if status == 304 {
            assert!(answer.body.is_empty());
            assert_eq!((answer.header("content-length"), answer.header("content-type")), (None, None));
        }
    }
    // The tag of another representation is another.
    let webp = get(&local, THUMBNAIL, &["Accept: image/webp", &format!("If-None-Match: {etag}")]).await;
    assert_eq!(webp.status, 200);
    // Who may not have the picture learns nothing of it.
    let path = "/acct/a%20b/c.jpg/card";
    get(&local, path, &["If-None-Match: *"]).await.refused(403, "URL_REFUSED");
}

#[tokio::test]
async fn a_range_is_answered_whole() {
    let local = start_with_picture().await;
    let whole = get(&local, THUMBNAIL, &[]).await;
    for line in ["Range: bytes=0-9", "Range: bytes=999999-", "Range: lines=1-2"] {
        let answer = get(&local, THUMBNAIL, &[line]).await;
        assert_eq!((answer.status, answer.body == whole.body), (200, true), "{line}");
        assert_eq!(answer.header("content-range"), None);
    }
}

#[tokio::test]
async fn the_origin_may_have_no_tag_and_no_date() {
    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/a.png", Reply::ok(sample::png(48, 32).unwrap()));
    let local = start_with(origins(&origin) + WEB_ROUTE).await;
    let answer = get(&local, "/web/a.png/thumbnail", &[]).await;
    assert_eq!((answer.status, answer.header("last-modified")), (200, None));
    let line = format!("If-None-Match: {}", answer.header("etag").unwrap());
    assert_eq!(get(&local, "/web/a.png/thumbnail", &[&line]).await.status, 304);
    assert_eq!(
        get(&local, "/web/a.png/thumbnail", &["If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT"])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_date_does_not_hide_that_the_variant_changed() {
    const ORIGINAL: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    let origin = FaultyOrigin::start().await.unwrap();
    let at =
        |date| origin.at("/a.png", Reply::ok(sample::png(48, 32).unwrap()).header("last-modified", date));
    at(ORIGINAL);
    let variant = "[variants.small]\nwidth = 40\nformat = 'png'\npublic = true\n";
    let local = start_with(origins(&origin) + WEB_ROUTE + variant).await;
    let url = "/web/a.png/small";
    let before = get(&local, url, &[]).await;
    let date = before.header("last-modified").unwrap().to_owned();
    for (since, status) in [(&*date, 304), (ORIGINAL, 200)] {
        assert_eq!(
            get(&local, url, &[&format!("If-Modified-Since: {since}")]).await.status,
            status,
            "{since}"
        );
    }
    // Over gRPC it is said of the original.
    assert_eq!(local.get(url).await.unwrap().0.last_modified.unwrap().seconds, 784_111_777);

    // Dates have whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let changed = another(&local, |text| text.replace("width = 40", "width = 20")).await;
    let ask = async |lines: &[&str]| {
        parse(&exchange_at(changed.http().unwrap(), head("GET", url, lines).as_bytes()).await)
    };
    let after = ask(&[&format!("If-Modified-Since: {date}")]).await;
    assert_eq!((after.status, before.size().0, after.size().0), (200, 40, 20));
    let date = after.header("last-modified").unwrap();
    assert_eq!(ask(&[&format!("If-Modified-Since: {date}")]).await.status, 304);

    // An original that is changed later says so itself.
    const LATER: &str = "Fri, 06 Nov 2093 08:49:37 GMT";
    at(LATER);
    let later = ask(&[&format!("If-Modified-Since: {date}")]).await;
    assert_eq!((later.status, later.header("last-modified")), (200, Some(LATER)));
}

#[tokio::test]
async fn other_methods_are_refused_and_do_nothing() {
    let local = start_with_picture().await;
    let asked = local.stack.s3.requests();
    for method in ["PUT", "POST", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get", "X-Y"] {
        for target in [THUMBNAIL, "/", "*"] {
            if method == "CONNECT" && target != "/" {
                continue;
            }
            let target = if method == "CONNECT" { "h:443" } else { target };
            let answer = send(&local, method, target, &["Content-Length: 0"]).await;
            answer.refused(405, "METHOD_NOT_ALLOWED");
            assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"), "{method} {target}");
        }
    }
    for target in [THUMBNAIL, "*"] {
        let answer = send(&local, "OPTIONS", target, &[]).await;
        assert_eq!((answer.status, answer.header("allow")), (204, Some("GET, HEAD, OPTIONS")), "{target}");
        assert!(answer.body.is_empty());
    }
    send(&local, "OPTIONS", "/", &[]).await.refused(404, "ROUTE_NOT_FOUND");
    assert_eq!(local.stack.s3.requests(), asked, "the origin was not asked");
}
