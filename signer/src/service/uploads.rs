//! `UploadService`: what a resizer asks while it stores an upload.

use std::{collections::BTreeMap, sync::Arc};

use prost::Message as _;
use safelight_proto::{
    page,
    reason::{CallError, Reason as Cause},
    signer::v1::{
        AuthorizeUploadPartsRequest, AuthorizeUploadPartsResponse, AuthorizeUploadRequest,
        AuthorizeUploadResponse, BeginUploadRequest, BeginUploadResponse, EndUploadTaskRequest,
        EndUploadTaskResponse, FinishUploadRequest, FinishUploadResponse, FormAuthority, GrantAuthority,
        Header, ListUploadRulesRequest, ListUploadRulesResponse, Reason, TakeUploadTasksRequest,
        TakeUploadTasksResponse, TokenAuthority, UploadAuthority, UploadKind, UploadRule as Listed,
        UploadedFile, Verdict, finish_upload_request::Outcome as Ending, upload_authority,
        upload_service_server::UploadService,
    },
    upload::Form,
};
use tonic::{Request, Response, Status};

use super::{
    call::Call,
    delivery::shown_digest,
    expiry::timestamp,
    origin::{self, SignedHeaders},
    refusal, upload_parts,
    upload_tasks::Attempt,
    upload_tokens::{by_token, check_attempt, metadata, not_valid},
};
use crate::{
    keyring::KeyError as NoKey,
    scheme::{
        aws_sigv4::{self, Body, S3Request},
        cloudinary_upload,
    },
    signer::Signer,
    storing::{File, Object, Permit, Rule},
    upload::{Held, Outcome, Record, Refusal, TokenId, UploadTokens, machine, rules},
};

/// Largest answer, in bytes: a full page of the largest rules, see `storing/config.rs`.
pub(super) const MAX_ANSWER: usize = page::MAX_SIZE as usize * 4 * 1024;

/// How much longer than for its beginning a form is good for the rest of an upload, in seconds: as long as a reservation.
const FORM_GRACE: u64 = rules::MAX_LEASE;

/// What is left of a reservation at least when a PUT is signed, in seconds.
const MIN_LEASE_LEFT: u64 = 60;

#[tonic::async_trait]
impl UploadService for Signer {
    async fn begin_upload(
        &self,
        request: Request<BeginUploadRequest>,
    ) -> Result<Response<BeginUploadResponse>, Status> {
        let (mut call, request) = Call::begin(&self.audit, request)?;
        let answer = self.begin(&mut call, request).await;
        call.end(answer).await
    }

    async fn authorize_upload(
        &self,
        request: Request<AuthorizeUploadRequest>,
    ) -> Result<Response<AuthorizeUploadResponse>, Status> {
        let (mut call, request) = Call::begin(&self.audit, request)?;
        let answer = self.authorize(&mut call, request).await;
        call.end(answer).await
    }

    async fn authorize_upload_parts(
        &self,
        request: Request<AuthorizeUploadPartsRequest>,
    ) -> Result<Response<AuthorizeUploadPartsResponse>, Status> {
        let (mut call, request) = Call::begin(&self.audit, request)?;
        let answer = self.authorize_parts(&mut call, request).await;
        call.end(answer).await
    }

    async fn finish_upload(
        &self,
        request: Request<FinishUploadRequest>,
    ) -> Result<Response<FinishUploadResponse>, Status> {
        let (mut call, request) = Call::begin(&self.audit, request)?;
        let answer = self.finish(&mut call, request).await;
        call.end(answer).await
    }

    async fn list_upload_rules(
        &self,
        request: Request<ListUploadRulesRequest>,
    ) -> Result<Response<ListUploadRulesResponse>, Status> {
        let (call, request) = Call::begin(&self.audit, request)?;
        let answer: Result<_, CallError> = Ok(self.rules(&call, &request));
        call.end(answer).await
    }

    async fn take_upload_tasks(
        &self,
        request: Request<TakeUploadTasksRequest>,
    ) -> Result<Response<TakeUploadTasksResponse>, Status> {
        let (call, request) = Call::begin(&self.audit, request)?;
        let answer = self.take_tasks(&call, request).await;
        call.end(answer).await
    }

    async fn end_upload_task(
        &self,
        request: Request<EndUploadTaskRequest>,
    ) -> Result<Response<EndUploadTaskResponse>, Status> {
        let (mut call, request) = Call::begin(&self.audit, request)?;
        let answer = self.end_task(&mut call, request).await;
        call.end(answer).await
    }
}

