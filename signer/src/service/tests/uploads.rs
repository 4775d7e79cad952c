use prost_types::{ListValue, Struct, Value, value::Kind};
use safelight_proto::signer::v1::{FormField, Reason, Verdict};

use super::*;

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

async fn sign_upload(
    signer: &Signer,
    key: &str,
    parameters: &[(&str, Value)],
) -> Result<Response<pb::SignUploadResponse>, Status> {
    let fields = parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let parameters = Some(Struct { fields });
    signer.sign_upload(allowed(pb::SignUploadRequest { key: key.to_owned(), parameters })).await
}

async fn verify_upload(signer: &Signer, key: &str, fields: Vec<FormField>) -> pb::VerifyUploadResponse {
    let request = pb::VerifyUploadRequest { key: key.to_owned(), fields };
    ok(signer.verify_upload(allowed(request)).await)
}

fn field(name: &str, value: &str) -> FormField {
    FormField { name: name.to_owned(), value: value.to_owned() }
}

#[tokio::test]
async fn an_upload_is_signed_and_its_form_verifies() {
    let signer = signer();
    let tags = Value { kind: Some(Kind::ListValue(ListValue { values: vec![text("a"), text("b&c")] })) };
    let parameters = [("folder", text("u/1")), ("tags", tags), ("context", text("")), ("file", text("x"))];
    for (key, api_key, algorithm, digits) in
        [("uploads", Some("1234"), "sha256", 64), ("uploads-sha1", None, "sha1", 40)]
    {
        signer.clock.set(NOW);
        let signed = ok(sign_upload(&signer, key, &parameters).await);
        assert_eq!(signed.expire_time, Some(timestamp(NOW + 3600)));
        assert_eq!(signed.signature.len(), digits);
        let form: Vec<_> =
            signed.form_fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
        let mut expected = vec![("folder", "u/1"), ("tags", "a,b&c"), ("timestamp", "1700000000")];
        expected.extend(api_key.map(|api_key| ("api_key", api_key)));
        expected.extend([("signature_algorithm", algorithm), ("signature", signed.signature.as_str())]);
        assert_eq!(form, expected);

        let mut posted = signed.form_fields;
        posted.push(field("file", "<bytes>"));
        let verified = verify_upload(&signer, key, posted.clone()).await;
        let valid = pb::VerifyUploadResponse {
            verdict: Verdict::Valid.into(),
            reason: Reason::Ok.into(),
            key_version: signed.key_version,
        };
        assert_eq!(verified, valid);
        for (now, reason) in
            [(NOW + 3600, Reason::Ok), (NOW + 3601, Reason::Stale), (NOW - 301, Reason::NotYetValid)]
        {
            signer.clock.set(now);
            assert_eq!(verify_upload(&signer, key, posted.clone()).await.reason(), reason);
        }
        signer.clock.set(NOW);
        posted[0].value = "u/2".to_owned();
        let verified = verify_upload(&signer, key, posted).await;
        assert_eq!((verified.verdict(), verified.reason()), (Verdict::Invalid, Reason::SignatureMismatch));
        assert_eq!(verified.key_version, 0);
    }
}

#[tokio::test]
async fn every_other_reason_of_an_upload() {
    let signer = signer();
    let zeros = "0".repeat(64);
    for (fields, reason) in [
        (vec![], Reason::SignatureMissing),
        (vec![field("A", "")], Reason::ParameterNameInvalid),
        (vec![field("a", ""), field("a", "")], Reason::DuplicateParameter),
        (vec![field("signature", "0")], Reason::SignatureMalformed),
        (vec![field("signature", &zeros)], Reason::TimestampMissing),
        (vec![field("signature", &zeros), field("timestamp", "-1")], Reason::TimestampMalformed),
    ] {
        let verified = verify_upload(&signer, "uploads", fields).await;
        assert_eq!((verified.verdict(), verified.reason()), (Verdict::Invalid, reason));
    }
    let request = pb::VerifyUploadRequest { key: "web".to_owned(), fields: vec![] };
    let answer = signer.verify_upload(allowed(request)).await;
    assert_eq!(refused(answer), (Code::FailedPrecondition, "KEY_SCHEME_MISMATCH".to_owned()));
}

#[tokio::test]
async fn uploads_that_are_not_signed() {
    let signer = signer();
    for (key, parameter, code, reason) in [
        ("nope", ("a", text("b")), Code::NotFound, "KEY_NOT_FOUND"),
        ("web", ("a", text("b")), Code::FailedPrecondition, "KEY_SCHEME_MISMATCH"),
        ("uploads", ("signature", text("b")), Code::InvalidArgument, "RESERVED_PARAMETER"),
        ("uploads", ("a b", text("b")), Code::InvalidArgument, "FIELD_INVALID"),
        ("uploads", ("timestamp", text("5")), Code::InvalidArgument, "EXPIRY_OUT_OF_RANGE"),
    ] {
        assert_eq!(refused(sign_upload(&signer, key, &[parameter]).await), (code, reason.to_owned()));
    }
}

/// Whatever is signed can be verified: a form that is larger than a message to `VerifyUpload` is not signed.
#[tokio::test]
async fn the_largest_upload_that_is_signed_fits_a_message_to_the_verifier() {
    use prost::Message;

    let signer = signer();
    let names: Vec<_> = (0..1000).map(|n| format!("n{n:03}")).collect();
    let form = async |padding: usize| {
        let (padding, empty) = (text(&"x".repeat(padding)), "é".repeat(11));
        let named = names.iter().map(|name| (name.as_str(), text(&empty)));
        let parameters: Vec<_> = named.chain([("padding", padding)]).collect();
        sign_upload(&signer, "uploads", &parameters).await
    };
    // 1,000 fields of 4 + 22 + 12 bytes, and one of 7 + 12 with its padding.
    let room = 60 * 1024 - 1000 * 38 - 19;
    let fields = ok(form(room).await).form_fields;
    let request = pb::VerifyUploadRequest { key: "k".repeat(64), fields: fields.clone() };
    assert!(request.encoded_len() <= crate::limits().max_decoding_message_size, "{}", request.encoded_len());
    assert_eq!(verify_upload(&signer, "uploads", fields).await.verdict(), Verdict::Valid);
    assert_eq!(refused(form(room + 1).await), (Code::InvalidArgument, "INPUT_TOO_LONG".to_owned()));
}
