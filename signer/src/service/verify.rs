//! `VerifierService`.

use safelight_proto::{
    reason::CallError,
    signer::v1::{
        Reason, Verdict, VerifyUploadRequest, VerifyUploadResponse, VerifyUrlRequest, VerifyUrlResponse,
        verifier_service_server::VerifierService,
    },
};
use tonic::{Request, Response, Status};

use super::{expiry::timestamp, refusal};
use crate::{
    scheme::{cloudinary_upload, url::Presented},
    signer::Signer,
};

#[tonic::async_trait]
impl VerifierService for Signer {
    async fn verify_url(
        &self,
        request: Request<VerifyUrlRequest>,
    ) -> Result<Response<VerifyUrlResponse>, Status> {
        let granted = refusal::granted(&request)?;
        let VerifyUrlRequest { key, request_target, origin, client_ip, cookies } = request.into_inner();
        granted.key(&key).map_err(refusal::denied)?;
        let key = self.keyring.url(&key).map_err(refusal::key)?;
        let client = match client_ip.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| CallError::field("client_ip", "expected an IP address"))?),
        };
        let presented = Presented {
            target: &request_target,
            origin: Some(origin.as_str()).filter(|origin| !origin.is_empty()),
            client,
            cookies: &cookies,
            now: self.clock.now(),
        };
        Ok(Response::new(match key.versions.verify(&key.policy, &presented) {
            Ok((verified, key_version)) => VerifyUrlResponse {
                verdict: Verdict::Valid.into(),
                reason: Reason::Ok.into(),
                key_version,
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
        let granted = refusal::granted(&request)?;
        let VerifyUploadRequest { key, fields } = request.into_inner();
        granted.key(&key).map_err(refusal::denied)?;
        let key = self.keyring.cloudinary_upload(&key).map_err(refusal::key)?;
        let now = self.clock.now();
        let eligible = key.versions.eligible(now).map(|version| &version.material);
        let fields: Vec<_> = fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
        let verified = cloudinary_upload::verify(eligible, &fields, now, &key.policy);
        Ok(Response::new(match verified {
            Ok(verified) => VerifyUploadResponse {
                verdict: Verdict::Valid.into(),
                reason: Reason::Ok.into(),
                key_version: key.versions.eligible_id(verified.key, now).unwrap_or_default(),
            },
            Err(refused) => VerifyUploadResponse {
                verdict: Verdict::Invalid.into(),
                reason: refusal::upload_verdict(refused).into(),
                ..VerifyUploadResponse::default()
            },
        }))
    }
}
