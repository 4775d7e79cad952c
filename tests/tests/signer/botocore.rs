//! AWS's own client, botocore: at the same time it makes the same headers and the same presigned URLs.

use std::collections::BTreeMap;

use safelight_proto::signer::v1::{
    Header, SignOriginRequestRequest, SignPostPolicyRequest, SignatureLocation,
    sign_post_policy_request::{Object, Type},
};
use safelight_tests::counterpart;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::harness::{NOW, Pair, S3, S3_ID, S3_TOKEN, ask, duration, ok, script};

const REGION: &str = "eu-central-2";

/// A parameter without a value has its `=`: in a presigned URL botocore writes one, we leave the URL as it was given, and
/// the signature is the same.
const URLS: [&str; 22] = [
    "https://photos.s3.eu-central-2.amazonaws.com/",
    "https://photos.s3.eu-central-2.amazonaws.com/plain.jpg",
    "https://photos.s3.eu-central-2.amazonaws.com/with%20space.jpg",
    "https://photos.s3.eu-central-2.amazonaws.com/plus%2Bplus.jpg",
    "https://photos.s3.eu-central-2.amazonaws.com/percent%25.jpg",
    "https://photos.s3.eu-central-2.amazonaws.com/percent%252B.jpg",
    "https://photos.s3.eu-central-2.amazonaws.com/%C3%A9t%C3%A9/%E5%86%99%E7%9C%9F/%F0%9F%8C%B9.jpg",
    "https://photos.s3.eu-central-2.amazonaws.com/a//b",
    "https://photos.s3.eu-central-2.amazonaws.com//a",
    "https://photos.s3.eu-central-2.amazonaws.com/a/",
    "https://photos.s3.eu-central-2.amazonaws.com/a/./b/../c",
    "https://photos.s3.eu-central-2.amazonaws.com/-._~",
    "https://photos.s3.eu-central-2.amazonaws.com/%21%22%23%24%26%27%28%29%2A%2C%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E%60%7B%7C%7D",
    "https://photos.s3.eu-central-2.amazonaws.com/?lifecycle=",
    "https://photos.s3.eu-central-2.amazonaws.com/?prefix=J&list-type=2&max-keys=2",
    "https://photos.s3.eu-central-2.amazonaws.com/d?versionId=3HL4kqtJlcpXroDTDmJ%2BrmSpXd3dIbrHY",
    "https://photos.s3.eu-central-2.amazonaws.com/d?response-content-disposition=attachment%3B%20filename%3D%22a%20b.png%22",
    "http://127.0.0.1:9000/photos/a%20b.jpg",
    "http://localhost:80/photos/a",
    "https://store.example:443/photos/a",
    "https://store.example:8443/photos/a",
    "https://[2001:db8::1]:9000/photos/a",
];

/// The headers of a request beside those that signing adds.
fn header_sets() -> [Vec<(&'static str, &'static str)>; 3] {
    [
        vec![],
        vec![("range", "bytes=0-9"), ("if-none-match", "\"abc\"")],
        vec![
            ("X-Amz-Meta-Note", "  a   b  c "),
            ("accept", "image/*"),
            ("x-amz-expected-bucket-owner", "1234"),
        ],
    ]
}

/// How the signature is to travel.
#[derive(Clone, Copy, Debug)]
enum Way {
    Headers { sign_body: bool },
    Query { ttl: u32 },
}

