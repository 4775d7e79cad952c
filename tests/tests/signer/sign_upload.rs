//! `SignUpload`.

use std::collections::BTreeMap;

use safelight_proto::signer::v1::{SignUploadRequest, SignUploadResponse};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tonic::{Code, Response, Status};

use crate::harness::{NOW, Pair, UPLOAD, ok, parameters, refused, timestamp};

async fn sign(pair: &Pair, key: &str, json: &Json) -> Result<Response<SignUploadResponse>, Status> {
    let request = SignUploadRequest { key: key.to_owned(), parameters: Some(parameters(json)) };
    pair.signer().sign_upload(request).await
}

fn form(signed: &SignUploadResponse) -> BTreeMap<&str, &str> {
    signed.form_fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect()
}

#[tokio::test]
async fn parameters_are_signed_and_come_back_as_the_form_to_post() {
    let pair = Pair::start().await;
    let given = json!({
        "folder": "été & hiver",
        "tags": ["sea", "sun", 7, true],
        "overwrite": false,
        "max_files": 0,
        "empty": "",
        "nothing": null,
        "none": [],
        "file": "never signed",
        "api_key": "never signed",
        "cloud_name": "never signed",
        "resource_type": "never signed",
    });
    let signed = ok(sign(&pair, "upload", &given).await);
    let message = "folder=été %26 hiver&max_files=0&overwrite=false&tags=sea,sun,7,true&timestamp=1700000000";
    let signature = hex::encode(Sha256::digest(format!("{message}{UPLOAD}")));
    assert_eq!(signed.signature, signature);
    assert_eq!((signed.key_version, signed.expire_time), (5, Some(timestamp(NOW + 3600))));
    assert_eq!(
        form(&signed),
        BTreeMap::from([
            ("folder", "été & hiver"),
            ("tags", "sea,sun,7,true"),
            ("overwrite", "false"),
            ("max_files", "0"),
            ("timestamp", "1700000000"),
            ("api_key", "api-key-1234"),
            ("signature_algorithm", "sha256"),
            ("signature", &signature),
        ])
    );
    assert_eq!(signed.form_fields.len(), 8, "no field twice");
}

#[tokio::test]
async fn the_timestamp_may_be_given_and_the_key_decides_the_algorithm() {
    let pair = Pair::start().await;
    for given in [json!(NOW - 3600), json!((NOW + 300).to_string())] {
        let signed = ok(sign(&pair, "upload-sha1", &json!({ "timestamp": given })).await);
        assert_eq!(signed.signature.len(), 40);
        let form = form(&signed);
        assert_eq!((form["signature_algorithm"], form.get("api_key")), ("sha1", None));
        let at: u64 = form["timestamp"].parse().unwrap();
        assert_eq!(signed.expire_time, Some(timestamp(at + 3600)));
    }
    let nothing = SignUploadRequest { key: "upload".to_owned(), parameters: None };
    let signed = ok(pair.signer().sign_upload(nothing).await);
    assert_eq!(form(&signed)["timestamp"], NOW.to_string());
}

#[tokio::test]
async fn every_error() {
    let pair = Pair::start().await;
    let invalid = Code::InvalidArgument;
    for (key, given, code, reason, fields) in [
        ("nope", json!({}), Code::NotFound, "KEY_NOT_FOUND", &[][..]),
        ("url", json!({}), Code::FailedPrecondition, "KEY_SCHEME_MISMATCH", &[]),
        ("upload", json!({"signature": "x"}), invalid, "RESERVED_PARAMETER", &["parameters.signature"]),
        (
            "upload",
            json!({"signature_algorithm": "sha1"}),
            invalid,
            "RESERVED_PARAMETER",
            &["parameters.signature_algorithm"],
        ),
        ("upload", json!({"": 1}), invalid, "FIELD_INVALID", &["parameters"]),
        ("upload", json!({"public-id": 1}), invalid, "FIELD_INVALID", &["parameters"]),
        ("upload", json!({"a=b&c": 1}), invalid, "FIELD_INVALID", &["parameters"]),
        ("upload", json!({"tags[]": 1}), invalid, "FIELD_INVALID", &["parameters"]),
        ("upload", json!({"width": 1.5}), invalid, "FIELD_INVALID", &["parameters.width"]),
        ("upload", json!({"width": 1e300}), invalid, "FIELD_INVALID", &["parameters.width"]),
        ("upload", json!({"context": {"a": "b"}}), invalid, "FIELD_INVALID", &["parameters.context"]),
        ("upload", json!({"tags": [["a"]]}), invalid, "FIELD_INVALID", &["parameters.tags"]),
        ("upload", json!({"tags": ["a", null]}), invalid, "FIELD_INVALID", &["parameters.tags"]),
        ("upload", json!({"timestamp": "now"}), invalid, "FIELD_INVALID", &["parameters.timestamp"]),
        ("upload", json!({"timestamp": -1}), invalid, "FIELD_INVALID", &["parameters.timestamp"]),
        ("upload", json!({"timestamp": "01700000000"}), invalid, "FIELD_INVALID", &["parameters.timestamp"]),
        (
            "upload",
            json!({"timestamp": NOW - 3601}),
            invalid,
            "EXPIRY_OUT_OF_RANGE",
            &["parameters.timestamp"],
        ),
        (
            "upload",
            json!({"timestamp": NOW + 301}),
            invalid,
            "EXPIRY_OUT_OF_RANGE",
            &["parameters.timestamp"],
        ),
    ] {
        refused(sign(&pair, key, &given).await, code, reason, fields);
    }
}
