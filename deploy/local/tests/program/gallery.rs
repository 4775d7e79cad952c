//! The gallery of `cargo local`: its page in Chromium, and what its server refuses.

use std::process::{Command, Stdio};

use safelight_tests::counterpart;
use serde_json::Value as Json;

use super::{Serving, get, picture, post_file, send};

/// A stack that serves, and what `--json` says of it.
fn start() -> (Serving, Json) {
    let mut serving = Serving::start(&["--json"]);
    let line = serving.read_to("\n");
    (serving, serde_json::from_str(&line).unwrap())
}

fn json(body: &[u8]) -> Json {
    serde_json::from_slice(body).unwrap()
}

/// With `?demo` the page uploads a private and a public picture by itself, uses a URL again, and sends a file that is no picture.
#[test]
fn chromium_uploads_and_a_stranger_sees_what_is_public() {
    let Some(program) = counterpart::program("chromium") else { return };
    let (_serving, shown) = start();
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--dump-dom", "--timeout=20000", "--virtual-time-budget=20000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("{}?demo", shown["gallery"].as_str().unwrap()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(dom.contains("<body data-demo=\"done\">"), "{dom}\n{errors}");
    // What became of the uploads.
    for (what, count) in [
        (">Stored. <", 1),
        ("Stored, private: 960×720", 1),
        ("Second use refused: This URL was used before.", 1),
        ("(409 TOKEN_ALREADY_REDEEMED)", 1),
        ("This is not a JPEG, PNG, WebP or GIF picture. (415 FORMAT_UNSUPPORTED)", 1),
        // The picture that `cargo local` uploaded and the two drawn ones: two variants of each with a signature.
        ("data-shown=\"800x600\"", 2),
        ("<figure class=\"\" data-shown=\"300x1200\">", 1),
        ("<figure class=\"square\" data-shown=\"300x300\">", 3),
        // Without one: nothing of the private ones, the public variant of the public one.
        (">Private<", 2),
        (">Public<", 1),
        ("<figure class=\"square stranger\" data-shown=\"none\">", 2),
        ("<figure class=\"square stranger\" data-shown=\"300x300\">", 1),
        (">404 ORIGIN_NOT_FOUND<", 2),
        (">thumbnail: 404 ORIGIN_NOT_FOUND<", 2),
        (">thumbnail: 200<", 1),
        (">card: 403 URL_REFUSED<", 3),
    ] {
        assert_eq!(dom.matches(what).count(), count, "{what}\n{dom}\n{errors}");
    }
}

/// What the page does, done by a program.
#[test]
fn the_backend_gives_upload_urls_and_signed_urls() {
    let (_serving, shown) = start();
    let gallery = shown["gallery"].as_str().unwrap();
    let pictures = || json(&get(&format!("{gallery}api/pictures")).1)["pictures"].as_array().unwrap().clone();
    assert_eq!(pictures().len(), 1, "the one that was shown");

    let upload_url = |query: &str| {
        let (head, body) = send("POST", &format!("{gallery}api/upload-url{query}"), &[], b"");
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        json(&body)["upload_url"].as_str().unwrap().to_owned()
    };
    // Private is what is not said to be public.
    for (query, private, status, reason) in [
        ("", true, 404, Json::from("ORIGIN_NOT_FOUND")),
        ("?privacy=private", true, 404, Json::from("ORIGIN_NOT_FOUND")),
        ("?privacy=public", false, 200, Json::Null),
    ] {
        let url = upload_url(query);
        let before = pictures().len();
        // Tall: its full width would make it taller than the route allows.
        let stored = post_file(&url, &picture(300, 1700));
        assert_eq!(stored["result"]["requireSignedURLs"], private, "{stored}");
        let pictures = pictures();
        assert_eq!(pictures.len(), before + 1, "a URL alone is no picture");
        assert_eq!((&pictures[0]["id"], &pictures[0]["private"]), (&stored["result"]["id"], &private.into()));
        for (signed, size) in pictures[0]["signed"].as_array().unwrap().iter().zip([(212, 1200), (300, 300)])
        {
            let (head, body) = get(signed["url"].as_str().unwrap());
            assert!(head.starts_with("http/1.1 200 "), "{head}");
            let shown = image::load_from_memory(&body).unwrap();
            assert_eq!((shown.width(), shown.height()), size, "{signed}");
        }
        // What the page says of strangers is what they are answered.
        let unsigned = pictures[0]["unsigned"].as_array().unwrap();
        for (told, (variant, status, reason)) in
            unsigned.iter().zip([("card", 403, "URL_REFUSED".into()), ("thumbnail", status, reason)])
        {
            assert_eq!(
                (&told["variant"], &told["status"], &told["reason"]),
                (&variant.into(), &status.into(), &reason)
            );
            let (head, _) = get(told["url"].as_str().unwrap());
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        }
    }
}

#[test]
fn other_sites_and_bad_requests_are_refused() {
    let (_serving, shown) = start();
    let gallery = shown["gallery"].as_str().unwrap();
    let host = gallery.trim_start_matches("http://").trim_end_matches('/');
    let own = format!("Origin: http://{host}");
    let local = format!("Host: localhost:{}", host.rsplit_once(':').unwrap().1);
    for (method, path, lines, status) in [
        ("GET", "", &[][..], 200),
        ("HEAD", "gallery.js", &[], 200),
        ("GET", "gallery.css", &[local.as_str()], 200),
        ("POST", "api/upload-url", &[own.as_str(), "Sec-Fetch-Site: same-origin"], 200),
        ("POST", "api/upload-url?privacy=secret", &[own.as_str()], 400),
        ("POST", "api/upload-url?privacy=public", &["Origin: https://other.example"], 403),
        // Pages of other sites, and of other ports of this machine.
        ("POST", "api/upload-url", &["Origin: https://other.example"], 403),
        ("POST", "api/upload-url", &["Origin: http://127.0.0.1:1"], 403),
        ("POST", "api/upload-url", &["Origin: null"], 403),
        ("POST", "api/upload-url", &["Sec-Fetch-Site: cross-site"], 403),
        ("POST", "api/upload-url", &["Sec-Fetch-Site: same-site"], 403),
        // A name that was made to resolve to this machine.
        ("GET", "api/pictures", &["Host: other.example"], 421),
        ("GET", "api/pictures", &["Host: 127.0.0.1.other.example:80"], 421),
        ("GET", "api/pictures", &["Host:"], 421),
        ("GET", "api/upload-url", &[], 405),
        ("POST", "api/pictures", &[], 405),
        ("DELETE", "", &[], 405),
        ("GET", "../Cargo.toml", &[], 404),
        ("GET", "%2e%2e/%00", &[], 404),
        ("GET", "api/pictures/", &[], 404),
        ("GET", "a b", &[], 400),
    ] {
        let (head, body) = send(method, &format!("{gallery}{path}"), lines, b"");
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{method} {path} {lines:?}: {head}");
        if path == "a b" {
            continue; // not HTTP: nothing of ours answered
        }
        assert!(
            head.contains("\r\ncontent-security-policy: default-src 'none'; script-src 'self';"),
            "{head}"
        );
        assert!(head.contains("\r\nx-content-type-options: nosniff"), "{head}");
        if status != 200 {
            assert!(json(&body)["message"].as_str().is_some_and(|message| !message.is_empty()), "{body:?}");
        }
    }
    assert!(get(gallery).0.starts_with("http/1.1 200 "), "it still serves");
}
