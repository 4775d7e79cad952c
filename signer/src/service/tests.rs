//! The handlers, called as a server calls them.
//!
//! # Layout
//! - `urls`, `batches`: `SignUrl` and `VerifyUrl`, `BatchSignUrls`
//! - `grants`: what a caller may not do
//! - `restrictions`: what a key may not be used for, and what a scheme has not
//! - `uploads`, `notifications`: Cloudinary's
//! - `origin_requests`, `changes`: `SignOriginRequest`
//! - `deliveries`, `hostile`: `AuthorizeDelivery` and `ListDeliveries`; `resizer`: whom they are asked by
//! - `storing`, `hostile_storing`: `UploadService`; `storer`: whom it is asked by
//! - `upload_parts`: uploads in parts, by an honest resizer and a hostile one
//! - `upload_tasks`: what is left to do of uploads
//! - `post_policies`: `SignPostPolicy`
//! - `keys`: `KeyService`

mod batches;
mod changes;
mod deliveries;
mod grants;
mod hostile;
mod hostile_storing;
mod keys;
mod notifications;
mod origin_requests;
mod post_policies;
mod resizer;
mod restrictions;
mod storer;
mod storing;
mod upload_parts;
mod upload_tasks;
mod uploads;
mod urls;

use std::{fs, os::unix::fs::PermissionsExt};

use prost_types::{Duration, Timestamp};
use safelight_proto::{
    reason::of,
    signer::v1::{
        self as pb, signer_service_server::SignerService, verifier_service_server::VerifierService,
    },
};
use tonic::{Code, Request, Response, Status};

use crate::{Clock, Config, Signer, access::Granted};

const NOW: u64 = 1_700_000_000;
const SECRETS: [&str; 4] =
    ["fake-web-secret-1", "fake-web-secret-2", "fake-shared-secret", "fake-session-token"];

/// A request of a caller who may do everything.
fn allowed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Granted::everything());
    request
}

/// A signer with a key of every kind, at [`NOW`].
fn signer() -> Signer {
    with_web_versions("verify-only", "primary")
}

fn with_web_versions(first: &str, second: &str) -> Signer {
    let directory = tempfile::tempdir().unwrap();
    for (index, secret) in SECRETS.iter().enumerate() {
        let path = directory.path().join(index.to_string());
        fs::write(&path, secret).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    }
    let text = format!(
        r#"
        [[keys]]
        name = "web"
        scheme = "cloudflare-images"
        max_ttl = "1h"
        versions = [
            {{ id = 1, state = "{first}", secret_file = "DIR/0" }},
            {{ id = 2, state = "{second}", secret_file = "DIR/1" }},
        ]
        [[keys]]
        name = "forever"
        scheme = "cloudflare-images"
        require_expiry = false
        versions = [{{ id = 7, state = "primary", secret_file = "DIR/0" }}]
        [[keys]]
        name = "strict"
        scheme = "cloudflare-images"
        clock_skew = "30s"
        versions = [{{ id = 1, state = "primary", secret_file = "DIR/0" }}]
        [[keys]]
        name = "uploads"
        scheme = "cloudinary-upload"
        identifier = "1234"
        versions = [{{ id = 5, state = "primary", secret_file = "DIR/2" }}]
        [[keys]]
        name = "uploads-sha1"
        scheme = "cloudinary-upload"
        algorithm = "sha1-suffix"
        allow_legacy = true
        versions = [{{ id = 1, state = "primary", secret_file = "DIR/2" }}]
        [[keys]]
        name = "s3"
        scheme = "aws-sigv4"
        max_ttl = "1d"
        [[keys.versions]]
        id = 3
        state = "primary"
        access_key_id = "AKIAFAKE"
        secret_file = "DIR/2"
        session_token_file = "DIR/3"
        [[grants]]
        caller = "anonymous"
        methods = ["*"]
        keys = ["*"]
        "#
    );
    let text = text.replace("DIR", &directory.path().display().to_string());
    Signer::new(Config::read(&text).unwrap_or_else(|errors| panic!("{errors}")), Clock::fixed(NOW))
}

fn ok<T>(answer: Result<Response<T>, Status>) -> T {
    answer.unwrap_or_else(|status| panic!("{status:?}")).into_inner()
}

/// The code and reason of an error, which shows no secret.
fn refused<T>(answer: Result<Response<T>, Status>) -> (Code, String) {
    let Err(status) = answer else { panic!("not refused") };
    let shown = format!("{status} {status:?}");
    assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{shown}");
    (status.code(), of(&status).unwrap())
}

fn timestamp(seconds: u64) -> Timestamp {
    Timestamp { seconds: seconds.cast_signed(), nanos: 0 }
}

fn url_request(key: &str, url: &str, ttl: Option<i64>) -> Request<pb::SignUrlRequest> {
    let expiry = ttl.map(|seconds| pb::sign_url_request::Expiry::Ttl(Duration { seconds, nanos: 0 }));
    allowed(pb::SignUrlRequest {
        key: key.to_owned(),
        url: url.to_owned(),
        expiry,
        ..pb::SignUrlRequest::default()
    })
}

async fn sign_url(
    signer: &Signer,
    key: &str,
    url: &str,
    ttl: Option<i64>,
) -> Result<Response<pb::SignUrlResponse>, Status> {
    signer.sign_url(url_request(key, url, ttl)).await
}

async fn verify_url(signer: &Signer, key: &str, target: &str) -> pb::VerifyUrlResponse {
    let request = pb::VerifyUrlRequest {
        key: key.to_owned(),
        request_target: target.to_owned(),
        ..pb::VerifyUrlRequest::default()
    };
    ok(signer.verify_url(allowed(request)).await)
}

fn target(url: &str) -> &str {
    url.strip_prefix("https://h").unwrap()
}
