//! What signs or authorises appears in no log line, at any level, and in no error.

use std::{
    fs,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::stream;
use safelight_local::{
    picture,
    s3::REGION,
    stack::{BUCKET, connect},
};
use safelight_proto::{
    resizer::v1::{
        CallerHeaders, DeliverRequest, InspectOpen, InspectRequest, ObjectSource, Output,
        ResizeObjectRequest, inspect_open, inspect_request, resizer_service_client::ResizerServiceClient,
    },
    signer::v1::{
        AuthorizeUploadPartsRequest, AuthorizeUploadRequest, BatchSignUrlsItem, BatchSignUrlsRequest,
        BeginUploadRequest, CreateUploadTokenRequest, FinishUploadRequest, FormAuthority, FormField,
        GetKeyRequest, GrantAuthority, Header, ListKeysRequest, ListUploadRulesRequest,
        SignOriginRequestRequest, SignPostPolicyRequest, SignUploadRequest, SignatureLocation, StoredUpload,
        TokenAuthority, UploadAuthority, UploadedFile, Verdict, VerifyUploadRequest, VerifyUrlRequest,
        finish_upload_request::Outcome,
        sign_post_policy_request::{Object, Type},
        upload_authority::Authority,
        upload_service_client::UploadServiceClient,
        upload_token_service_client::UploadTokenServiceClient,
    },
};
use safelight_signer::Clock;
use serde_json::json;
use tonic::{Code, Response, Status, Streaming};
use tonic_types::StatusExt as _;
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    fmt::{self, format::FmtSpan},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::{
    harness::{KEYS, Pair, SECRETS, ok, parameters, target, url_request},
    schemes,
};

const FORGED: &str = "f0f1f2f3f4f5f6f7f0f1f2f3f4f5f6f7f0f1f2f3f4f5f6f7f0f1f2f3f4f5f6f7";
const COOKIE: &str = "session=fake-cookie-of-an-end-user";
const TOKEN: &str = "fake-token-of-a-caller";

/// The kinds of errors that can hold what a caller sent.
const REASONS: [&str; 15] = [
    "KEY_NOT_FOUND",
    "KEY_SCHEME_MISMATCH",
    "URL_INVALID",
    "RESERVED_PARAMETER",
    "EXPIRY_OUT_OF_RANGE",
    "FIELD_INVALID",
    "URL_REFUSED",
    "VARIANT_NOT_FOUND",
    "ORIGIN_DENIED",
    "SIGNER_UNAVAILABLE",
    "TOKEN_NOT_FOUND",
    "TOKEN_NOT_RESERVED",
    "PARAMETER_UNSUPPORTED",
    "IMAGE_ID_INVALID",
    "UPLOAD_REFUSED",
];

/// Rules of every kind, beside the keys.
const UPLOADS: &str = r#"
[[uploads]]
name = "tokens"
kind = "one-time"
max_bytes = 1000
signing_key = "s3-temporary"
region = "auto"
base_url = "https://photos.s3.example/"
[[uploads]]
name = "forms"
kind = "cloudinary"
key = "upload"
max_bytes = 1000
signing_key = "s3"
region = "auto"
base_url = "https://photos.s3.example/"
[[uploads]]
name = "grants"
kind = "grant"
max_bytes = 1000
signing_key = "s3"
region = "auto"
base_url = "https://photos.s3.example/"
"#;

/// How long a line may take to be written.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Logs everything of the whole process from now on: other tests too, which does no harm.
    fn start() -> Self {
        let log = Self::default();
        let lines = fmt::layer().with_ansi(false).with_span_events(FmtSpan::FULL).with_writer({
            let log = log.clone();
            move || log.clone()
        });
        // Ours, and those that are handed secrets by us. The transport below them logs each frame; the embedded S3 server
        // is not ours, and shows whom it refused.
        let targets = Targets::new()
            .with_default(LevelFilter::DEBUG)
            .with_target("safelight", LevelFilter::TRACE)
            .with_target("aws", LevelFilter::TRACE)
            .with_target("reqwest", LevelFilter::TRACE)
            .with_target("tonic", LevelFilter::TRACE)
            .with_target("tower", LevelFilter::TRACE)
            .with_target("s3s", LevelFilter::OFF)
            .with_target("s3s_fs", LevelFilter::OFF);
        tracing_subscriber::registry().with(lines.with_filter(targets)).init();
        log
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// The log, once it holds all of these: a call's line is written after its answer has been sent.
    async fn with(&self, wanted: &[String]) -> String {
        let started = Instant::now();
        loop {
            let text = self.text();
            let Some(missing) = wanted.iter().find(|wanted| !text.contains(*wanted)) else { return text };
            assert!(started.elapsed() < PATIENCE, "{missing} is not in the log");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The errors so far, with all that a caller can find in them.
#[derive(Default)]
struct Errors(Vec<(String, String)>);

impl Errors {
    fn note(&mut self, status: &Status) {
        let reason = status.get_details_error_info().unwrap_or_else(|| panic!("{status:?}")).reason;
        let details = String::from_utf8_lossy(status.details());
        self.0.push((reason, format!("{status} {status:?} {:?} {details}", status.metadata())));
    }

    /// Notes an answer that must be an error.
    fn of<T>(&mut self, answer: Result<Response<T>, Status>) {
        let Err(status) = answer else { panic!("no error") };
        self.note(&status);
    }

    /// Notes a stream that must end in an error.
    async fn of_stream<T>(&mut self, answer: Result<Response<Streaming<T>>, Status>) {
        match end(answer).await {
            Ok(_) => panic!("no error"),
            Err(status) => self.note(&status),
        }
    }
}

/// The number of messages of a stream to its end.
async fn end<T>(answer: Result<Response<Streaming<T>>, Status>) -> Result<usize, Status> {
    let mut messages = answer?.into_inner();
    let mut count = 0;
    while messages.message().await?.is_some() {
        count += 1;
    }
    Ok(count)
}

fn origin_request(key: &str, url: &str) -> SignOriginRequestRequest {
    SignOriginRequestRequest {
        key: key.to_owned(),
        method: "GET".to_owned(),
        url: url.to_owned(),
        region: REGION.to_owned(),
        ..SignOriginRequestRequest::default()
    }
}

fn upload_request(json: &serde_json::Value) -> SignUploadRequest {
    SignUploadRequest { key: "upload".to_owned(), parameters: Some(parameters(json)) }
}

/// Calls everything on the signer, well and badly. Answers the signatures that were made.
async fn use_the_signer(pair: &Pair, errors: &mut Errors) -> Vec<String> {
    let (mut signer, mut verifier, mut keys) = (pair.signer(), pair.verifier(), pair.keys());
    let mut made = Vec::new();
    let sig = |url: &str| url.rsplit_once("sig=").unwrap().1.to_owned();

    let signed = ok(signer.sign_url(url_request("url", "https://h/a", None)).await).signed_url;
    made.push(sig(&signed));
    errors.of(signer.sign_url(url_request("url", &signed, None)).await);
    errors.of(signer.sign_url(url_request("url", &format!("ftp://h/a?x={FORGED}"), None)).await);
    errors.of(signer.sign_url(url_request("url", &format!("https://u:{TOKEN}@h/a"), None)).await);
    errors.of(signer.sign_url(url_request(FORGED, "https://h/a", None)).await);
    errors.of(signer.sign_url(url_request("upload", "https://h/a", None)).await);
    errors.of(signer.sign_url(url_request("url", "https://h/a", Some(0))).await);
    let items = ["https://h/b".to_owned(), format!("https://h/a?sig={FORGED}")]
        .map(|url| BatchSignUrlsItem { url, expiry: None })
        .to_vec();
    let batch = BatchSignUrlsRequest { key: "url".to_owned(), items, ..BatchSignUrlsRequest::default() };
    let results = ok(signer.batch_sign_urls(batch.clone()).await).results;
    assert!(!format!("{:?}", results[1]).contains(FORGED), "an item's error");
    errors.of(signer.batch_sign_urls(BatchSignUrlsRequest { items: vec![], ..batch }).await);

    for (target, valid) in [
        (target(&signed).to_owned(), true),
        (format!("/a?exp=1&sig={FORGED}"), false),
        (FORGED.to_owned(), false),
    ] {
        let request =
            VerifyUrlRequest { key: "url".to_owned(), request_target: target, ..VerifyUrlRequest::default() };
        assert_eq!(ok(verifier.verify_url(request).await).key_version > 0, valid);
    }
    let request = VerifyUrlRequest {
        key: FORGED.to_owned(),
        request_target: target(&signed).to_owned(),
        ..VerifyUrlRequest::default()
    };
    errors.of(verifier.verify_url(request).await);

    let upload = ok(signer.sign_upload(upload_request(&json!({ "folder": "a" }))).await);
    made.push(upload.signature);
    errors.of(signer.sign_upload(upload_request(&json!({ "signature": FORGED }))).await);
    errors.of(signer.sign_upload(upload_request(&json!({ FORGED.to_uppercase(): TOKEN }))).await);
    errors.of(signer.sign_upload(upload_request(&json!({ "folder": { TOKEN: FORGED } }))).await);
    errors.of(signer.sign_upload(upload_request(&json!({ "timestamp": TOKEN }))).await);
    let mut form = upload.form_fields;
    let request =
        |form: &[FormField]| VerifyUploadRequest { key: "upload".to_owned(), fields: form.to_vec() };
    ok(verifier.verify_upload(request(&form)).await);
    form.last_mut().unwrap().value = FORGED.to_owned();
    ok(verifier.verify_upload(request(&form)).await);
    errors.of(verifier.verify_upload(VerifyUploadRequest { key: "url".to_owned(), ..request(&form) }).await);

    let url = "https://h/a";
    for key in ["s3", "s3-temporary", "s3-photos"] {
        let mut asked = origin_request(key, url);
        let with = Header { name: "cookie".to_owned(), value: COOKIE.to_owned() };
        asked.headers = vec![with];
        let signed = ok(signer.sign_origin_request(asked).await);
        for Header { name, value } in signed.headers {
            if name == "authorization" {
                made.push(value.rsplit_once("Signature=").unwrap().1.to_owned());
                made.push(value);
            }
        }
        let mut asked = origin_request(key, url);
        asked.set_location(SignatureLocation::Query);
        let signed = ok(signer.sign_origin_request(asked).await);
        made.push(signed.url.rsplit_once("Signature=").unwrap().1.to_owned());
        errors.of(signer.sign_origin_request(origin_request(key, &signed.url)).await);
    }
    for (name, value) in [
        ("authorization", format!("AWS4-HMAC-SHA256 Signature={FORGED}")),
        ("x-amz-security-token", TOKEN.to_owned()),
        ("cookie", format!("{COOKIE}\n")),
        (" ", TOKEN.to_owned()),
    ] {
        let mut asked = origin_request("s3", url);
        asked.headers = vec![Header { name: name.to_owned(), value }];
        errors.of(signer.sign_origin_request(asked).await);
    }
    errors.of(signer.sign_origin_request(origin_request("s3", &format!("https://u:{TOKEN}@h/a"))).await);
    let asked = SignOriginRequestRequest { body_sha256: format!("{FORGED}0"), ..origin_request("s3", url) };
    errors.of(signer.sign_origin_request(asked).await);

    ok(keys.list_keys(ListKeysRequest::default()).await);
    ok(keys.get_key(GetKeyRequest { name: "s3".to_owned() }).await);
    errors.of(keys.get_key(GetKeyRequest { name: TOKEN.to_owned() }).await);
    made
}

/// The signature of a PUT, and the whole header.
fn signature_of(headers: &[Header]) -> [String; 2] {
    let value = headers.iter().find(|header| header.name == "authorization").unwrap().value.clone();
    [value.rsplit_once("Signature=").unwrap().1.to_owned(), value]
}

/// Stores as a resizer does, well and badly, and signs forms of browsers. Answers tokens and signatures that were made.
async fn use_uploads(pair: &Pair, errors: &mut Errors) -> Vec<String> {
    let mut uploads = UploadServiceClient::new(pair.channel());
    let mut tokens = UploadTokenServiceClient::new(pair.channel());
    let mut made = Vec::new();
    let listed = ok(uploads.list_upload_rules(ListUploadRulesRequest::default()).await).rules;
    let digest = |name: &str| listed.iter().find(|rule| rule.name == name).unwrap().digest.clone();
    let authority = |by: &Authority| Some(UploadAuthority { authority: Some(by.clone()) });
    let file = UploadedFile {
        sha256: "0".repeat(64),
        length: 10,
        content_type: "image/png".to_owned(),
        filename: "x.png".to_owned(),
    };
    let begin = |rule: &str, by: &Authority| BeginUploadRequest {
        upload_digest: digest(rule),
        authority: authority(by),
        request_id: "r".to_owned(),
        lease: None,
    };
    let authorize = |rule: &str, by: &Authority| AuthorizeUploadRequest {
        upload_digest: digest(rule),
        authority: authority(by),
        request_id: "r".to_owned(),
        file: Some(file.clone()),
        width: 0,
        height: 0,
        multipart: false,
    };
    let finish = |rule: &str, by: &Authority| FinishUploadRequest {
        upload_digest: digest(rule),
        authority: authority(by),
        request_id: "r".to_owned(),
        outcome: Some(Outcome::Stored(StoredUpload { file: Some(file.clone()), ..Default::default() })),
    };

    let create = CreateUploadTokenRequest { account: "acme".to_owned(), ..Default::default() };
    let token = ok(tokens.create_upload_token(create).await).token;
    let by_token = |token: &str| {
        Authority::Token(TokenAuthority { account: "acme".to_owned(), token: token.to_owned() })
    };
    let by = by_token(&token);
    errors.of(uploads.authorize_upload(authorize("tokens", &by)).await);
    ok(uploads.begin_upload(begin("tokens", &by)).await);
    made.extend(signature_of(&ok(uploads.authorize_upload(authorize("tokens", &by)).await).put_headers));
    let in_parts = AuthorizeUploadRequest { multipart: true, ..authorize("tokens", &by) };
    made.extend(signature_of(&ok(uploads.authorize_upload(in_parts).await).create_headers));
    let parts = AuthorizeUploadPartsRequest {
        upload_digest: digest("tokens"),
        authority: authority(&by),
        request_id: "r".to_owned(),
        file: Some(file.clone()),
        part_sha256s: vec!["0".repeat(64)],
        store_upload_id: "named-by-the-store".to_owned(),
    };
    let signed = ok(uploads.authorize_upload_parts(parts.clone()).await);
    let steps = signed.parts.iter().chain(&signed.complete).chain(&signed.abort);
    made.extend(steps.flat_map(|step| signature_of(&step.headers)));
    errors.of(uploads.authorize_upload_parts(AuthorizeUploadPartsRequest { file: None, ..parts }).await);
    ok(uploads.finish_upload(finish("tokens", &by)).await);
    errors.of(uploads.begin_upload(begin("tokens", &by_token(FORGED))).await);
    let unknown = "A".repeat(43);
    errors.of(uploads.begin_upload(begin("tokens", &by_token(&unknown))).await);
    errors.of(uploads.finish_upload(finish("tokens", &by_token(TOKEN))).await);
    errors.of(uploads.begin_upload(begin("forms", &by)).await);
    made.push(token);

    let form = ok(pair.signer().sign_upload(upload_request(&json!({ "public_id": "a", "tags": "b" }))).await);
    made.push(form.signature);
    let by = Authority::Form(FormAuthority { fields: form.form_fields.clone() });
    ok(uploads.begin_upload(begin("forms", &by)).await);
    made.extend(signature_of(&ok(uploads.authorize_upload(authorize("forms", &by)).await).put_headers));
    made.push(ok(uploads.finish_upload(finish("forms", &by)).await).answer_signature);
    let mut fields = form.form_fields;
    fields.last_mut().unwrap().value = FORGED.to_owned();
    let forged = Authority::Form(FormAuthority { fields });
    assert_eq!(ok(uploads.begin_upload(begin("forms", &forged)).await).verdict(), Verdict::Invalid);
    assert_eq!(ok(uploads.authorize_upload(authorize("forms", &forged)).await).verdict(), Verdict::Invalid);
    errors.of(uploads.finish_upload(finish("forms", &forged)).await);
    for parameters in [
        json!({ "public_id": format!("{TOKEN}&{FORGED}") }),
        json!({ "notification_url": format!("https://{TOKEN}@{FORGED}/") }),
        json!({ "type": TOKEN }),
        json!({ "context": FORGED }),
    ] {
        let fields = ok(pair.signer().sign_upload(upload_request(&parameters)).await).form_fields;
        let by = Authority::Form(FormAuthority { fields });
        errors.of(uploads.begin_upload(begin("forms", &by)).await);
    }
    let by =
        Authority::Grant(GrantAuthority { image_id: format!("{TOKEN}//{FORGED}"), ..Default::default() });
    errors.of(uploads.begin_upload(begin("grants", &by)).await);
    let by = Authority::Grant(GrantAuthority { account: format!("{TOKEN} {FORGED}"), ..Default::default() });
    errors.of(uploads.begin_upload(begin("grants", &by)).await);

    let policy = SignPostPolicyRequest {
        key: "s3-temporary".to_owned(),
        url: "https://photos.s3.example/".to_owned(),
        bucket: "photos".to_owned(),
        region: "auto".to_owned(),
        object: Some(Object::ObjectKey("a".to_owned())),
        max_bytes: 10,
        r#type: Some(Type::ContentType("image/png".to_owned())),
        ..Default::default()
    };
    for field in ok(pair.signer().sign_post_policy(policy.clone()).await).fields {
        if ["policy", "x-amz-signature"].contains(&field.name.as_str()) {
            made.push(field.value);
        }
    }
    let asked = SignPostPolicyRequest { bucket: FORGED.to_owned(), ..policy.clone() };
    errors.of(pair.signer().sign_post_policy(asked).await);
    let metadata = vec![Header { name: TOKEN.to_owned(), value: FORGED.to_owned() }];
    errors.of(pair.signer().sign_post_policy(SignPostPolicyRequest { metadata, ..policy }).await);
    made
}

/// Delivers and fetches with callers' headers, well and badly. Answers the signatures that were made.
async fn use_the_resizer(pair: &Pair, errors: &mut Errors) -> Vec<String> {
    pair.stack.s3.put(BUCKET, "a.jpg", picture::demo_jpeg().unwrap()).await.unwrap();
    let mut resizer = ResizerServiceClient::new(connect(&pair.stack.resizer).await.unwrap());
    let mut made = Vec::new();

    let url = "https://h/local/a.jpg/card";
    let signed = ok(pair.signer().sign_url(url_request("web", url, Some(60))).await).signed_url;
    made.push(signed.rsplit_once("sig=").unwrap().1.to_owned());
    let deliver = |url: &str| DeliverRequest { url: url.to_owned(), ..DeliverRequest::default() };
    assert!(end(resizer.deliver(deliver(&signed)).await).await.unwrap() > 2);
    errors.of_stream(resizer.deliver(deliver(&signed.replace("card", "thumbnail/card"))).await).await;
    errors.of_stream(resizer.deliver(deliver(&format!("{url}?exp=1&sig={FORGED}"))).await).await;
    errors.of_stream(resizer.deliver(deliver(&format!("{FORGED}?sig={FORGED}"))).await).await;
    errors.of_stream(resizer.deliver(deliver(&signed.replace("/card", "/no-such"))).await).await;

    let object = format!("{}/{BUCKET}/a.jpg", pair.stack.s3.endpoint());
    let mut good = CallerHeaders::default();
    for Header { name, value } in
        ok(pair.signer().sign_origin_request(origin_request("s3-photos", &object)).await).headers
    {
        match name.as_str() {
            "authorization" => {
                made.push(value.rsplit_once("Signature=").unwrap().1.to_owned());
                good.authorization = value;
            }
            "x-amz-date" => good.x_amz_date = value,
            "x-amz-content-sha256" => good.x_amz_content_sha256 = value,
            other => panic!("{other}"),
        }
    }
    good.cookie = COOKIE.to_owned();
    let forged = good.authorization.rsplit_once("Signature=").unwrap().0.to_owned();
    let forged = CallerHeaders { authorization: format!("{forged}Signature={FORGED}"), ..good.clone() };
    let temporary = CallerHeaders { x_amz_security_token: TOKEN.to_owned(), ..good.clone() };
    let broken = CallerHeaders { cookie: format!("{COOKIE}\n"), ..good.clone() };
    for (headers, is_good) in [(good, true), (forged, false), (temporary, false), (broken, false)] {
        let source = ObjectSource {
            origin: "photos".to_owned(),
            key: "a.jpg".to_owned(),
            caller_headers: Some(headers.clone()),
        };
        let request = ResizeObjectRequest {
            source: Some(source.clone()),
            outputs: vec![Output::default()],
            ..ResizeObjectRequest::default()
        };
        let delivery = DeliverRequest { caller_headers: Some(headers), ..deliver(&signed) };
        let open = InspectOpen { source: Some(inspect_open::Source::Object(source)) };
        let open = InspectRequest { message: Some(inspect_request::Message::Open(open)) };
        if is_good {
            assert!(end(resizer.resize_object(request).await).await.unwrap() > 2);
            assert!(end(resizer.deliver(delivery).await).await.unwrap() > 2);
            ok(resizer.inspect(stream::iter([open])).await);
        } else {
            errors.of_stream(resizer.resize_object(request).await).await;
            errors.of_stream(resizer.deliver(delivery).await).await;
            errors.of(resizer.inspect(stream::iter([open])).await);
        }
    }

    // With the signer gone.
    pair.stack.signer.begin_stop();
    while pair.keys().list_keys(ListKeysRequest::default()).await.is_ok() {}
    match end(resizer.deliver(deliver(&signed)).await).await {
        Err(status) if status.code() == Code::Unavailable => errors.note(&status),
        other => panic!("{other:?}"),
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn pitfall_19_no_log_line_and_no_error_shows_what_signs_or_authorises() {
    let log = Log::start();
    let pair = Pair::with(&format!("{KEYS}{UPLOADS}"), Clock::system()).await;
    let mut errors = Errors::default();
    let mut hidden = use_the_signer(&pair, &mut errors).await;
    hidden.extend(use_uploads(&pair, &mut errors).await);
    hidden.extend(use_the_resizer(&pair, &mut errors).await);
    assert_eq!(hidden.len(), 30, "signatures of every kind");
    for file in fs::read_dir(pair.stack.dir().join("secrets")).unwrap() {
        hidden.push(fs::read_to_string(file.unwrap().path()).unwrap());
    }
    hidden.extend(SECRETS.map(str::to_owned));
    hidden.extend(schemes::use_all(&Pair::of_schemes().await).await);
    for text in hidden.clone() {
        hidden.push(hex::encode(&text));
    }
    hidden.extend([FORGED, COOKIE, TOKEN].map(str::to_owned));
    hidden.push(FORGED.to_uppercase());

    // All of the kinds of errors that can hold what a caller sent were seen, and logged.
    for reason in REASONS {
        assert!(errors.0.iter().any(|(seen, _)| seen == reason), "{reason}");
    }
    let log = log.with(&REASONS.map(|reason| format!("reason=\"{reason}\""))).await;
    for method in [
        "SignerService/SignUrl",
        "SignerService/BatchSignUrls",
        "SignerService/SignUpload",
        "SignerService/SignOriginRequest",
        "SignerService/SignPostPolicy",
        "UploadService/BeginUpload",
        "UploadService/AuthorizeUpload",
        "UploadService/AuthorizeUploadParts",
        "UploadService/FinishUpload",
        "VerifierService/VerifyUrl",
        "VerifierService/VerifyUpload",
        "KeyService/ListKeys",
        "KeyService/GetKey",
        "ResizerService/Deliver",
        "ResizerService/ResizeObject",
        "ResizerService/Inspect",
    ] {
        assert!(log.contains(method), "{method} is not in the log");
    }
    for event in ["url.refused", "upload.refused", "origin.failed", "signer.unavailable", "answered"] {
        assert!(log.contains(event), "{event} is not in the log");
    }
    for text in &hidden {
        assert!(text.len() >= 16, "too short to be found by no accident: {text}");
        let line = log.lines().find(|line| line.contains(text));
        assert_eq!(line, None, "logged: {text}");
        let error = errors.0.iter().find(|(_, shown)| shown.contains(text));
        assert_eq!(error, None, "in an error: {text}");
    }
    println!(
        "{} texts in none of {} log lines and {} errors",
        hidden.len(),
        log.lines().count(),
        errors.0.len()
    );
}
