//! Stored objects, changed and deleted: at the embedded S3, and at versitygw, an S3 server that is not ours.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{future::join_all, stream};
use prost_types::{Struct, Value, value::Kind};
use safelight_local::{
    Settings,
    picture::sample,
    stack::{self, BUCKET},
};
use safelight_proto::{
    reason::Reason,
    resizer::v1::{
        DeleteObjectRequest, InspectOpen, InspectRequest, ObjectSource, ResultStatus, StoreOpen,
        UpdateObjectRequest, UpdateObjectResponse, inspect_open, inspect_request,
        resizer_service_client::ResizerServiceClient,
    },
    signer::v1::{Header, SignOriginRequestRequest, UploadTokenState},
};
use safelight_tests::faulty_origin::{Behaviour, FaultyOrigin, Reply};
use tempfile::TempDir;
use tonic::{Status, transport::Channel};

use crate::{
    causes::Log,
    harness::*,
    http_door::wire,
    pictures::noise_file,
    results::GRANT,
    store,
    versitygw::{ACCESS_KEY_ID, REGION, SECRET, Versitygw},
};

const PRIVATE: (&str, &str) = ("x-amz-meta-require-signed-urls", "true");
/// Where the objects of versitygw are: a bucket whose name has a dot.
const ITS_BUCKET: &str = "my.photos";

/// A stack with a bucket that objects are changed in, on a route where they decide whom they are delivered to.
struct Site {
    local: Local,
    /// Name of the origin.
    origin: &'static str,
    /// What its objects' URLs begin with.
    base: String,
    /// The signer's key, and the bucket's region.
    key: &'static str,
    region: &'static str,
    _server: Option<Versitygw>,
    _secrets: TempDir,
}

fn route(origin: &str) -> String {
    format!(
        "[[routes]]\nname = 'p'\npath = '/p/{{key...}}/{{variant}}'\norigin = '{origin}'\nurl_key = 'web'\nprivacy = 'object'\n"
    )
}

impl Site {
    /// At the embedded S3.
    async fn embedded(results: &str) -> Self {
        let signer_toml = if results.is_empty() { String::new() } else { GRANT.to_owned() };
        let resizer_toml = format!("{results}{}", route("photos"));
        let local = start(Settings { signer_toml, resizer_toml, ..Settings::default() }).await;
        let base = format!("{}/{BUCKET}/", local.stack.s3.endpoint());
        Self {
            local,
            origin: "photos",
            base,
            key: "s3-photos",
            region: "eu-west-1",
            _server: None,
            _secrets: tempfile::tempdir().unwrap(),
        }
    }

    /// At versitygw, with results in the embedded S3. `None` where there is no such program.
    async fn versitygw(results: &str) -> Option<Self> {
        let server = Versitygw::start().await?;
        let secrets = tempfile::tempdir().unwrap();
        let file = secrets.path().join("secret");
        fs::write(&file, SECRET).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
        let base = format!("http://127.0.0.1:{}/{ITS_BUCKET}/", server.port);
        let grant = if results.is_empty() { "" } else { GRANT };
        let signer_toml = format!(
            "{grant}[[grants]]\ncaller = 'resizer'\nmethods = ['SignOriginRequest']\nkeys = ['versity']\n\
             http_methods = ['HEAD', 'COPY', 'DELETE']\nurl_prefixes = ['{base}']\nbuckets = {{ '{ITS_BUCKET}' = '{base}' }}\n\
             [[keys]]\nname = 'versity'\nscheme = 'aws-sigv4'\n[[keys.versions]]\nid = 1\nstate = 'primary'\n\
             access_key_id = '{ACCESS_KEY_ID}'\nsecret_file = '{}'\n",
            file.display()
        );
        let origin = server.origin("versity", REGION, "versity");
        let resizer_toml = format!("{results}{origin}{}", route("versity"));
        let local = start(Settings { signer_toml, resizer_toml, ..Settings::default() }).await;
        let (origin, key, region) = ("versity", "versity", REGION);
        Some(Self { local, origin, base, key, region, _server: Some(server), _secrets: secrets })
    }

    async fn all(results: &str) -> Vec<Self> {
        let mut all = vec![Self::embedded(results).await];
        all.extend(Self::versitygw(results).await);
        all
    }

