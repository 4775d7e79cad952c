//! Records as they stand in the file.

use prost::Message;
use redb::{ReadableTable, StorageError, Table, TableDefinition, TableError, WriteTransaction};

use super::journal;
use crate::upload::{Record, State, TokenId, record::Details};

/// [`Stored`] by token id.
const TOKENS: TableDefinition<'static, [u8; 32], &[u8]> = TableDefinition::new("upload_tokens");
/// Expiry and token id, to find what is to be swept.
const EXPIRIES: TableDefinition<'static, (u64, [u8; 32]), ()> = TableDefinition::new("upload_token_expiries");

/// The tables inside a transaction.
pub(super) struct Tables<'t> {
    tokens: Table<'t, [u8; 32], &'static [u8]>,
    expiries: Table<'t, (u64, [u8; 32]), ()>,
    pub(super) entries: Table<'t, &'static str, &'static [u8]>,
    pub(super) entries_due: Table<'t, (u64, &'static str), ()>,
    pub(super) entries_of_rule: Table<'t, (&'static str, u64, &'static str), ()>,
    pub(super) changed: bool,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, TableError> {
        Ok(Self {
            tokens: transaction.open_table(TOKENS)?,
            expiries: transaction.open_table(EXPIRIES)?,
            entries: transaction.open_table(journal::ENTRIES)?,
            entries_due: transaction.open_table(journal::DUE)?,
            entries_of_rule: transaction.open_table(journal::DUE_OF_RULE)?,
            changed: false,
        })
    }

    /// Whether there is anything to commit.
    pub(super) const fn changed(&self) -> bool {
        self.changed
    }

    pub(super) fn insert(&mut self, id: TokenId, record: &Record) -> Result<(), StorageError> {
        self.expiries.insert((record.expires, id.0), ())?;
        self.put(id, record)
    }

    pub(super) fn get(&self, id: TokenId) -> Result<Option<Record>, StorageError> {
        let Some(stored) = self.tokens.get(id.0)? else { return Ok(None) };
        let stored = Stored::decode(stored.value()).ok().and_then(Stored::into_record);
        stored.map(Some).ok_or_else(|| StorageError::Corrupted("a record cannot be decoded".to_owned()))
    }

    /// Writes a record that is there anew.
    pub(super) fn put(&mut self, id: TokenId, record: &Record) -> Result<(), StorageError> {
        self.changed = true;
        self.tokens.insert(id.0, Stored::of(record).encode_to_vec().as_slice())?;
        Ok(())
    }

    /// Removes at most `limit` records that were over at or before `until`; answers how many.
    pub(super) fn remove_over(&mut self, until: u64, limit: usize) -> Result<usize, StorageError> {
        let mut over = Vec::new();
        // Expired: few of them are kept by a lease or an end that came later.
        for entry in self.expiries.range(..=(until, [0xff; 32]))? {
            if over.len() == limit {
                break;
            }
            let key = entry?.0.value();
            if self.is_over(key.1, until)? {
                over.push(key);
            }
        }
        self.changed |= !over.is_empty();
        for key in &over {
            self.expiries.remove(*key)?;
            self.tokens.remove(key.1)?;
        }
        Ok(over.len())
    }

    /// Whether a record was over at `until`. One that cannot be decoded is: its expiry has passed.
    fn is_over(&self, id: [u8; 32], until: u64) -> Result<bool, StorageError> {
        let Some(stored) = self.tokens.get(id)? else { return Ok(true) };
        let record = Stored::decode(stored.value()).ok().and_then(Stored::into_record);
        Ok(record.is_none_or(|record| record.over() <= until))
    }
}

/// A record as it stands in the file. Tags are for good. What came later is optional: a file of an earlier signer is read
/// as it is, and an earlier signer reads a reserved token as a pending one.
#[derive(Clone, PartialEq, prost::Message)]
struct Stored {
    #[prost(string, tag = "1")]
    account: String,
    #[prost(uint64, tag = "2")]
    expires: u64,
    #[prost(message, optional, tag = "3")]
    details: Option<Details>,
    /// When it was redeemed or cancelled.
    #[prost(uint64, optional, tag = "4")]
    ended: Option<u64>,
    /// Present once it was redeemed, and only then.
    #[prost(string, optional, tag = "5")]
    request_id: Option<String>,
    /// Present while it is reserved, and only then.
    #[prost(message, optional, tag = "6")]
    reservation: Option<Reservation>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Reservation {
    #[prost(string, tag = "1")]
    request_id: String,
    #[prost(uint64, tag = "2")]
    until: u64,
}

impl Stored {
    fn of(record: &Record) -> Self {
        let (ended, request_id, reservation) = match &record.state {
            State::Pending => (None, None, None),
            State::Reserved { request_id, until } => {
                (None, None, Some(Reservation { request_id: request_id.clone(), until: *until }))
            }
            State::Redeemed { at, request_id } => (Some(*at), Some(request_id.clone()), None),
            State::Cancelled { at } => (Some(*at), None, None),
        };
        Self {
            account: record.account.clone(),
            expires: record.expires,
            details: Some(record.details.clone()),
            ended,
            request_id,
            reservation,
        }
    }

    fn into_record(self) -> Option<Record> {
        let state = match (self.ended, self.request_id, self.reservation) {
            (None, None, None) => State::Pending,
            (None, None, Some(Reservation { request_id, until })) => State::Reserved { request_id, until },
            (Some(at), Some(request_id), _) => State::Redeemed { at, request_id },
            (Some(at), None, _) => State::Cancelled { at },
            (None, Some(_), _) => return None,
        };
        Some(Record { account: self.account, expires: self.expires, state, details: self.details? })
    }
}
