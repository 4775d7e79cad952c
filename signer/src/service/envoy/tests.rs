use std::{fs, os::unix::fs::PermissionsExt};

use prost::Message as _;
use safelight_proto::{
    envoy::{
        config::core::v3::SocketAddress,
        service::auth::v3::{
            AttributeContext,
            attribute_context::{self, Peer},
        },
    },
    signer::v1::{SignUrlRequest, signer_service_server::SignerService},
};

use super::*;
use crate::{Clock, Config, access::Granted};

const NOW: u64 = 1_700_000_000;

/// A signer with the key `web`, another key of the same secret that needs no expiry, and one that signs no URLs.
fn signer() -> Signer {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    fs::write(&secret, "fake-web-secret").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o400)).unwrap();
    let versions =
        format!("versions = [{{ id = 3, state = \"primary\", secret_file = \"{}\" }}]", secret.display());
    let text = format!(
        r#"
        [[keys]]
        name = "web"
        scheme = "cloudflare-images"
        {versions}
        [[keys]]
        name = "forever"
        scheme = "cloudflare-images"
        require_expiry = false
        {versions}
        [[keys]]
        name = "uploads"
        scheme = "cloudinary-upload"
        {versions}
        [[grants]]
        caller = "anonymous"
        methods = ["*"]
        keys = ["*"]
        "#
    );
    Signer::new(Config::read(&text).unwrap_or_else(|errors| panic!("{errors}")), Clock::fixed(NOW))
}

/// The target of a signed URL.
async fn signed(signer: &Signer, key: &str, target: &str) -> String {
    let mut request = Request::new(SignUrlRequest {
        key: key.to_owned(),
        url: format!("https://h{target}"),
        expiry: (key != "forever").then_some(safelight_proto::signer::v1::sign_url_request::Expiry::Ttl(
            prost_types::Duration { seconds: 60, nanos: 0 },
        )),
        ..SignUrlRequest::default()
    });
    request.extensions_mut().insert(Granted::everything());
    let url = signer.sign_url(request).await.unwrap().into_inner().signed_url;
    url.strip_prefix("https://h").unwrap().to_owned()
}

/// What Envoy asks about a GET of this target.
fn asked(key: &str, target: &str) -> CheckRequest {
    let http = HttpRequest {
        method: "GET".to_owned(),
        path: target.to_owned(),
        host: "h".to_owned(),
        scheme: "https".to_owned(),
        ..HttpRequest::default()
    };
    let socket = SocketAddress { address: "192.0.2.1".to_owned() };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer {
                address: Some(Address { address: Some(address::Address::SocketAddress(socket)) }),
            }),
            request: Some(attribute_context::Request { http: Some(http) }),
            context_extensions: [(KEY.to_owned(), key.to_owned())].into(),
        }),
    }
}

fn judged(signer: &Signer, request: &CheckRequest) -> Result<(String, u32, Option<u64>), &'static str> {
    let mut request = Request::new(request.clone());
    request.extensions_mut().insert(Granted::everything());
    let (mut call, request) = Call::begin(&signer.audit, request).unwrap();
    match signer.judge(&mut call, &request) {
        Ok(passed) => Ok((passed.target, passed.key_version, passed.expires)),
        Err(refused) => Err(refused.reason()),
    }
}

/// The answer of the handler to the same.
async fn answer(signer: &Signer, request: CheckRequest) -> CheckResponse {
    let mut request = Request::new(request);
    request.extensions_mut().insert(Granted::everything());
    signer.check(request).await.unwrap().into_inner()
}

fn http(request: &mut CheckRequest) -> &mut HttpRequest {
    request.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap()
}

#[tokio::test]
async fn what_is_signed_passes_without_its_signature() {
    let signer = signer();
    for (key, target, upstream, expires) in [
        ("web", "/a//b%2Fc~d?z=1&a=&a=2", "/a//b%2Fc~d?z=1&a=&a=2", Some(NOW + 60)),
        ("web", "/a", "/a", Some(NOW + 60)),
        ("forever", "/a?w=1", "/a?w=1", None),
        ("forever", "/a", "/a", None),
    ] {
        let mut request = asked(key, &signed(&signer, key, target).await);
        for method in ["GET", "HEAD"] {
            http(&mut request).method = method.to_owned();
            assert_eq!(judged(&signer, &request), Ok((upstream.to_owned(), 3, expires)), "{target}");
        }
    }
}

