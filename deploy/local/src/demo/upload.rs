//! An upload signature, made and verified.

use prost_types::{Struct, Value, value::Kind};
use safelight_chassis::BoxError;
use safelight_proto::signer::v1::{SignUploadRequest, Verdict, VerifyUploadRequest};

use super::{Demo, ensure};

impl Demo<'_> {
    /// Good as it was made, and refused when a field was changed.
    pub(super) async fn upload(&self) -> Result<(), BoxError> {
        self.say.line("\n1. An upload signature (Cloudinary's), made by the signer and verified by it");
        let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
        let parameters = [("folder", "holiday"), ("public_id", "beach")];
        let request = SignUploadRequest {
            key: "uploads".into(),
            parameters: Some(Struct {
                fields: parameters.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect(),
            }),
        };
        let signed = self.stack.signer_client().await?.sign_upload(request).await?.into_inner();
        let (count, digits) = (signed.form_fields.len(), signed.signature.len());
        self.say.step("SignUpload", format!("{count} form fields, signature of {digits} digits"));

        let mut verifier = self.stack.verifier_client().await?;
        let mut fields = signed.form_fields;
        let request = VerifyUploadRequest { key: "uploads".into(), fields: fields.clone() };
        let answer = verifier.verify_upload(request).await?.into_inner();
        ensure(answer.verdict() == Verdict::Valid, "the upload's signature must verify")?;
        self.say.step("VerifyUpload", answer.verdict().as_str_name());

        if let Some(field) = fields.iter_mut().find(|field| field.name == "folder") {
            field.value = "elsewhere".into();
        }
        let request = VerifyUploadRequest { key: "uploads".into(), fields };
        let answer = verifier.verify_upload(request).await?.into_inner();
        ensure(answer.verdict() == Verdict::Invalid, "a changed field must not verify")?;
        self.say.step("VerifyUpload, changed folder", answer.reason().as_str_name());
        Ok(())
    }
}
