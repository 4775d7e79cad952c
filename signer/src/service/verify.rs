//! `VerifierService`.

use std::net::IpAddr;

use safelight_proto::{
    reason::CallError,
    signer::v1::{
        AuthorizeDeliveryRequest, AuthorizeDeliveryResponse, ListDeliveriesRequest, ListDeliveriesResponse,
        Reason, Verdict, VerifyNotificationRequest, VerifyNotificationResponse, VerifyUploadRequest,
        VerifyUploadResponse, VerifyUrlRequest, VerifyUrlResponse, verifier_service_server::VerifierService,
        verify_notification_request,
    },
};
use tonic::Request;

use super::{
    call::{self, Answer, Call},
    delivery::log_refusal,
    expiry::{self, timestamp},
    refusal,
};
use crate::{
    audit::Entry,
    keyring::UrlKey,
    scheme::{
        cloudinary_upload::{self, Notification},
        url::{Presented, Verified},
    },
    signer::Signer,
};

impl VerifierService for Signer {
    fn verify_url<'s: 'a, 'a>(&'s self, request: Request<VerifyUrlRequest>) -> Answer<'a, VerifyUrlResponse>
    where
        Self: 'a,
    {
        call::answer(&self.audit, request, |call, request| {
            let answer = self.target(call, request)?;
            self.judged(call, &request.key, answer.verdict(), answer.reason(), answer.key_version);
            Ok(answer)
        })
    }

    fn verify_upload<'s: 'a, 'a>(
        &'s self,
        request: Request<VerifyUploadRequest>,
    ) -> Answer<'a, VerifyUploadResponse>
    where
        Self: 'a,
    {
        call::answer(&self.audit, request, |call, request| {
            let answer = self.fields(call, request)?;
            self.judged(call, &request.key, answer.verdict(), answer.reason(), answer.key_version);
            Ok(answer)
        })
    }

    fn verify_notification<'s: 'a, 'a>(
        &'s self,
        request: Request<VerifyNotificationRequest>,
    ) -> Answer<'a, VerifyNotificationResponse>
    where
        Self: 'a,
    {
        call::answer(&self.audit, request, |call, request| {
            let answer = self.notification(call, request)?;
            self.judged(call, &request.key, answer.verdict(), answer.reason(), answer.key_version);
            Ok(answer)
        })
    }

    fn authorize_delivery<'s: 'a, 'a>(
        &'s self,
        request: Request<AuthorizeDeliveryRequest>,
    ) -> Answer<'a, AuthorizeDeliveryResponse>
    where
        Self: 'a,
    {
        call::answer(&self.audit, request, |call, request| self.authorized(call, request))
    }

    fn list_deliveries<'s: 'a, 'a>(
        &'s self,
        request: Request<ListDeliveriesRequest>,
    ) -> Answer<'a, ListDeliveriesResponse>
    where
        Self: 'a,
    {
        call::answer(&self.audit, request, |call, request| Ok(self.listed(call, request)))
    }
}

/// What a request says of the end user's.
pub(super) struct Caller<'a> {
    /// `None`: not known.
    pub(super) origin: Option<&'a str>,
    /// `None`: not known.
    pub(super) client: Option<IpAddr>,
}

impl<'a> Caller<'a> {
    /// From the fields `origin` and `client_ip`, which are empty where that is not known.
    pub(super) fn read(origin: &'a str, client_ip: &str) -> Result<Self, CallError> {
        let client = match client_ip {
            "" => None,
            text => Some(text.parse().map_err(|_| CallError::field("client_ip", "expected an IP address"))?),
        };
        Ok(Self { origin: Some(origin).filter(|origin| is_origin(origin)), client })
    }
}

