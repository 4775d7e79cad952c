//! Uploads of a real signer: what its log and its audit trail say, and reloading.

use std::fs;

use safelight_proto::{
    reason,
    signer::v1::{
        AuthorizeUploadRequest, BeginUploadRequest, CreateUploadTokenRequest, FinishUploadRequest,
        FormAuthority, ListUploadRulesRequest, Reason, RefusedUpload, SignUploadRequest, StoredUpload,
        TokenAuthority, UploadAuthority, UploadedFile, finish_upload_request::Outcome,
        signer_service_client::SignerServiceClient, upload_authority::Authority,
        upload_service_client::UploadServiceClient, upload_token_service_client::UploadTokenServiceClient,
    },
};
use serde_json::Value as Json;
use tempfile::TempDir;
use tonic::{Code, transport::Channel};

use crate::{Signer, replace, write};

const SECRET: &str = "fake-upload-secret";

const CONFIG: &str = r#"
    [[grants]]
    caller = "anonymous"
    methods = ["*"]
    keys = ["forms", "s3"]
    accounts = ["acme"]
    [audit]
    sink = "file"
    path = "DIR/audit.jsonl"
    key_file = "DIR/hex"
    [upload_tokens]
    path = "DIR/tokens.redb"
    [[keys]]
    name = "forms"
    scheme = "cloudinary-upload"
    versions = [{ id = 3, state = "primary", secret_file = "DIR/secret" }]
    [[keys]]
    name = "s3"
    scheme = "aws-sigv4"
    versions = [{ id = 7, state = "primary", access_key_id = "AKIAFAKE", secret_file = "DIR/secret" }]
"#;

const RULES: &str = r#"
    [[uploads]]
    name = "tokens"
    kind = "one-time"
    max_bytes = 1000
    signing_key = "s3"
    region = "eu-west-1"
    base_url = "https://photos.s3.eu-west-1.amazonaws.com/"
    [[uploads]]
    name = "forms"
    kind = "cloudinary"
    key = "forms"
    max_bytes = 1000
    signing_key = "s3"
    region = "eu-west-1"
    base_url = "https://photos.s3.eu-west-1.amazonaws.com/"
"#;

fn place(rules: &str) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    write(&place.path().join("secret"), SECRET);
    write(&place.path().join("hex"), "00112233");
    write(&place.path().join("signer.toml"), &text(&place, rules));
    place
}

fn text(place: &TempDir, rules: &str) -> String {
    format!("reload_interval = \"100ms\"{CONFIG}{rules}").replace("DIR", &place.path().display().to_string())
}

async fn digest(uploads: &mut UploadServiceClient<Channel>, name: &str) -> String {
    let listed = uploads.list_upload_rules(ListUploadRulesRequest::default()).await.unwrap().into_inner();
    listed.rules.into_iter().find(|rule| rule.name == name).unwrap().digest
}

fn begin(digest: &str, by: &Authority) -> BeginUploadRequest {
    BeginUploadRequest {
        upload_digest: digest.to_owned(),
        authority: Some(UploadAuthority { authority: Some(by.clone()) }),
        request_id: "r".to_owned(),
        lease: None,
    }
}

