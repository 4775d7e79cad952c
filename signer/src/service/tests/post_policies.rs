use base64::{Engine, engine::general_purpose::STANDARD};
use pb::sign_post_policy_request::{Object, Type};
use serde_json::{Value, json};

use super::{resizer::granted_by, *};

const BUCKET_URL: &str = "https://photos.s3.eu-west-1.amazonaws.com/";

fn request() -> pb::SignPostPolicyRequest {
    pb::SignPostPolicyRequest {
        key: "s3".to_owned(),
        url: BUCKET_URL.to_owned(),
        bucket: "photos".to_owned(),
        region: "eu-west-1".to_owned(),
        object: Some(Object::ObjectKey("up/été.jpg".to_owned())),
        max_bytes: 1000,
        r#type: Some(Type::ContentType("image/jpeg".to_owned())),
        ..Default::default()
    }
}

fn prefixed() -> pb::SignPostPolicyRequest {
    pb::SignPostPolicyRequest {
        object: Some(Object::ObjectKeyPrefix("up/7-".to_owned())),
        r#type: Some(Type::ContentTypePrefix("image/".to_owned())),
        ..request()
    }
}

async fn sign(
    signer: &Signer,
    request: pb::SignPostPolicyRequest,
) -> Result<Response<pb::SignPostPolicyResponse>, Status> {
    signer.sign_post_policy(allowed(request)).await
}

fn value<'a>(answer: &'a pb::SignPostPolicyResponse, name: &str) -> Option<&'a str> {
    answer.fields.iter().find(|field| field.name == name).map(|field| field.value.as_str())
}

