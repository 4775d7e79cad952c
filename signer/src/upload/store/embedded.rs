//! Records in a file of this process alone: a redb database, written by one thread.
//!
//! The thread takes all that has come in while it was writing, does it in one transaction, has that on the disk (fsync),
//! and then answers: many redemptions share one fsync, and no answer goes out before what it rests on is durable. Who
//! asks only reads waits for the writes before it, so that it never sees what a crash could take back.
//!
//! # Layout
//! - `tables`: records as they stand in the file
//! - `journal`: entries of the journal as they stand there

mod journal;
mod tables;
#[cfg(test)]
mod tests;

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread::{self, JoinHandle},
};

use async_trait::async_trait;
use redb::{Database, DatabaseError, StorageError, backends::FileBackend};
use tokio::sync::{mpsc, oneshot};

use self::tables::Tables;
use super::{Store, StoreError};
use crate::upload::{
    Event, Outcome, Record, Refusal, TokenId,
    journal::{Kept, Taking},
    machine,
};

/// Most requests of one transaction.
const MAX_BATCH: usize = 256;
/// Memory for pages that were read or are to be written, in bytes. Far more than a batch changes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Why the file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another process has the file open: several signers need `store = \"postgres\"`")]
    Locked,
    /// It cannot be read or written, or is none of ours.
    #[error("{0}")]
    Failed(String),
}

/// A store in a file. Dropped, it finishes what it was asked and closes the file.
#[derive(Debug)]
pub struct EmbeddedStore {
    // `None` only while it is dropped.
    jobs: Option<mpsc::UnboundedSender<Job>>,
    writer: Option<JoinHandle<()>>,
}

/// Work inside a transaction; what it returns is called once that is durable, and dropped if it will never be.
type Job = Box<dyn for<'a, 't> FnOnce(&'a mut Tables<'t>) -> Result<Reply, StorageError> + Send>;
type Reply = Box<dyn FnOnce() + Send>;
type Opener = Box<dyn FnMut() -> Result<Database, OpenError> + Send>;

impl EmbeddedStore {
    /// Opens the file at `path`, or makes it, readable by its owner alone. After a crash this repairs it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path = path.to_owned();
        Self::with(Box::new(move || open(&path)))
    }

    /// With a way to open the database, which is asked again after the disk was full.
    fn with(mut open: Opener) -> Result<Self, OpenError> {
        let database = open()?;
        let (jobs, queue) = mpsc::unbounded_channel();
        let writer = thread::Builder::new()
            .name("upload-tokens".to_owned())
            .spawn(move || write(database, open, queue))
            .map_err(|error| OpenError::Failed(error.to_string()))?;
        Ok(Self { jobs: Some(jobs), writer: Some(writer) })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl for<'t> FnOnce(&mut Tables<'t>) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |tables| {
            let value = work(tables)?;
            Ok(Box::new(move || drop(sender.send(value))))
        });
        let failed = || StoreError("the embedded store has failed; the log says why".to_owned());
        // Callers are bounded by `MAX_CALLS`: so is the queue.
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or_else(failed)?;
        answer.await.map_err(|_| failed())
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has been reported by itself.
            drop(writer.join());
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn insert(&self, id: TokenId, record: Record) -> Result<(), StoreError> {
        self.run(move |tables| tables.insert(id, &record)).await
    }

    async fn get(&self, id: TokenId) -> Result<Option<Record>, StoreError> {
        self.run(move |tables| tables.get(id)).await
    }

    async fn apply(&self, id: TokenId, event: Event) -> Result<Result<Outcome, Refusal>, StoreError> {
        self.run(move |tables| {
            let before = tables.get(id)?;
            let outcome = machine::apply(before.as_ref(), &event);
            if let Ok(Outcome { record, .. }) = &outcome
                && before.as_ref() != Some(record)
            {
                tables.put(id, record)?;
            }
            Ok(outcome)
        })
        .await
    }

    async fn sweep(&self, until: u64, limit: usize) -> Result<usize, StoreError> {
        self.run(move |tables| tables.remove_over(until, limit)).await
    }

    async fn keep_entry(&self, kept: Kept) -> Result<(), StoreError> {
        self.run(move |tables| tables.keep_entry(&kept)).await
    }

    async fn entry(&self, id: String) -> Result<Option<Kept>, StoreError> {
        self.run(move |tables| tables.entry(&id)).await
    }

    async fn take_entries(&self, taking: Taking) -> Result<Vec<Kept>, StoreError> {
        self.run(move |tables| tables.take_entries(&taking)).await
    }

    async fn change_entry(&self, id: String, revision: u64, after: Option<Kept>) -> Result<bool, StoreError> {
        self.run(move |tables| {
            let is_same = tables.entry(&id)?.is_some_and(|kept| kept.revision == revision);
            match after {
                _ if !is_same => {}
                None => tables.remove_entry(&id)?,
                Some(kept) => tables.keep_entry(&kept)?,
            }
            Ok(is_same)
        })
        .await
    }

    async fn remove_entry(&self, id: String) -> Result<(), StoreError> {
        self.run(move |tables| tables.remove_entry(&id)).await
    }

    async fn sweep_entries(&self, until: u64, limit: usize) -> Result<usize, StoreError> {
        self.run(move |tables| tables.remove_entries_due(until, limit)).await
    }
}

/// Opens the file, and has its name on the disk too.
fn open(path: &Path) -> Result<Database, OpenError> {
    let failed = |error: io::Error| OpenError::Failed(format!("cannot be opened: {error}"));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let database = FileBackend::new(file)
        .and_then(|file| redb::Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(file))
        .map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::Locked,
            error => OpenError::Failed(format!("cannot be opened: {error}")),
        })?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(database)
}

/// Does what comes in, until nobody can ask any more or the database fails for good.
///
/// redb takes nothing more after a failure. A full disk is one that passes: local file systems find out when they are
/// written to, before anything is said to be on the disk, so that the database is opened again for the next who asks. Any
/// other is final for this process: after a failed fsync, what is read back need not be what is on the disk, and an answer
/// from it could be false.
fn write(database: Database, mut open: Opener, mut queue: mpsc::UnboundedReceiver<Job>) {
    let mut database = Some(database);
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while queue.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
        if database.is_none() {
            database = open().inspect_err(|error| tracing::error!(%error, "the store of upload tokens")).ok();
        }
        let Some(opened) = &database else {
            batch.clear();
            continue;
        };
        match transact(opened, batch.drain(..)) {
            Ok(replies) => replies.into_iter().for_each(|reply| reply()),
            Err(redb::Error::Io(error)) if is_full(&error) => {
                tracing::error!(%error, "the store of upload tokens has no room");
                database = None;
            }
            Err(error) => {
                tracing::error!(%error, "the store of upload tokens has failed: restart the signer once the cause is gone");
                return;
            }
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn transact(database: &Database, jobs: impl Iterator<Item = Job>) -> Result<Vec<Reply>, redb::Error> {
    // Durable on commit: redb's default, and no other is ever set.
    let transaction = database.begin_write()?;
    let (replies, changed) = {
        let mut tables = Tables::open(&transaction)?;
        let replies = jobs.map(|job| job(&mut tables)).collect::<Result<Vec<_>, _>>()?;
        (replies, tables.changed())
    };
    if changed {
        transaction.commit()?
    } else {
        transaction.abort()?
    }
    Ok(replies)
}
