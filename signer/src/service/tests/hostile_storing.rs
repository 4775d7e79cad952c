//! A resizer that was taken over, and stores what it likes by the calls that it is granted.

use std::collections::BTreeMap;

use pb::{
    FormField, Verdict, upload_authority::Authority, upload_service_server::UploadService,
    upload_token_service_server::UploadTokenService,
};

use super::{
    resizer::granted_by,
    storer::{
        BASE, SHA, authorize, authorize_request, begin, begin_request, by_form, by_grant, by_token, digest,
        field, file, finish, form, header, resizer, signer, token, tokens,
    },
    *,
};

/// What it is told: a verdict's reason, or an error's. Nothing but a valid answer holds anything to write with.
async fn told(
    signer: &Signer,
    rule: &str,
    by: &Authority,
    request_id: &str,
    file: pb::UploadedFile,
) -> String {
    match authorize(signer, rule, by, request_id, file).await {
        Ok(answer) => {
            let answer = answer.into_inner();
            if answer.verdict() != Verdict::Valid {
                let nothing = pb::AuthorizeUploadResponse {
                    verdict: Verdict::Invalid.into(),
                    reason: answer.reason,
                    ..Default::default()
                };
                assert_eq!(answer, nothing);
            }
            answer.reason().as_str_name().trim_start_matches("REASON_").to_owned()
        }
        Err(status) => refused::<()>(Err(status)).1,
    }
}

/// What both of its calls are told.
async fn both(signer: &Signer, rule: &str, by: &Authority) -> (String, String) {
    let begun = match begin(signer, rule, by, "r").await {
        Ok(answer) => answer.into_inner().reason().as_str_name().trim_start_matches("REASON_").to_owned(),
        Err(status) => refused::<()>(Err(status)).1,
    };
    (begun, told(signer, rule, by, "r", file()).await)
}

#[tokio::test]
async fn it_has_no_other_method() {
    for method in crate::access::METHODS.iter() {
        let is_its = [
            "BeginUpload",
            "AuthorizeUpload",
            "AuthorizeUploadParts",
            "FinishUpload",
            "ListUploadRules",
            "TakeUploadTasks",
            "EndUploadTask",
        ]
        .contains(&method.name);
        let asked = std::panic::catch_unwind(|| resizer(method.name, ()));
        assert_eq!(asked.is_ok(), is_its, "{}", method.name);
    }
}

