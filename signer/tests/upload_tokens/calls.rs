//! What the vectors do not say of the four methods.

use std::collections::BTreeMap;

use prost_types::{Duration, Struct, Value, value::Kind};
use safelight_proto::{
    reason,
    signer::v1::{self as pb, verifier_service_client::VerifierServiceClient},
};
use safelight_signer::{Config, upload::MAX_CALLS};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::{place::Place, served::Served};

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
