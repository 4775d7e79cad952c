//! `KeyService`: what keys there are. Metadata only.

use safelight_proto::{page, signer::v1 as pb};
use tonic::{Request, Response, Status};

use super::{expiry::duration, refusal};
use crate::{
    keyring::{Key, KeyError, State},
    scheme::cloudinary_upload::Algorithm,
    signer::Signer,
};

/// Largest answer, in bytes: a full page of the largest keys, which have a name of 64 bytes, an identifier of 128 and
/// 64 versions of 8 bytes.
pub(super) const MAX_ANSWER: usize = page::MAX_SIZE as usize * 1024;

#[tonic::async_trait]
impl pb::key_service_server::KeyService for Signer {
    async fn list_keys(
        &self,
        request: Request<pb::ListKeysRequest>,
    ) -> Result<Response<pb::ListKeysResponse>, Status> {
        let pb::ListKeysRequest { page_size, page_token } = request.into_inner();
        let (keys, next_page_token) = page::page(self.keyring.all(), page_size, &page_token);
        let keys = keys.into_iter().map(|(name, key)| describe(name, key)).collect();
        Ok(Response::new(pb::ListKeysResponse { keys, next_page_token }))
    }

    async fn get_key(
        &self,
        request: Request<pb::GetKeyRequest>,
    ) -> Result<Response<pb::GetKeyResponse>, Status> {
        let pb::GetKeyRequest { name } = request.into_inner();
        let key = self.keyring.get(&name).ok_or_else(|| refusal::key(KeyError::NotFound))?;
        Ok(Response::new(pb::GetKeyResponse { key: Some(describe(&name, key)) }))
    }
}

fn describe(name: &str, key: &Key) -> pb::Key {
    let versions = key
        .states()
        .into_iter()
        .map(|(id, state)| pb::KeyVersion {
            id,
            state: match state {
                State::Primary => pb::KeyVersionState::Primary,
                State::VerifyOnly => pb::KeyVersionState::VerifyOnly,
                State::Disabled => pb::KeyVersionState::Disabled,
            }
            .into(),
        })
        .collect();
    let common = pb::Key { name: name.to_owned(), versions, ..pb::Key::default() };
    match key {
        Key::CloudflareImages(key) => pb::Key {
            scheme: pb::Scheme::CloudflareImages.into(),
            algorithm: pb::Algorithm::HmacSha256.into(),
            max_ttl: key.max_ttl.map(duration),
            require_expiry: key.policy.require_expiry,
            clock_skew: Some(duration(key.policy.clock_skew)),
            ..common
        },
        Key::CloudinaryUpload(key) => pb::Key {
            scheme: pb::Scheme::CloudinaryUpload.into(),
            algorithm: match key.policy.algorithm {
                Algorithm::Sha256 => pb::Algorithm::Sha256Suffix,
                Algorithm::Sha1 => pb::Algorithm::Sha1Suffix,
            }
            .into(),
            identifier: key.api_key.clone().unwrap_or_default(),
            ..common
        },
        Key::AwsSigv4(key) => pb::Key {
            scheme: pb::Scheme::AwsSigv4.into(),
            algorithm: pb::Algorithm::HmacSha256.into(),
            identifier: key.versions.primary().material.access_key_id().to_owned(),
            max_ttl: key.max_ttl.map(duration),
            ..common
        },
    }
}
