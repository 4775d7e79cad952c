//! The verdict on a delivery URL, and the fetch of the object that it names.

use std::collections::BTreeMap;

use safelight_proto::{
    page,
    reason::{CallError, Reason as Cause},
    signer::v1::{
        AuthorizeDeliveryRequest, AuthorizeDeliveryResponse, Delivery as Listed, ListDeliveriesRequest,
        ListDeliveriesResponse, Reason, Verdict,
    },
};

use super::{
    call::Call,
    expiry::timestamp,
    origin::{self, SignedHeaders},
    refusal,
    verify::{Caller, is_viewer_bound, path_of, verify},
};
use crate::{
    delivery::{Delivery, Object},
    keyring::{KeyError as NoKey, Keyring},
    origin::Signing,
    scheme::{
        aws_sigv4::{Body, Request, S3Request},
        url::Presented,
    },
    signer::Signer,
};

/// Largest answer, in bytes: a full page of the largest deliveries, see `delivery/config.rs`.
pub(super) const MAX_ANSWER: usize = page::MAX_SIZE as usize * 16 * 1024;

/// A URL that may be delivered, and its object.
struct Proof {
    object: Object,
    /// What was authenticated; for a public variant the path that was asked for.
    target: String,
    key_version: u32,
    /// In Unix seconds.
    expires: Option<u64>,
    viewer_bound: bool,
}

impl Signer {
    pub(super) fn authorized(
        &self,
        call: &mut Call<'_>,
        request: &AuthorizeDeliveryRequest,
    ) -> Result<AuthorizeDeliveryResponse, CallError> {
        let AuthorizeDeliveryRequest { delivery_digest, request_target, origin, client_ip, cookies, method } =
            request;
        let method = match method.as_str() {
            "" | "GET" => "GET",
            "HEAD" => "HEAD",
            _ => return Err(CallError::field("method", "expected GET or HEAD")),
        };
        let Caller { origin, client } = Caller::read(origin, client_ip)?;
        let deliveries = self.deliveries();
        let ring = self.keyring();
        let delivery = deliveries.of_digest(delivery_digest).ok_or_else(|| unknown(delivery_digest))?;
        call.delivery(delivery)?;
        call.note(|entry| path_of(request_target).clone_into(&mut entry.subject));
        let now = self.clock.now();
        let presented = Presented { target: request_target, origin, client, cookies, now };
        let key = delivery.url_key.as_deref().unwrap_or_default();
        let answer = match prove(delivery, &ring, &presented)? {
            Ok(proof) => fetch(call, delivery, &ring, proof, method, now)?,
            Err(reason) => {
                // Where the signature stands in the path, that is not for the log.
                let path = if delivery.signature_in_path { "" } else { path_of(request_target) };
                log_refusal(reason, key, &delivery.name, path);
                AuthorizeDeliveryResponse {
                    verdict: Verdict::Invalid.into(),
                    reason: reason.into(),
                    ..AuthorizeDeliveryResponse::default()
                }
            }
        };
        self.judged(call, key, answer.verdict(), answer.reason(), answer.key_version);
        Ok(answer)
    }

    pub(super) fn listed(&self, call: &Call<'_>, request: &ListDeliveriesRequest) -> ListDeliveriesResponse {
        let deliveries = self.deliveries();
        let visible: BTreeMap<_, _> = deliveries
            .all()
            .iter()
            .filter(|(_, delivery)| call.granted().clone().delivery(&delivery.name, delivery.keys()).is_ok())
            .map(|(name, delivery)| (name.as_str(), delivery))
            .collect();
        let (page, next_page_token) = page::page(&visible, request.page_size, &request.page_token);
        ListDeliveriesResponse {
            deliveries: page.into_iter().map(|(_, delivery)| describe(delivery)).collect(),
            next_page_token,
        }
    }
}

