//! `SignerService`.

use prost_types::Struct;
use safelight_proto::{
    reason::CallError,
    signer::v1::{
        BatchSignUrlsItem, BatchSignUrlsRequest, BatchSignUrlsResponse, BatchSignUrlsResult, FormField,
        ItemError, SignOriginRequestRequest, SignOriginRequestResponse, SignPostPolicyRequest,
        SignPostPolicyResponse, SignUploadRequest, SignUploadResponse, SignUrlRequest, SignUrlResponse,
        SignatureLocation, batch_sign_urls_item, batch_sign_urls_result, sign_url_request,
        signer_service_server::SignerService,
    },
};
use tonic::Request;

use super::{
    MAX_BATCH,
    call::{self, Answer, Call},
    change,
    expiry::{self, Asked, timestamp},
    origin::{self, SignedHeaders},
    parameters::{self, Parameters},
    refusal,
    wish::{Terms, sign_url},
};
use crate::{
    audit::Items,
    keyring::AwsSigv4Key,
    scheme::{
        aws_sigv4::{self, Body, Change, HEADERS_LIFETIME, MAX_PRESIGNED_LIFETIME, S3Request, Scope},
        cloudinary_upload::{self, MAX_AGE, Version},
    },
    signer::Signer,
};

/// Life of a presigned URL when none is asked for, in seconds: that of a request signed in its headers.
const DEFAULT_PRESIGNED_LIFETIME: u64 = HEADERS_LIFETIME;

impl SignerService for Signer {
    fn sign_url<'s: 'a, 'a>(&'s self, request: Request<SignUrlRequest>) -> Answer<'a, SignUrlResponse>
    where
        Self: 'a,
    {
        call::answer(&self.audit, request, |call, request| self.url(call, request))
    }

    fn batch_sign_urls<'s: 'a, 'a>(
        &'s self,
        request: Request<BatchSignUrlsRequest>,
    ) -> Answer<'a, BatchSignUrlsResponse>
    where
        Self: 'a,
    {
        call::answer(&self.audit, request, |call, request| self.urls(call, request))
    }

    fn sign_upload<'s: 'a, 'a>(
        &'s self,
        request: Request<SignUploadRequest>,
    ) -> Answer<'a, SignUploadResponse>
    where
        Self: 'a,
    {
        call::answer(&self.audit, request, |call, request| self.upload(call, request))
    }

    fn sign_origin_request<'s: 'a, 'a>(
        &'s self,
        request: Request<SignOriginRequestRequest>,
    ) -> Answer<'a, SignOriginRequestResponse>
    where
        Self: 'a,
    {
        call::answer(&self.audit, request, |call, request| self.origin_request(call, request))
    }

    fn sign_post_policy<'s: 'a, 'a>(
        &'s self,
        request: Request<SignPostPolicyRequest>,
    ) -> Answer<'a, SignPostPolicyResponse>
    where
        Self: 'a,
    {
        call::answer(&self.audit, request, |call, request| self.post_policy(call, request))
    }
}

impl Signer {
    fn url(&self, call: &mut Call<'_>, request: &SignUrlRequest) -> Result<SignUrlResponse, CallError> {
        use sign_url_request::Expiry;

        let SignUrlRequest { key, url, expiry, start_time, client_ip, scope, carrier, extra, expiry_window } =
            request;
        let ring = self.keyring();
        call.key(key)?;
        let key = ring.url(key).map_err(refusal::key)?;
        let asked = match *expiry {
            None => Asked::Default,
            Some(Expiry::ExpireTime(time)) => Asked::At(time),
            Some(Expiry::Ttl(ttl)) => Asked::In(ttl),
        };
        let terms = Terms::read(*start_time, client_ip, scope, *carrier, extra, expiry_window.as_ref())?;
        call.note(|entry| url.clone_into(&mut entry.subject));
        let signed = sign_url(key, call.granted(), url, &asked, &terms, self.clock.now())?;
        call.note(|entry| entry.key_version = Some(signed.key_version));
        Ok(signed)
    }

    fn urls(
        &self,
        call: &mut Call<'_>,
        request: &BatchSignUrlsRequest,
    ) -> Result<BatchSignUrlsResponse, CallError> {
        use batch_sign_urls_item::Expiry;

        let BatchSignUrlsRequest { key, items, start_time, client_ip, scope, carrier, extra, expiry_window } =
            request;
        let ring = self.keyring();
        call.key(key)?;
        let key = ring.url(key).map_err(refusal::key)?;
        if !(1..=MAX_BATCH).contains(&items.len()) {
            return Err(CallError::field("items", "expected 1 to 256 items"));
        }
        let terms = Terms::read(*start_time, client_ip, scope, *carrier, extra, expiry_window.as_ref())?;
        let now = self.clock.now();
        let sign = |BatchSignUrlsItem { url, expiry }: &BatchSignUrlsItem| {
            let asked = match *expiry {
                None => Asked::Default,
                Some(Expiry::ExpireTime(time)) => Asked::At(time),
                Some(Expiry::Ttl(ttl)) => Asked::In(ttl),
            };
            let result = match sign_url(key, call.granted(), url, &asked, &terms, now) {
                Ok(signed) => batch_sign_urls_result::Result::Signed(signed),
                Err(error) => batch_sign_urls_result::Result::Error(ItemError {
                    reason: error.reason().as_str().to_owned(),
                    message: error.message().to_owned(),
                }),
            };
            BatchSignUrlsResult { result: Some(result) }
        };
        let results: Vec<_> = items.iter().map(sign).collect();
        call.note(|entry| entry.items = Some(count(&results)));
        Ok(BatchSignUrlsResponse { results })
    }