    /// Sends a request that the signer signs for the bucket's owner.
    async fn send(
        &self,
        method: &str,
        key: &str,
        headers: &[(&str, &str)],
        bytes: Bytes,
    ) -> reqwest::Response {
        let header = |(name, value): &(&str, &str)| Header { name: (*name).into(), value: (*value).into() };
        let request = SignOriginRequestRequest {
            key: self.key.into(),
            method: method.into(),
            url: format!("{}{key}", self.base),
            region: self.region.into(),
            headers: headers.iter().map(header).collect(),
            ..Default::default()
        };
        let mut signer = self.local.stack.signer_client().await.unwrap();
        let signed = signer.sign_origin_request(request).await.unwrap().into_inner();
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut sent = reqwest::Client::new().request(method, signed.url).body(bytes);
        for (name, value) in headers {
            sent = sent.header(*name, *value);
        }
        for Header { name, value } in signed.headers.iter().filter(|header| header.name != "host") {
            sent = sent.header(name, value);
        }
        sent.send().await.unwrap()
    }

    async fn put(&self, key: &str, bytes: impl Into<Bytes>, headers: &[(&str, &str)]) {
        let answer = self.send("PUT", key, headers, bytes.into()).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }

    /// A picture of its own for each key, so that results can be told apart.
    async fn put_picture(&self, key: &str, headers: &[(&str, &str)]) {
        self.put(key, sample::png(48, 32).unwrap(), headers).await;
    }

    /// What the store says of an object, but for what changes with every change and every request.
    async fn head(&self, key: &str) -> BTreeMap<String, String> {
        let answer = self.send("HEAD", key, &[], Bytes::new()).await;
        assert_eq!(answer.status(), 200);
        let passing = ["date", "last-modified", "x-amz-request-id", "x-amz-id-2"];
        answer
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .filter(|(name, _)| !passing.contains(&name.as_str()))
            .collect()
    }

    async fn bytes(&self, key: &str) -> Bytes {
        self.send("GET", key, &[], Bytes::new()).await.bytes().await.unwrap()
    }

    fn named(&self, key: &str) -> UpdateObjectRequest {
        UpdateObjectRequest { origin: self.origin.into(), key: key.into(), ..Default::default() }
    }

    async fn update(&self, request: UpdateObjectRequest) -> Result<UpdateObjectResponse, Status> {
        Ok(self.local.client.clone().update_object(request).await?.into_inner())
    }

    async fn set_private(&self, key: &str, is_private: bool) -> UpdateObjectResponse {
        let request = UpdateObjectRequest { require_signed_urls: Some(is_private), ..self.named(key) };
        self.update(request).await.unwrap()
    }

    async fn delete(&self, key: &str, if_match: &str) -> Result<(), Status> {
        delete_at(&mut self.local.client.clone(), self.origin, key, if_match).await
    }

    async fn etag(&self, key: &str) -> String {
        self.head(key).await["etag"].clone()
    }

    /// Waits until a picture comes from the result store.
    async fn hit(&self, url: &str) {
        eventually("it is stored", async || {
            (self.local.get(url).await.unwrap().0.result_status() == ResultStatus::Hit).then_some(())
        })
        .await;
    }
}

async fn delete_at(
    client: &mut ResizerServiceClient<Channel>,
    origin: &str,
    key: &str,
    if_match: &str,
) -> Result<(), Status> {
    let request = DeleteObjectRequest { origin: origin.into(), key: key.into(), if_match: if_match.into() };
    client.delete_object(request).await.map(drop)
}

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.into())) }
}

fn kept(pairs: &[(&str, Value)]) -> Option<Struct> {
    Some(Struct { fields: pairs.iter().map(|(name, value)| ((*name).into(), value.clone())).collect() })
}

const RESULTS: &str = "[results]\norigin = 'photos'\n";

#[tokio::test]
async fn what_becomes_private_is_so_for_strangers_at_once() {
    for results in ["", RESULTS] {
        for site in Site::all(results).await {
            let local = &site.local;
            site.put_picture("a.png", &[("x-amz-meta-creator", "me")]).await;
            let url = "/p/a.png/thumbnail";
            assert!(local.get(url).await.unwrap().1.is_some());
            if !results.is_empty() {
                site.hit(url).await;
            }
            for _ in 0..2 {
                let told = site.set_private("a.png", true).await;
                assert!(told.require_signed_urls && told.metadata.is_none());
                // Whatever is stored or remembered of it.
                for _ in 0..3 {
                    refused(local.get(url).await, Reason::OriginNotFound);
                    wire::get(local, url, &["If-None-Match: *"]).await.refused(404, "ORIGIN_NOT_FOUND");
                }
                let signed = local.sign(url).await;
                let (delivery, picture) = local.get(&signed).await.unwrap();
                assert!(picture.is_some());
                if !results.is_empty() {
                    assert_eq!(delivery.result_status(), ResultStatus::Hit, "its bytes are the same");
                }
                refused(local.get(url).await, Reason::OriginNotFound);
                assert!(!site.set_private("a.png", false).await.require_signed_urls);
                assert!(local.get(url).await.unwrap().1.is_some(), "and public again");
            }
            assert_eq!(site.head("a.png").await["x-amz-meta-creator"], "me");
        }
    }
}

