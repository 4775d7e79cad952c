//! Entries of the journal as they stand in the file.

use prost::Message;
use redb::{ReadableTable, StorageError, TableDefinition};

use super::tables::Tables;
use crate::upload::journal::{Entry, Facts, Kept, Taking};

/// [`Stored`] by id.
pub(super) const ENTRIES: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("upload_journal");
/// When an entry is due, and its id.
pub(super) const DUE: TableDefinition<'static, (u64, &str), ()> = TableDefinition::new("upload_journal_due");
/// The same of each rule.
pub(super) const DUE_OF_RULE: TableDefinition<'static, (&str, u64, &str), ()> =
    TableDefinition::new("upload_journal_due_of_rule");

impl Tables<'_> {
    pub(super) fn entry(&self, id: &str) -> Result<Option<Kept>, StorageError> {
        let Some(stored) = self.entries.get(id)? else { return Ok(None) };
        let stored = Stored::decode(stored.value()).ok().and_then(|stored| stored.into_kept(id));
        stored.map(Some).ok_or_else(|| StorageError::Corrupted("an entry cannot be decoded".to_owned()))
    }

    pub(super) fn keep_entry(&mut self, kept: &Kept) -> Result<(), StorageError> {
        self.remove_entry(&kept.id)?;
        self.changed = true;
        self.entries.insert(kept.id.as_str(), Stored::of(kept).encode_to_vec().as_slice())?;
        self.entries_due.insert((kept.entry.due, kept.id.as_str()), ())?;
        self.entries_of_rule.insert((kept.entry.rule.as_str(), kept.entry.due, kept.id.as_str()), ())?;
        Ok(())
    }

    pub(super) fn remove_entry(&mut self, id: &str) -> Result<(), StorageError> {
        if let Some(Kept { entry, .. }) = self.entry(id)? {
            self.changed = true;
            self.entries.remove(id)?;
            self.entries_due.remove((entry.due, id))?;
            self.entries_of_rule.remove((entry.rule.as_str(), entry.due, id))?;
        }
        Ok(())
    }

    pub(super) fn take_entries(&mut self, taking: &Taking) -> Result<Vec<Kept>, StorageError> {
        let mut taken = Vec::new();
        let until = taking.now.saturating_add(1);
        for rule in &taking.rules {
            let due = self.entries_of_rule.range((rule.as_str(), 0, "")..(rule.as_str(), until, ""))?;
            for due in due.take(taking.limit) {
                taken.extend(self.entry(due?.0.value().2)?);
            }
        }
        taken.sort_by(|one, other| (one.entry.due, &one.id).cmp(&(other.entry.due, &other.id)));
        taken.truncate(taking.limit);
        for kept in &mut taken {
            self.remove_entry(&kept.id)?;
            kept.revision = taking.revision;
            kept.entry.due = taking.until;
            kept.entry.attempts = kept.entry.attempts.saturating_add(1);
            self.keep_entry(kept)?;
        }
        Ok(taken)
    }

    /// Removes at most `limit` entries that were due at or before `until`; answers how many.
    pub(super) fn remove_entries_due(&mut self, until: u64, limit: usize) -> Result<usize, StorageError> {
        let due = self.entries_due.range(..(until.saturating_add(1), ""))?.take(limit);
        let ids = due.map(|due| Ok(due?.0.value().1.to_owned())).collect::<Result<Vec<_>, StorageError>>()?;
        ids.iter().try_for_each(|id| self.remove_entry(id))?;
        Ok(ids.len())
    }
}

/// An entry as it stands in the file. Tags are for good.
#[derive(Clone, PartialEq, prost::Message)]
struct Stored {
    #[prost(string, tag = "1")]
    rule: String,
    #[prost(uint64, tag = "2")]
    due: u64,
    #[prost(uint64, tag = "3")]
    revision: u64,
    #[prost(uint32, tag = "4")]
    attempts: u32,
    #[prost(message, optional, tag = "5")]
    facts: Option<Facts>,
}

impl Stored {
    fn of(kept: &Kept) -> Self {
        let Kept { revision, entry: Entry { rule, due, attempts, facts }, .. } = kept.clone();
        Self { rule, due, revision, attempts, facts: Some(facts) }
    }

    fn into_kept(self, id: &str) -> Option<Kept> {
        let Self { rule, due, revision, attempts, facts } = self;
        Some(Kept { id: id.to_owned(), revision, entry: Entry { rule, due, attempts, facts: facts? } })
    }
}
