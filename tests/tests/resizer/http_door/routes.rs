//! What `[routes.http]` adds.

use safelight_local::picture::sample;

use super::wire::*;
use crate::harness::*;

async fn start_route(http: &str) -> Local {
    let local = start_with(format!(
        "[[routes]]\npath = '/r/{{key...}}/{{variant}}'\norigin = 'photos'\nurl_key = 'web'\nflexible = true\n\
         max_age = '10m'\n[routes.http]\n{http}\n"
    ))
    .await;
    local.put("a/ü.jpg", sample::jpeg(96, 64).unwrap()).await;
    local
}

const PATH: &str = "/r/a/%C3%BC.jpg/thumbnail";

#[tokio::test]
async fn caches_are_told_what_the_route_says() {
    let local = start_route(
        "immutable = true\nstale_while_revalidate = '1h'\nstale_if_error = '1d'\nserver_timing = true\n\
         timing_allow_origin = ['*']\ncorp = 'same-site'\nfilename = true",
    )
    .await;
    let answer = get(&local, PATH, &[]).await;
    for (name, value) in [
        (
            "cache-control",
            "public, max-age=600, stale-while-revalidate=3600, stale-if-error=86400, immutable",
        ),
        ("timing-allow-origin", "*"),
        ("cross-origin-resource-policy", "same-site"),
        ("content-disposition", "inline; filename=\"_.jpg\"; filename*=UTF-8''%C3%BC.jpg"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let timing = answer.header("server-timing").unwrap();
    for stage in ["origin;dur=", "queue;dur=", "decode;dur=", "resize;dur=", "encode;dur="] {
        assert!(timing.contains(stage), "{timing}");
    }
    // No time reaches beyond the signature's.
    let signed = local.sign_with("web", "/r/a/%C3%BC.jpg/w=20", 900).await;
    let cache = get(&local, &signed, &[]).await.header("cache-control").unwrap().to_owned();
    let numbers: Vec<u64> = cache
        .split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect();
    assert!(matches!(numbers[..], [600, a, b] if a == b && (250..=300).contains(&a)), "{cache}");
    let signed = local.sign_with("web", "/r/a/%C3%BC.jpg/w=20", 300).await;
    let cache = get(&local, &signed, &[]).await.header("cache-control").unwrap().to_owned();
    assert!(!cache.contains("stale") && cache.ends_with("immutable, must-revalidate"), "{cache}");
}

#[tokio::test]
async fn a_private_route() {
    let local = start_route("cache = 'private'\ncorp = 'same-origin'").await;
    let answer = get(&local, PATH, &[]).await;
    assert_eq!(answer.header("cache-control"), Some("private, max-age=600"));
    assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
}

#[tokio::test]
async fn scripts_of_the_sites_that_are_named() {
    const APP: &str = "Origin: https://app.example.com";
    let preflight = ["Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-a"];
    let local = start_route("cors = ['https://app.example.com']").await;
    let answer = get(&local, PATH, &[APP]).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(answer.vary(), ["Accept", "Origin"]);
    for line in ["Origin: https://app.example.com.evil.test", "Origin: null", "X: y"] {
        let answer = get(&local, PATH, &[line]).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None), "{line}");
        assert_eq!(answer.vary(), ["Accept", "Origin"], "{line}");
    }
    // An error can be read too, and what was not modified.
    let refused = get(&local, "/r/a/%C3%BC.jpg/card", &[APP]).await;
    refused.refused(403, "URL_REFUSED");
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://app.example.com"));
    let unchanged = get(&local, PATH, &[APP, "If-None-Match: *"]).await;
    assert_eq!(unchanged.header("access-control-allow-origin"), Some("https://app.example.com"));

    let answer = send(&local, "OPTIONS", PATH, &[APP, preflight[0], preflight[1]]).await;
    assert_eq!(answer.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example.com"),
        ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
        ("access-control-allow-headers", "*"),
        ("access-control-max-age", "7200"),
        ("vary", "Origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let evil = send(&local, "OPTIONS", PATH, &["Origin: https://evil.test", preflight[0]]).await;
    assert_eq!((evil.status, evil.header("access-control-allow-origin")), (204, None));

    let local = start_route("cors = ['*']").await;
    let answer = get(&local, PATH, &[APP]).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.vary(), ["Accept"]);
}

#[tokio::test]
async fn errors_as_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("missing.png");
    let placeholder = sample::png(7, 5).unwrap();
    std::fs::write(&file, &placeholder).unwrap();
    let local = start_route(&format!("placeholder = '{}'", file.display())).await;
    for (path, status) in
        [("/r/a/none.jpg/thumbnail", 404), ("/r/a/%C3%BC.jpg/card", 403), ("/r/a/x/nothing", 404)]
    {
        let answer = get(&local, path, &[]).await;
        assert_eq!((answer.status, answer.header("content-type")), (status, Some("image/png")), "{path}");
        assert_eq!((answer.header("cache-control"), answer.body == placeholder), (Some("no-store"), true));
        let head = send(&local, "HEAD", path, &[]).await;
        assert_eq!(head.header("content-length"), Some(placeholder.len().to_string().as_str()));
    }
    assert_eq!(get(&local, PATH, &[]).await.status, 200);
}
