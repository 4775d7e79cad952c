//! `UploadTokenService`.

use prost::Message as _;
use safelight_proto::{
    reason::{CallError, Reason},
    signer::v1::{
        self as pb, cancel_upload_token_request::Selector as CancelSelector,
        create_upload_token_request::Expiry as PbExpiry, get_upload_token_request::Selector as GetSelector,
        upload_token_service_server::UploadTokenService,
    },
};
use tonic::{Request, Response, Status};

use super::{call::Call, expiry::timestamp, refusal};
use crate::{
    audit::Audit,
    clock::Clock,
    upload::{
        CreateError, Created, Expiry, Invalid, Outcome, Record, Refusal, State, Token, TokenId, UploadTokens,
        Wish, record::Details, rules,
    },
};

/// The handlers. Clones share the store.
#[derive(Clone)]
pub(super) struct UploadTokenHandlers {
    tokens: UploadTokens,
    clock: Clock,
    audit: Audit,
}

impl UploadTokenHandlers {
    pub(super) const fn new(tokens: UploadTokens, clock: Clock, audit: Audit) -> Self {
        Self { tokens, clock, audit }
    }
}

#[tonic::async_trait]
impl UploadTokenService for UploadTokenHandlers {
    async fn create_upload_token(
        &self,
        request: Request<pb::CreateUploadTokenRequest>,
    ) -> Result<Response<pb::CreateUploadTokenResponse>, Status> {
        let (mut call, request) = Call::begin(&self.audit, request)?;
        let answer = self.create(&mut call, request).await;
        call.end(answer).await
    }

    async fn get_upload_token(
        &self,
        request: Request<pb::GetUploadTokenRequest>,
    ) -> Result<Response<pb::GetUploadTokenResponse>, Status> {
        let (mut call, request) = Call::begin(&self.audit, request)?;
        let answer = self.get(&mut call, request).await;
        call.end(answer).await
    }

    async fn reserve_upload_token(
        &self,
        request: Request<pb::ReserveUploadTokenRequest>,
    ) -> Result<Response<pb::ReserveUploadTokenResponse>, Status> {
        let (mut call, request) = Call::begin(&self.audit, request)?;
        let answer = self.reserve(&mut call, request).await;
        call.end(answer).await
    }

    async fn redeem_upload_token(
        &self,
        request: Request<pb::RedeemUploadTokenRequest>,
    ) -> Result<Response<pb::RedeemUploadTokenResponse>, Status> {
        let (mut call, request) = Call::begin(&self.audit, request)?;
        let answer = self.redeem(&mut call, request).await;
        call.end(answer).await
    }

    async fn release_upload_token(
        &self,
        request: Request<pb::ReleaseUploadTokenRequest>,
    ) -> Result<Response<pb::ReleaseUploadTokenResponse>, Status> {
        let (mut call, request) = Call::begin(&self.audit, request)?;
        let answer = self.release(&mut call, request).await;
        call.end(answer).await
    }

    async fn cancel_upload_token(
        &self,
        request: Request<pb::CancelUploadTokenRequest>,
    ) -> Result<Response<pb::CancelUploadTokenResponse>, Status> {
        let (mut call, request) = Call::begin(&self.audit, request)?;
        let answer = self.cancel(&mut call, request).await;
        call.end(answer).await
    }
}

impl UploadTokenHandlers {
    async fn create(
        &self,
        call: &mut Call<'_>,
        request: pb::CreateUploadTokenRequest,
    ) -> Result<pb::CreateUploadTokenResponse, Status> {
        let wish = wish(request);
        call.account(&wish.account)?;
        let created = self.tokens.create(wish, self.clock.now()).await.map_err(not_created)?;
        let Created { token, record } = created;
        call.note(|entry| entry.subject = token.id().to_string());
        Ok(pb::CreateUploadTokenResponse {
            token: token.reveal().to_string(),
            token_id: token.id().to_string(),
            image_id: record.details.image_id,
            expire_time: Some(timestamp(record.expires)),
            state: pb::UploadTokenState::Pending.into(),
        })
    }

    async fn get(
        &self,
        call: &mut Call<'_>,
        request: pb::GetUploadTokenRequest,
    ) -> Result<pb::GetUploadTokenResponse, Status> {
        let pb::GetUploadTokenRequest { account, selector } = request;
        call.account(&account)?;
        let id = match selector {
            Some(GetSelector::Token(token)) => by_token(&token),
            Some(GetSelector::TokenId(id)) => by_id(&id),
            None => Err(unselected()),
        }?;
        call.note(|entry| entry.subject = id.to_string());
        let record = self.tokens.get(&account, id).await.map_err(refusal::store)?;
        let now = self.clock.now();
        let record = record.ok_or_else(|| refusal::token(Refusal::NotFound, now))?;
        let upload_token = Some(describe(id, record, now)?);
        Ok(pb::GetUploadTokenResponse { upload_token })
    }