/// Whether a text is an origin and nothing more.
///
/// Schemes sign it and the target as one text. So one that holds a slash would let a signature for `https://h/a/b` pass for the
/// target `/b`.
pub(super) fn is_origin(text: &str) -> bool {
    let host = text
        .split_once("://")
        .filter(|(scheme, _)| ["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)));
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    host.is_some_and(|(_, host)| !host.is_empty() && host.bytes().all(is_host))
}

/// The path of a request target.
pub(super) fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

impl Signer {
    fn target(
        &self,
        call: &mut Call<'_>,
        request: &VerifyUrlRequest,
    ) -> Result<VerifyUrlResponse, CallError> {
        let VerifyUrlRequest { key: name, request_target, origin, client_ip, cookies } = request;
        let ring = self.keyring();
        call.key(name)?;
        let key = ring.url(name).map_err(refusal::key)?;
        let Caller { origin, client } = Caller::read(origin, client_ip)?;
        call.note(|entry| path_of(request_target).clone_into(&mut entry.subject));
        let presented = Presented { target: request_target, origin, client, cookies, now: self.clock.now() };
        Ok(match verify(key, &presented) {
            Ok((verified, key_version)) => VerifyUrlResponse {
                verdict: Verdict::Valid.into(),
                reason: Reason::Ok.into(),
                key_version,
                expire_time: verified.expires.map(timestamp),
                viewer_bound: is_viewer_bound(&verified, request_target),
                authenticated_target: verified.authenticated_target,
            },
            Err(refused) => {
                // Not the path: a caller may send anything, a secret in the wrong place too. The request id finds the caller's
                // own line.
                log_refusal(refused, name, "", "");
                VerifyUrlResponse {
                    verdict: Verdict::Invalid.into(),
                    reason: refused.into(),
                    ..VerifyUrlResponse::default()
                }
            }
        })
    }

    fn fields(
        &self,
        call: &mut Call<'_>,
        request: &VerifyUploadRequest,
    ) -> Result<VerifyUploadResponse, CallError> {
        let VerifyUploadRequest { key, fields } = request;
        let ring = self.keyring();
        call.key(key)?;
        let key = ring.cloudinary_upload(key).map_err(refusal::key)?;
        let now = self.clock.now();
        let eligible = key.versions.eligible(now).map(|version| &version.material);
        let fields: Vec<_> = fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
        let verified = cloudinary_upload::verify(eligible, &fields, now, &key.policy);
        Ok(match verified {
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
        })
    }

    fn notification(
        &self,
        call: &mut Call<'_>,
        request: &VerifyNotificationRequest,
    ) -> Result<VerifyNotificationResponse, CallError> {
        let VerifyNotificationRequest { key, notification, max_age } = request;
        call.key(key)?;
        let ring = self.keyring();
        let key = ring.cloudinary_upload(key).map_err(refusal::key)?;
        let now = self.clock.now();
        let eligible = key.versions.eligible(now).map(|version| &version.material);
        let algorithms = &key.notification_algorithms;
        let verified = match notification {
            None => return Err(CallError::field("notification", "missing")),
            Some(verify_notification_request::Notification::Webhook(webhook)) => {
                let max_age = expiry::webhook_age(max_age.as_ref())?;
                let webhook = Notification {
                    body: &webhook.body,
                    timestamp: &webhook.timestamp,
                    signature: &webhook.signature,
                };
                cloudinary_upload::verify_notification(eligible, algorithms, &webhook, max_age, now)
                    .map_err(refusal::webhook_verdict)
            }
            Some(verify_notification_request::Notification::UploadAnswer(answer)) => {
                if max_age.is_some() {
                    return Err(CallError::field("max_age", "only for a webhook"));
                }
                let answer = cloudinary_upload::Response {
                    public_id: &answer.public_id,
                    version: &answer.version,
                    signature: &answer.signature,
                };
                cloudinary_upload::verify_response(eligible, algorithms, &answer)
                    .map_err(refusal::answer_verdict)
            }
        };
        Ok(match verified {
            Ok(verified) => VerifyNotificationResponse {
                verdict: Verdict::Valid.into(),
                reason: Reason::Ok.into(),
                key_version: key.versions.eligible_id(verified.key, now).unwrap_or_default(),
            },
            Err(reason) => VerifyNotificationResponse {
                verdict: Verdict::Invalid.into(),
                reason: reason.into(),
                ..VerifyNotificationResponse::default()
            },
        })
    }
}

/// Verifies a URL, and that the key may be used for it: for what was authenticated, never for what was asked.
pub(super) fn verify(key: &UrlKey, presented: &Presented<'_>) -> Result<(Verified, u32), Reason> {
    let (verified, version) = key.versions.verify(&key.policy, presented).map_err(refusal::url_verdict)?;
    match key.allowed.covers_target(presented.origin, &verified.authenticated_target) {
        Some(true) => Ok((verified, version)),
        Some(false) => Err(Reason::UrlNotAllowed),
        None => Err(Reason::OriginMissing),
    }
}

impl Signer {
    /// Records and counts a verdict on a signature of a key.
    pub(super) fn judged(
        &self,
        call: &mut Call<'_>,
        key: &str,
        verdict: Verdict,
        reason: Reason,
        key_version: u32,
    ) {
        self.metrics.verdict(key, reason);
        call.note(|entry| note(entry, verdict, reason, key_version));
    }
}

/// Whether what was verified is good for one viewer alone: a shared cache, which knows the URL only, must not keep the answer.
/// A URL that its signature added nothing to was signed by cookies.
pub(super) fn is_viewer_bound(verified: &Verified, target: &str) -> bool {
    verified.client_bound || verified.authenticated_target == target
}

/// What a verdict adds to the record.
fn note(entry: &mut Entry, verdict: Verdict, reason: Reason, key_version: u32) {
    entry.verdict = Some(if verdict == Verdict::Valid { "VALID" } else { "INVALID" });
    reason.as_str_name().trim_start_matches("REASON_").clone_into(&mut entry.reason);
    entry.key_version = (key_version > 0).then_some(key_version);
}
