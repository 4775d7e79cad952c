//! Large pictures, which are stored in parts: in the embedded S3 behind a proxy that fails, and in versitygw.

use std::{collections::HashMap, fs, os::unix::fs::PermissionsExt as _, sync::LazyLock, time::Duration};

use bytes::Bytes;
use safelight_local::{
    Settings,
    s3::{self, Credentials, EmbeddedS3},
};
use safelight_proto::{
    reason::Reason,
    resizer::v1::{ObjectWish, StoreOpen, store_open::Authority},
    signer::v1::{Header, SignOriginRequestRequest, UploadTokenState},
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::{
    harness::{Local, PATIENCE, start},
    pictures::stored_png,
    store_site::{ACCOUNT, Clients, Fault, Proxy, Told, messages, open},
    versitygw::{self, Versitygw},
};

const BUCKET: &str = "my.photos";

/// 17.2 MiB: three parts.
static PICTURE: LazyLock<Vec<u8>> = LazyLock::new(|| stored_png(2450, 2450));
/// Another one, of as many parts.
static OTHER: LazyLock<Vec<u8>> = LazyLock::new(|| stored_png(2451, 2450));

/// A stack with rules for large pictures in a bucket.
struct Large {
    local: Local,
    clients: Clients,
    endpoint: String,
    region: &'static str,
    _secrets: TempDir,
}

impl Large {
    async fn start(endpoint: String, region: &'static str, access_key_id: &str, secret: &str) -> Self {
        let secrets = tempfile::tempdir().unwrap();
        let file = secrets.path().join("secret");
        fs::write(&file, secret).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
        let mut signer_toml = format!(
            "[[grants]]\ncaller = 'resizer'\nkeys = ['large']\naccounts = ['*']\n\
             methods = ['BeginUpload', 'AuthorizeUpload', 'AuthorizeUploadParts', 'FinishUpload', 'ListUploadRules']\n\
             [[keys]]\nname = 'large'\nscheme = 'aws-sigv4'\n[[keys.versions]]\nid = 1\nstate = 'primary'\n\
             access_key_id = '{access_key_id}'\nsecret_file = '{}'\n",
            file.display()
        );
        let mut resizer_toml = format!(
            "[origins.large]\nkind = 's3'\nbucket = '{BUCKET}'\nregion = '{region}'\nsigning_key = 'large'\n\
             endpoint = '{endpoint}'\npath_style = true\nallow_private_network = true\n"
        );
        for (name, kind) in [("large", "one-time"), ("large-granted", "grant")] {
            let rule = format!(
                "[[uploads]]\nname = '{name}'\nkind = '{kind}'\nobject_key = 'é/{{account}}/{{id}}'\nmax_bytes = '32MiB'\n"
            );
            signer_toml += &format!(
                "{rule}content_types = ['image/png']\nsigning_key = 'large'\nregion = '{region}'\n\
                 base_url = '{endpoint}/{BUCKET}/'\n"
            );
            resizer_toml += &format!("{rule}origin = 'large'\nformats = ['png']\n");
        }
        let settings = Settings { signer_toml, resizer_toml, ..Settings::default() };
        let local = start(settings).await;
        let clients = Clients {
            tokens: local.stack.token_client().await.unwrap(),
            resizer: local.client.clone(),
            http: local.stack.admin.addr(),
        };
        Self { local, clients, endpoint, region, _secrets: secrets }
    }

    async fn store(&mut self, open: StoreOpen, bytes: &[u8]) -> Told {
        self.clients.store(messages(open, bytes), PATIENCE).await
    }

    /// What the store says of an object, by a HEAD; status and headers.
    async fn head(&self, key: &str) -> (u16, HashMap<String, String>) {
        let path = key.replace('é', "%C3%A9");
        let url = format!("{}/{BUCKET}/{path}", self.endpoint);
        let request = SignOriginRequestRequest {
            key: "large".into(),
            method: "HEAD".into(),
            url: url.clone(),
            region: self.region.into(),
            ..Default::default()
        };
        let mut signer = self.local.stack.signer_client().await.unwrap();
        let signed = signer.sign_origin_request(request).await.unwrap().into_inner();
        let mut sent = reqwest::Client::new().head(url);
        for Header { name, value } in &signed.headers {
            sent = sent.header(name, value);
        }
        let answer = sent.send().await.unwrap();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
        (answer.status().as_u16(), headers.collect())
    }
}

/// The same before an embedded S3, behind a proxy.
struct Faulty {
    large: Large,
    proxy: Proxy,
    s3: EmbeddedS3,
    _root: TempDir,
}

impl Faulty {
    async fn start() -> Self {
        let (id, secret) = ("AKIDLARGE", "made-up-secret-of-large");
        let root = tempfile::tempdir().unwrap();
        let s3 = EmbeddedS3::start(root.path(), &Credentials::new(id, secret)).await.unwrap();
        s3.create_bucket(BUCKET).await.unwrap();
        let proxy = Proxy::start(s3.address()).await;
        let large = Large::start(proxy.url(), s3::REGION, id, secret).await;
        Self { large, proxy, s3, _root: root }
    }

    async fn object(&self, key: &str) -> Option<Bytes> {
        self.s3.get(BUCKET, key).await.unwrap()
    }

    /// Uploads of which parts wait.
    async fn unfinished(&self) -> usize {
        self.s3.multipart_uploads(BUCKET).await
    }

    /// Nothing is left, the token can be used again, and is.
    async fn ends_well(&mut self, token: &str, key: &str, what: &str) {
        assert_eq!(self.unfinished().await, 0, "{what}");
        assert_eq!(self.object(key).await, None, "{what}");
        assert_eq!(self.large.clients.state(token).await, UploadTokenState::Pending, "{what}");
        let told = self.large.store(by_token(token, "again"), &PICTURE).await;
        assert_eq!(told, stored(key, false), "{what}");
        assert!(self.object(key).await.as_deref() == Some(&PICTURE[..]), "{what}: other bytes");
        assert_eq!(self.unfinished().await, 0, "{what}");
    }
}

fn by_token(token: &str, request_id: &str) -> StoreOpen {
    StoreOpen { upload: "large".into(), ..open(token, request_id) }
}

fn by_grant(image_id: &str, request_id: &str) -> StoreOpen {
    let wish = ObjectWish { account: ACCOUNT.into(), image_id: image_id.into(), ..Default::default() };
    StoreOpen {
        upload: "large-granted".into(),
        authority: Some(Authority::Object(wish)),
        request_id: request_id.into(),
        ..Default::default()
    }
}

fn key_of(id: &str) -> String {
    format!("é/{ACCOUNT}/{id}")
}

fn stored(key: &str, replayed: bool) -> Told {
    Told::Stored { key: key.to_owned(), sha256: hex::encode(Sha256::digest(&*PICTURE)), replayed }
}

fn assert_described(head: &HashMap<String, String>) {
    let value = |name: &str| head.get(name).map(String::as_str);
    assert_eq!(value("content-type"), Some("image/png"), "{head:?}");
    assert_eq!(value("content-length"), Some(PICTURE.len().to_string().as_str()));
    let sha256 = hex::encode(Sha256::digest(&*PICTURE));
    assert_eq!(value("x-amz-meta-sha256"), Some(sha256.as_str()));
    assert!(value("x-amz-meta-upload").is_some_and(|id| !id.is_empty()), "{head:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_picture_is_stored_in_parts_whole_and_once() {
    let mut site = Faulty::start().await;
    let token = site.large.clients.token().await;
    let key = key_of(&token.key);
    assert_eq!(site.large.store(by_token(&token.token, "a"), &PICTURE).await, stored(&key, false));
    assert!(site.object(&key).await.as_deref() == Some(&PICTURE[..]));
    assert_eq!(site.proxy.take_seen(), [("CREATE", 1), ("PART", 3), ("COMPLETE", 1)].into());
    assert_eq!((site.unfinished().await, site.s3.refused()), (0, 0));
    assert_described(&site.large.head(&key).await.1);
    assert_eq!(site.large.clients.state(&token.token).await, UploadTokenState::Redeemed);
    // The same request gets the same answer, and sends nothing.
    site.proxy.take_seen();
    assert_eq!(site.large.store(by_token(&token.token, "a"), &PICTURE).await, stored(&key, true));
    assert_eq!(site.proxy.take_seen(), [("HEAD", 1)].into());

    // An object that is there is not replaced by another one, and is its own upload's.
    let key = key_of("a");
    assert_eq!(site.large.store(by_grant("a", "r"), &PICTURE).await, stored(&key, false));
    let told = site.large.store(by_grant("a", "other"), &OTHER).await;
    assert!(told.is(Reason::ObjectExists), "{told:?}");
    assert!(site.object(&key).await.as_deref() == Some(&PICTURE[..]));
    assert_eq!(site.unfinished().await, 0);
    assert_eq!(site.large.store(by_grant("a", "r"), &PICTURE).await, stored(&key, true));
    assert_eq!((site.unfinished().await, site.s3.objects(BUCKET).await.unwrap()), (0, 2));

    // One that is not large is one request.
    site.proxy.take_seen();
    let small = stored_png(20, 20);
    assert!(matches!(site.large.store(by_grant("b", "r"), &small).await, Told::Stored { .. }));
    assert_eq!(site.proxy.take_seen(), [("PUT", 1)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_once_is_sent_again() {
    let mut site = Faulty::start().await;
    for (step, fault, seen, replayed) in [
        ("CREATE", Fault::Unavailable, 2, false),
        ("PART", Fault::Unavailable, 4, false),
        ("PART", Fault::Close, 4, false),
        ("PART", Fault::LostAnswer, 4, false),
        ("COMPLETE", Fault::Unavailable, 2, false),
        ("COMPLETE", Fault::ErrorIn200, 2, false),
        // It is done, and the second attempt finds no upload any more, but the object.
        ("COMPLETE", Fault::LostAnswer, 2, true),
        ("COMPLETE", Fault::HalfAnswer, 2, true),
        ("COMPLETE", Fault::DoneAnd503, 2, true),
    ] {
        let token = site.large.clients.token().await;
        let key = key_of(&token.key);
        site.proxy.take_seen();
        site.proxy.set_once(step, fault);
        let told = site.large.store(by_token(&token.token, "a"), &PICTURE).await;
        assert_eq!(told, stored(&key, replayed), "{step} {fault:?}");
        assert_eq!(site.proxy.take_seen()[step], seen, "{step} {fault:?}");
        assert!(site.object(&key).await.as_deref() == Some(&PICTURE[..]), "{step} {fault:?}");
        assert_eq!(site.unfinished().await, 0, "{step} {fault:?}");
        assert_eq!(site.large.clients.state(&token.token).await, UploadTokenState::Redeemed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_good_leaves_nothing() {
    let mut site = Faulty::start().await;
    for (step, fault) in [
        ("CREATE", Fault::Unavailable),
        ("PART", Fault::Unavailable),
        ("PART", Fault::LostAnswer),
        ("COMPLETE", Fault::Unavailable),
        ("COMPLETE", Fault::Close),
        ("COMPLETE", Fault::ErrorIn200),
    ] {
        let token = site.large.clients.token().await;
        site.proxy.take_seen();
        site.proxy.set(step, Some(fault));
        let told = site.large.store(by_token(&token.token, "a"), &PICTURE).await;
        assert!(told.is(Reason::OriginUnavailable), "{step} {fault:?}: {told:?}");
        let aborted = site.proxy.take_seen().get("ABORT").copied();
        assert_eq!(aborted, (step != "CREATE").then_some(1), "{step} {fault:?}");
        site.proxy.set(step, None);
        site.ends_well(&token.token, &key_of(&token.key), &format!("{step} {fault:?}")).await;
    }

    // All answers of the completion are lost: its object is found.
    let token = site.large.clients.token().await;
    site.proxy.set("COMPLETE", Some(Fault::LostAnswer));
    let told = site.large.store(by_token(&token.token, "a"), &PICTURE).await;
    assert_eq!(told, stored(&key_of(&token.key), true));
    // And so are those of the HEAD: the next attempt finds it.
    let token = site.large.clients.token().await;
    site.proxy.set("HEAD", Some(Fault::Unavailable));
    let told = site.large.store(by_token(&token.token, "a"), &PICTURE).await;
    assert!(told.is(Reason::OriginUnavailable), "{told:?}");
    site.proxy.set("COMPLETE", None);
    site.proxy.set("HEAD", None);
    let told = site.large.store(by_token(&token.token, "a"), &PICTURE).await;
    assert_eq!(told, stored(&key_of(&token.key), true));
    assert_eq!(site.unfinished().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_time_is_over_leaves_nothing() {
    let mut site = Faulty::start().await;
    let token = site.large.clients.token().await;
    site.proxy.set("PART", Some(Fault::Silent));
    let sent = messages(by_token(&token.token, "a"), &PICTURE);
    let told = site.large.clients.store(sent, Duration::from_secs(4)).await;
    assert!(told.is(Reason::DeadlineExceeded) || told == Told::Lost, "{told:?}");
    site.proxy.set("PART", None);
    crate::harness::eventually("the abortion", async || {
        let is_pending = site.large.clients.clone().state(&token.token).await == UploadTokenState::Pending;
        (is_pending && site.proxy.take_seen().contains_key("ABORT")).then_some(())
    })
    .await;
    site.ends_well(&token.token, &key_of(&token.key), "silence").await;
}

/// Its client hears why the upload failed, and not the abortion.
#[tokio::test(flavor = "multi_thread")]
async fn an_abortion_that_fails_is_no_error_of_its_own() {
    let mut site = Faulty::start().await;
    let token = site.large.clients.token().await;
    site.proxy.set("PART", Some(Fault::Unavailable));
    site.proxy.set("ABORT", Some(Fault::Unavailable));
    let told = site.large.store(by_token(&token.token, "a"), &PICTURE).await;
    assert!(told.is(Reason::OriginUnavailable), "{told:?}");
    assert_eq!(site.unfinished().await, 1);
    site.proxy.set("PART", None);
    let told = site.large.store(by_token(&token.token, "a"), &PICTURE).await;
    assert_eq!(told, stored(&key_of(&token.key), false));
    assert_eq!(site.unfinished().await, 1, "until a lifecycle rule removes it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_server_takes_parts() {
    let Some(server) = Versitygw::start().await else { return };
    let (id, secret) = (versitygw::ACCESS_KEY_ID, versitygw::SECRET);
    let mut large = Large::start(server.url(), versitygw::REGION, id, secret).await;
    let token = large.clients.token().await;
    let key = key_of(&token.key);
    assert_eq!(large.store(by_token(&token.token, "a"), &PICTURE).await, stored(&key, false));
    assert!(fs::read(server.file(&key)).unwrap() == *PICTURE);
    let (status, head) = large.head(&key).await;
    assert_eq!(status, 200);
    assert_described(&head);
    // It was stored in parts: the entity tag says in how many.
    assert!(head["etag"].ends_with("-3\""), "{head:?}");
    assert_eq!(large.store(by_token(&token.token, "a"), &PICTURE).await, stored(&key, true));

    assert_eq!(large.store(by_grant("a", "r"), &PICTURE).await, stored(&key_of("a"), false));
    let told = large.store(by_grant("a", "other"), &OTHER).await;
    assert!(told.is(Reason::ObjectExists), "{told:?}");
    assert!(fs::read(server.file(&key_of("a"))).unwrap() == *PICTURE);
    assert_eq!(large.store(by_grant("a", "r"), &PICTURE).await, stored(&key_of("a"), true));
}
