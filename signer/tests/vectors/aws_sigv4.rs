//! AWS Signature Version 4: S3, and the generic suite.

use std::collections::BTreeMap;

use safelight_signer::scheme::aws_sigv4::{self, Body, Credentials, Request, S3Request, Scope};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::{assert_counts, number, run, text};

#[test]
fn aws_sigv4_s3() {
    let counts = run("aws_sigv4_s3", |op, case| match op {
        "sign_header" => s3_sign_header(case),
        "presign" => s3_presign(case),
        "presign_object" => s3_presign_object(case),
        "canonical" => s3_published(case),
        other => panic!("{other}"),
    });
    assert_counts(&counts, &[("sign_header", 29), ("presign", 25), ("presign_object", 6), ("canonical", 5)]);
}

fn credentials(key: &Json) -> Credentials {
    Credentials::new(
        text(&key["access_key_id"]),
        text(&key["secret_access_key"]),
        key["session_token"].as_str(),
    )
}

fn header_list(object: &Json) -> Vec<(&str, &str)> {
    object.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), text(value))).collect()
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// What the service would be asked to sign is accepted by its checks.
fn accepted_by_the_service(request: &Request<'_>, region: &str, presigned: bool) {
    S3Request::new(request.clone(), region, presigned).unwrap();
}

fn s3_sign_header(case: &Json) {
    let (inputs, expected) = (&case["inputs"], &case["expected"]);
    let headers = header_list(&inputs["headers"]);
    let digest = sha256(inputs["body_utf8"].as_str().unwrap_or_default());
    let body =
        if inputs["unsigned_payload"].as_bool().unwrap() { Body::Unsigned } else { Body::Sha256(&digest) };
    let request =
        Request { method: text(&inputs["method"]), url: text(&inputs["url"]), headers: &headers, body };
    let region = text(&inputs["region"]);
    accepted_by_the_service(&request, region, false);
    let now = number(&inputs["timestamp"]);
    let signed =
        aws_sigv4::sign_headers(&credentials(&case["key"]), &request, &Scope::s3(region), now).unwrap();
    let signed: BTreeMap<_, _> = signed.into_iter().collect();
    let mut wanted: BTreeMap<_, _> = expected["headers_added"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), text(value).to_owned()))
        .collect();
    wanted.insert("authorization".to_owned(), text(&expected["authorization"]).to_owned());
    assert!(
        signed.iter().map(|(name, value)| (*name, value)).eq(wanted.iter().map(|(n, v)| (n.as_str(), v)))
    );
}

fn s3_presign(case: &Json) {
    let (inputs, expected) = (&case["inputs"], &case["expected"]);
    let headers = header_list(&inputs["headers"]);
    let request = Request {
        method: text(&inputs["method"]),
        url: text(&inputs["url"]),
        headers: &headers,
        body: Body::Unsigned,
    };
    presigned(case, &request, number(&inputs["expires_s"]), text(&expected["url"]));
}

fn presigned(case: &Json, request: &Request<'_>, lifetime: u64, expected: &str) {
    let inputs = &case["inputs"];
    let region = text(&inputs["region"]);
    accepted_by_the_service(request, region, true);
    let now = number(&inputs["timestamp"]);
    let url =
        aws_sigv4::presign(&credentials(&case["key"]), request, &Scope::s3(region), now, lifetime).unwrap();
    assert_eq!(url, expected);
}