    fn upload(
        &self,
        call: &mut Call<'_>,
        request: &SignUploadRequest,
    ) -> Result<SignUploadResponse, CallError> {
        let SignUploadRequest { key, parameters } = request;
        let ring = self.keyring();
        call.key(key)?;
        let key = ring.cloudinary_upload(key).map_err(refusal::key)?;
        let now = self.clock.now();
        let none = Struct::default();
        let Parameters { signed, timestamp: at } =
            parameters::read(parameters.as_ref().unwrap_or(&none), now)?;

        let algorithm = key.policy.algorithm;
        let version = key.versions.primary(now);
        let pairs = signed.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signature = cloudinary_upload::sign(&version.material, algorithm, Version::V2, pairs);

        let mut form_fields: Vec<_> =
            signed.into_iter().map(|(name, value)| FormField { name, value }).collect();
        let mut add = |name: &str, value: &str| {
            form_fields.push(FormField { name: name.to_owned(), value: value.to_owned() });
        };
        if let Some(api_key) = &key.api_key {
            add("api_key", api_key);
        }
        add("signature_algorithm", algorithm.name());
        add("signature", &signature);
        call.note(|entry| entry.key_version = Some(version.info.id));
        Ok(SignUploadResponse {
            signature,
            form_fields,
            expire_time: Some(timestamp(at + MAX_AGE)),
            key_version: version.info.id,
        })
    }

    fn origin_request(
        &self,
        call: &mut Call<'_>,
        request: &SignOriginRequestRequest,
    ) -> Result<SignOriginRequestResponse, CallError> {
        let ring = self.keyring();
        call.key(&request.key)?;
        call.note(|entry| request.url.clone_into(&mut entry.subject));
        let key = ring.aws_sigv4(&request.key).map_err(refusal::key)?;
        let presigned = is_presigned(request)?;
        let headers = origin::headers(key, &request.headers)?;
        let body = match request.body_sha256.as_str() {
            "" => Body::Unsigned,
            digest => Body::Sha256(digest),
        };
        let given =
            aws_sigv4::Request { method: &request.method, url: &request.url, headers: &headers, body };
        if let Some(change) = Change::of(&given) {
            if presigned {
                return Err(CallError::field(
                    "location",
                    "a copy or a deletion is signed in its headers only",
                ));
            }
            let signed = change::sign(key, change, request, body, call.granted(), self.clock.now())?;
            call.note(|entry| entry.key_version = Some(signed.key_version));
            return Ok(signed);
        }
        let checked = S3Request::new(given, &request.region, presigned).map_err(refusal::origin_request)?;
        let granted =
            call.granted().origin_request(&request.method, &request.url).map_err(refusal::denied)?;
        origin::check_allowed(key, &request.url)?;
        let now = self.clock.now();
        let signed = if presigned {
            let max_ttl = expiry::least(granted, key.max_ttl);
            let (longest, ttl) = (MAX_PRESIGNED_LIFETIME, request.ttl.as_ref());
            let lifetime = expiry::lifetime(ttl, DEFAULT_PRESIGNED_LIFETIME, longest, max_ttl)?;
            presign(key, &checked, lifetime, now)?
        } else {
            let SignedHeaders { headers, expires, key_version } = origin::sign_headers(key, &checked, now)?;
            let expire_time = Some(timestamp(expires));
            SignOriginRequestResponse { headers, url: request.url.clone(), expire_time, key_version }
        };
        call.note(|entry| entry.key_version = Some(signed.key_version));
        Ok(signed)
    }
}

/// Signs a request in its URL at `now`, for `lifetime`, both in seconds.
fn presign(
    key: &AwsSigv4Key,
    request: &S3Request<'_>,
    lifetime: u64,
    now: u64,
) -> Result<SignOriginRequestResponse, CallError> {
    let version = key.versions.primary(now);
    let issued = version.material.at(now).map_err(refusal::credentials)?;
    // Cut, not refused: how much is left of temporary credentials is nothing that a caller could know.
    let lifetime = issued.at_most(lifetime, now);
    let scope = Scope::s3(request.region);
    let url = aws_sigv4::presign(&issued.credentials, &request.request, &scope, now, lifetime)
        .map_err(refusal::unsignable)?;
    Ok(SignOriginRequestResponse {
        headers: origin::added(key).collect(),
        url,
        expire_time: Some(timestamp(now + lifetime)),
        key_version: version.info.id,
    })
}

/// How many of a batch were signed.
fn count(results: &[BatchSignUrlsResult]) -> Items {
    let refused = |result: &&BatchSignUrlsResult| {
        matches!(result.result, Some(batch_sign_urls_result::Result::Error(_)))
    };
    let refused = results.iter().filter(refused).count();
    Items { signed: results.len() - refused, refused }
}

/// Whether the signature is to travel in the URL. Fields that belong to the other way are refused, all at once.
fn is_presigned(request: &SignOriginRequestRequest) -> Result<bool, CallError> {
    let mut violations = Vec::new();
    let mut refuse = |field: &str, text: &str| violations.push((field.to_owned(), text.to_owned()));
    let presigned = match SignatureLocation::try_from(request.location) {
        Ok(SignatureLocation::Unspecified | SignatureLocation::Headers) => {
            if request.ttl.is_some() {
                refuse("ttl", "only for SIGNATURE_LOCATION_QUERY");
            }
            false
        }
        Ok(SignatureLocation::Query) => {
            if !request.body_sha256.is_empty() {
                refuse("body_sha256", "must be empty for SIGNATURE_LOCATION_QUERY");
            }
            true
        }
        Err(_) => {
            refuse("location", "unknown");
            false
        }
    };
    if violations.is_empty() { Ok(presigned) } else { Err(CallError::fields(violations)) }
}
