//! URLs: who gets what.

use safelight_local::{Settings, keys, picture::sample};
use safelight_proto::{
    reason::Reason,
    resizer::v1::{CacheScope, CallerHeaders, DeliverRequest},
    signer::v1::{SignUrlRequest, SignatureCarrier, sign_url_request::Expiry},
};
use safelight_signer::Clock;
use safelight_tests::faulty_origin::{FaultyOrigin, Reply};

use crate::{harness::*, http_origin::origins};

/// A route to the HTTP origin.
pub(crate) const WEB_ROUTE: &str = "[[routes]]\npath = '/web/{key...}/{variant}'\norigin = 'web'\nurl_key = 'web'\n\
    flexible = true\n";

async fn start_with_picture() -> Local {
    let local = start(Settings::default()).await;
    local.put("a b/c.jpg", sample::jpeg(96, 64).unwrap()).await;
    local
}

fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[tokio::test]
async fn public_private_and_flexible_variants() {
    let local = start_with_picture().await;
    // Public: no token, and one that is wrong does not matter.
    for url in ["/acct/a%20b/c.jpg/thumbnail", "/acct/a%20b/c.jpg/thumbnail?exp=1&sig=00"] {
        let (delivery, picture) = local.get(url).await.unwrap();
        assert_eq!((delivery.variant.as_str(), delivery.expire_time), ("thumbnail", None));
        let picture = picture.unwrap();
        assert_eq!((size(&picture), picture.header.id.as_str()), ((300, 300), "thumbnail"));
    }
    // Private: by its signature alone.
    for (path, dimensions) in [
        ("/acct/a%20b/c.jpg/card", (96, 64)),
        ("/acct/a%20b/c.jpg/width=48", (48, 32)),
        ("/acct/a%20b/c.jpg/w=20,h=20,fit=cover,f=png", (20, 20)),
    ] {
        refused(local.get(path).await, Reason::UrlRefused);
        let signed = local.sign(path).await;
        let (delivery, picture) = local.get(&signed).await.unwrap();
        assert_eq!(size(&picture.unwrap()), dimensions, "{path}");
        assert!(delivery.expire_time.is_some());
    }
    // Signed is not enough for what is not there.
    let signed = local.sign("/acct/missing.jpg/card").await;
    refused(local.get(&signed).await, Reason::OriginNotFound);
}

#[tokio::test]
async fn whatever_is_changed_is_refused() {
    let local = start_with_picture().await;
    local.put("other.jpg", sample::jpeg(96, 64).unwrap()).await;
    let signed = local.sign("/acct/a%20b/c.jpg/width=48?v=1").await;
    local.get(&signed).await.unwrap();
    let (head, signature) = signed.split_once("&sig=").unwrap();
    let expiry: u64 = head.split_once("exp=").unwrap().1.parse().unwrap();
    let s3_before = local.stack.s3.requests();
    let swapped = if signature.starts_with('0') { '1' } else { '0' };
    let mut changed = vec![
        // The path, also where it names the same object.
        signed.replace("a%20b/c.jpg", "other.jpg"),
        signed.replace("/acct/", "/acme/"),
        signed.replace("width=48", "width=49"),
        signed.replace("width=48", "width=48,quality=100"),
        signed.replace("width=48", "w=48"),
        signed.replace("width=48", "card"),
        signed.replace("a%20b", "a b"),
        signed.replace("a%20b", "%61%20b"),
        signed.replace("/c.jpg", "/./c.jpg"),
        signed.replace("/c.jpg", "/x/../c.jpg"),
        signed.replace("/c.jpg", "/x/%2e%2e/c.jpg"),
        signed.replace("/acct/", "//acct/"),
        // The query.
        signed.replace("v=1", "v=2"),
        signed.replace("v=1&", ""),
        signed.replace("?v=1", "?V=1"),
        format!("{signed}&x=1"),
        format!("{signed}&"),
        signed.replace("?v", "?x=1&v"),
        signed.replace(&format!("exp={expiry}"), &format!("exp={}", expiry + 1)),
        signed.replace(&format!("exp={expiry}"), &format!("exp=0{expiry}")),
        signed.replace(&format!("&exp={expiry}"), ""),
        format!("{signed}&exp={}", expiry + 9),
        // The signature.
        head.to_owned(),
        format!("{head}&sig="),
        format!("{head}&sig={}", signature.to_uppercase()),
        format!("{head}&sig={}", &signature[..62]),
        format!("{head}&sig={signature}00"),
        format!("{head}&sig={swapped}{}", &signature[1..]),
        format!("{head}&sig={signature}&sig={signature}"),
        format!("{head}&SIG={signature}"),
        format!("{head}&s%69g={signature}"),
    ];
    // In upper case it is the same where it has no letters.
    changed.retain(|url| *url != signed);
    assert!(changed.len() >= 30);
    for url in changed {
        let answer = local.get(&url).await;
        // Two of them have another path structure.
        if is(&answer, Reason::RouteNotFound) {
            assert!(url.starts_with("//"), "{url}");
            continue;
        }
        let status = refused(answer, Reason::UrlRefused);
        assert_eq!(status.message(), refused(local.get(head).await, Reason::UrlRefused).message());
    }
    assert_eq!(local.stack.s3.requests(), s3_before, "the origin is not asked for what is not signed");
}