/// What an authority lets be stored, and what else is told of it.
pub(super) struct Permitted {
    pub(super) permit: Permit,
    metadata: Option<prost_types::Struct>,
    /// Whether this request has stored its file already.
    pub(super) already_stored: bool,
    /// In Unix seconds.
    lease_expires: Option<u64>,
    token_id: String,
}

/// How a file is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// It is stored already.
    Nothing,
    /// By one PUT.
    Put,
    /// In parts.
    Parts,
}

/// What has become of a token by an ended upload; without one nothing.
#[derive(Clone, Copy, Default)]
struct Ended {
    /// Whether this call has redeemed it.
    is_first: bool,
    /// Whether it is redeemed, by any attempt.
    is_stored: bool,
}

/// An authority of a rule's kind.
enum Authority {
    Token(TokenAuthority),
    Form(FormAuthority),
    Grant(GrantAuthority),
}

impl Signer {
    async fn begin(
        &self,
        call: &mut Call<'_>,
        request: BeginUploadRequest,
    ) -> Result<BeginUploadResponse, CallError> {
        let rule = self.rule(call, &request.upload_digest, &request.request_id)?;
        let lease = rules::lease(request.lease.map(|lease| lease.seconds))
            .ok_or_else(|| CallError::field("lease", "expected 1 s to 15 min"))?;
        let permitted = match authority(&rule, request.authority)? {
            Authority::Token(token) => {
                self.begin_token(call, &rule, token, &request.request_id, lease).await?
            }
            Authority::Form(form) => match self.form(call, &rule, &form, 0)? {
                Ok(permit) => Permitted::without_token(permit, None),
                Err(reason) => {
                    return Ok(BeginUploadResponse {
                        verdict: Verdict::Invalid.into(),
                        reason: reason.into(),
                        ..BeginUploadResponse::default()
                    });
                }
            },
            Authority::Grant(grant) => grant_permit(call, grant, &request.request_id)?,
        };
        if !permitted.already_stored {
            rule.check(&permitted.permit).map_err(refusal::unstorable)?;
        }
        Ok(begun(&rule, permitted))
    }

    /// Reserves a token.
    async fn begin_token(
        &self,
        call: &mut Call<'_>,
        rule: &Rule,
        authority: TokenAuthority,
        request_id: &str,
        lease: u64,
    ) -> Result<Permitted, CallError> {
        let TokenAuthority { account, token } = authority;
        let (tokens, id) = self.token(call, &account, &token)?;
        let now = self.clock.now();
        let reserved = tokens.reserve(&account, id, request_id, lease, now).await.map_err(refusal::store)?;
        let record = match reserved {
            Ok(Outcome { record, .. }) => record,
            Err(Refusal::AlreadyRedeemed) => {
                let record = tokens.get(&account, id).await.map_err(refusal::store)?;
                let is_ours = |record: &Record| machine::held(record, request_id, now) == Ok(Held::Redeemed);
                record.filter(is_ours).ok_or_else(|| refusal::token(Refusal::AlreadyRedeemed, now))?
            }
            Err(refused) => return Err(refusal::token(refused, now)),
        };
        let permitted = Permitted::of_record(id, record)?;
        if !permitted.already_stored
            && let Err(unstorable) = rule.check(&permitted.permit)
        {
            // Nothing will be stored by this rule: the token is left as it was.
            let released = tokens.release(&account, id, request_id, now).await;
            if let Err(error) = released {
                tracing::warn!(%error, token_id = %id, "a reservation was not given up: it ends with its lease");
            }
            return Err(refusal::unstorable(unstorable));
        }
        Ok(permitted)
    }

