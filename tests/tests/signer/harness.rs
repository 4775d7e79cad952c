//! A stack with keys of every kind, and what an error must look like.

use std::{
    borrow::BorrowMut,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use hmac::{Hmac, KeyInit, Mac};
use prost_types::{Duration, ListValue, Struct, Timestamp, Value, value::Kind};
use safelight_local::{Settings, Stack, keys, stack::connect};
use safelight_proto::signer::v1::{
    Cookie, SignUrlRequest, SignUrlResponse, VerifyUrlRequest, VerifyUrlResponse,
    key_service_client::KeyServiceClient, sign_url_request::Expiry,
    signer_service_client::SignerServiceClient, verifier_service_client::VerifierServiceClient,
};
use safelight_signer::Clock;
use serde_json::Value as Json;
use sha2::Sha256;
use tempfile::TempDir;
use tonic::{Code, Response, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::schemes;

/// What the fixed clock shows.
pub(crate) const NOW: u64 = 1_700_000_000;

/// The secret of version 1 of `url`.
pub(crate) const URL_OLD: &str = "fake-url-secret-old-7Yq";
/// The secret of version 2 of `url`, and of the other URL keys.
pub(crate) const URL_NEW: &str = "fake-url-secret-new-k2W";
/// The secret of both upload keys.
pub(crate) const UPLOAD: &str = "fake-upload-secret-Zp4";
/// The secret of both S3 keys.
pub(crate) const S3: &str = "fake/s3+secret/9Lm";
/// The access key id of both S3 keys.
pub(crate) const S3_ID: &str = "AKIAFAKEOFTHETESTS";
/// The session token of `s3-temporary`.
pub(crate) const S3_TOKEN: &str = "fake/session+token==Xr8";

/// Every secret of [`KEYS`].
pub(crate) const SECRETS: [&str; 5] = [URL_OLD, URL_NEW, UPLOAD, S3, S3_TOKEN];

/// The keys of the tests, beside those of the stack.
pub(crate) const KEYS: &str = r#"
[[keys]]
name = "url"
scheme = "cloudflare-images"
max_ttl = "1h"
versions = [
    { id = 1, state = "verify-only", secret_file = "DIR/url-old" },
    { id = 2, state = "primary", secret_file = "DIR/url-new" },
]
[[keys]]
name = "url-forever"
scheme = "cloudflare-images"
require_expiry = false
versions = [{ id = 7, state = "primary", secret_file = "DIR/url-new" }]
[[keys]]
name = "url-strict"
scheme = "cloudflare-images"
clock_skew = "30s"
versions = [{ id = 1, state = "primary", secret_file = "DIR/url-new" }]
[[keys]]
name = "upload"
scheme = "cloudinary-upload"
identifier = "api-key-1234"
versions = [{ id = 5, state = "primary", secret_file = "DIR/upload" }]
[[keys]]
name = "upload-sha1"
scheme = "cloudinary-upload"
algorithm = "sha1-suffix"
allow_legacy = true
versions = [{ id = 1, state = "primary", secret_file = "DIR/upload" }]
[[keys]]
name = "s3"
scheme = "aws-sigv4"
[[keys.versions]]
id = 3
state = "primary"
access_key_id = "AKIAFAKEOFTHETESTS"
secret_file = "DIR/s3"
[[keys]]
name = "s3-temporary"
scheme = "aws-sigv4"
max_ttl = "1h"
[[keys.versions]]
id = 1
state = "primary"
access_key_id = "AKIAFAKEOFTHETESTS"
secret_file = "DIR/s3"
session_token_file = "DIR/s3-token"
"#;

/// Where the secret files of the tests are.
const SECRETS_DIR: &str = "secrets-of-the-tests";

/// A running stack and its clock.
pub(crate) struct Pair {
    pub(crate) stack: Stack,
    pub(crate) clock: Clock,
    channel: Channel,
    dir: TempDir,
}

impl Pair {
    /// With [`KEYS`], at [`NOW`].
    pub(crate) async fn start() -> Self {
        Self::with(KEYS, Clock::fixed(NOW)).await
    }

    /// With these keys; `DIR` stands for the folder of the secret files.
    pub(crate) async fn with(keys: &str, clock: Clock) -> Self {
        Self::started(Settings { signer_toml: keys.to_owned(), clock, ..Settings::default() }).await
    }

    /// With [`KEYS`] and the system's clock, which the embedded S3 server goes by.
    pub(crate) async fn in_real_time() -> Self {
        Self::with(KEYS, Clock::system()).await
    }

    /// With the keys of [`schemes`], at [`NOW`].
    pub(crate) async fn of_schemes() -> Self {
        let clock = Clock::fixed(NOW);
        let settings = Settings { signer_toml: schemes::toml(), clock, ..Settings::default() };
        Self::with_secrets(settings, &schemes::secrets()).await
    }

    /// With these settings; `DIR` in them stands for the folder of the secret files.
    pub(crate) async fn started(settings: Settings) -> Self {
        let secrets = [
            ("url-old", URL_OLD),
            ("url-new", URL_NEW),
            ("upload", UPLOAD),
            ("s3", S3),
            ("s3-token", S3_TOKEN),
        ];
        Self::with_secrets(settings, &secrets.map(|(name, secret)| (name, secret.to_owned()))).await
    }

    async fn with_secrets(settings: Settings, files: &[(&str, String)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secrets = dir.path().join(SECRETS_DIR);
        for (name, secret) in files {
            keys::write(&secrets, name, secret).unwrap();
        }
        let clock = settings.clock.clone();
        let signer_toml = settings.signer_toml.replace("DIR", &secrets.display().to_string());
        let stack = Stack::start(dir.path(), Settings { signer_toml, ..settings }).await.unwrap();
        let channel = connect(&stack.signer).await.unwrap();
        Self { stack, clock, channel, dir }
    }

    /// What is in a secret file.
    pub(crate) fn secret(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(SECRETS_DIR).join(name)).unwrap()
    }

    pub(crate) async fn sign(&self, request: SignUrlRequest) -> SignUrlResponse {
        ok(self.signer().sign_url(request).await)
    }

    pub(crate) async fn verify(&self, request: VerifyUrlRequest) -> VerifyUrlResponse {
        ok(self.verifier().verify_url(request).await)
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn signer(&self) -> SignerServiceClient<Channel> {
        SignerServiceClient::new(self.channel())
    }

    pub(crate) fn verifier(&self) -> VerifierServiceClient<Channel> {
        VerifierServiceClient::new(self.channel())
    }

    pub(crate) fn keys(&self) -> KeyServiceClient<Channel> {
        KeyServiceClient::new(self.channel())
    }
}

/// An answer that is not an error.
pub(crate) fn ok<T>(answer: Result<Response<T>, Status>) -> T {
    answer.unwrap_or_else(|status| panic!("{status:?}")).into_inner()
}

/// Keys that a method refuses, and how: none, no such key, and two of other schemes.
pub(crate) const fn wrong_keys(others: [&str; 2]) -> [(&str, Code, &'static str); 4] {
    let [one, other] = others;
    [
        ("", Code::NotFound, "KEY_NOT_FOUND"),
        ("nope", Code::NotFound, "KEY_NOT_FOUND"),
        (one, Code::FailedPrecondition, "KEY_SCHEME_MISMATCH"),
        (other, Code::FailedPrecondition, "KEY_SCHEME_MISMATCH"),
    ]
}

/// Asserts what an error is: its code, its reason, our domain, the fields that it complains of; and no secret.
#[track_caller]
pub(crate) fn refused<T>(answer: Result<Response<T>, Status>, code: Code, reason: &str, fields: &[&str]) {
    let Err(status) = answer else { panic!("not refused, but should be: {code:?} {reason}") };
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("without ErrorInfo: {status:?}"));
    assert_eq!((status.code(), info.reason.as_str()), (code, reason), "{status:?}");
    assert_eq!(info.domain, "safelight.dev");
    assert!(!status.message().is_empty(), "{status:?}");
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    let named: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(named, fields, "{status:?}");
    assert!(violations.iter().all(|violation| !violation.description.is_empty()), "{status:?}");
    let shown = format!("{status} {status:?} {}", String::from_utf8_lossy(status.details()));
    assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{shown}");
}

pub(crate) fn timestamp(seconds: u64) -> Timestamp {
    Timestamp { seconds: seconds.cast_signed(), nanos: 0 }
}

pub(crate) const fn duration(seconds: i64) -> Duration {
    Duration { seconds, nanos: 0 }
}

/// Asks for a URL that lives for so many seconds, or as the key says.
pub(crate) fn url_request(key: &str, url: &str, ttl: Option<i64>) -> SignUrlRequest {
    let expiry = ttl.map(|seconds| Expiry::Ttl(duration(seconds)));
    SignUrlRequest { key: key.to_owned(), url: url.to_owned(), expiry, ..SignUrlRequest::default() }
}

/// Asks whether this URL is good for a client of whom nothing is known but the URL.
pub(crate) fn verify_request(key: &str, url: &str) -> VerifyUrlRequest {
    let target = target(url);
    VerifyUrlRequest {
        key: key.to_owned(),
        request_target: target.to_owned(),
        origin: url[..url.find(target).unwrap()].to_owned(),
        ..VerifyUrlRequest::default()
    }
}

/// Cookies as a browser sends them.
pub(crate) fn cookie_header(cookies: &[Cookie]) -> String {
    let pairs: Vec<_> = cookies.iter().map(|Cookie { name, value }| format!("{name}={value}")).collect();
    pairs.join("; ")
}

/// What a client would send for this URL: everything after the host, without the fragment.
pub(crate) fn target(url: &str) -> &str {
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let (_, rest) = url.split_once("://").unwrap();
    &rest[rest.find('/').unwrap()..]
}

/// A Cloudflare signature, computed here: lower-case hex of HMAC-SHA256.
pub(crate) fn hmac(secret: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    #[expect(clippy::disallowed_methods, reason = "a second implementation, to compare with")]
    let mac = mac.finalize().into_bytes();
    hex::encode(mac)
}

/// JSON as `google.protobuf.Struct` has it.
pub(crate) fn parameters(json: &Json) -> Struct {
    match value(json).kind {
        Some(Kind::StructValue(fields)) => fields,
        _ => panic!("not an object: {json}"),
    }
}

fn value(json: &Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(value) => Kind::NumberValue(value.as_f64().unwrap()),
        Json::String(value) => Kind::StringValue(value.clone()),
        Json::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(value).collect() }),
        Json::Object(fields) => Kind::StructValue(Struct {
            fields: fields.iter().map(|(name, json)| (name.clone(), value(json))).collect(),
        }),
    };
    Value { kind: Some(kind) }
}

/// A script of `tests/counterparts`, run by its interpreter. Nothing of a developer's own configuration gets in.
pub(crate) fn script(interpreter: impl AsRef<Path>, name: &str) -> Command {
    let mut command = Command::new(interpreter.as_ref());
    command.env_clear().arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("counterparts").join(name));
    command
}

/// Gives a program its standard input and takes its standard output. It must succeed.
pub(crate) fn pipe(mut command: impl BorrowMut<Command>, input: impl AsRef<[u8]>) -> Vec<u8> {
    let command = command.borrow_mut();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The servers run on other workers meanwhile.
    let output = tokio::task::block_in_place(|| {
        child.stdin.take().unwrap().write_all(input.as_ref()).unwrap();
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The same with JSON both ways.
pub(crate) fn ask(command: Command, question: &Json) -> Json {
    let answer = pipe(command, question.to_string());
    serde_json::from_slice(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}