#[tokio::test]
async fn a_key_that_is_bound_to_hosts_verifies_for_these_alone() {
    let secrets = tempfile::tempdir().unwrap();
    keys::write_fresh(secrets.path(), "bound-1").unwrap();
    let signer_toml = format!(
        "[[keys]]\nname = 'bound'\nscheme = 'cloudflare-images'\nmax_ttl = '1h'\n\
         allowed_hosts = ['img.example.com']\n\
         versions = [{{ id = 1, state = 'primary', secret_file = '{}/bound-1' }}]\n",
        secrets.path().display()
    );
    let resizer_toml =
        "[[routes]]\npath = '/bound/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'bound'\n".to_owned();
    let local = start(Settings { signer_toml, resizer_toml, ..Settings::default() }).await;
    local.put("a.jpg", sample::jpeg(96, 64).unwrap()).await;
    let request = SignUrlRequest {
        key: "bound".to_owned(),
        url: "https://img.example.com/bound/a.jpg/card".to_owned(),
        ..SignUrlRequest::default()
    };
    let mut signer = local.stack.signer_client().await.unwrap();
    let signed = signer.sign_url(request).await.unwrap().into_inner().signed_url;
    let target = signed.strip_prefix("https://img.example.com").unwrap();
    for origin in ["https://img.example.com", "HTTP://IMG.example.com"] {
        local.get(&format!("{origin}{target}")).await.unwrap();
    }
    // The path alone does not say of whom it was asked.
    for origin in
        ["", "https://evil.test", "https://img.example.com.evil.test", "https://img.example.com@evil.test"]
    {
        refused(local.get(&format!("{origin}{target}")).await, Reason::UrlRefused);
    }
}

