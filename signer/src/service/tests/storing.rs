//! `UploadService` as an honest resizer calls it. The hostile one has a file of its own.

use std::collections::BTreeMap;

use pb::{
    Verdict, upload_authority::Authority, upload_service_server::UploadService,
    upload_token_service_server::UploadTokenService,
};
use prost_types::{Struct, Value, value::Kind};
use safelight_proto::upload::Identity;

use super::{
    storer::{
        BASE, SHA, authorize, begin, begin_request, by_form, by_grant, by_token, digest, field, file, finish,
        form, header, resizer, signer, token, tokens,
    },
    *,
};

fn metadata(fields: &[(&str, Kind)]) -> Option<Struct> {
    let fields = fields.iter().map(|(name, kind)| ((*name).to_owned(), Value { kind: Some(kind.clone()) }));
    Some(Struct { fields: fields.collect() })
}

/// What is signed is what `SignOriginRequest` signs of the same request.
async fn assert_signed(signer: &Signer, answer: &pb::AuthorizeUploadResponse) {
    let is_added = |header: &&pb::Header| {
        ["authorization", "x-amz-date", "x-amz-content-sha256"].contains(&header.name.as_str())
    };
    let own: Vec<_> = answer.put_headers.iter().filter(|header| !is_added(header)).cloned().collect();
    let origin = pb::SignOriginRequestRequest {
        key: "s3".to_owned(),
        method: "PUT".to_owned(),
        url: answer.url.clone(),
        region: "eu-west-1".to_owned(),
        headers: own.clone(),
        body_sha256: SHA.to_owned(),
        ..Default::default()
    };
    let signed = ok(signer.sign_origin_request(allowed(origin.clone())).await).headers;
    assert_eq!(answer.put_headers, [own, signed].concat());
    let signed_headers = header(&answer.put_headers, "authorization").unwrap();
    for name in answer.put_headers.iter().map(|header| &header.name).filter(|name| *name != "authorization") {
        assert!(signed_headers.contains(name.as_str()), "{name} is not signed: {signed_headers}");
    }
    let head = pb::SignOriginRequestRequest {
        method: "HEAD".to_owned(),
        headers: vec![],
        body_sha256: String::new(),
        ..origin
    };
    assert_eq!(answer.head_headers, ok(signer.sign_origin_request(allowed(head)).await).headers);
    assert_eq!(answer.expire_time, Some(timestamp(NOW + 900)));
}

/// The headers of a PUT without those of the signature.
fn own(answer: &pb::AuthorizeUploadResponse) -> BTreeMap<&str, &str> {
    let own = answer.put_headers.iter().map(|header| (header.name.as_str(), header.value.as_str()));
    own.filter(|(name, _)| !matches!(*name, "authorization" | "x-amz-date")).collect()
}

