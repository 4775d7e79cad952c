//! Cloudinary's signatures of uploads, of the answers to them, and of notifications.

use safelight_signer::scheme::cloudinary_upload::{
    self, Algorithm, MAX_NOTIFICATION_AGE, Notification, NotificationRefusal, Refusal, Response, Value,
    Version,
};
use serde_json::Value as Json;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::{assert_counts, is_exception, number, run, text, upper_snake};

#[test]
fn cloudinary_upload() {
    let counts = run("cloudinary_upload", |op, case| match op {
        "sign" => cloudinary_sign(case, &[]),
        "sign_request" => cloudinary_sign(case, &cloudinary_upload::UNSIGNED),
        "verify" => cloudinary_verify(case),
        other => panic!("{other}"),
    });
    assert_counts(&counts, &[("sign", 61), ("sign_request", 1), ("verify", 25)]);
}

fn algorithm(name: &Json) -> Algorithm {
    match text(name) {
        "sha1" => Algorithm::Sha1,
        "sha256" => Algorithm::Sha256,
        other => panic!("{other}"),
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(value) => Value::Integer(value.as_i64().unwrap()),
        Json::String(value) => Value::Text(value.clone()),
        Json::Array(values) => Value::List(values.iter().map(value).collect()),
        Json::Object(_) => panic!("{json}"),
    }
}

fn cloudinary_sign(case: &Json, excluded: &[&str]) {
    let key = cloudinary_upload::Key::new(text(&case["key"]["secret_utf8"]).as_bytes());
    let inputs = &case["inputs"];
    let version = match number(&inputs["signature_version"]) {
        1 => Version::V1,
        2 => Version::V2,
        other => panic!("{other}"),
    };
    let params: Vec<_> = inputs["params"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| !excluded.contains(&name.as_str()))
        .map(|(name, json)| (name.as_str(), value(json).text()))
        .collect();
    let params = params.iter().map(|(name, value)| (*name, value.as_str()));
    let signature = cloudinary_upload::sign(&key, algorithm(&inputs["algorithm"]), version, params);
    assert_eq!(signature, text(&case["expected"]["signature"]));
}

fn cloudinary_verify(case: &Json) {
    let key = cloudinary_upload::Key::new(text(&case["key"]["secret_utf8"]).as_bytes());
    let (inputs, expected) = (&case["inputs"], &case["expected"]);
    assert_eq!(number(&inputs["policy"]["max_age_s"]), cloudinary_upload::MAX_AGE);
    assert_eq!(number(&inputs["policy"]["max_future_s"]), cloudinary_upload::MAX_AHEAD);
    let policy = cloudinary_upload::Policy {
        algorithm: algorithm(&case["key"]["algorithm"]),
        accept_v1: inputs["policy"]["accept_signature_v1"].as_bool().unwrap(),
    };
    let fields: Vec<_> =
        inputs["fields"].as_array().unwrap().iter().map(|field| (text(&field[0]), text(&field[1]))).collect();
    let answer = cloudinary_upload::verify([&key], &fields, number(&inputs["now"]), &policy);
    assert_eq!(answer.is_ok(), expected["valid"].as_bool().unwrap());
    let reason = answer.err().map_or_else(|| "OK".to_owned(), |refusal| upper_snake(&format!("{refusal:?}")));
    assert_eq!(reason, text(&expected["reason"]));
}

#[test]
fn cloudinary_response() {
    let counts = run("cloudinary_response", |_, case| {
        let (inputs, expected) = (&case["inputs"], text(&case["expected"]["signature"]));
        let key = key(case);
        let algorithm = algorithm(&inputs["algorithm"]);
        let (public_id, version) = (text(&inputs["public_id"]), number(&inputs["version"]));
        let signature = cloudinary_upload::sign_response(&key, algorithm, public_id, version);
        assert_eq!(signature, expected);
        let version = version.to_string();
        let response = Response { public_id, version: &version, signature: expected };
        cloudinary_upload::verify_response([&key], &[algorithm], &response).unwrap();
    });
    assert_counts(&counts, &[("sign", 4)]);
}

#[test]
fn cloudinary_webhook() {
    let counts = run("cloudinary_webhook", |op, case| match op {
        "verify" => webhook_verify(case),
        "ambiguity" => webhook_ambiguity(case),
        other => panic!("{other}"),
    });
    assert_counts(&counts, &[("verify", 7), ("ambiguity", 1)]);
}

fn key(case: &Json) -> cloudinary_upload::Key {
    cloudinary_upload::Key::new(text(&case["key"]["secret_utf8"]).as_bytes())
}

/// What the format itself says: the hash of body, timestamp and secret.
fn webhook_signature(case: &Json, body: &str, timestamp: &str) -> String {
    let message = [body, timestamp, text(&case["key"]["secret_utf8"])].concat();
    match algorithm(&case["inputs"]["algorithm"]) {
        Algorithm::Sha1 => hex::encode(Sha1::digest(message)),
        Algorithm::Sha256 => hex::encode(Sha256::digest(message)),
    }
}

fn webhook_verify(case: &Json) {
    let (inputs, expected) = (&case["inputs"], &case["expected"]);
    let (body, timestamp) = (text(&inputs["body"]), number(&inputs["x_cld_timestamp"]).to_string());
    let signature = text(&inputs["x_cld_signature"]);
    assert_eq!(webhook_signature(case, body, &timestamp), signature);
    let answer = cloudinary_upload::verify_notification(
        [&key(case)],
        &[algorithm(&inputs["algorithm"])],
        &Notification { body: body.as_bytes(), timestamp: &timestamp, signature },
        number(&inputs["valid_for_s"]),
        number(&inputs["now"]),
    );
    if is_exception(case) {
        assert_eq!(answer, Err(Refusal::TimestampMalformed.into()));
        return;
    }
    assert!(number(&inputs["valid_for_s"]) <= MAX_NOTIFICATION_AGE);
    let reason = match answer {
        Ok(_) => "OK".to_owned(),
        Err(NotificationRefusal::Signature(refusal)) => upper_snake(&format!("{refusal:?}")),
        Err(refusal @ NotificationRefusal::BodyMalformed) => upper_snake(&format!("{refusal:?}")),
    };
    assert_eq!(reason, text(&expected["strict_policy_reason"]));
}

/// Neither reading is accepted: both bodies are cut off, and one timestamp has nine digits.
fn webhook_ambiguity(case: &Json) {
    let signature = text(&case["expected"]["signature"]);
    for (part, refusal) in [
        ("a", NotificationRefusal::BodyMalformed),
        ("b", NotificationRefusal::Signature(Refusal::TimestampMalformed)),
    ] {
        let part = &case["inputs"][part];
        let (body, timestamp) = (text(&part["body"]), number(&part["x_cld_timestamp"]));
        let text_of_it = timestamp.to_string();
        assert_eq!(webhook_signature(case, body, &text_of_it), signature);
        let notification = Notification { body: body.as_bytes(), timestamp: &text_of_it, signature };
        let answer = cloudinary_upload::verify_notification(
            [&key(case)],
            &[Algorithm::Sha256],
            &notification,
            7200,
            timestamp,
        );
        assert_eq!(answer, Err(refusal));
    }
}
