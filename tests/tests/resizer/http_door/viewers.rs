//! Hosts and addresses, by connections and by proxies.

use safelight_local::{Settings, keys, picture::sample};
use safelight_proto::signer::v1::{SignUrlRequest, sign_url_request::Expiry};

use super::wire::*;
use crate::harness::*;

/// A key for one host, and one whose URLs are bound to addresses.
async fn start_bound(http: &str) -> Local {
    let secrets = tempfile::tempdir().unwrap();
    keys::write_fresh(secrets.path(), "bound-1").unwrap();
    keys::write(secrets.path(), "akamai-1", "00112233445566778899aabbccddeeff").unwrap();
    let dir = secrets.path().display();
    let signer_toml = format!(
        "[[keys]]\nname = 'bound'\nscheme = 'cloudflare-images'\nmax_ttl = '1h'\n\
         allowed_hosts = ['img.example.com']\n\
         versions = [{{ id = 1, state = 'primary', secret_file = '{dir}/bound-1' }}]\n\
         [[keys]]\nname = 'address'\nscheme = 'akamai-edgeauth'\nmax_ttl = '1h'\n\
         versions = [{{ id = 1, state = 'primary', secret_file = '{dir}/akamai-1' }}]\n"
    );
    let route = |name| {
        format!(
            "[[routes]]\npath = '/{name}/{{key...}}/{{variant}}'\norigin = 'photos'\nurl_key = '{name}'\n"
        )
    };
    let local = start(Settings {
        signer_toml,
        resizer_toml: route("bound") + &route("address"),
        http: http.into(),
        ..Settings::default()
    })
    .await;
    local.put("a.jpg", sample::jpeg(96, 64).unwrap()).await;
    local
}

/// A URL's path and query, signed by `key`, for `client_ip` if that is not empty.
async fn signed(local: &Local, key: &str, client_ip: &str) -> String {
    let request = SignUrlRequest {
        key: key.to_owned(),
        url: format!("https://img.example.com/{key}/a.jpg/card"),
        client_ip: client_ip.to_owned(),
        expiry: Some(Expiry::Ttl(prost_types::Duration { seconds: 600, nanos: 0 })),
        ..SignUrlRequest::default()
    };
    let signed = local.stack.signer_client().await.unwrap().sign_url(request).await.unwrap().into_inner();
    signed.signed_url.strip_prefix("https://img.example.com").unwrap().to_owned()
}

const TRUSTED: &str = "trusted_proxies = ['127.0.0.0/8']";

#[tokio::test]
async fn a_key_for_one_host_serves_that_host() {
    let local = start_bound("").await;
    let target = signed(&local, "bound", "").await;
    for (target, lines, status) in [
        (target.clone(), &["Host: img.example.com"][..], 200),
        (target.clone(), &["Host: IMG.example.com"], 200),
        (target.clone(), &["Host: evil.test"], 403),
        (target.clone(), &["Host: img.example.com.evil.test"], 403),
        (
            target.clone(),
            &["Host: evil.test", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: img.example.com"],
            403,
        ),
        (target.clone(), &["Host: evil.test", "Forwarded: for=192.0.2.1;host=img.example.com"], 403),
        (target.clone(), &["Host: a@img.example.com"], 400),
        (target.clone(), &["Host: img.example.com", "Host: evil.test"], 400),
        // The target says it better than Host.
        (format!("http://img.example.com{target}"), &["Host: evil.test"], 200),
        (format!("http://evil.test{target}"), &["Host: img.example.com"], 403),
    ] {
        let answer = get(&local, &target, lines).await;
        assert_eq!(answer.status, status, "{target} {lines:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_trusted_says_the_host() {
    let local = start_bound(TRUSTED).await;
    let target = signed(&local, "bound", "").await;
    for (lines, status) in [
        (&["Host: inner:8080", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: img.example.com"][..], 200),
        (&["Host: inner:8080", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: evil.test"], 403),
        (&["Host: img.example.com", "X-Forwarded-For: 192.0.2.1"], 200),
        // Not the header that these proxies write.
        (&["Host: inner:8080", "Forwarded: for=192.0.2.1;host=img.example.com"], 403),
        (&["Host: inner:8080", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: a b"], 400),
    ] {
        assert_eq!(get(&local, &target, lines).await.status, status, "{lines:?}");
    }
    let local = start_bound(&format!("{TRUSTED}\nforwarded_headers = 'forwarded'")).await;
    let target = signed(&local, "bound", "").await;
    let lines = ["Host: inner", "Forwarded: for=192.0.2.1;host=img.example.com;proto=https"];
    assert_eq!(get(&local, &target, &lines).await.status, 200);
}

#[tokio::test]
async fn a_url_for_one_address_is_no_one_elses() {
    let local = start_bound("").await;
    let (mine, other) =
        (signed(&local, "address", "127.0.0.1").await, signed(&local, "address", "192.0.2.7").await);
    // Who else has the URL must not get it from a shared cache.
    let answer = get(&local, &mine, &[]).await;
    assert_eq!(answer.status, 200);
    let cached = answer.header("cache-control").unwrap_or_default().to_owned();
    assert!(cached.starts_with("private, "), "{cached}");
    get(&local, &other, &["X-Forwarded-For: 192.0.2.7"]).await.refused(403, "URL_REFUSED");

    let local = start_bound(TRUSTED).await;
    let other = signed(&local, "address", "192.0.2.7").await;
    for (list, status) in [
        ("192.0.2.7", 200),
        ("192.0.2.7:4711", 200),
        ("10.0.0.1, 192.0.2.7", 200),
        ("192.0.2.7, 127.0.0.9", 200),
        // A client that writes the list itself.
        ("192.0.2.7, 192.0.2.8", 403),
        ("192.0.2.8", 403),
        ("unknown", 403),
        ("", 403),
        // Bytes that are no ASCII hide nothing of what the proxy says.
        ("\u{fc}, 192.0.2.7", 200),
        ("192.0.2.7, \u{fc}", 403),
    ] {
        let answer = get(&local, &other, &[&format!("X-Forwarded-For: {list}")]).await;
        assert_eq!(answer.status, status, "{list}");
    }
    // The proxy's own address is no viewer's.
    let proxy = signed(&local, "address", "127.0.0.1").await;
    get(&local, &proxy, &["X-Forwarded-For: \u{fc}, 192.0.2.8"]).await.refused(403, "URL_REFUSED");

    let local = start_bound(&format!("{TRUSTED}\nforwarded_headers = 'forwarded'")).await;
    let other = signed(&local, "address", "192.0.2.7").await;
    for (list, status) in [
        ("for=192.0.2.7;proto=http", 200),
        ("\u{fc}, for=192.0.2.7;proto=http", 200),
        // A quote that the client does not close.
        ("for=192.0.2.7;x=\", for=192.0.2.8;proto=http", 403),
        ("for=192.0.2.7;x=\"\\\", for=192.0.2.8;proto=http", 403),
    ] {
        let answer = get(&local, &other, &[&format!("Forwarded: {list}")]).await;
        assert_eq!(answer.status, status, "{list}");
    }
}