/// An edge tells who its viewer is, and what cookies came.
#[tokio::test]
async fn what_is_of_one_viewer_is_delivered_to_that_viewer() {
    let secrets = tempfile::tempdir().unwrap();
    let key = |name: &str, scheme: &str| {
        keys::write(secrets.path(), name, "00112233445566778899aabbccddeeff").unwrap();
        format!(
            "[[keys]]\nname = '{name}'\nscheme = '{scheme}'\nmax_ttl = '1h'\n\
             versions = [{{ id = 1, state = 'primary', secret_file = '{}/{name}' }}]\n",
            secrets.path().display()
        )
    };
    let route = |name: &str| {
        format!(
            "[[routes]]\npath = '/{name}/{{key...}}/{{variant}}'\norigin = 'photos'\nurl_key = '{name}'\n"
        )
    };
    let local = start(Settings {
        signer_toml: key("address", "akamai-edgeauth") + &key("cookies", "cloudinary-auth-token"),
        resizer_toml: route("address") + &route("cookies"),
        ..Settings::default()
    })
    .await;
    local.put("a.jpg", sample::jpeg(96, 64).unwrap()).await;
    let mut signer = local.stack.signer_client().await.unwrap();
    let expiry = Some(Expiry::Ttl(prost_types::Duration { seconds: 600, nanos: 0 }));

    let request = SignUrlRequest {
        key: "address".to_owned(),
        url: "https://img.example.com/address/a.jpg/card".to_owned(),
        client_ip: "192.0.2.7".to_owned(),
        expiry,
        ..SignUrlRequest::default()
    };
    let url = signer.sign_url(request).await.unwrap().into_inner().signed_url;
    let ask = |client_ip: &str| {
        local.deliver(DeliverRequest {
            url: url.clone(),
            client_ip: client_ip.to_owned(),
            ..Default::default()
        })
    };
    let (delivery, picture) = ask("192.0.2.7").await.unwrap();
    assert_eq!((delivery.cache_scope(), size(&picture.unwrap())), (CacheScope::Caller, (96, 64)));
    for other in ["", "192.0.2.8", "2001:db8::1"] {
        refused(ask(other).await, Reason::UrlRefused);
    }
    assert_eq!(fields(&refused(ask("192.0.2").await, Reason::FieldInvalid)), ["client_ip"]);

    let request = SignUrlRequest {
        key: "cookies".to_owned(),
        url: "https://img.example.com/cookies/a.jpg/card".to_owned(),
        scope: vec!["/cookies/*".to_owned()],
        carrier: SignatureCarrier::Cookies.into(),
        expiry,
        ..SignUrlRequest::default()
    };
    let signed = signer.sign_url(request).await.unwrap().into_inner();
    assert_eq!(signed.signed_url, "https://img.example.com/cookies/a.jpg/card");
    let pairs: Vec<_> =
        signed.cookies.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
    let cookies = pairs.join("; ");
    let ask = |cookies: String| {
        local.deliver(DeliverRequest { url: signed.signed_url.clone(), cookies, ..Default::default() })
    };
    // Others beside them do not matter.
    for cookies in [cookies.clone(), format!("theme=dark; {cookies}; name=\u{fc}")] {
        let (delivery, _) = ask(cookies).await.unwrap();
        assert_eq!(delivery.cache_scope(), CacheScope::Caller);
    }
    for cookies in [String::new(), "theme=dark".to_owned(), format!("{cookies}0")] {
        refused(ask(cookies).await, Reason::UrlRefused);
    }
    // What they cover is all that they open.
    let elsewhere = DeliverRequest { url: "/acct/a.jpg/card".to_owned(), cookies, ..Default::default() };
    refused(local.deliver(elsewhere).await, Reason::UrlRefused);
}

#[tokio::test]
async fn strange_urls_are_the_callers_fault() {
    let local = start_with_picture().await;
    for url in [
        "/acct/a b/c.jpg/card?sig=1",
        "/acct/ü/card?exp=9999999999&sig=00",
        "/acct/a\nb/card",
        "/acct/a\0b/card",
        "/acct/a\\..\\b/card",
        "/acct/../card?x",
        "/acct/%2e%2e/c/card",
        "/acct/x/card??&&==&sig&exp",
        "/acct/x/card?%",
    ] {
        refused(local.get(url).await, Reason::UrlRefused);
    }
}