#[tokio::test]
async fn a_token_is_reserved_signed_for_and_redeemed() {
    let signer = signer();
    let token = token(&signer, |request| {
        request.require_signed_urls = true;
        request.creator = "ann é".to_owned();
        request.metadata = metadata(&[
            ("album", Kind::StringValue("Été".to_owned())),
            ("n", Kind::NumberValue(3.0)),
            ("x", Kind::NumberValue(0.5)),
        ]);
        request.constraints = Some(pb::UploadConstraints {
            max_bytes: 500,
            allowed_content_types: vec!["image/jpeg".to_owned(), "application/*".to_owned()],
        });
    })
    .await;
    let by = by_token(&token);
    let begun = ok(begin(&signer, "tokens", &by, "r1").await);
    assert_eq!((begun.verdict(), begun.reason()), (Verdict::Valid, pb::Reason::Ok));
    assert_eq!((begun.account.as_str(), begun.image_id.as_str()), ("acme", "cat"));
    assert_eq!(begun.max_bytes, 500);
    assert_eq!(begun.content_types, ["image/jpeg", "image/png"]);
    assert_eq!(begun.token_content_types, ["image/jpeg", "application/*"]);
    assert_eq!(
        (begun.require_signed_urls, begun.creator.as_str(), begun.already_stored),
        (true, "ann é", false)
    );
    assert_eq!(begun.metadata.as_ref().map(|metadata| metadata.fields.len()), Some(3));
    assert_eq!(begun.lease_expire_time, Some(timestamp(NOW + 300)));
    assert_eq!(begun.token_id.len(), 64);

    let file = pb::UploadedFile { length: 500, ..file() };
    let signed = ok(authorize(&signer, "tokens", &by, "r1", file.clone()).await);
    assert_eq!((signed.verdict(), signed.image_id.as_str()), (Verdict::Valid, "cat"));
    assert_eq!(signed.object_key, "u/acme/cat");
    assert_eq!(signed.url, format!("{BASE}u/acme/cat"));
    assert_eq!(signed.upload_id, begun.token_id);
    let expected = [
        ("content-length", "500"),
        ("content-type", "image/jpeg"),
        ("if-none-match", "*"),
        ("x-amz-content-sha256", SHA),
        ("x-amz-meta-creator", "ann%20%C3%A9"),
        ("x-amz-meta-filename", "Cat%201.jpg"),
        ("x-amz-meta-metadata", r#"{"album":"%C3%89t%C3%A9","n":3,"x":0.5}"#),
        ("x-amz-meta-require-signed-urls", "true"),
        ("x-amz-meta-sha256", SHA),
        ("x-amz-meta-upload", begun.token_id.as_str()),
    ];
    assert_eq!(own(&signed), expected.into());
    assert_signed(&signer, &signed).await;
    // Nothing but the reading of a record.
    assert_eq!(ok(authorize(&signer, "tokens", &by, "r1", file.clone()).await), signed);

    let done = ok(finish(&signer, "tokens", &by, "r1", true).await);
    assert_eq!((done.redeem_time, done.replayed, done.version), (Some(timestamp(NOW)), false, 0));
    let again = ok(finish(&signer, "tokens", &by, "r1", true).await);
    assert_eq!((again.redeem_time, again.replayed), (Some(timestamp(NOW)), true));

    // The same request may ask for all of it again, and stores nothing.
    let again = ok(begin(&signer, "tokens", &by, "r1").await);
    assert_eq!(again, pb::BeginUploadResponse { already_stored: true, lease_expire_time: None, ..begun });
    let again = ok(authorize(&signer, "tokens", &by, "r1", file).await);
    assert_eq!(again, pb::AuthorizeUploadResponse { already_stored: true, put_headers: vec![], ..signed });
    let other = begin(&signer, "tokens", &by, "r2").await;
    assert_eq!(refused(other).1, "TOKEN_ALREADY_REDEEMED");
}

#[tokio::test]
async fn a_refused_upload_gives_its_token_back() {
    let signer = signer();
    let token = token(&signer, |_| {}).await;
    let by = by_token(&token);
    ok(begin(&signer, "tokens", &by, "r1").await);
    let other = begin(&signer, "tokens", &by, "r2").await;
    assert_eq!(refused(other), (Code::FailedPrecondition, "TOKEN_RESERVED".to_owned()));
    for _ in 0..2 {
        let ended = ok(finish(&signer, "tokens", &by, "r1", false).await);
        assert_eq!(ended, pb::FinishUploadResponse::default());
    }
    ok(begin(&signer, "tokens", &by, "r2").await);
    assert_eq!(refused(finish(&signer, "tokens", &by, "r1", true).await).1, "TOKEN_RESERVED");
    ok(finish(&signer, "tokens", &by, "r2", true).await);
    assert_eq!(refused(finish(&signer, "tokens", &by, "r1", true).await).1, "TOKEN_ALREADY_REDEEMED");
    assert_eq!(refused(finish(&signer, "tokens", &by, "r2", false).await).1, "TOKEN_ALREADY_REDEEMED");
}

#[tokio::test]
async fn a_lease_that_ends_soon_is_renewed() {
    let signer = signer();
    let token = token(&signer, |_| {}).await;
    let by = by_token(&token);
    let mut request = begin_request(&signer, "tokens", &by, "r");
    request.lease = Some(Duration { seconds: 100, nanos: 0 });
    let begun = ok(signer.begin_upload(resizer("BeginUpload", request)).await);
    assert_eq!(begun.lease_expire_time, Some(timestamp(NOW + 100)));
    let lease_ends = async || {
        let selector = Some(pb::get_upload_token_request::Selector::Token(token.clone()));
        let request = pb::GetUploadTokenRequest { account: "acme".to_owned(), selector };
        let told = ok(tokens(&signer).get_upload_token(allowed(request)).await);
        told.upload_token.unwrap().lease_expire_time
    };
    for (at, ends) in [(40, 100), (41, 101), (100, 160), (159, 219)] {
        signer.clock.set(NOW + at);
        ok(authorize(&signer, "tokens", &by, "r", file()).await);
        assert_eq!(lease_ends().await, Some(timestamp(NOW + ends)), "{at}");
    }
    signer.clock.set(NOW + 219);
    let late = authorize(&signer, "tokens", &by, "r", file()).await;
    assert_eq!(refused(late), (Code::FailedPrecondition, "TOKEN_NOT_RESERVED".to_owned()));
}

#[tokio::test]
async fn a_form_is_verified_and_its_answer_signed() {
    let signer = signer();
    let fields = form(
        &signer,
        &[
            ("public_id", "cats/tom"),
            ("folder", "users/7"),
            ("type", "private"),
            ("tags", "a,b"),
            ("context", "alt=x"),
            ("asset_folder", "home"),
            ("allowed_formats", "jpg,webp"),
            ("eager", "thumb"),
        ],
    )
    .await;
    let by = by_form([fields, vec![field("resource_type", "image"), field("cloud_name", "demo")]].concat());
    let begun = ok(begin(&signer, "forms", &by, "r").await);
    assert_eq!((begun.verdict(), begun.image_id.as_str()), (Verdict::Valid, "users/7/cats/tom"));
    assert_eq!((begun.max_bytes, begun.require_signed_urls), (1000, true));
    assert_eq!(begun.token_content_types, ["image/jpeg", "image/webp"]);
    assert!(begun.account.is_empty() && begun.token_id.is_empty() && begun.lease_expire_time.is_none());

    let signed = ok(authorize(&signer, "forms", &by, "r", file()).await);
    assert_eq!(
        (signed.image_id.as_str(), signed.object_key.as_str()),
        ("users/7/cats/tom", "f/users/7/cats/tom")
    );
    assert_eq!(signed.upload_id.len(), 32);
    let headers = own(&signed);
    assert_eq!(headers.get("if-none-match"), Some(&"*"));
    assert_eq!(headers.get("x-amz-meta-require-signed-urls"), Some(&"true"));
    let kept = r#"{"asset_folder":"home","context":{"alt":"x"},"tags":["a","b"]}"#;
    assert_eq!(headers.get("x-amz-meta-metadata"), Some(&kept));
    assert_signed(&signer, &signed).await;

    let done = ok(finish(&signer, "forms", &by, "r", true).await);
    assert_eq!((done.version, done.redeem_time), (NOW, None));
    let answer = pb::UploadAnswer {
        public_id: "users/7/cats/tom".to_owned(),
        version: NOW.to_string(),
        signature: done.answer_signature,
    };
    let verify = pb::VerifyNotificationRequest {
        key: "forms".to_owned(),
        notification: Some(pb::verify_notification_request::Notification::UploadAnswer(answer)),
        max_age: None,
    };
    assert_eq!(ok(signer.verify_notification(allowed(verify)).await).verdict(), Verdict::Valid);
    assert_eq!(ok(finish(&signer, "forms", &by, "r", false).await), pb::FinishUploadResponse::default());
}

#[tokio::test]
async fn a_form_may_grow_old_while_its_file_is_received() {
    let signer = signer();
    let by = by_form(form(&signer, &[("public_id", "a")]).await);
    for (at, begins, goes_on, ends) in [
        (3600, pb::Reason::Ok, pb::Reason::Ok, true),
        (3601, pb::Reason::Stale, pb::Reason::Ok, true),
        (4500, pb::Reason::Stale, pb::Reason::Ok, true),
        (4501, pb::Reason::Stale, pb::Reason::Stale, true),
        (5400, pb::Reason::Stale, pb::Reason::Stale, true),
        (5401, pb::Reason::Stale, pb::Reason::Stale, false),
    ] {
        signer.clock.set(NOW + at);
        let begun = ok(begin(&signer, "forms", &by, "r").await);
        assert_eq!(begun.reason(), begins, "{at}");
        let signed = ok(authorize(&signer, "forms", &by, "r", file()).await);
        assert_eq!(signed.reason(), goes_on, "{at}");
        if goes_on != pb::Reason::Ok {
            let nothing = pb::AuthorizeUploadResponse {
                verdict: Verdict::Invalid.into(),
                reason: goes_on.into(),
                ..Default::default()
            };
            assert_eq!(signed, nothing);
        }
        assert_eq!(finish(&signer, "forms", &by, "r", true).await.is_ok(), ends, "{at}");
    }
    signer.clock.set(NOW - 301);
    assert_eq!(ok(begin(&signer, "forms", &by, "r").await).reason(), pb::Reason::NotYetValid);
}

#[tokio::test]
async fn ids_of_forms() {
    let signer = signer();
    let id = async |parameters: &[(&str, &str)], filename: &str, sha256: &str| {
        let by = by_form(form(&signer, parameters).await);
        let begun = ok(begin(&signer, "forms", &by, "r").await);
        let known = parameters.iter().any(|(name, _)| *name == "public_id");
        let file = pb::UploadedFile { filename: filename.to_owned(), sha256: sha256.to_owned(), ..file() };
        let signed = ok(authorize(&signer, "forms", &by, "r", file).await);
        assert_eq!(begun.image_id == signed.image_id, known);
        assert_eq!(signed.object_key, format!("f/{}", signed.image_id));
        signed.image_id
    };
    let (one, other) = (SHA, SHA.replace('1', "2"));
    let made = id(&[], "x", one).await;
    assert_eq!(made.len(), 20);
    assert_eq!(id(&[], "y", one).await, made, "the same form and file");
    assert_ne!(id(&[], "x", &other).await, made);
    assert_ne!(id(&[("tags", "a")], "x", one).await, made);
    let below = id(&[("folder", "a/b")], "x", one).await;
    assert_eq!((below.get(..4), below.len()), (Some("a/b/"), 24));

    let named = id(&[("use_filename", "true")], "my cat.jpg", one).await;
    assert_eq!((named.get(..7), named.len()), (Some("my_cat_"), 19));
    assert_ne!(id(&[("use_filename", "true")], "my cat.jpg", &other).await, named);
    let plain = [("use_filename", "true"), ("unique_filename", "false"), ("folder", "f")];
    assert_eq!(id(&plain, "my cat.jpg", one).await, "f/my_cat");
    let instead = [("use_filename", "1"), ("unique_filename", "0"), ("filename_override", "dog.png")];
    assert_eq!(id(&instead, "my cat.jpg", one).await, "dog");
    let both = [("use_filename", "true"), ("public_id", "p"), ("unique_filename", "false")];
    assert_eq!(id(&both, "my cat.jpg", one).await, "p");
}

#[tokio::test]
async fn whether_an_object_is_replaced() {
    let signer = signer();
    for (rule, overwrite, replaces) in [
        ("forms", "", false),
        ("forms", "true", false),
        ("replacing", "", true),
        ("replacing", "true", true),
        ("replacing", "false", false),
    ] {
        let by = by_form(form(&signer, &[("public_id", "a"), ("overwrite", overwrite)]).await);
        let signed = ok(authorize(&signer, rule, &by, "r", file()).await);
        assert_eq!(header(&signed.put_headers, "if-none-match").is_none(), replaces, "{rule} {overwrite}");
        assert_signed(&signer, &signed).await;
    }
}

#[tokio::test]
async fn a_grant_stores_what_it_says() {
    let signer = signer();
    let by = Authority::Grant(pb::GrantAuthority {
        account: "acme".to_owned(),
        image_id: "6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned(),
        creator: "job".to_owned(),
        metadata: metadata(&[("a", Kind::BoolValue(true))]),
        require_signed_urls: true,
    });
    let begun = ok(begin(&signer, "granted", &by, "r").await);
    assert_eq!((begun.account.as_str(), begun.creator.as_str()), ("acme", "job"));
    assert_eq!(begun.image_id, "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    let signed = ok(authorize(&signer, "granted", &by, "r", file()).await);
    assert_eq!(signed.object_key, "g/acme/6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    assert_eq!(own(&signed).get("x-amz-meta-metadata"), Some(&r#"{"a":true}"#));
    assert_signed(&signer, &signed).await;
    assert_eq!(ok(finish(&signer, "granted", &by, "r", true).await), pb::FinishUploadResponse::default());

    let by = by_grant("acme", "");
    assert_eq!(ok(begin(&signer, "granted", &by, "r").await).image_id, "");
    let first = ok(authorize(&signer, "granted", &by, "r", file()).await);
    assert_eq!(first.image_id.as_bytes()[14], b'8', "{}", first.image_id);
    assert_eq!(ok(authorize(&signer, "granted", &by, "r", file()).await), first);
    let other = pb::UploadedFile { sha256: SHA.replace('1', "2"), ..file() };
    for other in [
        authorize(&signer, "granted", &by, "r2", file()).await,
        authorize(&signer, "granted", &by, "r", other).await,
        authorize(&signer, "granted", &by_grant("umbrella", ""), "r", file()).await,
    ] {
        assert_ne!(ok(other).image_id, first.image_id);
    }
}

#[tokio::test]
async fn metadata_that_is_too_large_is_refused_before_the_bytes_and_frees_the_token() {
    let signer = signer();
    let long = metadata(&[("note", Kind::StringValue("é".repeat(400)))]);
    let token = token(&signer, |request| request.metadata = long.clone()).await;
    let by = by_token(&token);
    let too_large = (Code::InvalidArgument, "OBJECT_METADATA_TOO_LARGE".to_owned());
    assert_eq!(refused(begin(&signer, "tokens", &by, "r1").await), too_large);
    assert_eq!(refused(begin(&signer, "tokens", &by, "r2").await), too_large, "not reserved by r1");
    let by = Authority::Grant(pb::GrantAuthority {
        account: "acme".to_owned(),
        metadata: long,
        ..Default::default()
    });
    assert_eq!(refused(begin(&signer, "granted", &by, "r").await), too_large);
    let by = by_form(form(&signer, &[("context", &format!("a={}", "x".repeat(2000)))]).await);
    assert_eq!(refused(begin(&signer, "forms", &by, "r").await), too_large);
    // With the file's name it is more: 255 bytes that take three each.
    let by = by_form(form(&signer, &[("context", &format!("a={}", "x".repeat(1500)))]).await);
    ok(begin(&signer, "forms", &by, "r").await);
    let named = pb::UploadedFile { filename: format!("{}a", "é".repeat(127)), ..file() };
    assert_eq!(refused(authorize(&signer, "forms", &by, "r", named).await), too_large);
}

#[tokio::test]
async fn rules_are_listed_to_those_who_may_use_them() {
    let signer = signer();
    let mut listed = Vec::new();
    let mut token = String::new();
    loop {
        let request = pb::ListUploadRulesRequest { page_size: 3, page_token: token };
        let page = ok(signer.list_upload_rules(resizer("ListUploadRules", request)).await);
        listed.extend(page.rules);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    // Not `foreign`, which is not granted, and not `other-key`, whose key is not.
    let names: Vec<_> = listed.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "forms",
            "granted",
            "large",
            "large-forms",
            "replacing",
            "tokens",
            "told",
            "told-forms",
            "told-grants"
        ]
    );
    for rule in &listed {
        assert_eq!(rule.digest, Identity::from(rule).digest());
        assert_eq!(rule.digest, digest(&signer, &rule.name));
    }
    let all = ok(signer.list_upload_rules(allowed(pb::ListUploadRulesRequest::default())).await).rules;
    assert_eq!(all.len(), 11);
}

#[tokio::test]
async fn without_upload_tokens_the_other_kinds_are_served() {
    let mut signer = signer();
    let token = token(&signer, |_| {}).await;
    signer.upload_tokens = None;
    let answer = begin(&signer, "tokens", &by_token(&token), "r").await;
    assert_eq!(refused(answer), (Code::Unimplemented, "METHOD_UNKNOWN".to_owned()));
    ok(begin(&signer, "granted", &by_grant("acme", "a"), "r").await);
}