#[tokio::test]
async fn it_stores_no_other_file_than_the_rule_and_the_token_take() {
    type Change = fn(&mut pb::UploadedFile);

    let signer = signer();
    let token = token(&signer, |request| {
        request.constraints = Some(pb::UploadConstraints {
            max_bytes: 10,
            allowed_content_types: vec!["image/jpeg".to_owned()],
        });
    })
    .await;
    let by = by_token(&token);
    ok(begin(&signer, "tokens", &by, "r").await);
    let good = pb::UploadedFile { length: 10, ..file() };
    assert_eq!(told(&signer, "tokens", &by, "r", good.clone()).await, "OK");
    let cases: [(Change, &str); 21] = [
        (|f| f.length = 0, "FIELD_INVALID"),
        (|f| f.length = 11, "UPLOAD_TOO_LARGE"),
        (|f| f.length = u64::MAX, "UPLOAD_TOO_LARGE"),
        (|f| f.content_type = "image/png".to_owned(), "UPLOAD_TYPE_REFUSED"),
        (|f| f.content_type = "image/webp".to_owned(), "UPLOAD_TYPE_REFUSED"),
        (|f| f.content_type = "image/svg+xml".to_owned(), "UPLOAD_TYPE_REFUSED"),
        (|f| f.content_type = "text/html".to_owned(), "UPLOAD_TYPE_REFUSED"),
        (|f| f.content_type = "Image/jpeg".to_owned(), "UPLOAD_TYPE_REFUSED"),
        (|f| f.content_type = "image/jpeg; charset=x".to_owned(), "UPLOAD_TYPE_REFUSED"),
        (|f| f.content_type = "image/jpeg\r\nx-amz-acl: public-read".to_owned(), "UPLOAD_TYPE_REFUSED"),
        (|f| f.content_type = "image/*".to_owned(), "UPLOAD_TYPE_REFUSED"),
        (|f| f.content_type.clear(), "UPLOAD_TYPE_REFUSED"),
        (|f| f.sha256.clear(), "FIELD_INVALID"),
        (|f| f.sha256 = "UNSIGNED-PAYLOAD".to_owned(), "FIELD_INVALID"),
        (|f| f.sha256 = f.sha256.replace('0', "A"), "FIELD_INVALID"),
        (|f| f.sha256.push('0'), "FIELD_INVALID"),
        (|f| f.sha256 = format!("{}/..", f.sha256.get(..61).unwrap()), "FIELD_INVALID"),
        (|f| f.filename = "x".repeat(256), "FIELD_INVALID"),
        (|f| f.filename = "a\r\nx-amz-acl: public-read".to_owned(), "FIELD_INVALID"),
        (|f| f.filename = "a\0".to_owned(), "FIELD_INVALID"),
        (|f| f.filename = "a\u{85}".to_owned(), "FIELD_INVALID"),
    ];
    for (index, (change, reason)) in cases.into_iter().enumerate() {
        let mut file = good.clone();
        change(&mut file);
        assert_eq!(told(&signer, "tokens", &by, "r", file).await, reason, "case {index}");
    }
    // Its name is the only text of its own, and is one value.
    let named = pb::UploadedFile { filename: "a b%\u{1F339}: x-amz-acl".to_owned(), ..good };
    let signed = ok(authorize(&signer, "tokens", &by, "r", named).await);
    assert_eq!(header(&signed.put_headers, "x-amz-meta-filename"), Some("a%20b%25%F0%9F%8C%B9:%20x-amz-acl"));
    assert_eq!(signed.object_key, "u/acme/cat");
    let mut names: Vec<_> = signed.put_headers.iter().map(|header| header.name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "authorization",
        "content-length",
        "content-type",
        "if-none-match",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-meta-filename",
        "x-amz-meta-sha256",
        "x-amz-meta-upload",
    ];
    assert_eq!(names, expected);
    let no_file =
        pb::AuthorizeUploadRequest { file: None, ..authorize_request(&signer, "tokens", &by, "r", file()) };
    assert_eq!(
        refused(signer.authorize_upload(resizer("AuthorizeUpload", no_file)).await).1,
        "FIELD_INVALID"
    );
}