    async fn authorize(
        &self,
        call: &mut Call<'_>,
        request: AuthorizeUploadRequest,
    ) -> Result<AuthorizeUploadResponse, CallError> {
        let AuthorizeUploadRequest {
            upload_digest,
            authority: asked,
            request_id,
            file,
            width,
            height,
            multipart,
        } = request;
        let rule = self.rule(call, &upload_digest, &request_id)?;
        let file = file.ok_or_else(|| CallError::field("file", "missing"))?;
        let permitted = match self.permitted(call, &rule, asked, &request_id).await? {
            Ok(permitted) => permitted,
            Err(reason) => {
                return Ok(AuthorizeUploadResponse {
                    verdict: Verdict::Invalid.into(),
                    reason: reason.into(),
                    ..AuthorizeUploadResponse::default()
                });
            }
        };
        let file = received(&file);
        let object = rule.object(&permitted.permit, &file).map_err(refusal::unstorable)?;
        let how = match (permitted.already_stored, multipart) {
            (true, _) => How::Nothing,
            (false, false) => How::Put,
            (false, true) => {
                upload_parts::check_length(file.length)?;
                How::Parts
            }
        };
        let signed = self.signed_put(call, &rule, &object, how)?;
        if !permitted.already_stored {
            let attempt = Attempt {
                permit: &permitted.permit,
                object: &object,
                file: &file,
                size: (width, height),
                request_id: &request_id,
                until: permitted.lease_expires,
            };
            self.note_attempt(&rule, attempt).await?;
        }
        Ok(signed)
    }

    /// What an authority lets be stored by an upload that has begun; the inner `Err` is a verdict.
    pub(super) async fn permitted(
        &self,
        call: &mut Call<'_>,
        rule: &Rule,
        asked: Option<UploadAuthority>,
        request_id: &str,
    ) -> Result<Result<Permitted, Reason>, CallError> {
        Ok(match authority(rule, asked)? {
            Authority::Token(token) => Ok(self.held_token(call, token, request_id).await?),
            Authority::Form(form) => {
                self.form(call, rule, &form, FORM_GRACE)?.map(|permit| Permitted::without_token(permit, None))
            }
            Authority::Grant(grant) => Ok(grant_permit(call, grant, request_id)?),
        })
    }

    /// A token that this request has reserved, or redeemed. A lease that ends soon is renewed.
    async fn held_token(
        &self,
        call: &mut Call<'_>,
        authority: TokenAuthority,
        request_id: &str,
    ) -> Result<Permitted, CallError> {
        let TokenAuthority { account, token } = authority;
        let (tokens, id) = self.token(call, &account, &token)?;
        let now = self.clock.now();
        let record = tokens.get(&account, id).await.map_err(refusal::store)?;
        let mut record = record.ok_or_else(|| refusal::token(Refusal::NotFound, now))?;
        let held = machine::held(&record, request_id, now).map_err(|refused| refusal::token(refused, now))?;
        if let Held::Reserved { until } = held
            && until - now < MIN_LEASE_LEFT
        {
            let renewed = tokens.reserve(&account, id, request_id, MIN_LEASE_LEFT, now).await;
            let renewed = renewed.map_err(refusal::store)?;
            record = renewed.map_err(|_| refusal::token(Refusal::NotReserved, now))?.record;
        }
        Permitted::of_record(id, record)
    }

    async fn finish(
        &self,
        call: &mut Call<'_>,
        request: FinishUploadRequest,
    ) -> Result<FinishUploadResponse, CallError> {
        let FinishUploadRequest { upload_digest, authority: asked, request_id, outcome } = request;
        let rule = self.rule(call, &upload_digest, &request_id)?;
        let outcome = outcome.ok_or_else(|| CallError::field("outcome", "expected stored or refused"))?;
        match (authority(&rule, asked)?, outcome) {
            (Authority::Token(authority), outcome) => {
                let TokenAuthority { account, token } = authority;
                let (tokens, id) = self.token(call, &account, &token)?;
                let now = self.clock.now();
                let ended = match &outcome {
                    Ending::Stored(_) => tokens.redeem(&account, id, &request_id, now).await,
                    Ending::Refused(_) => tokens.release(&account, id, &request_id, now).await,
                };
                let Outcome { record, replayed } =
                    ended.map_err(refusal::store)?.map_err(|refused| refusal::token(refused, now))?;
                let permitted = Permitted::of_record(id, record.clone())?;
                let ended = Ended { is_first: !replayed, is_stored: record.state.redeemed().is_some() };
                self.note_ended(&rule, &permitted.permit, &request_id, &outcome, ended).await?;
                Ok(match machine::held(&record, &request_id, now) {
                    Ok(Held::Redeemed) => FinishUploadResponse {
                        redeem_time: record.state.redeemed().map(timestamp),
                        replayed,
                        ..FinishUploadResponse::default()
                    },
                    _ => FinishUploadResponse::default(),
                })
            }
            (Authority::Form(form), outcome) => {
                let permit = match (self.form(call, &rule, &form, 2 * FORM_GRACE)?, &outcome) {
                    (Ok(permit), _) => permit,
                    // There was no upload.
                    (Err(_), Ending::Refused(_)) => return Ok(FinishUploadResponse::default()),
                    (Err(reason), Ending::Stored(_)) => {
                        let reason = reason.as_str_name().trim_start_matches("REASON_");
                        return Err(Cause::UploadRefused
                            .error(format!("the form's signature does not hold: {reason}")));
                    }
                };
                let answer = match &outcome {
                    Ending::Stored(stored) => {
                        let file =
                            stored.file.as_ref().ok_or_else(|| CallError::field("stored.file", "missing"))?;
                        self.answer(call, &rule, &permit, file)?
                    }
                    Ending::Refused(_) => FinishUploadResponse::default(),
                };
                self.note_ended(&rule, &permit, &request_id, &outcome, Ended::default()).await?;
                Ok(answer)
            }
            (Authority::Grant(grant), outcome) => {
                let permitted = grant_permit(call, grant, &request_id)?;
                self.note_ended(&rule, &permitted.permit, &request_id, &outcome, Ended::default()).await?;
                Ok(FinishUploadResponse::default())
            }
        }
    }

