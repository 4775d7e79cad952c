//! Every request goes over a socket, written byte by byte, and signed by `aws-sigv4`: the server is tested with a
//! signature that none of our own code made.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const BUCKET: &str = "photos";
const KEY: &str = "albums/2024/rose.jpg";
const BODY: &[u8] = b"a rose";

/// Keys that a path-minded store or a URL-minded client would change.
const ODD_KEYS: &[&str] = &[
    "with space.jpg",
    "plus+plus.jpg",
    "plus plus.jpg",
    "percent%.jpg",
    "percent%2B.jpg",
    "percent+.jpg",
    "été/写真/🌹.jpg",
    "e\u{301}te\u{301}.jpg", // decomposed: another key than the composed form
    "a//b",
    "a/b",
    "a",
    "//a",
    "/a",
    "a/",
    "a/./b",
    "a/../b",
    "../escape",
    "..",
    ".",
    "?query=1&x=#fragment",
    "q;'\"<>[]{}|\\^`~!@$*():,=.jpg",
    "tab\tnewline\n.jpg",
];

fn credentials() -> Credentials {
    Credentials::new("AKIDLOCAL", "made-up-secret")
}

struct Origin {
    s3: EmbeddedS3,
    _root: TempDir,
}

async fn origin_with(credentials: &Credentials) -> Origin {
    let root = tempfile::tempdir().unwrap();
    let s3 = EmbeddedS3::start(root.path(), credentials).await.unwrap();
    s3.create_bucket(BUCKET).await.unwrap();
    s3.put(BUCKET, KEY, BODY).await.unwrap();
    Origin { s3, _root: root }
}

async fn origin() -> Origin {
    origin_with(&credentials()).await
}

struct Request {
    method: &'static str,
    host: String,
    target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn get(host: String, target: String) -> Self {
        Self { method: "GET", host, target, headers: Vec::new() }
    }

    fn path_style(origin: &Origin, key: &str) -> Self {
        Self::get(origin.s3.address().to_string(), format!("/{BUCKET}/{}", encoded(key)))
    }

    fn virtual_host(origin: &Origin, key: &str) -> Self {
        let host = origin.s3.virtual_host_endpoint().replace("http://", &format!("{BUCKET}."));
        Self::get(host, format!("/{}", encoded(key)))
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn signed(self, credentials: &Credentials) -> Self {
        self.signed_for(credentials, REGION, SystemTime::now(), |_| ())
    }

    fn presigned(self, credentials: &Credentials, time: SystemTime) -> Self {
        self.signed_for(credentials, REGION, time, |settings| {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(60));
        })
    }

    fn signed_for(
        mut self,
        credentials: &Credentials,
        region: &str,
        time: SystemTime,
        adjust: impl FnOnce(&mut SigningSettings),
    ) -> Self {
        let identity = aws_credential_types::Credentials::new(
            &credentials.access_key_id,
            &credentials.secret_access_key,
            credentials.session_token.clone(),
            None,
            "test",
        )
        .into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        adjust(&mut settings);
        let params = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("s3")
            .time(time)
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let url = format!("http://{}{}", self.host, self.target);
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable =
            SignableRequest::new(self.method, url, headers, SignableBody::UnsignedPayload).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let (headers, query) = instructions.into_parts();
        for header in headers {
            self.headers.push((header.name().into(), header.value().into()));
        }
        for (index, (name, value)) in query.iter().enumerate() {
            let separator = if index == 0 { '?' } else { '&' };
            self.target.push_str(&format!("{separator}{name}={}", encoded(value).replace('/', "%2F")));
        }
        self
    }

    async fn send(&self, origin: &Origin) -> Response {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("connection: close\r\n\r\n");
        let mut stream = TcpStream::connect(origin.s3.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a response head");
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head: head.to_lowercase(), body: answer[end + 4..].to_vec() }
    }
}

struct Response {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Response {
    #[track_caller]
    fn assert_is(&self, body: &[u8]) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, 200, "{text}");
        assert_eq!(self.body, body, "{text}");
    }

    #[track_caller]
    fn assert_refused(&self, status: u16, code: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert!(text.contains(&format!("<Code>{code}</Code>")), "{text}");
        assert!(!text.contains("rose"), "a refusal holds nothing of the object: {text}");
    }
}

