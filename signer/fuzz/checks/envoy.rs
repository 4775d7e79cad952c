//! Envoy's `Check`: any message gets an answer, and all refusals get the same.
//!
//! An input is a byte, and a `CheckRequest`. With the byte's lowest bit the path is signed first.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use prost::Message as _;
use safelight_chassis::{access::Caller, config};
use safelight_proto::envoy::service::auth::v3::{
    CheckRequest, CheckResponse, authorization_server::Authorization, check_response::HttpResponse,
};
use safelight_signer::{
    Clock, Config, Signer,
    access::{Granted, Grants, METHODS},
    scheme::{
        cloudflare_images::Key,
        url::{UrlScheme, Wanted},
    },
};
use tonic::Request;

use super::{
    NOW,
    files::folder,
    schemes::{SECRET, policy},
};

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let secret = folder().join("envoy");
    fs::write(&secret, SECRET).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o400)).unwrap();
    let text = format!(
        r#"
        [[keys]]
        name = "web"
        scheme = "cloudflare-images"
        allowed_hosts = ["img.example.com"]
        versions = [{{ id = 3, state = "primary", secret_file = "{}" }}]
        {GRANTS}
        "#,
        secret.display()
    );
    Signer::new(Config::read(&text).unwrap_or_else(|errors| panic!("{errors}")), Clock::fixed(NOW))
});

const GRANTS: &str = r#"
    [[grants]]
    caller = "anonymous"
    methods = ["Check"]
    keys = ["web"]
"#;

static GRANTED: LazyLock<Granted> = LazyLock::new(|| {
    let grants = config::read(GRANTS, Grants::read).unwrap();
    grants.granted(&Caller::anonymous(), METHODS.of_name("Check").unwrap()).unwrap()
});

pub fn check(data: &[u8]) {
    let Some((flags, message)) = data.split_first() else { return };
    let Ok(mut message) = CheckRequest::decode(message) else { return };
    let key = Key::new(SECRET.as_bytes());
    let mut signed = None;
    if flags & 1 != 0
        && let Some(attributes) = &mut message.attributes
        && let Some(http) = attributes.request.as_mut().and_then(|request| request.http.as_mut())
        && let Ok(url) = key.sign(
            &policy(false),
            &Wanted::plain(&format!("https://img.example.com{}", http.path), Some(NOW + 60)),
        )
    {
        let target = url.url.strip_prefix("https://img.example.com").unwrap_or_default();
        // The part before what was added, which is what the upstream must be asked for.
        signed = target
            .split_once("exp=1700000060")
            .map(|(before, _)| before.trim_end_matches(['?', '&']).to_owned());
        target.clone_into(&mut http.path);
    }
    let response = answered(message);
    match response.http_response {
        Some(HttpResponse::OkResponse(ok)) => {
            let signed = signed.expect("nobody signed this");
            let path = ok
                .headers
                .iter()
                .filter_map(|option| option.header.as_ref())
                .find(|header| header.key == ":path");
            let path = path.expect("the upstream is told what to serve");
            assert!(path.value.starts_with(&signed), "{} for {signed}", path.value);
            assert!(!path.value.contains("sig=") || signed.contains("sig="), "{}", path.value);
        }
        _ => assert_eq!(response, *DENIED, "all refusals are one"),
    }
}

static DENIED: LazyLock<CheckResponse> = LazyLock::new(|| answered(CheckRequest::default()));

/// There is no I/O, so the first poll answers.
fn answered(message: CheckRequest) -> CheckResponse {
    let mut request = Request::new(message);
    request.extensions_mut().insert(GRANTED.clone());
    let mut answer = pin!(SIGNER.check(request));
    match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.expect("an error would pass for another answer").into_inner(),
        Poll::Pending => panic!("it waits"),
    }
}