    /// What has become of an upload, into the journal.
    async fn note_ended(
        &self,
        rule: &Rule,
        permit: &Permit,
        request_id: &str,
        outcome: &Ending,
        ended: Ended,
    ) -> Result<(), CallError> {
        match outcome {
            Ending::Stored(stored) => {
                self.note_stored(rule, permit, request_id, stored, ended.is_first).await
            }
            Ending::Refused(refused) => {
                self.note_refused(rule, permit, request_id, refused, ended.is_stored).await
            }
        }
    }

    /// What the answer to a stored form says of its origin.
    fn answer(
        &self,
        call: &mut Call<'_>,
        rule: &Rule,
        permit: &Permit,
        file: &UploadedFile,
    ) -> Result<FinishUploadResponse, CallError> {
        let object = rule.object(permit, &received(file)).map_err(refusal::unstorable)?;
        call.note(|entry| object.key.clone_into(&mut entry.subject));
        let ring = self.keyring();
        let key = ring.cloudinary_upload(rule.form_key.as_deref().unwrap_or_default()).map_err(gone(rule))?;
        let version = self.clock.now();
        let signs = &key.versions.primary(version).material;
        let answer_signature =
            cloudinary_upload::sign_response(signs, key.policy.algorithm, &object.image_id, version);
        Ok(FinishUploadResponse { version, answer_signature, ..FinishUploadResponse::default() })
    }

    /// What a form lets be stored; the inner `Err` is a verdict. It may be older than at its beginning by `grace` seconds.
    fn form(
        &self,
        call: &mut Call<'_>,
        rule: &Rule,
        form: &FormAuthority,
        grace: u64,
    ) -> Result<Result<Permit, Reason>, CallError> {
        let ring = self.keyring();
        let name = rule.form_key.as_deref().unwrap_or_default();
        let key = ring.cloudinary_upload(name).map_err(gone(rule))?;
        let now = self.clock.now();
        let fields: Vec<_> =
            form.fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
        let verify = |at| {
            let eligible = key.versions.eligible(now).map(|version| &version.material);
            cloudinary_upload::verify(eligible, &fields, at, &key.policy)
        };
        let verified = match verify(now) {
            Err(cloudinary_upload::Refusal::Stale) => verify(now.saturating_sub(grace)),
            other => other,
        };
        match verified {
            Err(refused) => {
                let reason = refusal::upload_verdict(refused);
                self.judged(call, name, Verdict::Invalid, reason, 0);
                let reason_name = reason.as_str_name().trim_start_matches("REASON_");
                tracing::info!(reason = reason_name, key = name, upload = rule.name, "upload.refused");
                Ok(Err(reason))
            }
            Ok(verified) => {
                let version = key.versions.eligible_id(verified.key, now).unwrap_or_default();
                self.judged(call, name, Verdict::Valid, Reason::Ok, version);
                let read = Form::read(fields.iter().copied()).map_err(refusal::unsupported)?;
                // There is one: it was verified.
                let signature = fields.iter().find(|(name, _)| *name == "signature");
                let (_, signature) = signature.copied().unwrap_or_default();
                Ok(Ok(Permit::of_form(&read, signature)))
            }
        }
    }