/// A request that comes after the change does not wait for what another began before it.
#[tokio::test]
async fn nobody_who_asks_later_gets_what_was_begun_before() {
    let picture = || Reply::ok(sample::png(48, 32).unwrap()).header("etag", "\"1\"");
    let slow = || picture().slow_head(Duration::from_millis(1500));
    let copied = Reply::ok("<CopyObjectResult></CopyObjectResult>");
    // Fetched to be made; then deleted.
    let (store, local) = at_a_store(vec![slow(), Reply::status(204)], Reply::status(404).into()).await;
    let url = "/s/a.png/thumbnail";
    let changed = async {
        eventually("the first request", async || (!store.requests().is_empty()).then_some(())).await;
        delete_at(&mut local.client.clone(), "store", "a.png", "").await.unwrap();
        refused(local.get(url).await, Reason::OriginNotFound);
    };
    let (before, ()) = tokio::join!(local.get(url), changed);
    assert!(before.unwrap().1.is_some(), "of the one who asked before");

    // Looked at for a stranger; then made private.
    let answers = vec![slow(), described(OLD), copied, private()];
    let (store, local) = at_a_store(answers, picture().header(PRIVATE.0, PRIVATE.1).into()).await;
    let url = "/p/a.png/thumbnail";
    let changed = async {
        eventually("the first request", async || (!store.requests().is_empty()).then_some(())).await;
        assert!(make_private(&local).await.unwrap().require_signed_urls);
        let began = Instant::now();
        refused(local.get(url).await, Reason::OriginNotFound);
        assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
    };
    // The one who asked before finds it private as well, when it is fetched.
    let (before, ()) = tokio::join!(local.get(url), changed);
    refused(before, Reason::OriginNotFound);
}

#[tokio::test]
async fn metadata_is_replaced_and_everything_else_stays() {
    for site in Site::all("").await {
        let sha256 = "0".repeat(64);
        let headers = [
            ("content-type", "image/png"),
            ("cache-control", "private, max-age=60"),
            ("content-disposition", "inline; filename=\"a b.png\""),
            ("content-language", "de, en"),
            ("x-amz-meta-upload", "0123"),
            ("x-amz-meta-sha256", &sha256),
            ("x-amz-meta-filename", "beach%201.png"),
            ("x-amz-meta-creator", "m%C3%A9"),
            ("x-amz-meta-of-others", "kept"),
            PRIVATE,
        ];
        let key = "dir/a%20b%2Bc%25.png";
        site.put_picture(key, &headers).await;
        let (before, bytes) = (site.head(key).await, site.bytes(key).await);
        for (name, value) in headers {
            assert_eq!(before.get(name).map(String::as_str), Some(value), "{}", site.origin);
        }

        let named = site.named("dir/a b+c%.png");
        let number = |number| Value { kind: Some(Kind::NumberValue(number)) };
        let list = Value {
            kind: Some(Kind::ListValue(prost_types::ListValue {
                values: vec![
                    Value { kind: Some(Kind::NullValue(0)) },
                    Value { kind: Some(Kind::BoolValue(true)) },
                    Value { kind: Some(Kind::StructValue(Struct::default())) },
                ],
            })),
        };
        let metadata =
            kept(&[("álbum", text("写真 \"%\"\n")), ("n", number(7.0)), ("f", number(0.5)), ("all", list)]);
        let request = UpdateObjectRequest { metadata: metadata.clone(), ..named.clone() };
        let told = site.update(request.clone()).await.unwrap();
        assert_eq!((told.require_signed_urls, &told.metadata), (true, &metadata));
        assert_eq!(told.etag, before["etag"]);
        let mut after = site.head(key).await;
        assert!(after["x-amz-meta-metadata"].contains("\"n\":7,"), "{after:?}");
        after.remove("x-amz-meta-metadata");
        assert_eq!(after, before, "{}", site.origin);
        assert_eq!(site.bytes(key).await, bytes);

        // Inspect reads what was written.
        let source =
            ObjectSource { origin: site.origin.into(), key: named.key.clone(), caller_headers: None };
        let open = InspectOpen { source: Some(inspect_open::Source::Object(source)) };
        let open = InspectRequest { message: Some(inspect_request::Message::Open(open)) };
        let found = site.local.client.clone().inspect(stream::iter([open])).await.unwrap().into_inner();
        assert_eq!(found.metadata, metadata);
        assert_eq!((found.creator.as_str(), found.filename.as_str()), ("mé", "beach 1.png"));
        assert_eq!((found.upload.as_str(), found.require_signed_urls), ("0123", true));

        // The same again changes nothing, and is answered at once.
        let began = Instant::now();
        assert_eq!(site.update(request).await.unwrap(), told);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());

        // Replaced whole, and then there is none.
        let request = UpdateObjectRequest { metadata: kept(&[("b", text("1"))]), ..named.clone() };
        assert_eq!(site.update(request.clone()).await.unwrap().metadata, request.metadata);
        let request = UpdateObjectRequest { metadata: kept(&[]), ..named };
        assert_eq!(site.update(request).await.unwrap().metadata, None);
        assert_eq!(site.head(key).await, before);
    }
}