#[tokio::test]
async fn urls_absolute_and_as_paths() {
    let local = start_with_picture().await;
    let signed = local.sign("/acct/a%20b/c.jpg/card").await;
    for host in [
        "",
        "https://img.example.com",
        "http://other.example:8080",
        "HTTPS://IMG.EXAMPLE.COM",
        "https://[::1]:1",
    ] {
        local.get(&format!("{host}{signed}")).await.unwrap_or_else(|status| panic!("{host}: {status}"));
    }
    for url in [
        "",
        "acct/x/card",
        "ftp://h/acct/x/card",
        "https://",
        "https://h",
        "https:///acct/x/card",
        "javascript:1",
    ] {
        let status = refused(local.get(url).await, Reason::FieldInvalid);
        assert_eq!(fields(&status), ["url"], "{url}");
    }
    let status = refused(local.get(&format!("{signed}#top")).await, Reason::FieldInvalid);
    assert_eq!(fields(&status), ["url"]);
    let longest = format!("/acct/a%20b/c.jpg/thumbnail?{}", "x".repeat(8192 - 28));
    assert_eq!(longest.len(), 8192);
    local.get(&longest).await.unwrap();
    refused(local.get(&format!("{longest}x")).await, Reason::InputTooLong);
}

#[tokio::test]
async fn what_no_route_or_variant_matches() {
    let routes = "[variants.small]\nwidth = 10\n\
        [[routes]]\npath = '/few/{key...}/{variant}'\norigin = 'photos'\nurl_key = 'web'\nvariants = ['small']\n\
        [[routes]]\npath = '/fixed/{key...}'\norigin = 'photos'\nurl_key = 'web'\nvariant = 'small'\n";
    let local = start_with(routes).await;
    local.put("c.jpg", sample::jpeg(96, 64).unwrap()).await;
    for path in ["/", "/c.jpg", "/acct/card", "//c.jpg/card", "/acct//card", "/acct/c.jpg/", "/acct/%ff/card"]
    {
        refused(local.get(path).await, Reason::RouteNotFound);
    }
    for path in [
        "/acct/c.jpg/nope",
        "/acct/c.jpg/Card",
        "/acct/c.jpg/width%3D400",
        "/acct/c.jpg/card%3Fx",
        "/acct/c.jpg/%ff",
        // Not on this route: neither another variant, nor a list.
        "/few/c.jpg/card",
        "/few/c.jpg/thumbnail",
        "/few/c.jpg/width=10",
    ] {
        refused(local.get(path).await, Reason::VariantNotFound);
        let signed = local.sign(path).await;
        refused(local.get(&signed).await, Reason::VariantNotFound);
    }
    for path in ["/few/c.jpg/small", "/fixed/c.jpg"] {
        refused(local.get(path).await, Reason::UrlRefused);
        let signed = local.sign(path).await;
        let (delivery, picture) = local.get(&signed).await.unwrap();
        assert_eq!((delivery.variant.as_str(), size(&picture.unwrap()).0), ("small", 10));
    }
    // Wrong options are named, all at once.
    let status = refused(local.get("/acct/c.jpg/width=0,unknown=2,fit=x").await, Reason::FieldInvalid);
    assert_eq!(fields(&status), ["url.width", "url.unknown", "url.fit"]);
}

#[tokio::test]
async fn keys_in_urls_are_decoded_once() {
    let local = start(Settings::default()).await;
    for (width, (key, path)) in (10..).zip([
        ("a+b", "a+b"),
        ("a b", "a%20b"),
        ("a%20b", "a%2520b"),
        ("x//y", "x//y"),
        ("x/y", "x%2Fy"),
        ("ü", "%C3%BC"),
        ("q?", "q%3F"),
    ]) {
        local.put(key, sample::png(width, 8).unwrap()).await;
        let signed = local.sign(&format!("/acct/{path}/card")).await;
        let picture = local.get(&signed).await.unwrap_or_else(|status| panic!("{key}: {status}")).1.unwrap();
        assert_eq!(size(&picture).0, u32::from(width), "{key}");
    }
    // A public one is not verified, so here nobody else refuses dot segments.
    for path in ["..", "%2e%2e/a", "a/%2E%2E/b", "a/..%2Fb"] {
        refused(local.get(&format!("/acct/{path}/thumbnail")).await, Reason::ObjectKeyUnsupported);
    }
    assert_eq!(local.stack.s3.refused(), 0);
}

