//! Records in a file of this process alone: a redb database, written by one thread.
//!
//! The thread takes all that has come in while it was writing, does it in one transaction, has that on the disk (fsync),
//! and then answers: many redemptions share one fsync, and no answer goes out before what it rests on is durable. Who
//! asks only reads waits for the writes before it, so that it never sees what a crash could take back.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread::{self, JoinHandle},
};

use async_trait::async_trait;
use prost::Message;
use redb::{
    Database, DatabaseError, ReadableTable, StorageError, Table, TableDefinition, backends::FileBackend,
};
use tokio::sync::{mpsc, oneshot};

use super::{Store, StoreError};
use crate::upload::{Event, Outcome, Record, Refusal, State, TokenId, machine, record::Details};

/// Most requests of one transaction.
const MAX_BATCH: usize = 256;
/// Memory for pages that were read or are to be written, in bytes. Far more than a batch changes.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// [`Stored`] by token id.
const TOKENS: TableDefinition<'static, [u8; 32], &[u8]> = TableDefinition::new("upload_tokens");
/// Expiry and token id, to find what is to be swept.
const EXPIRIES: TableDefinition<'static, (u64, [u8; 32]), ()> = TableDefinition::new("upload_token_expiries");

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
        self.run(move |tables| {
            tables.expiries.insert((record.expires, id.0), ())?;
            tables.put(id, &record)
        })
        .await
    }

    async fn get(&self, id: TokenId) -> Result<Option<Record>, StoreError> {
        self.run(move |tables| tables.get(id)).await
    }

    async fn apply(&self, id: TokenId, event: Event) -> Result<Result<Outcome, Refusal>, StoreError> {
        self.run(move |tables| {
            let outcome = machine::apply(tables.get(id)?, &event);
            if let Ok(Outcome { record, replayed: false }) = &outcome {
                tables.put(id, record)?;
            }
            Ok(outcome)
        })
        .await
    }

    async fn sweep(&self, until: u64, limit: usize) -> Result<usize, StoreError> {
        self.run(move |tables| {
            let over: Vec<_> = tables
                .expiries
                .range(..=(until, [0xff; 32]))?
                .take(limit)
                .map(|entry| entry.map(|(key, _)| key.value()))
                .collect::<Result<_, _>>()?;
            tables.changed |= !over.is_empty();
            for key in &over {
                tables.expiries.remove(*key)?;
                tables.tokens.remove(key.1)?;
            }
            Ok(over.len())
        })
        .await
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
        let mut tables = Tables {
            tokens: transaction.open_table(TOKENS)?,
            expiries: transaction.open_table(EXPIRIES)?,
            changed: false,
        };
        let replies = jobs.map(|job| job(&mut tables)).collect::<Result<Vec<_>, _>>()?;
        (replies, tables.changed)
    };
    if changed {
        transaction.commit()?
    } else {
        transaction.abort()?
    }
    Ok(replies)
}

/// The tables inside a transaction.
struct Tables<'t> {
    tokens: Table<'t, [u8; 32], &'static [u8]>,
    expiries: Table<'t, (u64, [u8; 32]), ()>,
    changed: bool,
}

impl Tables<'_> {
    fn get(&self, id: TokenId) -> Result<Option<Record>, StorageError> {
        let Some(stored) = self.tokens.get(id.0)? else { return Ok(None) };
        let stored = Stored::decode(stored.value()).ok().and_then(Stored::into_record);
        stored.map(Some).ok_or_else(|| StorageError::Corrupted("a record cannot be decoded".to_owned()))
    }

    fn put(&mut self, id: TokenId, record: &Record) -> Result<(), StorageError> {
        self.changed = true;
        self.tokens.insert(id.0, Stored::of(record).encode_to_vec().as_slice())?;
        Ok(())
    }
}

/// A record as it stands in the file. Tags are for good.
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
}

impl Stored {
    fn of(record: &Record) -> Self {
        let (ended, request_id) = match &record.state {
            State::Pending => (None, None),
            State::Redeemed { at, request_id } => (Some(*at), Some(request_id.clone())),
            State::Cancelled { at } => (Some(*at), None),
        };
        Self {
            account: record.account.clone(),
            expires: record.expires,
            details: Some(record.details.clone()),
            ended,
            request_id,
        }
    }