#[tokio::test]
async fn it_uses_no_token_that_it_has_not_reserved() {
    let signer = signer();
    let ask = async |token: &str, request_id: &str| {
        told(&signer, "tokens", &by_token(token), request_id, file()).await
    };
    // Never reserved; reserved by another; given up; its lease over; cancelled; redeemed by another.
    let fresh = token(&signer, |_| {}).await;
    assert_eq!(ask(&fresh, "r").await, "TOKEN_NOT_RESERVED");
    ok(begin(&signer, "tokens", &by_token(&fresh), "other").await);
    assert_eq!(ask(&fresh, "r").await, "TOKEN_NOT_RESERVED");
    assert_eq!(ask(&fresh, "other").await, "OK");
    ok(finish(&signer, "tokens", &by_token(&fresh), "other", false).await);
    assert_eq!(ask(&fresh, "other").await, "TOKEN_NOT_RESERVED");
    ok(begin(&signer, "tokens", &by_token(&fresh), "other").await);
    signer.clock.set(NOW + 300);
    assert_eq!(ask(&fresh, "other").await, "TOKEN_NOT_RESERVED");
    signer.clock.set(NOW);
    ok(finish(&signer, "tokens", &by_token(&fresh), "other", true).await);
    for request_id in ["r", "other2"] {
        assert_eq!(ask(&fresh, request_id).await, "TOKEN_NOT_RESERVED");
    }
    let cancelled = token(&signer, |_| {}).await;
    ok(begin(&signer, "tokens", &by_token(&cancelled), "r").await);
    ok(finish(&signer, "tokens", &by_token(&cancelled), "r", false).await);
    let cancel = pb::CancelUploadTokenRequest {
        account: "acme".to_owned(),
        selector: Some(pb::cancel_upload_token_request::Selector::Token(cancelled.clone())),
    };
    ok(tokens(&signer).cancel_upload_token(allowed(cancel)).await);
    assert_eq!(ask(&cancelled, "r").await, "TOKEN_NOT_RESERVED");
    assert_eq!(refused(begin(&signer, "tokens", &by_token(&cancelled), "r").await).1, "TOKEN_CANCELLED");
    assert_eq!(
        refused(finish(&signer, "tokens", &by_token(&cancelled), "r", true).await).1,
        "TOKEN_CANCELLED"
    );
    // Redeemed by a backend, by no request's name: not even the empty one.
    let redeemed = token(&signer, |_| {}).await;
    let redeem = pb::RedeemUploadTokenRequest {
        account: "acme".to_owned(),
        token: redeemed.clone(),
        request_id: String::new(),
    };
    ok(tokens(&signer).redeem_upload_token(allowed(redeem)).await);
    assert_eq!(ask(&redeemed, "").await, "FIELD_INVALID");
    assert_eq!(
        refused(begin(&signer, "tokens", &by_token(&redeemed), "r").await).1,
        "TOKEN_ALREADY_REDEEMED"
    );
    // Its time has passed.
    let late = token(&signer, |_| {}).await;
    signer.clock.set(NOW + 1800);
    assert_eq!(refused(begin(&signer, "tokens", &by_token(&late), "r").await).1, "TOKEN_EXPIRED");
    signer.clock.set(NOW);
    // Guessed ones, and other accounts.
    for (account, token, reason) in [
        ("acme", "A".repeat(43), "TOKEN_NOT_FOUND"),
        ("acme", "x".to_owned(), "FIELD_INVALID"),
        ("umbrella", late.clone(), "TOKEN_NOT_FOUND"),
        ("stark", late.clone(), "CALLER_DENIED"),
        ("", late.clone(), "CALLER_DENIED"),
        ("acme/../umbrella", late, "CALLER_DENIED"),
    ] {
        let by = Authority::Token(pb::TokenAuthority { account: account.to_owned(), token });
        let told = both(&signer, "tokens", &by).await;
        assert_eq!(told, (reason.to_owned(), reason.to_owned()), "{account}");
        assert_eq!(refused(finish(&signer, "tokens", &by, "r", true).await).1, reason);
    }
}

#[tokio::test]
async fn it_uses_no_form_but_as_it_was_signed() {
    let signer = signer();
    let good = form(&signer, &[("public_id", "a/b"), ("type", "private"), ("tags", "x,y")]).await;
    let valid = ("OK".to_owned(), "OK".to_owned());
    assert_eq!(both(&signer, "forms", &by_form(good.clone())).await, valid);
    let place = |name: &str| good.iter().position(|field| field.name == name).unwrap();
    let set = |name: &str, value: &str| {
        let mut fields = good.clone();
        fields[place(name)].value = value.to_owned();
        fields
    };
    let with = |name: &str, value: &str| [good.clone(), vec![field(name, value)]].concat();
    let without = |name: &str| {
        let mut fields = good.clone();
        fields.remove(place(name));
        fields
    };
    let forms: Vec<(Vec<FormField>, &str)> = vec![
        (set("public_id", "a/c"), "SIGNATURE_MISMATCH"),
        (set("type", "upload"), "SIGNATURE_MISMATCH"),
        (set("type", ""), "SIGNATURE_MISMATCH"),
        (set("timestamp", "1700000001"), "SIGNATURE_MISMATCH"),
        (set("signature", &"0".repeat(64)), "SIGNATURE_MISMATCH"),
        (set("signature", "0"), "SIGNATURE_MALFORMED"),
        (without("type"), "SIGNATURE_MISMATCH"),
        (without("tags"), "SIGNATURE_MISMATCH"),
        (without("signature"), "SIGNATURE_MISSING"),
        (without("timestamp"), "TIMESTAMP_MISSING"),
        (with("overwrite", "true"), "SIGNATURE_MISMATCH"),
        (with("folder", "x"), "SIGNATURE_MISMATCH"),
        (with("public_id", "a/b"), "DUPLICATE_PARAMETER"),
        (with("public_id[]", "c"), "DUPLICATE_PARAMETER"),
        (with("Public_id", "c"), "PARAMETER_NAME_INVALID"),
        // What is not signed is served by name, and decides nothing.
        (with("notification_url", ""), "PARAMETER_UNSUPPORTED"),
        (with("resource_type", "raw"), "PARAMETER_UNSUPPORTED"),
        (with("folder", ""), "OK"),
        (with("type[]", ""), "DUPLICATE_PARAMETER"),
        (with("cloud_name", "../x"), "OK"),
        (Vec::new(), "SIGNATURE_MISSING"),
    ];
    for (fields, reason) in forms {
        let shown = format!("{fields:?}");
        let (begun, authorized) = both(&signer, "forms", &by_form(fields)).await;
        assert_eq!((begun.as_str(), authorized.as_str()), (reason, reason), "{shown}");
    }
    let odd = ok(authorize(&signer, "forms", &by_form(with("cloud_name", "../x")), "r", file()).await);
    assert_eq!(odd.object_key, "f/a/b");
    // The fields of another form beside this signature.
    let other = form(&signer, &[("public_id", "secret")]).await;
    let mut mixed = other.clone();
    let signature = good[place("signature")].clone();
    *mixed.iter_mut().find(|field| field.name == "signature").unwrap() = signature;
    assert_eq!(both(&signer, "forms", &by_form(mixed)).await.1, "SIGNATURE_MISMATCH");
    // Nothing is answered for a form that is none.
    let by = by_form(set("public_id", "a/c"));
    assert_eq!(refused(finish(&signer, "forms", &by, "r", true).await).1, "UPLOAD_REFUSED");
}