#[tokio::test]
async fn a_url_expires() {
    let start_time = now();
    let clock = Clock::fixed(start_time);
    let local = start(Settings { clock: clock.clone(), ..Settings::default() }).await;
    local.put("c.jpg", sample::jpeg(96, 64).unwrap()).await;
    let signed = local.sign_with("web", "/acct/c.jpg/card", 600).await;
    let (delivery, _) = local.get(&signed).await.unwrap();
    assert_eq!(delivery.expire_time.unwrap().seconds, i64::try_from(start_time + 600).unwrap());
    clock.set(start_time + 599);
    local.get(&signed).await.unwrap();
    clock.set(start_time + 601);
    let status = refused(local.get(&signed).await, Reason::UrlRefused);
    let never_signed = refused(local.get("/acct/c.jpg/card").await, Reason::UrlRefused);
    assert_eq!(status.message(), never_signed.message(), "one answer for every cause");
}

#[tokio::test]
async fn keys_rotate_and_are_not_exchanged() {
    let secrets = tempfile::tempdir().unwrap();
    for name in ["1", "2"] {
        keys::write_fresh(secrets.path(), name).unwrap();
    }
    let version = |id: u32, state: &str| {
        format!(
            "[[keys.versions]]\nid = {id}\nstate = '{state}'\nsecret_file = '{}/{id}'\n",
            secrets.path().display()
        )
    };
    let with_versions = async |versions: String| {
        let signer_toml =
            format!("[[keys]]\nname = 'rotating'\nscheme = 'cloudflare-images'\nmax_ttl = '24h'\n{versions}");
        let resizer_toml = "[[routes]]\npath = '/rotating/{key...}/{variant}'\norigin = 'photos'\n\
            url_key = 'rotating'\n";
        let settings = Settings { signer_toml, resizer_toml: resizer_toml.into(), ..Settings::default() };
        let local = start(settings).await;
        local.put("c.jpg", sample::jpeg(96, 64).unwrap()).await;
        local
    };
    let path = "/rotating/c.jpg/card";
    let before = with_versions(version(1, "primary")).await;
    let old = before.sign_with("rotating", path, 3600).await;
    before.get(&old).await.unwrap();

    let during = with_versions(version(1, "verify-only") + &version(2, "primary")).await;
    during.get(&old).await.unwrap();
    let new = during.sign_with("rotating", path, 3600).await;
    during.get(&new).await.unwrap();
    refused(before.get(&new).await, Reason::UrlRefused);

    let after = with_versions(version(1, "disabled") + &version(2, "primary")).await;
    after.get(&new).await.unwrap();
    refused(after.get(&old).await, Reason::UrlRefused);

    // Well signed, with another key than the route's.
    let other = after.sign_with("web", path, 3600).await;
    refused(after.get(&other).await, Reason::UrlRefused);
}

#[tokio::test]
async fn the_callers_headers_reach_the_origin_of_a_url() {
    let origin = FaultyOrigin::start().await.unwrap();
    origin.at("/a.png", Reply::ok(sample::png(48, 32).unwrap()));
    let local = start_with(origins(&origin) + WEB_ROUTE).await;
    let headers = CallerHeaders { authorization: "Bearer x".into(), ..Default::default() };
    let request = DeliverRequest {
        url: "/web/a.png/thumbnail".into(),
        caller_headers: Some(headers),
        ..Default::default()
    };
    local.deliver(request.clone()).await.unwrap();
    assert_eq!(origin.requests().pop().unwrap().header("authorization"), Some("Bearer x"));

    // They authorise the fetch, not the URL.
    let private = DeliverRequest { url: "/web/a.png/card".into(), ..request.clone() };
    refused(local.deliver(private).await, Reason::UrlRefused);
    let headers = CallerHeaders { cookie: "a\nb".into(), ..Default::default() };
    let status = refused(
        local.deliver(DeliverRequest { caller_headers: Some(headers), ..request }).await,
        Reason::FieldInvalid,
    );
    assert_eq!(fields(&status), ["caller_headers.cookie"]);
}