#[tokio::test]
async fn pitfall_15_every_reason_is_logged_and_every_refusal_is_the_same_answer() {
    let signer = signer();
    let target = signed(&signer, "web", "/a?w=1").await;
    let eternal = signed(&signer, "forever", "/a").await;
    type Change = fn(&mut CheckRequest);
    let changes: Vec<(&str, String, Change, &str)> = vec![
        ("web", target.clone(), |r| r.attributes = None, "ATTRIBUTES_INVALID"),
        ("web", target.clone(), |r| r.attributes.as_mut().unwrap().request = None, "ATTRIBUTES_INVALID"),
        (
            "web",
            target.clone(),
            |r| r.attributes.as_mut().unwrap().request.as_mut().unwrap().http = None,
            "ATTRIBUTES_INVALID",
        ),
        ("web", target.clone(), |r| http(r).host.clear(), "ATTRIBUTES_INVALID"),
        ("web", target.clone(), |r| http(r).host = "h/a".to_owned(), "ATTRIBUTES_INVALID"),
        ("web", target.clone(), |r| http(r).host = "u@h".to_owned(), "ATTRIBUTES_INVALID"),
        ("web", target.clone(), |r| http(r).scheme.clear(), "ATTRIBUTES_INVALID"),
        ("web", target.clone(), |r| http(r).scheme = "HTTPS".to_owned(), "ATTRIBUTES_INVALID"),
        ("web", target.clone(), |r| http(r).path.clear(), "ATTRIBUTES_INVALID"),
        ("web", target[1..].to_owned(), |_| {}, "ATTRIBUTES_INVALID"),
        ("web", "*".to_owned(), |_| {}, "ATTRIBUTES_INVALID"),
        ("web", target.clone(), |r| http(r).method.clear(), "HTTP_METHOD_REFUSED"),
        ("web", target.clone(), |r| http(r).method = "POST".to_owned(), "HTTP_METHOD_REFUSED"),
        ("web", target.clone(), |r| http(r).method = "OPTIONS".to_owned(), "HTTP_METHOD_REFUSED"),
        ("web", target.clone(), |r| http(r).method = "get".to_owned(), "HTTP_METHOD_REFUSED"),
        ("web", target.clone(), |r| r.attributes.as_mut().unwrap().context_extensions.clear(), "KEY_MISSING"),
        ("", target.clone(), |_| {}, "KEY_NOT_FOUND"),
        ("nope", target.clone(), |_| {}, "KEY_NOT_FOUND"),
        ("uploads", target.clone(), |_| {}, "KEY_SCHEME_MISMATCH"),
        ("web", "/a?w=1".to_owned(), |_| {}, "SIGNATURE_MISSING"),
        ("web", format!("{target}0"), |_| {}, "SIGNATURE_MALFORMED"),
        ("web", target.replacen("w=1", "w=2", 1), |_| {}, "SIGNATURE_MISMATCH"),
        ("web", format!("{target}&sig=0"), |_| {}, "DUPLICATE_PARAMETER"),
        ("web", target.replacen("/a", "/x/../a", 1), |_| {}, "AMBIGUOUS_PATH"),
        ("web", format!("{target}&{}", "x".repeat(8192)), |_| {}, "INPUT_TOO_LONG"),
        ("web", eternal, |_| {}, "EXPIRY_MISSING"),
    ];
    let denied = denied().encode_to_vec();
    for (index, (key, target, change, reason)) in changes.into_iter().enumerate() {
        let mut request = asked(key, &target);
        change(&mut request);
        assert_eq!(judged(&signer, &request), Err(reason), "case {index}");
        assert_eq!(answer(&signer, request).await.encode_to_vec(), denied, "case {index}");
    }
    assert_eq!(judged(&signer, &asked("web", &target)), Ok(("/a?w=1".to_owned(), 3, Some(NOW + 60))));
    signer.clock.set(NOW + 60);
    assert_eq!(judged(&signer, &asked("web", &target)), Err("EXPIRED"));
    assert_eq!(answer(&signer, asked("web", &target)).await.encode_to_vec(), denied);
}

#[test]
fn the_log_shows_no_key_that_is_not_configured() {
    let signer = signer();
    assert_eq!((signer.shown("web"), signer.shown("uploads")), ("web", "uploads"));
    let hidden = "(not one that is configured)";
    assert_eq!((signer.shown("fake-token-in-a-wrong-field"), signer.shown("")), (hidden, hidden));
}

#[tokio::test]
async fn any_other_byte_is_refused() {
    let signer = signer();
    let target = signed(&signer, "web", "/photos/%7E~/a?w=1&h").await;
    assert!(judged(&signer, &asked("web", &target)).is_ok());
    for at in 0..target.len() {
        for other in ['0', 'A', '/', '%', '&', '?', '='] {
            let mut changed = target.clone();
            changed.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
            let passes = judged(&signer, &asked("web", &changed)).is_ok();
            assert_eq!(passes, changed == target, "{changed}");
        }
        let (start, end) = target.split_at(at);
        assert!(judged(&signer, &asked("web", start)).is_err(), "{start}");
        assert!(judged(&signer, &asked("web", &format!("{start}0{end}"))).is_err(), "{start}0{end}");
    }
}

#[test]
fn clients_are_addresses() {
    let read = |address: &str| {
        let socket = SocketAddress { address: address.to_owned() };
        client(&Address { address: Some(address::Address::SocketAddress(socket)) })
            .map(|address| address.to_string())
    };
    assert_eq!(read("192.0.2.1").as_deref(), Some("192.0.2.1"));
    assert_eq!(read("::ffff:192.0.2.1").as_deref(), Some("192.0.2.1"));
    assert_eq!(read("2001:db8::1").as_deref(), Some("2001:db8::1"));
    for none in ["", "192.0.2.1:80", "/run/envoy.sock", "h"] {
        assert_eq!(read(none), None, "{none}");
    }
    assert_eq!(client(&Address { address: None }), None);
}
