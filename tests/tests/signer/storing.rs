//! What the signer signs for a resizer that stores uploads, and the forms of browsers: sent to the embedded S3 server and to
//! versitygw, which is not ours.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Client, Method, StatusCode, header::HeaderMap};
use safelight_local::{s3::REGION, stack::BUCKET};
use safelight_proto::signer::v1::{
    AuthorizeUploadPartsRequest, AuthorizeUploadPartsResponse, AuthorizeUploadRequest,
    AuthorizeUploadResponse, BeginUploadRequest, CreateUploadTokenRequest, FinishUploadRequest,
    FormAuthority, FormField, Header, ObjectRequest, SignOriginRequestRequest, SignPostPolicyRequest,
    StoredUpload, TokenAuthority, UploadAuthority, UploadedFile, Verdict,
    finish_upload_request::Outcome,
    sign_post_policy_request::{Object, Type},
    upload_authority::Authority,
    upload_service_client::UploadServiceClient,
    upload_token_service_client::UploadTokenServiceClient,
};
use safelight_signer::Clock;
use safelight_tests::counterpart;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tonic::transport::Channel;

use crate::harness::{KEYS, Pair, S3, S3_ID, ok, parameters};

const BYTES: &[u8] = b"bytes that pass for a picture here";

/// Where objects go.
struct Server {
    base_url: String,
    /// The key of the signer that it knows.
    key: &'static str,
    process: Option<(Child, tempfile::TempDir)>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.process {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Server {
    /// That of the stack, which says its address there.
    fn embedded() -> Self {
        Self { base_url: format!("{{s3}}/{BUCKET}/"), key: "s3-photos", process: None }
    }

    async fn versitygw() -> Option<Self> {
        let program = counterpart::program("versitygw")?;
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(BUCKET)).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .env_clear()
            .args(["--quiet", "--port", &format!("127.0.0.1:{port}"), "--region", REGION])
            .args(["--access", S3_ID, "--secret", S3, "posix"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let base_url = format!("http://127.0.0.1:{port}/{BUCKET}/");
        let server = Self { base_url, key: "s3", process: Some((child, dir)) };
        let began = Instant::now();
        while tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "versitygw does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(server)
    }

    fn rules(&self) -> String {
        let rule = |name: &str, kind: &str, more: &str| {
            format!(
                "[[uploads]]\nname = '{name}'\nkind = '{kind}'\n{more}\nmax_bytes = '20MiB'\nsigning_key = '{}'\n\
                 region = '{REGION}'\nbase_url = '{}'\n",
                self.key, self.base_url
            )
        };
        [
            KEYS.to_owned(),
            rule("tokens", "one-time", "object_key = 'été/{account}/{id}'"),
            rule("forms", "cloudinary", "object_key = 'forms/{id}'\nkey = 'upload'\noverwrite = true"),
        ]
        .concat()
    }
}

struct Uploads {
    pair: Pair,
    service: UploadServiceClient<Channel>,
}

impl Uploads {
    async fn start(server: &Server) -> Self {
        let pair = Pair::with(&server.rules(), Clock::system()).await;
        Self { service: UploadServiceClient::new(pair.channel()), pair }
    }

    async fn digest(&mut self, rule: &str) -> String {
        let listed = ok(self
            .service
            .list_upload_rules(safelight_proto::signer::v1::ListUploadRulesRequest::default())
            .await);
        listed.rules.into_iter().find(|listed| listed.name == rule).unwrap().digest
    }

    async fn authorize(&mut self, rule: &str, by: &Authority, bytes: &[u8]) -> AuthorizeUploadResponse {
        let request = AuthorizeUploadRequest {
            upload_digest: self.digest(rule).await,
            authority: Some(UploadAuthority { authority: Some(by.clone()) }),
            request_id: "r".to_owned(),
            file: Some(uploaded(bytes)),
            width: 0,
            height: 0,
            multipart: false,
        };
        ok(self.service.authorize_upload(request).await)
    }
}

fn uploaded(bytes: &[u8]) -> UploadedFile {
    UploadedFile {
        sha256: hex::encode(Sha256::digest(bytes)),
        length: bytes.len() as u64,
        content_type: "image/jpeg".to_owned(),
        filename: "été 1.jpg".to_owned(),
    }
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap()
}

/// Sends what was signed, exactly.
async fn send(method: Method, url: &str, headers: &[Header], body: &[u8]) -> (StatusCode, HeaderMap) {
    let mut request = client().request(method, url);
    for Header { name, value } in headers {
        request = request.header(name, value);
    }
    let response = request.body(body.to_vec()).send().await.unwrap();
    (response.status(), response.headers().clone())
}

async fn put(answer: &AuthorizeUploadResponse, body: &[u8]) -> StatusCode {
    send(Method::PUT, &answer.url, &answer.put_headers, body).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_becomes_one_object_with_these_bytes() {
    becomes_one_object(&Server::embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_becomes_one_object_of_versitygw() {
    let Some(server) = Server::versitygw().await else { return };
    becomes_one_object(&server).await;
}

async fn becomes_one_object(server: &Server) {
    let mut uploads = Uploads::start(server).await;
    let mut tokens = UploadTokenServiceClient::new(uploads.pair.channel());
    let create = CreateUploadTokenRequest {
        account: "acme".to_owned(),
        image_id: "cats/a b".to_owned(),
        creator: "änn".to_owned(),
        ..Default::default()
    };
    let token = ok(tokens.create_upload_token(create).await).token;
    let by = Authority::Token(TokenAuthority { account: "acme".to_owned(), token });
    let begin = BeginUploadRequest {
        upload_digest: uploads.digest("tokens").await,
        authority: Some(UploadAuthority { authority: Some(by.clone()) }),
        request_id: "r".to_owned(),
        lease: None,
    };
    assert_eq!(ok(uploads.service.begin_upload(begin.clone()).await).verdict(), Verdict::Valid);
    let answer = uploads.authorize("tokens", &by, BYTES).await;
    assert_eq!(answer.object_key, "été/acme/cats/a b");

    // Other bytes, of this length and another one; without what keeps an object; with more than was signed.
    let mut other = BYTES.to_vec();
    other[0] ^= 1;
    let status = put(&answer, &other).await;
    assert!(!status.is_success(), "{status}");
    let changed = |change: &dyn Fn(&mut Vec<Header>)| {
        let mut headers = answer.put_headers.clone();
        change(&mut headers);
        headers
    };
    let set_type = |headers: &mut Vec<Header>| {
        for header in headers.iter_mut().filter(|header| header.name == "content-type") {
            header.value = "text/html".to_owned();
        }
    };
    let without = |name: &'static str| changed(&move |headers| headers.retain(|header| header.name != name));
    let mut others = vec![without("if-none-match"), without("x-amz-meta-creator"), changed(&set_type)];
    if server.process.is_none() {
        // As AWS does, and versitygw does not: what begins with x-amz- must be signed.
        let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
        others.push(changed(&|headers| headers.push(header("x-amz-acl", "public-read"))));
        others.push(changed(&|headers| headers.push(header("x-amz-meta-require-signed-urls", "false"))));
    }
    for headers in others {
        let (status, _) = send(Method::PUT, &answer.url, &headers, BYTES).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    let moved = answer.url.replace("a%20b", "other");
    assert_ne!(moved, answer.url);
    let (status, _) = send(Method::PUT, &moved, &answer.put_headers, BYTES).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let longer = [BYTES, b"x"].concat();
    let headers = without("content-length");
    assert!(!send(Method::PUT, &answer.url, &headers, &longer).await.0.is_success());

    assert_eq!(put(&answer, BYTES).await, StatusCode::OK, "nothing of the above was stored");
    assert_eq!(put(&answer, BYTES).await, StatusCode::PRECONDITION_FAILED, "it is there");
    let (status, head) = send(Method::HEAD, &answer.url, &answer.head_headers, b"").await;
    assert_eq!(status, StatusCode::OK);
    let value = |name: &str| head.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(value("x-amz-meta-upload"), Some(answer.upload_id.clone()));
    assert_eq!(value("x-amz-meta-sha256"), Some(hex::encode(Sha256::digest(BYTES))));
    assert_eq!(value("x-amz-meta-creator").as_deref(), Some("%C3%A4nn"));
    assert_eq!(value("x-amz-meta-filename").as_deref(), Some("%C3%A9t%C3%A9%201.jpg"));
    assert_eq!(value("x-amz-meta-require-signed-urls"), None);
    assert_eq!(value("content-type").as_deref(), Some("image/jpeg"));
    assert_eq!(value("content-length"), Some(BYTES.len().to_string()));

    let finish = FinishUploadRequest {
        upload_digest: begin.upload_digest.clone(),
        authority: begin.authority.clone(),
        request_id: "r".to_owned(),
        outcome: Some(Outcome::Stored(StoredUpload { file: Some(uploaded(BYTES)), ..Default::default() })),
    };
    assert!(ok(uploads.service.finish_upload(finish).await).redeem_time.is_some());
    assert!(ok(uploads.service.begin_upload(begin).await).already_stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_replaces_where_the_rule_does() {
    let mut uploads = Uploads::start(&Server::embedded()).await;
    let request = safelight_proto::signer::v1::SignUploadRequest {
        key: "upload".to_owned(),
        parameters: Some(parameters(&json!({ "public_id": "tom", "folder": "cats", "type": "private" }))),
    };
    let fields = ok(uploads.pair.signer().sign_upload(request).await).form_fields;
    let by = Authority::Form(FormAuthority { fields });
    for bytes in [BYTES, b"others"] {
        let answer = uploads.authorize("forms", &by, bytes).await;
        assert_eq!(answer.object_key, "forms/cats/tom");
        assert_eq!(put(&answer, bytes).await, StatusCode::OK);
        let (_, head) = send(Method::HEAD, &answer.url, &answer.head_headers, b"").await;
        assert_eq!(head["x-amz-meta-upload"].to_str().unwrap(), answer.upload_id);
        assert_eq!(head["x-amz-meta-require-signed-urls"].to_str().unwrap(), "true");
    }
}

/// Begins an upload in parts, and has the rest signed. The store's name of it, and what was signed.
async fn in_parts(
    uploads: &mut Uploads,
    by: &Authority,
    bytes: &[u8],
) -> (AuthorizeUploadResponse, AuthorizeUploadPartsResponse) {
    let request = AuthorizeUploadRequest {
        upload_digest: uploads.digest("forms").await,
        authority: Some(UploadAuthority { authority: Some(by.clone()) }),
        request_id: "r".to_owned(),
        file: Some(uploaded(bytes)),
        multipart: true,
        ..Default::default()
    };
    let first = ok(uploads.service.authorize_upload(request.clone()).await);
    assert!(first.put_headers.is_empty());
    let url = format!("{}?uploads", first.url);
    let (status, body) = answer(Method::POST, &url, &first.create_headers, b"").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let (_, named) = body.split_once("<UploadId>").unwrap();
    let parts = AuthorizeUploadPartsRequest {
        upload_digest: request.upload_digest,
        authority: request.authority,
        request_id: request.request_id,
        file: request.file,
        part_sha256s: bytes.chunks(8 << 20).map(|part| hex::encode(Sha256::digest(part))).collect(),
        store_upload_id: named.split_once('<').unwrap().0.to_owned(),
    };
    (first, ok(uploads.service.authorize_upload_parts(parts).await))
}

/// Sends what was signed, exactly. Answers the body.
async fn answer(method: Method, url: &str, headers: &[Header], body: &[u8]) -> (StatusCode, String) {
    let mut request = client().request(method, url);
    for Header { name, value } in headers {
        request = request.header(name, value);
    }
    if body.is_empty() {
        request = request.header("content-length", "0");
    }
    let response = request.body(body.to_vec()).send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

fn completion(etags: &[(usize, String)]) -> Vec<u8> {
    let part = |(number, etag): &(usize, String)| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    };
    let parts: String = etags.iter().map(part).collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_become_the_object_that_was_signed_and_no_other() {
    parts_become_one_object(&Server::embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_become_the_object_of_versitygw_that_was_signed() {
    let Some(server) = Server::versitygw().await else { return };
    parts_become_one_object(&server).await;
}

async fn parts_become_one_object(server: &Server) {
    let mut uploads = Uploads::start(server).await;
    let sign = safelight_proto::signer::v1::SignUploadRequest {
        key: "upload".to_owned(),
        parameters: Some(parameters(&json!({ "public_id": "large", "type": "private", "overwrite": false }))),
    };
    let fields = ok(uploads.pair.signer().sign_upload(sign).await).form_fields;
    let by = Authority::Form(FormAuthority { fields });
    // Three parts, no two of which are alike.
    let bytes: Vec<u8> =
        (0..(17_u32 << 20)).map(|at| (at >> 16).to_le_bytes()[0] ^ at.to_le_bytes()[0]).collect();
    let parts: Vec<_> = bytes.chunks(8 << 20).collect();
    let (first, signed) = in_parts(&mut uploads, &by, &bytes).await;
    let (complete, abort) = (signed.complete.clone().unwrap(), signed.abort.clone().unwrap());

    // A part of other bytes, in the place of another, of another upload, with more in the query, as all of the object.
    let send_part = async |request: &ObjectRequest, body: &[u8]| {
        send(Method::PUT, &request.url, &request.headers, body).await
    };
    let [one, two, three] = &signed.parts[..] else { panic!("{}", signed.parts.len()) };
    let mut other = parts[0].to_vec();
    other[9] ^= 1;
    for (url, body) in [
        (one.url.clone(), &other[..]),
        (two.url.clone(), parts[0]),
        (three.url.clone(), parts[0]),
        (one.url.replace("uploadId=", "uploadId=x"), parts[0]),
        (format!("{}&acl", one.url), parts[0]),
        (first.url.clone(), parts[0]),
    ] {
        let mut request = client().put(&url);
        for Header { name, value } in &one.headers {
            request = request.header(name, value);
        }
        // Either answers at once, and may close before it has all.
        let stored =
            request.body(body.to_vec()).send().await.is_ok_and(|answer| answer.status().is_success());
        assert!(!stored, "{url}");
    }
    // What completes and aborts does nothing else, and not to another upload.
    for request in [&complete, &abort] {
        for url in [first.url.clone(), format!("{}&delete", request.url), format!("{}x", request.url)] {
            for method in [Method::POST, Method::DELETE, Method::PUT] {
                let (status, body) = answer(method.clone(), &url, &request.headers, b"<x/>").await;
                assert!(status.is_client_error(), "{method} {url} {status} {body}");
            }
        }
    }
    let mut etags = Vec::new();
    for (number, (request, part)) in (1..).zip([one, two, three].into_iter().zip(&parts)) {
        let (status, headers) = send_part(request, part).await;
        assert_eq!(status, StatusCode::OK);
        etags.push((number, headers["etag"].to_str().unwrap().to_owned()));
    }
    // Nothing is there before the completion, and what leaves a part out, or has another order, completes nothing.
    let (status, _) = send(Method::HEAD, &first.url, &first.head_headers, b"").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let reversed: Vec<_> = etags.iter().rev().cloned().collect();
    for listed in [&etags[..2], &etags[1..], &reversed, &[]] {
        let (status, body) =
            answer(Method::POST, &complete.url, &complete.headers, &completion(listed)).await;
        assert!(status.is_client_error(), "{listed:?} {status} {body}");
    }
    let unconditional: Vec<_> =
        complete.headers.iter().filter(|header| header.name != "if-none-match").cloned().collect();
    let (status, _) = answer(Method::POST, &complete.url, &unconditional, &completion(&etags)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, body) = answer(Method::POST, &complete.url, &complete.headers, &completion(&etags)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(body.contains("CompleteMultipartUploadResult"), "{body}");
    let (_, head) = send(Method::HEAD, &first.url, &first.head_headers, b"").await;
    let value = |name: &str| head.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(value("content-length"), Some(bytes.len().to_string()));
    assert_eq!(value("content-type").as_deref(), Some("image/jpeg"));
    assert_eq!(value("x-amz-meta-upload"), Some(first.upload_id.clone()));
    assert_eq!(value("x-amz-meta-sha256"), Some(hex::encode(Sha256::digest(&bytes))));
    assert_eq!(value("x-amz-meta-require-signed-urls").as_deref(), Some("true"));

    // It is not replaced, and an abortion removes what waits and not the object.
    let (_, signed) = in_parts(&mut uploads, &by, &bytes).await;
    let mut etags = Vec::new();
    for (number, (request, part)) in (1..).zip(signed.parts.iter().zip(&parts)) {
        let (status, headers) = send_part(request, part).await;
        assert_eq!(status, StatusCode::OK);
        etags.push((number, headers["etag"].to_str().unwrap().to_owned()));
    }
    let (complete, abort) = (signed.complete.unwrap(), signed.abort.unwrap());
    let (status, body) = answer(Method::POST, &complete.url, &complete.headers, &completion(&etags)).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED, "{body}");
    let (status, _) = send(Method::DELETE, &abort.url, &abort.headers, b"").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _) = send(Method::DELETE, &abort.url, &abort.headers, b"").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = send(Method::HEAD, &first.url, &first.head_headers, b"").await;
    assert_eq!(status, StatusCode::OK);
    if server.process.is_none() {
        assert_eq!(uploads.pair.stack.s3.multipart_uploads(BUCKET).await, 0);
    }
}

/// Posts a form as a browser does.
async fn post(url: &str, fields: &[FormField], content_type: &str, bytes: &[u8]) -> (StatusCode, String) {
    const BOUNDARY: &str = "----boundary-of-the-tests";
    let mut body = Vec::new();
    for FormField { name, value } in fields {
        body.extend(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .bytes(),
        );
    }
    body.extend(
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\
             Content-Type: {content_type}\r\n\r\n"
        )
        .bytes(),
    );
    body.extend(bytes);
    body.extend(format!("\r\n--{BOUNDARY}--\r\n").bytes());
    let request = client()
        .post(url)
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(body);
    let response = request.send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_form_stores_what_its_policy_says() {
    let Some(server) = Server::versitygw().await else { return };
    let pair = Pair::in_real_time().await;
    let request = SignPostPolicyRequest {
        key: server.key.to_owned(),
        url: server.base_url.clone(),
        bucket: BUCKET.to_owned(),
        region: REGION.to_owned(),
        object: Some(Object::ObjectKey("posted/a b.jpg".to_owned())),
        min_bytes: 10,
        max_bytes: 50,
        r#type: Some(Type::ContentType("image/jpeg".to_owned())),
        metadata: vec![Header { name: "x-amz-meta-user".to_owned(), value: "7".to_owned() }],
        ..Default::default()
    };
    let signed = ok(pair.signer().sign_post_policy(request.clone()).await);
    let set = |name: &str, value: &str| {
        let mut fields = signed.fields.clone();
        fields.iter_mut().find(|field| field.name == name).unwrap().value = value.to_owned();
        fields
    };
    let refused = |(status, body): (StatusCode, String)| {
        assert!(status.is_client_error(), "{status} {body}");
    };
    refused(post(&signed.url, &signed.fields, "image/jpeg", b"too short").await);
    refused(post(&signed.url, &signed.fields, "image/jpeg", &[b'x'; 51]).await);
    refused(post(&signed.url, &set("key", "posted/b.jpg"), "image/jpeg", BYTES).await);
    refused(post(&signed.url, &set("Content-Type", "text/html"), "text/html", BYTES).await);
    refused(post(&signed.url, &set("x-amz-meta-user", "8"), "image/jpeg", BYTES).await);
    refused(post(&signed.url, &set("x-amz-signature", &"0".repeat(64)), "image/jpeg", BYTES).await);
    let more = FormField { name: "acl".to_owned(), value: "public-read".to_owned() };
    refused(post(&signed.url, &[signed.fields.clone(), vec![more]].concat(), "image/jpeg", BYTES).await);
    let (status, body) = post(&signed.url, &signed.fields, "image/jpeg", BYTES).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let get = SignOriginRequestRequest {
        key: server.key.to_owned(),
        method: "GET".to_owned(),
        url: format!("{}posted/a%20b.jpg", signed.url),
        region: REGION.to_owned(),
        ..Default::default()
    };
    let get = ok(pair.signer().sign_origin_request(get).await);
    let mut stored = client().get(&get.url);
    for Header { name, value } in &get.headers {
        stored = stored.header(name, value);
    }
    let stored = stored.send().await.unwrap();
    assert_eq!(stored.headers()["x-amz-meta-user"], "7");
    assert_eq!(stored.bytes().await.unwrap(), BYTES);

    // Any key below a prefix.
    let below = SignPostPolicyRequest {
        object: Some(Object::ObjectKeyPrefix("posted/7/".to_owned())),
        r#type: Some(Type::ContentTypePrefix("image/".to_owned())),
        ..request
    };
    let signed = ok(pair.signer().sign_post_policy(below).await);
    let mut fields = signed.fields.clone();
    fields.push(FormField { name: "Content-Type".to_owned(), value: "image/png".to_owned() });
    let key = fields.iter().position(|field| field.name == "key").unwrap();
    assert_eq!(fields[key].value, "posted/7/${filename}");
    for (to, stored) in [("posted/7/x.png", true), ("posted/8/x.png", false)] {
        fields[key].value = to.to_owned();
        let (status, body) = post(&signed.url, &fields, "image/png", BYTES).await;
        assert_eq!(status == StatusCode::CREATED, stored, "{to} {status} {body}");
    }
}