fn policy(answer: &pb::SignPostPolicyResponse) -> Value {
    serde_json::from_slice(&STANDARD.decode(value(answer, "policy").unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn every_field_has_its_condition_and_nothing_else_is_allowed() {
    let signer = signer();
    let metadata = vec![pb::Header { name: "x-amz-meta-user".to_owned(), value: "ann \"x\"".to_owned() }];
    let exact = pb::SignPostPolicyRequest { metadata, min_bytes: 10, ..request() };
    let answer = ok(sign(&signer, exact).await);
    assert_eq!((answer.url.as_str(), answer.key_version), (BUCKET_URL, 3));
    assert_eq!(answer.expire_time, Some(timestamp(NOW + 900)));
    let conditions = json!([
        { "bucket": "photos" },
        ["eq", "$key", "up/été.jpg"],
        ["eq", "$Content-Type", "image/jpeg"],
        ["eq", "$success_action_status", "201"],
        ["eq", "$x-amz-meta-user", "ann \"x\""],
        ["eq", "$x-amz-algorithm", "AWS4-HMAC-SHA256"],
        ["eq", "$x-amz-credential", "AKIAFAKE/20231114/eu-west-1/s3/aws4_request"],
        ["eq", "$x-amz-date", "20231114T221320Z"],
        ["eq", "$x-amz-security-token", "fake-session-token"],
        ["content-length-range", 10, 1000],
    ]);
    assert_eq!(policy(&answer), json!({ "expiration": "2023-11-14T22:28:20Z", "conditions": conditions }));
    let names: Vec<_> = answer.fields.iter().map(|field| field.name.as_str()).collect();
    let expected = [
        "key",
        "Content-Type",
        "success_action_status",
        "x-amz-meta-user",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-security-token",
        "policy",
        "x-amz-signature",
    ];
    assert_eq!(names, expected);
    assert_eq!(value(&answer, "x-amz-signature").map(str::len), Some(64));

    let redirect = "https://app.example/done?x=1".to_owned();
    let below = pb::SignPostPolicyRequest { success_redirect: redirect.clone(), ..prefixed() };
    let answer = ok(sign(&signer, below).await);
    let conditions = policy(&answer)["conditions"].as_array().unwrap().clone();
    for condition in [
        json!(["starts-with", "$key", "up/7-"]),
        json!(["starts-with", "$Content-Type", "image/"]),
        json!(["content-length-range", 1, 1000]),
        json!(["eq", "$success_action_redirect", redirect]),
    ] {
        assert!(conditions.contains(&condition), "{condition}");
    }
    assert_eq!(value(&answer, "key"), Some("up/7-${filename}"));
    assert_eq!((value(&answer, "Content-Type"), value(&answer, "success_action_status")), (None, None));
}

#[tokio::test]
async fn it_lives_as_long_as_was_asked() {
    let signer = signer();
    for (ttl, lifetime) in [(None, 900), (Some(1), 1), (Some(86400), 86400)] {
        let ttl = ttl.map(|seconds| Duration { seconds, nanos: 0 });
        let answer = ok(sign(&signer, pb::SignPostPolicyRequest { ttl, ..request() }).await);
        assert_eq!(answer.expire_time, Some(timestamp(NOW + lifetime)));
    }
}

#[tokio::test]
async fn policies_that_are_not_signed() {
    type Change = fn(&mut pb::SignPostPolicyRequest);

    const FIELD: &str = "FIELD_INVALID";
    const KEY: &str = "OBJECT_KEY_UNSUPPORTED";
    let signer = signer();
    let metadata = |name: &str, value: &str| pb::Header { name: name.to_owned(), value: value.to_owned() };
    let cases: [(Change, &str); 42] = [
        (|r| r.key = "nope".to_owned(), "KEY_NOT_FOUND"),
        (|r| r.key = "web".to_owned(), "KEY_SCHEME_MISMATCH"),
        (|r| r.region.clear(), FIELD),
        // Of another bucket than the URL's, for which the grant may be.
        (|r| r.bucket.clear(), FIELD),
        (|r| r.bucket = "secrets".to_owned(), FIELD),
        (|r| r.bucket = "photos.s3".to_owned(), FIELD),
        (|r| r.bucket = "Photos".to_owned(), FIELD),
        (|r| r.bucket = "photo".to_owned(), FIELD),
        (|r| r.url = "https://s3.example/photos".to_owned(), "FIELD_INVALID"),
        (|r| r.url = "https://s3.example/other/photos/".to_owned(), FIELD),
        (|r| r.url = "https://s3.example/photos/x/".to_owned(), FIELD),
        (|r| r.url = "https://s3.example/photos/?partNumber=".to_owned(), FIELD),
        (|r| r.url = "https://s3.example//photos/".to_owned(), FIELD),
        (|r| r.url = "https://photos.s3.example/?acl&x=".to_owned(), "URL_INVALID"),
        (|r| r.url = "ftp://photos.s3.example/".to_owned(), "URL_INVALID"),
        (|r| r.url.clear(), "URL_INVALID"),
        (|r| r.object = None, FIELD),
        (|r| r.object = Some(Object::ObjectKey(String::new())), KEY),
        (|r| r.object = Some(Object::ObjectKeyPrefix(String::new())), KEY),
        (|r| r.object = Some(Object::ObjectKey("a/../b".to_owned())), KEY),
        (|r| r.object = Some(Object::ObjectKeyPrefix("a/..".to_owned())), KEY),
        (|r| r.object = Some(Object::ObjectKeyPrefix("../".to_owned())), KEY),
        (|r| r.object = Some(Object::ObjectKey("a/${filename}".to_owned())), KEY),
        (|r| r.object = Some(Object::ObjectKeyPrefix("a/${filename}/".to_owned())), KEY),
        (|r| r.object = Some(Object::ObjectKey("a\nb".to_owned())), KEY),
        (|r| r.object = Some(Object::ObjectKey("a".repeat(1025))), KEY),
        (|r| r.max_bytes = 0, FIELD),
        (|r| r.max_bytes = (5 << 30) + 1, FIELD),
        (|r| r.min_bytes = 1001, FIELD),
        (|r| r.r#type = None, FIELD),
        (|r| r.r#type = Some(Type::ContentType("image/*".to_owned())), FIELD),
        (|r| r.r#type = Some(Type::ContentType("Image/jpeg".to_owned())), FIELD),
        (|r| r.r#type = Some(Type::ContentTypePrefix(String::new())), FIELD),
        (|r| r.r#type = Some(Type::ContentTypePrefix("image".to_owned())), FIELD),
        (|r| r.r#type = Some(Type::ContentTypePrefix("image/\n".to_owned())), FIELD),
        (|r| r.success_redirect = "javascript:alert(1)".to_owned(), FIELD),
        (|r| r.success_redirect = "/done".to_owned(), FIELD),
        (|r| r.success_redirect = format!("https://h/{}", "x".repeat(1024)), FIELD),
        (|r| r.ttl = Some(Duration { seconds: 0, nanos: 0 }), "EXPIRY_OUT_OF_RANGE"),
        (|r| r.ttl = Some(Duration { seconds: 86401, nanos: 0 }), "EXPIRY_OUT_OF_RANGE"),
        (|r| r.url = "https://u:p@photos.s3.example/".to_owned(), "URL_INVALID"),
        (|r| r.url = "https://PHOTOS.s3.example/".to_owned(), "URL_INVALID"),
    ];
    for (index, (change, reason)) in cases.into_iter().enumerate() {
        let mut request = request();
        change(&mut request);
        assert_eq!(refused(sign(&signer, request).await).1, reason, "case {index}");
    }
    for (headers, reason) in [
        (vec![metadata("x-amz-acl", "public-read")], FIELD),
        (vec![metadata("x-amz-meta-", "x")], FIELD),
        (vec![metadata("X-Amz-Meta-A", "x")], FIELD),
        (vec![metadata("acl", "public-read")], FIELD),
        (vec![metadata("x-amz-meta-a", "x"), metadata("x-amz-meta-a", "y")], FIELD),
        (vec![metadata("x-amz-meta-a", "x\ny")], FIELD),
        (vec![metadata("x-amz-meta-a b", "x")], FIELD),
        (vec![metadata("x-amz-meta-a", &"x".repeat(2037))], "OBJECT_METADATA_TOO_LARGE"),
    ] {
        let request = pb::SignPostPolicyRequest { metadata: headers, ..request() };
        assert_eq!(refused(sign(&signer, request).await).1, reason);
    }
    for (url, bucket) in [
        ("https://s3.example/photos/", "photos"),
        ("http://127.0.0.1:9000/pho.tos/", "pho.tos"),
        ("https://pho.tos/", "pho.tos"),
        ("http://photos.localhost:9000/", "photos"),
    ] {
        let (url, bucket) = (url.to_owned(), bucket.to_owned());
        ok(sign(&signer, pb::SignPostPolicyRequest { url, bucket, ..request() }).await);
    }
}

#[tokio::test]
async fn a_key_that_adds_headers_signs_no_form() {
    let signer = resizer::signer("request_payer = true");
    let key = refused(sign(&signer, request()).await);
    assert_eq!(key, (Code::InvalidArgument, "FIELD_INVALID".to_owned()));
}

#[tokio::test]
async fn a_grant_covers_all_that_a_form_may_store() {
    let signer = signer();
    let ask = async |more: &str, request: pb::SignPostPolicyRequest| {
        let grants =
            format!("[[grants]]\ncaller = 'resizer'\nmethods = ['SignPostPolicy']\nkeys = ['s3']\n{more}\n");
        match signer.sign_post_policy(granted_by(&grants, "SignPostPolicy", request)).await {
            Ok(answer) => answer.into_inner().expire_time.unwrap().seconds.to_string(),
            Err(status) => refused::<()>(Err(status)).1,
        }
    };
    let (for_long, denied) = ("1700000900", "CALLER_DENIED");
    for (more, exact, below) in [
        ("", denied, denied),
        ("http_methods = ['PUT']", for_long, for_long),
        ("http_methods = ['PUT']\nmax_ttl = '1m'", "1700000060", "1700000060"),
        (
            "http_methods = ['PUT']\nurl_prefixes = ['https://photos.s3.eu-west-1.amazonaws.com/up/']",
            for_long,
            for_long,
        ),
        (
            "http_methods = ['PUT']\nurl_prefixes = ['https://photos.s3.eu-west-1.amazonaws.com/up/7-x/']",
            denied,
            denied,
        ),
    ] {
        assert_eq!(ask(more, request()).await, exact, "{more}");
        assert_eq!(ask(more, prefixed()).await, below, "{more}");
    }
    // A prefix that is shorter than the grant's would have keys beside it.
    let more = "http_methods = ['PUT']\nurl_prefixes = ['https://photos.s3.eu-west-1.amazonaws.com/up/']";
    for prefix in ["u", "up", "up/"] {
        let request = pb::SignPostPolicyRequest {
            object: Some(Object::ObjectKeyPrefix(prefix.to_owned())),
            ..prefixed()
        };
        let expected = if prefix == "up/" { for_long } else { denied };
        assert_eq!(ask(more, request).await, expected, "{prefix}");
    }
}