fn encoded(key: &str) -> String {
    const UNRESERVED: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    percent_encoding::utf8_percent_encode(key, UNRESERVED).to_string()
}

#[tokio::test]
async fn a_signed_request_is_answered_in_both_styles() {
    let origin = origin().await;
    for request in [Request::path_style(&origin, KEY), Request::virtual_host(&origin, KEY)] {
        let response = request.signed(&credentials()).send(&origin).await;
        response.assert_is(BODY);
        assert!(response.head.contains("etag: \""), "{}", response.head);
        assert!(response.head.contains("last-modified: "), "{}", response.head);
    }
    assert_eq!((origin.s3.requests(), origin.s3.refused()), (2, 0));
}

#[tokio::test]
async fn a_presigned_url_is_answered() {
    let origin = origin().await;
    let presigned = |time| Request::path_style(&origin, KEY).presigned(&credentials(), time);
    presigned(SystemTime::now()).send(&origin).await.assert_is(BODY);
    let expired = presigned(SystemTime::now() - Duration::from_secs(120));
    expired.send(&origin).await.assert_refused(403, "AccessDenied");
}

#[tokio::test]
async fn every_key_is_kept_exactly() {
    let origin = origin().await;
    for key in ODD_KEYS {
        origin.s3.put(BUCKET, key, key.as_bytes()).await.unwrap();
    }
    let longest = "é".repeat(512);
    origin.s3.put(BUCKET, &longest, longest.as_bytes().to_vec()).await.unwrap();
    // Read after all are written: two keys in one place would show the later one's bytes.
    for key in ODD_KEYS.iter().copied().chain([longest.as_str()]) {
        for request in [Request::path_style(&origin, key), Request::virtual_host(&origin, key)] {
            request.signed(&credentials()).send(&origin).await.assert_is(key.as_bytes());
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let origin = origin().await;
    let missing = Request::path_style(&origin, "albums/2024/rose").signed(&credentials());
    missing.send(&origin).await.assert_refused(404, "NoSuchKey");
    let mut elsewhere = Request::path_style(&origin, KEY);
    elsewhere.target = format!("/other/{KEY}");
    elsewhere.signed(&credentials()).send(&origin).await.assert_refused(404, "NoSuchBucket");
    assert_eq!(origin.s3.refused(), 0, "not found is an answer, not a refusal");
}

#[tokio::test]
async fn an_unsigned_request_is_refused() {
    let origin = origin().await;
    Request::path_style(&origin, KEY).send(&origin).await.assert_refused(403, "AccessDenied");
    Request::virtual_host(&origin, KEY).send(&origin).await.assert_refused(403, "AccessDenied");
    assert_eq!((origin.s3.requests(), origin.s3.refused()), (2, 2));
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let origin = origin().await;
    let wrong_secret = Credentials::new("AKIDLOCAL", "made-up-secreT");
    let request = Request::path_style(&origin, KEY).signed(&wrong_secret);
    request.send(&origin).await.assert_refused(403, "SignatureDoesNotMatch");
    let unknown = Credentials::new("AKIDOTHER", "made-up-secret");
    let request = Request::path_style(&origin, KEY).signed(&unknown);
    request.send(&origin).await.assert_refused(403, "InvalidAccessKeyId");
}

#[tokio::test]
async fn what_was_changed_after_signing_is_refused() {
    let origin = origin().await;
    origin.s3.put(BUCKET, "albums/2024/lily.jpg", &b"a lily"[..]).await.unwrap();
    let signed = || Request::path_style(&origin, KEY).signed(&credentials());

    let mut other_path = signed();
    other_path.target = other_path.target.replace("rose", "lily");
    other_path.send(&origin).await.assert_refused(403, "SignatureDoesNotMatch");

    let mut added_query = signed();
    added_query.target.push_str("?response-content-type=text%2Fhtml");
    added_query.send(&origin).await.assert_refused(403, "SignatureDoesNotMatch");

    let mut other_method = signed();
    other_method.method = "DELETE";
    other_method.send(&origin).await.assert_refused(403, "SignatureDoesNotMatch");

    let mut other_host = signed();
    other_host.host = format!("localhost:{}", origin.s3.address().port());
    other_host.send(&origin).await.assert_refused(403, "SignatureDoesNotMatch");

    // Path style signed, virtual-host style sent: the same object by another name.
    let mut other_style = signed();
    let virtual_host = Request::virtual_host(&origin, KEY);
    (other_style.host, other_style.target) = (virtual_host.host, virtual_host.target);
    other_style.send(&origin).await.assert_refused(403, "SignatureDoesNotMatch");
}

fn copy_of(origin: &Origin, key: &str, source: &str) -> Request {
    Request { method: "PUT", ..Request::path_style(origin, key) }
        .header("content-length", "0")
        .header("x-amz-copy-source", source)
}

#[tokio::test]
async fn an_object_is_copied_onto_itself_with_other_metadata() {
    let origin = origin().await;
    let source = format!("/{BUCKET}/{KEY}");
    let head = async || {
        let head = Request { method: "HEAD", ..Request::path_style(&origin, KEY) };
        head.signed(&credentials()).send(&origin).await
    };
    let etag =
        head().await.head.lines().find_map(|line| line.strip_prefix("etag: ").map(str::to_owned)).unwrap();
    let replace = |kept: &str| {
        copy_of(&origin, KEY, &source)
            .header("x-amz-metadata-directive", "REPLACE")
            .header("content-type", "image/jpeg")
            .header("x-amz-meta-kept", kept)
    };
    let copied =
        replace("1").header("x-amz-copy-source-if-match", &etag).signed(&credentials()).send(&origin).await;
    assert_eq!(copied.status, 200);
    assert!(String::from_utf8_lossy(&copied.body).contains("<CopyObjectResult"));
    let found = head().await.head;
    assert!(found.contains("x-amz-meta-kept: 1") && found.contains("content-type: image/jpeg"), "{found}");
    Request::path_style(&origin, KEY).signed(&credentials()).send(&origin).await.assert_is(BODY);

    // On a condition that does not hold, unsigned, changed after signing, of another object: nothing is done.
    let unmet = replace("2").header("x-amz-copy-source-if-match", "\"0\"");
    unmet.signed(&credentials()).send(&origin).await.assert_refused(412, "PreconditionFailed");
    let long_ago = "Tue, 14 Nov 2023 22:13:20 GMT";
    let unmet = replace("2").header("x-amz-copy-source-if-unmodified-since", long_ago);
    unmet.signed(&credentials()).send(&origin).await.assert_refused(412, "PreconditionFailed");
    replace("2").send(&origin).await.assert_refused(403, "AccessDenied");
    let mut changed = replace("2").signed(&credentials());
    changed
        .headers
        .iter_mut()
        .filter(|(name, _)| name == "x-amz-meta-kept")
        .for_each(|(_, value)| *value = "3".into());
    changed.send(&origin).await.assert_refused(403, "SignatureDoesNotMatch");
    origin.s3.put(BUCKET, "lily.jpg", &b"a lily"[..]).await.unwrap();
    let other =
        copy_of(&origin, KEY, &format!("/{BUCKET}/lily.jpg")).header("x-amz-metadata-directive", "REPLACE");
    other.signed(&credentials()).send(&origin).await.assert_refused(501, "NotImplemented");
    let same = copy_of(&origin, KEY, &source).signed(&credentials()).send(&origin).await;
    same.assert_refused(400, "InvalidRequest");
    let absent = copy_of(&origin, "absent", &format!("/{BUCKET}/absent"))
        .header("x-amz-metadata-directive", "REPLACE");
    absent.signed(&credentials()).send(&origin).await.assert_refused(404, "NoSuchKey");
    assert!(head().await.head.contains("x-amz-meta-kept: 1"));
}

#[tokio::test]
async fn an_object_is_deleted_once_and_again() {
    let origin = origin().await;
    let delete = || Request { method: "DELETE", ..Request::path_style(&origin, KEY) };
    delete().send(&origin).await.assert_refused(403, "AccessDenied");
    let unmet = delete().header("if-match", "\"0\"").signed(&credentials()).send(&origin).await;
    unmet.assert_refused(412, "PreconditionFailed");
    assert!(origin.s3.get(BUCKET, KEY).await.unwrap().is_some());
    for _ in 0..2 {
        assert_eq!(delete().signed(&credentials()).send(&origin).await.status, 204);
        assert!(origin.s3.get(BUCKET, KEY).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_unsigned_host_or_amz_header_is_refused() {
    let origin = origin().await;
    let request =
        Request::path_style(&origin, KEY).signed_for(&credentials(), REGION, SystemTime::now(), |settings| {
            settings.excluded_headers = Some(vec!["host".into()]);
        });
    assert!(request.headers.iter().all(|(_, value)| !value.contains("host")), "{:?}", request.headers);
    request.send(&origin).await.assert_refused(403, "AccessDenied");
    let request = Request::path_style(&origin, KEY).signed(&credentials()).header("x-amz-meta-added", "1");
    request.send(&origin).await.assert_refused(403, "AccessDenied");
    let request = Request::path_style(&origin, KEY).header("x-amz-meta-signed", "1").signed(&credentials());
    request.send(&origin).await.assert_is(BODY);
}

#[tokio::test]
async fn a_path_that_s3_would_encode_otherwise_is_refused() {
    let origin = origin().await;
    origin.s3.put(BUCKET, "a+b", BODY).await.unwrap();
    let mut raw_plus = Request::path_style(&origin, "a+b");
    raw_plus.target = format!("/{BUCKET}/a+b");
    raw_plus.signed(&credentials()).send(&origin).await.assert_refused(403, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn another_region_and_an_old_date_are_refused() {
    let origin = origin().await;
    let now = SystemTime::now();
    let elsewhere = Request::path_style(&origin, KEY).signed_for(&credentials(), "us-east-1", now, |_| ());
    elsewhere.send(&origin).await.assert_refused(400, "AuthorizationHeaderMalformed");
    let old = now - Duration::from_secs(20 * 60);
    let stale = Request::path_style(&origin, KEY).signed_for(&credentials(), REGION, old, |_| ());
    stale.send(&origin).await.assert_refused(403, "RequestTimeTooSkewed");
}

#[tokio::test]
async fn a_session_token_is_required_exactly_where_it_belongs() {
    let temporary = Credentials { session_token: Some("made-up-token".into()), ..credentials() };
    let other_token = Credentials { session_token: Some("other-token".into()), ..credentials() };
    let origin = origin_with(&temporary).await;
    let get = || Request::path_style(&origin, KEY);

    get().signed(&temporary).send(&origin).await.assert_is(BODY);
    let presigned = get().presigned(&temporary, SystemTime::now());
    presigned.send(&origin).await.assert_is(BODY);

    get().signed(&credentials()).send(&origin).await.assert_refused(403, "InvalidAccessKeyId");
    get().signed(&other_token).send(&origin).await.assert_refused(400, "InvalidToken");
    // The right token, but not under the signature.
    let added = get().signed(&credentials()).header("x-amz-security-token", "made-up-token");
    added.send(&origin).await.assert_refused(403, "AccessDenied");

    let permanent = origin_with(&credentials()).await;
    let request = Request::path_style(&permanent, KEY).signed(&temporary);
    request.send(&permanent).await.assert_refused(400, "InvalidToken");
}

#[tokio::test]
async fn bad_names_are_refused_when_storing() {
    let origin = origin().await;
    for bucket in ["", "ab", "..", "Photos", "a/b", BUCKET] {
        assert!(origin.s3.create_bucket(bucket).await.is_err(), "{bucket}");
    }
    assert!(origin.s3.put("missing", KEY, BODY).await.is_err());
    assert!(origin.s3.put(BUCKET, "", BODY).await.is_err());
    assert!(origin.s3.put(BUCKET, &"k".repeat(1025), BODY).await.is_err());
}

#[tokio::test]
async fn dropping_it_closes_the_port_and_the_connections() {
    let Origin { s3, _root } = origin().await;
    let address = s3.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    // Makes sure that the connection was accepted before the server goes.
    let mut byte = [0];
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    idle.read_exact(&mut byte).await.unwrap();
    drop(s3);
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), idle.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "the open connection must end");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
