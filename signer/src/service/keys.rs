//! `KeyService`: what keys there are. Metadata only.

use safelight_proto::signer::v1 as pb;
use tonic::{Request, Response, Status};

use super::{expiry::duration, refusal};
use crate::{
    keyring::{Key, KeyError, State},
    scheme::cloudinary_upload::Algorithm,
    signer::Signer,
};

/// Keys on a page when no number is asked for.
const DEFAULT_PAGE: usize = 100;

/// Most keys on a page.
const MAX_PAGE: usize = 1000;

/// Largest answer, in bytes: a full page of the largest keys, which have a name of 64 bytes, an identifier of 128 and
/// 64 versions of 8 bytes.
pub(super) const MAX_ANSWER: usize = MAX_PAGE * 1024;

#[tonic::async_trait]
impl pb::key_service_server::KeyService for Signer {
    async fn list_keys(
        &self,
        request: Request<pb::ListKeysRequest>,
    ) -> Result<Response<pb::ListKeysResponse>, Status> {
        let pb::ListKeysRequest { page_size, page_token } = request.into_inner();
        let page_size = match usize::try_from(page_size) {
            Ok(0) => DEFAULT_PAGE,
            Ok(size) => size.min(MAX_PAGE),
            Err(_) => MAX_PAGE,
        };
        // The token is the last name of the page before: it stays good while keys come and go.
        let mut rest = self.keyring.after(&page_token);
        let keys: Vec<_> = rest.by_ref().take(page_size).map(|(name, key)| describe(name, key)).collect();
        let next_page_token = match (rest.next(), keys.last()) {
            (Some(_), Some(last)) => last.name.clone(),
            _ => String::new(),
        };
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