    async fn reserve(
        &self,
        call: &mut Call<'_>,
        request: pb::ReserveUploadTokenRequest,
    ) -> Result<pb::ReserveUploadTokenResponse, Status> {
        let pb::ReserveUploadTokenRequest { account, token, request_id, lease } = request;
        call.account(&account)?;
        check_attempt(&request_id)?;
        let lease = rules::lease(lease.map(|lease| lease.seconds))
            .ok_or_else(|| CallError::field("lease", "expected 1 s to 15 min"))?;
        let (id, now) = (by_token(&token)?, self.clock.now());
        call.note(|entry| entry.subject = id.to_string());
        let outcome =
            self.tokens.reserve(&account, id, &request_id, lease, now).await.map_err(refusal::store)?;
        let Outcome { record, replayed } = outcome.map_err(|refusal| refusal::token(refusal, now))?;
        let upload_token = Some(describe(id, record, now)?);
        Ok(pb::ReserveUploadTokenResponse { upload_token, replayed })
    }

    async fn redeem(
        &self,
        call: &mut Call<'_>,
        request: pb::RedeemUploadTokenRequest,
    ) -> Result<pb::RedeemUploadTokenResponse, Status> {
        let pb::RedeemUploadTokenRequest { account, token, request_id } = request;
        call.account(&account)?;
        if !rules::is_name(&request_id) {
            return Err(
                CallError::field("request_id", "expected at most 128 visible ASCII characters").into()
            );
        }
        let (id, now) = (by_token(&token)?, self.clock.now());
        call.note(|entry| entry.subject = id.to_string());
        let outcome = self.tokens.redeem(&account, id, &request_id, now).await.map_err(refusal::store)?;
        let Outcome { record, replayed } = outcome.map_err(|refusal| refusal::token(refusal, now))?;
        let upload_token = Some(describe(id, record, now)?);
        Ok(pb::RedeemUploadTokenResponse { upload_token, replayed })
    }

    async fn release(
        &self,
        call: &mut Call<'_>,
        request: pb::ReleaseUploadTokenRequest,
    ) -> Result<pb::ReleaseUploadTokenResponse, Status> {
        let pb::ReleaseUploadTokenRequest { account, token, request_id } = request;
        call.account(&account)?;
        check_attempt(&request_id)?;
        let (id, now) = (by_token(&token)?, self.clock.now());
        call.note(|entry| entry.subject = id.to_string());
        let outcome = self.tokens.release(&account, id, &request_id, now).await.map_err(refusal::store)?;
        let Outcome { record, .. } = outcome.map_err(|refusal| refusal::token(refusal, now))?;
        Ok(pb::ReleaseUploadTokenResponse { upload_token: Some(describe(id, record, now)?) })
    }

    async fn cancel(
        &self,
        call: &mut Call<'_>,
        request: pb::CancelUploadTokenRequest,
    ) -> Result<pb::CancelUploadTokenResponse, Status> {
        let pb::CancelUploadTokenRequest { account, selector } = request;
        call.account(&account)?;
        let id = match selector {
            Some(CancelSelector::Token(token)) => by_token(&token),
            Some(CancelSelector::TokenId(id)) => by_id(&id),
            None => Err(unselected()),
        }?;
        call.note(|entry| entry.subject = id.to_string());
        let now = self.clock.now();
        let outcome = self.tokens.cancel(&account, id, now).await.map_err(refusal::store)?;
        let Outcome { record, .. } = outcome.map_err(|refusal| refusal::token(refusal, now))?;
        let upload_token = Some(describe(id, record, now)?);
        Ok(pb::CancelUploadTokenResponse { upload_token })
    }
}

fn wish(request: pb::CreateUploadTokenRequest) -> Wish {
    let pb::UploadConstraints { max_bytes, allowed_content_types } = request.constraints.unwrap_or_default();
    Wish {
        account: request.account,
        expiry: match request.expiry {
            None => Expiry::Default,
            Some(PbExpiry::ExpireTime(time)) => Expiry::At(time.seconds),
            Some(PbExpiry::Ttl(ttl)) => Expiry::In(ttl.seconds),
        },
        details: Details {
            created: 0,
            image_id: request.image_id,
            creator: request.creator,
            metadata: request.metadata.map(|metadata| metadata.encode_to_vec()).unwrap_or_default(),
            require_signed_urls: request.require_signed_urls,
            max_bytes,
            allowed_content_types,
        },
    }
}

