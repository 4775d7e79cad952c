//! What the vectors do not say of the methods.

use std::collections::BTreeMap;

use prost_types::{Duration, Struct, Value, value::Kind};
use safelight_proto::{
    reason,
    signer::v1::{self as pb, verifier_service_client::VerifierServiceClient},
};
use safelight_signer::{Config, upload::MAX_CALLS};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::{
    place::Place,
    served::{Client, Served},
};

const NOW: i64 = 1_700_000_000;

fn refused<T: std::fmt::Debug>(
    told: Result<Response<T>, Status>,
    code: Code,
    why: &str,
    field: Option<&str>,
) {
    let status = told.unwrap_err();
    assert_eq!((status.code(), reason::of(&status).as_deref()), (code, Some(why)), "{status:?}");
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, field.into_iter().collect::<Vec<_>>(), "{status:?}");
}

fn metadata(text: &str) -> Option<Struct> {
    let value = Value { kind: Some(Kind::StringValue(text.to_owned())) };
    Some(Struct { fields: BTreeMap::from([("album".to_owned(), value)]) })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_beginning_to_end() {
    for (name, place) in Place::all() {
        let served = Served::start(&place.toml()).await;
        let mut client = served.client();
        let constraints = pb::UploadConstraints {
            max_bytes: 10 << 20,
            allowed_content_types: vec!["image/jpeg".to_owned(), "image/*".to_owned()],
        };
        let asked = pb::CreateUploadTokenRequest {
            account: "acme".to_owned(),
            expiry: Some(pb::create_upload_token_request::Expiry::Ttl(Duration { seconds: 600, nanos: 5 })),
            creator: "user 7".to_owned(),
            metadata: metadata("summer"),
            require_signed_urls: true,
            constraints: Some(constraints.clone()),
            ..Default::default()
        };
        let created = client.create_upload_token(asked.clone()).await.unwrap().into_inner();
        assert_eq!(created.image_id.len(), 36, "a UUID");
        assert_eq!((created.token.len(), created.token_id.len()), (43, 64));
        assert!(!format!("{created:?}").contains(&created.token));

        let mut expected = pb::UploadToken {
            token_id: created.token_id.clone(),
            state: pb::UploadTokenState::Pending.into(),
            image_id: created.image_id.clone(),
            create_time: Some(prost_types::Timestamp { seconds: NOW, nanos: 0 }),
            expire_time: Some(prost_types::Timestamp { seconds: NOW + 600, nanos: 0 }),
            end_time: None,
            creator: asked.creator.clone(),
            metadata: asked.metadata.clone(),
            require_signed_urls: true,
            constraints: Some(constraints),
            lease_expire_time: None,
        };
        let by_id = pb::GetUploadTokenRequest {
            account: "acme".to_owned(),
            selector: Some(pb::get_upload_token_request::Selector::TokenId(created.token_id.clone())),
        };
        let by_token = pb::GetUploadTokenRequest {
            selector: Some(pb::get_upload_token_request::Selector::Token(created.token.clone())),
            ..by_id.clone()
        };
        for get in [&by_id, &by_token] {
            let told = client.get_upload_token(get.clone()).await.unwrap().into_inner();
            assert_eq!(told.upload_token.as_ref(), Some(&expected), "{name}");
            let other = pb::GetUploadTokenRequest { account: "acme2".to_owned(), ..get.clone() };
            refused(client.get_upload_token(other).await, Code::NotFound, "TOKEN_NOT_FOUND", None);
        }

        served.clock.set(1_700_000_600);
        expected.state = pb::UploadTokenState::Expired.into();
        let told = client.get_upload_token(by_id.clone()).await.unwrap().into_inner();
        assert_eq!(told.upload_token.as_ref(), Some(&expected), "{name}");
        served.clock.set(1_700_000_005);

        let redeem = pb::RedeemUploadTokenRequest {
            account: "acme".to_owned(),
            token: created.token.clone(),
            request_id: "upload-1".to_owned(),
        };
        expected.state = pb::UploadTokenState::Redeemed.into();
        expected.end_time = Some(prost_types::Timestamp { seconds: NOW + 5, nanos: 0 });
        for (later, replayed) in [(5, false), (9, true), (700, true)] {
            served.clock.set(1_700_000_000 + later);
            let told = client.redeem_upload_token(redeem.clone()).await.unwrap().into_inner();
            assert_eq!((told.upload_token.as_ref(), told.replayed), (Some(&expected), replayed), "{name}");
        }
        let cancel = pb::CancelUploadTokenRequest {
            account: "acme".to_owned(),
            selector: Some(pb::cancel_upload_token_request::Selector::TokenId(created.token_id)),
        };
        let told = client.cancel_upload_token(cancel).await;
        refused(told, Code::FailedPrecondition, "TOKEN_ALREADY_REDEEMED", None);
    }
}

/// One token, and what is asked of it under a request id.
struct Upload {
    client: Client,
    account: &'static str,
    token: String,
}

impl Upload {
    async fn create(served: &Served) -> Self {
        let mut client = served.client();
        let create = pb::CreateUploadTokenRequest { account: "acme".to_owned(), ..Default::default() };
        let token = client.create_upload_token(create).await.unwrap().into_inner().token;
        Self { client, account: "acme", token }
    }

    async fn reserve(
        &mut self,
        request_id: &str,
        lease: Option<i64>,
    ) -> Result<Response<pb::ReserveUploadTokenResponse>, Status> {
        let reserve = pb::ReserveUploadTokenRequest {
            account: self.account.to_owned(),
            token: self.token.clone(),
            request_id: request_id.to_owned(),
            lease: lease.map(|seconds| Duration { seconds, nanos: 0 }),
        };
        self.client.reserve_upload_token(reserve).await
    }

    async fn redeem(&mut self, request_id: &str) -> Result<Response<pb::RedeemUploadTokenResponse>, Status> {
        let redeem = pb::RedeemUploadTokenRequest {
            account: self.account.to_owned(),
            token: self.token.clone(),
            request_id: request_id.to_owned(),
        };
        self.client.redeem_upload_token(redeem).await
    }

    async fn release(
        &mut self,
        request_id: &str,
    ) -> Result<Response<pb::ReleaseUploadTokenResponse>, Status> {
        let release = pb::ReleaseUploadTokenRequest {
            account: self.account.to_owned(),
            token: self.token.clone(),
            request_id: request_id.to_owned(),
        };
        self.client.release_upload_token(release).await
    }

    async fn cancel(&mut self) -> Result<Response<pb::CancelUploadTokenResponse>, Status> {
        let cancel = pb::CancelUploadTokenRequest {
            account: self.account.to_owned(),
            selector: Some(pb::cancel_upload_token_request::Selector::Token(self.token.clone())),
        };
        self.client.cancel_upload_token(cancel).await
    }

    /// What has become of it, and when its lease ends, in seconds from the beginning.
    async fn state(&mut self) -> (pb::UploadTokenState, Option<i64>) {
        let get = pb::GetUploadTokenRequest {
            account: self.account.to_owned(),
            selector: Some(pb::get_upload_token_request::Selector::Token(self.token.clone())),
        };
        state(self.client.get_upload_token(get).await.unwrap().into_inner().upload_token)
    }
}

fn state(token: Option<pb::UploadToken>) -> (pb::UploadTokenState, Option<i64>) {
    let token = token.unwrap();
    (token.state(), token.lease_expire_time.map(|time| time.seconds - NOW))
}

/// FAILED_PRECONDITION `TOKEN_RESERVED`, with the seconds that are left.
fn reserved<T: std::fmt::Debug>(told: Result<Response<T>, Status>, left: u64) {
    let status = told.as_ref().unwrap_err();
    let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
    assert_eq!(delay, Some(std::time::Duration::from_secs(left)), "{status:?}");
    refused(told, Code::FailedPrecondition, "TOKEN_RESERVED", None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_from_beginning_to_end() {
    use pb::UploadTokenState::{Cancelled, Expired, Pending, Redeemed, Reserved};

    for (name, place) in Place::all() {
        let served = Served::start(&place.toml()).await;
        let at = |seconds: u64| served.clock.set(NOW.cast_unsigned() + seconds);
        at(0);

        // Reserve, renew, commit; others wait.
        let mut upload = Upload::create(&served).await;
        let told = upload.reserve("r", None).await.unwrap().into_inner();
        assert_eq!((state(told.upload_token), told.replayed), ((Reserved, Some(300)), false), "{name}");
        assert_eq!(upload.state().await, (Reserved, Some(300)));
        at(100);
        reserved(upload.reserve("s", None).await, 200);
        reserved(upload.redeem("s").await, 200);
        reserved(upload.redeem("").await, 200);
        reserved(upload.cancel().await, 200);
        let told = upload.reserve("r", Some(900)).await.unwrap().into_inner();
        assert_eq!((state(told.upload_token), told.replayed), ((Reserved, Some(1000)), true), "{name}");
        let told = upload.release("s").await.unwrap().into_inner();
        assert_eq!(state(told.upload_token), (Reserved, Some(1000)), "{name}: without effect");
        for replayed in [false, true] {
            let told = upload.redeem("r").await.unwrap().into_inner();
            assert_eq!((state(told.upload_token), told.replayed), ((Redeemed, None), replayed), "{name}");
        }
        for request_id in ["r", "s"] {
            let told = upload.reserve(request_id, None).await;
            refused(told, Code::FailedPrecondition, "TOKEN_ALREADY_REDEEMED", None);
        }
        let told = upload.release("r").await;
        refused(told, Code::FailedPrecondition, "TOKEN_ALREADY_REDEEMED", None);
        let told = upload.release("s").await.unwrap().into_inner();
        assert_eq!(state(told.upload_token), (Redeemed, None), "{name}: without effect");

        // Release: pending again, for every other; and the same once more, without effect.
        let mut upload = Upload::create(&served).await;
        upload.reserve("r", Some(60)).await.unwrap();
        for _ in 0..2 {
            let told = upload.release("r").await.unwrap().into_inner();
            assert_eq!(state(told.upload_token), (Pending, None), "{name}");
        }
        upload.redeem("s").await.unwrap();

        // Reserved before its expiry (at 1900), committed after it.
        let mut upload = Upload::create(&served).await;
        at(1899);
        upload.reserve("r", Some(900)).await.unwrap();
        at(2798);
        assert_eq!(upload.state().await, (Reserved, Some(2799)), "{name}");
        reserved(upload.reserve("s", None).await, 1);
        // The lease has ended: expired, to all but the request that held it.
        at(2799);
        assert_eq!(upload.state().await, (Expired, None), "{name}");
        let told = upload.reserve("s", None).await;
        refused(told, Code::FailedPrecondition, "TOKEN_EXPIRED", None);
        refused(upload.redeem("s").await, Code::FailedPrecondition, "TOKEN_EXPIRED", None);
        assert!(!upload.redeem("r").await.unwrap().into_inner().replayed, "{name}");

        // The lease has ended: pending, and another takes it.
        let mut upload = Upload::create(&served).await;
        upload.reserve("r", Some(1)).await.unwrap();
        at(2800);
        assert_eq!(upload.state().await, (Pending, None), "{name}");
        upload.reserve("s", Some(10)).await.unwrap();
        reserved(upload.redeem("r").await, 10);
        upload.redeem("s").await.unwrap();
        let told = upload.redeem("r").await;
        refused(told, Code::FailedPrecondition, "TOKEN_ALREADY_REDEEMED", None);

        // Cancelled after the lease: not committed any more.
        let mut upload = Upload::create(&served).await;
        upload.reserve("r", Some(1)).await.unwrap();
        at(2801);
        let told = upload.cancel().await.unwrap().into_inner();
        assert_eq!(state(told.upload_token), (Cancelled, None), "{name}");
        refused(upload.redeem("r").await, Code::FailedPrecondition, "TOKEN_CANCELLED", None);
        refused(upload.reserve("r", None).await, Code::FailedPrecondition, "TOKEN_CANCELLED", None);
        upload.release("r").await.unwrap();

        // To another account there is no such token.
        let mut upload = Upload::create(&served).await;
        upload.reserve("r", None).await.unwrap();
        let mut other = Upload { account: "other", client: served.client(), token: upload.token.clone() };
        refused(other.reserve("r", None).await, Code::NotFound, "TOKEN_NOT_FOUND", None);
        refused(other.redeem("r").await, Code::NotFound, "TOKEN_NOT_FOUND", None);
        refused(other.release("r").await, Code::NotFound, "TOKEN_NOT_FOUND", None);
        refused(other.cancel().await, Code::NotFound, "TOKEN_NOT_FOUND", None);
        assert_eq!(upload.state().await, (Reserved, Some(2801 + 300)), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_64_clients_reserves_a_token() {
    for (name, place) in Place::all() {
        let served = Served::start(&place.toml()).await;
        let upload = Upload::create(&served).await;
        let mut clients = tokio::task::JoinSet::new();
        let start = std::sync::Arc::new(tokio::sync::Barrier::new(64));
        for number in 0..64 {
            let mut upload = Upload { client: served.client(), account: "acme", token: upload.token.clone() };
            let start = std::sync::Arc::clone(&start);
            clients.spawn(async move {
                // Connected, all of them.
                upload.state().await;
                start.wait().await;
                (number, upload.reserve(&number.to_string(), Some(60)).await)
            });
        }
        let mut holders = Vec::new();
        for (number, told) in clients.join_all().await {
            match told {
                Ok(told) => holders.push((number, told.into_inner().replayed)),
                Err(status) => reserved(Err::<Response<()>, _>(status), 60),
            }
        }
        assert!(matches!(holders[..], [(_, false)]), "{name}: {holders:?}");
    }
}

/// By grant, in the trail and among the metrics, as the other methods are.
#[tokio::test(flavor = "multi_thread")]
async fn reserving_and_releasing_are_granted_recorded_and_counted() {
    let place = Place::embedded();
    let trail = place.path().with_file_name("audit.jsonl");
    let key = place.path().with_file_name("audit-key");
    std::fs::write(&key, "fake-audit-key").unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
    let audit = format!("[audit]\nsink = 'file'\npath = {trail:?}\nkey_file = {key:?}\nmode = 'required'\n");
    let served = Served::start(&format!("{audit}{}", place.toml())).await;
    let mut upload = Upload::create(&served).await;
    upload.reserve("fake-attempt", None).await.unwrap();
    upload.reserve("another", None).await.unwrap_err();
    upload.release("fake-attempt").await.unwrap();
    let text = std::fs::read_to_string(&trail).unwrap();
    for secret in [upload.token.as_str(), "fake-attempt"] {
        assert!(!text.contains(secret), "{text}");
    }
    let records = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let (mut told, mut subjects) = (Vec::new(), Vec::new());
    for record in records.filter(|record| record["event"] == "call") {
        let of = |name: &str| record[name].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        told.push([of("caller"), of("method"), of("reason")].join(" "));
        subjects.push(of("subject"));
    }
    assert_eq!(
        told,
        [
            "anonymous CreateUploadToken OK",
            "anonymous ReserveUploadToken OK",
            "anonymous ReserveUploadToken TOKEN_RESERVED",
            "anonymous ReleaseUploadToken OK",
        ]
    );
    subjects.dedup();
    assert_eq!(subjects.len(), 1, "one token, by a digest: {subjects:?}");
    for (method, code) in [
        ("ReserveUploadToken", "OK"),
        ("ReserveUploadToken", "FAILED_PRECONDITION"),
        ("ReleaseUploadToken", "OK"),
    ] {
        let method = format!("method=\"safelight.signer.v1.UploadTokenService/{method}\",code=\"{code}\"");
        let line = format!("safelight_calls_total{{{method}}} 1\n");
        // Counted when it is over, which is after its answer.
        let began = std::time::Instant::now();
        while !served.metrics().await.contains(&line) {
            assert!(began.elapsed().as_secs() < 10, "{line}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    served.stop().await;

    // Who may redeem and no more may not reserve; who may reserve may only for the accounts of the grant.
    let granted = |methods: &str, accounts: &str| {
        let grant = format!("methods = [{methods}]\nkeys = [\"*\"]\naccounts = [{accounts}]\n");
        let toml = place.toml();
        let (head, _) = toml.split_once("methods").unwrap();
        format!("{head}{grant}")
    };
    let served = Served::start(&granted("'CreateUploadToken', 'RedeemUploadToken'", "'acme'")).await;
    let mut upload = Upload::create(&served).await;
    refused(upload.reserve("r", None).await, Code::PermissionDenied, "CALLER_DENIED", None);
    refused(upload.release("r").await, Code::PermissionDenied, "CALLER_DENIED", None);
    served.stop().await;
    let methods = "'CreateUploadToken', 'ReserveUploadToken', 'ReleaseUploadToken'";
    let served = Served::start(&granted(methods, "'acme'")).await;
    let mut upload = Upload::create(&served).await;
    upload.reserve("r", None).await.unwrap();
    upload.release("r").await.unwrap();
    upload.account = "other";
    refused(upload.reserve("r", None).await, Code::PermissionDenied, "CALLER_DENIED", None);
    refused(upload.release("r").await, Code::PermissionDenied, "CALLER_DENIED", None);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_say_what_is_wrong() {
    let place = Place::embedded();
    let served = Served::start(&place.toml()).await;
    let mut client = served.client();
    let good = pb::CreateUploadTokenRequest { account: "acme".to_owned(), ..Default::default() };
    let types = |types: &[&str]| {
        let allowed_content_types = types.iter().map(|text| (*text).to_owned()).collect();
        Some(pb::UploadConstraints { max_bytes: 0, allowed_content_types })
    };
    for (create, reason, field) in [
        (pb::CreateUploadTokenRequest { account: String::new(), ..good.clone() }, "FIELD_INVALID", "account"),
        (
            pb::CreateUploadTokenRequest { creator: "\n".to_owned(), ..good.clone() },
            "FIELD_INVALID",
            "creator",
        ),
        (
            pb::CreateUploadTokenRequest { metadata: metadata(&"x".repeat(4096)), ..good.clone() },
            "FIELD_INVALID",
            "metadata",
        ),
        (
            pb::CreateUploadTokenRequest { constraints: types(&["image/png", "PNG"]), ..good.clone() },
            "FIELD_INVALID",
            "constraints.allowed_content_types[1]",
        ),
        (
            pb::CreateUploadTokenRequest { image_id: "a/../b".to_owned(), ..good.clone() },
            "IMAGE_ID_INVALID",
            "image_id",
        ),
        (
            pb::CreateUploadTokenRequest {
                expiry: Some(pb::create_upload_token_request::Expiry::Ttl(Duration {
                    seconds: -1,
                    nanos: 0,
                })),
                ..good.clone()
            },
            "EXPIRY_OUT_OF_RANGE",
            "expiry",
        ),
    ] {
        refused(client.create_upload_token(create).await, Code::InvalidArgument, reason, Some(field));
    }
    let get = |selector| pb::GetUploadTokenRequest { account: "acme".to_owned(), selector };
    for (selector, field) in [
        (None, "token"),
        (Some(pb::get_upload_token_request::Selector::Token("x".to_owned())), "token"),
        (Some(pb::get_upload_token_request::Selector::TokenId("x".to_owned())), "token_id"),
    ] {
        let told = client.get_upload_token(get(selector)).await;
        refused(told, Code::InvalidArgument, "FIELD_INVALID", Some(field));
    }
    let redeem = |token: &str, request_id: &str| pb::RedeemUploadTokenRequest {
        account: "acme".to_owned(),
        token: token.to_owned(),
        request_id: request_id.to_owned(),
    };
    let unknown = "A".repeat(43);
    let told = client.redeem_upload_token(redeem(&unknown, "r")).await;
    refused(told, Code::NotFound, "TOKEN_NOT_FOUND", None);
    let told = client.redeem_upload_token(redeem(&unknown, "a b")).await;
    refused(told, Code::InvalidArgument, "FIELD_INVALID", Some("request_id"));
    let reserve = |request_id: &str, seconds: i64, nanos: i32| pb::ReserveUploadTokenRequest {
        account: "acme".to_owned(),
        token: unknown.clone(),
        request_id: request_id.to_owned(),
        lease: Some(Duration { seconds, nanos }),
    };
    let long = "r".repeat(129);
    for (request_id, seconds, nanos, field) in [
        ("", 60, 0, "request_id"),
        ("a b", 60, 0, "request_id"),
        (long.as_str(), 60, 0, "request_id"),
        ("r", 0, 999_999_999, "lease"),
        ("r", -1, 0, "lease"),
        ("r", i64::MIN, 0, "lease"),
        ("r", 901, 0, "lease"),
        ("r", i64::MAX, 0, "lease"),
    ] {
        let told = client.reserve_upload_token(reserve(request_id, seconds, nanos)).await;
        refused(told, Code::InvalidArgument, "FIELD_INVALID", Some(field));
    }
    for (request_id, seconds, nanos) in [("r", 1, 0), ("r", 900, 999_999_999), (&long[1..], 60, 0)] {
        let told = client.reserve_upload_token(reserve(request_id, seconds, nanos)).await;
        refused(told, Code::NotFound, "TOKEN_NOT_FOUND", None);
    }
    let bad = pb::ReserveUploadTokenRequest { token: "x".to_owned(), ..reserve("r", 60, 0) };
    let told = client.reserve_upload_token(bad).await;
    refused(told, Code::InvalidArgument, "FIELD_INVALID", Some("token"));
    let release = |token: &str, request_id: &str| pb::ReleaseUploadTokenRequest {
        account: "acme".to_owned(),
        token: token.to_owned(),
        request_id: request_id.to_owned(),
    };
    for (token, request_id, field) in
        [(unknown.as_str(), "", "request_id"), (&unknown, "a b", "request_id"), ("x", "r", "token")]
    {
        let told = client.release_upload_token(release(token, request_id)).await;
        refused(told, Code::InvalidArgument, "FIELD_INVALID", Some(field));
    }
    let told = client.release_upload_token(release(&unknown, "r")).await;
    refused(told, Code::NotFound, "TOKEN_NOT_FOUND", None);
    // The id of a token is not the token.
    let created = client.create_upload_token(good).await.unwrap().into_inner();
    let told = client.redeem_upload_token(redeem(&created.token_id, "r")).await;
    refused(told, Code::InvalidArgument, "FIELD_INVALID", Some("token"));
    let told = client.redeem_upload_token(redeem(&created.token_id[..43], "r")).await;
    assert!(told.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_gone_is_told_and_stops_nothing_else() {
    let Some(mut place) = Place::postgres() else { return };
    let served = Served::start(&place.toml()).await;
    let mut client = served.client();
    let create = pb::CreateUploadTokenRequest { account: "acme".to_owned(), ..Default::default() };
    client.create_upload_token(create.clone()).await.unwrap();
    place.postgres.as_mut().unwrap().crash();
    let status = client.create_upload_token(create.clone()).await.unwrap_err();
    assert_eq!(
        (status.code(), reason::of(&status).as_deref()),
        (Code::Unavailable, Some("STORE_UNAVAILABLE"))
    );
    assert!(status.get_details_retry_info().is_some());
    assert!(!format!("{status:?}").to_lowercase().contains("postgres"), "nothing internal: {status:?}");
    // It starts without its database, too.
    let another = Served::start(&place.toml()).await;
    let status = another.client().create_upload_token(create.clone()).await.unwrap_err();
    assert_eq!(reason::of(&status).as_deref(), Some("STORE_UNAVAILABLE"));
    place.postgres.as_mut().unwrap().recover();
    client.create_upload_token(create.clone()).await.unwrap();
    another.client().create_upload_token(create).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_hangs_takes_no_more_than_its_share() {
    let Some(place) = Place::postgres() else { return };
    let served = Served::start(&place.toml()).await;
    let create = pb::CreateUploadTokenRequest { account: "acme".to_owned(), ..Default::default() };
    served.client().create_upload_token(create.clone()).await.unwrap();
    // Nobody gets at the table meanwhile.
    let (database, connection) =
        tokio_postgres::connect(&place.postgres.as_ref().unwrap().url(), tokio_postgres::NoTls)
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    database.batch_execute("BEGIN; LOCK TABLE safelight_upload_tokens").await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..MAX_CALLS + 16 {
        // A connection each, for one takes only so many calls.
        let (mut client, create) = (served.client(), create.clone());
        calls.spawn(async move { client.create_upload_token(create).await.unwrap_err() });
    }
    let mut verifier = VerifierServiceClient::new(served.channel());
    let verify =
        pb::VerifyUrlRequest { key: "web".to_owned(), request_target: "/".to_owned(), ..Default::default() };
    let mut told = Vec::new();
    while let Some(status) = calls.join_next().await {
        // Verifying goes on beside it.
        verifier.verify_url(verify.clone()).await.unwrap();
        told.push(reason::of(&status.unwrap()).unwrap());
    }
    let count = |reason: &str| told.iter().filter(|told| *told == reason).count();
    assert_eq!(count("BUSY"), 16, "{told:?}");
    assert_eq!(count("STORE_UNAVAILABLE") + count("DEADLINE_EXCEEDED"), MAX_CALLS, "{told:?}");
    database.batch_execute("ROLLBACK").await.unwrap();
    served.client().create_upload_token(create).await.unwrap();
    connection.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_served_where_it_is_configured() {
    let place = Place::embedded();
    let toml = place.toml();
    let keys_only = &toml[toml.find("[[keys]]").unwrap()..];
    let served = Served::start(keys_only).await;
    let create = pb::CreateUploadTokenRequest { account: "acme".to_owned(), ..Default::default() };
    let status = served.client().create_upload_token(create).await.unwrap_err();
    assert_eq!(
        (status.code(), reason::of(&status).as_deref()),
        (Code::Unimplemented, Some("METHOD_UNKNOWN"))
    );
}

#[test]
fn the_configuration() {
    let place = Place::embedded();
    let toml = place.toml();
    let keys = &toml[toml.find("[[keys]]").unwrap()..];
    let url = place.path().with_file_name("url");
    let write = |text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        drop(std::fs::remove_file(&url));
        std::fs::write(&url, text).unwrap();
        std::fs::set_permissions(&url, std::fs::Permissions::from_mode(0o400)).unwrap();
    };
    write("postgres://me:fake-database-password@db.internal/x");
    let url_file = format!("url_file = {:?}", url.display().to_string());
    for (section, expected) in [
        ("path = '/x'", &[][..]),
        ("store = 'embedded'\npath = '/x'\nretention = '1m'\nprivate_custom_ids = true", &[]),
        ("", &["upload_tokens.path: missing"]),
        ("store = 'redis'\npath = '/x'", &["upload_tokens.store: expected one of embedded, postgres"]),
        ("path = '/x'\nretention = '59s'", &["upload_tokens.retention: expected at least 1m"]),
        ("path = '/x'\nconnections = 3", &["upload_tokens.connections: belongs to `store = \"postgres\"`"]),
        ("path = '/x'\nurl_file = '/y'", &["upload_tokens.url_file: belongs to `store = \"postgres\"`"]),
        ("path = '/x'\nurl = 'y'", &["upload_tokens.url: unknown key"]),
        ("store = 'postgres'", &["upload_tokens.url_file: missing"]),
        (
            "store = 'postgres'\npath = '/x'\nconnections = 65\nurl_file = '/nonexistent'",
            &[
                "upload_tokens.path: belongs to `store = \"embedded\"`",
                "upload_tokens.connections: expected 1 to 64",
                "upload_tokens.url_file: cannot be read: entity not found",
            ],
        ),
        (
            &format!("store = 'postgres'\n{url_file}"),
            &["upload_tokens.url_file: names a host that is not this machine"],
        ),
    ] {
        let told = Config::read(&format!("[upload_tokens]\n{section}\n{keys}")).err();
        let told: Vec<_> = told.iter().flat_map(|errors| &errors.errors).map(ToString::to_string).collect();
        assert_eq!(told.len(), expected.len(), "{section}: {told:?}");
        assert!(
            told.iter().zip(expected).all(|(told, expected)| told.starts_with(expected)),
            "{section}: {told:?}"
        );
        assert!(!format!("{told:?}").contains("fake-database-password"));
    }
    write("postgres://me:fake-database-password@127.0.0.1/x");
    assert!(Config::read(&format!("[upload_tokens]\nstore = 'postgres'\n{url_file}\n{keys}")).is_ok());
}