async fn agrees(key: &str, session_token: Option<&str>) {
    let Some(python) = counterpart::python() else { return };
    let pair = Pair::start().await;
    let mut cases = Vec::new();
    for url in URLS {
        for headers in header_sets() {
            // A PUT writes an object, and nothing that a query says.
            let is_object = !url.contains('?') && !url.ends_with("com/");
            for &method in if is_object { &["GET", "HEAD", "PUT"][..] } else { &["GET", "HEAD"] } {
                for way in [
                    Way::Headers { sign_body: false },
                    Way::Headers { sign_body: true },
                    Way::Query { ttl: 1 },
                    Way::Query { ttl: 3600 },
                ] {
                    cases.push((url, headers.clone(), method, way));
                }
            }
        }
    }
    let requests: Vec<Json> = cases
        .iter()
        .map(|(url, headers, method, way)| {
            let headers: BTreeMap<_, _> = headers.iter().copied().collect();
            let (sign_body, expires) = match way {
                Way::Headers { sign_body } => (*sign_body, None),
                Way::Query { ttl } => (false, Some(ttl)),
            };
            json!({ "method": method, "url": url, "headers": headers, "sign_body": sign_body, "expires": expires })
        })
        .collect();
    let question = json!({
        "access_key_id": S3_ID,
        "secret_access_key": S3,
        "session_token": session_token,
        "region": REGION,
        "now": NOW,
        "requests": requests,
    });
    let theirs = ask(script(python, "botocore_sign.py"), &question);
    let theirs = theirs.as_array().unwrap();
    assert_eq!(theirs.len(), cases.len());

    for ((url, headers, method, way), theirs) in cases.into_iter().zip(theirs) {
        let header =
            |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: (*value).to_owned() };
        let mut request = SignOriginRequestRequest {
            key: key.to_owned(),
            method: method.to_owned(),
            url: url.to_owned(),
            region: REGION.to_owned(),
            headers: headers.iter().map(header).collect(),
            ..SignOriginRequestRequest::default()
        };
        match way {
            Way::Headers { sign_body: false } => {}
            Way::Headers { sign_body: true } => request.body_sha256 = hex::encode(Sha256::digest("")),
            Way::Query { ttl } => {
                request.set_location(SignatureLocation::Query);
                request.ttl = Some(duration(ttl.into()));
            }
        }
        let ours = ok(pair.signer().sign_origin_request(request).await);
        assert_eq!(ours.url, theirs["url"].as_str().unwrap(), "{way:?}");
        let mut ours: BTreeMap<String, String> =
            ours.headers.into_iter().map(|header| (header.name, header.value)).collect();
        ours.extend(headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())));
        let theirs: BTreeMap<String, String> = serde_json::from_value(theirs["headers"].clone()).unwrap();
        assert_eq!(ours, theirs, "{method} {url} {way:?}");
    }
    println!("{} requests agree", requests.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_presigned_urls_are_botocores() {
    agrees("s3", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_temporary_credentials_too() {
    agrees("s3-temporary", Some(S3_TOKEN)).await;
}

/// A condition as botocore writes it or as we do, in one form.
fn condition(condition: &Json) -> Json {
    match condition.as_object().and_then(|map| map.iter().next()) {
        Some((name, value)) => json!(["eq", format!("${name}"), value]),
        None => condition.clone(),
    }
}

fn sorted(policy: &Json) -> Vec<String> {
    let conditions = policy["conditions"].as_array().unwrap();
    let mut texts: Vec<_> = conditions.iter().map(|one| condition(one).to_string()).collect();
    texts.sort_unstable();
    texts
}

async fn forms_agree(key: &str, session_token: Option<&str>) {
    let Some(python) = counterpart::python() else { return };
    let pair = Pair::start().await;
    let (mut forms, mut ours) = (Vec::new(), Vec::new());
    for (object, content_type, note) in [
        (Object::ObjectKey("plain.jpg".to_owned()), Type::ContentType("image/jpeg".to_owned()), "x"),
        (
            Object::ObjectKey("été/a b+c%20.jpg".to_owned()),
            Type::ContentTypePrefix("image/".to_owned()),
            "quoted \"x\"",
        ),
        (Object::ObjectKeyPrefix("up/7-".to_owned()), Type::ContentTypePrefix("image/".to_owned()), "$x"),
    ] {
        let mut fields = json!({ "success_action_status": "201", "x-amz-meta-note": note });
        let mut conditions = vec![
            json!({ "success_action_status": "201" }),
            json!({ "x-amz-meta-note": note }),
            json!(["content-length-range", 1, 5000]),
        ];
        match &content_type {
            Type::ContentType(text) => {
                fields["Content-Type"] = json!(text);
                conditions.push(json!({ "Content-Type": text }));
            }
            Type::ContentTypePrefix(text) => conditions.push(json!(["starts-with", "$Content-Type", text])),
        }
        let (Object::ObjectKey(to) | Object::ObjectKeyPrefix(to)) = &object;
        let to =
            if matches!(object, Object::ObjectKey(_)) { to.clone() } else { format!("{to}${{filename}}") };
        let request = SignPostPolicyRequest {
            key: key.to_owned(),
            url: format!("https://photos.s3.{REGION}.amazonaws.com/"),
            bucket: "photos".to_owned(),
            region: REGION.to_owned(),
            object: Some(object),
            max_bytes: 5000,
            r#type: Some(content_type),
            metadata: vec![Header { name: "x-amz-meta-note".to_owned(), value: note.to_owned() }],
            ttl: Some(duration(3600)),
            ..Default::default()
        };
        let signed = ok(pair.signer().sign_post_policy(request).await);
        let mut signed: BTreeMap<_, _> =
            signed.fields.into_iter().map(|field| (field.name, field.value)).collect();
        let (policy, signature) =
            (signed.remove("policy").unwrap(), signed.remove("x-amz-signature").unwrap());
        forms.push(json!({
            "key": to, "fields": fields, "conditions": conditions, "expires": 3600, "policy": policy,
        }));
        ours.push((signed, signature));
    }
    let question = json!({
        "access_key_id": S3_ID,
        "secret_access_key": S3,
        "session_token": session_token,
        "region": REGION,
        "now": NOW,
        "bucket": "photos",
        "forms": forms,
    });
    let theirs = ask(script(python, "botocore_post.py"), &question);
    assert_eq!(theirs.as_array().unwrap().len(), ours.len());
    for ((fields, signature), theirs) in ours.into_iter().zip(theirs.as_array().unwrap()) {
        assert_eq!(theirs["signature"], json!(signature));
        assert_eq!(theirs["fields"], json!(fields));
        assert_eq!(theirs["theirs"]["expiration"], theirs["ours"]["expiration"]);
        assert_eq!(sorted(&theirs["theirs"]), sorted(&theirs["ours"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn post_forms_are_botocores() {
    forms_agree("s3", None).await;
    forms_agree("s3-temporary", Some(S3_TOKEN)).await;
}
