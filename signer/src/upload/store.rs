//! Where records and the journal are kept, durably.
//!
//! # Layout
//! - [`embedded`]: a file of this process alone
//! - `postgres`: PostgreSQL, for several signers: not in a build without the feature `postgres`
//!
//! A store says what is durable, or fails. It never guesses: after a failure nobody knows whether something was
//! written, and the caller asks again, with the same request id.

pub mod embedded;
#[cfg(feature = "postgres")]
pub mod postgres;

use async_trait::async_trait;

use super::{
    Event, Outcome, Record, Refusal, TokenId,
    journal::{Kept, Taking},
};

/// The store failed, or may or may not have written. What stands in it is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Keeps records under the ids of their tokens. One event at a time happens to a record, whoever shares the store.
///
/// Asynchronous, since a caller waits for a disk or a network: a thread for each would be the costlier way to bound them.
/// A future that is dropped gives up the answer, not the work.
#[async_trait]
pub trait Store: Send + Sync {
    /// Keeps a new record; durable on return.
    ///
    /// # Errors
    /// The store failed. The record may be there all the same.
    async fn insert(&self, id: TokenId, record: Record) -> Result<(), StoreError>;

    /// The record as it is now.
    ///
    /// # Errors
    /// The store failed.
    async fn get(&self, id: TokenId) -> Result<Option<Record>, StoreError>;

    /// Does to the record what [`machine::apply`](super::machine::apply) says, undivided; durable on return, and a refusal
    /// rests on what is durable.
    ///
    /// # Errors
    /// The store failed. It may have been done all the same.
    async fn apply(&self, id: TokenId, event: Event) -> Result<Result<Outcome, Refusal>, StoreError>;

    /// Removes records that were [over](Record::over) at or before `until`, those that expired first at first, `limit` at
    /// most. How many were removed.
    ///
    /// # Errors
    /// The store failed. Some may have been removed.
    async fn sweep(&self, until: u64, limit: usize) -> Result<usize, StoreError>;

    /// Keeps an entry of the journal, in the place of one of the same id; durable on return.
    ///
    /// # Errors
    /// The store failed. The entry may be there all the same.
    async fn keep_entry(&self, kept: Kept) -> Result<(), StoreError>;

    /// An entry as it is now.
    ///
    /// # Errors
    /// The store failed.
    async fn entry(&self, id: String) -> Result<Option<Kept>, StoreError>;

    /// Takes entries, those that are due first at first. Each is given to one caller, and has one attempt more then.
    ///
    /// # Errors
    /// The store failed. Some may have been taken all the same.
    async fn take_entries(&self, taking: Taking) -> Result<Vec<Kept>, StoreError>;

    /// Puts an entry in the place of the one of this id, or removes that, if its revision is this; undivided, and durable on
    /// return. Whether it was.
    ///
    /// # Errors
    /// The store failed. It may have been done all the same.
    async fn change_entry(&self, id: String, revision: u64, after: Option<Kept>) -> Result<bool, StoreError>;

    /// Removes an entry, if there is one; durable on return.
    ///
    /// # Errors
    /// The store failed. It may have been done all the same.
    async fn remove_entry(&self, id: String) -> Result<(), StoreError>;

    /// Removes entries that have been due since `until` or longer, `limit` at most. How many were removed.
    ///
    /// # Errors
    /// The store failed. Some may have been removed.
    async fn sweep_entries(&self, until: u64, limit: usize) -> Result<usize, StoreError>;
}