#[tokio::test]
async fn an_upload_stands_in_the_trail_and_neither_trail_nor_log_lets_anyone_upload() {
    let place = place(RULES);
    let signer = Signer::start(&place.path().join("signer.toml"));
    let channel = Channel::from_shared(signer.address.clone()).unwrap().connect().await.unwrap();
    let mut uploads = UploadServiceClient::new(channel.clone());
    let create = CreateUploadTokenRequest { account: "acme".to_owned(), ..Default::default() };
    let token = UploadTokenServiceClient::new(channel.clone()).create_upload_token(create).await;
    let token = token.unwrap().into_inner().token;
    let parameters = Some(prost_types::Struct::default());
    let form = SignUploadRequest { key: "forms".to_owned(), parameters };
    let form = SignerServiceClient::new(channel).sign_upload(form).await.unwrap().into_inner();
    let file = UploadedFile {
        sha256: "0".repeat(64),
        length: 1,
        content_type: "image/png".to_owned(),
        filename: "holiday.png".to_owned(),
    };
    let mut secrets = vec![SECRET.to_owned(), token.clone(), form.signature];
    for (rule, by) in [
        ("tokens", Authority::Token(TokenAuthority { account: "acme".to_owned(), token })),
        ("forms", Authority::Form(FormAuthority { fields: form.form_fields.clone() })),
    ] {
        let begin = begin(&digest(&mut uploads, rule).await, &by);
        let (upload_digest, authority) = (begin.upload_digest.clone(), begin.authority.clone());
        assert_eq!(uploads.begin_upload(begin).await.unwrap().into_inner().reason(), Reason::Ok);
        let authorize = AuthorizeUploadRequest {
            upload_digest: upload_digest.clone(),
            authority: authority.clone(),
            request_id: "r".to_owned(),
            file: Some(file.clone()),
            width: 0,
            height: 0,
            multipart: false,
        };
        let signed = uploads.authorize_upload(authorize).await.unwrap().into_inner();
        let authorization = signed.put_headers.iter().find(|header| header.name == "authorization").unwrap();
        secrets.push(authorization.value.rsplit_once("Signature=").unwrap().1.to_owned());
        let stored = StoredUpload { file: Some(file.clone()), ..Default::default() };
        let mut finish = FinishUploadRequest {
            upload_digest,
            authority,
            request_id: "r".to_owned(),
            outcome: Some(Outcome::Stored(stored)),
        };
        let done = uploads.finish_upload(finish.clone()).await.unwrap().into_inner();
        secrets.extend(Some(done.answer_signature).filter(|signature| !signature.is_empty()));
        finish.outcome = Some(Outcome::Refused(RefusedUpload::default()));
        drop(uploads.finish_upload(finish).await);
    }
    let mut fields = form.form_fields;
    fields.last_mut().unwrap().value = "0".repeat(64);
    let forged = begin(&digest(&mut uploads, "forms").await, &Authority::Form(FormAuthority { fields }));
    let refused = uploads.begin_upload(forged).await.unwrap().into_inner();
    assert_eq!(refused.reason(), Reason::SignatureMismatch);
    let line: Json = serde_json::from_str(&signer.logged("upload.refused", 1)).unwrap();
    assert_eq!(
        (&line["reason"], &line["key"], &line["upload"]),
        (&"SIGNATURE_MISMATCH".into(), &"forms".into(), &"forms".into())
    );
    let log = signer.whole_log();
    signer.stop().await;

    let trail = fs::read_to_string(place.path().join("audit.jsonl")).unwrap();
    let records: Vec<Json> = trail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |method: &str, upload: &str| -> Vec<&Json> {
        let method = format!("safelight.signer.v1.UploadService/{method}");
        records.iter().filter(|record| record["method"] == method && record["upload"] == upload).collect()
    };
    let signed = of("AuthorizeUpload", "forms")[0];
    assert_eq!(
        (&signed["key"], &signed["key_version"], &signed["signing_key_version"], &signed["verdict"]),
        (&"forms".into(), &3.into(), &7.into(), &"VALID".into())
    );
    let reasons: Vec<_> = of("BeginUpload", "forms").iter().map(|record| record["reason"].clone()).collect();
    assert_eq!(reasons, ["OK", "SIGNATURE_MISMATCH"]);
    let signed = of("AuthorizeUpload", "tokens")[0];
    assert_eq!((&signed["signing_key_version"], &signed["reason"]), (&7.into(), &"OK".into()));
    let begun = of("BeginUpload", "tokens")[0];
    assert!(begun["subject"].is_string() && begun["subject"] != signed["subject"], "{begun}");
    let reasons: Vec<_> =
        of("FinishUpload", "tokens").iter().map(|record| record["reason"].clone()).collect();
    assert_eq!(reasons, ["OK", "TOKEN_ALREADY_REDEEMED"]);
    assert_eq!(secrets.len(), 6);
    for secret in secrets {
        assert!(!log.contains(&secret) && !trail.contains(&secret), "{secret}");
    }
}

#[tokio::test]
async fn upload_rules_are_reloaded() {
    let place = place(RULES);
    let config = place.path().join("signer.toml");
    let signer = Signer::start(&config);
    let channel = Channel::from_shared(signer.address.clone()).unwrap().connect().await.unwrap();
    let mut uploads = UploadServiceClient::new(channel);
    let first = digest(&mut uploads, "forms").await;
    // One that cannot be changes nothing.
    replace(&config, &text(&place, &RULES.replace("key = \"forms\"", "key = \"nope\"")));
    signer.logged("uploads[1].key", 1);
    assert_eq!(digest(&mut uploads, "forms").await, first);
    replace(&config, &text(&place, &RULES.replace("max_bytes = 1000", "max_bytes = 2000")));
    signer.logged("keys, grants and tokens reloaded", 1);
    assert_ne!(digest(&mut uploads, "forms").await, first);
    let by = Authority::Form(FormAuthority { fields: Vec::new() });
    let gone = uploads.begin_upload(begin(&first, &by)).await.unwrap_err();
    assert_eq!(reason::of(&gone).as_deref(), Some("UPLOAD_UNKNOWN"));
    assert_eq!(gone.code(), Code::FailedPrecondition);
    let line: Json = serde_json::from_str(&signer.logged("upload.unknown", 1)).unwrap();
    assert_eq!(line["digest"], first);
    signer.stop().await;
}