#[tokio::test]
async fn a_parameter_that_is_not_served_is_refused_by_name() {
    use tonic_types::StatusExt as _;

    let signer = signer();
    for (name, value) in [
        ("notification_url", "https://evil.example/"),
        ("transformation", "w_1"),
        ("upload_preset", "x"),
        ("public_id_prefix", "x"),
        ("invalidate", "true"),
        ("metadata", "a=b"),
        ("type", "fetch"),
        ("overwrite", "yes"),
        ("context", "x"),
    ] {
        let by = by_form(form(&signer, &[("public_id", "a"), (name, value)]).await);
        for status in [
            begin(&signer, "forms", &by, "r").await.map(|_| ()).unwrap_err(),
            authorize(&signer, "forms", &by, "r", file()).await.map(|_| ()).unwrap_err(),
        ] {
            let violations = status.get_details_bad_request().unwrap().field_violations;
            assert_eq!(violations.iter().map(|v| v.field.as_str()).collect::<Vec<_>>(), [name]);
            assert_eq!(refused::<()>(Err(status)).1, "PARAMETER_UNSUPPORTED", "{name}");
        }
    }
}

#[tokio::test]
async fn a_form_used_for_another_file_is_another_object_or_replaces_nothing() {
    let signer = signer();
    let other = pb::UploadedFile { sha256: SHA.replace('1', "2"), ..file() };
    let free = by_form(form(&signer, &[]).await);
    let first = ok(authorize(&signer, "forms", &free, "r", file()).await);
    let second = ok(authorize(&signer, "forms", &free, "r2", other.clone()).await);
    assert_ne!(first.object_key, second.object_key);
    let named = by_form(form(&signer, &[("public_id", "a")]).await);
    let first = ok(authorize(&signer, "forms", &named, "r", file()).await);
    let second = ok(authorize(&signer, "forms", &named, "r2", other).await);
    assert_eq!(first.object_key, second.object_key);
    assert_eq!(header(&second.put_headers, "if-none-match"), Some("*"));
    assert_ne!(first.upload_id, second.upload_id, "so it is not taken for its own");
}