    /// The rule of a digest, if it and this attempt are granted.
    pub(super) fn rule(
        &self,
        call: &mut Call<'_>,
        digest: &str,
        request_id: &str,
    ) -> Result<Arc<Rule>, CallError> {
        let rule = self.uploads().of_digest(digest).map(Arc::clone).ok_or_else(|| unknown(digest))?;
        call.upload(&rule)?;
        check_attempt(request_id)?;
        Ok(rule)
    }

    /// The tokens, and the id of one of an account that the caller has a grant for.
    fn token(
        &self,
        call: &mut Call<'_>,
        account: &str,
        token: &str,
    ) -> Result<(&UploadTokens, TokenId), CallError> {
        call.account(account)?;
        let id = by_token(token)?;
        call.note(|entry| entry.subject = id.to_string());
        let tokens = self.upload_tokens.as_ref().ok_or_else(|| {
            Cause::MethodUnknown.error(
                "upload tokens are not enabled: [upload_tokens] is taken up by a restart of the signer",
            )
        })?;
        Ok((tokens, id))
    }

    /// Signs the first request that stores an object, and a HEAD of it.
    fn signed_put(
        &self,
        call: &mut Call<'_>,
        rule: &Rule,
        object: &Object,
        how: How,
    ) -> Result<AuthorizeUploadResponse, CallError> {
        let Object { image_id, key: object_key, upload_id, headers } = object;
        let url = rule.origin.url(object_key).map_err(refusal::object_key)?;
        call.note(|entry| object_key.clone_into(&mut entry.subject));
        call.granted().object(&url).map_err(refusal::denied)?;
        let sign = |method, own: &[Header], body| self.signed_object_request(rule, method, &url, own, body);
        let SignedHeaders { headers: head_headers, expires, key_version } =
            sign("HEAD", &[], Body::Unsigned)?;
        let (mut put_headers, mut create_headers) = (Vec::new(), Vec::new());
        match how {
            How::Nothing => {}
            How::Put => {
                let value = |wanted| headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
                let sha256 = value(safelight_proto::upload::object::metadata::SHA256);
                let body = sha256.map_or(Body::Unsigned, |sha256| Body::Sha256(sha256));
                put_headers = own(headers);
                put_headers.extend(sign("PUT", &put_headers, body)?.headers);
            }
            How::Parts => create_headers = self.signed_creation(rule, &url, headers)?,
        }
        call.note(|entry| entry.signing_key_version = Some(key_version));
        Ok(AuthorizeUploadResponse {
            verdict: Verdict::Valid.into(),
            reason: Reason::Ok.into(),
            image_id: image_id.clone(),
            object_key: object_key.clone(),
            put_headers,
            head_headers,
            expire_time: Some(timestamp(expires)),
            upload_id: upload_id.clone(),
            already_stored: how == How::Nothing,
            create_headers,
            url,
        })
    }

    /// Signs one request for an object of a rule's origin.
    pub(super) fn signed_object_request(
        &self,
        rule: &Rule,
        method: &str,
        url: &str,
        own: &[Header],
        body: Body<'_>,
    ) -> Result<SignedHeaders, CallError> {
        let ring = self.keyring();
        let key = ring.aws_sigv4(rule.origin.signing_key()).map_err(gone(rule))?;
        origin::check_allowed(key, url)?;
        let headers = origin::headers(key, own)?;
        let request = aws_sigv4::Request { method, url, headers: &headers, body };
        let request =
            S3Request::new(request, rule.origin.region(), false).map_err(refusal::origin_request)?;
        origin::sign_headers(key, &request, self.clock.now())
    }

    fn rules(&self, call: &Call<'_>, request: &ListUploadRulesRequest) -> ListUploadRulesResponse {
        let uploads = self.uploads();
        let visible: BTreeMap<_, _> = uploads
            .all()
            .iter()
            .filter(|(_, rule)| call.granted().clone().upload(&rule.name, rule.keys()).is_ok())
            .map(|(name, rule)| (name.as_str(), rule))
            .collect();
        let (page, next_page_token) = page::page(&visible, request.page_size, &request.page_token);
        ListUploadRulesResponse {
            rules: page.into_iter().map(|(_, rule)| describe(rule)).collect(),
            next_page_token,
        }
    }
}

impl Permitted {
    fn of_record(id: TokenId, record: Record) -> Result<Self, CallError> {
        let metadata = metadata(id, &record.details.metadata)?;
        Ok(Self {
            lease_expires: record.state.leased(),
            already_stored: record.state.redeemed().is_some(),
            token_id: id.to_string(),
            permit: Permit::of_token(id, record.account, record.details, metadata.as_ref()),
            metadata,
        })
    }