/// Percent-encodes all but unreserved characters and those in `kept`.
fn encode(text: &str, kept: &str) -> String {
    text.bytes()
        .map(|byte| match char::from(byte) {
            c if c.is_ascii_alphanumeric() || "-._~".contains(c) || (c.is_ascii() && kept.contains(c)) => {
                c.to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn s3_presign_object(case: &Json) {
    let inputs = &case["inputs"];
    assert_eq!(text(&inputs["addressing_style"]), "virtual");
    let (method, headers) = match text(&inputs["operation"]) {
        "get_object" => ("GET", vec![]),
        "put_object" => ("PUT", vec![("content-type", text(&inputs["params"]["ContentType"]))]),
        other => panic!("{other}"),
    };
    let key = encode(text(&inputs["object_key"]), "/");
    let url = format!("https://{}.s3.amazonaws.com/{key}", text(&inputs["bucket"]));
    let request = Request { method, url: &url, headers: &headers, body: Body::Unsigned };
    presigned(case, &request, number(&inputs["expires_s"]), text(&case["expected"]["url"]));
}

/// The examples of the S3 API reference. They are given with the headers that signing adds; here these are made.
fn s3_published(case: &Json) {
    let inputs = &case["inputs"];
    assert_eq!(text(&inputs["timestamp_iso"]), "20130524T000000Z");
    let now = 1_369_353_600;
    let given: Vec<_> = inputs["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|header| (text(&header[0]), text(&header[1])))
        .collect();
    let host = given.iter().find(|(name, _)| *name == "host").unwrap().1;
    let added = ["host", "x-amz-content-sha256", "x-amz-date"];
    let headers: Vec<_> = given.iter().copied().filter(|(name, _)| !added.contains(name)).collect();
    let (path, query) = (text(&inputs["raw_path"]), text(&inputs["raw_query"]));
    let credentials = credentials(&case["key"]);
    let scope = Scope::s3(text(&inputs["region"]));
    let signature = format!("Signature={}", text(&case["expected"]["signature"]));

    if query.contains("X-Amz-Expires=86400") {
        let url = format!("https://{host}{path}");
        let request = Request { method: "GET", url: &url, headers: &headers, body: Body::Unsigned };
        let url = aws_sigv4::presign(&credentials, &request, &scope, now, 86400).unwrap();
        assert!(url.contains(query), "{url}");
        assert!(url.ends_with(&signature), "{url}");
    } else {
        let url = format!("https://{host}{path}?{query}");
        let body = Body::Sha256(text(&inputs["payload_hash"]));
        let request = Request { method: text(&inputs["method"]), url: &url, headers: &headers, body };
        let signed = aws_sigv4::sign_headers(&credentials, &request, &scope, now).unwrap();
        let authorization = &signed.iter().find(|(name, _)| *name == "authorization").unwrap().1;
        assert!(authorization.ends_with(&signature), "{authorization}");
    }
}

#[test]
fn aws_sigv4_suite() {
    let counts = run("aws_sigv4_suite", |op, case| match op {
        "sign" => suite_sign(case),
        other => panic!("{other}"),
    });
    assert_counts(&counts, &[("sign", 25)]);
}

/// A request of the suite in its text form: request line, headers (a folded value continues after spaces), body.
fn suite_request(text: &str) -> (String, String, Vec<(String, String)>, String) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let line = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap();
    let (method, target) = line.split_once(' ').unwrap();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.starts_with(' ') {
            headers.last_mut().unwrap().1.push_str(line);
        } else {
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    (method.to_owned(), target.to_owned(), headers, body.to_owned())
}

fn suite_sign(case: &Json) {
    let context = &case["inputs"]["context"];
    assert_eq!(text(&context["timestamp"]), "2015-08-30T12:36:00Z");
    let now = 1_440_938_160;
    let (method, target, headers, body) = suite_request(text(&case["inputs"]["request_text"]));
    let host = headers.iter().find(|(name, _)| name == "Host").unwrap().1.clone();
    let headers: Vec<_> =
        headers.iter().filter(|(name, _)| name != "Host").map(|(n, v)| (n.as_str(), v.as_str())).collect();
    // The suite writes raw spaces and letters into the request line and encodes them once, in the signature. Here
    // a URL comes encoded once and is signed so: the same canonical path and query.
    let url = format!("https://{host}{}", encode(&target, "/?&=%"));
    let digest = sha256(&body);
    let request = Request { method: &method, url: &url, headers: &headers, body: Body::Sha256(&digest) };
    let scope = Scope {
        region: text(&context["region"]),
        service: text(&context["service"]),
        normalize_path: context["normalize"].as_bool().unwrap(),
        content_sha256_header: context["sign_body"].as_bool().unwrap(),
    };
    // "sts-header-after": the session token is added after signing, so it is signed without one.
    let mut key = case["key"].clone();
    if context["omit_session_token"].as_bool() == Some(true) {
        key["session_token"] = Json::Null;
    }
    let credentials = credentials(&key);

    let signed = aws_sigv4::sign_headers(&credentials, &request, &scope, now).unwrap();
    let authorization = &signed.iter().find(|(name, _)| *name == "authorization").unwrap().1;
    let signature = format!("Signature={}", text(&case["expected"]["header_signature"]));
    assert!(authorization.ends_with(&signature), "{authorization}");

    let lifetime = number(&context["expiration_in_seconds"]);
    let url = aws_sigv4::presign(&credentials, &request, &scope, now, lifetime).unwrap();
    let signature = format!("&X-Amz-Signature={}", text(&case["expected"]["query_signature"]));
    assert!(url.ends_with(&signature), "{url}");
}
