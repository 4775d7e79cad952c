//! The journal of uploads: what is left to do of each, from the moment that its PUT is signed until its outcome is known and
//! has been told.
//!
//! An entry is written before a resizer gets a signed PUT, for a token or by a rule with a callback. Where that resizer is gone,
//! the entry stays, and another looks for the object: its token is redeemed, and its callback sent. Of forms and grants without a
//! callback there is none: only their client could be told.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{Store, StoreError, TokenError};

/// What is left to do of one upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the upload rule.
    pub rule: String,
    /// When it is to be done, in Unix seconds.
    pub due: u64,
    /// How often it was taken.
    pub attempts: u32,
    /// What is known of the upload.
    pub facts: Facts,
}

/// An entry as a store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Names it.
    pub id: String,
    /// Is another whenever the entry was taken or changed.
    pub revision: u64,
    /// What is left to do.
    pub entry: Entry,
}

/// What is known of an upload. This is also how both stores keep it: tags are for good.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Facts {
    /// When its PUT was signed first, in Unix seconds; or when it was refused before.
    #[prost(uint64, tag = "1")]
    pub created: u64,
    /// Names the attempt.
    #[prost(string, tag = "2")]
    pub request_id: String,
    /// The tenant; empty for none.
    #[prost(string, tag = "3")]
    pub account: String,
    /// The id of its token; empty for none.
    #[prost(string, tag = "4")]
    pub token_id: String,
    /// Names the upload in the object's metadata.
    #[prost(string, tag = "5")]
    pub upload_id: String,
    /// The image's id; empty where it was not known yet.
    #[prost(string, tag = "6")]
    pub image_id: String,
    /// The object's key; empty where no PUT was signed.
    #[prost(string, tag = "7")]
    pub object_key: String,
    /// Lower-case hex.
    #[prost(string, tag = "8")]
    pub sha256: String,
    /// Bytes.
    #[prost(uint64, tag = "9")]
    pub length: u64,
    /// By content.
    #[prost(string, tag = "10")]
    pub content_type: String,
    /// The name that the file had.
    #[prost(string, tag = "11")]
    pub filename: String,
    /// In pixels; 0 where it is not known.
    #[prost(uint32, tag = "12")]
    pub width: u32,
    /// In pixels.
    #[prost(uint32, tag = "13")]
    pub height: u32,
    /// The object's entity tag.
    #[prost(string, tag = "14")]
    pub etag: String,
    /// Who uploaded.
    #[prost(string, tag = "15")]
    pub creator: String,
    /// What the owner keeps beside the picture: JSON; empty for none.
    #[prost(string, tag = "16")]
    pub metadata: String,
    /// Whether the image is delivered by signed URLs only.
    #[prost(bool, tag = "17")]
    pub require_signed_urls: bool,
    /// Why nothing was stored, as far as is known.
    #[prost(string, optional, tag = "18")]
    pub refused: Option<String>,
    /// When the outcome was known, in Unix seconds; until then the object is to be looked for.
    #[prost(uint64, optional, tag = "19")]
    pub ended: Option<u64>,
    /// Whether its refusal has been told, while the object may still come.
    #[prost(bool, tag = "20")]
    pub told: bool,
}

/// The journal. Clones share the store.
#[derive(Clone)]
pub struct Journal {
    store: Arc<dyn Store>,
    calls: Arc<Semaphore>,
}

impl Journal {
    pub(super) const fn new(store: Arc<dyn Store>, calls: Arc<Semaphore>) -> Self {
        Self { store, calls }
    }

    /// Keeps an entry, in the place of one of the same id.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn keep(&self, id: &str, entry: Entry) -> Result<(), TokenError> {
        let kept = Kept { id: id.to_owned(), revision: revision()?, entry };
        self.asked(self.store.keep_entry(kept)).await
    }

    /// An entry as it is now.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn get(&self, id: &str) -> Result<Option<Kept>, TokenError> {
        self.asked(self.store.entry(id.to_owned())).await
    }

    /// Takes entries of these rules that are due: until `until` nobody else is given them.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn take(
        &self,
        rules: Vec<String>,
        now: u64,
        until: u64,
        limit: usize,
    ) -> Result<Vec<Kept>, TokenError> {
        let taking = Taking { rules, now, until, limit, revision: revision()? };
        self.asked(self.store.take_entries(taking)).await
    }

    /// Puts an entry in the place of one, if that is still as it was; `None` removes it. Whether it was.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn change(&self, before: &Kept, after: Option<Entry>) -> Result<bool, TokenError> {
        let after = match after {
            None => None,
            Some(entry) => Some(Kept { id: before.id.clone(), revision: revision()?, entry }),
        };
        self.asked(self.store.change_entry(before.id.clone(), before.revision, after)).await
    }

    /// Removes an entry, if there is one.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn remove(&self, id: &str) -> Result<(), TokenError> {
        self.asked(self.store.remove_entry(id.to_owned())).await
    }

    async fn asked<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, TokenError> {
        let _call = self.calls.try_acquire().map_err(|_| TokenError::Busy)?;
        Ok(answer.await?)
    }
}

/// Which entries are taken.
#[derive(Clone, Debug)]
pub struct Taking {
    /// Of these rules.
    pub rules: Vec<String>,
    /// Due at or before, in Unix seconds.
    pub now: u64,
    /// When they are due again.
    pub until: u64,
    /// At most this many.
    pub limit: usize,
    /// The revision that they have then.
    pub revision: u64,
}

/// A number that no entry has had. 63 bits: a store may keep it signed.
fn revision() -> Result<u64, StoreError> {
    let random =
        getrandom::u64().map_err(|error| StoreError(format!("the system has no randomness: {error}")));
    Ok(random? >> 1)
}