/// Whether a URL may be delivered: the inner `Err` is a verdict, the outer an error.
fn prove(
    delivery: &Delivery,
    ring: &Keyring,
    presented: &Presented<'_>,
) -> Result<Result<Proof, Reason>, CallError> {
    let public = || {
        let path = path_of(presented.target);
        let object = delivery.object(path).filter(|object| object.is_public)?;
        Some(Proof { object, target: path.to_owned(), key_version: 0, expires: None, viewer_bound: false })
    };
    let Some(name) = &delivery.url_key else {
        return Ok(public().ok_or(Reason::ResourceMismatch));
    };
    if !delivery.signature_in_path
        && let Some(proof) = public()
    {
        return Ok(Ok(proof));
    }
    let key = ring.url(name).map_err(gone(delivery))?;
    let signed = verify(key, presented).and_then(|(verified, key_version)| {
        // From what was authenticated, never from what was asked for. A variant that needs no signature is not public here:
        // the answer lives as long as the signature.
        let authenticated = path_of(&verified.authenticated_target);
        let object = delivery.authenticated_object(path_of(presented.target), authenticated);
        let object = Object { is_public: false, ..object.ok_or(Reason::ResourceMismatch)? };
        let viewer_bound = is_viewer_bound(&verified, presented.target);
        let (target, expires) = (verified.authenticated_target, verified.expires);
        Ok(Proof { object, target, key_version, expires, viewer_bound })
    });
    Ok(signed.or_else(|reason| public().filter(|_| delivery.signature_in_path).ok_or(reason)))
}

/// Signs the fetch of what was proven.
fn fetch(
    call: &mut Call<'_>,
    delivery: &Delivery,
    ring: &Keyring,
    proof: Proof,
    method: &str,
    now: u64,
) -> Result<AuthorizeDeliveryResponse, CallError> {
    let Proof { object, target, key_version, expires, viewer_bound } = proof;
    let url = delivery.origin.url(&object.key).map_err(refusal::object_key)?;
    call.granted().origin_request(method, &url).map_err(refusal::denied)?;
    let signed = match &delivery.origin.signing {
        None => None,
        Some(Signing { key, region }) => {
            let key = ring.aws_sigv4(key).map_err(gone(delivery))?;
            origin::check_allowed(key, &url)?;
            let headers = origin::headers(key, &[])?;
            let request = Request { method, url: &url, headers: &headers, body: Body::Unsigned };
            let request = S3Request::new(request, region, false).map_err(refusal::origin_request)?;
            Some(origin::sign_headers(key, &request, now)?)
        }
    };
    call.note(|entry| {
        entry.signing_key_version = signed.as_ref().map(|signed| signed.key_version);
    });
    let (headers, fetch_expires) = match signed {
        None => (Vec::new(), None),
        Some(SignedHeaders { headers, expires, .. }) => (headers, Some(expires)),
    };
    Ok(AuthorizeDeliveryResponse {
        verdict: Verdict::Valid.into(),
        reason: Reason::Ok.into(),
        key_version,
        expire_time: expires.map(timestamp),
        authenticated_target: target,
        public: object.is_public,
        object_key: object.key,
        url,
        headers,
        fetch_expire_time: fetch_expires.map(timestamp),
        viewer_bound,
    })
}

/// Says once in our log why a URL was refused. `path` is empty where it holds the signature.
pub(super) fn log_refusal(reason: Reason, key: &str, delivery: &str, path: &str) {
    /// What of a path that anyone may send goes into the log, in bytes.
    const MAX_PATH: usize = 256;

    let reason = reason.as_str_name().trim_start_matches("REASON_");
    let path = path.get(..path.floor_char_boundary(MAX_PATH)).unwrap_or_default();
    tracing::info!(reason, key, delivery, path, "url.refused");
}

/// What the log may show of a digest: only what can be one, for a caller may send anything.
pub(super) fn shown_digest(digest: &str) -> &str {
    let is_digest = digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    digest.get(..64).filter(|_| is_digest).unwrap_or_default()
}

fn unknown(digest: &str) -> CallError {
    tracing::warn!(
        digest = shown_digest(digest),
        "delivery.unknown: the caller's routes and our [[deliveries]] do not agree"
    );
    Cause::DeliveryUnknown.error(
        "none of the signer's [[deliveries]] has this digest: compare path, object_key, url_key, variant, public_variants, \
         signing_key, base_url and region with the resizer's route and origin (ListDeliveries shows the signer's)",
    )
}

/// A key that the delivery had is none any more: a reload has come between, and the delivery is gone too, or another.
fn gone(delivery: &Delivery) -> impl FnOnce(NoKey) -> CallError + '_ {
    |_| unknown(&delivery.digest)
}

fn describe(delivery: &Delivery) -> Listed {
    let identity = delivery.identity();
    Listed {
        name: delivery.name.clone(),
        digest: delivery.digest.clone(),
        path: identity.path.to_owned(),
        object_key: identity.object_key.to_owned(),
        url_key: identity.url_key.to_owned(),
        variant: identity.variant.to_owned(),
        public_variants: identity.public_variants.to_vec(),
        signing_key: identity.signing_key.to_owned(),
        base_url: identity.base_url.to_owned(),
        region: identity.region.to_owned(),
        signature_in_path: delivery.signature_in_path,
    }
}
