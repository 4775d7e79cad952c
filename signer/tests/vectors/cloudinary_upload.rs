//! Cloudinary upload signatures.

use safelight_signer::scheme::cloudinary_upload::{self, Algorithm, Value, Version};
use serde_json::Value as Json;

use crate::{assert_counts, number, run, text, upper_snake};

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
