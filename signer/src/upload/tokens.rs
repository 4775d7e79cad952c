//! All of it together: what the service calls.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{
    Event, Invalid, Journal, Outcome, Record, Refusal, Settings, Store, StoreError, Token, TokenId, Wish,
    config::OpenError, image_id, machine::EventKind, rules, sweep,
};
use crate::clock::Clock;

/// Most calls that wait for the store at once: half of what the server takes, so that a store that is slow or gone leaves
/// room for signing and verifying, which need none.
pub const MAX_CALLS: usize = 64;

/// One-time upload tokens. Clones share the store.
#[derive(Clone)]
pub struct UploadTokens {
    store: Arc<dyn Store>,
    calls: Arc<Semaphore>,
    private_custom_ids: bool,
}

/// A new token.
pub struct Created {
    /// To be told once.
    pub token: Token,
    /// What was kept.
    pub record: Record,
}

/// Why no token was created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// What was wished for is not to be had.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No randomness.
    #[error("the system has no randomness: {0}")]
    Random(#[from] getrandom::Error),
    /// Too many calls wait for the store, or it failed.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Why a call got no answer from the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Too many calls wait for it; nothing was done.
    #[error("too many calls wait for the store")]
    Busy,
    /// It failed; what was asked may have been done.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl UploadTokens {
    /// With a store of one's own.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, private_custom_ids: bool) -> Self {
        Self { store, calls: Arc::new(Semaphore::new(MAX_CALLS)), private_custom_ids }
    }

    /// With the store of a configuration, swept in the background. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The embedded store's file cannot be opened.
    pub fn open(settings: &Settings, clock: Clock) -> Result<Self, OpenError> {
        let tokens = Self::new(settings.store()?, settings.private_custom_ids());
        let (store, retention) = (Arc::downgrade(&tokens.store), settings.retention());
        tokio::spawn(sweep::run(store, clock, retention, sweep::INTERVAL));
        Ok(tokens)
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn create(&self, wish: Wish, now: u64) -> Result<Created, CreateError> {
        let mut record = rules::record(wish, self.private_custom_ids, now)?;
        if record.details.image_id.is_empty() {
            record.details.image_id = image_id::random()?;
        }
        let token = Token::generate()?;
        self.asked(self.store.insert(token.id(), record.clone())).await?;
        Ok(Created { token, record })
    }

    /// What has become of a token; `None` where the account has no such.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn get(&self, account: &str, id: TokenId) -> Result<Option<Record>, TokenError> {
        let record = self.asked(self.store.get(id)).await?;
        Ok(record.filter(|record| record.account == account))
    }

    /// Reserves a token for so many seconds. `request_id` is [a name](rules::is_name) and not empty.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn reserve(
        &self,
        account: &str,
        id: TokenId,
        request_id: &str,
        lease: u64,
        now: u64,
    ) -> Result<Result<Outcome, Refusal>, TokenError> {
        self.apply(account, id, EventKind::Reserve { request_id: request_id.to_owned(), lease }, now).await
    }

    /// Gives up a reservation. `request_id` is [a name](rules::is_name) and not empty.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn release(
        &self,
        account: &str,
        id: TokenId,
        request_id: &str,
        now: u64,
    ) -> Result<Result<Outcome, Refusal>, TokenError> {
        self.apply(account, id, EventKind::Release { request_id: request_id.to_owned() }, now).await
    }

    /// Redeems a token. `request_id` is [a name](rules::is_name) or empty.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn redeem(
        &self,
        account: &str,
        id: TokenId,
        request_id: &str,
        now: u64,
    ) -> Result<Result<Outcome, Refusal>, TokenError> {
        self.apply(account, id, EventKind::Redeem { request_id: request_id.to_owned() }, now).await
    }

    /// Makes sure that a token is never redeemed.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn cancel(
        &self,
        account: &str,
        id: TokenId,
        now: u64,
    ) -> Result<Result<Outcome, Refusal>, TokenError> {
        self.apply(account, id, EventKind::Cancel, now).await
    }

    /// The journal of uploads, which is kept beside the tokens.
    #[must_use]
    pub fn journal(&self) -> Journal {
        Journal::new(Arc::clone(&self.store), Arc::clone(&self.calls))
    }

    async fn apply(
        &self,
        account: &str,
        id: TokenId,
        kind: EventKind,
        at: u64,
    ) -> Result<Result<Outcome, Refusal>, TokenError> {
        let event = Event { account: account.to_owned(), at, kind };
        self.asked(self.store.apply(id, event)).await
    }

    async fn asked<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, TokenError> {
        let _call = self.calls.try_acquire().map_err(|_| TokenError::Busy)?;
        Ok(answer.await?)
    }
}
