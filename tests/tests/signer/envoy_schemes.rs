//! `Authorization/Check` over every scheme: wherever a signature stands, it is stripped or it stays in its cookie.

use prost::Message as _;
use safelight_proto::{
    envoy::service::auth::v3::{CheckRequest, attribute_context::HttpRequest},
    signer::v1::{SignUrlRequest, SignatureCarrier},
};

use crate::{
    envoy::{asked, check, denied, passes, peer, upstream},
    harness::{NOW, Pair, cookie_header, url_request},
};

fn http(request: &mut CheckRequest) -> &mut HttpRequest {
    request.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap()
}

fn with_cookies(mut request: CheckRequest, cookies: &str) -> CheckRequest {
    http(&mut request).headers.insert("cookie".to_owned(), cookies.to_owned());
    request
}

#[tokio::test]
async fn wherever_the_signature_stands_the_upstream_does_not_see_it() {
    let pair = Pair::of_schemes().await;
    let mut refusals = Vec::new();
    for (key, url, ttl, path) in [
        (
            "imgproxy",
            "https://h/rs:fit:300/plain/https://o.example/a%20b.jpg",
            None,
            "/rs:fit:300/plain/https://o.example/a%20b.jpg",
        ),
        ("imgix", "https://h/a~b.jpg?w=1&&h=%7e", Some(60), "/a~b.jpg?w=1&&h=%7e"),
        ("thumbor", "https://h/300x200/smart/a.jpg", None, "/300x200/smart/a.jpg"),
        ("fastly", "https://h/a.jpg", Some(60), "/a.jpg"),
        ("bunny", "https://h/a/b.jpg?width=300", Some(60), "/a/b.jpg?width=300"),
        ("cloudinary", "https://h/demo/image/upload/w_300/v1/cat.jpg", None, "/w_300/cat.jpg"),
        (
            "cloudinary-token",
            "https://h/demo/image/upload/cat.jpg?a=1",
            Some(60),
            "/demo/image/upload/cat.jpg?a=1",
        ),
        ("google", "https://h/a~b.jpg?w=1&&h=%7e", Some(60), "/a~b.jpg?w=1&&h=%7e"),
        ("google-media", "https://h/a//b.jpg", Some(60), "/a//b.jpg"),
        ("cloudfront", "https://h/a%2Fb.jpg?w=1&w=2", Some(60), "/a%2Fb.jpg?w=1&w=2"),
        ("cloudfront-ecdsa", "https://h/a.jpg", Some(60), "/a.jpg"),
        ("akamai", "https://h/a+b.jpg?w=1&&h=%7e", Some(60), "/a+b.jpg?w=1&&h=%7e"),
        ("akamai-escaped", "https://h/a.jpg", Some(60), "/a.jpg"),
    ] {
        pair.clock.set(NOW);
        let signed = pair.sign(url_request(key, url, ttl)).await.signed_url;
        let answer = check(&pair, asked(key, &signed)).await;
        assert_eq!(upstream(&answer), path, "{key}: {signed}");
        assert_eq!(passes(&answer).1.is_empty(), ttl.is_some(), "{key}");
        // Another key's, no one's, changed, and for another host or too late where the scheme says so.
        let other = if key == "imgix" { "thumbor" } else { "imgix" };
        let mut requests =
            vec![asked(other, &signed), asked(key, url), asked(key, &signed.replace(".jpg", ".gif"))];
        if key.starts_with("google") || key.starts_with("cloudfront") {
            requests.push(asked(key, &signed.replacen("//h/", "//h2/", 1)));
            requests.push(asked(key, &signed.replacen("https:", "http:", 1)));
        }
        for request in requests {
            let answer = check(&pair, request).await;
            denied(&answer);
            refusals.push(answer.encode_to_vec());
        }
        if ttl.is_some() {
            pair.clock.set(NOW + 60);
            let answer = check(&pair, asked(key, &signed)).await;
            denied(&answer);
            refusals.push(answer.encode_to_vec());
        }
    }
    assert!(refusals.windows(2).all(|pair| pair[0] == pair[1]), "one refusal can be told from another");
}

#[tokio::test]
async fn a_cookie_passes_what_it_covers() {
    let pair = Pair::of_schemes().await;
    let (url, outside) = ("https://h/photos/a%20b.jpg?w=1", "https://h/private/a.jpg");
    for (key, scope) in [
        ("google", "https://h/photos/"),
        ("google-media", "https://h/photos/"),
        ("cloudfront", "https://h/photos/*"),
        ("cloudfront-ecdsa", "https://h/photos/*"),
        ("akamai", "/photos/*"),
        ("cloudinary-token", "/photos/*"),
    ] {
        pair.clock.set(NOW);
        let request = SignUrlRequest {
            scope: vec![scope.to_owned()],
            carrier: SignatureCarrier::Cookies.into(),
            ..url_request(key, url, Some(60))
        };
        let cookies = cookie_header(&pair.sign(request).await.cookies);
        let good = || with_cookies(asked(key, url), &format!("theme=dark; {cookies}"));
        let answer = check(&pair, good()).await;
        assert_eq!(upstream(&answer), "/photos/a%20b.jpg?w=1", "{key}");
        let (set, _) = passes(&answer);
        assert!(set.contains(&("x-safelight-expires", "1700000060")), "{key}: {set:?}");

        denied(&check(&pair, asked(key, url)).await);
        denied(&check(&pair, with_cookies(asked(key, outside), &cookies)).await);
        denied(&check(&pair, with_cookies(asked("imgix", url), &cookies)).await);
        denied(&check(&pair, with_cookies(asked(key, url), &cookies.replacen('=', "=A", 1))).await);
        denied(&check(&pair, with_cookies(asked(key, url), &cookies[..cookies.len() - 4])).await);
        pair.clock.set(NOW + 60);
        denied(&check(&pair, good()).await);
    }
}

#[tokio::test]
async fn the_address_is_the_connections() {
    let pair = Pair::of_schemes().await;
    for key in ["bunny", "cloudfront", "akamai", "cloudinary-token"] {
        let request = SignUrlRequest {
            client_ip: "192.0.2.1".to_owned(),
            ..url_request(key, "https://h/a.jpg", Some(60))
        };
        let signed = pair.sign(request).await.signed_url;
        let mut request = asked(key, &signed);
        assert_eq!(upstream(&check(&pair, request.clone()).await), "/a.jpg", "{key}");
        request.attributes.as_mut().unwrap().source = Some(peer("192.0.2.2"));
        http(&mut request).headers.insert("x-forwarded-for".to_owned(), "192.0.2.1".to_owned());
        denied(&check(&pair, request.clone()).await);
        request.attributes.as_mut().unwrap().source = None;
        denied(&check(&pair, request).await);
    }
}

#[tokio::test]
async fn a_key_is_bound_to_hosts_and_paths() {
    let pair = Pair::of_schemes().await;
    let signed = async |url| pair.sign(url_request("imgix", url, Some(60))).await.signed_url;
    let good = signed("https://h/photos/a.jpg").await;
    assert_eq!(upstream(&check(&pair, asked("imgix-bound", &good)).await), "/photos/a.jpg");
    denied(&check(&pair, asked("imgix-bound", &good.replacen("//h/", "//other/", 1))).await);
    let elsewhere = signed("https://h/private/a.jpg").await;
    denied(&check(&pair, asked("imgix-bound", &elsewhere)).await);
}
