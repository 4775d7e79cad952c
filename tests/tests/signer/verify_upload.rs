//! `VerifyUpload`: a bad signature is an answer.

use std::collections::BTreeSet;

use safelight_proto::signer::v1::{
    FormField, Reason, SignUploadRequest, Verdict, VerifyUploadRequest, VerifyUploadResponse,
};
use serde_json::json;

use crate::harness::{NOW, Pair, ok, parameters, refused, wrong_keys};

async fn verify(pair: &Pair, key: &str, fields: &[FormField]) -> VerifyUploadResponse {
    let request = VerifyUploadRequest { key: key.to_owned(), fields: fields.to_vec() };
    ok(pair.verifier().verify_upload(request).await)
}

fn field(name: &str, value: &str) -> FormField {
    FormField { name: name.to_owned(), value: value.to_owned() }
}

/// The form of a good upload at [`NOW`].
async fn good(pair: &Pair, key: &str) -> Vec<FormField> {
    let given = json!({ "folder": "a&b", "tags": ["x", "y"], "timestamp": NOW });
    let request = SignUploadRequest { key: key.to_owned(), parameters: Some(parameters(&given)) };
    ok(pair.signer().sign_upload(request).await).form_fields
}

fn set(fields: &[FormField], name: &str, value: &str) -> Vec<FormField> {
    let mut fields = without(fields, name);
    fields.push(field(name, value));
    fields
}

fn without(fields: &[FormField], name: &str) -> Vec<FormField> {
    fields.iter().filter(|field| field.name != name).cloned().collect()
}

fn with(fields: &[FormField], more: &[(&str, &str)]) -> Vec<FormField> {
    fields.iter().cloned().chain(more.iter().map(|(name, value)| field(name, value))).collect()
}

#[tokio::test]
async fn a_good_upload_tells_the_version() {
    let pair = Pair::start().await;
    for (key, version) in [("upload", 5), ("upload-sha1", 1)] {
        let good = good(&pair, key).await;
        let expected = VerifyUploadResponse {
            verdict: Verdict::Valid.into(),
            reason: Reason::Ok.into(),
            key_version: version,
        };
        assert_eq!(verify(&pair, key, &good).await, expected);
        // In another order, with fields that are not signed, with a list as forms write it.
        let mut same = with(
            &without(&good, "tags"),
            &[("tags[]", "x"), ("file", "bytes"), ("resource_type", "image"), ("tags[]", "y"), ("empty", "")],
        );
        same.reverse();
        assert_eq!(
            verify(&pair, key, &same).await.reason(),
            Reason::SignatureMismatch,
            "y,x is another list"
        );
        same.reverse();
        assert_eq!(verify(&pair, key, &same).await, expected);
    }
    // Each for itself: the secret is the same, the algorithm is the key's.
    let sha1 = good(&pair, "upload-sha1").await;
    assert_eq!(verify(&pair, "upload", &sha1).await.reason(), Reason::SignatureMalformed);
}

#[tokio::test]
async fn every_reason() {
    let pair = Pair::start().await;
    let good = good(&pair, "upload").await;
    let zeros = "0".repeat(64);
    let signature = &good.iter().find(|field| field.name == "signature").unwrap().value;
    let mut seen = BTreeSet::new();
    for (now, fields, reason) in [
        (NOW, good.clone(), Reason::Ok),
        (NOW + 3600, good.clone(), Reason::Ok),
        (NOW + 3601, good.clone(), Reason::Stale),
        (NOW - 300, good.clone(), Reason::Ok),
        (NOW - 301, good.clone(), Reason::NotYetValid),
        (NOW, vec![], Reason::SignatureMissing),
        (NOW, without(&good, "signature"), Reason::SignatureMissing),
        (NOW, set(&good, "signature", ""), Reason::SignatureMalformed),
        (NOW, set(&good, "signature", &signature.to_uppercase()), Reason::SignatureMalformed),
        (NOW, set(&good, "signature", &signature[..40]), Reason::SignatureMalformed),
        (NOW, set(&good, "signature", &zeros), Reason::SignatureMismatch),
        (NOW, set(&good, "folder", "elsewhere"), Reason::SignatureMismatch),
        (NOW, set(&good, "folder", "a%26b"), Reason::Ok), // format 2 does not tell these apart
        (NOW, without(&good, "folder"), Reason::SignatureMismatch),
        (NOW, with(&good, &[("overwrite", "true")]), Reason::SignatureMismatch),
        (NOW, set(&good, "timestamp", "1700000001"), Reason::SignatureMismatch),
        (NOW, set(&good, "timestamp", "1"), Reason::SignatureMismatch), // stale, but first of all forged
        (NOW, without(&good, "timestamp"), Reason::TimestampMissing),
        (NOW, set(&good, "timestamp", "01700000000"), Reason::TimestampMalformed),
        (NOW, set(&good, "timestamp", "9999999999999"), Reason::TimestampMalformed),
        (NOW, with(&good, &[("folder", "a&b")]), Reason::DuplicateParameter),
        (NOW, with(&good, &[("folder[]", "a&b")]), Reason::DuplicateParameter),
        (NOW, with(&good, &[("signature", &zeros)]), Reason::DuplicateParameter),
        (NOW, with(&good, &[("Folder", "x")]), Reason::ParameterNameInvalid),
        (NOW, with(&good, &[("a=b&folder", "x")]), Reason::ParameterNameInvalid),
        (NOW, with(&good, &[("", "")]), Reason::ParameterNameInvalid),
    ] {
        pair.clock.set(now);
        let verified = verify(&pair, "upload", &fields).await;
        assert_eq!(verified.reason(), reason, "{fields:?} at {now}");
        let verdict = if reason == Reason::Ok { Verdict::Valid } else { Verdict::Invalid };
        assert_eq!(verified.verdict(), verdict);
        assert_eq!(verified.key_version, if reason == Reason::Ok { 5 } else { 0 });
        seen.insert(reason.as_str_name());
    }
    // Every reason of the contract but those that only URLs, or only notifications, have.
    let of_urls = [
        Reason::Unspecified,
        Reason::Expired,
        Reason::ExpiryMissing,
        Reason::ExpiryMalformed,
        Reason::AmbiguousPath,
        Reason::InputTooLong,
        Reason::OriginMissing,
        Reason::ClientMismatch,
        Reason::ResourceMismatch,
        Reason::UrlNotAllowed,
        Reason::BodyMalformed,
        Reason::PublicIdInvalid,
        Reason::VersionMalformed,
    ];
    let all: BTreeSet<_> = (0..=22)
        .map(|number| Reason::try_from(number).unwrap())
        .filter(|reason| !of_urls.contains(reason))
        .map(|reason| reason.as_str_name())
        .collect();
    assert_eq!(seen, all);
    assert!(Reason::try_from(23).is_err(), "a new reason needs a case here or in verify_url");
}

#[tokio::test]
async fn every_error() {
    let pair = Pair::start().await;
    for (key, code, reason) in wrong_keys(["url", "s3"]) {
        let request = VerifyUploadRequest { key: key.to_owned(), fields: vec![] };
        refused(pair.verifier().verify_upload(request).await, code, reason, &[]);
    }
}