#[tokio::test]
async fn ids_lead_nowhere_else() {
    let signer = signer();
    let bad = [
        "..",
        "../x",
        "a/../b",
        "a/./b",
        "/a",
        "a/",
        "a//b",
        "a\\b",
        "a\nb",
        "a\0",
        "\u{ff0e}\u{ff0e}/x",
        "a\u{2215}b",
        "a\u{2044}b",
        "a\u{29f8}b",
        "a\u{ff0f}b",
        "\u{2024}\u{2024}/b",
        "a\u{ff3c}b",
        "a\u{29f5}b",
        "a\u{202e}gpj",
        "a\u{200b}",
        "\u{feff}a",
    ];
    let invalid = ("IMAGE_ID_INVALID".to_owned(), "IMAGE_ID_INVALID".to_owned());
    for id in bad {
        assert_eq!(both(&signer, "granted", &by_grant("acme", id)).await, invalid, "{id:?}");
        let by = by_form(form(&signer, &[("public_id", id)]).await);
        assert_eq!(both(&signer, "forms", &by).await, invalid, "{id:?}");
        let by = by_form(form(&signer, &[("folder", id)]).await);
        assert_eq!(both(&signer, "forms", &by).await, invalid, "{id:?}");
        let create = pb::CreateUploadTokenRequest {
            account: "acme".to_owned(),
            image_id: id.to_owned(),
            ..Default::default()
        };
        assert_eq!(refused(tokens(&signer).create_upload_token(allowed(create)).await).1, "IMAGE_ID_INVALID");
        // A name of a file is written anew.
        let by = by_form(form(&signer, &[("use_filename", "true"), ("filename_override", id)]).await);
        let signed = ok(authorize(&signer, "forms", &by, "r", file()).await);
        assert!(!signed.image_id.contains(['/', '\\', '%']), "{}", signed.image_id);
    }
    // Forms have Cloudinary's limits besides: with `&` an answer's signature would be another form's.
    for id in ["a&timestamp=1700000000", "a?b", "a#b", "a%2e", "a<b", "a+b", " a", "a /b"] {
        let by = by_form(form(&signer, &[("public_id", id)]).await);
        assert_eq!(both(&signer, "forms", &by).await, invalid, "{id:?}");
        assert_eq!(refused(finish(&signer, "forms", &by, "r", true).await).1, "IMAGE_ID_INVALID");
    }
    let long = by_form(form(&signer, &[("public_id", &"a".repeat(256))]).await);
    assert_eq!(both(&signer, "forms", &long).await.0, "IMAGE_ID_TOO_LONG");
    assert_eq!(both(&signer, "granted", &by_grant("acme", &"a".repeat(1025))).await.0, "IMAGE_ID_TOO_LONG");
    let longest = by_grant("acme", &"a".repeat(1024));
    assert_eq!(both(&signer, "granted", &longest).await.0, "OBJECT_KEY_UNSUPPORTED", "longer than S3 stores");
    // Once encoded, never decoded.
    for (id, url) in [
        ("%2e%2e/x", "g/acme/%252e%252e/x"),
        ("a?b#c", "g/acme/a%3Fb%23c"),
        ("..a/b..", "g/acme/..a/b.."),
        ("https:/@evil.example", "g/acme/https%3A/%40evil.example"),
        ("{account}", "g/acme/%7Baccount%7D"),
    ] {
        let signed = ok(authorize(&signer, "granted", &by_grant("acme", id), "r", file()).await);
        assert_eq!(signed.url, format!("{BASE}{url}"), "{id}");
    }
}

