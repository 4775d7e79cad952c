//! `VerifierService`.

use safelight_proto::signer::v1::{
    Reason, Verdict, VerifyUploadRequest, VerifyUploadResponse, VerifyUrlRequest, VerifyUrlResponse,
    verifier_service_server::VerifierService,
};
use tonic::{Request, Response, Status};

use super::{expiry::timestamp, refusal};
use crate::{
    scheme::{
        cloudflare_images, cloudinary_upload,
        url::{Presented, UrlScheme},
    },
    signer::Signer,
};

#[tonic::async_trait]
impl VerifierService for Signer {
    async fn verify_url(
        &self,
        request: Request<VerifyUrlRequest>,
    ) -> Result<Response<VerifyUrlResponse>, Status> {
        let VerifyUrlRequest { key, request_target } = request.into_inner();
        let key = self.keyring.cloudflare_images(&key).map_err(refusal::key)?;
        let eligible = key.versions.eligible().map(|version| &version.material);
        let presented = Presented::target(&request_target, self.clock.now());
        let verified = cloudflare_images::Key::verify(eligible, &key.policy, &presented);
        Ok(Response::new(match verified {
            Ok(verified) => VerifyUrlResponse {
                verdict: Verdict::Valid.into(),
                reason: Reason::Ok.into(),
                key_version: key.versions.eligible_id(verified.key).unwrap_or_default(),
                expire_time: verified.expires.map(timestamp),
                authenticated_target: verified.authenticated_target,
            },
            Err(refused) => VerifyUrlResponse {
                verdict: Verdict::Invalid.into(),
                reason: refusal::url_verdict(refused).into(),
                ..VerifyUrlResponse::default()
            },
        }))
    }

    async fn verify_upload(
        &self,
        request: Request<VerifyUploadRequest>,
    ) -> Result<Response<VerifyUploadResponse>, Status> {
        let VerifyUploadRequest { key, fields } = request.into_inner();
        let key = self.keyring.cloudinary_upload(&key).map_err(refusal::key)?;
        let eligible = key.versions.eligible().map(|version| &version.material);
        let fields: Vec<_> = fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
        let verified = cloudinary_upload::verify(eligible, &fields, self.clock.now(), &key.policy);
        Ok(Response::new(match verified {
            Ok(verified) => VerifyUploadResponse {
                verdict: Verdict::Valid.into(),
                reason: Reason::Ok.into(),
                key_version: key.versions.eligible_id(verified.key).unwrap_or_default(),
            },
            Err(refused) => VerifyUploadResponse {
                verdict: Verdict::Invalid.into(),
                reason: refusal::upload_verdict(refused).into(),
                ..VerifyUploadResponse::default()
            },
        }))
    }
}