    fn into_record(self) -> Option<Record> {
        let state = match (self.ended, self.request_id) {
            (None, None) => State::Pending,
            (Some(at), Some(request_id)) => State::Redeemed { at, request_id },
            (Some(at), None) => State::Cancelled { at },
            (None, Some(_)) => return None,
        };
        Some(Record { account: self.account, expires: self.expires, state, details: self.details? })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicI32, AtomicU32, Ordering},
    };

    use redb::StorageBackend;

    use super::*;
    use crate::upload::machine::EventKind;

    const ENOSPC: i32 = 28;
    const EIO: i32 = 5;

    /// A file whose writes and fsyncs fail, after so many of them, with an error of the system's.
    #[derive(Debug)]
    struct Faulty {
        file: FileBackend,
        faults: Arc<Faults>,
    }

    #[derive(Debug, Default)]
    struct Faults {
        errno: AtomicI32,
        after: AtomicU32,
    }

    impl Faulty {
        fn fault(&self) -> io::Result<()> {
            let errno = self.faults.errno.load(Ordering::SeqCst);
            let due = |left: u32| left.checked_sub(1);
            if errno == 0 || self.faults.after.fetch_update(Ordering::SeqCst, Ordering::SeqCst, due).is_ok() {
                return Ok(());
            }
            Err(io::Error::from_raw_os_error(errno))
        }
    }

    impl StorageBackend for Faulty {
        fn len(&self) -> io::Result<u64> {
            self.file.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.file.read(offset, out)
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.fault()?;
            self.file.set_len(len)
        }

        fn sync_data(&self) -> io::Result<()> {
            self.fault()?;
            self.file.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.fault()?;
            self.file.write(offset, data)
        }
    }

    fn faulty(path: &Path, faults: &Arc<Faults>) -> EmbeddedStore {
        let (path, faults) = (path.to_owned(), Arc::clone(faults));
        EmbeddedStore::with(Box::new(move || {
            let file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
            let file = Faulty { file: FileBackend::new(file).unwrap(), faults: Arc::clone(&faults) };
            redb::Builder::new()
                .create_with_backend(file)
                .map_err(|error| OpenError::Failed(error.to_string()))
        }))
        .unwrap()
    }

    fn redeem(request_id: &str) -> Event {
        let kind = EventKind::Redeem { request_id: request_id.to_owned() };
        Event { account: "acme".to_owned(), at: 1, kind }
    }

    /// Wherever in a commit the disk fails: who was told OK has redeemed, who was told nothing may ask again, and nobody
    /// else has.
    #[tokio::test]
    async fn a_disk_that_fails_makes_no_answer_false() {
        for errno in [ENOSPC, EIO] {
            let mut unanswered = 0;
            for after in 0..12 {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("tokens");
                let faults = Arc::new(Faults::default());
                let mut store = faulty(&path, &faults);
                let pending = Record {
                    account: "acme".to_owned(),
                    expires: 100,
                    state: State::Pending,
                    details: Details::default(),
                };
                let id = TokenId([7; 32]);
                store.insert(id, pending).await.unwrap();
                faults.after.store(after, Ordering::SeqCst);
                faults.errno.store(errno, Ordering::SeqCst);
                let told = store.apply(id, redeem("first")).await;
                unanswered += usize::from(told.is_err());
                let failed = store.insert(TokenId([8; 32]), store_filler()).await.is_err();
                faults.errno.store(0, Ordering::SeqCst);
                if errno == EIO && (failed || told.is_err()) {
                    store.get(id).await.expect_err("what is read after a failed fsync is not to be trusted");
                    drop(store);
                    store = faulty(&path, &faults);
                }
                let again = store.apply(id, redeem("first")).await.unwrap().unwrap();
                if let Ok(told) = told {
                    assert!(!told.unwrap().replayed && again.replayed, "{errno} {after}");
                }
                let rival = store.apply(id, redeem("second")).await.unwrap();
                assert_eq!(rival, Err(Refusal::AlreadyRedeemed), "{errno} {after}");
            }
            assert!((1..12).contains(&unanswered), "some failed and some did not: {unanswered}");
        }
    }

    fn store_filler() -> Record {
        let details = Details { metadata: vec![0; 4096], ..Details::default() };
        Record { account: "acme".to_owned(), expires: 100, state: State::Pending, details }
    }
}