#[tokio::test]
async fn it_gets_nothing_by_another_rule_or_kind() {
    let signer = signer();
    let token = by_token(&token(&signer, |_| {}).await);
    let form = by_form(form(&signer, &[("public_id", "a")]).await);
    let grant = by_grant("acme", "a");
    let told = async |rule: &str, by: &Authority| both(&signer, rule, by).await.0;
    for (rule, by) in [
        ("tokens", &form),
        ("tokens", &grant),
        ("forms", &token),
        ("forms", &grant),
        ("granted", &token),
        ("granted", &form),
    ] {
        assert_eq!(told(rule, by).await, "FIELD_INVALID", "{rule}");
    }
    assert_eq!(told("foreign", &grant).await, "CALLER_DENIED", "a rule that it has no grant for");
    assert_eq!(told("other-key", &grant).await, "CALLER_DENIED", "a key that it has no grant for");
    assert_eq!(told("granted", &by_grant("stark", "a")).await, "CALLER_DENIED");
    assert_eq!(told("granted", &by_grant("", "a")).await, "FIELD_INVALID", "the keys have an account");
    for unknown in ["0".repeat(64), String::new(), "x".repeat(1000), digest(&signer, "forms").to_uppercase()]
    {
        let begin = pb::BeginUploadRequest {
            upload_digest: unknown.clone(),
            ..begin_request(&signer, "forms", &form, "r")
        };
        let expected = (Code::FailedPrecondition, "UPLOAD_UNKNOWN".to_owned());
        assert_eq!(refused(signer.begin_upload(resizer("BeginUpload", begin)).await), expected);
        let authorize = pb::AuthorizeUploadRequest {
            upload_digest: unknown,
            ..authorize_request(&signer, "forms", &form, "r", file())
        };
        assert_eq!(refused(signer.authorize_upload(resizer("AuthorizeUpload", authorize)).await), expected);
    }
    for request_id in ["", "a b", "é", &"x".repeat(129)] {
        assert_eq!(refused(begin(&signer, "granted", &grant, request_id).await).1, "FIELD_INVALID");
        assert_eq!(
            refused(authorize(&signer, "granted", &grant, request_id, file()).await).1,
            "FIELD_INVALID"
        );
        assert_eq!(refused(finish(&signer, "granted", &grant, request_id, true).await).1, "FIELD_INVALID");
    }
    for lease in [0, -1, 901] {
        let mut request = begin_request(&signer, "tokens", &token, "r");
        request.lease = Some(Duration { seconds: lease, nanos: 0 });
        assert_eq!(refused(signer.begin_upload(resizer("BeginUpload", request)).await).1, "FIELD_INVALID");
    }
}

#[tokio::test]
async fn a_grant_holds_where_its_prefixes_do() {
    let signer = signer();
    let grants = |more: &str| {
        format!(
            "[[grants]]\ncaller = 'resizer'\nmethods = ['AuthorizeUpload']\nkeys = ['*']\naccounts = ['*']\n{more}\n"
        )
    };
    let ask = async |grants: &str, rule: &str, account: &str| {
        let request = authorize_request(&signer, rule, &by_grant(account, "a"), "r", file());
        match signer.authorize_upload(granted_by(grants, "AuthorizeUpload", request)).await {
            Ok(_) => "OK".to_owned(),
            Err(status) => refused::<()>(Err(status)).1,
        }
    };
    assert_eq!(ask(&grants(""), "granted", "acme").await, "OK", "without PUT among its methods");
    let narrow = grants(&format!("url_prefixes = ['{BASE}g/acme/']"));
    assert_eq!(ask(&narrow, "granted", "acme").await, "OK");
    assert_eq!(ask(&narrow, "granted", "umbrella").await, "CALLER_DENIED");
    assert_eq!(ask(&grants("uploads = ['forms']"), "granted", "acme").await, "CALLER_DENIED");
    assert_eq!(ask(&grants("uploads = []"), "granted", "acme").await, "CALLER_DENIED");
    // The key's own limits: it signs nothing below `x/`.
    assert_eq!(ask(&grants(""), "foreign", "acme").await, "URL_NOT_ALLOWED");
    // An account with a slash would reach into another's.
    assert_eq!(ask(&grants(""), "granted", "acme/b").await, "FIELD_INVALID");
    assert_eq!(ask(&grants(""), "granted", "..").await, "FIELD_INVALID");
    assert_eq!(ask(&grants(""), "granted", "a b").await, "FIELD_INVALID");
}

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        &all[usize::try_from(self.0 % all.len() as u64).unwrap()]
    }
}