#[tokio::test]
async fn only_if_it_is_the_object_that_was_seen() {
    for site in Site::all("").await {
        site.put_picture("a.png", &[]).await;
        let etag = site.etag("a.png").await;
        for tag in ["\"0\"", "W/\"0\""] {
            let request = UpdateObjectRequest {
                require_signed_urls: Some(true),
                if_match: tag.into(),
                ..site.named("a.png")
            };
            assert_eq!(fields(&refused(site.update(request).await, Reason::ObjectChanged)), ["if_match"]);
            refused(site.delete("a.png", tag).await, Reason::ObjectChanged);
        }
        for tag in ["0", "\"", "*", "\"a\"b\"", "\"a\r\nb\""] {
            let request = UpdateObjectRequest {
                require_signed_urls: Some(true),
                if_match: tag.into(),
                ..site.named("a.png")
            };
            assert_eq!(fields(&refused(site.update(request).await, Reason::FieldInvalid)), ["if_match"]);
            refused(site.delete("a.png", tag).await, Reason::FieldInvalid);
        }
        assert!(!site.head("a.png").await.contains_key(PRIVATE.0));
        let request = UpdateObjectRequest {
            require_signed_urls: Some(true),
            if_match: etag.clone(),
            ..site.named("a.png")
        };
        assert!(site.update(request).await.unwrap().require_signed_urls);
        site.delete("a.png", &etag).await.unwrap();
        assert_eq!(site.send("HEAD", "a.png", &[], Bytes::new()).await.status(), 404);
        // It is gone, as was wanted.
        site.delete("a.png", &etag).await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_changed_says_why() {
    for site in Site::all(RESULTS).await {
        site.put_picture("a.png", &[("x-amz-meta-of-others", &"o".repeat(1000))]).await;
        let private = |origin: &str, key: &str| UpdateObjectRequest {
            require_signed_urls: Some(true),
            origin: origin.into(),
            key: key.into(),
            ..Default::default()
        };
        refused(site.update(private(site.origin, "absent.png")).await, Reason::OriginNotFound);
        refused(site.update(private("none", "a.png")).await, Reason::OriginUnknown);
        refused(site.delete_of("none", "a.png").await, Reason::OriginUnknown);
        for key in ["", "a/../b", "."] {
            refused(site.update(private(site.origin, key)).await, Reason::ObjectKeyUnsupported);
            refused(site.delete(key, "").await, Reason::ObjectKeyUnsupported);
        }
        // Results are no originals.
        refused(site.update(private("photos", "results/a")).await, Reason::OriginNotFound);
        refused(site.delete_of("photos", "results/a").await, Reason::OriginNotFound);
        let nothing = refused(site.update(site.named("a.png")).await, Reason::FieldInvalid);
        assert_eq!(fields(&nothing), ["require_signed_urls"]);
        let large =
            UpdateObjectRequest { metadata: kept(&[("a", text(&"x".repeat(1100)))]), ..site.named("a.png") };
        let large = refused(site.update(large).await, Reason::ObjectMetadataTooLarge);
        assert_eq!(fields(&large), ["metadata"]);
        assert!(!site.head("a.png").await.contains_key("x-amz-meta-metadata"));
        let fits =
            UpdateObjectRequest { metadata: kept(&[("a", text(&"x".repeat(900)))]), ..site.named("a.png") };
        site.update(fits).await.unwrap();
    }
}

impl Site {
    async fn delete_of(&self, origin: &str, key: &str) -> Result<(), Status> {
        delete_at(&mut self.local.client.clone(), origin, key, "").await
    }
}

/// What the signer does not sign for the resizer it cannot do, whatever its own grants say.
#[tokio::test]
async fn without_a_grant_at_the_signer_nothing_is_changed() {
    let local = start_with("").await;
    let endpoint = local.stack.s3.endpoint();
    drop(local);
    let origins = format!(
        "[origins.other]\nkind = 's3'\nbucket = 'other'\nregion = 'eu-west-1'\nendpoint = '{endpoint}'\npath_style = true\n\
         signing_key = 's3-photos'\nallow_private_network = true\n\
         [origins.public]\nkind = 's3'\nbucket = 'other'\nregion = 'eu-west-1'\nendpoint = '{endpoint}'\npath_style = true\n\
         allow_private_network = true\n\
         [origins.web]\nkind = 'http'\nbase_url = '{endpoint}'\nallow_private_network = true\n"
    );
    let local = start_with(origins.replace(&endpoint, "{s3}")).await;
    local.stack.s3.create_bucket("other").await.unwrap();
    local.stack.s3.put("other", "a.png", sample::png(48, 32).unwrap()).await.unwrap();
    let mut client = local.client.clone();
    for (origin, reason) in
        [("other", Reason::SignerRefused), ("public", Reason::FieldInvalid), ("web", Reason::FieldInvalid)]
    {
        let request = UpdateObjectRequest {
            origin: origin.into(),
            key: "a.png".into(),
            require_signed_urls: Some(true),
            ..Default::default()
        };
        refused(client.update_object(request).await, reason);
        refused(delete_at(&mut client, origin, "a.png", "").await, reason);
    }
    assert!(local.stack.s3.get("other", "a.png").await.unwrap().is_some());
}

/// Through two processes, at stores that compare before they copy: each change of another field: both are there in the end.
#[tokio::test]
async fn changes_at_the_same_time_are_all_made() {
    for site in Site::all("").await {
        let another = wire::another(&site.local, |text| text).await;
        let mut other = ResizerServiceClient::new(stack::connect(&another).await.unwrap());
        join_all((0..6).map(|number| {
            let (site, mut other) = (&site, other.clone());
            async move {
                let key = format!("{number}.png");
                site.put_picture(&key, &[("x-amz-meta-creator", "me")]).await;
                for round in 0..2 {
                    // As old as it must be: both find it, and both begin.
                    tokio::time::sleep(Duration::from_millis(2100)).await;
                    let metadata = kept(&[("round", text(&round.to_string()))]);
                    let here = UpdateObjectRequest { metadata: metadata.clone(), ..site.named(&key) };
                    let there =
                        UpdateObjectRequest { require_signed_urls: Some(round == 0), ..site.named(&key) };
                    let (here, there) = tokio::join!(site.update(here), other.update_object(there));
                    here.unwrap();
                    there.unwrap();
                    let found = site.head(&key).await;
                    assert_eq!(found["x-amz-meta-metadata"], format!("{{\"round\":\"{round}\"}}"), "{key}");
                    assert_eq!(found.contains_key(PRIVATE.0), round == 0, "{key} {}", site.origin);
                    assert_eq!(found["x-amz-meta-creator"], "me");
                }
            }
        }))
        .await;
        // Through one process too, and each sees what was there before it.
        site.put_picture("one.png", &[]).await;
        let metadata = UpdateObjectRequest { metadata: kept(&[("a", text("1"))]), ..site.named("one.png") };
        let private = UpdateObjectRequest { require_signed_urls: Some(true), ..site.named("one.png") };
        let (one, two) = tokio::join!(site.update(metadata), site.update(private));
        assert!(one.unwrap().require_signed_urls || two.unwrap().metadata.is_some());
        let found = site.head("one.png").await;
        assert!(found.contains_key(PRIVATE.0) && found.contains_key("x-amz-meta-metadata"), "{found:?}");
        delete_at(&mut other, site.origin, "one.png", "").await.unwrap();
    }
}

#[tokio::test]
async fn a_deleted_object_and_what_was_made_of_it_are_gone() {
    for site in Site::all("[results]\norigin = 'photos'\nttl = '2s'\n").await {
        let local = &site.local;
        let another = wire::another(local, |text| text).await;
        let mut other = ResizerServiceClient::new(stack::connect(&another).await.unwrap());
        for key in ["a.png", "b.png"] {
            site.put_picture(key, &[]).await;
            site.hit(&format!("/p/{key}/thumbnail")).await;
        }
        let (url, ask) = ("/p/a.png/thumbnail", |url: &str| safelight_proto::resizer::v1::DeliverRequest {
            url: url.into(),
            ..Default::default()
        });
        let signed = local.sign("/p/a.png/card").await;
        site.hit(&signed).await;
        assert_eq!(deliver(&mut other, ask(url)).await.unwrap().0.result_status(), ResultStatus::Hit);

        site.delete("a.png", "").await.unwrap();
        for _ in 0..2 {
            for url in [url, signed.as_str()] {
                refused(local.get(url).await, Reason::OriginNotFound);
            }
            wire::get(local, url, &["If-None-Match: *"]).await.refused(404, "ORIGIN_NOT_FOUND");
            // Again, as after a lost answer.
            site.delete("a.png", "").await.unwrap();
        }
        site.delete("never.png", "").await.unwrap();
        assert_eq!(site.send("HEAD", "a.png", &[], Bytes::new()).await.status(), 404);
        // Another process asks again when its time has come.
        tokio::time::sleep(Duration::from_secs(2)).await;
        refused(deliver(&mut other, ask(url)).await, Reason::OriginNotFound);
        // Of the other picture nothing was dropped.
        assert_eq!(local.get("/p/b.png/thumbnail").await.unwrap().0.result_status(), ResultStatus::Hit);
        // The same bytes under the same key have the same entity tag: what was made before is not found all the same.
        site.put_picture("a.png", &[]).await;
        assert_eq!(local.get(url).await.unwrap().0.result_status(), ResultStatus::Miss);
    }
}

/// A call that fails after the object is gone is repeated.
#[tokio::test]
async fn a_deletion_whose_results_cannot_be_dropped_is_no_success() {
    let results = FaultyOrigin::start().await.unwrap();
    results.elsewhere(Reply::status(404));
    let endpoint = results.endpoint();
    let local = start(Settings {
        signer_toml: format!(
            "[[grants]]\ncaller = 'resizer'\nmethods = ['SignOriginRequest']\nkeys = ['s3-photos']\n\
             url_prefixes = ['{endpoint}/']\nhttp_methods = ['GET', 'PUT']\n"
        ),
        resizer_toml: format!(
            "[results]\norigin = 'store'\n[origins.store]\nkind = 's3'\nbucket = 'b'\nregion = 'eu-west-1'\n\
             endpoint = '{endpoint}'\npath_style = true\nsigning_key = 's3-photos'\nallow_private_network = true\n"
        ),
        ..Settings::default()
    })
    .await;
    local.put("a.png", sample::png(48, 32).unwrap()).await;
    results.elsewhere(Reply::status(503));
    let mut client = local.client.clone();
    refused(delete_at(&mut client, "photos", "a.png", "").await, Reason::OriginUnavailable);
    refused(local.get("/acct/a.png/thumbnail").await, Reason::OriginNotFound);
    results.elsewhere(Reply::status(200));
    delete_at(&mut client, "photos", "a.png", "").await.unwrap();
    let epochs = results.requests().into_iter().filter(|request| {
        request.method == "PUT" && String::from_utf8_lossy(&request.target).contains("/epochs/")
    });
    assert!(epochs.count() >= 2);
}

/// What an upload needs to find its object again is there after a change; a token is spent whatever becomes of its object.
#[tokio::test]
async fn uploads_know_their_objects_after_a_change() {
    let site = Site::embedded("").await;
    let local = &site.local;
    let (token, bytes) = (store::token(local, |_| {}).await, noise_file(320, 200, image::ImageFormat::Jpeg));
    let open = StoreOpen { request_id: "attempt-1".into(), ..store::by_token(&token) };
    let first = store::store(local, open.clone(), &bytes).await.unwrap().object.unwrap();
    assert!(site.set_private(&first.key, true).await.require_signed_urls);
    let again = store::store(local, open.clone(), &bytes).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.object.unwrap().etag, first.etag);
    assert_eq!(site.head(&first.key).await["x-amz-meta-sha256"], first.sha256);

    site.delete(&first.key, "").await.unwrap();
    assert_eq!(store::state(local, &token).await, UploadTokenState::Redeemed);
    let other = StoreOpen { request_id: "attempt-2".into(), ..open };
    refused(store::store(local, other, &bytes).await, Reason::TokenAlreadyRedeemed);
    assert!(site.local.stack.s3.get(BUCKET, &first.key).await.unwrap().is_none());
}

/// A store of which a test says what it answers: to HEAD, to the copy, and so on.
async fn at_a_store(answers: Vec<Reply>, last: Behaviour) -> (FaultyOrigin, Local) {
    let store = FaultyOrigin::start().await.unwrap();
    let then = answers.into_iter().rev().fold(last, |then, first| Behaviour::Then {
        first,
        times: 1,
        then: Box::new(then),
    });
    store.at("/b/a.png", then);
    let base = format!("{}/b/", store.endpoint());
    let local = start(Settings {
        signer_toml: format!(
            "[[grants]]\ncaller = 'resizer'\nmethods = ['SignOriginRequest']\nkeys = ['s3-photos']\n\
             http_methods = ['HEAD', 'COPY', 'DELETE']\nbuckets = {{ b = '{base}' }}\n"
        ),
        resizer_toml: format!(
            "[origins.store]\nkind = 's3'\nbucket = 'b'\nregion = 'eu-west-1'\nendpoint = '{}'\npath_style = true\n\
             signing_key = 's3-photos'\nallow_private_network = true\n\
             [[routes]]\nname = 's'\npath = '/s/{{key...}}/{{variant}}'\norigin = 'store'\nurl_key = 'web'\n{}",
            store.endpoint(),
            route("store")
        ),
        ..Settings::default()
    })
    .await;
    (store, local)
}

fn described(changed: &str) -> Reply {
    Reply::status(200)
        .header("etag", "\"1\"")
        .header("date", "Tue, 14 Nov 2023 22:13:20 GMT")
        .header("last-modified", changed)
        .header("content-type", "image/png")
        .header("expires", "Wed, 15 Nov 2023 22:13:20 GMT")
        .header("x-amz-storage-class", "STANDARD_IA")
        .header("x-amz-version-id", "7")
        .header("x-amz-meta-upload", "1")
}

/// As it is after [`make_private`].
fn private() -> Reply {
    Reply::status(200).header("etag", "\"2\"").header(PRIVATE.0, PRIVATE.1)
}

/// How often a copy was asked for. What says nothing is asked twice where a connection breaks.
fn copies(store: &FaultyOrigin) -> usize {
    store.requests().iter().filter(|request| request.method == "PUT").count()
}

const OLD: &str = "Tue, 14 Nov 2023 22:13:10 GMT";

async fn make_private(local: &Local) -> Result<UpdateObjectResponse, Status> {
    let request = UpdateObjectRequest {
        origin: "store".into(),
        key: "a.png".into(),
        require_signed_urls: Some(true),
        ..Default::default()
    };
    Ok(local.client.clone().update_object(request).await?.into_inner())
}

#[tokio::test]
async fn the_store_is_asked_for_a_copy_that_loses_nothing() {
    let copied = Reply::ok("\n\n<?xml?><CopyObjectResult><ETag>\"2\"</ETag></CopyObjectResult>");
    let (store, local) = at_a_store(vec![described(OLD), copied], private().into()).await;
    let told = make_private(&local).await.unwrap();
    assert_eq!((told.require_signed_urls, told.etag.as_str()), (true, "\"2\""));
    let requests = store.requests();
    let methods: Vec<_> = requests.iter().map(|request| request.method.as_str()).collect();
    assert!(methods.starts_with(&["HEAD", "PUT", "HEAD"]), "{methods:?}");
    let sent: BTreeMap<_, _> = requests[1]
        .headers
        .iter()
        .filter(|(name, _)| {
            name.starts_with("x-amz-") || ["content-type", "expires"].contains(&name.as_str())
        })
        .map(|(name, value)| (name.as_str(), str::from_utf8(value).unwrap()))
        .filter(|(name, _)| !["x-amz-date", "x-amz-content-sha256"].contains(name))
        .collect();
    let expected = BTreeMap::from([
        ("content-type", "image/png"),
        ("expires", "Wed, 15 Nov 2023 22:13:20 GMT"),
        ("x-amz-copy-source", "/b/a.png"),
        ("x-amz-copy-source-if-unmodified-since", "Tue, 14 Nov 2023 22:13:11 GMT"),
        ("x-amz-meta-require-signed-urls", "true"),
        ("x-amz-meta-upload", "1"),
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-storage-class", "STANDARD_IA"),
    ]);
    assert_eq!(sent, expected);
    assert_eq!(requests[1].header("content-length"), Some("0"));
}

/// S3 begins to answer a copy before it is made: 200 says nothing.
#[tokio::test]
async fn a_copy_that_was_not_made_is_no_success() {
    let error =
        |code: &str| Reply::ok(format!("\n<Error><Code>{code}</Code><Message>In words.</Message></Error>"));
    for (answer, reason) in [
        (error("InternalError"), Reason::OriginUnavailable),
        (error("AccessDenied"), Reason::OriginDenied),
        (error("NoSuchKey"), Reason::OriginNotFound),
        (Reply::ok(""), Reason::OriginInterrupted),
        (Reply::ok("\n\n\n"), Reason::OriginInterrupted),
        (Reply::ok("<html>CopyObject"), Reason::OriginInterrupted),
        (Reply::status(403), Reason::OriginDenied),
        (Reply::status(404), Reason::OriginNotFound),
        (Reply::status(400), Reason::OriginDenied),
        (Reply::status(503), Reason::OriginUnavailable),
        (Reply::status(301), Reason::OriginRedirected),
    ] {
        let (log, _guard) = Log::start();
        let (store, local) = at_a_store(vec![described(OLD)], answer.clone().into()).await;
        refused(make_private(&local).await, reason);
        assert!(log.take("object.updated").is_empty(), "{answer:?}");
        assert!(copies(&store) <= 2, "{answer:?}");
    }
}

#[tokio::test]
async fn an_object_that_others_change_again_and_again_is_given_up() {
    let error = Reply::ok("<Error><Code>PreconditionFailed</Code></Error>");
    for unmet in [Reply::status(412), Reply::status(409), error] {
        let answers: Vec<_> = (0..4).flat_map(|_| [described(OLD), unmet.clone()]).collect();
        let copied = Reply::ok("<CopyObjectResult></CopyObjectResult>");
        let at_last = [&answers[..], &[described(OLD), copied.clone()]].concat();
        let (store, local) = at_a_store(at_last, private().into()).await;
        assert_eq!(make_private(&local).await.unwrap().etag, "\"2\"");
        assert_eq!(copies(&store), 5);

        let never = [&answers[..], &[described(OLD), unmet]].concat();
        let (store, local) = at_a_store(never, described(OLD).into()).await;
        refused(make_private(&local).await, Reason::ObjectChanged);
        assert_eq!(copies(&store), 5);

        // Copied, and undone by another's copy that was begun at the same time.
        let undone = vec![described(OLD), copied.clone(), described(OLD), copied];
        let (store, local) = at_a_store(undone, private().into()).await;
        assert!(make_private(&local).await.unwrap().require_signed_urls);
        assert_eq!(copies(&store), 2);
    }
    // The last change is too near: it is waited for, and then looked at again.
    let near = described("Tue, 14 Nov 2023 22:13:19 GMT");
    let copied = Reply::ok("<CopyObjectResult></CopyObjectResult>");
    let (store, local) = at_a_store(vec![near, described(OLD), copied], private().into()).await;
    let began = Instant::now();
    make_private(&local).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(copies(&store), 1);
}

#[tokio::test]
async fn a_deletion_is_what_the_store_says_it_is() {
    for (answer, reason) in [
        (Reply::status(204), None),
        (Reply::status(200), None),
        (Reply::status(404), None),
        (Reply::status(404).body("<Error><Code>NoSuchBucket</Code></Error>"), Some(Reason::OriginNotFound)),
        (Reply::status(403), Some(Reason::OriginDenied)),
        (Reply::status(503), Some(Reason::OriginUnavailable)),
        (Reply::status(412), Some(Reason::ObjectChanged)),
    ] {
        let (log, _guard) = Log::start();
        let (store, local) = at_a_store(Vec::new(), answer.clone().into()).await;
        let deleted = delete_at(&mut local.client.clone(), "store", "a.png", "").await;
        assert_eq!(log.take("object.deleted").len(), usize::from(reason.is_none()), "{answer:?}");
        match reason {
            Some(reason) => drop(refused(deleted, reason)),
            None => deleted.unwrap(),
        }
        assert_eq!(store.requests()[0].method, "DELETE");
    }
    // With a condition it is looked at first, and the store is told the condition too.
    let (store, local) = at_a_store(vec![described(OLD)], Reply::status(412).into()).await;
    refused(delete_at(&mut local.client.clone(), "store", "a.png", "\"1\"").await, Reason::ObjectChanged);
    let requests = store.requests();
    assert_eq!((requests[0].method.as_str(), requests[1].header("if-match")), ("HEAD", Some("\"1\"")));
}