/// What was expected of a token, where what came can be none.
pub(super) fn by_token(token: &str) -> Result<TokenId, CallError> {
    Token::parse(token)
        .map(|token| token.id())
        .ok_or_else(|| CallError::field("token", "expected the 43 characters of a token"))
}

fn by_id(id: &str) -> Result<TokenId, CallError> {
    TokenId::parse(id)
        .ok_or_else(|| CallError::field("token_id", "expected 64 digits of lower-case hexadecimal"))
}

/// Refuses what names no attempt where one is needed.
pub(super) fn check_attempt(request_id: &str) -> Result<(), CallError> {
    if request_id.is_empty() || !rules::is_name(request_id) {
        return Err(CallError::field("request_id", "expected 1 to 128 visible ASCII characters"));
    }
    Ok(())
}

fn unselected() -> CallError {
    CallError::field("token", "expected a token, or token_id")
}

fn describe(id: TokenId, record: Record, now: u64) -> Result<pb::UploadToken, CallError> {
    let Record { expires, state, details, .. } = record;
    let (state, ended, leased) = match state {
        State::Reserved { until, .. } if until > now => (pb::UploadTokenState::Reserved, None, Some(until)),
        State::Pending | State::Reserved { .. } if expires <= now => {
            (pb::UploadTokenState::Expired, None, None)
        }
        State::Pending | State::Reserved { .. } => (pb::UploadTokenState::Pending, None, None),
        State::Redeemed { at, .. } => (pb::UploadTokenState::Redeemed, Some(at), None),
        State::Cancelled { at } => (pb::UploadTokenState::Cancelled, Some(at), None),
    };
    Ok(pb::UploadToken {
        token_id: id.to_string(),
        state: state.into(),
        image_id: details.image_id,
        create_time: Some(timestamp(details.created)),
        expire_time: Some(timestamp(expires)),
        end_time: ended.map(timestamp),
        metadata: metadata(id, &details.metadata)?,
        creator: details.creator,
        require_signed_urls: details.require_signed_urls,
        constraints: Some(pb::UploadConstraints {
            max_bytes: details.max_bytes,
            allowed_content_types: details.allowed_content_types,
        }),
        lease_expire_time: leased.map(timestamp),
    })
}

/// The metadata of a record.
pub(super) fn metadata(id: TokenId, bytes: &[u8]) -> Result<Option<prost_types::Struct>, CallError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let metadata = prost_types::Struct::decode(bytes).map_err(|error| {
        tracing::error!(%error, token_id = %id, "the metadata of an upload token cannot be decoded");
        Reason::Internal.error("the metadata of the upload token cannot be read")
    })?;
    Ok(Some(metadata))
}

fn not_created(error: CreateError) -> CallError {
    match error {
        CreateError::Invalid(invalid) => not_valid(invalid),
        CreateError::Token(error) => refusal::store(error),
        CreateError::Random(error) => {
            tracing::error!(%error, "no randomness");
            Reason::Internal.error("no token could be made")
        }
    }
}

/// What is wrong with what a caller says of an image.
pub(super) fn not_valid(invalid: Invalid) -> CallError {
    let text = invalid.to_string();
    let (reason, field) = match invalid {
        Invalid::Account => (None, "account".to_owned()),
        Invalid::Creator => (None, "creator".to_owned()),
        Invalid::Metadata => (None, "metadata".to_owned()),
        Invalid::ContentTypes => (None, "constraints.allowed_content_types".to_owned()),
        Invalid::ContentType(index) => (None, format!("constraints.allowed_content_types[{index}]")),
        Invalid::Expiry => (Some(Reason::ExpiryOutOfRange), "expiry".to_owned()),
        Invalid::ImageId(error) => (Some(refusal::image_id(error)), "image_id".to_owned()),
        Invalid::ImageIdIsUuid => (Some(Reason::ImageIdIsUuid), "image_id".to_owned()),
        Invalid::CustomIdCannotBePrivate => {
            (Some(Reason::CustomIdCannotBePrivate), "require_signed_urls".to_owned())
        }
    };
    match reason {
        None => CallError::field(field, text),
        Some(reason) => reason.error(&*text).with_violation(field, text),
    }
}