/// Whatever it asks, what it gets is the PUT of one object below what its rule and its authority say.
#[tokio::test]
async fn twenty_thousand_requests_write_nothing_else() {
    const TEXTS: [&str; 22] = [
        "",
        "a",
        "cat",
        "a/b",
        "..",
        "../x",
        "a/../../b",
        "a//b",
        "/a",
        "a/",
        ".",
        "a\\..\\b",
        "%2e%2e/a",
        "a\u{2215}b",
        "\u{ff0e}\u{ff0e}/b",
        "a\0b",
        "a\r\nx-amz-acl: public-read",
        "a\u{202e}b",
        "{account}",
        "*",
        "acme",
        "umbrella",
    ];
    const NAMES: [&str; 12] = [
        "public_id",
        "folder",
        "type",
        "overwrite",
        "use_filename",
        "unique_filename",
        "filename_override",
        "tags",
        "eager",
        "timestamp",
        "signature",
        "x-amz-acl",
    ];
    let signer = signer();
    let reserved = token(&signer, |_| {}).await;
    ok(begin(&signer, "tokens", &by_token(&reserved), "r").await);
    let fresh = token(&signer, |request| request.image_id = "dog".to_owned()).await;
    let mut forms = Vec::new();
    for parameters in [
        &[("public_id", "tom"), ("folder", "cats")][..],
        &[("folder", "cats")],
        &[("use_filename", "true"), ("folder", "cats"), ("unique_filename", "false")],
    ] {
        forms.push(form(&signer, parameters).await);
    }
    let mut dice = Dice(0x5afe_1197);
    let (mut given, mut refusals) = (BTreeMap::new(), 0);
    for _ in 0..20_000 {
        let rule = *dice.of(&["tokens", "forms", "replacing", "granted", "foreign", "other-key"]);
        let account = *dice.of(&["acme", "umbrella", "stark", "", "acme/x", ".."]);
        let by = match rule {
            "tokens" => Authority::Token(pb::TokenAuthority {
                account: account.to_owned(),
                token: (*dice.of(&[&reserved, &fresh, &"A".repeat(43)])).clone(),
            }),
            "forms" | "replacing" => {
                let mut fields = dice.of(&forms).clone();
                let (name, value) = (*dice.of(&NAMES), *dice.of(&TEXTS));
                let changed = field(name, value);
                match *dice.of(&[0, 1, 2, 3]) {
                    0 => fields.push(changed),
                    1 => *fields.first_mut().unwrap() = changed,
                    2 => drop(fields.pop()),
                    _ => {}
                }
                by_form(fields)
            }
            _ => {
                let image_id = *dice.of(&TEXTS);
                by_grant(account, image_id)
            }
        };
        let sent = pb::UploadedFile {
            sha256: (*dice.of(&[SHA, &SHA.replace('1', "2"), &SHA.replace('0', "G"), ""])).to_owned(),
            length: *dice.of(&[0, 1, 999, 1000, 1001, u64::MAX]),
            content_type: (*dice.of(&["image/jpeg", "image/png", "image/gif", "text/html", ""])).to_owned(),
            filename: (*dice.of(&TEXTS)).to_owned(),
        };
        let request_id = *dice.of(&["r", "r", "s", ""]);
        let Ok(answer) = authorize(&signer, rule, &by, request_id, sent.clone()).await else {
            refusals += 1;
            continue;
        };
        let answer = answer.into_inner();
        if answer.verdict() != Verdict::Valid {
            assert!(answer.put_headers.is_empty() && answer.url.is_empty());
            refusals += 1;
            continue;
        }
        *given.entry(rule).or_insert(0) += 1;
        let is_its = match rule {
            "tokens" => request_id == "r" && answer.object_key == "u/acme/cat",
            "forms" => answer.object_key.starts_with("f/cats/"),
            "replacing" => answer.object_key.starts_with("r/cats/"),
            "granted" => answer.object_key.starts_with(&format!("g/{account}/")) && account.len() > 3,
            _ => false,
        };
        assert!(is_its, "{rule} {request_id} {answer:?} {}", answer.object_key);
        let path = answer.url.strip_prefix(BASE).unwrap();
        assert!(!path.contains(['\\', '?', '#']) && !crate::keyring::climbs(&format!("/{path}")), "{path}");
        assert!((1..=1000).contains(&sent.length));
        let value = |name| header(&answer.put_headers, name);
        assert_eq!(value("content-length"), Some(sent.length.to_string().as_str()));
        assert!(["image/jpeg", "image/png"].contains(&value("content-type").unwrap()));
        assert_eq!(value("x-amz-content-sha256"), Some(sent.sha256.as_str()));
        assert!(sent.sha256.len() == 64 && !sent.sha256.contains('G'));
        assert_eq!(value("if-none-match").is_none(), rule == "replacing");
        assert!(value("x-amz-acl").is_none());
        for header in &answer.put_headers {
            assert!(header.value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", header.name);
        }
    }
    assert!(refusals > 10_000, "{refusals}");
    assert_eq!(given.len(), 4, "{given:?}");
    assert!(given.values().all(|count| *count >= 10), "{given:?}");
}