    const fn without_token(permit: Permit, metadata: Option<prost_types::Struct>) -> Self {
        Self { permit, metadata, already_stored: false, lease_expires: None, token_id: String::new() }
    }
}

/// The authority of a request, if it is of the rule's kind.
fn authority(rule: &Rule, authority: Option<UploadAuthority>) -> Result<Authority, CallError> {
    use upload_authority::Authority as Asked;

    match (rule.kind, authority.and_then(|authority| authority.authority)) {
        (UploadKind::OneTime, Some(Asked::Token(token))) => Ok(Authority::Token(token)),
        (UploadKind::Cloudinary, Some(Asked::Form(form))) => Ok(Authority::Form(form)),
        (UploadKind::Grant, Some(Asked::Grant(grant))) => Ok(Authority::Grant(grant)),
        _ => Err(CallError::field("authority", "expected one of the upload rule's kind")),
    }
}

/// What a grant lets be stored.
fn grant_permit(
    call: &mut Call<'_>,
    grant: GrantAuthority,
    request_id: &str,
) -> Result<Permitted, CallError> {
    let GrantAuthority { account, image_id, creator, metadata, require_signed_urls } = grant;
    if !account.is_empty() {
        call.account(&account)?;
    }
    let bytes = metadata.as_ref().map(prost_types::Struct::encode_to_vec).unwrap_or_default();
    if !rules::is_name(&account) {
        return Err(not_valid(rules::Invalid::Account));
    }
    rules::check_notes(&creator, &bytes).map_err(not_valid)?;
    let permit =
        Permit::of_grant(request_id, &account, &image_id, require_signed_urls, &creator, metadata.as_ref());
    Ok(Permitted::without_token(permit, metadata))
}

/// Headers as they are told.
pub(super) fn own(headers: &[(&'static str, String)]) -> Vec<Header> {
    headers.iter().map(|(name, value)| Header { name: (*name).to_owned(), value: value.clone() }).collect()
}

pub(super) fn received(file: &UploadedFile) -> File<'_> {
    File {
        sha256: &file.sha256,
        length: file.length,
        content_type: &file.content_type,
        filename: &file.filename,
    }
}

fn begun(rule: &Rule, permitted: Permitted) -> BeginUploadResponse {
    let Permitted { permit, metadata, already_stored, lease_expires, token_id } = permitted;
    BeginUploadResponse {
        verdict: Verdict::Valid.into(),
        reason: Reason::Ok.into(),
        image_id: permit.known_id().to_owned(),
        max_bytes: rule.max_bytes(&permit),
        content_types: rule.content_types.clone(),
        account: permit.account,
        token_content_types: permit.content_types,
        require_signed_urls: permit.require_signed_urls,
        creator: permit.creator,
        metadata,
        already_stored,
        lease_expire_time: lease_expires.map(timestamp),
        token_id,
    }
}

fn unknown(digest: &str) -> CallError {
    tracing::warn!(
        digest = shown_digest(digest),
        "upload.unknown: the caller's [[uploads]] and ours do not agree"
    );
    Cause::UploadUnknown.error(
        "none of the signer's [[uploads]] has this digest: compare kind, object_key, key, max_bytes, content_types, overwrite, \
         signing_key, base_url, region, callback and callback_key with the resizer's (ListUploadRules shows the signer's)",
    )
}

/// A key that the rule had is none any more: a reload has come between, and the rule is gone too, or another.
pub(super) fn gone(rule: &Rule) -> impl FnOnce(NoKey) -> CallError + '_ {
    |_| unknown(&rule.digest)
}

fn describe(rule: &Rule) -> Listed {
    let identity = rule.identity();
    Listed {
        name: rule.name.clone(),
        digest: rule.digest.clone(),
        kind: identity.kind.into(),
        object_key: identity.object_key.to_owned(),
        form_key: identity.form_key.to_owned(),
        max_bytes: identity.max_bytes,
        content_types: identity.content_types.to_vec(),
        overwrite: identity.overwrite,
        signing_key: identity.signing_key.to_owned(),
        base_url: identity.base_url.to_owned(),
        region: identity.region.to_owned(),
        callback: identity.callback.to_owned(),
        callback_key: identity.callback_key.to_owned(),
    }
}
