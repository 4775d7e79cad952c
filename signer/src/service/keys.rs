//! `KeyService`: what keys there are. Metadata only.

use std::collections::BTreeMap;

use safelight_proto::{page, reason::CallError, signer::v1 as pb};
use tonic::{Request, Response, Status};

use super::{
    call::Call,
    expiry::{duration, timestamp},
    refusal,
};
use crate::{
    keyring::{Algorithm, Key, KeyError, Scheme, State, VersionInfo},
    scheme::cloudinary_upload,
    signer::Signer,
};

/// Largest answer, in bytes: a full page of the largest keys, which have a name of 64 bytes, 64 hosts and as many prefixes
/// of 256, 8 versions with a public key and an identifier, and 56 disabled ones.
pub(super) const MAX_ANSWER: usize = page::MAX_SIZE as usize * 48 * 1024;

#[tonic::async_trait]
impl pb::key_service_server::KeyService for Signer {
    async fn list_keys(
        &self,
        request: Request<pb::ListKeysRequest>,
    ) -> Result<Response<pb::ListKeysResponse>, Status> {
        let (call, request) = Call::begin(&self.audit, request)?;
        let pb::ListKeysRequest { page_size, page_token } = request;
        let now = self.clock.now();
        let ring = self.keyring();
        let visible: BTreeMap<_, _> = ring
            .all()
            .iter()
            .filter(|(name, _)| call.granted().has_key(name))
            .map(|(name, key)| (name.as_str(), key))
            .collect();
        let (keys, next_page_token) = page::page(&visible, page_size, &page_token);
        let keys = keys.into_iter().map(|(name, key)| describe(name, key, now)).collect();
        call.end(Ok::<_, CallError>(pb::ListKeysResponse { keys, next_page_token })).await
    }

    async fn get_key(
        &self,
        request: Request<pb::GetKeyRequest>,
    ) -> Result<Response<pb::GetKeyResponse>, Status> {
        let (mut call, pb::GetKeyRequest { name }) = Call::begin(&self.audit, request)?;
        let answer = self.described(&mut call, &name);
        call.end(answer).await
    }
}

impl Signer {
    fn described(&self, call: &mut Call<'_>, name: &str) -> Result<pb::GetKeyResponse, CallError> {
        call.key(name)?;
        let ring = self.keyring();
        let key = ring.get(name).ok_or_else(|| refusal::key(KeyError::NotFound))?;
        Ok(pb::GetKeyResponse { key: Some(describe(name, key, self.clock.now())) })
    }
}

fn describe(name: &str, key: &Key, now: u64) -> pb::Key {
    let versions: Vec<_> =
        key.states(now).into_iter().map(|(info, state)| describe_version(info, state)).collect();
    let primary = versions.iter().find(|version| version.state() == pb::KeyVersionState::Primary);
    let identifier = primary.map(|version| version.identifier.clone()).unwrap_or_default();
    let common = pb::Key { name: name.to_owned(), identifier, ..pb::Key::default() };
    match key {
        Key::Url(key) => pb::Key {
            scheme: scheme(key.scheme).into(),
            algorithm: algorithm(key.algorithm).into(),
            max_ttl: key.max_ttl.map(duration),
            require_expiry: key.policy.require_expiry,
            clock_skew: Some(duration(key.policy.clock_skew)),
            allowed_hosts: key.allowed.hosts.clone(),
            allowed_path_prefixes: key.allowed.path_prefixes.clone(),
            versions,
            ..common
        },
        Key::CloudinaryUpload(key) => pb::Key {
            scheme: pb::Scheme::CloudinaryUpload.into(),
            algorithm: match key.policy.algorithm {
                cloudinary_upload::Algorithm::Sha256 => pb::Algorithm::Sha256Suffix,
                cloudinary_upload::Algorithm::Sha1 => pb::Algorithm::Sha1Suffix,
            }
            .into(),
            identifier: key.api_key.clone().unwrap_or_default(),
            versions,
            ..common
        },
        Key::AwsSigv4(key) => pb::Key {
            scheme: pb::Scheme::AwsSigv4.into(),
            algorithm: pb::Algorithm::HmacSha256.into(),
            max_ttl: key.max_ttl.map(duration),
            allowed_hosts: key.allowed.hosts.clone(),
            allowed_path_prefixes: key.allowed.path_prefixes.clone(),
            versions,
            ..common
        },
    }
}

fn describe_version(info: &VersionInfo, state: State) -> pb::KeyVersion {
    pb::KeyVersion {
        id: info.id,
        state: match state {
            State::Pending => pb::KeyVersionState::Pending,
            State::Primary => pb::KeyVersionState::Primary,
            State::VerifyOnly => pb::KeyVersionState::VerifyOnly,
            State::Disabled => pb::KeyVersionState::Disabled,
        }
        .into(),
        primary_from: info.schedule.primary_from.map(timestamp),
        verify_until: info.schedule.verify_until.map(timestamp),
        fingerprint: info.fingerprint.clone(),
        public_key: info.public_key.clone().unwrap_or_default(),
        identifier: info.identifier.clone().unwrap_or_default(),
    }
}

const fn scheme(scheme: Scheme) -> pb::Scheme {
    match scheme {
        Scheme::CloudflareImages => pb::Scheme::CloudflareImages,
        Scheme::CloudinaryUpload => pb::Scheme::CloudinaryUpload,
        Scheme::AwsSigv4 => pb::Scheme::AwsSigv4,
        Scheme::Imgproxy => pb::Scheme::Imgproxy,
        Scheme::Imgix => pb::Scheme::Imgix,
        Scheme::Thumbor => pb::Scheme::Thumbor,
        Scheme::Fastly => pb::Scheme::Fastly,
        Scheme::Bunny => pb::Scheme::Bunny,
        Scheme::CloudinaryDelivery => pb::Scheme::CloudinaryDelivery,
        Scheme::GoogleCloudCdn => pb::Scheme::GoogleCloudCdn,
        Scheme::GoogleMediaCdn => pb::Scheme::GoogleMediaCdn,
        Scheme::Cloudfront => pb::Scheme::Cloudfront,
        Scheme::AkamaiEdgeauth => pb::Scheme::AkamaiEdgeauth,
        Scheme::CloudinaryAuthToken => pb::Scheme::CloudinaryAuthToken,
    }
}

const fn algorithm(algorithm: Algorithm) -> pb::Algorithm {
    match algorithm {
        Algorithm::HmacSha256 => pb::Algorithm::HmacSha256,
        Algorithm::HmacSha1 => pb::Algorithm::HmacSha1,
        Algorithm::HmacMd5 => pb::Algorithm::HmacMd5,
        Algorithm::Sha256Suffix => pb::Algorithm::Sha256Suffix,
        Algorithm::Sha1Suffix => pb::Algorithm::Sha1Suffix,
        Algorithm::Sha256Prefix => pb::Algorithm::Sha256Prefix,
        Algorithm::Md5Prefix => pb::Algorithm::Md5Prefix,
        Algorithm::Ed25519 => pb::Algorithm::Ed25519,
        Algorithm::RsaSha256 => pb::Algorithm::RsaSha256,
        Algorithm::RsaSha1 => pb::Algorithm::RsaSha1,
        Algorithm::EcdsaSha256 => pb::Algorithm::EcdsaSha256,
        Algorithm::EcdsaSha1 => pb::Algorithm::EcdsaSha1,
    }
}
